//! Calls and failures over the last while, in ten slots.
//!
//! A slot is forgotten as a whole, so the window is between nine and ten tenths of its length.
//! It would be wrong to keep one running share: a long good past would hide a bad minute.

use tollgate_units::{Span, Timestamp};

const SLOTS: usize = 10;

/// What was counted in one slot.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    number: u64,
    calls: u32,
    failures: u32,
}

/// Calls and failures of the last window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    slots: [Slot; SLOTS],
}

impl Tally {
    /// One call more.
    pub(crate) fn count(&mut self, is_failure: bool, window: Span, now: Timestamp) {
        let number = number(window, now);
        let index = usize::try_from(number % SLOTS as u64).unwrap_or(0);
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        if slot.number != number {
            *slot = Slot { number, calls: 0, failures: 0 };
        }
        slot.calls = slot.calls.saturating_add(1);
        slot.failures = slot.failures.saturating_add(u32::from(is_failure));
    }

    /// The share of failures, when there were at least so many calls.
    pub(crate) fn error_percent(&self, least: u32, window: Span, now: Timestamp) -> Option<u32> {
        let number = number(window, now);
        let (mut calls, mut failures) = (0_u64, 0_u64);
        for slot in &self.slots {
            if slot.number <= number && number - slot.number < SLOTS as u64 {
                calls += u64::from(slot.calls);
                failures += u64::from(slot.failures);
            }
        }
        if calls == 0 || calls < u64::from(least) {
            return None;
        }
        u32::try_from(failures * 100 / calls).ok()
    }
}

fn number(window: Span, now: Timestamp) -> u64 {
    now.as_millis() / (window.as_millis() / SLOTS as u64).max(1)
}
