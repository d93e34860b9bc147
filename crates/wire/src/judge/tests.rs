use http::HeaderValue;

use super::*;

fn judged(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Judgement {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_static(value));
    }
    judge(StatusCode::from_u16(status).unwrap(), &map, body.as_bytes())
}

#[test]
fn statuses_have_one_meaning_each() {
    use Judgement::{Answered, CallerFault, Failed, OperatorFault};
    let throttled = Judgement::Throttled { retry_after: None };
    let table: &[(&[u16], Judgement)] = &[
        (&[200, 201, 299], Answered),
        (&[400, 404, 405, 409, 413, 415, 422, 499], CallerFault),
        (&[401, 402, 403], OperatorFault),
        (&[429], throttled),
        (&[301, 307, 408, 498, 500, 502, 503, 504, 529], Failed),
    ];
    for (statuses, judgement) in table {
        for status in *statuses {
            assert_eq!(judged(*status, &[], ""), *judgement, "{status}");
        }
    }
}

#[test]
fn an_exhausted_account_is_the_operators_business_and_a_rate_limit_is_not() {
    let exhausted = [
        r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#,
        r#"{"error":{"type":"insufficient_quota","code":null}}"#,
        r#"{"error":{"code":"credit_balance_exhausted"}}"#,
        r#"{"error":{"code":"organization_spend_limit_exceeded"}}"#,
        r#"{"error":{"code":"project_spend_limit_exceeded"}}"#,
        r#"{"error":{"code":"organization_usage_limit_exceeded"}}"#,
        r#"[{"error":{"code":"insufficient_quota"}}]"#,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m",
            "details":{"error_code":"enforced_spend_limit_reached"}}}"#,
    ];
    for body in exhausted {
        assert_eq!(judged(429, &[], body), Judgement::OperatorFault, "{body}");
    }
    let limited = [
        r#"{"error":{"message":"insufficient_quota","type":"tokens","code":"rate_limit_exceeded"}}"#,
        r#"{"error":{"code":"429"}}"#,
        r#"{"error":{"code":429}}"#,
        r#"{"error":"insufficient_quota"}"#,
        r#"{"code":"insufficient_quota"}"#,
        "insufficient_quota",
    ];
    for body in limited {
        assert_eq!(judged(429, &[], body), Judgement::Throttled { retry_after: None }, "{body}");
    }
    let hard = r#"{"error":{"code":"billing_hard_limit_reached"}}"#;
    assert_eq!(judged(400, &[], hard), Judgement::OperatorFault);
    let own = r#"{"type":"error","error":{"type":"invalid_request_error",
        "message":"You have reached your specified API usage limits. You will regain access on …"}}"#;
    assert_eq!(judged(400, &[], own), Judgement::OperatorFault);
}

#[test]
fn a_wait_is_believed_when_it_is_sane() {
    type Row = (&'static [(&'static str, &'static str)], Option<u64>);
    let table: &[Row] = &[
        (&[("retry-after", "56")], Some(56_000)),
        (&[("retry-after", "7.66")], Some(7_660)),
        (&[("retry-after", "0.0001")], Some(1)),
        (&[("retry-after", "1.1234567891234")], Some(1_124)),
        (&[("retry-after-ms", "84")], Some(84)),
        (&[("retry-after-ms", "84.5")], Some(85)),
        (&[("retry-after-ms", "84"), ("retry-after", "1")], Some(84)),
        (&[("retry-after-ms", "0"), ("retry-after", "1")], Some(1_000)),
        (&[("retry-after", "86400")], Some(86_400_000)),
        (&[("retry-after", "86401")], None),
        (&[("retry-after", "99999999999999999999")], None),
        (&[("retry-after", "18446744073709551615")], None),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "30,000")], None),
        (&[("retry-after", ".5")], None),
        (&[("retry-after", "1e3")], None),
        (&[("retry-after", "")], None),
        (&[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")], None),
        (&[], None),
    ];
    for (headers, millis) in table {
        let retry_after = millis.map(Span::from_millis);
        assert_eq!(judged(429, headers, ""), Judgement::Throttled { retry_after }, "{headers:?}");
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
        assert_eq!(without_account(before.as_bytes()), after, "{before}");
    }
}

#[test]
fn an_accepted_answer_that_failed_loses_the_ids_of_its_error_only() {
    let failed = r#"{"user":"user-12","error":{"message":"of org-12"},"output":["org-12"]}"#;
    let told = r#"{"user":"user-12","error":{"message":"of [removed]"},"output":["org-12"]}"#;
    assert_eq!(answer_without_account(Bytes::from(failed)), told);
    for body in
        [r#"{"error":null,"output":["org-12"]}"#, "org-12", "[\"org-12\"]", "{\"error\"", ""]
    {
        assert_eq!(answer_without_account(Bytes::from(body)), body);
    }
}
