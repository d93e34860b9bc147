//! Rules about names: words that say nothing, and words that promise something else.
//!
//! Only definitions count, since what a library calls its things is its own affair: functions,
//! modules, types, constants, bindings, parameters and fields. A name that is right in one place
//! only has a line in [`EXCEPTIONS`] with its reason.

use crate::mask::{Token, halves, tokens};
use crate::tree::{Finding, Page};

/// Never as a whole identifier.
const EMPTY: &[&str] =
    &["common", "data", "do_it", "helper", "helpers", "info", "manager", "misc", "util", "utils"];

/// Where an empty word is somebody else's word: name, start of the path, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("data", "crates/config/", "the key of the configuration file"),
    ("data", "crates/testkit/", "the key of the configuration file"),
    ("data", "crates/tollgate/", "the key of the configuration file"),
    ("data", "crates/gateway/src/models.rs", "the field of a list"),
    ("data", "crates/sim/", "the field of a server-sent event"),
    ("data", "crates/wire/", "the field of a server-sent event"),
    ("max_tokens", "crates/wire/", "the field of the request"),
    ("max_tokens", "crates/sim/", "the field of the request"),
];

/// Words after which a name is being defined.
const DEFINERS: &[&str] =
    &["as", "const", "enum", "fn", "let", "mod", "mut", "static", "struct", "trait", "type"];

/// Every rule of this file on `page`.
pub(crate) fn findings(page: &Page) -> Vec<Finding> {
    let halves = halves(&page.text);
    let tokens = tokens(&halves.code);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let name = tokens[at];
        let is_function = at > 0 && tokens[at - 1].text == "fn";
        let says = if is_function && name.text.starts_with("get_") {
            format!("`{}`: say what it gives; `get` says nothing", name.text)
        } else if is_function && name.text.starts_with("check_") && gives_bool(&tokens[at..]) {
            format!("`{}` gives a bool: a predicate is `is_` or `has_`", name.text)
        } else if is_defined(&tokens, at) && is_empty(name.text, &page.path) {
            format!("`{}` says nothing here: name the thing", name.text)
        } else {
            continue;
        };
        found.push(Finding::new(&page.path, name.line, says));
    }
    found
}

fn is_empty(name: &str, path: &str) -> bool {
    (EMPTY.contains(&name) || name == "max_tokens")
        && !EXCEPTIONS.iter().any(|(word, start, _)| *word == name && path.starts_with(start))
}

/// Whether the token at `at` is a name in the place where it is made.
fn is_defined(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |before| tokens[before].text);
    let after = |by: usize| tokens.get(at + by).map_or("", |token| token.text);
    let is_typed = after(1) == ":" && after(2) != ":" && matches!(before, "(" | "," | "{" | "pub");
    let is_closure = before == "|" && matches!(after(1), "|" | "," | ":");
    DEFINERS.contains(&before) || is_typed || is_closure
}

/// Whether the function whose name comes first gives a `bool`.
fn gives_bool(tokens: &[Token<'_>]) -> bool {
    let mut signature = tokens.iter().map(|token| token.text);
    let ends = |text: &&str| *text != "{" && *text != ";";
    let words: Vec<&str> = signature.by_ref().take_while(ends).collect();
    words.ends_with(&["-", ">", "bool"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let page = Page { path: path.to_owned(), text: text.to_owned() };
        findings(&page).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn an_empty_word_is_found_where_it_is_made() {
        for text in ["mod util;", "fn f(data: u8) {}", "let info = 1;", "|data| 1", "pub data: u8"]
        {
            assert_eq!(messages("crates/store/src/a.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn an_empty_word_is_not_found_where_it_is_used() {
        for text in ["tracing::info!(x)", "frame.data()", "Frame::data(x)", "let database = 1;"] {
            assert_eq!(messages("crates/wire/src/a.rs", text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn the_request_field_has_its_name_where_requests_are_read() {
        assert!(messages("crates/wire/src/a.rs", "struct A { max_tokens: u8 }").is_empty());
        assert_eq!(messages("crates/limits/src/a.rs", "struct A { max_tokens: u8 }").len(), 1);
    }

    #[test]
    fn a_getter_and_a_check_that_gives_a_bool_are_found() {
        let text = "fn get_key() {} fn check_key(&self) -> bool { true } fn check(x: bool) {}";
        let found = messages("crates/store/src/a.rs", text);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
