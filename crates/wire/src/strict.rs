//! Whether a body can be read in one way only: the check that comes before everything else.
//!
//! The grammar is `serde_json`'s to judge, in one pass; a visitor adds what JSON leaves open and
//! parsers settle differently: a key that comes twice (compared after unescaping, at every depth),
//! nesting too deep, bytes after the end. Some take the first of two keys and some the last, so a
//! gateway that read one while its provider obeys the other could be talked past any limit.
//! Time is linear in the body: each key is hashed once, however many an object has.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::Malformed;

/// How deep objects and arrays may nest, the body's own object included.
pub(crate) const NESTING_MAX: u8 = 64;

/// Up to this many keys are compared one with another; above, they are hashed.
const KEYS_COMPARED_MAX: usize = 16;

/// How much of a caller's key a message repeats.
const KEY_SHOWN_MAX: usize = 40;

/// Checks a whole body, or any other JSON object on which two readers must agree.
///
/// # Errors
///
/// Says what is wrong, and at which byte.
pub fn check(body: &[u8]) -> Result<(), Malformed> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        Malformed::body(format!("the body is not UTF-8: see byte {at}"), at)
    })?;
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(Malformed::body("the body is not a JSON object".to_owned(), 0));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let outcome = Strict { room: NESTING_MAX }.deserialize(&mut reader).and_then(|()| reader.end());
    outcome.map_err(|error| refused(body, &error))
}

/// One value, with room for so many more levels.
#[derive(Clone, Copy)]
struct Strict {
    room: u8,
}

impl Strict {
    fn inside<E: Error>(self) -> Result<Self, E> {
        let room = self.room.checked_sub(1);
        room.map(|room| Self { room }).ok_or_else(|| {
            E::custom(format_args!("objects and arrays nest deeper than {NESTING_MAX} levels"))
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while items.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let mut seen = Seen::default();
        while let Some(key) = members.next_key_seed(Key)? {
            seen.add(key).map_err(A::Error::custom)?;
            members.next_value_seed(inside)?;
        }
        Ok(())
    }
}

/// A key, borrowed from the body where nothing in it is escaped.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// The keys of one object so far.
#[derive(Default)]
struct Seen<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Seen<'de> {
    fn add(&mut self, key: Cow<'de, str>) -> Result<(), String> {
        if self.few.contains(&key) || self.many.contains(&key) {
            return Err(twice(&key));
        }
        if self.few.len() < KEYS_COMPARED_MAX {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        Ok(())
    }
}

fn twice(key: &str) -> String {
    let mut shown: String = key.chars().take(KEY_SHOWN_MAX).collect();
    if shown.len() < key.len() {
        shown.push('…');
    }
    format!("the key {shown:?} comes twice in one object")
}

/// The error in the words of this crate, with the byte it stands at.
fn refused(body: &[u8], error: &serde_json::Error) -> Malformed {
    let (line, column) = (error.line(), error.column());
    let whole = error.to_string();
    let place = format!(" at line {line} column {column}");
    let what = whole.strip_suffix(&place).unwrap_or(&whole);
    let message =
        format!("the body is not acceptable JSON at line {line}, column {column}: {what}");
    Malformed::body(message, offset_of(body, line, column))
}

/// The byte of a line and column, both counted from one.
fn offset_of(body: &[u8], line: usize, column: usize) -> usize {
    let breaks = line.checked_sub(2);
    let start = breaks
        .and_then(|breaks| memchr::memchr_iter(b'\n', body).nth(breaks))
        .map_or(0, |end| end.saturating_add(1));
    start.saturating_add(column.saturating_sub(1)).min(body.len())
}

#[cfg(test)]
mod tests;
