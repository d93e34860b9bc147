//! Files that nobody wrote with good intent.

use super::{OPENAI, REST, read, wrong};

#[test]
fn a_file_that_is_too_long_is_refused_before_it_is_read() {
    let text = format!("{OPENAI}{REST}# {}", "x".repeat(17 << 20));
    assert_eq!(wrong(&text), "tollgate.yaml: expected a file of at most 16 megabytes");
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, other) in ["a", "b", "c", "d", "e", "f", "g", "h"].windows(2).map(|w| (w[0], w[1])) {
        let many = vec![format!("*{one}"); 9].join(", ");
        text = format!("{text}{other}: &{other} [{many}]\n");
    }
    let shown = wrong(&text);
    assert!(shown.contains("anchors are not supported"), "{shown}");
    assert!(shown.contains("is an alias in YAML; expected quotes"), "{shown}");
}

#[test]
fn deep_nesting_is_refused() {
    for deep in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        let shown = wrong(&format!("x: {deep}"));
        assert!(shown.contains("not YAML"), "{shown}");
        assert!(shown.len() < 1_000, "{shown}");
    }
}

#[test]
fn what_is_not_yaml_is_shown_where_it_ends() {
    let table = [
        ("limits: [a\nb: c", "tollgate.yaml:2:2  the file"),
        ("a: \"x\0y\"", "tollgate.yaml:1:6  the file"),
        ("a: 'x\nb: y", "tollgate.yaml:1:4  the file"),
        ("a: b: c", "not YAML"),
        ("a:\n\t- b", "not YAML"),
        ("a: @b", "not YAML"),
        ("%YAML 1.1\n%YAML 1.1\n---\na: b", "not YAML"),
    ];
    for (text, expected) in table {
        let shown = wrong(text);
        assert!(shown.contains(expected), "{text:?} is shown as\n{shown}");
    }
}

#[test]
fn odd_yaml_is_a_mistake_and_not_a_surprise() {
    let table = [
        (format!("{OPENAI}{REST}---\nlisten: 1.2.3.4:5\n"), "one file is one document"),
        (format!("{OPENAI}{REST}tiers: {{}}\n"), "expected each key once; \"tiers\" is here twice"),
        (format!("{OPENAI}{REST}listen: !!str 1.2.3.4:5\n"), "tags are not supported"),
        (format!("{OPENAI}{REST}[a, b]: c\n"), "expected a plain word as the key"),
        (format!("{OPENAI}{REST}<<: {{listen: 1.2.3.4:5}}\n"), "unknown key"),
        (format!("{OPENAI}{REST}guardrails: {{tools: [*x]}}\n"), "expected quotes"),
        (format!("{OPENAI}{REST}limits: ~\n"), "expected a list of sentences"),
        (format!("{OPENAI}{REST}limits: {{a: b}}\n"), "expected a list of sentences"),
        (format!("{OPENAI}{REST}limits: [[a]]\n"), "expected a sentence"),
    ];
    for (text, expected) in table {
        let shown = wrong(&text);
        assert!(shown.contains(expected), "{text}\nis shown as\n{shown}");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read_over() {
    let text = format!("\u{feff}{OPENAI}{REST}").replace('\n', "\r\n");
    assert!(read(&text).is_ok());
}

#[test]
fn no_control_character_reaches_the_terminal() {
    let shown = wrong("\"a\\e[31m\\x07\": 1\nb\u{85}\u{9b}31m: 1\n");
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,40}(\n\\PC{0,40}){0,6}") {
        let _ = read(&text).map_err(|mistakes| mistakes.to_string());
    }

    #[test]
    fn no_cut_of_a_right_file_breaks_the_reader(at in 0..2_000usize, other in 0..2_000usize) {
        let text = include_str!("documented.yaml");
        let cut: String = text.chars().enumerate()
            .filter(|(place, _)| *place < at || *place >= at + other % 40)
            .map(|(_, letter)| letter)
            .collect();
        let _ = read(&cut).map_err(|mistakes| mistakes.to_string());
    }
}
