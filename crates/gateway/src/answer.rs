//! Answers: what every one of them tells the caller about where it stands, and the bodies they
//! have.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use tollgate_policy::Shown;
use tollgate_units::Timestamp;
use tollgate_wire::{Notice, Protocol, StandingHeaders, Stands, reply};

use crate::relay::{BrokenOff, Relay};

/// The body of an answer.
#[derive(Debug)]
pub enum Outgoing {
    /// The gateway's own words, or nothing more.
    Whole(Bytes),
    /// A provider's answer, passing through.
    Relay(Box<Relay>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Relay(relay) => Pin::new(relay.as_mut()).poll_frame(context),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Relay(relay) => relay.is_end_stream(),
            Self::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Relay(relay) => relay.size_hint(),
            Self::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
        }
    }
}

/// A JSON answer of the gateway's own.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::Whole(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A notice in the caller's protocol.
pub(crate) fn render(protocol: Protocol, notice: &Notice) -> Response<Outgoing> {
    let reply = reply(protocol, notice);
    let mut response = Response::new(Outgoing::Whole(reply.body));
    *response.status_mut() = reply.status;
    response.headers_mut().extend(reply.headers);
    identify(response.headers_mut(), &notice.request_id);
    // Where the official clients look for the id of a request that failed.
    if let Ok(id) = HeaderValue::from_str(&notice.request_id) {
        response.headers_mut().insert(protocol.request_id(), id);
    }
    response
}

/// Every answer says which request it answers.
pub(crate) fn identify(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Tells the caller where it stands: of its own limits, the one with the least left of requests and
/// of tokens, and every one as the IETF draft has it.
pub(crate) fn stand<'a>(
    headers: &mut HeaderMap,
    protocol: Protocol,
    shown: impl Iterator<Item = Shown<'a>>,
    now: Timestamp,
) {
    let mut told = StandingHeaders::default();
    for shown in shown {
        let stands = stands(&shown, now);
        if shown.counts_requests() {
            told.requests(stands);
        } else if shown.counts_tokens() {
            told.tokens(stands);
        }
        if shown.counts_input() {
            told.input_tokens(stands);
        } else if shown.counts_output() {
            told.output_tokens(stands);
        }
        if let Some(quota) = shown.limit.quota() {
            told.listed(quota, stands);
        }
    }
    told.write(protocol, now, headers);
}

fn stands(shown: &Shown<'_>, now: Timestamp) -> Stands {
    Stands {
        limit: shown.limit.limit().most().get(),
        remaining: shown.standing.left.get(),
        reset: shown.limit.resets().then(|| shown.standing.resets_at.since(now)),
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-tollgate-request-id");
