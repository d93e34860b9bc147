//! The way of a request, one line a stage: identify ▸ read ▸ consider ▸ own ▸ weigh ▸ plan ▸
//! admit ▸ send.
//!
//! Each stage takes what the one before it made, so none can be skipped or repeated, and cheap
//! refusals come first. The last two stages, relay and settle, are the answer's body. Where a
//! request stops instead is in `stopped.rs`.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;
use tollgate_policy::Options;
use tollgate_units::Span;
use tollgate_wire::Destination;

use crate::admit::{Admitted, Asking, admit};
use crate::answer::Outgoing;
use crate::downgrade::Downgrades;
use crate::flight::Flight;
use crate::gate::{Gateway, Live};
use crate::identify::{Inbound, identify};
use crate::read::{Unread, read};
use crate::repeats::repeatable;
use crate::respond::respond;
use crate::runaway::steady;
use crate::scales::Weight;
use crate::send::Answered;
use crate::sessions::join;
use crate::shadow;
use crate::stopped::{Known, Stopped};
use crate::stored::own;
use crate::unattended::send_to_the_end;

/// Answers one request for a model.
pub(crate) async fn answer(
    gate: &Arc<Gateway>,
    inbound: Inbound,
    to: Destination,
    body: Incoming,
) -> Response<Outgoing> {
    match serve(gate, &inbound, to, body).await {
        Ok(response) => response,
        Err(stopped) => stopped.into_response(gate, &inbound),
    }
}

async fn serve(
    gate: &Arc<Gateway>,
    inbound: &Inbound,
    to: Destination,
    body: Incoming,
) -> Result<Response<Outgoing>, Stopped> {
    let caller = identify(inbound, gate).await.map_err(Stopped::Unknown)?;
    let asked = read(gate, inbound, to, body).await.map_err(Stopped::unread(&caller))?;
    let spoken_for = caller.speaking_for(&asked.ask).map_err(Unread::Malformed);
    let caller = spoken_for.map_err(Stopped::unread(&caller))?;
    let joined = join(gate, inbound, caller.clone(), asked.ask.session.as_deref());
    let caller = joined.map_err(Stopped::unread(&caller))?;
    let known = &Known { model: caller.policy().model_label(&asked.ask.model), caller };
    steady(gate, &known.caller).await.map_err(Stopped::runaway(known))?;
    let options = known.caller.consider(asked.ask);
    let options = options.map_err(Stopped::refused(known))?;
    let options = own(gate, options).await.map_err(Stopped::not_owned(known))?;
    let room = wait_for_room((gate, &inbound.live), known, options, &asked.body).await?;
    let mut flight = Flight::new(gate, inbound, room);
    if let Some(admitted) = flight.admitted()
        && let Some(repeatable) = repeatable(gate, inbound, admitted, &asked.body).await
    {
        if let Some(found) = repeatable.fresh(gate).await {
            let answered = Answered::Again(Box::new(flight), found);
            return Ok(respond(answered, gate, &known.caller, inbound));
        }
        flight.may_repeat(repeatable);
    }
    let answered = send_to_the_end(flight, inbound, &asked.body).await;
    let answered = answered.map_err(Stopped::upstream(&known.caller))?;
    Ok(respond(answered, gate, &known.caller, inbound))
}

/// What an admitted request holds.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) admitted: Admitted,
    pub(crate) weight: Weight,
    /// What it would hold under the policy that is only watched.
    pub(crate) in_shadow: Option<Admitted>,
}

/// The same again, where nothing but what a provider allows its account refused and there is room
/// in a moment.
async fn wait_for_room(
    by: (&Arc<Gateway>, &Live),
    known: &Known,
    mut options: Options,
    body: &Bytes,
) -> Result<Room, Stopped> {
    let gives_up = by.0.clock().now().plus(HELD_MAX);
    loop {
        let model = options.model().clone();
        let stopped = match find_room(by, known, options, body).await {
            Err(Stopped::Full(full, body)) if full.is_of_accounts() => (full, body),
            found => return found,
        };
        let (full, refused) = stopped;
        let now = by.0.clock().now();
        let room_at = full.room_at().filter(|at| at.since(now) <= HELD_FOR && *at < gives_up);
        let (Some(room_at), Some(again)) = (room_at, full.plan.stood_in(&model)) else {
            return Err(Stopped::Full(full, refused));
        };
        tokio::time::sleep(Duration::from_millis(room_at.since(now).as_millis())).await;
        options = again;
    }
}

/// weigh ▸ plan ▸ admit, for the model that was asked for or one that stands in for it.
async fn find_room(
    (gate, live): (&Arc<Gateway>, &Live),
    known: &Known,
    options: Options,
    body: &Bytes,
) -> Result<Room, Stopped> {
    let mut in_shadow = None;
    let mut way = Downgrades::from(options);
    loop {
        let weight = gate.scales.weigh(way.options(), body).await.map_err(Stopped::busy(known))?;
        if way.is_first() {
            in_shadow = shadow::watch(gate, &known.caller, way.options(), weight.counts);
        }
        let asking = Asking { meters: &gate.meters, metrics: Some(&gate.metrics) };
        let find = |mut plan| {
            gate.arrange(live, &mut plan);
            admit(asking, plan)
        };
        match way.ask(&gate.meters, weight.counts, find) {
            ControlFlow::Break(Ok(admitted)) => return Ok(Room { admitted, weight, in_shadow }),
            ControlFlow::Break(Err(unserved)) => {
                return Err(Stopped::unserved(known, body)(unserved));
            }
            ControlFlow::Continue(next) => way = next,
        }
    }
}

/// How long a request may have to wait for what a provider allows its account, without being told
/// to come back instead,
pub(crate) const HELD_FOR: Span = Span::from_secs(1);
/// and how long in all, where others were faster each time.
pub(crate) const HELD_MAX: Span = Span::from_secs(5);
