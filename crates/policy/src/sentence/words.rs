//! A sentence as words with their places, and which word another was meant to be.
//!
//! White space and commas part words, except that a comma between two digits belongs to a number
//! (`10,000`). What is quoted nowhere needs no quoting: names and zones are single words.

use core::ops::Range;

/// One word, or a comma.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Word<'t> {
    pub(crate) text: &'t str,
    pub(crate) at: Range<usize>,
}

impl Word<'_> {
    /// Whether this is `word`, in whatever case.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// Whether this is `word` or its plural.
    pub(crate) fn is_one_or_many(&self, word: &str) -> bool {
        self.is(word)
            || self.text.strip_suffix(['s', 'S']).is_some_and(|one| one.eq_ignore_ascii_case(word))
    }
}

/// The words of `text` in order.
pub(crate) fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut before = ' ';
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next_is_digit = letters.peek().is_some_and(|(_, next)| next.is_ascii_digit());
        let in_number = letter == ',' && before.is_ascii_digit() && next_is_digit;
        let parts = letter.is_whitespace() || (letter == ',' && !in_number);
        if parts {
            words.extend(start.take().map(|from| Word { text: &text[from..at], at: from..at }));
        } else if start.is_none() {
            start = Some(at);
        }
        if parts && letter == ',' {
            words.push(Word { text: ",", at: at..at + 1 });
        }
        before = letter;
    }
    words.extend(start.map(|from| Word { text: &text[from..], at: from..text.len() }));
    words
}

/// The one of `right` that `word` was probably meant to be; of equally near ones the first.
pub(crate) fn nearest<'r>(word: &str, right: impl IntoIterator<Item = &'r str>) -> Option<&'r str> {
    let word: Vec<char> =
        word.chars().take(WORD_CHARS_MAX + 1).flat_map(char::to_lowercase).collect();
    if word.is_empty() || word.len() > WORD_CHARS_MAX {
        return None;
    }
    right
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            let far = (word.len().max(letters.len()) / 3).max(1);
            // A word of one letter is not near to every other one.
            let distance = edits(&word, &letters);
            (distance <= far && distance < word.len().max(letters.len()))
                .then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added, left out or swapped with their neighbour (optimal
/// string alignment).
fn edits(from: &[char], to: &[char]) -> usize {
    let mut older: Vec<usize> = Vec::new();
    let mut old: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut new = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let change = old[column] + usize::from(letter != other);
            let mut least = change.min(old[column + 1] + 1).min(new[column] + 1);
            let swapped =
                row > 0 && column > 0 && from[row - 1] == *other && to[column - 1] == *letter;
            if swapped {
                least = least.min(older[column - 1] + 1);
            }
            new.push(least);
        }
        older = core::mem::replace(&mut old, new);
    }
    old.last().copied().unwrap_or(from.len())
}

/// Nobody means a longer word than this by a typing mistake.
const WORD_CHARS_MAX: usize = 48;
