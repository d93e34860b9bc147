use http::HeaderValue;

use super::*;
use crate::dialect_of;

mod known;

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

type Headers = &'static [(&'static str, &'static str)];

fn judged_of(host: &str, status: u16, headers: Headers, body: &str) -> Judgement {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_static(value));
    }
    let status = StatusCode::from_u16(status).unwrap();
    let dialect = match host {
        "anthropic" | "azure-openai" | "cohere" | "gemini" => dialect_of(host, ""),
        host => dialect_of("openai", host),
    };
    judge(dialect, status, &map, body.as_bytes(), NOW)
}

fn judged(status: u16, headers: Headers, body: &str) -> Judgement {
    judged_of("", status, headers, body)
}

const fn throttled_for(millis: Option<u64>) -> Judgement {
    let retry_after = match millis {
        Some(millis) => Some(Span::from_millis(millis)),
        None => None,
    };
    Judgement::Throttled { retry_after }
}

const FAILED: Judgement = Judgement::Failed { overloaded: false };
const OVERLOADED: Judgement = Judgement::Failed { overloaded: true };

#[test]
fn statuses_have_one_meaning_each() {
    use Judgement::{Answered, CallerFault, Exhausted, OperatorFault};
    let table: &[(&[u16], Judgement)] = &[
        (&[200, 201, 299], Answered),
        (&[400, 404, 405, 409, 413, 415, 422, 499], CallerFault),
        (&[401, 403], OperatorFault),
        (&[402], Exhausted),
        (&[429], throttled_for(None)),
        (&[301, 307, 408, 500, 502, 503, 504], FAILED),
        (&[498, 529], OVERLOADED),
    ];
    for dialect in crate::DIALECTS.into_iter().chain([dialect_of("openai", "")]) {
        for (statuses, judgement) in table {
            for status in *statuses {
                let code = StatusCode::from_u16(*status).unwrap();
                let judged = judge(dialect, code, &HeaderMap::new(), b"", NOW);
                assert_eq!(judged, *judgement, "{} {status}", dialect.name);
            }
        }
    }
}

#[test]
fn an_exhausted_account_is_no_rate_limit() {
    let exhausted = [
        r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#,
        r#"{"error":{"type":"insufficient_quota","code":null}}"#,
        r#"{"error":{"code":"credit_balance_exhausted"}}"#,
        r#"{"error":{"code":"organization_spend_limit_exceeded"}}"#,
        r#"{"error":{"code":"project_spend_limit_exceeded"}}"#,
        r#"{"error":{"code":"organization_usage_limit_exceeded"}}"#,
        r#"[{"error":{"code":"insufficient_quota"}}]"#,
        r#"{"code":"insufficient_quota"}"#,
    ];
    for body in exhausted {
        assert_eq!(judged(429, &[], body), Judgement::Exhausted, "{body}");
    }
    let limited = [
        r#"{"error":{"message":"insufficient_quota","code":"rate_limit_exceeded"}}"#,
        r#"{"error":{"code":"429"}}"#,
        r#"{"error":{"code":429}}"#,
        r#"{"error":{"code":null,"type":7,"details":{"reason":[]}}}"#,
        r#"{"error":"insufficient_quota"}"#,
        "insufficient_quota",
        "[]",
        "[[]]",
    ];
    for body in limited {
        assert_eq!(judged(429, &[], body), throttled_for(None), "{body}");
    }
    let hard = r#"{"error":{"code":"billing_hard_limit_reached"}}"#;
    assert_eq!(judged(400, &[], hard), Judgement::Exhausted);
}

#[test]
fn a_wait_is_believed_when_it_is_sane() {
    type Row = (Headers, Option<u64>);
    let table: &[Row] = &[
        (&[("retry-after", "56")], Some(56_000)),
        (&[("retry-after", "7.66")], Some(7_660)),
        (&[("retry-after", "0.0001")], Some(1)),
        (&[("retry-after", "1.1234567891234")], Some(1_124)),
        (&[("retry-after-ms", "84")], Some(84)),
        (&[("retry-after-ms", "84.5")], Some(85)),
        (&[("x-ms-retry-after-ms", "850")], Some(850)),
        (&[("retry-after-ms", "84"), ("retry-after", "1")], Some(84)),
        (&[("retry-after-ms", "0"), ("retry-after", "1")], Some(1_000)),
        (&[("retry-after-ms", "?"), ("retry-after", "1")], Some(1_000)),
        (&[("retry-after", "86400")], Some(86_400_000)),
        (&[("retry-after", "86401")], None),
        (&[("retry-after", "31536000")], None),
        (&[("retry-after", "99999999999999999999")], None),
        (&[("retry-after", "18446744073709551615")], None),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "30,000")], None),
        (&[("retry-after", ".5")], None),
        (&[("retry-after", "1e3")], None),
        (&[("retry-after", "")], None),
        (&[("retry-after", "Thu, 01 Jan 2026 00:00:02 GMT")], Some(2_000)),
        (&[("retry-after", "Thursday, 01-Jan-26 00:00:02 GMT")], Some(2_000)),
        (&[("retry-after", "Thu Jan  1 00:00:02 2026")], Some(2_000)),
        (&[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")], None),
        (&[("retry-after", "Fri, 01 Jan 2027 00:00:00 GMT")], None),
        (&[], None),
    ];
    for (headers, millis) in table {
        assert_eq!(judged(429, headers, ""), throttled_for(*millis), "{headers:?}");
    }
}

#[test]
fn the_accounts_ids_are_taken_out_and_nothing_else() {
    let table = [
        (
            "Rate limit for m in organization org-Ab3dEf9 on tokens",
            "Rate limit for m in organization [removed] on tokens",
        ),
        ("\"proj_abcdefghijklmnop\"", "\"[removed]\""),
        ("org-1,org-2;user-x9.", "[removed],[removed];[removed]."),
        (
            "an org-wide, user-provided, cyborg-1 thing",
            "an org-wide, user-provided, cyborg-1 thing",
        ),
        ("org-", "org-"),
        ("", ""),
    ];
    for (before, after) in table {
        assert_eq!(without_account(before.as_bytes(), &AccountKey::default()), after, "{before}");
    }
}

/// Late in an answer, inside a choice, in an event that is no error: wherever it stands.
#[test]
fn the_accounts_key_goes_on_nowhere_and_changes_no_length() {
    let key = AccountKey::new(b"sk-a-secret-of-ours");
    let table = [
        ("a sk-a-secret-of-ours b", "a ******************* b"),
        ("sk-a-secret-of-ourssk-a-secret-of-ours", "**************************************"),
        ("sk-a-secret-of-our", "sk-a-secret-of-our"),
        ("", ""),
    ];
    for (piece, clean) in table {
        assert_eq!(key.masked(Bytes::from(piece)), clean, "{piece}");
    }
    assert_eq!(AccountKey::new(b"none").masked(Bytes::from("there are none")), "there are none");
    assert_eq!(AccountKey::default().masked(Bytes::from("a")), "a");
}

#[test]
fn an_accepted_answer_that_failed_loses_the_ids_of_its_error_only() {
    let failed = r#"{"user":"user-12","error":{"message":"of org-12"},"output":["org-12"]}"#;
    let told = r#"{"user":"user-12","error":{"message":"of [removed]"},"output":["org-12"]}"#;
    assert_eq!(answer_without_account(Bytes::from(failed), &AccountKey::default()), told);
    for body in
        [r#"{"error":null,"output":["org-12"]}"#, "org-12", "[\"org-12\"]", "{\"error\"", ""]
    {
        assert_eq!(answer_without_account(Bytes::from(body), &AccountKey::default()), body);
    }
}
