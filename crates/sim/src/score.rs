//! The score: what came of everybody's calls, added up for display.
//!
//! It knows only what callers can know, so it can be compared with the gate's own books, which
//! whoever draws it hands in beside it.

use tollgate_units::{NanoUsd, PicoUsd, Span, Tokens};

use crate::crowd::{Crowd, Ending, Outcome, Person};
use crate::provider::Price;

/// The rows of everybody, in the order of [`Crowd::people`].
#[derive(Clone, Debug)]
pub struct Score {
    rows: Vec<Row>,
}

/// What came of one person's calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// Calls with an answer.
    pub answered: u64,
    /// Calls that ended in an error that is not theirs.
    pub failed: u64,
    /// Tokens of prompts that were answered.
    pub input: Tokens,
    /// Tokens of answers.
    pub output: Tokens,
    /// Who.
    pub person: Person,
    /// What refused, in the operator's words, and how often; the most frequent first.
    pub reasons: Vec<(String, u64)>,
    /// Calls that were refused.
    pub refused: u64,
    /// What the refused calls would have cost; tries within an announced wait count once.
    pub saved: PicoUsd,
    /// What the answered calls cost.
    pub spent: PicoUsd,
    /// Until when a further try is the same one.
    same_until: Span,
}

impl Row {
    /// A row without calls.
    pub fn new(person: Person) -> Self {
        Self {
            answered: 0,
            failed: 0,
            input: Tokens::ZERO,
            output: Tokens::ZERO,
            person,
            reasons: Vec::new(),
            refused: 0,
            saved: PicoUsd::ZERO,
            spent: PicoUsd::ZERO,
            same_until: Span::ZERO,
        }
    }

    /// Calls that have ended.
    pub fn sent(&self) -> u64 {
        self.answered + self.failed + self.refused
    }

    fn note(&mut self, outcome: &Outcome) {
        let price = Price::of(outcome.model);
        match &outcome.ending {
            Ending::Answered { input, output } => {
                self.answered += 1;
                self.input = self.input.plus(*input);
                self.output = self.output.plus(*output);
                self.spent = self.spent.plus(price.cost(*input, Tokens::ZERO, *output));
            }
            Ending::Failed(_) => self.failed += 1,
            Ending::Refused(refused) => {
                self.refused += 1;
                self.count(refused.reason());
                let now = outcome.sent_at;
                if now >= self.same_until {
                    let cost = price.cost(outcome.input, Tokens::ZERO, outcome.output);
                    self.saved = self.saved.plus(cost);
                    self.same_until = now.plus(refused.wait.unwrap_or(Span::ZERO));
                }
            }
        }
    }

    fn count(&mut self, reason: &str) {
        let known = self.reasons.iter_mut().find(|(known, _)| known == reason);
        if let Some((_, times)) = known {
            *times += 1;
        } else if self.reasons.len() < REASONS_MAX {
            // Beyond that a row has no room for more words; the number of refusals says the rest.
            self.reasons.push((reason.to_owned(), 1));
        }
        self.reasons.sort_by(|(one, times), (other, more)| more.cmp(times).then(one.cmp(other)));
    }
}

impl Score {
    /// Nothing yet, for each of `crowd`.
    pub fn new(crowd: &Crowd) -> Self {
        Self { rows: crowd.people().map(Row::new).collect() }
    }

    /// Adds what came of a call.
    pub fn note(&mut self, outcome: &Outcome) {
        if let Some(row) = self.rows.get_mut(outcome.person) {
            row.note(outcome);
        }
    }

    /// The rows, in the order of [`Crowd::people`].
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What all answered calls cost.
    pub fn spent(&self) -> NanoUsd {
        sum(self.rows.iter().map(|row| row.spent))
    }

    /// What all refused calls would have cost.
    pub fn saved(&self) -> NanoUsd {
        sum(self.rows.iter().map(|row| row.saved))
    }
}

fn sum(costs: impl Iterator<Item = PicoUsd>) -> NanoUsd {
    costs.fold(PicoUsd::ZERO, PicoUsd::plus).to_nano()
}

/// How many different reasons a row remembers.
const REASONS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::Refused;

    fn outcome(sent_secs: u64, ending: Ending) -> Outcome {
        Outcome {
            ending,
            first_byte: None,
            input: Tokens::new(1000),
            model: "gpt-4o-mini",
            output: Tokens::new(100),
            person: 0,
            sent_at: Span::from_secs(sent_secs),
            stream: false,
            total: Span::ZERO,
        }
    }

    fn refused(reason: &str, wait: Option<Span>) -> Ending {
        Ending::Refused(Refused { code: reason.to_owned(), wait, ..Refused::default() })
    }

    #[test]
    fn every_ending_is_counted_once() {
        let mut score = Score::new(&Crowd::new(1, Span::from_secs(60)));
        let answered = Ending::Answered { input: Tokens::new(900), output: Tokens::new(50) };
        score.note(&outcome(0, answered));
        score.note(&outcome(0, Ending::Failed(None)));
        score.note(&outcome(0, refused("a", None)));
        score.note(&outcome(0, refused("b", None)));
        score.note(&outcome(0, refused("b", None)));
        let row = &score.rows()[0];
        assert_eq!((row.sent(), row.answered, row.failed, row.refused), (5, 1, 1, 3));
        assert_eq!(row.reasons, [("b".to_owned(), 2), ("a".to_owned(), 1)]);
        assert_eq!(score.spent().get(), 900 * 150 + 50 * 600);
        assert_eq!(score.saved().get(), 3 * (1000 * 150 + 100 * 600));
    }

    #[test]
    fn tries_within_the_announced_wait_save_once() {
        let mut score = Score::new(&Crowd::new(1, Span::from_secs(60)));
        for secs in [0, 3, 9, 10] {
            score.note(&outcome(secs, refused("a", Some(Span::from_secs(10)))));
        }
        assert_eq!(score.saved().get(), 2 * (1000 * 150 + 100 * 600));
    }
}
