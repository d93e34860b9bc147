//! The state of one limit for one subject, whichever of the two mechanisms its rule needs.
//!
//! A meter is handed the rule each time and keeps nothing of it. Meters are many (a million idle
//! users) and mostly quiet, so a store's cell is 56 bytes and a meter that says nothing any more
//! can be thrown away: one made anew decides alike, and refuses refunds of its former life.
//! A meter whose mechanism is not its rule's (a limit's identity covers its kind, so only a bug
//! does that) reads as empty and starts anew when written.

use alloc::boxed::Box;

use tollgate_units::{Amount, Span, Timestamp};

use crate::level::{Depth, Level};
use crate::slots::Slots;
use crate::{MeterId, ReservationId, Rule, Standing, Wait};

/// The state of one limit for one subject. The default says nothing and costs nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meter(pub(crate) State);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    Level(Box<Level>),
    Slots(Slots),
}

/// What goes into a meter, or comes out: an amount, and how much of it is held, unsettled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Load {
    pub(crate) amount: Amount,
    pub(crate) held: Amount,
}

/// Where a charge lies in its meter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Level(Depth),
    Nowhere,
    Slot(u64),
}

// What a million live subjects cost.
const _: () = assert!(size_of::<(MeterId, Meter)>() <= 56);

impl Meter {
    /// From when it says nothing any more: at that time and later it may be dropped.
    pub fn ends_at(&self) -> Timestamp {
        match &self.0 {
            State::Level(level) => level.ends_at(),
            State::Slots(slots) => slots.ends_at(),
        }
    }

    /// Where the meter stands under `rule`.
    pub fn standing(&self, rule: &Rule, now: Timestamp) -> Standing {
        if let Some(rate) = rule.rate() {
            return self.level().standing(rate, now);
        }
        let slots = self.slots();
        let spent = slots.spent(now);
        let resets_at = match rule {
            Rule::AtOnce { .. } => now,
            // Whatever was used, the window turns when it turns.
            Rule::Calendar { .. } | Rule::Fixed { .. } => rule.turn(ReservationId::new(0), now).end,
            Rule::Bucket { .. } | Rule::Sliding { .. } | Rule::Total { .. } => {
                slots.ends_at().min(rule.latest(now)).max(now)
            }
        };
        Standing {
            used: spent.amount.less(spent.held),
            held: spent.held,
            left: rule.most().less(spent.amount),
            resets_at,
        }
    }

    /// How much has room.
    pub(crate) fn left(&self, rule: &Rule, now: Timestamp) -> Amount {
        match rule.rate() {
            Some(rate) => self.level().left(rate, now),
            None => rule.most().less(self.slots().spent(now).amount),
        }
    }

    /// When `amount`, which has no room at `now`, will have it if nothing else comes.
    pub(crate) fn wait(&self, rule: &Rule, amount: Amount, now: Timestamp) -> Wait {
        if amount > rule.most() {
            return Wait::Never;
        }
        match rule.rate() {
            Some(rate) => self.level().wait(rate, amount, now),
            None if matches!(rule, Rule::AtOnce { .. }) => Wait::Until(now.plus(AT_ONCE_WAIT)),
            None => {
                let end = self.slots().wait(rule.most(), amount, now);
                let end = end.map(|end| end.min(rule.latest(now)));
                // What counts for the whole life of a subject without an end never comes back.
                let end = end.filter(|end| *end < Timestamp::MAX);
                end.map_or(Wait::Never, Wait::Until)
            }
        }
    }

    /// Takes a load in; never refuses.
    pub(crate) fn take(
        &mut self,
        rule: &Rule,
        id: ReservationId,
        load: Load,
        now: Timestamp,
    ) -> Place {
        self.fit(rule, now);
        self.come_back(rule, now);
        match (&mut self.0, rule.rate()) {
            (State::Level(level), Some(rate)) => Place::Level(level.take(rate, load, now)),
            (State::Slots(slots), None) => {
                let mut turn = rule.turn(id, now);
                if matches!(rule, Rule::Total { .. }) {
                    // All of one life is one slot, whenever it began.
                    turn.key = slots.latest_key(now).unwrap_or(turn.key);
                }
                slots.take(turn, load, now);
                Place::Slot(turn.key)
            }
            (State::Level(_), None) | (State::Slots(_), Some(_)) => Place::Nowhere,
        }
    }

    /// Takes a load out again as far as that does no harm. Returns how much that was.
    pub(crate) fn give_back(
        &mut self,
        rule: &Rule,
        place: Place,
        load: Load,
        now: Timestamp,
    ) -> Amount {
        self.come_back(rule, now);
        match (&mut self.0, place, rule.rate()) {
            (State::Level(level), Place::Level(depth), Some(rate)) => {
                level.give_back(rate, depth, load, now)
            }
            (State::Slots(slots), Place::Slot(key), None) => slots.give_back(key, load, now),
            (State::Level(_) | State::Slots(_), _, _) => Amount::ZERO,
        }
    }

    /// How much, of what lies at `place` or before it, could be given back in whole units.
    pub(crate) fn refundable(&self, rule: &Rule, place: Place, now: Timestamp) -> Amount {
        match (&self.0, place, rule.rate()) {
            (State::Level(level), Place::Level(depth), Some(rate)) => {
                level.refundable(rate, depth, now)
            }
            (State::Slots(slots), Place::Slot(key), None) => slots.refundable(key, now),
            (State::Level(_) | State::Slots(_), _, _) => Amount::ZERO,
        }
    }

    /// Forgets what is used and keeps what is held. How much was forgotten.
    pub(crate) fn reset(&mut self, rule: &Rule, now: Timestamp) -> Amount {
        self.come_back(rule, now);
        let used = self.standing(rule, now).used;
        match (&mut self.0, rule.rate()) {
            (State::Level(level), Some(rate)) => level.reset(rate, now),
            (State::Slots(slots), None) => slots.reset(now),
            (State::Level(_), None) | (State::Slots(_), Some(_)) => {}
        }
        used
    }

    /// Whether a clock that was ahead wrote it, further than the rule can reach from `now`.
    pub(crate) fn is_ahead(&self, rule: &Rule, now: Timestamp) -> bool {
        match (&self.0, rule.rate()) {
            (State::Level(level), Some(rate)) => level.is_ahead(rate, now),
            (State::Slots(slots), None) => slots.ends_at() > rule.latest(now),
            (State::Level(_), None) | (State::Slots(_), Some(_)) => false,
        }
    }

    /// Brings it back to where the rule can reach: it still counts, for one window at most.
    pub(crate) fn come_back(&mut self, rule: &Rule, now: Timestamp) {
        if !self.is_ahead(rule, now) {
            return;
        }
        match (&mut self.0, rule.rate()) {
            (State::Level(level), Some(rate)) => level.come_back(rate, now),
            (State::Slots(slots), None) => slots.come_back(rule.latest(now)),
            (State::Level(_), None) | (State::Slots(_), Some(_)) => {}
        }
    }

    fn level(&self) -> &Level {
        match &self.0 {
            State::Level(level) => level,
            State::Slots(_) => Level::EMPTY,
        }
    }

    /// Starts anew if its mechanism is not the rule's.
    fn fit(&mut self, rule: &Rule, now: Timestamp) {
        match (&self.0, rule.rate()) {
            (State::Level(_), Some(_)) | (State::Slots(_), None) => {}
            (State::Level(_), None) => self.0 = State::default(),
            (State::Slots(_), Some(_)) => self.0 = State::Level(Box::new(Level::born(now))),
        }
    }

    fn slots(&self) -> &Slots {
        match &self.0 {
            State::Level(_) => Slots::NONE,
            State::Slots(slots) => slots,
        }
    }
}

impl Load {
    /// A reservation's: all of it is held.
    pub(crate) const fn held(amount: Amount) -> Self {
        Self { amount, held: amount }
    }

    /// A debt: spent already.
    pub(crate) const fn debt(amount: Amount) -> Self {
        Self { amount, held: Amount::ZERO }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Slots(Slots::None)
    }
}

/// What an at-once refusal announces: nobody knows when a holder ends, so it promises nothing.
const AT_ONCE_WAIT: Span = Span::from_secs(1);
