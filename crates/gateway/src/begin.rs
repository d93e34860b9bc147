//! The beginning of an answer. A head alone is none, and neither is an error that calls itself a
//! success: until something of an answer is there, another route may still be asked.
//!
//! Only the first piece is looked at. Comments of a stream that come in pieces of their own have
//! begun it, because they keep the caller's connection open. Blanks before an answer in JSON have
//! not: some providers send them until they know whether they have an answer or an error.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Response, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tollgate_wire::{Opening, opening, opening_without_account};

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
    let patience = Duration::from_millis(flight.live().bounds.idle.as_millis());
    let first = if is_events(response.headers()) {
        next_piece(response.body_mut(), patience).await?
    } else {
        first_said(response.body_mut(), patience).await?
    };
    let opens = match &first {
        None => Opening::Nothing,
        Some(_) if !is_identity(response.headers()) => Opening::Answer,
        Some(_) if is_page(&response) => Opening::Nothing,
        Some(first) => {
            opening(is_events(response.headers()), first, response.body().is_end_stream())
        }
    };
    if opens == Opening::Answer {
        let is_readable = is_identity(response.headers()) && !is_events(response.headers());
        let key = flight.live().upstreams.key(flight.account().0);
        let clean = |first| if is_readable { opening_without_account(first, &key) } else { first };
        return Ok(Begun::Flows(response, first.map(clean)));
    }
    let first = first.filter(|_| opens == Opening::Error);
    let (gate, live) = (flight.gate(), flight.live());
    let judged = judged_inside((gate, live), flight.account(), response, first).await;
    Ok(Begun::Spoilt(Box::new(judged)))
}

/// The beginning of a body in JSON, as much of it as tells what it is; nothing where it has none.
async fn first_said(body: &mut Incoming, patience: Duration) -> Result<Option<Bytes>, Fault> {
    let said = |begun: &[u8]| begun.trim_ascii_start().len();
    let mut begun = BytesMut::new();
    while let Some(piece) = next_piece(body, patience).await? {
        // By far the most answers: one piece, which is not copied.
        if begun.is_empty() && said(&piece) >= SAID_BYTES_MIN {
            return Ok(Some(piece));
        }
        begun.extend_from_slice(&piece);
        if said(&begun) >= SAID_BYTES_MIN || begun.len() > BLANK_BYTES_MAX {
            return Ok(Some(begun.freeze()));
        }
    }
    Ok(Some(begun.freeze()).filter(|begun| said(begun) > 0))
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

/// Whether it is a page for people, as whoever stands before a provider gives.
fn is_page(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// With less of it, nobody can tell what an answer in JSON is.
const SAID_BYTES_MIN: usize = 32;
/// How much of nothing is waited through: `OpenRouter` sends a dozen bytes every few seconds.
const BLANK_BYTES_MAX: usize = 4 * 1024;
