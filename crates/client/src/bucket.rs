//! The token bucket: one meter of `tollgate-limits` under the rule `Bucket`.
//!
//! It holds capacity + burst units and refills at one rate, so in every interval of length t at
//! most capacity + burst + refill × t units pass; decision 0014 says why the two are added. It
//! would be wrong for a limit that several processes share: each counts alone.

use tollgate_limits::{
    Books, Charge, Charges, Demand, Marks, Meter, MeterId, ReservationId, Rule, Standing, Stretch,
    Wait, peek, reserve, settle, void,
};
use tollgate_units::{Amount, Span, Timestamp};

use crate::config::BucketConfig;

/// The one meter of a client, and its rule.
#[derive(Debug)]
pub(crate) struct Limiter {
    shelf: OneMeter,
    rule: Rule,
    next_id: u64,
    /// The latest instant that anything was decided at: callers read the clock before the lock.
    latest: Timestamp,
}

#[derive(Debug, Default)]
struct OneMeter {
    meter: Meter,
    books: Books,
}

impl Limiter {
    pub(crate) fn new(config: BucketConfig) -> Self {
        let burst = config.capacity.plus(config.burst);
        let rule = Rule::Bucket { burst, units: config.refill, period: Span::from_secs(1) };
        Self { shelf: OneMeter::default(), rule, next_id: 0, latest: Timestamp::EPOCH }
    }

    /// The most that one charge may ask for.
    pub(crate) fn most(&self) -> Amount {
        self.rule.most()
    }

    /// Takes `cost` out, or says when it will be there if nothing else is taken.
    pub(crate) fn take(&mut self, cost: Amount, now: Timestamp) -> Result<Marks, Wait> {
        let now = self.at(now);
        let Some(charges) = self.charges(cost) else {
            return Err(Wait::Never);
        };
        self.next_id += 1;
        let id = ReservationId::new(self.next_id);
        let held = reserve(&mut self.shelf, &charges, id, now).map_err(|denied| denied.wait())?;
        Ok(held.marks)
    }

    /// When `cost` will be there if nothing else is taken: now, at the earliest.
    pub(crate) fn room_at(&mut self, cost: Amount, now: Timestamp) -> Wait {
        let now = self.at(now);
        let Some(charges) = self.charges(cost) else {
            return Wait::Never;
        };
        match peek(&self.shelf, &charges, now) {
            Ok(_) => Wait::Until(now),
            Err(denied) => denied.wait(),
        }
    }

    /// Ends a charge by what was used: less comes back, more is owed.
    pub(crate) fn settle(&mut self, marks: Marks, used: Amount, now: Timestamp) {
        let now = self.at(now);
        settle(&mut self.shelf, marks, &[used], now);
    }

    /// Ends a charge of which nothing was used.
    pub(crate) fn void(&mut self, marks: Marks, now: Timestamp) {
        let now = self.at(now);
        void(&mut self.shelf, marks, now);
    }

    pub(crate) fn standing(&self, now: Timestamp) -> Standing {
        self.shelf.meter.standing(&self.rule, self.latest.max(now))
    }

    fn at(&mut self, now: Timestamp) -> Timestamp {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// One charge always makes a list; nothing else is asked of it.
    fn charges(&self, cost: Amount) -> Option<Charges> {
        let charge = Charge { meter: METER, rule: self.rule, demand: Demand::exactly(cost) };
        Charges::new(vec![charge], Stretch::exactly(0)).ok()
    }
}

impl tollgate_limits::Shelf for OneMeter {
    fn look(&self, _id: MeterId) -> Option<&Meter> {
        Some(&self.meter)
    }

    fn touch(&mut self, _id: MeterId, _rule: &Rule) -> &mut Meter {
        &mut self.meter
    }

    fn books(&mut self) -> &mut Books {
        &mut self.books
    }
}

const METER: MeterId = MeterId::new(0);

#[cfg(test)]
mod tests;
