use serde_json::Value;

use super::*;
use crate::NoticeKind;

fn told(kind: NoticeKind, retry_after: Option<Span>) -> Reply {
    reply(&Notice { retry_after, ..Notice::plain(kind) })
}

#[test]
fn every_kind_of_notice_has_its_status_and_word() {
    let table = [
        (NoticeKind::ContextLength, 400, "INVALID_ARGUMENT"),
        (NoticeKind::FieldNotAllowed, 403, "PERMISSION_DENIED"),
        (NoticeKind::Internal, 500, "INTERNAL"),
        (NoticeKind::InvalidKey, 401, "UNAUTHENTICATED"),
        (NoticeKind::InvalidRequest, 400, "INVALID_ARGUMENT"),
        (NoticeKind::LimitExceeded, 429, "RESOURCE_EXHAUSTED"),
        (NoticeKind::LimitSpent, 402, "RESOURCE_EXHAUSTED"),
        (NoticeKind::ModelNotAllowed, 403, "PERMISSION_DENIED"),
        (NoticeKind::ModelNotFound, 404, "NOT_FOUND"),
        (NoticeKind::NotFound, 404, "NOT_FOUND"),
        (NoticeKind::NotPriced, 403, "PERMISSION_DENIED"),
        (NoticeKind::Overloaded, 503, "UNAVAILABLE"),
        (NoticeKind::PreviousResponseNotFound, 404, "NOT_FOUND"),
        (NoticeKind::StoredNotFound, 404, "NOT_FOUND"),
        (NoticeKind::TooLarge, 413, "INVALID_ARGUMENT"),
        (NoticeKind::ToolNotAllowed, 403, "PERMISSION_DENIED"),
        (NoticeKind::UnsupportedEncoding, 415, "INVALID_ARGUMENT"),
        (NoticeKind::UpstreamError, 502, "UNAVAILABLE"),
        (NoticeKind::UpstreamTimeout, 504, "DEADLINE_EXCEEDED"),
        (NoticeKind::UpstreamUnavailable, 503, "UNAVAILABLE"),
    ];
    for (kind, status, word) in table {
        let reply = told(kind, None);
        let body = format!(
            "{{\"error\":{{\"code\":{status},\"message\":\"What happened.\",\
             \"status\":\"{word}\",\
             \"tollgate\":{{\"source\":\"gateway\",\"request_id\":\"req-1\"}}}}}}"
        );
        assert_eq!(reply.body, body.as_bytes(), "{kind:?}");
        assert_eq!(reply.status.as_u16(), status, "{kind:?}");
    }
}

#[test]
fn the_exact_wait_is_a_retry_info() {
    for (millis, delay) in [(11_640, "11.640s"), (2_000, "2s"), (7, "0.007s")] {
        let reply = told(NoticeKind::LimitExceeded, Some(Span::from_millis(millis)));
        let body = serde_json::from_slice::<Value>(&reply.body).unwrap();
        let details = &body["error"]["details"];
        assert_eq!(details[0]["@type"], "type.googleapis.com/google.rpc.RetryInfo");
        assert_eq!((details[0]["retryDelay"].as_str(), &details[1]), (Some(delay), &Value::Null));
    }
}
