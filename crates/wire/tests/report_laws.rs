//! Laws of reports: what is written is read, noise changes nothing, and nothing panics.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use tollgate_units::{Span, Timestamp};
use tollgate_wire::{
    DIALECTS, Dialect, Judgement, LIMITS_MAX, ResetGrammar, dialect_of, go_duration, judge, report,
};

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// What Go's `Duration.String` writes.
fn written_by_go(millis: u64) -> String {
    if millis < 1000 {
        return if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") };
    }
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let seconds = decimals(rest);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// Milliseconds as seconds, without a zero too many.
fn decimals(millis: u64) -> String {
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn dialects() -> impl Strategy<Value = &'static Dialect> {
    (0..=DIALECTS.len())
        .prop_map(|at| DIALECTS.get(at).copied().unwrap_or_else(|| dialect_of("openai", "")))
}

/// Every header that a dialect reads, and those that all do.
fn names(dialect: &Dialect) -> Vec<&'static str> {
    let own = dialect.limits.iter().flat_map(|limit| [limit.limit, limit.remaining, limit.reset]);
    let shared = ["ratelimit", "ratelimit-policy", "retry-after", "retry-after-ms"];
    own.flatten().chain(shared).collect()
}

/// Values like those that providers send, and quite others.
fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,20}",
        "-?[0-9]{1,4}(\\.[0-9]{0,12})?(ms|s|m|h|d|us)?([0-9]{1,3}(ms|s|m))?",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})",
        "\"[a-z]{0,3}\"(;(q|r|w|t|pk|qu|x)=(-?[0-9]{1,16}|:[A-Za-z0-9+/]{0,9}=?:|\"[a-z-]*\")){0,4}",
        "(limit|remaining|reset)=[0-9]{1,4}(, ?(limit|remaining|reset)=[0-9]{1,4}){0,3}",
        "[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        "[ -~]{0,80}",
    ]
}

/// Bodies like those that tell of errors, and quite others.
fn bodies() -> impl Strategy<Value = String> {
    let message = prop_oneof![
        "(Please )?(try again in|retry after|retry in) [0-9.]{0,6}(ms|s|m| seconds)?[.]?",
        "limit:? [0-9]{0,3}(\\.[0-9])?, requested [0-9]{0,22}",
        "\\PC{0,60}",
    ];
    let body = (message, "[a-z_]{0,12}", values()).prop_map(|(message, code, delay)| {
        serde_json::json!({"error": {"message": message, "code": code, "details": [
            {"@type": "x/google.rpc.RetryInfo", "retryDelay": delay},
            {"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": code}]},
        ]}})
        .to_string()
    });
    prop_oneof![body, "\\PC{0,80}", "[\\[\\]{}\":,a-z0-9]{0,80}"]
}

fn map(headers: &[(&str, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            map.append(name.parse::<HeaderName>().unwrap(), value);
        }
    }
    map
}

proptest! {
    #[test]
    fn a_duration_that_go_writes_is_read_as_it_was(millis in 0_u64..34_560_000_000) {
        prop_assert_eq!(go_duration(&written_by_go(millis)), Some(Span::from_millis(millis)));
    }

    #[test]
    fn seconds_with_decimals_are_read_as_they_were(millis in 0_u64..34_560_000_000) {
        let read = ResetGrammar::Seconds.read(&decimals(millis), NOW);
        prop_assert_eq!(read, Some(NOW.plus(Span::from_millis(millis))));
    }

    #[test]
    fn an_instant_is_the_same_at_any_offset(
        seconds in 0_i64..4_000_000_000,
        minutes in -14 * 60_i32..=14 * 60,
    ) {
        let offset = jiff::tz::Offset::from_seconds(minutes * 60).unwrap();
        let instant = jiff::Timestamp::from_second(seconds).unwrap();
        let text = instant.display_with_offset(offset).to_string();
        let expected = Timestamp::from_millis(u64::try_from(seconds).unwrap() * 1000);
        prop_assert_eq!(ResetGrammar::Rfc3339.read(&text, NOW), Some(expected), "{}", text);
    }

    /// A wait rounded down would end before the limit has reset.
    #[test]
    fn a_length_is_never_read_shorter_than_it_is(nanos in 1_u64..10_000_000_000_000) {
        let text = format!("{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000);
        let millis = go_duration(&text).unwrap().as_millis();
        prop_assert!(millis * 1_000_000 >= nanos && (millis - 1) * 1_000_000 < nanos, "{}", text);
    }

    #[test]
    fn headers_of_no_limit_change_nothing_that_valid_headers_mean(
        dialect in dialects(),
        (limit, remaining, millis) in (1_u64..1 << 40, 0_u64..1 << 40, 1_u64..86_400_000),
        noise in prop::collection::vec(("noise-[a-z]{1,8}(-limit|-reset)?", values()), 0..12),
    ) {
        let reset = NOW.plus(Span::from_millis(millis));
        let mut headers: Vec<(&str, String)> = Vec::new();
        for family in dialect.limits {
            headers.extend(family.limit.map(|name| (name, limit.to_string())));
            headers.extend(family.remaining.map(|name| (name, remaining.to_string())));
            headers.extend(family.reset.map(|name| (name, written(family.grammar, reset))));
        }
        headers.push(("retry-after-ms", millis.to_string()));
        let alone = report(dialect, StatusCode::OK, &map(&headers), b"", NOW);
        prop_assert_eq!(alone.malformed, 0);
        prop_assert_eq!(alone.limits.len(), dialect.limits.len());
        prop_assert_eq!(alone.retry_after, Some(Span::from_millis(millis)));
        for limit in &alone.limits {
            prop_assert!(limit.remaining.is_none_or(|left| left == remaining));
        }
        let noise = noise.iter().map(|(name, value)| (&**name, value.clone()));
        let loud: Vec<_> = noise.chain(headers).collect();
        prop_assert_eq!(report(dialect, StatusCode::OK, &map(&loud), b"", NOW), alone);
    }

    /// One value that cannot be read takes nothing else along.
    #[test]
    fn a_malformed_value_costs_its_own_meaning_only(
        dialect in dialects(),
        at in any::<prop::sample::Index>(),
        bad in "[!x-z,][ -~]{0,12}",
    ) {
        let families: Vec<_> =
            dialect.limits.iter().filter(|family| family.remaining.is_some()).collect();
        prop_assume!(!families.is_empty());
        let broken = at.index(families.len());
        let headers = |value: &str| -> Vec<(&str, String)> {
            let names = families.iter().map(|family| family.remaining.unwrap()).enumerate();
            let value = |at| if at == broken { value.to_owned() } else { "7".to_owned() };
            names.map(|(at, name)| (name, value(at))).collect()
        };
        let whole = report(dialect, StatusCode::OK, &map(&headers("7")), b"", NOW);
        let part = report(dialect, StatusCode::OK, &map(&headers(&bad)), b"", NOW);
        prop_assert_eq!(whole.malformed, 0);
        prop_assert_eq!(part.malformed, 1);
        let mut expected = whole.limits;
        expected.remove(broken);
        prop_assert_eq!(part.limits, expected);
    }

    #[test]
    fn a_report_and_a_judgement_never_panic_and_are_bounded(
        dialect in dialects(),
        status in 100_u16..600,
        sent in prop::collection::vec((any::<prop::sample::Index>(), values()), 0..24),
        body in bodies(),
    ) {
        let names = names(dialect);
        let headers: Vec<_> =
            sent.iter().map(|(at, value)| (names[at.index(names.len())], value.clone())).collect();
        let (headers, status) = (map(&headers), StatusCode::from_u16(status).unwrap());
        let said = report(dialect, status, &headers, body.as_bytes(), NOW);
        prop_assert!(said.limits.len() <= LIMITS_MAX);
        prop_assert!(said.retry_after.is_none_or(|wait| !wait.is_zero()));
        let judgement = judge(dialect, status, &headers, body.as_bytes(), NOW);
        prop_assert_eq!(judgement == Judgement::Answered, status.is_success());
        if let Judgement::Throttled { retry_after } = judgement {
            prop_assert_eq!(retry_after, said.retry_after);
        }
    }
}

/// A reset as a grammar writes it.
fn written(grammar: ResetGrammar, reset: Timestamp) -> String {
    let millis = reset.since(NOW).as_millis();
    match grammar {
        ResetGrammar::Any | ResetGrammar::GoDuration => written_by_go(millis),
        ResetGrammar::Rfc3339 => {
            let millis = i64::try_from(reset.as_millis()).unwrap();
            jiff::Timestamp::from_millisecond(millis).unwrap().to_string()
        }
        ResetGrammar::Seconds => decimals(millis),
        ResetGrammar::UnixMillis => reset.as_millis().to_string(),
        ResetGrammar::UnixSeconds => (reset.as_millis() / 1000).to_string(),
    }
}
