//! Where something stands in a body, and what it says there.
//!
//! A reader notes places instead of copying: prompts are large, and most are never looked at again.
//! A place means something only together with the bytes it was read from.

use std::borrow::Cow;

/// A byte range in a body.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Place {
    /// From `start` up to, without, `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// How many bytes.
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is nothing there: the place of something absent.
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The bytes there; nothing if the place is not in this body.
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }
}

/// The text at a place: a JSON string decoded, anything else as it is written.
///
/// Borrows where nothing is escaped. A place that is not of this body gives what can be read.
pub fn text(body: &[u8], place: Place) -> Cow<'_, str> {
    let raw = place.of(body);
    let Some(inside) = raw.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return String::from_utf8_lossy(raw);
    };
    if memchr::memchr(b'\\', inside).is_none() {
        return String::from_utf8_lossy(inside);
    }
    match serde_json::from_slice::<String>(raw) {
        Ok(decoded) => Cow::Owned(decoded),
        Err(_) => String::from_utf8_lossy(inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_decoded_and_anything_else_is_as_written() {
        let body = br#"{"a":"x\ny\u00e9","b":{"c" : 1},"d":"plain"}"#;
        let table = [(5, 17, "x\nyé"), (22, 31, r#"{"c" : 1}"#), (36, 43, "plain")];
        for (start, end, meant) in table {
            assert_eq!(text(body, Place::new(start, end)), meant, "{start}..{end}");
        }
        assert!(matches!(text(body, Place::new(36, 43)), Cow::Borrowed("plain")));
    }

    #[test]
    fn a_place_of_another_body_reads_as_nothing() {
        assert_eq!(text(b"{}", Place::new(7, 90)), "");
        assert_eq!(text(b"{}", Place::new(2, 1)), "");
    }
}
