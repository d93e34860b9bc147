//! How Anthropic's protocol says no: statuses and types. Its clients know a fault by the status,
//! and overload by one of its own, 529.

use http::StatusCode;
use serde::Serialize;

use crate::reply::{Tollgate, answered};
use crate::{Notice, NoticeKind, Reply};

/// A notice in Anthropic's protocol.
pub(crate) fn reply(notice: &Notice) -> Reply {
    let (status, kind) = status_and_type(notice.kind);
    let error = ErrorBody { kind, message: &notice.message, tollgate: Tollgate::of(notice) };
    let request_id = notice.request_id.as_str();
    answered(status, notice, &Envelope { kind: "error", error, request_id })
}

fn status_and_type(kind: NoticeKind) -> (StatusCode, &'static str) {
    use StatusCode as Status;
    match kind {
        NoticeKind::ContextLength | NoticeKind::InvalidRequest => {
            (Status::BAD_REQUEST, "invalid_request_error")
        }
        NoticeKind::Internal => (Status::INTERNAL_SERVER_ERROR, "api_error"),
        NoticeKind::InvalidKey => (Status::UNAUTHORIZED, "authentication_error"),
        NoticeKind::LimitExceeded | NoticeKind::LimitSpent => {
            (Status::TOO_MANY_REQUESTS, "rate_limit_error")
        }
        NoticeKind::FieldNotAllowed
        | NoticeKind::ModelNotAllowed
        | NoticeKind::NotPriced
        | NoticeKind::ToolNotAllowed => (Status::FORBIDDEN, "permission_error"),
        NoticeKind::ModelNotFound
        | NoticeKind::NotFound
        | NoticeKind::PreviousResponseNotFound
        | NoticeKind::StoredNotFound => (Status::NOT_FOUND, "not_found_error"),
        NoticeKind::Overloaded | NoticeKind::UpstreamUnavailable => {
            let overloaded = Status::from_u16(529).unwrap_or(Status::SERVICE_UNAVAILABLE);
            (overloaded, "overloaded_error")
        }
        NoticeKind::TooLarge => (Status::PAYLOAD_TOO_LARGE, "request_too_large"),
        NoticeKind::UnsupportedEncoding => {
            (Status::UNSUPPORTED_MEDIA_TYPE, "invalid_request_error")
        }
        NoticeKind::UpstreamError => (Status::BAD_GATEWAY, "api_error"),
        NoticeKind::UpstreamTimeout => (Status::GATEWAY_TIMEOUT, "api_error"),
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: ErrorBody<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
    tollgate: Tollgate<'a>,
}

#[cfg(test)]
mod tests {
    use tollgate_units::Span;

    use super::*;

    fn told(kind: NoticeKind, retry_after: Option<Span>) -> Reply {
        reply(&Notice {
            kind,
            message: "What happened.".to_owned(),
            param: None,
            limited: None,
            retry_after,
            jitter: Span::ZERO,
            request_id: "req-1".to_owned(),
        })
    }

    #[test]
    fn every_kind_of_notice_has_its_status_and_type() {
        let table = [
            (NoticeKind::ContextLength, 400, "invalid_request_error"),
            (NoticeKind::Internal, 500, "api_error"),
            (NoticeKind::InvalidKey, 401, "authentication_error"),
            (NoticeKind::InvalidRequest, 400, "invalid_request_error"),
            (NoticeKind::LimitExceeded, 429, "rate_limit_error"),
            (NoticeKind::LimitSpent, 429, "rate_limit_error"),
            (NoticeKind::ModelNotAllowed, 403, "permission_error"),
            (NoticeKind::ModelNotFound, 404, "not_found_error"),
            (NoticeKind::NotFound, 404, "not_found_error"),
            (NoticeKind::PreviousResponseNotFound, 404, "not_found_error"),
            (NoticeKind::StoredNotFound, 404, "not_found_error"),
            (NoticeKind::NotPriced, 403, "permission_error"),
            (NoticeKind::Overloaded, 529, "overloaded_error"),
            (NoticeKind::TooLarge, 413, "request_too_large"),
            (NoticeKind::FieldNotAllowed, 403, "permission_error"),
            (NoticeKind::ToolNotAllowed, 403, "permission_error"),
            (NoticeKind::UnsupportedEncoding, 415, "invalid_request_error"),
            (NoticeKind::UpstreamError, 502, "api_error"),
            (NoticeKind::UpstreamTimeout, 504, "api_error"),
            (NoticeKind::UpstreamUnavailable, 529, "overloaded_error"),
        ];
        for (kind, status, name) in table {
            let reply = told(kind, None);
            let body = format!(
                "{{\"type\":\"error\",\"error\":{{\"type\":\"{name}\",\
                 \"message\":\"What happened.\",\
                 \"tollgate\":{{\"source\":\"gateway\",\"request_id\":\"req-1\"}}}},\
                 \"request_id\":\"req-1\"}}"
            );
            assert_eq!(reply.body, body.as_bytes(), "{kind:?}");
            assert_eq!(reply.status.as_u16(), status, "{kind:?}");
            let says_no = reply.headers.iter().any(|(name, _)| name == "x-should-retry");
            assert_eq!(says_no, matches!(status, 429 | 529), "{kind:?}");
        }
    }

    #[test]
    fn a_short_wait_is_announced_and_a_long_one_forbids_to_retry() {
        for (secs, expected) in [(12, &["retry-after-ms", "retry-after"][..]), (3600, &LONG)] {
            let reply = told(NoticeKind::LimitSpent, Some(Span::from_secs(secs)));
            let names: Vec<_> =
                reply.headers.iter().skip(1).map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, expected, "{secs}");
        }
    }

    const LONG: [&str; 3] = ["retry-after-ms", "retry-after", "x-should-retry"];
}
