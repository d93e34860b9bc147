//! What went through the gate in all: tokens reserved and used, dollars spent and saved.
//!
//! Sums over everything since the start, for people who watch; metrics have the same by model.

use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_units::{NanoUsd, Tokens};

/// Sums since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Tokens that are reserved and not yet settled.
    pub held: Tokens,
    /// Tokens that were reserved.
    pub reserved: Tokens,
    /// What refused requests would have cost.
    pub saved: NanoUsd,
    /// What answers cost.
    pub spent: NanoUsd,
    /// Tokens that were used.
    pub used: Tokens,
}

/// The running sums. Each is exact; together they may be a request apart.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    ended: AtomicU64,
    reserved: AtomicU64,
    saved: AtomicU64,
    spent: AtomicU64,
    used: AtomicU64,
}

impl Sums {
    pub(crate) fn reserved(&self, tokens: Tokens) {
        self.reserved.fetch_add(tokens.get(), Ordering::Relaxed);
    }

    /// What was reserved for a request is `now` instead of `before`.
    pub(crate) fn rebooked(&self, before: Tokens, now: Tokens) {
        self.reserved.fetch_add(now.get(), Ordering::Relaxed);
        self.ended.fetch_add(before.get(), Ordering::Relaxed);
    }

    /// A request that had reserved `reserved` ended with `used` tokens that cost `spent`.
    pub(crate) fn ended(&self, reserved: Tokens, used: Tokens, spent: NanoUsd) {
        self.ended.fetch_add(reserved.get(), Ordering::Relaxed);
        self.used.fetch_add(used.get(), Ordering::Relaxed);
        self.spent.fetch_add(spent.get(), Ordering::Relaxed);
    }

    pub(crate) fn saved(&self, amount: NanoUsd) {
        self.saved.fetch_add(amount.get(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Totals {
        let of = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        let ended = Tokens::new(of(&self.ended));
        let reserved = Tokens::new(of(&self.reserved));
        Totals {
            held: reserved.less(ended),
            reserved,
            saved: NanoUsd::new(of(&self.saved)),
            spent: NanoUsd::new(of(&self.spent)),
            used: Tokens::new(of(&self.used)),
        }
    }
}
