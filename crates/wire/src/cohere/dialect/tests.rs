use tollgate_units::Span;

use super::*;
use crate::notice::every_kind;

fn told(kind: NoticeKind, retry_after: Option<Span>) -> Reply {
    reply(&Notice { retry_after, ..Notice::plain(kind) })
}

#[test]
fn every_kind_of_notice_is_told_in_coheres_shape_and_what_is_spent_is_not_retried() {
    for kind in every_kind() {
        let reply = told(kind, None);
        let body = "{\"id\":\"req-1\",\"message\":\"What happened.\",\
                    \"tollgate\":{\"source\":\"gateway\",\"request_id\":\"req-1\"}}";
        assert_eq!(reply.body, body.as_bytes(), "{kind:?}");
        // What Cohere's clients repeat, whatever the headers say.
        let is_repeated = matches!(reply.status.as_u16(), 408 | 409 | 429 | 500..);
        let may_pass = matches!(
            kind,
            NoticeKind::Internal
                | NoticeKind::LimitExceeded
                | NoticeKind::Overloaded
                | NoticeKind::UpstreamError
                | NoticeKind::UpstreamTimeout
                | NoticeKind::UpstreamUnavailable
        );
        assert_eq!(is_repeated, may_pass, "{kind:?}");
    }
    assert_eq!(told(NoticeKind::LimitSpent, None).status, StatusCode::PAYMENT_REQUIRED);
}

#[test]
fn a_wait_is_told_in_headers_with_whichever_status() {
    for kind in [NoticeKind::LimitExceeded, NoticeKind::LimitSpent, NoticeKind::Overloaded] {
        let reply = told(kind, Some(Span::from_millis(11_640)));
        let header = |name: &str| {
            let mut found = reply.headers.iter().filter(|header| header.0 == name);
            found.next().map(|(_, value)| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header("retry-after-ms").as_deref(), Some("11640"), "{kind:?}");
        assert_eq!(header("retry-after").as_deref(), Some("12"), "{kind:?}");
        assert_eq!(header("x-should-retry"), None, "{kind:?}");
    }
}
