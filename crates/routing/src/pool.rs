//! One of a provider's own meters, as far as its answers taught us.
//!
//! A pool refills continuously, or all at once at its reset. The latter is paced all the same: a
//! part of it at once, then evenly, because such providers look at slices of the window too
//! (Azure: one and ten seconds) and because everybody who waited for a reset comes back with it.
//! What an answer reports is old when it comes: it corrects our picture only by what lies outside
//! everything that may have happened since (docs/decisions/0012).

mod turn;

use alloc::borrow::ToOwned;
use alloc::string::String;

use tollgate_units::{Span, Timestamp};

use self::turn::Turn;
use crate::level::{Drain, Level};
use crate::need::Counted;
use crate::observed::{Observed, Refill};
use crate::promise::WAIT_CHECKED;
use crate::window;

/// The part of an `AtReset` pool that may go at once: of tokens, and of requests, which Azure
/// counts in slices of seconds as well.
const TOKENS_AT_ONCE: u64 = 6;
const REQUESTS_AT_ONCE: u64 = 60;
/// How far two reports of one reset may lie apart: whole seconds, and the way of the answer.
const RESET_SLACK: Span = Span::from_secs(2);

/// What a request may use of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// What is kept back for critical requests, in thousandths.
    pub(crate) safe_permille: u32,
    /// Whether this is one.
    pub(crate) is_critical: bool,
}

/// What may have happened between the send of a request and its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between {
    /// When the request was sent.
    pub(crate) sent_at: Timestamp,
    /// Units that were in flight then or were sent since: counted in the report or not.
    pub(crate) open: u64,
    /// Units that are planned but not sent.
    pub(crate) ahead: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    Continuous,
    AtReset(Turn),
}

/// A pool.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) counts: Counted,
    pub(crate) window: Span,
    /// `None` until it was said.
    pub(crate) limit: Option<u64>,
    pub(crate) remaining: Option<u64>,
    pub(crate) reset_at: Option<Timestamp>,
    /// When its limit was first reported as it is, or was last asked for more.
    asked_at: Timestamp,
    /// The most that was served of it at once, where that is more than its limit.
    served: u64,
    /// Whether it said that nothing is left for long, and more was served all the same.
    is_doubted: bool,
    level: Level,
    kind: Kind,
}

impl Pool {
    /// A pool as `seen` first shows it.
    pub(crate) fn new(seen: &Observed<'_>, between: &Between, now: Timestamp) -> Self {
        let window = window::inferred(seen, now).unwrap_or(window::DEFAULT);
        let kind = match seen.refill {
            Refill::Continuous => Kind::Continuous,
            Refill::AtReset => Kind::AtReset(Turn::new(seen, window, now)),
        };
        let mut pool = Self {
            name: seen.name.to_owned(),
            counts: seen.counts,
            window,
            limit: seen.limit,
            remaining: seen.remaining,
            reset_at: seen.reset_at,
            asked_at: now,
            served: 0,
            is_doubted: false,
            level: Level::new(0, now),
            kind,
        };
        if let (Some(limit), Some(remaining)) = (seen.limit, seen.remaining) {
            let used = limit.saturating_sub(remaining).saturating_add(between.open);
            let used = used.saturating_add(between.ahead);
            match &mut pool.kind {
                Kind::Continuous => pool.level = Level::new(pool.ticks(used), now),
                Kind::AtReset(turn) => turn.used = used,
            }
        }
        pool
    }

    /// Whether no request of `units` can ever pass, as far as it says.
    pub(crate) fn is_too_small(&self, units: u64) -> bool {
        units > self.served && self.limit.is_some_and(|limit| units > limit)
    }

    /// When it may be asked all the same for more than its limit: nothing is sent meanwhile that
    /// could teach better.
    pub(crate) fn asked_again_at(&self) -> Timestamp {
        self.asked_at.plus(WAIT_CHECKED)
    }

    /// It is asked for `units`, and will tell.
    pub(crate) fn asked(&mut self, units: u64, now: Timestamp) {
        if self.is_too_small(units) {
            self.asked_at = now;
        }
    }

    /// It had room for `units`; whether it would still leave others alone for long says nothing of
    /// that where it `was_asked` for just this.
    pub(crate) fn served(&mut self, units: u64, was_asked: bool, now: Timestamp) {
        if self.is_too_small(units) {
            self.served = units;
        }
        let room_at = self.room_at(units, Share::ALL, now);
        self.is_doubted |= was_asked && room_at.is_none_or(|at| at > now.plus(WAIT_CHECKED));
    }

    /// It refused: so it counts.
    pub(crate) const fn refused(&mut self) {
        self.is_doubted = false;
    }

    /// What it counts of a request of `units`: nothing of one that it says to be too large, and
    /// never more than all of it, or who asks for too much would have it left alone by everybody.
    pub(crate) fn countable(&self, units: u64) -> u64 {
        if self.is_too_small(units) {
            return 0;
        }
        self.limit.map_or(units, |limit| units.min(limit))
    }

    /// Its limit, where a request of `units` has to heed it.
    fn limit_on(&self, units: u64) -> Option<u64> {
        let is_counted = units > 0 && !self.is_doubted;
        self.limit.filter(|limit| *limit > 0 && is_counted)
    }

    /// From when on `units` have room, not before `from`; `None` if never.
    pub(crate) fn room_at(&self, units: u64, share: Share, from: Timestamp) -> Option<Timestamp> {
        let Some(limit) = self.limit_on(units) else {
            return Some(from);
        };
        let brim = self.ticks(share.of(self.burst(limit)).max(units));
        let paced = self.level.room_at(self.drain(limit), brim, self.ticks(units), from)?;
        match &self.kind {
            Kind::Continuous => Some(paced),
            Kind::AtReset(turn) => Some(self.turn_at(turn, (limit, units), share, paced)),
        }
    }

    /// Whether a critical request may start before those that wait.
    pub(crate) fn has_room_ahead(&self, units: u64, now: Timestamp) -> bool {
        let Some(limit) = self.limit_on(units) else {
            return true;
        };
        let fits = match &self.kind {
            Kind::Continuous => true,
            Kind::AtReset(turn) => {
                let is_current = now.plus(self.window) >= turn.ends_at;
                let used = if now >= turn.ends_at { 0 } else { turn.used };
                is_current && used.saturating_add(units) <= limit
            }
        };
        let brim = self.ticks(self.burst(limit));
        fits && self.level.has_room_ahead(self.drain(limit), brim, self.ticks(units), now)
    }

    /// Takes `units` at `start`.
    pub(crate) fn take(&mut self, units: u64, start: Timestamp, now: Timestamp) {
        let (drain, cost, window) = (self.drain_or_none(), self.ticks(units), self.window);
        self.level.take(drain, cost, start, now);
        if let Kind::AtReset(turn) = &mut self.kind {
            turn.roll(window, start);
            turn.used = turn.used.saturating_add(units);
        }
    }

    /// The last planned start is at `to` again: what was planned behind it fell away.
    pub(crate) fn rewind(&mut self, to: Timestamp) {
        let (drain, window, limit) = (self.drain_or_none(), self.window, self.limit);
        self.level.rewind(drain, to);
        if let Kind::AtReset(turn) = &mut self.kind {
            turn.rewind(window, limit.unwrap_or(0), to);
        }
    }

    /// Whether it counts requests that the provider refuses. No provider counts their tokens;
    /// OpenAI counts the request, Azure does not.
    pub(crate) fn counts_refused(&self) -> bool {
        matches!(self.kind, Kind::Continuous) && self.counts == Counted::Requests
    }

    /// Gives back `units` that were taken at `start`; `behind` were taken since.
    pub(crate) fn give_back(&mut self, units: u64, start: Timestamp, behind: u64, now: Timestamp) {
        let (drain, cost, behind) = (self.drain_or_none(), self.ticks(units), self.ticks(behind));
        self.level.give_back(drain, cost, behind, now);
        let window = self.window;
        if let Kind::AtReset(turn) = &mut self.kind
            && start.plus(window) >= turn.ends_at
        {
            turn.used = turn.used.saturating_sub(units);
        }
    }

    /// What is left at `now`, in thousandths of the limit, after everything planned.
    pub(crate) fn headroom_permille(&self, now: Timestamp) -> u32 {
        if self.is_doubted {
            return 1000;
        }
        let Some(limit) = self.limit.filter(|limit| *limit > 0) else {
            return if self.limit.is_some() { 0 } else { 1000 };
        };
        let (used, whole) = match &self.kind {
            Kind::Continuous => {
                let at = now.max(self.level.at);
                (self.level.drained(self.drain(limit), at), self.ticks(limit))
            }
            Kind::AtReset(turn) if now >= turn.ends_at => (0, 1),
            Kind::AtReset(turn) => (u128::from(turn.used), u128::from(limit)),
        };
        let left = whole.saturating_sub(used).saturating_mul(1000) / whole.max(1);
        u32::try_from(left).unwrap_or(1000)
    }

    /// What an answer reported. Nothing of it is believed further than it can be known.
    pub(crate) fn learn(&mut self, seen: &Observed<'_>, between: &Between, now: Timestamp) {
        if let Some(window) = window::inferred(seen, now) {
            // Towards its end, a long window that is not said looks like a short one.
            let is_said = seen.window.is_some() || seen.refill == Refill::Continuous;
            self.rescale(if is_said { window } else { window.max(self.window) });
        }
        self.counts = seen.counts;
        if seen.limit.is_some_and(|limit| self.limit != Some(limit)) {
            (self.limit, self.asked_at, self.served) = (seen.limit, now, 0);
        }
        // Who tells of room again may be believed again.
        self.is_doubted &= seen.remaining.is_none_or(|remaining| remaining == 0);
        self.remaining = seen.remaining.or(self.remaining);
        self.reset_at = seen.reset_at.or(self.reset_at);
        let has_turned = self.anchor(seen, now);
        if let (Some(limit), Some(remaining)) = (self.limit, seen.remaining) {
            let used = limit.saturating_sub(remaining);
            if let (true, Kind::AtReset(turn)) = (has_turned, &mut self.kind) {
                turn.begin(used.saturating_add(between.open).saturating_add(between.ahead));
                return;
            }
            let grain = if seen.grain > 1 { seen.grain.div_ceil(2) } else { 0 };
            let low = used.saturating_sub(grain);
            // A meter in debt shows nothing left, and not how much less than nothing.
            let open = between.open.saturating_add(grain);
            let high = (remaining > grain).then(|| used.saturating_add(open));
            self.correct(limit, (low, high), between, now);
        }
    }

    fn correct(
        &mut self,
        limit: u64,
        (low, high): (u64, Option<u64>),
        between: &Between,
        now: Timestamp,
    ) {
        let (drain, window) = (self.drain(limit), self.window);
        let scale = u128::from(window.as_millis());
        match &mut self.kind {
            Kind::Continuous => {
                let ahead = u128::from(between.ahead) * scale;
                let standing = self.level.standing(drain, ahead, now);
                let way = u128::from(now.since(between.sent_at).as_millis());
                let back = u128::from(drain.0) * way;
                let low = (u128::from(low) * scale).saturating_sub(back);
                let high = high.map_or(u128::MAX, |high| u128::from(high) * scale);
                self.level.correct(standing, low, high);
            }
            Kind::AtReset(turn) => {
                turn.roll(window, now);
                let begun = turn.ends_at.minus(window);
                let is_of_this = between.sent_at >= begun && now >= begun;
                // Our window begins late, since resets are rounded up: what was sent just before
                // may be of it or of another one. Either way no more than that is used.
                let low = if is_of_this { low } else { 0 };
                if !is_of_this && between.sent_at.plus(RESET_SLACK) < begun {
                    return;
                }
                let bounds = (low, high.unwrap_or(u64::MAX));
                let surplus = turn.correct(bounds, between.ahead, (window, now));
                // What was charged too much is made good, or it were lost to the pace for ever.
                self.level.lower(u128::from(surplus) * scale);
            }
        }
    }

    /// Learns when the window of an `AtReset` pool ends. Whether the provider is in the next one
    /// already: ours ends late, because resets are rounded up and the answer has its way.
    fn anchor(&mut self, seen: &Observed<'_>, now: Timestamp) -> bool {
        let window = self.window;
        let Kind::AtReset(turn) = &mut self.kind else {
            return false;
        };
        let Some(reset_at) = seen.reset_at.filter(|at| *at > now) else {
            return false;
        };
        turn.roll(window, now);
        // Planned starts may lie windows ahead: the same reset, so many windows later.
        let ahead = turn.ends_at.since(reset_at).plus(RESET_SLACK).as_millis();
        let windows = ahead / window.as_millis().max(1);
        let said = reset_at.plus(Span::from_millis(windows * window.as_millis()));
        let apart = said.since(turn.ends_at).plus(turn.ends_at.since(said));
        // Reports of one reset differ by rounding and by the way of the answer. The latest is the
        // one that lets nobody start too early.
        let is_same = turn.is_said && apart <= RESET_SLACK;
        let has_turned = turn.is_said && said.since(turn.ends_at) > RESET_SLACK;
        turn.ends_at = if is_same { said.max(turn.ends_at) } else { said };
        turn.is_said = true;
        has_turned
    }

    /// The earliest instant from `paced` on at which the window has room.
    fn turn_at(
        &self,
        turn: &Turn,
        (limit, units): (u64, u64),
        share: Share,
        paced: Timestamp,
    ) -> Timestamp {
        if paced >= turn.ends_at {
            return paced;
        }
        let Some(left) = limit.checked_sub(turn.used.saturating_add(units)) else {
            return turn.ends_at;
        };
        // The share kept back shrinks with the window, so that none of it is lost at its end.
        let kept = u128::from(limit) * u128::from(share.kept());
        if kept == 0 || turn.used == 0 {
            return paced;
        }
        let window = u128::from(self.window.as_millis());
        let before_end = u128::from(left) * 1000 * window / kept;
        let before_end = Span::from_millis(u64::try_from(before_end).unwrap_or(u64::MAX));
        paced.max(turn.ends_at.minus(before_end))
    }

    /// How much may go at once.
    fn burst(&self, limit: u64) -> u64 {
        match self.kind {
            Kind::Continuous => limit,
            Kind::AtReset(_) => (limit / self.at_once()).max(1),
        }
    }

    fn at_once(&self) -> u64 {
        match self.counts {
            Counted::InputTokens | Counted::OutputTokens | Counted::Tokens => TOKENS_AT_ONCE,
            Counted::Requests => REQUESTS_AT_ONCE,
        }
    }

    fn drain(&self, limit: u64) -> Drain {
        match &self.kind {
            // Wherever the window begins, a burst and the rest of it are not more than its limit.
            Kind::AtReset(turn) if !turn.is_said => {
                Drain(limit.saturating_sub(self.burst(limit)).max(1))
            }
            // Others of the account have their part of every second too.
            Kind::AtReset(turn) => Drain((limit - turn.expected.min(limit / 10 * 9)).max(1)),
            Kind::Continuous => Drain(limit),
        }
    }

    fn drain_or_none(&self) -> Drain {
        self.limit.map_or(Drain(0), |limit| self.drain(limit))
    }

    fn ticks(&self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.window.as_millis())
    }

    fn rescale(&mut self, window: Span) {
        if window != self.window {
            let units = self.level.ticks / u128::from(self.window.as_millis().max(1));
            let ticks = units.saturating_mul(u128::from(window.as_millis()));
            self.level = Level::new(ticks, self.level.at);
            self.window = window;
        }
    }
}

impl Share {
    /// Nothing is kept back.
    pub(crate) const ALL: Self = Self { safe_permille: 0, is_critical: true };

    fn kept(self) -> u32 {
        if self.is_critical { 0 } else { self.safe_permille.min(1000) }
    }

    /// What this share may use of `amount`.
    fn of(self, amount: u64) -> u64 {
        let usable = u128::from(amount) * u128::from(1000 - self.kept()) / 1000;
        u64::try_from(usable).unwrap_or(amount)
    }
}
