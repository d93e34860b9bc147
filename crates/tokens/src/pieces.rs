//! Where a text falls into pieces before it is encoded, for ASCII and typographers' punctuation.
//!
//! The vocabularies are applied to pieces that a regular expression cuts out, and on ordinary text
//! that cutting is most of the work. Here the same pattern is followed by hand, as long as
//! everything that decides where the piece ends is ASCII, or a dash, quote, arrow or the like. At
//! the first letter that is not, the answer is [`None`] and the library's own expression decides,
//! so this can be slow but not different. Plain words, which are most of a text, are found sixteen
//! bytes at once: their lengths are what a processor cannot foresee byte by byte. It is wrong if a
//! vocabulary's pattern changes: the tests compare every piece.
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
    if let Some(length) = text.get(at..at + WINDOW).and_then(plain_word) {
        return Some(at + length);
    }
    let (here, next_at) = letter_at(text, at);
    let next = kind_at(text, next_at);
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
            word_end(encoding, text, next_at)
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
    letter_at(text, at).0
}

/// What stands at `at`, and where the next letter begins.
fn letter_at(text: &[u8], at: usize) -> (Kind, usize) {
    let Some(byte) = text.get(at) else { return (Kind::End, at) };
    match KINDS[usize::from(*byte)] {
        Kind::Beyond if is_sign(text, at) => (Kind::Other, at + SIGN_BYTES),
        kind => (kind, at + 1),
    }
}

/// Whether a sign of three bytes stands at `at`: from the blocks of general punctuation (without
/// its spaces), arrows, mathematical operators, and boxes, none of whose members is a letter, a
/// digit or white space.
fn is_sign(text: &[u8], at: usize) -> bool {
    let Some([0xe2, middle, last]) = text.get(at..at + SIGN_BYTES) else {
        return false;
    };
    match middle {
        0x80 => matches!(last, 0x90..=0xa7 | 0xb0..=0xbf),
        0x86 => *last >= 0x90,
        0x87..=0x8b | 0x94..=0x97 => true,
        _ => false,
    }
}

const SIGN_BYTES: usize = 3;

/// The length of a word of small letters, the first of which may be a capital, with the space
/// before it: where it ends at a byte that cannot belong to it in either pattern.
fn plain_word(window: &[u8]) -> Option<usize> {
    let sixteen = u128::from_le_bytes(window.try_into().ok()?);
    let space = usize::from(window.first() == Some(&b' '));
    let word = if space == 1 { sixteen >> 8 } else { sixteen };
    // Without case where the first letter stands; nothing else becomes a letter by that.
    let word = word | 0x20;
    let within = word & (EACH * 0x7f);
    let from_a = within + EACH * (0x80 - u128::from(b'a'));
    let past_z = within + EACH * (0x7f - u128::from(b'z'));
    let small = from_a & !past_z & !word & HIGH;
    let letters = ((!small & HIGH).trailing_zeros() / 8) as usize;
    let length = letters + space;
    let after = *window.get(length)?;
    (letters > 0 && ENDS_A_WORD[usize::from(after)]).then_some(length)
}

/// What ends a word in either pattern, whatever comes after it.
const ENDS_A_WORD: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        ends[byte as usize] = !byte.is_ascii_alphabetic() && byte != b'\'';
        byte += 1;
    }
    ends
};

/// One in each of sixteen bytes, and the highest bit of each.
const EACH: u128 = 0x0101_0101_0101_0101_0101_0101_0101_0101;
const HIGH: u128 = EACH << 7;
const WINDOW: usize = 16;

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
    let mut end = marks;
    let end = loop {
        match letter_at(text, end) {
            (Kind::Other, next) => end = next,
            (Kind::Beyond, _) => return None,
            _ => break end,
        }
    };
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
