//! Walks a body that [`strict`](crate::strict) has accepted, and knows where everything stands.
//!
//! No tree is built: a value is a place, and its members or items are found by skipping over bytes,
//! so a hostile body costs no memory beyond itself. Skipping relies on the body being valid JSON.
//! On anything else it still ends, in linear time and without panicking, but what it finds there
//! means nothing. Looking at an item skips it once for each level above it that was walked.

use std::borrow::Cow;
use std::fmt;

use crate::{Place, text};

/// A value in a body.
#[derive(Clone, Copy)]
pub(crate) struct Value<'b> {
    body: &'b [u8],
    place: Place,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Array,
    Bool(bool),
    Null,
    Number,
    Object,
    String,
}

/// A member of an object.
pub(crate) struct Member<'b> {
    pub(crate) key: Value<'b>,
    pub(crate) value: Value<'b>,
}

impl Member<'_> {
    /// From the key up to the end of the value.
    pub(crate) fn place(&self) -> Place {
        Place::new(self.key.place.start, self.value.place.end)
    }
}

impl<'b> Value<'b> {
    /// The outermost value: all of the body but the white space around it.
    pub(crate) fn root(body: &'b [u8]) -> Self {
        let end = body.iter().rposition(|&byte| !is_space(byte));
        let place = Place::new(after_space(body, 0), end.map_or(0, |last| last.saturating_add(1)));
        Self { body, place }
    }

    fn at(body: &'b [u8], start: usize) -> Self {
        Self { body, place: Place::new(start, after_value(body, start)) }
    }

    pub(crate) const fn place(self) -> Place {
        self.place
    }

    pub(crate) fn raw(self) -> &'b [u8] {
        self.place.of(self.body)
    }

    /// A string decoded; anything else as it is written.
    pub(crate) fn text(self) -> Cow<'b, str> {
        text(self.body, self.place)
    }

    pub(crate) fn kind(self) -> Kind {
        match self.raw().first() {
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            Some(b'"') => Kind::String,
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    pub(crate) fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The members of an object; none of anything else.
    pub(crate) fn members(self) -> impl Iterator<Item = Member<'b>> {
        let mut inside = Inside::of(self, Kind::Object);
        std::iter::from_fn(move || {
            let key = inside.next()?;
            let value = inside.next()?;
            Some(Member { key, value })
        })
    }

    /// The items of an array; none of anything else.
    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        let mut inside = Inside::of(self, Kind::Array);
        std::iter::from_fn(move || inside.next())
    }

    /// The member called `name`, if this is an object that has it.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        self.members().find(|member| member.key.text() == name).map(|member| member.value)
    }

    /// The first member at any depth whose key is one of `names` and whose value `matches`.
    pub(crate) fn find_within(
        self,
        names: &[&str],
        matches: impl Fn(&str, Self) -> bool,
    ) -> Option<Member<'b>> {
        self.find_from(self.place.start, names, matches)
    }

    /// The same, from the byte at `from` on, which must not be inside a string.
    pub(crate) fn find_from(
        self,
        from: usize,
        names: &[&str],
        matches: impl Fn(&str, Self) -> bool,
    ) -> Option<Member<'b>> {
        self.find_named(from, &[], |name| names.contains(&name), matches)
    }

    /// The same for names that `is_name` knows, and not in what stands under one that is `free`.
    pub(crate) fn find_named(
        self,
        from: usize,
        free: &[&str],
        is_name: impl Fn(&str) -> bool,
        matches: impl Fn(&str, Self) -> bool,
    ) -> Option<Member<'b>> {
        let mut at = from;
        while at < self.place.end {
            if self.body.get(at) != Some(&b'"') {
                at = at.saturating_add(1);
                continue;
            }
            let key = Self::at(self.body, at);
            at = key.place.end;
            let colon = after_space(self.body, at);
            if self.body.get(colon) != Some(&b':') {
                continue;
            }
            let name = key.text();
            if is_name(&name) {
                let value = Self::at(self.body, after_space(self.body, colon.saturating_add(1)));
                if matches(&name, value) {
                    return Some(Member { key, value });
                }
            } else if free.contains(&&*name) {
                at = Self::at(self.body, after_space(self.body, colon.saturating_add(1))).place.end;
            }
        }
        None
    }

    /// For a message to the caller: what this is, briefly.
    pub(crate) fn shown(self) -> Cow<'b, str> {
        match self.kind() {
            Kind::Array if self.items().next().is_none() => "an empty array".into(),
            Kind::Array => "an array".into(),
            Kind::Bool(true) => "true".into(),
            Kind::Bool(false) => "false".into(),
            Kind::Null => "null".into(),
            Kind::Number if self.place.len() <= 24 => self.text(),
            Kind::Number => "a very long number".into(),
            Kind::Object => "an object".into(),
            Kind::String if self.place.len() == 2 => "an empty string".into(),
            Kind::String => "a string".into(),
        }
    }
}

/// The way from a value to what is found inside it, kept while looking goes on: what is found later
/// stands later, so that all ways together cost one walk.
pub(crate) struct Trail<'b> {
    body: &'b [u8],
    at: usize,
    /// What is open, from the outside in: the last key of an object, the last index of an array.
    open: Vec<Inner<'b>>,
}

enum Inner<'b> {
    Index(usize),
    Key(Cow<'b, str>),
}

impl<'b> Trail<'b> {
    pub(crate) const fn new(value: Value<'b>) -> Self {
        Self { body: value.body, at: value.place.start, open: Vec::new() }
    }

    /// Goes on to `member`, and hands its path, from `path` on, to `then`.
    pub(crate) fn to<R>(
        &mut self,
        member: &Member<'b>,
        path: &Path<'_>,
        then: impl FnOnce(&Path<'_>) -> R,
    ) -> R {
        while self.at < member.value.place.start {
            self.step();
        }
        along(&self.open, path, then)
    }

    fn step(&mut self) {
        let start = self.at;
        self.at = start.saturating_add(1);
        match self.body.get(start) {
            Some(b'{') => self.open.push(Inner::Key("".into())),
            Some(b'[') => self.open.push(Inner::Index(0)),
            Some(b'}' | b']') => drop(self.open.pop()),
            Some(b',') => {
                if let Some(Inner::Index(index)) = self.open.last_mut() {
                    *index = index.saturating_add(1);
                }
            }
            Some(b'"') => {
                let text = Value::at(self.body, start);
                self.at = text.place.end;
                let colon = after_space(self.body, self.at);
                if self.body.get(colon) == Some(&b':')
                    && let Some(Inner::Key(key)) = self.open.last_mut()
                {
                    *key = text.text();
                }
            }
            _ => {}
        }
    }
}

/// Hands the path that leads along `steps` to `then`.
fn along<R>(steps: &[Inner<'_>], path: &Path<'_>, then: impl FnOnce(&Path<'_>) -> R) -> R {
    match steps {
        [] => then(path),
        [Inner::Index(at), rest @ ..] => along(rest, &path.index(*at), then),
        [Inner::Key(key), rest @ ..] => along(rest, &path.key(key), then),
    }
}

/// What stands inside an array or object, separators skipped.
struct Inside<'b> {
    body: &'b [u8],
    at: usize,
    end: usize,
}

impl<'b> Inside<'b> {
    fn of(value: Value<'b>, kind: Kind) -> Self {
        let Place { start, end } = value.place;
        let end = if value.kind() == kind { end.saturating_sub(1) } else { start };
        Self { body: value.body, at: start.saturating_add(1), end }
    }

    fn next(&mut self) -> Option<Value<'b>> {
        let start = self.body.get(self.at..self.end)?.iter().position(|&byte| !is_between(byte))?;
        let value = Value::at(self.body, self.at.saturating_add(start));
        self.at = value.place.end;
        Some(value)
    }
}

/// Where a value stands, for messages: `messages[0].content`.
#[derive(Clone, Copy)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Index(usize),
    Key(&'p str),
    Root,
}

impl<'p> Path<'p> {
    /// The body itself.
    pub(crate) const ROOT: Self = Self { parent: None, step: Step::Root };

    pub(crate) const fn key<'q>(&'q self, name: &'q str) -> Path<'q>
    where
        'p: 'q,
    {
        Path { parent: Some(self), step: Step::Key(name) }
    }

    pub(crate) const fn index(&self, at: usize) -> Path<'_> {
        Path { parent: Some(self), step: Step::Index(at) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Index(at) => write!(f, "[{at}]"),
            Step::Key(name) => {
                let inner = self.parent.is_some_and(|parent| !matches!(parent.step, Step::Root));
                f.write_str(if inner { "." } else { "" })?;
                // A caller's key can be long; a message is not the place for all of it.
                name.chars()
                    .take(KEY_SHOWN_MAX)
                    .try_for_each(|each| fmt::Write::write_char(f, each))
            }
            Step::Root => Ok(()),
        }
    }
}

/// How much of a key a path shows.
const KEY_SHOWN_MAX: usize = 64;

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

const fn is_between(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b',' | b':')
}

/// The first byte from `at` on that is not white space.
pub(crate) fn after_space(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    at.saturating_add(rest.iter().take_while(|&&byte| is_space(byte)).count())
}

/// The byte after the value that starts at `start`.
pub(crate) fn after_value(body: &[u8], start: usize) -> usize {
    match body.get(start) {
        Some(b'"') => after_string(body, start),
        Some(b'{' | b'[') => after_container(body, start),
        Some(_) => {
            let rest = body.get(start..).unwrap_or_default();
            let ends = |byte: &u8| is_between(*byte) || matches!(byte, b'}' | b']');
            // At least one byte, so that walking goes forward whatever stands here.
            start.saturating_add(rest.iter().position(ends).unwrap_or(rest.len()).max(1))
        }
        None => body.len(),
    }
}

/// The byte after the string whose opening quote is at `start`: after the first quote that does not
/// follow an odd number of backslashes. No run of backslashes is counted twice.
fn after_string(body: &[u8], start: usize) -> usize {
    let first = start.saturating_add(1);
    let mut at = first;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(found) = memchr::memchr(b'"', rest) else {
            return body.len();
        };
        let quote = at.saturating_add(found);
        let before = body.get(first..quote).unwrap_or_default();
        let escapes = before.iter().rev().take_while(|&&byte| byte == b'\\').count();
        at = quote.saturating_add(1);
        if escapes.is_multiple_of(2) {
            return at;
        }
    }
}

/// The byte after the array or object that opens at `start`.
fn after_container(body: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => {
                at = after_string(body, at);
                continue;
            }
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at = at.saturating_add(1);
        if depth == 0 {
            return at;
        }
    }
    body.len()
}

#[cfg(test)]
mod tests;
