//! One model at one account: its breaker, its meters and its concurrency, decided together.
//!
//! `ask` takes a place or leaves everything as it was; a place is held by its [`Pass`], which ends
//! exactly once. A pass whose start lies in the future waits for it and asks `due` before it is
//! sent, since the provider may have refused others meanwhile. It would be wrong to decide the
//! parts one by one: a request refused by the last of them would have spent the others.

use tollgate_units::{Span, Timestamp};

use crate::breaker::{Breaker, BreakerSettings, Change, Outcome, Permit};
use crate::concurrency::Concurrency;
use crate::learned::{Learned, Mark};
use crate::need::Need;
use crate::observed::Observed;
use crate::outlook::{Outlook, PoolRow};
use crate::pool::Share;
use crate::promise::{Gate, Promise, WAIT_CHECKED};

/// How far apart requests start after a refusal; each success takes a quarter off.
const GAP: Span = Span::from_millis(100);
/// The shortest wait for a place, when as many as the provider bears are in flight.
const PLACE_MIN: Span = Span::from_millis(10);

/// A longer flight counts as so long.
const FLIGHT_MAX: Span = Span::from_secs(3600);

/// What an operator configures of a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RouteSettings {
    /// When its breaker opens.
    pub breaker: BreakerSettings,
    /// The share of each pool that is kept for critical requests, in thousandths.
    pub safe_permille: u32,
}

impl Default for RouteSettings {
    fn default() -> Self {
        Self { breaker: BreakerSettings::default(), safe_permille: 50 }
    }
}

/// A request, as far as a route has to know it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Call {
    /// What the provider counts of it up front.
    pub need: Need,
    /// Whether it may use what is kept back for critical requests.
    pub is_critical: bool,
    /// How long it would wait for its start.
    pub patience: Span,
}

/// Why a route takes no request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closed {
    /// It has no room that the caller would wait for.
    Full {
        /// When it will.
        room_at: Timestamp,
    },
    /// It never will: larger than the account's whole limit, or the account has none.
    Never,
    /// It is shut: its breaker is open, the provider said that it has too much to do, or that the
    /// account is empty. A limit of the account that is used up is no ill health, but [`Full`],
    /// however far away its room is.
    ///
    /// [`Full`]: Self::Full
    Open {
        /// When to ask again.
        until: Timestamp,
    },
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The account is empty or misconfigured: nothing passes but one probe now and then.
    Exhausted,
    /// It failed: connection, timeout, 5xx.
    Failed,
    /// The caller's own mistake, or the caller hung up: says nothing of the provider.
    Ignored,
    /// It was answered.
    Success {
        /// How long after the send its first token came, where there was one.
        first_token: Option<Span>,
        /// The size of the prompt, by which that is judged.
        prompt_tokens: u64,
        /// What the provider counts only now.
        afterwards: Need,
        /// What it counted up front, and counts no more.
        back: Need,
    },
    /// The provider refused: too much, or too busy.
    Throttled {
        /// What it promised.
        retry_after: Option<Span>,
        /// Whether the provider is overloaded (503, 529), not the account's limit reached.
        overloaded: bool,
    },
    /// It was never sent.
    Unsent,
}

/// What an ending means to an operator.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct News {
    /// The breaker moved.
    pub breaker: Option<Change>,
    /// The first success after a refusal: by how many milliseconds the wait was too short, or,
    /// below zero, too long.
    pub reset_error_ms: Option<i64>,
    /// The quota fell below the safe share, or is well above it again.
    pub below_safe: Option<bool>,
}

/// A place at a route.
#[derive(Debug)]
#[must_use = "a pass ends in `Route::ended`; what it holds is held until then"]
pub struct Pass {
    /// When it may be sent.
    pub starts_at: Timestamp,
    number: u64,
    need: Need,
    is_critical: bool,
    mark: Mark,
    permit: Permit,
    checks: Option<Check>,
    stage: Stage,
}

/// What a call is sent against, to see whether that still holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Check {
    /// What the meters say.
    Meters,
    /// A promise.
    Promise,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    /// It has its place.
    Taken,
    /// The head of its answer is there.
    Heard,
    /// Its answer flows.
    Flows,
}

/// One model at one account.
#[derive(Clone, Debug)]
pub struct Route {
    settings: RouteSettings,
    breaker: Breaker,
    learned: Learned,
    concurrency: Concurrency,
    promise: Promise,
    /// Whether the last refusal was for everybody, and not for what this account has used.
    was_overloaded: bool,
    gap: Span,
    /// The number of the next pass.
    next: u64,
    /// The usual length of a flight, in milliseconds × 8.
    flight: u64,
    is_below_safe: bool,
}

/// What a request would meet: when it may start, and as a check of what.
struct Way {
    start: Timestamp,
    checks: Option<Check>,
}

impl Route {
    /// A route of which nothing is known.
    pub fn new(settings: RouteSettings) -> Self {
        Self {
            settings,
            breaker: Breaker::new(settings.breaker),
            learned: Learned::default(),
            concurrency: Concurrency::default(),
            promise: Promise::default(),
            was_overloaded: false,
            gap: Span::ZERO,
            next: 1,
            flight: 0,
            is_below_safe: false,
        }
    }

    /// Other settings from now on; what is known stays.
    pub fn reconfigure(&mut self, settings: RouteSettings) {
        self.settings = settings;
        self.breaker.reconfigure(settings.breaker);
    }

    /// What is known now, for choosing among routes. Changes nothing.
    pub fn outlook(&self, call: &Call, now: Timestamp) -> Outlook {
        let state = self.breaker.state(now);
        let room_at = match self.way(call, now) {
            Ok(way) => Some(way.start),
            Err(Closed::Full { room_at }) => Some(room_at),
            Err(Closed::Open { until }) => Some(until),
            Err(Closed::Never) => None,
        };
        // While traffic comes back, the die that lets it through is the most that can be said.
        let room_at = match self.breaker.outlook(now, 0) {
            Ok(()) => room_at,
            Err(until) => room_at.map(|at| at.max(until)),
        };
        Outlook {
            state,
            shut: self.promise.shut(now),
            room_at,
            headroom_permille: self.learned.headroom_permille(now),
            first_token: self.concurrency.first_token(),
            in_flight: self.concurrency.in_flight(),
            concurrency: self.concurrency.limit(),
        }
    }

    /// What is known of the provider's meters, for people.
    pub fn pools(&self, now: Timestamp) -> impl Iterator<Item = PoolRow<'_>> {
        self.learned.pools().map(move |pool| PoolRow::of(pool, now))
    }

    /// When one request goes to see whether the meters are right, where they leave even the
    /// smallest alone for longer than a minute.
    pub fn next_check(&self, now: Timestamp) -> Option<Timestamp> {
        self.checks_at(&self.learned.least(), now)
    }

    /// Takes a place, starting now or at most the call's patience later. `die` is uniform over all
    /// integers and decides while traffic comes back.
    ///
    /// # Errors
    ///
    /// Why there is none; then nothing has changed.
    pub fn ask(&mut self, call: &Call, now: Timestamp, die: u64) -> Result<Pass, Closed> {
        let way = self.way(call, now)?;
        if way.start > now.plus(call.patience) {
            let room_at = way.start;
            let is_ill = self.was_overloaded && self.promise.shut(now).is_some();
            return Err(if is_ill {
                Closed::Open { until: room_at }
            } else {
                Closed::Full { room_at }
            });
        }
        let permit = self.breaker.may_pass(now, die).map_err(|until| Closed::Open { until })?;
        // Nothing is written above this line but a probe's place, and nothing fails below it.
        let number = self.next;
        self.next += 1;
        let mark = self.learned.take(&call.need, number, way.start, now);
        self.concurrency.began();
        match way.checks {
            Some(Check::Meters) => self.learned.checking(&call.need, now),
            Some(Check::Promise) => self.promise.probing(),
            None => {}
        }
        Ok(Pass {
            starts_at: way.start,
            number,
            need: call.need,
            is_critical: call.is_critical,
            mark,
            permit,
            checks: way.checks,
            stage: Stage::Taken,
        })
    }

    /// Asked just before a pass that had to wait is sent: when the provider has refused others
    /// meanwhile, its start moves, in the order of asking. Returns the start.
    pub fn due(&mut self, pass: &mut Pass, now: Timestamp) -> Timestamp {
        self.learned.advance(now);
        let Some(shut) = self.promise.shut(now) else {
            return pass.starts_at;
        };
        if pass.checks == Some(Check::Promise) || !self.promise.is_older(pass.number) {
            return pass.starts_at;
        }
        // A route that only a probe opens is asked again when the probe may have.
        let from =
            if shut.until < Timestamp::MAX { shut.until } else { shut.next_probe.unwrap_or(now) };
        self.learned.unsent(&pass.mark, &pass.need, now);
        self.learned.hear(&pass.need);
        let from = from.max(self.after_gap(now));
        let start = self.learned.start(&pass.need, self.share(pass.is_critical), from, now);
        pass.number = self.next;
        self.next += 1;
        pass.starts_at = start.unwrap_or(from.max(self.learned.last_start()));
        pass.mark = self.learned.take(&pass.need, pass.number, pass.starts_at, now);
        pass.starts_at
    }

    /// The head of the answer is there, be it a success or a refusal.
    pub fn heard(&mut self, pass: &mut Pass, observed: &[Observed<'_>], now: Timestamp) {
        self.learned.learn(observed, &pass.mark, &pass.need, now);
        self.hear(pass);
    }

    /// The answer flows: the provider is well, and whoever waits for that need not wait for the end
    /// of a long answer. `first_token` is how long after the send it came, where that says
    /// something: in a stream.
    pub fn flows(
        &mut self,
        pass: &mut Pass,
        first_token: Option<Span>,
        prompt_tokens: u64,
        now: Timestamp,
    ) -> News {
        if pass.stage == Stage::Flows {
            return News::default();
        }
        self.hear(pass);
        pass.stage = Stage::Flows;
        if !self.promise.is_older(pass.number) {
            self.gap = Span::from_millis(self.gap.as_millis() * 3 / 4);
        }
        if let Some(span) = first_token {
            self.concurrency.first_token_came(span, prompt_tokens, (pass.number, self.next));
        }
        let was_check = pass.checks.is_some();
        self.learned.served(&pass.need, was_check, now);
        if pass.checks.take() == Some(Check::Promise) {
            self.promise.probed(now);
        }
        News {
            reset_error_ms: self.promise.succeeded(pass.number, now),
            breaker: self.breaker.proved(&mut pass.permit, now),
            below_safe: None,
        }
    }

    /// How it ended. A pass that was never sent gives everything back.
    pub fn ended(&mut self, mut pass: Pass, ended: Ended, now: Timestamp) -> News {
        self.learned.advance(now);
        self.hear(&mut pass);
        let flight = (pass.number, self.next);
        let mut news = News::default();
        let outcome = match ended {
            Ended::Exhausted => {
                self.promise.exhausted(flight, now);
                Some(Outcome::Ignored)
            }
            Ended::Failed => Some(Outcome::Failure),
            Ended::Ignored => Some(Outcome::Ignored),
            Ended::Success { first_token, prompt_tokens, afterwards, back } => {
                news = self.flows(&mut pass, first_token, prompt_tokens, now);
                self.concurrency.succeeded(flight);
                let millis = now.since(pass.starts_at).min(FLIGHT_MAX).as_millis();
                self.flight = self.flight - self.flight / 8 + millis;
                self.learned.settle(&pass.mark, &afterwards, &back, now);
                Some(Outcome::Success)
            }
            Ended::Throttled { retry_after, overloaded } => {
                self.throttled(&pass, retry_after, overloaded, now);
                Some(if overloaded { Outcome::Failure } else { Outcome::Ignored })
            }
            Ended::Unsent => {
                self.learned.unsent(&pass.mark, &pass.need, now);
                None
            }
        };
        if pass.checks == Some(Check::Promise) {
            self.promise.probed(now);
        }
        self.concurrency.left();
        match outcome {
            Some(outcome) => {
                let moved = self.breaker.ended(pass.permit, outcome, now);
                news.breaker = moved.or(news.breaker);
            }
            None => self.breaker.abandoned(pass.permit),
        }
        news.below_safe = self.safe_passed(now);
        news
    }

    fn hear(&mut self, pass: &mut Pass) {
        if pass.stage == Stage::Taken {
            pass.stage = Stage::Heard;
            self.learned.hear(&pass.need);
        }
    }

    fn throttled(
        &mut self,
        pass: &Pass,
        retry_after: Option<Span>,
        overloaded: bool,
        now: Timestamp,
    ) {
        self.learned.refused(&pass.mark, &pass.need, now);
        // What a quota explains says nothing of how many at once.
        if overloaded || !self.learned.knows_limits() {
            self.concurrency.pushed_back((pass.number, self.next));
        }
        let is_said = retry_after.is_some_and(|span| !span.is_zero());
        if overloaded && !is_said {
            return;
        }
        let predicted = self.learned.predicted(&pass.need, self.share(pass.is_critical), now);
        self.promise.refused((pass.number, self.next), retry_after, predicted, now);
        self.was_overloaded = overloaded;
        self.gap = self.gap.max(GAP);
    }

    /// When a request may start, as far as anything but the breaker has a say.
    fn way(&self, call: &Call, now: Timestamp) -> Result<Way, Closed> {
        let (from, is_probe) = match self.promise.gate(now) {
            Gate::From(at) => (at.max(self.after_gap(now)), false),
            Gate::Probe => (now, true),
            Gate::Shut(until) => return Err(Closed::Open { until }),
        };
        let start = self.learned.start(&call.need, self.share(call.is_critical), from, now);
        let is_far = start.is_none_or(|start| start > now.plus(WAIT_CHECKED));
        let is_due = || self.checks_at(&call.need, now).is_some_and(|at| at <= now);
        let checks = match (is_probe, is_far) {
            (true, _) => Some(Check::Promise),
            (false, true) if is_due() => Some(Check::Meters),
            (false, _) => None,
        };
        // A check goes now, whatever our picture of the meters says.
        let start = if checks.is_some() { now } else { start.ok_or(Closed::Never)? };
        if self.concurrency.is_full() {
            return Err(Closed::Full { room_at: start.max(now.plus(self.until_a_place())) });
        }
        if self.learned.is_full() {
            return Err(Closed::Full { room_at: start });
        }
        Ok(Way { start, checks })
    }

    /// A promise has checks of its own.
    fn checks_at(&self, need: &Need, now: Timestamp) -> Option<Timestamp> {
        let is_promised = self.promise.shut(now).is_some();
        if is_promised { None } else { self.learned.next_check(need, now) }
    }

    fn after_gap(&self, now: Timestamp) -> Timestamp {
        if self.gap.is_zero() { now } else { self.learned.last_start().plus(self.gap).max(now) }
    }

    fn until_a_place(&self) -> Span {
        let places = u64::from(self.concurrency.limit().unwrap_or(1).max(1));
        Span::from_millis(self.flight / 8 / places).max(PLACE_MIN)
    }

    fn share(&self, is_critical: bool) -> Share {
        Share { safe_permille: self.settings.safe_permille, is_critical }
    }

    /// Whether the quota has passed the safe share: down at it, up at twice as much, so that what
    /// hovers there is told once.
    fn safe_passed(&mut self, now: Timestamp) -> Option<bool> {
        let headroom = self.learned.headroom_permille(now);
        let safe = self.settings.safe_permille;
        let is_below =
            if self.is_below_safe { headroom <= safe.saturating_mul(2) } else { headroom <= safe };
        let has_passed = is_below != self.is_below_safe;
        self.is_below_safe = is_below;
        has_passed.then_some(is_below)
    }
}
