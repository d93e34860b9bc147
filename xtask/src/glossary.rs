//! One word, one meaning: what `docs/vocabulary.md` names is spelt so, its synonyms are not made.
//!
//! The page is the table, and this rule reads it: second column the names, third the words that
//! must not become types. A name is free until its type exists.

use crate::mask::{Token, halves, tokens};
use crate::tree::{Finding, Page};

/// A row of the page.
#[derive(Debug)]
struct Entry {
    names: Vec<String>,
    banned: Vec<String>,
}

/// Compares every type that is defined in `pages` with the vocabulary.
pub(crate) fn findings(vocabulary: &str, pages: &[Page]) -> Vec<Finding> {
    let entries: Vec<Entry> = vocabulary.lines().filter_map(entry).collect();
    if entries.is_empty() {
        return vec![Finding::new("docs/vocabulary.md", 1, "no table of names in it")];
    }
    let mut found = Vec::new();
    for page in pages.iter().filter(|page| page.is_rust()) {
        let halves = halves(&page.text);
        let tokens = tokens(&halves.code);
        for defined in types(&tokens) {
            if let Some(says) = objection(&entries, defined.text) {
                found.push(Finding::new(&page.path, defined.line, says));
            }
        }
    }
    found
}

fn objection(entries: &[Entry], defined: &str) -> Option<String> {
    let is_named = |name: &String| name == defined;
    if entries.iter().any(|entry| entry.names.iter().any(is_named)) {
        return None;
    }
    entries.iter().find_map(|entry| {
        let right = entry.names.first()?;
        if entry.banned.iter().any(|word| word == defined) {
            return Some(format!("`{defined}` is called `{right}` here (docs/vocabulary.md)"));
        }
        let near = entry.names.iter().find(|name| name.eq_ignore_ascii_case(defined))?;
        Some(format!("`{defined}` is spelt `{near}` (docs/vocabulary.md)"))
    })
}

fn types<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let makes = |text: &str| matches!(text, "enum" | "struct" | "trait" | "type" | "union");
    tokens.windows(2).filter(|pair| makes(pair[0].text)).map(|pair| pair[1]).collect()
}

/// Reads `| concept | `Name`, `Name` | `Synonym` |`.
fn entry(line: &str) -> Option<Entry> {
    let cells: Vec<&str> = line.trim().strip_prefix('|')?.split('|').collect();
    let [_, names, banned, ..] = cells.as_slice() else {
        return None;
    };
    let entry = Entry { names: quoted(names), banned: quoted(banned) };
    (!entry.names.is_empty()).then_some(entry)
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| what | name | never |\n|---|---|---|\n| money | `NanoUsd` | `Cost` |\n";

    fn messages(text: &str) -> Vec<String> {
        let page = Page { path: "crates/units/src/money.rs".to_owned(), text: text.to_owned() };
        findings(TABLE, &[page]).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_right_name_passes() {
        assert!(messages("pub struct NanoUsd(u64); fn cost() -> Cost {}").is_empty());
    }

    #[test]
    fn a_synonym_is_found() {
        let found = messages("pub struct Cost(u64);");
        assert_eq!(found, ["`Cost` is called `NanoUsd` here (docs/vocabulary.md)"]);
    }

    #[test]
    fn another_spelling_is_found() {
        assert_eq!(
            messages("enum NanoUSD {}")[0],
            "`NanoUSD` is spelt `NanoUsd` (docs/vocabulary.md)"
        );
    }

    #[test]
    fn a_page_without_a_table_is_found() {
        assert_eq!(findings("no table", &[]).len(), 1);
    }
}
