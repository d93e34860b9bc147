//! The beginning of an answer. A head alone is none, and neither is an error that calls itself a
//! success: until something of an answer is there, another route may still be asked.
//!
//! Its first event is looked at, or the first bytes of a document. Comments before the one and
//! blanks before the other have not begun it: some providers send them until they know whether they
//! have an answer or an error. They keep the caller's connection open too, so after a moment they
//! go on.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::Instant;
use tollgate_wire::{Opening, is_told, opening, opening_without_account};

use crate::fault::{Fault, Judged, judged_inside};
use crate::flight::Flight;
use crate::headers::is_identity;
use crate::respond::is_events;

/// What a success has turned out to be.
#[derive(Debug)]
pub(crate) enum Begun {
    /// An answer, of which the first piece is there.
    Flows(Response<Incoming>, Option<Bytes>),
    /// None: as good as this refusal.
    Spoilt(Box<Judged>),
}

/// Waits for the first piece of an answer.
///
/// # Errors
/// It broke off, or nothing came in time.
pub(crate) async fn begins(
    flight: &Flight,
    mut response: Response<Incoming>,
) -> Result<Begun, Fault> {
    let idle = Duration::from_millis(flight.live().bounds.idle.as_millis());
    let is_readable = is_identity(response.headers());
    let is_events = is_events(response.headers());
    let tells = |begun: &[u8]| !is_readable || is_told(is_events, begun);
    let (first, is_all) = first_told(response.body_mut(), idle, tells).await?;
    let opens = match &first {
        None => Opening::Nothing,
        Some(_) if !is_readable => Opening::Answer,
        Some(first) => opening(is_events, first, is_all),
    };
    if opens == Opening::Answer {
        let is_readable = is_readable && !is_events;
        let key = flight.live().upstreams.key(flight.account().0);
        let clean = |first| if is_readable { opening_without_account(first, &key) } else { first };
        return Ok(Begun::Flows(response, first.map(clean)));
    }
    let first = first.filter(|_| opens == Opening::Error);
    let (gate, live) = (flight.gate(), flight.live());
    let judged = judged_inside((gate, live), flight.account(), response, first).await;
    Ok(Begun::Spoilt(Box::new(judged)))
}

/// The beginning of a body, as much of it as tells what it is, or came within a moment; nothing
/// where it has none. And whether it is all of it.
async fn first_told(
    body: &mut Incoming,
    idle: Duration,
    tells: impl Fn(&[u8]) -> bool,
) -> Result<(Option<Bytes>, bool), Fault> {
    let Some(first) = next_piece(body, idle).await? else {
        return Ok((None, true));
    };
    // By far the most answers: one piece, which is not copied.
    if tells(&first) {
        return Ok((Some(first), body.is_end_stream()));
    }
    let until = Instant::now() + LOOKED_AT_FOR;
    let mut begun = BytesMut::from(first);
    while !tells(&begun) {
        match next_piece(body, until.saturating_duration_since(Instant::now())).await {
            Ok(Some(piece)) => begun.extend_from_slice(&piece),
            Ok(None) => return Ok((Some(begun.freeze()), true)),
            Err(Fault::TimedOut) => break,
            Err(fault) => return Err(fault),
        }
    }
    Ok((Some(begun.freeze()), body.is_end_stream()))
}

/// The next piece of a body; nothing at its end.
async fn next_piece(body: &mut Incoming, patience: Duration) -> Result<Option<Bytes>, Fault> {
    let next = async {
        loop {
            match body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if piece.is_empty() => {}
                    Ok(piece) => return Ok(Some(piece)),
                    Err(_trailers) => {}
                },
                Some(Err(_)) => return Err(Fault::BrokeOff),
                None => return Ok(None),
            }
        }
    };
    tokio::time::timeout(patience, next).await.unwrap_or(Err(Fault::TimedOut))
}

/// How long what has come and tells nothing is kept from the caller.
const LOOKED_AT_FOR: Duration = Duration::from_secs(1);
