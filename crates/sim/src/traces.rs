//! Real traffic: when requests came, how long prompts and answers were.
//!
//! Beginnings of three public traces, compiled in (`data/README.md` says whose they are and under
//! which licences). They have no callers, so those are drawn from a Zipf distribution by seed;
//! whoever prints a figure made with them says so beside it.

use core::fmt;

use tollgate_units::{Span, Tokens};

use crate::dice::{Dice, Zipf};

/// One of the traces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trace {
    /// Long prompts, short answers: code completion (Azure, 2023).
    Code,
    /// Conversation (Azure, 2023).
    Conversation,
    /// Conversation with very long prompts (Mooncake, 2025).
    LongConversation,
}

/// One request of a trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// When it came, after the first.
    pub at: Span,
    /// How long the prompt was.
    pub input: Tokens,
    /// How long the answer was.
    pub output: Tokens,
}

impl Trace {
    /// Its requests, in order of time.
    pub fn arrivals(self) -> impl Iterator<Item = Arrival> {
        // Each row of each file is read by a test, so nothing is left out here.
        read(self.text()).filter_map(Result::ok)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Code => include_str!("../data/azure-code.csv"),
            Self::Conversation => include_str!("../data/azure-conversation.csv"),
            Self::LongConversation => include_str!("../data/mooncake-conversation.csv"),
        }
    }
}

/// The rows of a trace with the columns `t_ms,input,output` under a line of headings.
///
/// A row that is not three numbers, goes back in time, or is larger than any model's window is an
/// error in its place; rows after [`ROWS_MAX`] are not read.
pub fn read(text: &str) -> impl Iterator<Item = Result<Arrival, BadRow>> {
    let mut latest = Span::ZERO;
    text.lines().zip(1..).skip(1).take(ROWS_MAX).map(move |(row, line)| {
        let arrival = row_of(row).filter(|arrival| arrival.at >= latest).ok_or(BadRow { line })?;
        latest = arrival.at;
        Ok(arrival)
    })
}

fn row_of(row: &str) -> Option<Arrival> {
    let mut numbers = row.split(',').map(|field| field.trim().parse::<u64>());
    let mut next = |most: u64| numbers.next()?.ok().filter(|&number| number <= most);
    let (at, input, output) = (next(TIME_MS_MAX)?, next(TOKENS_MAX)?, next(TOKENS_MAX)?);
    let arrival = Arrival {
        at: Span::from_millis(at),
        input: Tokens::new(input),
        output: Tokens::new(output),
    };
    numbers.next().is_none().then_some(arrival)
}

/// A row that is no request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadRow {
    /// Its line in the text, from one.
    pub line: usize,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the trace is no request", self.line)
    }
}

impl core::error::Error for BadRow {}

/// More rows than a trace has that fits in memory with ease.
pub const ROWS_MAX: usize = 10_000_000;

/// A year.
const TIME_MS_MAX: u64 = 366 * 24 * 3_600_000;

/// More than any model's window.
const TOKENS_MAX: u64 = 100_000_000;

/// A trace with callers: requests in order of time, each from one of many callers.
#[derive(Clone, Debug)]
pub struct Traffic<I> {
    arrivals: I,
    callers: Zipf,
    dice: Dice,
    from: u64,
    to: u64,
}

/// One request of a [`Traffic`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Visit {
    /// When, how long, and how long the answer.
    pub arrival: Arrival,
    /// Who; the most frequent caller is 0.
    pub caller: usize,
}

impl<I: Iterator<Item = Arrival>> Traffic<I> {
    /// `arrivals` from `callers` callers, drawn by `seed`.
    pub fn new(arrivals: I, callers: usize, seed: u64) -> Self {
        Self { arrivals, callers: Zipf::new(callers), dice: Dice::new(seed), from: 1, to: 1 }
    }

    /// The same in another time: what lasted `from` lasts `to`.
    #[must_use]
    pub fn compressed(self, from: Span, to: Span) -> Self {
        Self { from: from.as_millis().max(1), to: to.as_millis(), ..self }
    }
}

impl<I: Iterator<Item = Arrival>> Iterator for Traffic<I> {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        let arrival = self.arrivals.next()?;
        let millis =
            u128::from(arrival.at.as_millis()) * u128::from(self.to) / u128::from(self.from);
        let at = Span::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        let caller = self.callers.draw(&mut self.dice);
        Some(Visit { arrival: Arrival { at, ..arrival }, caller })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_every_trace_is_read() {
        let rows =
            [(Trace::Code, 800), (Trace::Conversation, 1500), (Trace::LongConversation, 1000)];
        for (trace, count) in rows {
            let read: Result<Vec<_>, _> = read(trace.text()).collect();
            assert_eq!(read.unwrap().len(), count, "{trace:?}");
            assert_eq!(trace.arrivals().count(), count, "{trace:?}");
        }
        let first = Trace::Conversation.arrivals().next().unwrap();
        assert_eq!(
            (first.at, first.input, first.output),
            (Span::ZERO, Tokens::new(374), Tokens::new(44))
        );
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        let rows = ["x", "1,2", "1,2,3,4", "1,2,-3", "1,2,1000000000", ""];
        for row in rows {
            let text = format!("t_ms,input,output\n5,1,1\n{row}\n6,1,1");
            let read: Vec<_> = read(&text).collect();
            assert_eq!(read[1], Err(BadRow { line: 3 }), "{row:?}");
            assert!(read[0].is_ok() && read[2].is_ok());
        }
        let backwards: Vec<_> = read("t_ms,input,output\n5,1,1\n4,1,1").collect();
        assert_eq!(backwards[1], Err(BadRow { line: 3 }));
    }

    #[test]
    fn traffic_repeats_by_seed_and_keeps_its_order_when_compressed() {
        let traffic = |seed| {
            let arrivals = Trace::Code.arrivals();
            Traffic::new(arrivals, 50, seed).compressed(Span::from_secs(300), Span::from_secs(60))
        };
        let once: Vec<_> = traffic(1).collect();
        assert_eq!(once, traffic(1).collect::<Vec<_>>());
        assert_ne!(once, traffic(2).collect::<Vec<_>>());
        assert!(once.is_sorted_by_key(|visit| visit.arrival.at));
        let (last, original) = (once.last().unwrap(), Trace::Code.arrivals().last().unwrap());
        assert_eq!(last.arrival.at.as_millis(), original.at.as_millis() / 5);
    }
}
