//! Exact counts, in linear time, whatever the text.
//!
//! A text is cut into pieces, and each piece is encoded by itself. Ordinary text repeats a few
//! thousand pieces, so their counts are remembered: a small table for each thread and encoding, in
//! which a piece has one place and the last comer stays. The piece itself is the key, so a
//! collision costs time and never a wrong count. What is not remembered goes to `bpe-openai`, whose
//! encoder is linear on hostile input and does not recurse; long runs of one character are cut
//! short on the way (see `runs`), and remembered by their length. The count is that of ordinary
//! text: `<|endoftext|>` is thirteen characters to it, so it is wrong for an endpoint that reads
//! such markers as one token each.

use std::cell::RefCell;

use bpe_openai::Tokenizer;
use tollgate_units::Tokens;

use crate::Encoding;
use crate::pieces::piece_end;
use crate::runs::Runs;
use crate::vocabulary::tokenizer;

/// How many tokens `text` is, exactly.
pub fn count_text(encoding: Encoding, text: &str) -> Tokens {
    PIECES.with(|pieces| match pieces.try_borrow_mut() {
        Ok(mut pieces) => Tokens::new(pieces.of(encoding).count(encoding, text)),
        // Nothing in here calls back, so this is never reached; a fresh table counts the same.
        Err(_) => Tokens::new(Remembered::new().count(encoding, text)),
    })
}

/// Loads the vocabulary now, so that the first request does not wait for it.
pub fn warm(encoding: Encoding) {
    let _ = count_text(encoding, "warm: 1");
}

thread_local! {
    static PIECES: RefCell<Pieces> = const { RefCell::new(Pieces { cl100k: None, o200k: None }) };
}

/// What one thread remembers: at most two tables of [`PLACES`] × 18 bytes, 590 KB each.
struct Pieces {
    cl100k: Option<Remembered>,
    o200k: Option<Remembered>,
}

impl Pieces {
    fn of(&mut self, encoding: Encoding) -> &mut Remembered {
        let table = match encoding {
            Encoding::Cl100k => &mut self.cl100k,
            Encoding::O200k => &mut self.o200k,
        };
        table.get_or_insert_with(Remembered::new)
    }
}

/// The counts of short pieces seen before.
struct Remembered {
    /// A key is the piece's bytes and, on top, its length; zero where nothing is.
    keys: Vec<u128>,
    counts: Vec<u16>,
    runs: Runs,
}

impl Remembered {
    fn new() -> Self {
        Self { keys: vec![0; PLACES], counts: vec![0; PLACES], runs: Runs::new() }
    }

    fn count(&mut self, encoding: Encoding, text: &str) -> u64 {
        let tokenizer = tokenizer(encoding);
        let bytes = text.as_bytes();
        let (mut at, mut sum) = (0, 0);
        while at < bytes.len() {
            let end = piece_end(encoding, bytes, at).or_else(|| cut(tokenizer, text, at));
            // Every character is in some piece, so the end is always ahead.
            let end = end.filter(|end| *end > at).unwrap_or(bytes.len());
            sum += self.piece(tokenizer, bytes, at, end);
            at = end;
        }
        sum
    }

    fn piece(&mut self, tokenizer: &Tokenizer, text: &[u8], at: usize, end: usize) -> u64 {
        let Some(key) = key(text, at, end) else {
            return self.runs.count(&tokenizer.bpe, text.get(at..end).unwrap_or_default()) as u64;
        };
        let place = place(key);
        if self.keys[place] != key {
            let piece = text.get(at..end).unwrap_or_default();
            // At most one token a byte, and no piece that has a key has more bytes than that.
            let count = self.runs.count(&tokenizer.bpe, piece);
            self.counts[place] = u16::try_from(count).unwrap_or(u16::MAX);
            self.keys[place] = key;
        }
        u64::from(self.counts[place])
    }
}

/// Where the library's own expression ends the piece that starts at `at`.
fn cut(tokenizer: &Tokenizer, text: &str, at: usize) -> Option<usize> {
    let piece = tokenizer.split(text.get(at..)?).next()?;
    Some(at + piece.len())
}

/// What a piece is remembered by, if it is: up to fifteen bytes, or a run of one byte.
fn key(text: &[u8], at: usize, end: usize) -> Option<u128> {
    let length = end - at;
    if length > KEY_BYTES {
        return run_key(text.get(at..end)?);
    }
    let bytes = if let Some(window) = text.get(at..at + 16) {
        u128::from_le_bytes(window.try_into().ok()?) & ((1 << (8 * length)) - 1)
    } else {
        let mut window = [0; 16];
        window.get_mut(..length)?.copy_from_slice(text.get(at..end)?);
        u128::from_le_bytes(window)
    };
    Some(bytes | (length as u128) << LENGTH_SHIFT)
}

/// The byte and how often it is repeated, under a length that no short piece has.
fn run_key(piece: &[u8]) -> Option<u128> {
    let (first, rest) = piece.split_first()?;
    let repeats = u16::try_from(piece.len()).ok()?;
    let is_run = rest.iter().all(|byte| byte == first);
    is_run.then_some(0xff << LENGTH_SHIFT | u128::from(repeats) << 8 | u128::from(*first))
}

/// The one place that `key` may have.
fn place(key: u128) -> usize {
    let folded = low(key) ^ low(key >> 64).rotate_left(29);
    let mixed = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> (64 - PLACES.trailing_zeros())).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
const fn low(wide: u128) -> u64 {
    wide as u64
}

const KEY_BYTES: usize = 15;
const LENGTH_SHIFT: u32 = 120;
const PLACES: usize = 32_768;

#[cfg(test)]
mod tests;
