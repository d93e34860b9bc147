use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

#[test]
fn durations_are_read_as_go_writes_them() {
    let table = [
        ("0", Some(0)),
        ("0s", Some(0)),
        ("1s", Some(1_000)),
        ("120ms", Some(120)),
        ("8.64s", Some(8_640)),
        ("6m0s", Some(360_000)),
        ("16m17.764s", Some(977_764)),
        ("1h4m48s", Some(3_888_000)),
        ("1.5h", Some(5_400_000)),
        ("5m", Some(300_000)),
        ("24h", Some(86_400_000)),
        ("1us", Some(1)),
        ("1µs", Some(1)),
        ("1μs", Some(1)),
        ("1ns", Some(1)),
        ("1000000ns", Some(1)),
        ("1000001ns", Some(2)),
        ("40.318072970s", Some(40_319)),
        ("0.0000000001s", Some(1)),
        ("9600h", Some(34_560_000_000)),
        ("9601h", None),
        ("99999999999999999999h", None),
        ("1m2x", None),
        ("-1m", None),
        ("+1m", None),
        ("", None),
        ("s", None),
        (".5s", None),
        ("1.s", None),
        ("1..5s", None),
        ("1 s", None),
        ("5", None),
        ("1S", None),
        ("abc", None),
        ("30,000ms", None),
    ];
    for (text, millis) in table {
        assert_eq!(go_duration(text), millis.map(Span::from_millis), "{text}");
    }
    let long = format!("{}1s", "0".repeat(TEXT_BYTES_MAX));
    assert_eq!(go_duration(&long), None);
}

#[test]
fn each_grammar_reads_its_own_and_nothing_else() {
    use ResetGrammar::{Any, GoDuration, Rfc3339, Seconds, UnixMillis, UnixSeconds};
    let in_future = |millis| Some(NOW.plus(Span::from_millis(millis)));
    let at = |millis| Some(Timestamp::from_millis(millis));
    let table = [
        ("120", [in_future(120_000), None, None, in_future(120_000), None, None]),
        ("0.1", [in_future(100), None, None, in_future(100), None, None]),
        (
            "33011.382867097855",
            [in_future(33_011_383), None, None, in_future(33_011_383), None, None],
        ),
        ("1m", [in_future(60_000), in_future(60_000), None, None, None, None]),
        ("1ms", [in_future(1), in_future(1), None, None, None, None]),
        ("1788220800000", [at(1_788_220_800_000), None, None, None, at(1_788_220_800_000), None]),
        ("1767225600", [at(1_767_225_600_000), None, None, None, None, at(1_767_225_600_000)]),
        (
            "2026-09-27T07:08:00-05:00",
            [at(1_790_510_880_000), None, at(1_790_510_880_000), None, None, None],
        ),
        ("1960-01-01T00:00:00Z", [None; 6]),
        ("999999999", [None; 6]),
        ("99999999999999999999", [None; 6]),
        ("-1", [None; 6]),
        ("30,000", [None; 6]),
        ("1e3", [None; 6]),
        ("invalid", [None; 6]),
        ("", [None; 6]),
    ];
    for (text, meant) in table {
        let grammars = [Any, GoDuration, Rfc3339, Seconds, UnixMillis, UnixSeconds];
        for (grammar, meant) in grammars.into_iter().zip(meant) {
            assert_eq!(grammar.read(text, NOW), meant, "{text} as {grammar:?}");
        }
    }
}

#[test]
fn a_date_is_read_in_all_three_forms_and_in_no_fourth() {
    let expected = Some(Timestamp::from_millis(784_111_777_000));
    for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert_eq!(http_date(text), expected, "{text}");
    }
    let short = http_date("Sunday, 06-Nov-26 08:49:37 GMT");
    assert_eq!(short, http_date("Fri, 06 Nov 2026 08:49:37 GMT"));
    assert!(short.is_some());
    // RFC 9110 lets a second be 60.
    assert!(http_date("Sat, 31 Dec 2016 23:59:60 GMT").is_some());
    for text in [
        "",
        "GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 November 1994 08:49:37 GMT",
        "Sun, 06 Nov 199 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT GMT",
        "Sun, 06 Nov 1960 08:49:37 GMT",
    ] {
        assert_eq!(http_date(text), None, "{text}");
    }
}
