//! Rules about one Rust file: its size, its opening, and words that never reach main.
//!
//! The limits are ends, not aims: half of each is comfortable. They count every line, comments
//! included, because a reader scrolls past all of them.

use crate::mask::{Halves, Token, halves, tokens};
use crate::tree::{Finding, Page};

/// Lines of a file.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function, from `fn` to its last brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Characters of a line.
const COLUMNS_MAX: usize = 100;
/// What nobody may leave behind in a comment.
const PROMISES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
/// Macros that say that the work is not done.
const STAND_INS: &[&str] = &["todo", "unimplemented", "dbg"];

/// What ring 1 must not touch: it is handed time, and never waits.
const IMPURE: &[&[&str]] = &[
    &["async", "fn"],
    &["std", ":", ":", "env"],
    &["std", ":", ":", "fs"],
    &["std", ":", ":", "process"],
    &["std", ":", ":", "thread"],
    &["Instant"],
    &["SystemTime"],
    &["TcpListener"],
    &["TcpStream"],
    &["UdpSocket"],
];

/// How a task starts that no drain waits for.
const SPAWNS: &[&[&str]] =
    &[&["task", ":", ":", "spawn"], &["tokio", ":", ":", "spawn"], &["thread", ":", ":", "spawn"]];
/// Where every task is one that a drain waits for, and the one file that starts them.
const DRAINED: &[&str] = &["crates/admin/src/", "crates/gateway/src/"];
const SPAWNER: &str = "crates/gateway/src/tasks.rs";

/// Every rule of this file on `page`; `is_pure` says that it belongs to ring 0 or 1.
pub(crate) fn findings(page: &Page, is_pure: bool) -> Vec<Finding> {
    let halves = halves(&page.text);
    let tokens = tokens(&halves.code);
    let mut found: Vec<Finding> = opening(page).into_iter().collect();
    found.extend(sizes(page, &halves));
    found.extend(functions(&page.path, &tokens));
    found.extend(promises(&page.path, &halves));
    found.extend(stand_ins(&page.path, &tokens));
    if is_test(&page.path) {
        return found;
    }
    let shipped = before_tests(&tokens);
    if is_pure {
        let says = "in ring 1, which is pure: hand it in";
        found.extend(uses(&page.path, shipped, IMPURE, says));
    }
    if DRAINED.iter().any(|folder| page.path.starts_with(folder)) && page.path != SPAWNER {
        let says = "starts what no drain waits for: `Tasks::spawn`";
        found.extend(uses(&page.path, shipped, SPAWNS, says));
    }
    found
}

/// Whether a file is only compiled for tests, examples or benchmarks.
pub(crate) fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || ["/tests/", "/examples/", "/benches/"].iter().any(|folder| path.contains(folder))
}

fn opening(page: &Page) -> Option<Finding> {
    let says = "a file opens with `//!`: what it is, why this way, when it is wrong";
    // The header of `foo.rs` speaks for `foo/tests.rs`.
    let speaks = page.text.starts_with("//!") || page.path.ends_with("/tests.rs");
    (!speaks).then(|| Finding::new(&page.path, 1, says))
}

fn sizes(page: &Page, halves: &Halves) -> Vec<Finding> {
    let count = page.text.lines().count();
    let mut found = Vec::new();
    if count > FILE_LINES_MAX {
        let says = format!("{count} lines; a file is one idea, {FILE_LINES_MAX} at the very most");
        found.push(Finding::new(&page.path, count, says));
    }
    let code = halves.code.lines().zip(halves.comments.lines());
    for ((index, line), (code, comment)) in page.text.lines().enumerate().zip(code) {
        let columns = if is_test(&page.path) {
            // Rows of test data may be as long as they are; what is not a literal may not.
            code.replace(' ', "").chars().count().max(comment.trim_end().chars().count())
        } else {
            line.chars().count()
        };
        if columns > COLUMNS_MAX && !is_one_word(line) {
            let says = format!("{columns} columns; {COLUMNS_MAX} is the end");
            found.push(Finding::new(&page.path, index + 1, says));
        }
    }
    found
}

/// A link or a hash cannot be broken.
fn is_one_word(line: &str) -> bool {
    line.trim_start().trim_start_matches(['/', '!']).split_whitespace().count() <= 1
}

fn functions(path: &str, tokens: &[Token<'_>]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [keyword, name] = pair else { continue };
        if keyword.text != "fn" || !name.text.starts_with(|letter: char| letter.is_alphabetic()) {
            continue;
        }
        let Some(end) = end_of_function(&tokens[at..]) else {
            continue;
        };
        let count = end - keyword.line + 1;
        if count > FUNCTION_LINES_MAX {
            let says =
                format!("`{}` has {count} lines; {FUNCTION_LINES_MAX} is the end", name.text);
            found.push(Finding::new(path, keyword.line, says));
        }
    }
    found
}

/// The line of the brace that closes the function which starts here; `None` without a body.
fn end_of_function(tokens: &[Token<'_>]) -> Option<usize> {
    let mut round = 0_usize;
    let mut curly = 0_usize;
    for token in tokens {
        match token.text {
            "(" | "[" if curly == 0 => round += 1,
            ")" | "]" if curly == 0 => round = round.saturating_sub(1),
            ";" if curly == 0 && round == 0 => return None,
            "{" if round == 0 => curly += 1,
            "}" if round == 0 => {
                curly = curly.saturating_sub(1);
                if curly == 0 {
                    return Some(token.line);
                }
            }
            _ => {}
        }
    }
    None
}

fn promises(path: &str, halves: &Halves) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in halves.comments.lines().enumerate() {
        for word in PROMISES {
            if line.split(|letter: char| !letter.is_alphanumeric()).any(|part| part == *word) {
                let says = format!("`{word}` on main: do it, or open an issue");
                found.push(Finding::new(path, index + 1, says));
            }
        }
    }
    found
}

fn stand_ins(path: &str, tokens: &[Token<'_>]) -> Vec<Finding> {
    let calls = tokens.windows(2).filter(|pair| pair[1].text == "!");
    calls
        .filter(|pair| STAND_INS.contains(&pair[0].text))
        .map(|pair| Finding::new(path, pair[0].line, format!("`{}!` on main", pair[0].text)))
        .collect()
}

fn uses(path: &str, tokens: &[Token<'_>], banned: &[&[&str]], says: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        for words in banned {
            let here = tokens[at..].iter().take(words.len()).map(|token| token.text);
            if here.eq(words.iter().copied()) {
                let says = format!("`{}` {says}", words.concat());
                found.push(Finding::new(path, tokens[at].line, says));
            }
        }
    }
    found
}

/// The tokens up to the first `#[cfg(test)]`.
fn before_tests<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let end = tokens
        .windows(4)
        .position(|four| four.iter().map(|token| token.text).eq(["cfg", "(", "test", ")"]));
    &tokens[..end.unwrap_or(tokens.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str, is_pure: bool) -> Vec<String> {
        let page = Page { path: "crates/limits/src/level.rs".to_owned(), text: text.to_owned() };
        findings(&page, is_pure).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_good_file_passes() {
        assert_eq!(messages("//! Level.\n\nfn drain() {}\n", true), Vec::<String>::new());
    }

    #[test]
    fn a_file_without_an_opening_is_found() {
        assert!(messages("fn drain() {}\n", false)[0].contains("opens with"));
    }

    #[test]
    fn a_long_file_is_found() {
        let text = format!("//! Level.\n{}", "\n".repeat(FILE_LINES_MAX));
        assert_eq!(messages(&text, false), ["601 lines; a file is one idea, 600 at the very most"]);
    }

    #[test]
    fn a_wide_line_is_found_and_a_long_link_is_not() {
        let words = "word ".repeat(21);
        let link = format!("https://example.com/{}", "a".repeat(100));
        let text = format!("//! Level.\n// {words}\n/// {link}\n");
        assert_eq!(messages(&text, false), ["108 columns; 100 is the end"]);
    }

    #[test]
    fn a_long_function_is_found_and_a_declaration_is_not() {
        let body = "    let brace = '{';\n".repeat(FUNCTION_LINES_MAX);
        let text = format!("//! A.\nfn a(x: [u8; 2]);\nfn b() -> [u8; 2] {{\n{body}}}\n");
        assert_eq!(messages(&text, false), ["`b` has 72 lines; 70 is the end"]);
    }

    #[test]
    fn a_promise_is_found_in_a_comment_only() {
        let text = format!("//! A.\n// {0}: later\nconst A: &str = \"{0}\";\n", PROMISES[0]);
        assert_eq!(messages(&text, false).len(), 1);
    }

    #[test]
    fn a_stand_in_is_found() {
        assert_eq!(messages("//! A.\nfn a() { todo!() }\n", false), ["`todo!` on main"]);
    }

    #[test]
    fn ring_1_may_not_ask_for_the_time_outside_tests() {
        let text = "//! A.\nfn a() { Instant::now(); }\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        assert_eq!(messages(text, true), ["`Instant` in ring 1, which is pure: hand it in"]);
        assert!(messages(text, false).is_empty());
    }

    #[test]
    fn a_task_that_no_drain_waits_for_is_found() {
        let text = "//! A.\nfn a() { tokio::spawn(b()); }\n".to_owned();
        let at = |path: &str| {
            let page = Page { path: path.to_owned(), text: text.clone() };
            findings(&page, false).len()
        };
        assert_eq!(at("crates/gateway/src/relay.rs"), 1);
        assert_eq!(at("crates/gateway/src/tasks.rs"), 0);
        assert_eq!(at("crates/sim/src/provider.rs"), 0);
    }
}
