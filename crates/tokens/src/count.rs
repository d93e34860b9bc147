//! Exact counts, in linear time, whatever the text.
//!
//! A text is cut into pieces, and each piece is encoded by itself. Ordinary text repeats a few
//! thousand pieces, so their counts are remembered (see `seen`). What is not remembered goes to
//! `bpe-openai`, whose encoder is linear on hostile input and does not recurse; long runs of one
//! character are cut short on the way (see `runs`). The count is that of ordinary text:
//! `<|endoftext|>` is thirteen characters to it, so it is wrong for an endpoint that reads such
//! markers as one token each.

use std::cell::RefCell;

use bpe_openai::Tokenizer;
use tollgate_units::Tokens;

use crate::Encoding;
use crate::pieces::piece_end;
use crate::runs::Runs;
use crate::seen::Seen;
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

/// What one thread remembers, of each encoding that it has met.
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

/// What one thread remembers of one encoding.
struct Remembered {
    seen: Seen,
    runs: Runs,
}

impl Remembered {
    fn new() -> Self {
        Self { seen: Seen::new(), runs: Runs::new() }
    }

    fn count(&mut self, encoding: Encoding, text: &str) -> u64 {
        let tokenizer = tokenizer(encoding);
        let bytes = text.as_bytes();
        let (mut at, mut sum) = (0, 0);
        while at < bytes.len() {
            let end = piece_end(encoding, bytes, at).or_else(|| cut(tokenizer, text, at));
            // Every character is in some piece, so the end is always ahead.
            let end = end.filter(|end| *end > at).unwrap_or(bytes.len());
            let runs = &mut self.runs;
            sum += self.seen.count(bytes, at, end, |piece| runs.count(&tokenizer.bpe, piece));
            at = end;
        }
        sum
    }
}

/// Where the library's own expression ends the piece that starts at `at`.
fn cut(tokenizer: &Tokenizer, text: &str, at: usize) -> Option<usize> {
    let piece = tokenizer.split(text.get(at..)?).next()?;
    Some(at + piece.len())
}

#[cfg(test)]
mod tests;
