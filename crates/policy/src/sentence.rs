//! Limits are sentences: text to [`Limit`], or the place of the mistake and the right word.
//!
//! Written by hand, so that a mistake can say what was expected where it stands and which word was
//! probably meant; a generated grammar gives neither. The grammar is small and its parts are files:
//! words, amounts, and the order they stand in. Words that Tollgate knows but this version does
//! not act on are mistakes too: a limit that is silently not enforced is worse than none.
//!
//! `Display` of [`Limit`] is the inverse. A sentence is at most 512 bytes long.

mod amount;
mod grammar;
mod words;

use core::fmt;
use core::ops::Range;

use crate::limit::Limit;

/// A longer sentence is a mistake before it is read.
const SENTENCE_BYTES_MAX: usize = 512;

/// What is wrong with a sentence, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// The bytes of the sentence that are wrong; empty, and at its end, where something is missing.
    pub at: Range<usize>,
    /// What is wrong, in words that follow a `^^^`: `expected a period or a subject`.
    pub what: String,
    /// The nearest right words, where some are near.
    pub suggestion: Option<String>,
}

impl Mistake {
    /// `what` is wrong at these bytes, and nothing is near enough to be suggested.
    pub(crate) fn new(at: Range<usize>, what: impl Into<String>) -> Self {
        Self { at, what: what.into(), suggestion: None }
    }

    pub(crate) fn suggesting(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    /// The one of `right` that `word` was probably meant to be: at most a third of its letters
    /// wrong, missing, added, or swapped with their neighbour.
    pub fn nearest<'r>(word: &str, right: impl IntoIterator<Item = &'r str>) -> Option<String> {
        words::nearest(word, right).map(str::to_owned)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean \"{suggestion}\"?"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Mistake {}

/// Reads one sentence.
///
/// # Errors
///
/// The first mistake in it: there is no telling what the words after one were meant to be.
pub fn parse(text: &str) -> Result<Limit, Mistake> {
    if text.len() > SENTENCE_BYTES_MAX {
        let what = format!("a limit of more than {SENTENCE_BYTES_MAX} bytes");
        return Err(Mistake::new(0..text.len(), what));
    }
    grammar::limit(text)
}

#[cfg(test)]
mod tests;
