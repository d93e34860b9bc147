//! Everything that is wrong with a configuration, each shown in its place.
//!
//! ```text
//! tollgate.yaml:31:9  limits[2] of tier pro
//!   - 500k tokens per dya per user
//!                     ^^^ expected a period or a subject; did you mean "day"?
//! ```
//!
//! The place is where the value begins; the carets are under what is wrong in it. Whatever stands
//! where a secret belongs is shown as stars, also when it is on the line of another mistake.

use core::fmt;
use core::ops::Range;

/// Every mistake of one file, in its order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistakes {
    shown: Vec<String>,
    more: usize,
}

impl Mistakes {
    /// One mistake with the file as a whole, which has no place in it.
    pub(crate) fn with_file(name: &str, what: &str) -> Self {
        Self { shown: vec![format!("{name}: {what}")], more: 0 }
    }

    /// `marks` as the reader of `source` sees them.
    pub(crate) fn in_file(source: &Source<'_>, mut marks: Vec<Mark>) -> Self {
        marks.sort_by_key(|mark| (mark.at.start, mark.at.end));
        marks.dedup();
        let shown = marks.iter().take(SHOWN_MAX).map(|mark| source.show(mark)).collect();
        Self { shown, more: marks.len().saturating_sub(SHOWN_MAX) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shown.len() + self.more
    }

    /// Never: without a mistake there is a configuration.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Each as it is shown.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.shown.iter().map(String::as_str)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.join("\n\n"))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

impl std::error::Error for Mistakes {}

/// One mistake, before it is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    /// Where the value begins.
    pub(crate) value: usize,
    /// The bytes that are wrong.
    pub(crate) at: Range<usize>,
    /// Of what the value is part, in the operator's words.
    pub(crate) context: String,
    /// What is wrong.
    pub(crate) what: String,
}

impl Mark {
    /// A value that is wrong as a whole.
    pub(crate) const fn of(at: Range<usize>, context: String, what: String) -> Self {
        Self { value: at.start, at, context, what }
    }
}

/// A file as it is quoted.
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    /// The bytes that are nobody's business, in order and apart.
    pub(crate) secrets: Vec<Range<usize>>,
}

impl Source<'_> {
    fn show(&self, mark: &Mark) -> String {
        let at = self.boundary(mark.at.start);
        let line = self.line_of(at);
        // A value that begins on an earlier line is not what the reader of this line looks for.
        let value = self.boundary(mark.value);
        let place = if line.contains(&value) { value } else { at };
        let number = 1 + self.text.get(..line.start).map_or(0, |above| above.matches('\n').count());
        let column = 1 + self.chars(line.start..place);
        let end = self.boundary(mark.at.end).clamp(at, line.end.max(at));
        let (excerpt, indent) = self.excerpt(line, at);
        let indent = " ".repeat(indent);
        let carets = "^".repeat(self.chars(at..end).clamp(1, WIDTH_MAX));
        let (name, context, what) = (self.name, printable(&mark.context), printable(&mark.what));
        format!("{name}:{number}:{column}  {context}\n  {excerpt}\n  {indent}{carets} {what}")
    }

    /// The line without its margin, or as much of a long one as is around `at`; and how many
    /// letters of it stand before `at`.
    fn excerpt(&self, line: Range<usize>, at: usize) -> (String, usize) {
        let quoted = self.text.get(line.clone()).unwrap_or_default();
        let start = line.start + quoted.len() - quoted.trim_start().len();
        let before = self.chars(start.min(at)..at);
        let is_long = self.chars(start..line.end) > WIDTH_MAX;
        let from = if is_long { before.saturating_sub(WIDTH_MAX / 2) } else { 0 };
        let letters = self.text.get(start..line.end).unwrap_or_default().char_indices();
        let mut letters = letters.skip(from).map(|(offset, letter)| match letter {
            seen if !seen.is_whitespace() && self.is_secret(start + offset) => '*',
            letter => visible(letter),
        });
        let shown: String = letters.by_ref().take(WIDTH_MAX).collect();
        let head = if from > 0 { "… " } else { "" };
        let tail = if letters.next().is_some() { " …" } else { "" };
        (format!("{head}{}{tail}", shown.trim_end()), before - from + head.chars().count())
    }

    fn is_secret(&self, at: usize) -> bool {
        let next = self.secrets.partition_point(|secret| secret.end <= at);
        self.secrets.get(next).is_some_and(|secret| secret.contains(&at))
    }

    /// The bytes of the line around `at`, without its end.
    fn line_of(&self, at: usize) -> Range<usize> {
        let before = self.text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = self.text.get(at..).unwrap_or_default();
        let end = rest.find('\n').map_or(self.text.len(), |newline| at + newline);
        start..end
    }

    /// The start of the letter that `at` is in.
    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    fn chars(&self, bytes: Range<usize>) -> usize {
        self.text.get(bytes).map_or(0, |text| text.chars().count())
    }
}

fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// What moves a cursor is not shown.
const fn visible(letter: char) -> char {
    if letter.is_ascii_control() || matches!(letter, '\u{80}'..='\u{9f}') { ' ' } else { letter }
}

/// More mistakes than this are one mistake: the wrong file.
pub(crate) const SHOWN_MAX: usize = 100;
/// As much of a line as is shown.
const WIDTH_MAX: usize = 100;
