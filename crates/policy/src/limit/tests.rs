//! What a limit is the same as, what rule it makes, how it is shown.

use tollgate_limits::Rule;
use tollgate_units::{Amount, Span, Timestamp};

use super::{Limit, grouped};
use crate::sentence::parse;

fn limit(text: &str) -> Limit {
    parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake}"))
}

#[test]
fn an_identity_says_nothing_of_the_amount() {
    for (one, other) in [
        ("20 requests per minute per user", "30 requests per minute per user"),
        ("$5 per day", "$500 per day"),
        ("5 tokens per second, burst 10", "50 tokens per second, burst 100"),
        ("20 requests per minute", "20 requests per 60 seconds, shadow"),
        ("5 requests at once, named a", "6 requests at once, named a"),
    ] {
        assert_eq!(limit(one).identity(), limit(other).identity(), "{one} | {other}");
    }
}

#[test]
fn an_identity_tells_everything_else_apart() {
    let all = [
        "20 requests per minute",
        "20 tokens per minute",
        "20 requests per hour",
        "20 requests per fixed minute",
        "20 requests per minute, burst 20",
        "20 requests per minute per user",
        "20 requests per minute per user and model",
        "20 requests per day",
        "20 requests per rolling day",
        "20 requests per day in Europe/Berlin",
        "20 requests per week",
        "20 requests at once",
        "20 streams at once",
        "20 requests",
        "20 requests per minute, named a",
        "20 requests per minute, named b",
    ];
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            assert_ne!(limit(one).identity(), limit(other).identity(), "{one} | {other}");
        }
    }
}

#[test]
fn the_rule_is_the_sentence_in_integers() {
    let turns = [1, 2, 3].map(Timestamp::from_millis);
    let most = Amount::new(20);
    let minute = Span::from_secs(60);
    let table = [
        ("20 requests per minute", Rule::Sliding { most, window: minute }),
        ("20 requests per fixed minute", Rule::Fixed { most, window: minute }),
        ("20 requests per day", Rule::Calendar { most, turns }),
        ("20 requests at once", Rule::AtOnce { most, lease: Span::MAX }),
        ("20 requests per key", Rule::Total { most, idle: Span::MAX }),
        (
            "20 requests per minute, burst 5",
            Rule::Bucket { burst: Amount::new(5), units: most, period: minute },
        ),
    ];
    for (text, rule) in table {
        assert_eq!(limit(text).rule(turns, Span::MAX), rule, "{text}");
    }
}

#[test]
fn amounts_are_shown_in_full() {
    let tokens = limit("10k tokens per day");
    assert_eq!(tokens.show_amount(tokens.amount), "10,000");
    assert_eq!(tokens.show_amount(Amount::new(1_234_567)), "1,234,567");
    assert_eq!(tokens.show_amount(Amount::new(999)), "999");
    let money = limit("$25 per month");
    assert_eq!(money.show_amount(money.amount), "$25.00");
    assert_eq!(money.show_amount(Amount::new(7_500)), "$0.0000075");
}

#[test]
fn a_window_is_as_long_as_its_longest() {
    let secs = |text: &str| limit(text).window().map(Span::as_secs_ceil);
    assert_eq!(secs("1 request per minute"), Some(60));
    assert_eq!(secs("1 request per fixed 2 hours"), Some(7200));
    assert_eq!(secs("1 request per day"), Some(86_400));
    assert_eq!(secs("1 request per month"), Some(31 * 86_400));
    assert_eq!(secs("1 request at once"), None);
    assert_eq!(secs("1 request per key"), None);
}

#[test]
fn thousands_stand_apart() {
    assert_eq!(grouped(0), "0");
    assert_eq!(grouped(999), "999");
    assert_eq!(grouped(12_800), "12,800");
    assert_eq!(grouped(1_000_000), "1,000,000");
}
