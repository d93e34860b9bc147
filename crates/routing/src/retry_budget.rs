//! How many retries there may be: a share of the traffic, so that retries never double an outage.
//!
//! Each first attempt deposits a share of a retry, each retry withdraws one, and both are forgotten
//! after ten seconds (Finagle's `RetryBudget`). A small reserve lets a quiet gateway retry too.
//! It would be wrong to count attempts of one request only: then everybody retries at once.

use tollgate_units::Timestamp;

/// Retries in ten seconds that need no traffic.
pub const RESERVE: u32 = 10;
/// The window is forgotten in slots of a second.
const SLOTS: usize = 10;
const SLOT_MS: u64 = 1000;
/// What a retry costs, in parts of which a first attempt deposits `share_percent`.
const RETRY: i64 = 100;

/// A balance of deposits and withdrawals over the last ten seconds.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    share_percent: u32,
    slots: [i64; SLOTS],
    /// The number of the slot that is being written, counted from the epoch.
    slot: u64,
}

impl RetryBudget {
    /// A budget of `share_percent` retries per hundred first attempts.
    pub fn new(share_percent: u32) -> Self {
        Self { share_percent, slots: [0; SLOTS], slot: 0 }
    }

    /// A first attempt was made.
    pub fn deposit(&mut self, now: Timestamp) {
        let share = i64::from(self.share_percent);
        self.write(share, now);
    }

    /// Takes a retry out, if there is one.
    pub fn withdraw(&mut self, now: Timestamp) -> bool {
        if self.is_empty(now) {
            return false;
        }
        self.write(-RETRY, now);
        true
    }

    /// Whether no retry is left.
    pub fn is_empty(&self, now: Timestamp) -> bool {
        self.left(now) < RETRY
    }

    /// Whether as much as half of the reserve is left. What is spent as fast as it comes in is
    /// never well, though there is a retry now and then: who tells of an empty budget waits for
    /// this before telling that it is over.
    pub fn is_well(&self, now: Timestamp) -> bool {
        self.left(now) >= i64::from(RESERVE) * RETRY / 2
    }

    fn left(&self, now: Timestamp) -> i64 {
        let slot = slot_of(now).max(self.slot);
        let kept = (0..SLOTS).filter(|&index| {
            let age = (self.slot + SLOTS as u64 - index as u64) % SLOTS as u64;
            slot - self.slot + age < SLOTS as u64
        });
        let balance: i64 = kept.filter_map(|index| self.slots.get(index)).sum();
        balance + i64::from(RESERVE) * RETRY
    }

    fn write(&mut self, parts: i64, now: Timestamp) {
        let slot = slot_of(now).max(self.slot);
        let passed = (slot - self.slot).min(SLOTS as u64);
        for step in 1..=passed {
            if let Some(old) = self.at(self.slot + step) {
                *old = 0;
            }
        }
        // After a long silence the slots between are the same ten, all forgotten.
        self.slot = slot;
        if let Some(current) = self.at(slot) {
            *current = current.saturating_add(parts);
        }
    }

    fn at(&mut self, slot: u64) -> Option<&mut i64> {
        let index = usize::try_from(slot % SLOTS as u64).ok()?;
        self.slots.get_mut(index)
    }
}

fn slot_of(now: Timestamp) -> u64 {
    now.as_millis() / SLOT_MS
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quiet_gateway_may_retry_out_of_the_reserve() {
        let mut budget = RetryBudget::new(20);
        let now = Timestamp::from_millis(5_000_000);
        let granted = (0..100).filter(|_| budget.withdraw(now)).count();
        assert_eq!(granted, RESERVE as usize);
        assert!(budget.is_empty(now));
        let later = Timestamp::from_millis(5_010_000);
        assert!(!budget.is_empty(later), "what was withdrawn is forgotten after ten seconds");
    }

    #[test]
    fn five_first_attempts_pay_for_one_retry_at_a_share_of_a_fifth() {
        let mut budget = RetryBudget::new(20);
        let now = Timestamp::from_millis(77);
        while budget.withdraw(now) {}
        for attempt in 1..=5 {
            assert!(budget.is_empty(now), "attempt {attempt}");
            budget.deposit(now);
        }
        assert!(budget.withdraw(now));
        assert!(budget.is_empty(now));
    }

    #[test]
    fn while_everything_fails_the_budget_is_never_well_and_afterwards_it_is() {
        let mut budget = RetryBudget::new(10);
        let (mut millis, mut granted) = (5_000_000, 0);
        while budget.withdraw(Timestamp::from_millis(millis)) {}
        for _ in 0..3000 {
            let now = Timestamp::from_millis(millis);
            budget.deposit(now);
            // Everybody who fails asks for a retry, and every tenth gets one.
            granted += u32::from(budget.withdraw(now));
            assert!(!budget.is_well(now), "at {millis}");
            millis += 1;
        }
        assert_eq!(granted, 300);
        assert!(budget.is_well(Timestamp::from_millis(millis + 10_000)));
    }

    proptest! {
        /// The oracle remembers everything and sums it up anew each time.
        #[test]
        fn retries_never_exceed_the_share_of_the_window(
            share in 0_u32..100,
            steps in prop::collection::vec((any::<bool>(), 0_u64..3000), 1..300),
        ) {
            let mut budget = RetryBudget::new(share);
            let mut past: Vec<(u64, i64)> = Vec::new();
            let mut millis = 1_700_000_000_123;
            for (is_retry, gap) in steps {
                millis += gap;
                let now = Timestamp::from_millis(millis);
                if !is_retry {
                    budget.deposit(now);
                    past.push((millis / 1000, i64::from(share)));
                    continue;
                }
                let balance: i64 = past
                    .iter()
                    .filter(|(slot, _)| slot + 10 > millis / 1000)
                    .map(|(_, parts)| parts)
                    .sum();
                let expected = balance + 1000 >= 100;
                prop_assert_eq!(budget.withdraw(now), expected);
                if expected {
                    past.push((millis / 1000, -100));
                }
            }
        }
    }
}
