//! How the OpenAI protocol says no: statuses, codes, types, and when to come back.
//!
//! Official clients read the headers, people the message, programs the `tollgate` object. A wait
//! longer than a minute also says `x-should-retry: false`, because some clients would sleep through
//! it and others would ignore it and hammer on.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use tollgate_units::Span;

use crate::{Limited, Notice, NoticeKind, Reply};

/// Longer waits are for people to plan with, not for clients to sleep through.
const CLIENT_WAIT_SECS_MAX: u64 = 60;

/// A notice in the OpenAI protocol: status, headers, body.
pub fn openai_reply(notice: &Notice) -> Reply {
    let (status, code) = status_and_code(notice.kind);
    let about_tokens = notice.limited.as_ref().is_some_and(|limited| limited.about_tokens);
    let kind = match notice.kind {
        NoticeKind::LimitExceeded if about_tokens => "tokens",
        NoticeKind::LimitExceeded => "requests",
        NoticeKind::LimitSpent => "insufficient_quota",
        _ if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    };
    let error = ErrorBody {
        message: &notice.message,
        kind,
        param: notice.param.as_deref(),
        code,
        tollgate: Tollgate::of(notice),
    };
    let json = HeaderValue::from_static("application/json");
    let mut headers = vec![(header::CONTENT_TYPE, json)];
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let limited = notice.limited.as_ref().and_then(|limited| limited.retry_after);
        let other = notice.retry_after.map(|wait| wait.plus(notice.jitter));
        when(limited.or(other), &mut headers);
    }
    // A body of strings and JSON values always serialises.
    let body = serde_json::to_vec(&Envelope { error }).unwrap_or_default();
    Reply { status, headers, body: Bytes::from(body) }
}

const fn status_and_code(kind: NoticeKind) -> (StatusCode, &'static str) {
    use StatusCode as Status;
    match kind {
        NoticeKind::ContextLength => (Status::BAD_REQUEST, "context_length_exceeded"),
        NoticeKind::Internal => (Status::INTERNAL_SERVER_ERROR, "internal_error"),
        NoticeKind::InvalidKey => (Status::UNAUTHORIZED, "invalid_api_key"),
        NoticeKind::InvalidRequest => (Status::BAD_REQUEST, "invalid_request"),
        NoticeKind::LimitExceeded => (Status::TOO_MANY_REQUESTS, "rate_limit_exceeded"),
        NoticeKind::LimitSpent => (Status::TOO_MANY_REQUESTS, "insufficient_quota"),
        NoticeKind::ModelNotAllowed => (Status::FORBIDDEN, "model_not_allowed"),
        NoticeKind::ModelNotFound | NoticeKind::NotFound => (Status::NOT_FOUND, "model_not_found"),
        NoticeKind::NotPriced => (Status::FORBIDDEN, "model_not_priced"),
        NoticeKind::Overloaded => (Status::SERVICE_UNAVAILABLE, "overloaded"),
        NoticeKind::TooLarge => (Status::PAYLOAD_TOO_LARGE, "request_too_large"),
        NoticeKind::ToolNotAllowed => (Status::FORBIDDEN, "tool_not_allowed"),
        NoticeKind::UnsupportedEncoding => (Status::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding"),
        NoticeKind::UpstreamError => (Status::BAD_GATEWAY, "upstream_error"),
        NoticeKind::UpstreamTimeout => (Status::GATEWAY_TIMEOUT, "upstream_timeout"),
        NoticeKind::UpstreamUnavailable => (Status::SERVICE_UNAVAILABLE, "upstream_unavailable"),
    }
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

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: &'static str,
    tollgate: Tollgate<'a>,
}

/// What programs may want to know beyond the protocol.
#[derive(Serialize)]
#[serde(untagged)]
enum Tollgate<'a> {
    Limited(ByLimit<'a>),
    Plain {
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
        source: &'static str,
        request_id: &'a str,
    },
}

#[derive(Serialize)]
struct ByLimit<'a> {
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
    fn of(notice: &'a Notice) -> Self {
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

#[cfg(test)]
mod tests;
