//! Walking the tree: sections, lists and plain values, each mistake marked and the walk going on.
//!
//! A reader returns `None` exactly where it has marked a mistake, so that no mistake is reported
//! twice and none is passed over.

use core::ops::Range;
use std::collections::BTreeSet;
use std::path::Path;

use tollgate_policy::Mistake;
use tollgate_units::Tokens;

use crate::downgrades::Downgrade;
use crate::mistakes::{Mark, SHOWN_MAX};
use crate::stand_ins::StandIn;
use crate::yaml::{Node, Value};

/// The walk through one file.
pub(crate) struct Reader<'a> {
    /// The file's text, for places inside a value.
    pub(crate) text: &'a str,
    /// The environment.
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// The directory that paths in the file are relative to.
    pub(crate) folder: &'a Path,
    /// An answer of fewer tokens is none: no guardrail may be below.
    pub(crate) least_output: Tokens,
    /// Limits that send requests to another model, to be checked at the end.
    pub(crate) downgrades: Vec<Downgrade>,
    pub(crate) stand_ins: Vec<StandIn>,
    /// What has been found.
    pub(crate) marks: Vec<Mark>,
}

/// A value, and what it is in the operator's words: `limits[2] of tier pro`.
#[derive(Clone, Debug)]
pub(crate) struct Field<'n> {
    pub(crate) node: &'n Node,
    pub(crate) context: String,
}

/// The keys that a section may have.
pub(crate) struct Keys {
    /// Those that are acted on.
    pub(crate) known: &'static [&'static str],
    /// Those of the documented configuration that this version does not act on.
    pub(crate) later: &'static [&'static str],
}

/// A map whose keys are in order: each known, each once.
pub(crate) struct Section<'n> {
    /// Where it is shown that something is missing.
    pub(crate) at: Range<usize>,
    /// Whose it is: `tier pro`; empty for the file.
    pub(crate) owner: String,
    entries: Vec<Entry<'n>>,
}

/// One key and its value.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'n> {
    pub(crate) name: &'n str,
    pub(crate) key: &'n Node,
    pub(crate) value: &'n Node,
}

impl<'n> Section<'n> {
    /// The value of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<Field<'n>> {
        let entry = self.entries.iter().find(|entry| entry.name == key)?;
        Some(Field { node: entry.value, context: self.context(key) })
    }

    /// Every key with its value.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'n>> {
        self.entries.iter().copied()
    }

    fn context(&self, key: &str) -> String {
        if self.owner.is_empty() { key.to_owned() } else { format!("{key} of {}", self.owner) }
    }
}

impl Reader<'_> {
    /// Marks the whole of `field`.
    pub(crate) fn mark(&mut self, field: &Field<'_>, what: impl Into<String>) {
        self.mark_in(field, field.node.at.clone(), what);
    }

    /// Marks some bytes of `field`.
    pub(crate) fn mark_in(&mut self, field: &Field<'_>, at: Range<usize>, what: impl Into<String>) {
        let context = field.context.clone();
        self.marks.push(Mark { value: field.node.at.start, at, context, what: what.into() });
    }

    /// Marks a sentence's mistake at its words, where they can be found in the file.
    pub(crate) fn mark_mistake(&mut self, field: &Field<'_>, mistake: &Mistake) {
        let at = self.place_in(field.node, &mistake.at).unwrap_or_else(|| field.node.at.clone());
        self.mark_in(field, at, mistake.to_string());
    }

    /// Marks that `section` lacks `key`.
    pub(crate) fn missing(&mut self, section: &Section<'_>, key: &str, example: &str) {
        let context = if section.owner.is_empty() { "the file" } else { &section.owner };
        let what = format!("expected {key}, such as {example}");
        self.marks.push(Mark::of(section.at.clone(), context.to_owned(), what));
    }

    /// The value of `key`, or the mistake that there is none.
    pub(crate) fn required<'n>(
        &mut self,
        section: &Section<'n>,
        key: &str,
        example: &str,
    ) -> Option<Field<'n>> {
        let field = section.get(key);
        if field.is_none() {
            self.missing(section, key, example);
        }
        field
    }

    /// The entries of a map; each key must be one of `keys`.
    pub(crate) fn section<'n>(
        &mut self,
        field: &Field<'n>,
        owner: &str,
        keys: &Keys,
    ) -> Option<Section<'n>> {
        let mut section = self.map(field, owner)?;
        let context = if owner.is_empty() { "the file" } else { owner };
        section.entries.retain(|entry| {
            let is_known = keys.known.contains(&entry.name);
            if !is_known {
                let here = Field { node: entry.key, context: context.to_owned() };
                self.mark(&here, unknown(entry.name, keys));
            }
            is_known
        });
        Some(section)
    }

    /// The entries of a map with any keys, each once.
    pub(crate) fn map<'n>(&mut self, field: &Field<'n>, owner: &str) -> Option<Section<'n>> {
        let entries = match &field.node.value {
            Value::Map(entries) => entries,
            Value::Broken => return None,
            Value::List(_) | Value::Text { .. } => {
                self.mark(field, "expected keys with values, such as \"key: value\"");
                return None;
            }
        };
        let mut seen = BTreeSet::new();
        let start = field.node.at.start;
        let mut section =
            Section { at: start..start, owner: owner.to_owned(), entries: Vec::new() };
        for (key, value) in entries {
            let here = Field { node: key, context: field.context.clone() };
            match key.text() {
                None => self.mark(&here, "expected a plain word as the key"),
                Some(name) if !seen.insert(name) => {
                    self.mark(&here, format!("expected each key once; \"{name}\" is here twice"));
                }
                Some(name) => section.entries.push(Entry { name, key, value }),
            }
        }
        Some(section)
    }

    /// The items of a list.
    pub(crate) fn list<'n>(&mut self, field: &Field<'n>, of: &str) -> Option<Vec<Field<'n>>> {
        match &field.node.value {
            Value::List(items) => {
                let (list, owner) = match field.context.split_once(" of ") {
                    Some((list, owner)) => (list, format!(" of {owner}")),
                    None => (&*field.context, String::new()),
                };
                let item = |(at, node)| Field { node, context: format!("{list}[{at}]{owner}") };
                Some(items.iter().enumerate().map(item).collect())
            }
            Value::Broken => None,
            Value::Text { .. } if field.node.is_null() => {
                self.mark(field, format!("expected a list of {of}"));
                None
            }
            Value::Text { text, .. } => {
                let what = format!("expected a list of {of}; did you mean \"[{text}]\"?");
                self.mark(field, what);
                None
            }
            Value::Map(_) => {
                self.mark(field, format!("expected a list of {of}"));
                None
            }
        }
    }

    /// A scalar that says something.
    pub(crate) fn text<'n>(&mut self, field: &Field<'n>, expected: &str) -> Option<&'n str> {
        match &field.node.value {
            Value::Text { text, .. } if !field.node.is_null() && !text.is_empty() => Some(text),
            Value::Broken => None,
            Value::List(_) | Value::Map(_) | Value::Text { .. } => {
                self.mark(field, format!("expected {expected}"));
                None
            }
        }
    }

    /// A scalar that `read` understands.
    pub(crate) fn value<T>(
        &mut self,
        field: &Field<'_>,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(field, expected)?;
        let value = read(text);
        if value.is_none() {
            self.mark(field, format!("expected {expected}"));
        }
        value
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, field: &Field<'_>, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let expected = either(&names);
        let text = self.text(field, &expected)?;
        let chosen = words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if chosen.is_none() {
            self.mark(field, self.with_nearest(&format!("expected {expected}"), text, names));
        }
        chosen
    }

    /// `what`, and the one of `names` that is nearest to `word`, while anybody will read it.
    pub(crate) fn with_nearest<'r>(
        &self,
        what: &str,
        word: &str,
        names: impl IntoIterator<Item = &'r str>,
    ) -> String {
        let is_read = self.marks.len() < SHOWN_MAX;
        match is_read.then(|| Mistake::nearest(word, names)).flatten() {
            Some(nearest) => format!("{what}; did you mean \"{nearest}\"?"),
            None => what.to_owned(),
        }
    }

    /// `true` or `false`, unquoted.
    pub(crate) fn boolean(&mut self, field: &Field<'_>) -> Option<bool> {
        self.choice(field, &[("true", true), ("false", false)])
    }

    /// The name of something that is looked up, shown in metrics and written in paths.
    pub(crate) fn name<'n>(&mut self, field: &Field<'n>, what: &str) -> Option<&'n str> {
        let expected = format!("{what}: letters, digits, \"-\", \"_\" and \".\", at most 64");
        let text = self.text(field, &expected)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.len() <= 64 && text.chars().all(plain) {
            return Some(text);
        }
        self.mark(field, format!("expected {expected}"));
        None
    }

    /// Free text that is shown to people: no control characters, not too long.
    pub(crate) fn label(&mut self, field: &Field<'_>, expected: &str) -> Option<String> {
        let fits = |text: &str| text.len() <= 128 && !text.chars().any(char::is_control);
        let expected = format!("{expected} of at most 128 characters");
        self.value(field, &expected, |text| fits(text).then(|| text.to_owned()))
    }

    /// Where the bytes `inside` the text of a scalar stand in the file. Letters are matched without
    /// white space, which folding changes; after escapes they may not be found at all.
    fn place_in(&self, node: &Node, inside: &Range<usize>) -> Option<Range<usize>> {
        let text = node.text()?;
        let raw = self.text.get(node.at.clone())?;
        let quoted = raw.starts_with(['"', '\'']) && raw.len() >= 2;
        let (raw, start) = if quoted {
            (raw.get(1..raw.len() - 1)?, node.at.start + 1)
        } else {
            (raw, node.at.start)
        };
        let visible = |c: &char| !c.is_whitespace();
        if !raw.chars().filter(visible).eq(text.chars().filter(visible)) {
            return None;
        }
        let before = text.get(..inside.start)?.chars().filter(visible).count();
        let within = text.get(inside.clone())?.chars().filter(visible).count();
        let mut letters = raw.char_indices().filter(|(_, c)| visible(c)).skip(before);
        let from = letters.next().map(|(at, _)| at).filter(|_| within > 0);
        let Some(from) = from else {
            // Something is missing: it belongs behind what is there.
            let end = start + raw.trim_end().len();
            return Some(end..end);
        };
        let last = if within > 1 { letters.nth(within - 2).map(|(at, _)| at)? } else { from };
        let width = raw.get(last..)?.chars().next()?.len_utf8();
        Some(start + from..start + last + width)
    }
}

/// What is wrong with a key that is not known.
fn unknown(name: &str, keys: &Keys) -> String {
    if keys.later.contains(&name) {
        return format!("\"{name}\" is not supported by this version yet");
    }
    match Mistake::nearest(name, keys.known.iter().copied()) {
        Some(nearest) => format!("unknown key; did you mean \"{nearest}\"?"),
        None => format!("unknown key; expected {}", either(keys.known)),
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn either(words: &[&str]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}
