//! A notice as an answer: what the protocols have in common.
//!
//! Official clients read the headers, people the message, programs the `tollgate` object. A wait
//! longer than a minute also says `x-should-retry: false`, because some clients would sleep through
//! it and others would ignore it and hammer on.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use tollgate_units::Span;

use crate::{Limited, Notice, Protocol, Reply, anthropic, cohere, gemini, openai};

/// Longer waits are for people to plan with, not for clients to sleep through.
const CLIENT_WAIT_SECS_MAX: u64 = 60;
/// Anthropic's status for overload; no other protocol has it.
const OVERLOADED: u16 = 529;

/// A notice in the caller's protocol: status, headers, body.
pub fn reply(protocol: Protocol, notice: &Notice) -> Reply {
    match protocol {
        Protocol::Anthropic => anthropic::dialect::reply(notice),
        Protocol::Cohere => cohere::dialect::reply(notice),
        Protocol::Gemini => gemini::dialect::reply(notice),
        Protocol::OpenAi => openai::dialect::reply(notice),
    }
}

/// An answer with this body, and where waiting is a matter, with the headers that speak of it.
pub(crate) fn answered(status: StatusCode, notice: &Notice, body: &impl Serialize) -> Reply {
    let json = HeaderValue::from_static("application/json");
    let mut headers = vec![(header::CONTENT_TYPE, json)];
    if matches!(status.as_u16(), 402 | 429 | 503 | OVERLOADED) {
        let limited = notice.limited.as_ref().and_then(|limited| limited.retry_after);
        let other = notice.retry_after.map(|wait| wait.plus(notice.jitter));
        when(limited.or(other), &mut headers);
    }
    // A body of strings and JSON values always serialises.
    let body = serde_json::to_vec(body).unwrap_or_default();
    Reply { status, headers, body: Bytes::from(body) }
}

/// Says when to come back, or that coming back does not help.
fn when(retry_after: Option<Span>, headers: &mut Vec<(HeaderName, HeaderValue)>) {
    let secs = retry_after.map(|wait| wait.as_secs_ceil().max(1));
    if let (Some(wait), Some(secs)) = (retry_after, secs) {
        headers.push((HeaderName::from_static("retry-after-ms"), wait.as_millis().into()));
        headers.push((header::RETRY_AFTER, secs.into()));
    }
    if secs.is_none_or(|secs| secs > CLIENT_WAIT_SECS_MAX) {
        let no = HeaderValue::from_static("false");
        headers.push((HeaderName::from_static("x-should-retry"), no));
    }
}

/// What programs may want to know beyond the protocol.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Tollgate<'a> {
    Limited(ByLimit<'a>),
    Plain {
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
        source: &'static str,
        request_id: &'a str,
    },
}

#[derive(Serialize)]
pub(crate) struct ByLimit<'a> {
    limit: &'a str,
    tier: &'a str,
    subject: Option<&'a str>,
    unit: &'a str,
    amount: Option<&'a Value>,
    used: Option<&'a Value>,
    held: Option<&'a Value>,
    requested: &'a Value,
    retry_after_ms: Option<u64>,
    source: &'static str,
    refused_by: &'a [String],
    request_id: &'a str,
}

impl<'a> Tollgate<'a> {
    pub(crate) fn of(notice: &'a Notice) -> Self {
        let (source, request_id) = ("gateway", notice.request_id.as_str());
        match &notice.limited {
            None => {
                let retry_after_ms = notice.retry_after.map(Span::as_millis);
                Self::Plain { retry_after_ms, source, request_id }
            }
            Some(limited) => Self::Limited(ByLimit::of(limited, source, request_id)),
        }
    }
}

impl<'a> ByLimit<'a> {
    fn of(limited: &'a Limited, source: &'static str, request_id: &'a str) -> Self {
        Self {
            limit: &limited.limit,
            tier: &limited.tier,
            subject: limited.subject.as_deref(),
            unit: &limited.unit,
            amount: limited.amount.as_ref(),
            used: limited.used.as_ref(),
            held: limited.held.as_ref(),
            requested: &limited.requested,
            retry_after_ms: limited.wait.map(Span::as_millis),
            source,
            refused_by: &limited.refused_by,
            request_id,
        }
    }
}
