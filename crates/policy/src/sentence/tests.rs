//! Sentences right and wrong, each mistake with its carets.

use proptest::prelude::*;
use tollgate_units::{Amount, Span};

use super::parse;
use crate::calendar::Zone;
use crate::limit::{CalendarPeriod, Exceed, Limit, Measure, SubjectKind, Unit};

#[test]
fn right_sentences_are_read_and_said_back() {
    let rows = include_str!("tests/right.txt").lines().filter(|line| !line.starts_with('#'));
    for row in rows {
        let (text, canonical) = row.split_once(" => ").expect(row);
        let limit = parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake}"));
        assert_eq!(limit.to_string(), canonical, "said: {text}");
        assert_eq!(parse(canonical), Ok(limit), "read back: {canonical}");
    }
}

#[test]
fn wrong_sentences_are_shown_where_they_are_wrong() {
    for row in include_str!("tests/wrong.txt").split("\n\n").skip(1) {
        let (text, expected) = row.split_once('\n').expect(row);
        let mistake = parse(text).expect_err(text);
        let carets = "^".repeat(mistake.at.len().max(1));
        let shown = format!("{}{carets} {mistake}", " ".repeat(mistake.at.start));
        assert_eq!(shown, expected.trim_end(), "\n{text}");
    }
}

#[test]
fn white_space_and_case_say_nothing() {
    let odd = parse("  20   REQUESTS\tPer Minute ,  PER User ");
    assert_eq!(odd, parse("20 requests per minute per user"));
    // A no-break space parts words as any other space does.
    assert_eq!(parse("20\u{a0}requests per day"), parse("20 requests per day"));
    for empty in ["", "  \t "] {
        let mistake = parse(empty).expect_err("nothing is said");
        assert_eq!(
            (mistake.at, mistake.what.as_str()),
            (0..0, "expected an amount, such as 20, 10k or $25")
        );
    }
}

#[test]
fn the_measures_are_the_documented_ones() {
    let measure = |text: &str| parse(text).map(|limit| limit.measure);
    let secs = Span::from_secs;
    let table = [
        ("1 request per minute", Measure::Sliding { window: secs(60) }),
        ("1 request per rolling day", Measure::Sliding { window: secs(86_400) }),
        ("1 request per 2 weeks", Measure::Sliding { window: secs(1_209_600) }),
        ("1 request per fixed hour", Measure::Fixed { window: secs(3600) }),
        ("1 request per day", Measure::Calendar { period: CalendarPeriod::Day, zone: Zone::utc() }),
        (
            "1 request per week",
            Measure::Calendar { period: CalendarPeriod::Week, zone: Zone::utc() },
        ),
        (
            "9 tokens per day, burst 5",
            Measure::Bucket { period: secs(86_400), burst: Amount::new(5) },
        ),
        (
            "$1 per second, burst $0.25",
            Measure::Bucket { period: secs(1), burst: Amount::new(250_000_000) },
        ),
        ("1 request at once", Measure::AtOnce),
        ("1 request per user", Measure::Total),
    ];
    for (text, expected) in table {
        assert_eq!(measure(text), Ok(expected), "{text}");
    }
    assert_eq!(parse("9 requests at once").map(|limit| limit.unit), Ok(Unit::Concurrency));
    assert_eq!(parse("$0.15 per day").map(|limit| limit.amount.get()), Ok(150_000_000));
}

#[test]
fn a_mistake_never_cuts_a_letter_in_half() {
    for text in
        ["20 réquests per day", "2０ requests", "20 requests per dåy", "20 tokens per día", "€"]
    {
        let mistake = parse(text).expect_err(text);
        assert!(text.get(mistake.at.clone()).is_some(), "{text}: {mistake:?}");
    }
}

#[test]
fn a_very_long_sentence_is_refused_before_it_is_read() {
    let text = format!("20 requests per day{}", ", shadow".repeat(100_000));
    assert_eq!(
        parse(&text).map_err(|mistake| mistake.what),
        Err("a limit of more than 512 bytes".to_owned())
    );
}

proptest! {
    #[test]
    fn a_limit_is_what_its_sentence_says(limit in limits()) {
        prop_assert_eq!(parse(&limit.to_string()), Ok(limit));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,80}") {
        if let Err(mistake) = parse(&text) {
            prop_assert!(text.get(mistake.at).is_some());
        }
    }

    #[test]
    fn no_words_in_any_order_break_the_reader(words in prop::collection::vec(word(), 0..12)) {
        let text = words.join(" ");
        match parse(&text) {
            Ok(limit) => prop_assert_eq!(parse(&limit.to_string()), Ok(limit)),
            Err(mistake) => prop_assert!(text.get(mistake.at).is_some()),
        }
    }
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "20",
        "$5",
        "1.5M",
        "requests",
        "tokens",
        "input",
        "streams",
        "per",
        "at",
        "once",
        "and",
        "rolling",
        "fixed",
        "30",
        "minute",
        "day",
        "week",
        "month",
        "in",
        "Europe/Berlin",
        "user",
        "model",
        ",",
        "burst",
        "10k",
        "named",
        "nightly",
        "shadow",
        "then",
        "reject",
        "downgrade",
        "to",
        "answer",
        "without",
        "tools",
        "warn",
        "80%",
        "tool",
        "calls",
        "steps",
        "session",
        "reserve",
    ])
}

fn limits() -> impl Strategy<Value = Limit> {
    let amounts = prop_oneof![
        0..2_000u64,
        any::<u64>(),
        (1..9_999u64).prop_map(|n| n * 1_000),
        (1..9_999u64).prop_map(|n| n * 100_000),
        (1..9_999u64).prop_map(|n| n * 1_000_000_000),
    ];
    let names = prop::option::of("[a-z0-9][a-z0-9._-]{0,20}");
    let warn = prop::option::of(1..=100u8);
    let options = (names, exceeds(), warn, prop::bool::ANY);
    (measures(), amounts, prop::bool::ANY, subjects(), options).prop_map(
        |((unit, measure), amount, is_cost, subjects, (name, exceed, warn, shadow))| {
            let is_an_agents = exceed == Exceed::AnswerWithoutTools;
            let unit = match measure {
                Measure::AtOnce => unit,
                _ if is_an_agents && is_cost => Unit::Steps,
                _ if is_an_agents => Unit::ToolCalls,
                _ if is_cost => Unit::Cost,
                _ if unit == Unit::Streams => Unit::OutputTokens,
                _ => Unit::Requests,
            };
            let is_bucket = matches!(measure, Measure::Bucket { .. });
            let subjects: Vec<_> = match measure {
                Measure::Total => subjects.into_iter().filter(|s| *s != SubjectKind::Ip).collect(),
                _ => subjects,
            };
            let amount = Amount::new(if is_bucket { amount.max(1) } else { amount });
            let exceed = if measure == Measure::AtOnce { Exceed::Reject } else { exceed };
            let warn = warn.filter(|_| measure != Measure::AtOnce);
            Limit { name, unit, amount, measure, subjects, exceed, warn, shadow }
        },
    )
}

fn exceeds() -> impl Strategy<Value = Exceed> {
    prop_oneof![
        Just(Exceed::Reject),
        Just(Exceed::AnswerWithoutTools),
        "[a-z0-9][a-z0-9./:-]{0,20}".prop_map(Exceed::Downgrade),
    ]
}

fn measures() -> impl Strategy<Value = (Unit, Measure)> {
    let spans = prop_oneof![
        (1..366 * 86_400u64),
        (1..366u64).prop_map(|days| days * 86_400),
        prop::sample::select(vec![1, 60, 3_600, 86_400, 604_800, 1_209_600]),
    ];
    let spans = spans.prop_map(Span::from_secs);
    let periods = prop::sample::select(vec![
        CalendarPeriod::Day,
        CalendarPeriod::Month,
        CalendarPeriod::Week,
    ]);
    let zones = prop::sample::select(vec!["UTC", "Europe/Berlin", "America/St_Johns", "Etc/GMT+5"])
        .prop_map(|name| Zone::named(name).expect("a zone"));
    let units = prop::sample::select(vec![Unit::Concurrency, Unit::Streams]);
    (
        units,
        prop_oneof![
            Just(Measure::AtOnce),
            Just(Measure::Total),
            (spans.clone(), any::<u64>())
                .prop_map(|(period, burst)| Measure::Bucket { period, burst: Amount::new(burst) }),
            (periods, zones).prop_map(|(period, zone)| Measure::Calendar { period, zone }),
            spans.clone().prop_map(|window| Measure::Fixed { window }),
            spans.prop_map(|window| Measure::Sliding { window }),
        ],
    )
}

fn subjects() -> impl Strategy<Value = Vec<SubjectKind>> {
    let all = vec![
        SubjectKind::Ip,
        SubjectKind::Key,
        SubjectKind::Model,
        SubjectKind::Org,
        SubjectKind::Path,
        SubjectKind::Project,
        SubjectKind::Provider,
        SubjectKind::Session,
        SubjectKind::Team,
        SubjectKind::Tier,
        SubjectKind::User,
    ];
    prop::sample::subsequence(all, 0..4)
}
