//! Server-sent events: where they end, across any packet boundary, and what one of them says.
//!
//! Lines end in LF, CR or CRLF, and a CRLF may come in two packets; an event ends with an empty
//! line. Nothing here copies an event that stands in one piece. The parser is not the browser's:
//! `id` and `retry` mean nothing to a gateway, and an event without its empty line at the end of
//! the stream still counts, because clients read it.

use std::borrow::Cow;

/// Finds the ends of events in bytes that come in packets.
#[derive(Debug)]
pub(crate) struct Ends {
    /// Whether the current line has nothing in it so far.
    line_is_empty: bool,
    /// Whether the last byte was a CR, whose LF may follow.
    after_cr: bool,
}

impl Ends {
    pub(crate) const fn new() -> Self {
        Self { line_is_empty: true, after_cr: false }
    }

    /// Whether an LF that comes next would belong to the line end before it.
    pub(crate) const fn is_after_cr(&self) -> bool {
        self.after_cr
    }

    /// The end of the first event that ends in `bytes` after `from`; everything up to there, or
    /// else up to the end of `bytes`, has then been looked at.
    pub(crate) fn next(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            if self.after_cr && at < bytes.len() {
                self.after_cr = false;
                at = at.saturating_add(usize::from(bytes.get(at) == Some(&b'\n')));
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(length) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.line_is_empty &= rest.is_empty();
                return None;
            };
            let was_empty = self.line_is_empty && length == 0;
            let stop = at.saturating_add(length);
            self.line_is_empty = true;
            at = stop.saturating_add(1);
            if bytes.get(stop) == Some(&b'\r') {
                match bytes.get(at) {
                    Some(b'\n') => at = at.saturating_add(1),
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            if was_empty {
                return Some(at);
            }
        }
    }
}

/// What an event says.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Event<'a> {
    /// Its `event` field.
    pub(crate) name: Option<&'a [u8]>,
    /// Its `data` fields, joined; none for comments and empty lines.
    pub(crate) data: Option<Cow<'a, [u8]>>,
}

/// Reads an event.
pub(crate) fn event(bytes: &[u8]) -> Event<'_> {
    let mut event = Event::default();
    for line in lines(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)) {
        if let Some(value) = field(line, b"data") {
            event.data = Some(match event.data.take() {
                None => Cow::Borrowed(value),
                Some(before) => {
                    let mut joined = before.into_owned();
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                    Cow::Owned(joined)
                }
            });
        } else if let Some(value) = field(line, b"event") {
            event.name = Some(value);
        }
    }
    event
}

/// Every event in bytes that hold whole events.
pub(crate) fn events(bytes: &[u8]) -> impl Iterator<Item = Event<'_>> {
    let mut ends = Ends::new();
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let end = ends.next(bytes, start).unwrap_or(bytes.len());
        let whole = rest.get(..end.saturating_sub(start)).unwrap_or(rest);
        start = end;
        Some(event(whole))
    })
}

/// The value of a field, if the line is of that field; one space after the colon is not part of it.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(length)?;
        let after = after.strip_prefix(b"\r\n").or_else(|| after.get(1..));
        rest = after.unwrap_or_default();
        Some(line)
    })
}

#[cfg(test)]
mod tests;
