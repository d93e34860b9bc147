//! A leaky bucket as a meter: what has been poured in and has not drained yet.
//!
//! One unit is `period` ticks and `units` ticks drain each millisecond, so nothing is ever rounded
//! and the state knows no amount of its limit. A refund takes out only what has not drained and
//! does not lie behind it: a refund "up to capacity" would let the settled stream exceed
//! burst + rate × t. This equals the published rule for GCRA exactly (`level/tests.rs`).
//! It would be wrong to let `at` follow a clock that steps back: the same time would drain twice.

use tollgate_units::{Amount, Span, Timestamp};

use crate::meter::Load;
use crate::{Standing, Wait};

/// How a level drains and how much it holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rate {
    pub(crate) burst: Amount,
    pub(crate) units: Amount,
    pub(crate) period: Span,
}

/// Parts of a unit: as many to a unit as the period has milliseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Ticks(pub(crate) u128);

/// Where in a level a charge lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Depth {
    birth: Timestamp,
    added: u128,
}

/// What has not drained by `at`, and how to tell which of it is whose.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Level {
    ticks: Ticks,
    at: Timestamp,
    /// When it will have drained, at the rate of the last write.
    empty_at: Timestamp,
    /// Tells this life of the meter from a former one.
    birth: Timestamp,
    /// Every unit ever poured in: the difference to a charge's depth is what lies behind it.
    added: u128,
    held: Amount,
}

impl Level {
    /// The level of a meter that never counted anything.
    pub(crate) const EMPTY: &'static Self = &Self {
        ticks: Ticks(0),
        at: Timestamp::EPOCH,
        empty_at: Timestamp::EPOCH,
        birth: Timestamp::EPOCH,
        added: 0,
        held: Amount::ZERO,
    };

    /// An empty level that begins its life at `now`.
    pub(crate) fn born(now: Timestamp) -> Self {
        Self { at: now, empty_at: now, birth: now, ..Self::default() }
    }

    /// A level as it was written down. No depth of its former life is known any more.
    pub(crate) fn restored(ticks: Ticks, at: Timestamp, empty_at: Timestamp) -> Self {
        Self { ticks, at, empty_at, birth: at, ..Self::default() }
    }

    /// What has to be written down: nothing that only a running reservation needs.
    pub(crate) fn saved(&self) -> (Ticks, Timestamp, Timestamp) {
        (self.ticks, self.at, self.empty_at)
    }

    /// How many whole units have room.
    pub(crate) fn left(&self, rate: Rate, now: Timestamp) -> Amount {
        rate.whole(rate.ticks(rate.burst).less(self.drained(rate, now)))
    }

    /// When `amount`, which has no room at `now`, will have it.
    pub(crate) fn wait(&self, rate: Rate, amount: Amount, now: Timestamp) -> Wait {
        if amount > rate.burst {
            return Wait::Never;
        }
        let brim = rate.ticks(rate.burst.less(amount));
        let over = self.drained(rate, now).less(brim);
        rate.time_to_drain(over)
            .map_or(Wait::Never, |span| Wait::Until(self.resumes_at(rate, now).plus(span)))
    }

    pub(crate) fn standing(&self, rate: Rate, now: Timestamp) -> Standing {
        let ticks = self.drained(rate, now);
        let level = rate.whole_up(ticks);
        let held = self.held.min(level);
        Standing {
            used: level.less(held),
            held,
            left: self.left(rate, now),
            resets_at: self.emptied_at(rate, ticks, now),
        }
    }

    /// Pours in; never refuses. A level that has drained begins a new life, as if it had been
    /// thrown away in between: what was held in the old one has drained with it.
    pub(crate) fn take(&mut self, rate: Rate, load: Load, now: Timestamp) -> Depth {
        if self.drained(rate, now) == Ticks(0) {
            *self = Self::born(self.resumes_at(rate, now));
        }
        let level = self.drained(rate, now).plus(rate.ticks(load.amount));
        self.write(rate, level, now);
        self.added = self.added.saturating_add(u128::from(load.amount.get()));
        self.held = self.held.plus(load.held);
        Depth { birth: self.birth, added: self.added }
    }

    /// Takes out, to the tick, what has not drained and does not lie behind `depth`. Returns the
    /// whole units of it.
    pub(crate) fn give_back(
        &mut self,
        rate: Rate,
        depth: Depth,
        load: Load,
        now: Timestamp,
    ) -> Amount {
        if depth.birth != self.birth {
            return Amount::ZERO;
        }
        let credit = self.unserved(rate, depth, now).min(rate.ticks(load.amount));
        self.write(rate, self.drained(rate, now).less(credit), now);
        self.held = self.held.less(load.held);
        rate.whole(credit)
    }

    /// How many whole units `give_back` would take out if it were asked for all.
    pub(crate) fn refundable(&self, rate: Rate, depth: Depth, now: Timestamp) -> Amount {
        if depth.birth == self.birth {
            rate.whole(self.unserved(rate, depth, now))
        } else {
            Amount::ZERO
        }
    }

    /// Lets everything drain that is not held.
    pub(crate) fn reset(&mut self, rate: Rate, now: Timestamp) {
        let held = rate.ticks(self.held).min(self.drained(rate, now));
        self.write(rate, held, now);
    }

    /// From when it says nothing any more.
    pub(crate) const fn ends_at(&self) -> Timestamp {
        self.empty_at
    }

    /// Whether a clock further ahead than a period wrote it.
    pub(crate) fn is_ahead(&self, rate: Rate, now: Timestamp) -> bool {
        self.at > now.plus(rate.period)
    }

    /// Lets a level that a clock far ahead wrote drain again after a period at most.
    pub(crate) fn come_back(&mut self, rate: Rate, now: Timestamp) {
        self.at = self.at.min(now.plus(rate.period));
        self.empty_at = self.emptied_at(rate, self.ticks, now);
    }

    fn write(&mut self, rate: Rate, ticks: Ticks, now: Timestamp) {
        self.empty_at = self.emptied_at(rate, ticks, now);
        self.at = self.resumes_at(rate, now);
        self.ticks = ticks;
    }

    fn drained(&self, rate: Rate, now: Timestamp) -> Ticks {
        self.ticks.less(rate.drain(now.since(self.at)))
    }

    /// The level less everything that was added behind: nothing of it has drained yet.
    fn unserved(&self, rate: Rate, depth: Depth, now: Timestamp) -> Ticks {
        let behind = self.added.saturating_sub(depth.added);
        let behind = Ticks(behind.saturating_mul(u128::from(rate.period.as_millis())));
        self.drained(rate, now).less(behind)
    }

    /// From when it drains: now, unless a clock ahead has let it drain up to there already.
    fn resumes_at(&self, rate: Rate, now: Timestamp) -> Timestamp {
        self.at.min(now.plus(rate.period)).max(now)
    }

    fn emptied_at(&self, rate: Rate, ticks: Ticks, now: Timestamp) -> Timestamp {
        let from = self.resumes_at(rate, now);
        rate.time_to_drain(ticks).map_or(Timestamp::MAX, |span| from.plus(span))
    }
}

impl Rate {
    fn ticks(self, amount: Amount) -> Ticks {
        Ticks(u128::from(amount.get()) * u128::from(self.period.as_millis()))
    }

    fn drain(self, span: Span) -> Ticks {
        Ticks(u128::from(span.as_millis()) * u128::from(self.units.get()))
    }

    fn whole(self, ticks: Ticks) -> Amount {
        amount(ticks.0 / u128::from(self.period.as_millis()))
    }

    fn whole_up(self, ticks: Ticks) -> Amount {
        amount(ticks.0.div_ceil(u128::from(self.period.as_millis())))
    }

    /// Rounded up to where they have drained; none if that is never.
    fn time_to_drain(self, ticks: Ticks) -> Option<Span> {
        if ticks == Ticks(0) {
            return Some(Span::ZERO);
        }
        if self.units == Amount::ZERO {
            return None;
        }
        let millis = ticks.0.div_ceil(u128::from(self.units.get()));
        u64::try_from(millis).ok().map(Span::from_millis)
    }
}

impl Ticks {
    const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

fn amount(units: u128) -> Amount {
    Amount::new(u64::try_from(units).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
