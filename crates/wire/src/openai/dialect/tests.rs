use serde_json::{Value, json};
use tollgate_units::Span;

use super::*;
use crate::Limited;

fn notice(kind: NoticeKind) -> Notice {
    Notice {
        kind,
        message: "What happened.".to_owned(),
        param: None,
        limited: None,
        retry_after: None,
        jitter: Span::ZERO,
        request_id: "req-1".to_owned(),
    }
}

fn limited(wait: Option<u64>, retry_after: Option<u64>) -> Limited {
    Limited {
        limit: "60 requests per minute per user".to_owned(),
        tier: "pro".to_owned(),
        subject: Some("user:ana".to_owned()),
        unit: "requests".to_owned(),
        amount: Some(json!(60)),
        used: Some(json!(60)),
        held: Some(json!(0)),
        requested: json!(1),
        wait: wait.map(Span::from_millis),
        retry_after: retry_after.map(Span::from_millis),
        refused_by: vec!["60 requests per minute per user".to_owned()],
        about_tokens: false,
    }
}

fn headers(reply: &Reply) -> Vec<(&str, &str)> {
    let pairs = reply.headers.iter();
    pairs.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

/// Kind, status, code, type.
const KINDS: &[(NoticeKind, u16, &str, &str)] = &[
    (NoticeKind::ContextLength, 400, "context_length_exceeded", "invalid_request_error"),
    (NoticeKind::Internal, 500, "internal_error", "server_error"),
    (NoticeKind::InvalidKey, 401, "invalid_api_key", "invalid_request_error"),
    (NoticeKind::InvalidRequest, 400, "invalid_request", "invalid_request_error"),
    (NoticeKind::LimitExceeded, 429, "rate_limit_exceeded", "requests"),
    (NoticeKind::LimitSpent, 429, "insufficient_quota", "insufficient_quota"),
    (NoticeKind::ModelNotAllowed, 403, "model_not_allowed", "invalid_request_error"),
    (NoticeKind::ModelNotFound, 404, "model_not_found", "invalid_request_error"),
    (NoticeKind::NotFound, 404, "model_not_found", "invalid_request_error"),
    (
        NoticeKind::PreviousResponseNotFound,
        400,
        "previous_response_not_found",
        "invalid_request_error",
    ),
    (NoticeKind::StoredNotFound, 404, "not_found", "invalid_request_error"),
    (NoticeKind::NotPriced, 403, "model_not_priced", "invalid_request_error"),
    (NoticeKind::Overloaded, 503, "overloaded", "server_error"),
    (NoticeKind::TooLarge, 413, "request_too_large", "invalid_request_error"),
    (NoticeKind::FieldNotAllowed, 403, "field_not_allowed", "invalid_request_error"),
    (NoticeKind::ToolNotAllowed, 403, "tool_not_allowed", "invalid_request_error"),
    (NoticeKind::UnsupportedEncoding, 415, "unsupported_encoding", "invalid_request_error"),
    (NoticeKind::UpstreamError, 502, "upstream_error", "server_error"),
    (NoticeKind::UpstreamTimeout, 504, "upstream_timeout", "server_error"),
    (NoticeKind::UpstreamUnavailable, 503, "upstream_unavailable", "server_error"),
];

#[test]
fn every_kind_of_notice_has_its_status_code_and_type() {
    for &(kind, status, code, error_type) in KINDS {
        let reply = super::reply(&notice(kind));
        let body = format!(
            "{{\"error\":{{\"message\":\"What happened.\",\"type\":\"{error_type}\",\"param\":null,\
             \"code\":\"{code}\",\"tollgate\":{{\"source\":\"gateway\",\"request_id\":\"req-1\"}}}}}}"
        );
        assert_eq!(reply.body, body.as_bytes(), "{kind:?}");
        assert_eq!(reply.status.as_u16(), status, "{kind:?}");
        let json = ("content-type", "application/json");
        let never = ("x-should-retry", "false");
        let expected = if matches!(status, 429 | 503) { vec![json, never] } else { vec![json] };
        assert_eq!(headers(&reply), expected, "{kind:?}");
    }
}

#[test]
fn a_limit_is_told_in_full() {
    let mut notice = notice(NoticeKind::LimitExceeded);
    notice.message = "Limit \"60 requests per minute per user\" is used up.".to_owned();
    notice.limited = Some(limited(Some(11_640), Some(12_001)));
    let reply = super::reply(&notice);
    let expected = concat!(
        r#"{"error":{"message":"Limit \"60 requests per minute per user\" is used up.","#,
        r#""type":"requests","param":null,"code":"rate_limit_exceeded","#,
        r#""tollgate":{"limit":"60 requests per minute per user","tier":"pro","#,
        r#""subject":"user:ana","unit":"requests","amount":60,"used":60,"held":0,"requested":1,"#,
        r#""retry_after_ms":11640,"source":"gateway","#,
        r#""refused_by":["60 requests per minute per user"],"request_id":"req-1"}}}"#,
    );
    assert_eq!(std::str::from_utf8(&reply.body), Ok(expected));
    assert_eq!(
        headers(&reply),
        [("content-type", "application/json"), ("retry-after-ms", "12001"), ("retry-after", "13")]
    );
}

#[test]
fn a_shared_limit_keeps_its_amounts_to_itself() {
    let mut notice = notice(NoticeKind::LimitSpent);
    let secret = Limited {
        limit: "cost per day, everybody".to_owned(),
        subject: None,
        amount: None,
        used: None,
        held: None,
        requested: json!("$0.15"),
        ..limited(None, None)
    };
    notice.limited = Some(secret);
    let body = String::from_utf8(super::reply(&notice).body.to_vec()).unwrap();
    let expected = r#""subject":null,"unit":"requests","amount":null,"used":null,"held":null,"#;
    assert!(body.contains(expected), "{body}");
    assert!(body.contains(r#""requested":"$0.15","retry_after_ms":null,"#), "{body}");
}

#[test]
fn limits_about_tokens_say_so_in_their_type() {
    let mut notice = notice(NoticeKind::LimitExceeded);
    notice.limited = Some(Limited { about_tokens: true, ..limited(Some(1), Some(1)) });
    let body: Value = serde_json::from_slice(&super::reply(&notice).body).unwrap();
    assert_eq!(body["error"]["type"], "tokens");
}

#[test]
fn clients_are_told_when_to_come_back_and_when_not_to() {
    type Row = (Option<u64>, &'static [(&'static str, &'static str)]);
    let table: &[Row] = &[
        (Some(0), &[("retry-after-ms", "0"), ("retry-after", "1")]),
        (Some(1), &[("retry-after-ms", "1"), ("retry-after", "1")]),
        (Some(1_001), &[("retry-after-ms", "1001"), ("retry-after", "2")]),
        (Some(60_000), &[("retry-after-ms", "60000"), ("retry-after", "60")]),
        (
            Some(60_001),
            &[("retry-after-ms", "60001"), ("retry-after", "61"), ("x-should-retry", "false")],
        ),
        (None, &[("x-should-retry", "false")]),
    ];
    for (wait, expected) in table {
        for kind in [NoticeKind::LimitExceeded, NoticeKind::LimitSpent] {
            let mut by_limit = notice(kind);
            by_limit.limited = Some(limited(*wait, *wait));
            assert_eq!(&headers(&super::reply(&by_limit))[1..], *expected, "{kind:?} {wait:?}");
        }
        for kind in [NoticeKind::Overloaded, NoticeKind::UpstreamUnavailable] {
            let mut by_provider = notice(kind);
            by_provider.retry_after = wait.map(Span::from_millis);
            assert_eq!(&headers(&super::reply(&by_provider))[1..], *expected, "{kind:?} {wait:?}");
        }
        let mut other = notice(NoticeKind::UpstreamTimeout);
        other.retry_after = wait.map(Span::from_millis);
        assert_eq!(headers(&super::reply(&other)).len(), 1);
    }
}

#[test]
fn what_a_caller_wrote_comes_back_as_text_and_never_as_a_header() {
    let mut notice = notice(NoticeKind::InvalidRequest);
    notice.message = "`a\r\nset-cookie: x` is \"no\"".to_owned();
    notice.param = Some("a\r\nset-cookie: x".to_owned());
    let reply = super::reply(&notice);
    assert_eq!(headers(&reply), [("content-type", "application/json")]);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["error"]["param"], "a\r\nset-cookie: x");
}
