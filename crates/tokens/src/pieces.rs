//! Where a text falls into pieces before it is encoded, for plain ASCII.
//!
//! The vocabularies are applied to pieces that a regular expression cuts out, and on ordinary text
//! that cutting is most of the work. Here the same pattern is followed by hand, byte by byte, as
//! long as everything that decides where the piece ends is ASCII. At the first byte that is not,
//! the answer is [`None`] and the library's own expression decides, so this can be slow but not
//! different. It is wrong if a vocabulary's pattern changes: the tests compare every piece.
//!
//! The patterns, each alternative tried in this order:
//!
//! ```text
//! cl100k  (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,3}
//!         |  ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//! o200k   [^\r\n\p{L}\p{N}]?[upper]*[lower]+(contraction)? | the same with [upper]+[lower]*
//!         | \p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//! ```

use crate::Encoding;

/// Where the piece that starts at `at` ends, if ASCII alone decides it. `at` is inside `text`.
pub(crate) fn piece_end(encoding: Encoding, text: &[u8], at: usize) -> Option<usize> {
    let here = kind_at(text, at);
    let next = kind_at(text, at + 1);
    match (here, next) {
        (Kind::Lower | Kind::Upper, _) => word_end(encoding, text, at),
        (Kind::Digit, _) => number_end(text, at),
        (Kind::Beyond | Kind::End, _) | (Kind::Blank | Kind::Other | Kind::Space, Kind::Beyond) => {
            None
        }
        (Kind::Other, _) if text.get(at) == Some(&b'\'') && encoding == Encoding::Cl100k => {
            apostrophe_end(text, at)
        }
        (Kind::Other | Kind::Space | Kind::Blank, Kind::Lower | Kind::Upper) => {
            word_end(encoding, text, at + 1)
        }
        (Kind::Other, _) => marks_end(encoding, text, at),
        (Kind::Space, Kind::Other) => marks_end(encoding, text, at + 1),
        (Kind::Blank | Kind::Space | Kind::Newline, _) => blank_end(text, at),
    }
}

/// What a byte is to the patterns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Not ASCII: somebody else's to judge.
    Beyond,
    /// White space that is neither a space nor a line break.
    Blank,
    Digit,
    /// After the last byte.
    End,
    Lower,
    Newline,
    /// Punctuation, symbols, control characters.
    Other,
    Space,
    Upper,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Beyond; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        kinds[byte as usize] = match byte {
            b'a'..=b'z' => Kind::Lower,
            b'A'..=b'Z' => Kind::Upper,
            b'0'..=b'9' => Kind::Digit,
            b' ' => Kind::Space,
            b'\r' | b'\n' => Kind::Newline,
            b'\t' | 0x0b | 0x0c => Kind::Blank,
            _ => Kind::Other,
        };
        byte += 1;
    }
    kinds
};

fn kind_at(text: &[u8], at: usize) -> Kind {
    text.get(at).map_or(Kind::End, |byte| KINDS[usize::from(*byte)])
}

/// The first position from `at` on whose kind is not one of those that `belongs` accepts.
fn run_end(text: &[u8], at: usize, belongs: impl Fn(Kind) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let length = rest.iter().position(|byte| !belongs(KINDS[usize::from(*byte)]));
    at + length.unwrap_or(rest.len())
}

/// The same, or `None` when the run ends at something that is not ASCII and might belong to it.
fn sure_run_end(text: &[u8], at: usize, belongs: impl Fn(Kind) -> bool) -> Option<usize> {
    let end = run_end(text, at, belongs);
    (kind_at(text, end) != Kind::Beyond).then_some(end)
}

/// The end of the word whose letters start at `letters`; there is at least one.
fn word_end(encoding: Encoding, text: &[u8], letters: usize) -> Option<usize> {
    match encoding {
        Encoding::Cl100k => {
            sure_run_end(text, letters, |kind| matches!(kind, Kind::Lower | Kind::Upper))
        }
        Encoding::O200k => {
            let capitals = sure_run_end(text, letters, |kind| kind == Kind::Upper)?;
            let end = sure_run_end(text, capitals, |kind| kind == Kind::Lower)?;
            Some(end + contraction(text, end)?)
        }
    }
}

/// The length of the contraction at `at`, zero if there is none there.
fn contraction(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'\'') {
        return Some(0);
    }
    let lower = |at: usize| text.get(at).map_or(0, u8::to_ascii_lowercase);
    match (lower(at + 1), lower(at + 2)) {
        // The pattern ignores case as Unicode does: `ſ` is an `s` to it.
        (first, _) if !first.is_ascii() => None,
        (b's' | b't' | b'm' | b'd', _) => Some(2),
        (b'r' | b'v', b'e') | (b'l', b'l') => Some(3),
        _ => Some(0),
    }
}

/// `cl100k`, at an apostrophe: a contraction, a quoted word, or punctuation.
fn apostrophe_end(text: &[u8], at: usize) -> Option<usize> {
    match (contraction(text, at)?, kind_at(text, at + 1)) {
        (0, Kind::Lower | Kind::Upper) => word_end(Encoding::Cl100k, text, at + 1),
        (0, _) => marks_end(Encoding::Cl100k, text, at),
        (length, _) => Some(at + length),
    }
}

/// Up to three digits.
fn number_end(text: &[u8], at: usize) -> Option<usize> {
    let three = text.get(..text.len().min(at + 3)).unwrap_or(text);
    let end = run_end(three, at, |kind| kind == Kind::Digit);
    (end == at + 3 || kind_at(text, end) != Kind::Beyond).then_some(end)
}

/// Punctuation from `marks` on, and the line breaks after it.
fn marks_end(encoding: Encoding, text: &[u8], marks: usize) -> Option<usize> {
    let end = sure_run_end(text, marks, |kind| kind == Kind::Other)?;
    let rest = text.get(end..).unwrap_or_default();
    let slash = encoding == Encoding::O200k;
    let trails = |byte: &u8| matches!(byte, b'\r' | b'\n') || (slash && *byte == b'/');
    Some(end + rest.iter().position(|byte| !trails(byte)).unwrap_or(rest.len()))
}

/// White space: up to its last line break, else all of it but the last before a word.
fn blank_end(text: &[u8], at: usize) -> Option<usize> {
    let blank = |kind| matches!(kind, Kind::Blank | Kind::Newline | Kind::Space);
    let end = sure_run_end(text, at, blank)?;
    let run = text.get(at..end).unwrap_or_default();
    let broken = run.iter().rposition(|byte| KINDS[usize::from(*byte)] == Kind::Newline);
    Some(match broken {
        Some(last) => at + last + 1,
        None if end == text.len() || run.len() == 1 => end,
        None => end - 1,
    })
}
