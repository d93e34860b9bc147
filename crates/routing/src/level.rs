//! What has been taken of a pool and has not come back yet, charged ahead where requests wait.
//!
//! The same leaky bucket as `limits`' level, in the same ticks: one unit is as many ticks as the
//! window has milliseconds, and as many ticks come back each millisecond as the window has units,
//! so nothing is rounded. It stands at the last planned start, which may be in the future: a
//! request that has to wait is charged at its own start, in order, as in GCRA's theoretical arrival
//! time (ITU-T I.371). It would be wrong to charge it now: what it waits for would come back twice.

use tollgate_units::{Span, Timestamp};

/// How fast a level drains: ticks a millisecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain(pub(crate) u64);

/// What has not come back at `at`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Level {
    pub(crate) ticks: u128,
    pub(crate) at: Timestamp,
    /// The highest that it stands at any planned start, while there are such.
    peak: u128,
}

impl Level {
    /// A level of so many ticks.
    pub(crate) fn new(ticks: u128, at: Timestamp) -> Self {
        Self { ticks, at, peak: ticks }
    }

    /// What has not come back at `time`, which is not before the last planned start.
    pub(crate) fn drained(&self, drain: Drain, time: Timestamp) -> u128 {
        let back = u128::from(drain.0) * u128::from(time.since(self.at).as_millis());
        self.ticks.saturating_sub(back)
    }

    /// What has not come back at `now`, when `ahead` of it belongs to planned starts.
    pub(crate) fn standing(&self, drain: Drain, ahead: u128, now: Timestamp) -> u128 {
        if now >= self.at {
            return self.drained(drain, now);
        }
        let to_come = u128::from(drain.0) * u128::from(self.at.since(now).as_millis());
        (self.ticks + to_come).saturating_sub(ahead)
    }

    /// From when on `cost` more stays below `brim`, not before `from`; `None` if nothing drains.
    pub(crate) fn room_at(
        &self,
        drain: Drain,
        brim: u128,
        cost: u128,
        from: Timestamp,
    ) -> Option<Timestamp> {
        let base = from.max(self.at);
        let over = (self.drained(drain, base) + cost).saturating_sub(brim);
        if over == 0 {
            return Some(base);
        }
        let wait = over.checked_add(u128::from(drain.0.checked_sub(1)?))? / u128::from(drain.0);
        Some(base.plus(Span::from_millis(u64::try_from(wait).ok()?)))
    }

    /// Whether `cost` more now leaves every planned start below `brim`.
    pub(crate) fn has_room_ahead(
        &self,
        drain: Drain,
        brim: u128,
        cost: u128,
        now: Timestamp,
    ) -> bool {
        let highest = if now >= self.at { self.drained(drain, now) } else { self.peak };
        highest + cost <= brim
    }

    /// Takes `cost` at `start`. A start before the last planned one raises everything planned.
    pub(crate) fn take(&mut self, drain: Drain, cost: u128, start: Timestamp, now: Timestamp) {
        let peak = if now >= self.at { self.drained(drain, now) } else { self.peak };
        if start >= self.at {
            self.ticks = self.drained(drain, start) + cost;
            self.at = start;
            self.peak = peak.max(self.ticks);
        } else {
            self.ticks += cost;
            self.peak = peak + cost;
        }
    }

    /// Gives back what has not come back by itself: at most what does not lie behind it.
    pub(crate) fn give_back(&mut self, drain: Drain, cost: u128, behind: u128, now: Timestamp) {
        let ticks = self.drained(drain, now.max(self.at));
        let credit = cost.min(ticks.saturating_sub(behind));
        // The peak may lie at an earlier start, which had none of it: it stays.
        self.ticks = self.ticks.saturating_sub(credit);
    }

    /// Stands at `to` again, which is the last planned start when a later one fell away. What had
    /// come back by then is not known when all of it had; then the peak is the bound.
    pub(crate) fn rewind(&mut self, drain: Drain, to: Timestamp) {
        if to < self.at {
            let back = u128::from(drain.0) * u128::from(self.at.since(to).as_millis());
            self.ticks = (self.ticks + back).min(self.peak.max(self.ticks));
            self.at = to;
        }
    }

    /// Raises what stands at `now` to `low`, or lowers it to `high`, when it lies outside.
    pub(crate) fn correct(&mut self, standing: u128, low: u128, high: u128) {
        if standing < low {
            self.ticks += low - standing;
            self.peak += low - standing;
        } else if standing > high {
            self.lower(standing - high);
        }
    }

    /// Lowers it at every planned start.
    pub(crate) fn lower(&mut self, by: u128) {
        self.ticks = self.ticks.saturating_sub(by);
        self.peak = self.peak.saturating_sub(by).max(self.ticks);
    }
}
