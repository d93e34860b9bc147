//! All pools of one route, and what of our own is on its way to them.
//!
//! What was sent and not answered yet may or may not be in what a provider reports, so sums of what
//! was charged, planned and heard of are kept by kind, and each request remembers where they stood.
//! Starts are planned in order: nobody overtakes but critical requests, which use what is kept back
//! for them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use tollgate_units::{Span, Timestamp};

use crate::need::{Counted, Need};
use crate::observed::Observed;
use crate::pool::{Between, Pool, Share};
use crate::promise::WAIT_CHECKED;

/// Meters that are learned of one route. No provider reports more than six.
pub const POOLS_MAX: usize = 16;
/// Requests that may have a start in the future.
pub const PLANNED_MAX: usize = 4096;

/// Where the sums stood when a request was charged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    number: u64,
    starts_at: Timestamp,
    charged: Need,
    heard: Need,
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    number: u64,
    starts_at: Timestamp,
    need: Need,
}

/// What is known of a provider's meters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned {
    pools: Vec<Pool>,
    planned: VecDeque<Planned>,
    /// Everything ever charged, and of it what has not started and what was answered.
    charged: Need,
    ahead: Need,
    heard: Need,
    /// The least of each that a request took up front.
    least: Option<Need>,
    last_start: Timestamp,
}

impl Learned {
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.iter()
    }

    /// Whether any limit is known.
    pub(crate) fn knows_limits(&self) -> bool {
        self.pools.iter().any(|pool| pool.limit.is_some())
    }

    /// Whether no further start can be planned.
    pub(crate) fn is_full(&self) -> bool {
        self.planned.len() >= PLANNED_MAX
    }

    /// The last planned start.
    pub(crate) fn last_start(&self) -> Timestamp {
        self.last_start
    }

    /// The least of what is left, in thousandths.
    pub(crate) fn headroom_permille(&self, now: Timestamp) -> u32 {
        self.pools.iter().map(|pool| pool.headroom_permille(now)).min().unwrap_or(1000)
    }

    /// When `need` may start, not before `from`; `None` if never. Changes nothing.
    pub(crate) fn start(
        &self,
        need: &Need,
        share: Share,
        from: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let is_never = |pool: &Pool| pool.is_too_small(need.of(pool.counts));
        if self.pools.iter().any(is_never) {
            return None;
        }
        let has_room_ahead = |pool: &Pool| pool.has_room_ahead(need.of(pool.counts), now);
        if share.is_critical && from <= now && self.pools.iter().all(has_room_ahead) {
            return Some(from);
        }
        let from = from.max(self.last_start);
        let mut start = from;
        for pool in &self.pools {
            start = start.max(pool.room_at(need.of(pool.counts), share, from)?);
        }
        Some(start)
    }

    /// When `need` may go whatever the meters say, where they would leave even a critical request
    /// alone for longer than a minute, or for ever: they may be wrong, and one that goes will tell.
    pub(crate) fn next_check(&self, need: &Need, now: Timestamp) -> Option<Timestamp> {
        let small = self.pools.iter().filter(|pool| pool.is_too_small(need.of(pool.counts)));
        let asked_again_at = small.map(Pool::asked_again_at).max();
        asked_again_at.or_else(|| {
            let start = self.start(need, Share::ALL, now, now)?;
            (start > now.plus(WAIT_CHECKED)).then(|| self.last_start.plus(WAIT_CHECKED))
        })
    }

    /// The smallest request so far, for what is asked of all of them.
    pub(crate) fn least(&self) -> Need {
        self.least.unwrap_or_default()
    }

    /// A request of that need goes although some meter says that it never fits.
    pub(crate) fn checking(&mut self, need: &Need, now: Timestamp) {
        for pool in &mut self.pools {
            pool.asked(need.of(pool.counts), now);
        }
    }

    /// A request of that need was served; `was_check` if it went whatever the meters said.
    pub(crate) fn served(&mut self, need: &Need, was_check: bool, now: Timestamp) {
        for pool in &mut self.pools {
            pool.served(need.of(pool.counts), was_check, now);
        }
    }

    /// Takes `need` from every pool at `start`.
    pub(crate) fn take(
        &mut self,
        need: &Need,
        number: u64,
        start: Timestamp,
        now: Timestamp,
    ) -> Mark {
        self.advance(now);
        for pool in &mut self.pools {
            pool.take(pool.countable(need.of(pool.counts)), start, now);
        }
        self.least = Some(self.least.map_or(*need, |least| least.or_less(need)));
        let before = self.heard;
        self.charged = self.charged.plus(need);
        if start > now {
            self.ahead = self.ahead.plus(need);
            self.planned.push_back(Planned { number, starts_at: start, need: *need });
        }
        self.last_start = self.last_start.max(start);
        Mark { number, starts_at: start, charged: self.charged, heard: before }
    }

    /// Gives back what was never sent.
    pub(crate) fn unsent(&mut self, mark: &Mark, need: &Need, now: Timestamp) {
        let behind = self.charged.less(&mark.charged);
        for pool in &mut self.pools {
            let units = pool.countable(need.of(pool.counts));
            pool.give_back(units, mark.starts_at, behind.of(pool.counts), now);
        }
        self.unplan(mark.number, now);
    }

    /// Gives back what a refused request does not count for.
    pub(crate) fn refused(&mut self, mark: &Mark, need: &Need, now: Timestamp) {
        let behind = self.charged.less(&mark.charged);
        for pool in &mut self.pools {
            pool.refused();
            if !pool.counts_refused() {
                let units = pool.countable(need.of(pool.counts));
                pool.give_back(units, mark.starts_at, behind.of(pool.counts), now);
            }
        }
    }

    /// The request of that need has been answered, or never will be.
    pub(crate) fn hear(&mut self, need: &Need) {
        self.heard = self.heard.plus(need);
    }

    /// What the provider counted only when it knew it, and what it counts no more since.
    pub(crate) fn settle(&mut self, mark: &Mark, afterwards: &Need, back: &Need, now: Timestamp) {
        let none = Need::default();
        if *back != none {
            let behind = self.charged.less(&mark.charged);
            for pool in &mut self.pools {
                let (units, behind) = (back.of(pool.counts), behind.of(pool.counts));
                pool.give_back(units, mark.starts_at, behind, now);
            }
        }
        if *afterwards == none {
            return;
        }
        for pool in &mut self.pools {
            pool.take(afterwards.of(pool.counts), now, now);
        }
        self.charged = self.charged.plus(afterwards);
        self.heard = self.heard.plus(afterwards);
    }

    /// What the answer to the request of `mark` reports.
    pub(crate) fn learn(
        &mut self,
        seen: &[Observed<'_>],
        mark: &Mark,
        need: &Need,
        now: Timestamp,
    ) {
        self.advance(now);
        // In flight when it was sent, or sent since. It is among them itself, because a request
        // that is refused is not counted by every provider.
        let in_flight = mark.charged.less(&mark.heard);
        let since = self.charged.less(&self.ahead).less(&mark.charged);
        let open = in_flight.plus(&since);
        debug_assert!(in_flight.of(Counted::Requests) >= need.requests);
        for seen in seen {
            let seen = &seen.sane(now);
            let between = Between {
                sent_at: mark.starts_at,
                open: open.of(seen.counts),
                ahead: self.ahead.of(seen.counts),
            };
            if let Some(pool) = self.pools.iter_mut().find(|pool| pool.name == seen.name) {
                pool.learn(seen, &between, now);
            } else if self.pools.len() < POOLS_MAX {
                self.pools.push(Pool::new(seen, &between, now));
            }
        }
    }

    /// What is planned up to `now` has started.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(first) = self.planned.front()
            && first.starts_at <= now
        {
            self.ahead = self.ahead.less(&first.need);
            self.planned.pop_front();
        }
    }

    /// Takes a start out of the plan. What was planned last and fell away holds up nobody.
    fn unplan(&mut self, number: u64, now: Timestamp) {
        let Some(at) = self.planned.iter().position(|planned| planned.number == number) else {
            return;
        };
        if let Some(planned) = self.planned.remove(at) {
            self.ahead = self.ahead.less(&planned.need);
        }
        if at == self.planned.len() {
            let last = self.planned.back().map_or(now, |planned| planned.starts_at);
            self.last_start = self.last_start.min(last);
            for pool in &mut self.pools {
                pool.rewind(last);
            }
        }
    }

    /// How long until `need` had room, as the meters say.
    pub(crate) fn predicted(&self, need: &Need, share: Share, now: Timestamp) -> Span {
        self.start(need, share, now, now).map_or(Span::ZERO, |start| start.since(now))
    }
}
