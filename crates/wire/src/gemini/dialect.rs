//! How Gemini's protocol says no: Google's canonical status words, and the wait as a `RetryInfo`
//! among the details. What waiting does not help is a 402, because its clients know no other way
//! to be told.

use http::StatusCode;
use serde::Serialize;
use tollgate_units::Span;

use crate::cohere::dialect::status;
use crate::reply::{Tollgate, answered};
use crate::{Notice, Reply};

/// A notice in Gemini's protocol.
pub(crate) fn reply(notice: &Notice) -> Reply {
    let status = status(notice.kind);
    let wait = notice.limited.as_ref().map_or(notice.retry_after, |limited| limited.wait);
    let error = ErrorBody {
        code: status.as_u16(),
        message: &notice.message,
        status: word(status),
        details: wait.map(RetryInfo::of).into_iter().collect(),
        tollgate: Tollgate::of(notice),
    };
    answered(status, notice, &Envelope { error })
}

/// The canonical code (`google.rpc.Code`) that belongs to a status.
fn word(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        500 => "INTERNAL",
        502 | 503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INVALID_ARGUMENT",
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<RetryInfo>,
    tollgate: Tollgate<'a>,
}

/// `google.rpc.RetryInfo`: the exact wait, in seconds as Protobuf writes a duration.
#[derive(Serialize)]
struct RetryInfo {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "retryDelay")]
    delay: String,
}

impl RetryInfo {
    fn of(wait: Span) -> Self {
        let (secs, millis) = (wait.as_millis() / 1000, wait.as_millis() % 1000);
        let delay = if millis == 0 { format!("{secs}s") } else { format!("{secs}.{millis:03}s") };
        Self { kind: "type.googleapis.com/google.rpc.RetryInfo", delay }
    }
}

#[cfg(test)]
mod tests;
