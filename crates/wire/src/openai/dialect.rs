//! How the OpenAI protocol says no: statuses, codes and types.

use http::StatusCode;
use serde::Serialize;

use crate::reply::{Tollgate, answered};
use crate::{Notice, NoticeKind, Reply};

/// A notice in the OpenAI protocol: status, headers, body.
pub(crate) fn reply(notice: &Notice) -> Reply {
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
    answered(status, notice, &Envelope { error })
}

/// The status and code of each kind of notice.
pub(crate) const fn status_and_code(kind: NoticeKind) -> (StatusCode, &'static str) {
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
        NoticeKind::PreviousResponseNotFound => {
            (Status::BAD_REQUEST, "previous_response_not_found")
        }
        NoticeKind::StoredNotFound => (Status::NOT_FOUND, "not_found"),
        NoticeKind::TooLarge => (Status::PAYLOAD_TOO_LARGE, "request_too_large"),
        NoticeKind::FieldNotAllowed => (Status::FORBIDDEN, "field_not_allowed"),
        NoticeKind::ToolNotAllowed => (Status::FORBIDDEN, "tool_not_allowed"),
        NoticeKind::UnsupportedEncoding => (Status::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding"),
        NoticeKind::UpstreamError => (Status::BAD_GATEWAY, "upstream_error"),
        NoticeKind::UpstreamTimeout => (Status::GATEWAY_TIMEOUT, "upstream_timeout"),
        NoticeKind::UpstreamUnavailable => (Status::SERVICE_UNAVAILABLE, "upstream_unavailable"),
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

#[cfg(test)]
mod tests;
