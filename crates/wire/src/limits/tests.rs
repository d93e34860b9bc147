use http::HeaderValue;

use super::*;
use crate::dialect_of;

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

fn reported(host: &str, headers: &[(&'static str, &str)]) -> Report {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    report(dialect_of("openai", host), StatusCode::OK, &map, b"", NOW)
}

#[test]
fn a_window_is_inferred_only_where_one_alone_fits() {
    let table = [
        // A request of 500 a minute is back in 120 ms, one of 10,000 a day in 8.64 s.
        (500, 499, 120, Some(MINUTE)),
        (10_000, 9_999, 8_640, Some(DAY)),
        (200, 197, 977_764, Some(DAY)),
        (200_000, 199_984, 4, Some(MINUTE)),
        (1_000_000, 999_994, 0, Some(MINUTE)),
        // The documentation's own example, which no limit could have sent.
        (150_000, 149_984, 360_000, None),
        // Of so little use both windows give nothing that could be told apart.
        (1_000_000_000, 999_999_999, 0, None),
        (500, 500, 0, None),
        (0, 0, 0, None),
        (10, 20, 5, None),
    ];
    for (limit, remaining, millis, window) in table {
        let reset = NOW.plus(Span::from_millis(millis));
        let inferred = inferred(Some(limit), Some(remaining), Some(reset), NOW);
        assert_eq!(inferred, window, "{limit} {remaining} {millis}");
    }
}

#[test]
fn numbers_that_are_none_change_nothing_and_are_counted() {
    let good = [
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "499"),
        ("x-ratelimit-reset-requests", "120ms"),
    ];
    let whole = reported("api.openai.com", &good);
    assert_eq!((whole.limits.len(), whole.malformed), (1, 0));
    for bad in ["30,000", "", "abc", "1.5", "-5", "+5", "0x10", "9007199254740993", "5 5"] {
        let mut headers = good;
        headers[1].1 = bad;
        let report = reported("api.openai.com", &headers);
        assert_eq!(report.malformed, 1, "{bad}");
        assert_eq!(report.limits[0].remaining, None, "{bad}");
        assert_eq!(report.limits[0].limit, Some(500), "{bad}");
        assert_eq!(report.limits[0].reset_at, whole.limits[0].reset_at, "{bad}");
    }
}

#[test]
fn a_limit_that_azure_does_not_know_is_none() {
    let report = reported(
        "x.openai.azure.com",
        &[("x-ratelimit-limit-tokens", "-1"), ("x-ratelimit-reset-tokens", "0")],
    );
    assert_eq!(report, Report::default());
}

#[test]
fn a_reset_that_cannot_be_believed_is_the_end_of_the_window() {
    let report = reported(
        "x.openai.azure.com",
        &[
            ("x-ratelimit-limit-tokens", "5000"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "0"),
            ("x-ratelimit-renewalperiod-tokens", "60"),
        ],
    );
    let [limit] = &report.limits[..] else { panic!("{report:?}") };
    assert_eq!(limit.reset_at, Some(NOW));
    assert_eq!(limit.full_at(NOW), Some(NOW.plus(MINUTE)));
    let half = Reported { remaining: Some(2_500), ..limit.clone() };
    assert_eq!(half.full_at(NOW), Some(NOW));
}

#[test]
fn older_drafts_say_the_window_in_a_list_or_in_a_policy_without_a_name() {
    let first = |headers: &[(&'static str, &str)]| {
        let report = reported("localhost", headers);
        assert_eq!((report.limits.len(), report.malformed), (1, 0), "{headers:?}");
        (report.limits[0].limit, report.limits[0].window)
    };
    let hundred_a_minute = (Some(100), Some(MINUTE));
    let table: &[&[(&'static str, &str)]] = &[
        &[("x-ratelimit-limit", "100, 100;window=60, 10000;window=86400")],
        &[("ratelimit-limit", "100, 10;w=1, 100;w=60")],
        &[("ratelimit-limit", "100"), ("ratelimit-policy", "100;w=60")],
        &[("ratelimit", "limit=100, remaining=50"), ("ratelimit-policy", "10;w=1, 100;w=60")],
    ];
    for headers in table {
        assert_eq!(first(headers), hundred_a_minute, "{headers:?}");
    }
    assert_eq!(reported("localhost", &[("ratelimit-limit", "100, 100")]).malformed, 1);
}

#[test]
fn what_two_fields_say_under_one_name_is_one_limit() {
    let report = reported(
        "localhost",
        &[
            ("ratelimit-policy", "\"burst\";q=100;w=60;qu=\"tokens\""),
            ("ratelimit-policy", "\"daily\";q=1000;w=86400;pk=:AQ==:"),
            ("ratelimit", "\"daily\";r=7;t=30, \"burst\";r=50;t=3, \"daily\";r=9;pk=:AQ==:"),
        ],
    );
    let seen: Vec<_> = report
        .limits
        .iter()
        .map(|limit| (&*limit.name, limit.counts, limit.limit, limit.remaining))
        .collect();
    let expected = [
        ("burst", Counted::Tokens, Some(100), Some(50)),
        ("daily", Counted::Requests, Some(1000), Some(9)),
        ("daily", Counted::Requests, None, Some(7)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(report.malformed, 0);
}

#[test]
fn a_policy_without_its_quota_and_a_field_out_of_grammar_are_counted() {
    for (name, value) in [
        ("ratelimit-policy", "\"a\";w=60"),
        ("ratelimit-policy", "\"a\";q=-1"),
        ("ratelimit-policy", "\"a\";q=1;w=0"),
        ("ratelimit-policy", "\"a\";q=1;qu=1"),
        ("ratelimit-policy", "quota;q=100"),
        ("ratelimit-policy", "100"),
        ("ratelimit-policy", "\"a\";q=1, \"b"),
        ("ratelimit", "\"a\";t=60"),
        ("ratelimit", "\"a\";r=1;t=-1"),
        ("ratelimit", "limit=100"),
        ("ratelimit", "limit=100, remaining=-1"),
        ("ratelimit", "ä"),
    ] {
        let report = reported("localhost", &[(name, value)]);
        assert_eq!((report.limits.len(), report.malformed), (0, 1), "{name}: {value}");
    }
}

#[test]
fn a_report_is_bounded_whatever_is_sent() {
    let many: Vec<String> = (0..30).map(|at| format!("\"{at}\";q={at}")).collect();
    let report = reported("localhost", &[("ratelimit-policy", &many.join(", "))]);
    assert_eq!(report.limits.len(), LIMITS_MAX);
}

fn hinted(status: u16, body: &str) -> Report {
    let status = StatusCode::from_u16(status).unwrap();
    report(dialect_of("gemini", ""), status, &HeaderMap::new(), body.as_bytes(), NOW)
}

#[test]
fn sentences_say_when_to_come_back() {
    let table = [
        ("Please try again in 84ms. Visit …", Some(84)),
        ("Please try again in 1m26.4s.", Some(86_400)),
        ("Please retry in 40.31807297s.", Some(40_319)),
        ("Please retry after 60 seconds. To …", Some(60_000)),
        ("try again in 2 minutes", Some(120_000)),
        ("TRY AGAIN IN 5 Seconds", Some(5_000)),
        ("retry after 86400 seconds", Some(86_400_000)),
        ("retry after 86401 seconds", None),
        ("try again in a few moments", None),
        ("try again in 0s", None),
        ("try again in 5", None),
        ("try again in 5 apples", None),
        ("try again in ", None),
        ("ä try again in ä", None),
        ("please wait and try again later", None),
    ];
    for (message, millis) in table {
        let body = serde_json::json!({ "error": { "message": message } }).to_string();
        assert_eq!(hinted(429, &body).retry_after, millis.map(Span::from_millis), "{message}");
        assert_eq!(hinted(200, &body), Report::default(), "no error, no hints: {message}");
    }
}

#[test]
fn a_quota_for_the_day_lasts_until_midnight_in_california_whatever_delay_is_told() {
    let body = |id: &str| {
        format!(
            r#"[{{"error":{{"code":429,"status":"RESOURCE_EXHAUSTED","details":[
            {{"@type":"type.googleapis.com/google.rpc.Help"}},
            {{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[
              {{"quotaMetric":"generate_content_free_tier_requests","quotaId":"{id}",
                "quotaValue":"20"}}]}},
            {{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"40.5s"}}]}}}}]"#
        )
    };
    let daily = hinted(429, &body("GenerateRequestsPerDayPerProjectPerModel-FreeTier"));
    let midnight = NOW.plus(Span::from_secs(8 * 60 * 60));
    let [limit] = &daily.limits[..] else { panic!("{daily:?}") };
    assert_eq!(limit.calendar, Some(Calendar::DayPacific));
    assert_eq!((limit.limit, limit.remaining), (Some(20), Some(0)));
    assert_eq!((limit.counts, limit.reset_at), (Counted::Requests, Some(midnight)));
    assert_eq!(daily.retry_after, Some(Span::from_secs(8 * 60 * 60)));
    let minutely = hinted(429, &body("GenerateContentInputTokensPerModelPerMinute"));
    let [limit] = &minutely.limits[..] else { panic!("{minutely:?}") };
    assert_eq!((limit.counts, limit.window), (Counted::InputTokens, Some(MINUTE)));
    assert_eq!(minutely.retry_after, Some(Span::from_millis(40_500)));
    assert_eq!(limit.reset_at, Some(NOW.plus(Span::from_millis(40_500))));
}

#[test]
fn shares_are_told_of_subscriptions() {
    let mut headers = HeaderMap::new();
    headers
        .insert("anthropic-ratelimit-unified-5h-utilization", HeaderValue::from_static("0.99999"));
    headers.insert("anthropic-ratelimit-unified-5h-reset", HeaderValue::from_static("1767229200"));
    headers.insert("anthropic-ratelimit-unified-7d-utilization", HeaderValue::from_static("1.2"));
    let anthropic = dialect_of("anthropic", "");
    let report = report(anthropic, StatusCode::OK, &headers, b"", NOW);
    let remaining: Vec<_> = report.limits.iter().map(|limit| limit.remaining).collect();
    assert_eq!(remaining, [Some(0), Some(0)]);
    assert_eq!(report.limits[0].reset_at, Some(NOW.plus(Span::from_secs(3600))));
}
