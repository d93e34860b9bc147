//! What one answer of a provider reports of one of its meters.
//!
//! The dialect has read the headers; here everything has one meaning. What is absent is unknown,
//! never zero.

use tollgate_units::{Span, Timestamp};

use crate::need::{Counted, Need};

/// How a provider's meter comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refill {
    /// All of it at the reset: a counter per window.
    AtReset,
    /// Bit by bit: a bucket. The reset is when it will be full again.
    Continuous,
}

/// One meter in one answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Observed<'a> {
    /// The provider's name of it, which tells its meters apart.
    pub name: &'a str,
    /// What it counts.
    pub counts: Counted,
    /// How it comes back.
    pub refill: Refill,
    /// Its length, where the provider or its dialect says it.
    pub window: Option<Span>,
    /// Units in a window; zero means that the account has none at all.
    pub limit: Option<u64>,
    /// Units left.
    pub remaining: Option<u64>,
    /// When it is full again.
    pub reset_at: Option<Timestamp>,
    /// What `remaining` is rounded to the nearest multiple of; one where it is exact.
    pub grain: u64,
}

/// More units than any provider gives; a larger number is taken for this one.
const UNITS_MAX: u64 = 1 << 50;
/// Longer than any provider's window; a later reset is taken as unsaid.
const WINDOW_MAX: Span = Span::from_secs(366 * 86_400);

impl Observed<'_> {
    /// Whether the provider has served `need` with the very answer that says so: a limit of less
    /// is none.
    pub const fn is_belied_by(&self, need: &Need) -> bool {
        matches!(self.limit, Some(limit) if limit < need.of(self.counts))
    }

    /// The same, within what can be calculated with: a provider may report any number.
    pub(crate) fn sane(&self, now: Timestamp) -> Self {
        let window = self.window.filter(|window| !window.is_zero() && *window <= WINDOW_MAX);
        Self {
            window,
            limit: self.limit.map(|limit| limit.min(UNITS_MAX)),
            remaining: self.remaining.map(|remaining| remaining.min(UNITS_MAX)),
            reset_at: self.reset_at.filter(|at| at.since(now) <= WINDOW_MAX),
            grain: self.grain.min(UNITS_MAX),
            ..*self
        }
    }
}
