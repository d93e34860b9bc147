use super::*;

fn text(text: &str) -> Bare {
    Bare::Text(text.to_owned())
}

#[test]
fn items_and_parameters_of_every_type_are_read() {
    let field = r#" "a\"b\\";q=-5;d=1.5;t=tok/en:x;b;y=?0;at=@17;s=%"x";*k=:AQID:, tok ;_x=?1"#;
    let read = list(field);
    let expected: &[(&str, Bare)] = &[
        ("q", Bare::Integer(-5)),
        ("d", Bare::Other),
        ("t", Bare::Other),
        ("b", Bare::Other),
        ("y", Bare::Other),
        ("at", Bare::Other),
        ("s", Bare::Other),
        ("*k", Bare::Bytes([1, 2, 3].into())),
    ];
    // A key starts with a lower-case letter or an asterisk.
    assert_eq!(read, None);
    let read = list(&field.replace("_x", "x").replace(" ;", ";")).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].bare, text("a\"b\\"));
    for (key, bare) in expected {
        assert_eq!(read[0].parameter(key), Some(bare), "{key}");
    }
    assert_eq!(read[1].bare, Bare::Other);
    assert_eq!(list("").unwrap(), []);
    assert_eq!(list("1;a=1;a=2").unwrap()[0].parameter("a"), Some(&Bare::Integer(2)));
}

#[test]
fn a_field_that_breaks_the_grammar_anywhere_is_nothing() {
    let many = vec!["1"; ITEMS_MAX + 1].join(",");
    let parameters = format!("1{}", ";a".repeat(PARAMETERS_MAX + 1));
    for field in [
        "\"a\"; q=1 x",
        "\"a\",",
        ",\"a\"",
        "\"a",
        "\"a\\n\"",
        "\"ä\"",
        "\"a\";Q=1",
        "\"a\";q=",
        "1234567890123456",
        "-",
        "1.",
        "1.2345",
        "1234567890123.1",
        ":AQ*D:",
        ":AQID",
        ":A:",
        ":AQ===:",
        "?2",
        "@1.5",
        "(1 2)",
        &many,
        &parameters,
    ] {
        assert_eq!(list(field), None, "{field}");
    }
}

#[test]
fn bytes_are_read_whatever_their_padding_and_its_bits() {
    let table: &[(&str, &[u8])] = &[
        (":QXBwLTk5OQ==:", b"App-999"),
        (":QXBwLTk5OQ:", b"App-999"),
        (":QXBwLTk5OR==:", b"App-999"),
        (":dHJpYWwxMjEzMjM=:", b"trial121323"),
        ("::", b""),
        (":+/8=:", &[0xfb, 0xff]),
    ];
    for (field, bytes) in table {
        assert_eq!(list(field).unwrap()[0].bare, Bare::Bytes((*bytes).into()), "{field}");
    }
}

#[test]
fn a_dictionary_gives_its_integers() {
    let read = dictionary("limit=100, remaining=50;x=1, reset=30, flag, name=tok").unwrap();
    let expected = [("limit", 100), ("remaining", 50), ("reset", 30)];
    assert_eq!(read, expected.map(|(key, number)| (key.to_owned(), number)));
    for field in ["", "limit=", "limit=100,", "Limit=100", "limit=100 remaining=50"] {
        assert_eq!(dictionary(field), None, "{field}");
    }
}
