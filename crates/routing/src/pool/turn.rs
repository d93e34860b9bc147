//! One window of a pool that gives all back at its reset: what of it is used, by us and by others.

use core::cmp::Ordering;

use tollgate_units::{Span, Timestamp};

use crate::observed::Observed;

/// After the first part of a window it hints what others use of it, after the second it shows.
const FOREIGN_HINTS: u64 = 30;
const FOREIGN_SHOWS: u64 = 6;

/// The window of an `AtReset` pool in which the last planned start lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) ends_at: Timestamp,
    pub(super) used: u64,
    /// How many windows before it the one lies that was current before, and what was used of that.
    earlier: (u64, u64),
    /// Whether the provider said when it ends.
    pub(super) is_said: bool,
    /// What reports showed beyond our own, in this window and in the one before.
    foreign: i128,
    foreign_before: u64,
    /// What others are expected to use of a whole window.
    pub(super) expected: u64,
}

impl Turn {
    pub(super) fn new(seen: &Observed<'_>, window: Span, now: Timestamp) -> Self {
        let said = seen.reset_at.filter(|at| *at > now);
        Self {
            ends_at: said.unwrap_or(now.plus(window)),
            used: 0,
            earlier: (0, 0),
            is_said: said.is_some(),
            foreign: 0,
            foreign_before: 0,
            expected: 0,
        }
    }

    /// Brings what is used between `low` and `high`; the difference is what others did. Returns by
    /// how much it was too high.
    pub(super) fn correct(
        &mut self,
        (low, high): (u64, u64),
        ahead: u64,
        (window, now): (Span, Timestamp),
    ) -> u64 {
        let used = self.used.saturating_sub(ahead);
        let right = used.max(low).min(high);
        self.used = right.saturating_add(self.used - used);
        self.foreign += i128::from(right) - i128::from(used);
        let passed = now.since(self.ends_at.minus(window)).as_millis();
        let window = window.as_millis();
        let projected = self.foreign.max(0) * i128::from(window) / i128::from(passed.max(1));
        let projected = u64::try_from(projected).unwrap_or(u64::MAX);
        self.expected = match window / passed.max(1) {
            ..FOREIGN_SHOWS => projected,
            FOREIGN_SHOWS..FOREIGN_HINTS => projected.max(self.foreign_before),
            FOREIGN_HINTS.. => self.foreign_before,
        };
        used.saturating_sub(right)
    }

    pub(super) fn roll(&mut self, window: Span, time: Timestamp) {
        if time < self.ends_at {
            return;
        }
        let window = window.as_millis().max(1);
        let passed = time.since(self.ends_at).as_millis() / window + 1;
        self.ends_at = self.ends_at.plus(Span::from_millis(passed.saturating_mul(window)));
        self.begin(0);
        self.earlier.0 = passed;
    }

    /// Another window, of which so much is used.
    pub(super) fn begin(&mut self, used: u64) {
        self.earlier = (1, self.used);
        self.used = used;
        self.foreign_before = u64::try_from(self.foreign.max(0)).unwrap_or(u64::MAX);
        self.foreign = 0;
        self.expected = self.foreign_before;
    }

    pub(super) fn rewind(&mut self, window: Span, limit: u64, to: Timestamp) {
        let begun = self.ends_at.minus(window);
        if to >= begun {
            return;
        }
        let window = window.as_millis().max(1);
        let windows = begun.since(to).as_millis().div_ceil(window);
        self.ends_at = self.ends_at.minus(Span::from_millis(windows.saturating_mul(window)));
        self.used = match windows.cmp(&self.earlier.0) {
            Ordering::Less => 0,
            Ordering::Equal => self.earlier.1,
            // Not known any more: as if nothing were left of it.
            Ordering::Greater => limit,
        };
        self.earlier = (0, 0);
    }
}
