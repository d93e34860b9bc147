//! The way of a request, one line a stage: identify ▸ read ▸ consider ▸ weigh ▸ plan ▸ admit ▸
//! send.
//!
//! Each stage takes what the one before it made, so none can be skipped or repeated, and cheap
//! refusals come first. The last two stages, relay and settle, are the answer's body. Where a
//! request stops instead is in `stopped.rs`.

use std::sync::Arc;

use http::Response;
use hyper::body::Incoming;
use tollgate_wire::Endpoint;

use crate::admit::admit;
use crate::answer::Outgoing;
use crate::flight::Flight;
use crate::gate::Gateway;
use crate::identify::{Inbound, identify};
use crate::read::read;
use crate::respond::respond;
use crate::send::send;
use crate::stopped::{Known, Stopped};

/// Answers one request for a model.
pub(crate) async fn answer(
    gate: &Arc<Gateway>,
    inbound: Inbound,
    endpoint: Endpoint,
    body: Incoming,
) -> Response<Outgoing> {
    match serve(gate, &inbound, endpoint, body).await {
        Ok(response) => response,
        Err(stopped) => stopped.into_response(gate, &inbound),
    }
}

async fn serve(
    gate: &Arc<Gateway>,
    inbound: &Inbound,
    endpoint: Endpoint,
    body: Incoming,
) -> Result<Response<Outgoing>, Stopped> {
    let caller = identify(inbound, gate).map_err(Stopped::Unknown)?;
    let asked = read(gate, inbound, endpoint, body).await.map_err(Stopped::unread(&caller))?;
    let known = &Known { model: caller.policy().model_label(&asked.ask.model), caller };
    let options = known.caller.consider(asked.ask);
    let options = options.map_err(Stopped::refused(known))?;
    let weight = gate.scales.weigh(&options, &asked.body).await.map_err(Stopped::busy(known))?;
    let (pricing, now) = (options.pricing(), gate.clock().now());
    let plan = options.plan(weight.counts, now);
    let plan = plan.map_err(Stopped::unplanned(known, pricing, &asked.body))?;
    let admitted = admit(gate, plan).map_err(Stopped::full(&asked.body))?;
    let flight = Flight::new(gate, inbound, admitted, weight);
    let answered = send(flight, inbound, &asked.body).await;
    let answered = answered.map_err(Stopped::upstream(&known.caller))?;
    Ok(respond(answered, gate, &known.caller, inbound))
}
