use std::fmt::Write as _;

use super::*;

/// A body and words that the refusal has to say; none: it is accepted.
const BODIES: &[(&str, Option<&str>)] = &[
    (r#"{"model":"a"}"#, None),
    (" \r\n\t{\"a\" : [1 , 2.5e-3, -7, true, null, \"\\u00e9\"] } \n", None),
    (r#"{"a":{"b":1},"c":{"b":1}}"#, None),
    ("", Some("not a JSON object")),
    ("[]", Some("not a JSON object")),
    ("\"{}\"", Some("not a JSON object")),
    ("\u{feff}{}", Some("not a JSON object")),
    ("{", Some("line 1, column 1")),
    (r#"{"a":1,}"#, Some("trailing comma")),
    (r#"{"a":1} x"#, Some("trailing characters")),
    (r#"{"a":1}{"a":1}"#, Some("trailing characters")),
    (r#"{"a":01}"#, Some("line 1, column")),
    (r#"{"a":+1}"#, Some("line 1, column")),
    (r#"{"a":NaN}"#, Some("line 1, column")),
    (r#"{"a":1e999}"#, Some("number out of range")),
    (r#"{"a":.5}"#, Some("line 1, column")),
    (r"{'a':1}", Some("line 1, column")),
    ("{\"a\":1} // no", Some("trailing characters")),
    ("{\"a\":\"x\ny\"}", Some("control character")),
    (r#"{"a":"\x41"}"#, Some("escape")),
    (r#"{"a":"\ud800"}"#, Some("hex escape")),
    (r#"{"a":"\ud800\u0041"}"#, Some("surrogate")),
    (r#"{"model":"a","model":"b"}"#, Some("\"model\" comes twice")),
    (r#"{"model":"a","mod\u0065l":"b"}"#, Some("\"model\" comes twice")),
    (r#"{"a":[{"b":{"c":1,"d":2,"c":3}}]}"#, Some("\"c\" comes twice")),
    (r#"{"":1,"":2}"#, Some("\"\" comes twice")),
];

#[test]
fn a_body_that_two_parsers_could_read_differently_is_refused() {
    for (body, refusal) in BODIES {
        match (check(body.as_bytes()), refusal) {
            (Ok(()), None) => {}
            (Err(error), Some(words)) => {
                assert!(error.message.contains(words), "{body}: {error}");
                assert!(error.offset.is_some_and(|at| at <= body.len()), "{body}: {error:?}");
            }
            (outcome, _) => panic!("{body}: {outcome:?}, expected {refusal:?}"),
        }
    }
}

#[test]
fn a_refusal_points_at_the_byte() {
    let body = "{\n  \"model\": \"a\",\n  \"n\": 1,\n  \"model\": \"b\"\n}";
    let error = check(body.as_bytes()).unwrap_err();
    let second = body.rfind("\"model\"").unwrap();
    let at = error.offset.unwrap();
    assert!((second..=second + 8).contains(&at), "{at}, {second}");
    assert!(error.message.contains("line 4"), "{error}");
}

#[test]
fn bytes_that_are_not_utf8_are_refused_where_they_stand() {
    for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        let body = [b"{\"a\":\"", bad, b"\"}"].concat();
        assert_eq!(check(&body).unwrap_err().offset, Some(6), "{bad:?}");
    }
}

#[test]
fn nesting_ends_at_sixty_four() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!("{{\"a\":{open}{close}}}")
    };
    assert_eq!(check(nested(64).as_bytes()), Ok(()));
    let error = check(nested(65).as_bytes()).unwrap_err();
    assert!(error.message.contains("deeper than 64"), "{error}");
}

#[test]
fn deep_nesting_is_given_up_at_the_bound_and_not_at_the_end() {
    let error = check(format!("{{\"a\":{}", "[".repeat(1 << 20)).as_bytes()).unwrap_err();
    assert!(error.offset.unwrap() < 100, "{error:?}");
}

#[test]
fn a_hundred_thousand_keys_are_hashed_and_the_last_one_still_compared() {
    let mut body = String::from("{");
    for key in 0..100_000 {
        write!(body, "\"key{key}\":0,").unwrap();
    }
    let fine = format!("{body}\"end\":0}}");
    assert_eq!(check(fine.as_bytes()), Ok(()));
    for key in [0, 15, 16, 17, 99_999] {
        let twice = format!("{body}\"\\u006bey{key}\":0}}");
        let error = check(twice.as_bytes()).unwrap_err();
        assert!(error.message.contains(&format!("\"key{key}\" comes twice")), "{key}: {error}");
    }
    // Linear by construction: few keys are compared, all others looked up.
    let mut seen = Seen::default();
    for key in 0..1000 {
        seen.add(Cow::Owned(format!("{key}"))).unwrap();
    }
    assert_eq!((seen.few.len(), seen.many.len()), (KEYS_COMPARED_MAX, 1000 - KEYS_COMPARED_MAX));
}

#[test]
fn a_megabyte_of_escapes_is_a_string_like_any_other() {
    let body = format!("{{\"a\":\"{}\"}}", "\\u0041\\n\\\"".repeat(1 << 17));
    assert_eq!(check(body.as_bytes()), Ok(()));
}

#[test]
fn a_long_key_does_not_make_a_long_message() {
    let key = "k".repeat(1 << 16);
    let error = check(format!("{{\"{key}\":1,\"{key}\":2}}").as_bytes()).unwrap_err();
    assert!(error.message.len() < 200, "{}", error.message.len());
}
