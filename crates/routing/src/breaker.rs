//! Stops calling what does not answer, and comes back carefully.
//!
//! ```text
//! Closed   --failures in a row, or their share in the window--> Open
//! Open     --cooldown over-->                                   HalfOpen   one probe at a time
//! HalfOpen --three probes succeed-->                            Ramping    10 % to 100 %
//! HalfOpen --a probe fails-->                                   Open       cooldown doubled
//! Ramping  --trips as Closed does-->                            Open       cooldown doubled
//! Ramping  --cooldown over-->                                   Closed     cooldown as configured
//! ```
//!
//! Every permit carries the generation of the state that gave it, so that the answer to an old
//! request cannot move a newer state (M. Nygard, "Release It!"; generations as in sony/gobreaker).
//! It would be wrong to count what the caller did wrong, or a quota that refused: neither says
//! anything of the provider's health.

use tollgate_units::{Span, Timestamp};

use crate::backoff::doubled;
use crate::tally::Tally;

/// Probes that have to succeed before traffic comes back.
pub const PROBES: u32 = 3;
/// The share of traffic with which the ramp begins.
pub const RAMP_PERCENT_MIN: u32 = 10;
/// What the cooldown doubles up to, unless it is configured longer.
pub const COOLDOWN_MAX: Span = Span::from_secs(60);
/// When to ask again, when only a die or a probe stood in the way.
const ASK_AGAIN: Span = Span::from_millis(100);

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerSettings {
    /// So many failures in a row open it.
    pub failures: u32,
    /// So large a share of failures in the window opens it.
    pub error_percent: u32,
    /// Calls in the window before their share means anything.
    pub least: u32,
    /// Over how long the share is taken.
    pub window: Span,
    /// How long it stays open at first.
    pub cooldown: Span,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            error_percent: 50,
            least: 20,
            window: Span::from_secs(10),
            cooldown: Span::from_secs(5),
        }
    }
}

/// The state, as it is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    /// Everything passes.
    Closed,
    /// One probe at a time passes.
    HalfOpen,
    /// Nothing passes.
    Open {
        /// When probes begin.
        until: Timestamp,
    },
    /// A growing share passes.
    Ramping {
        /// The share.
        percent: u32,
    },
}

/// What a call said of the provider's health.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It did not answer, or not well.
    Failure,
    /// Nothing: the caller's own mistake, or nobody waited for it.
    Ignored,
    /// It answered.
    Success,
}

/// A change that an operator wants to hear of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// Full traffic again.
    Closed,
    /// Nothing passes any more.
    Opened {
        /// When probes begin.
        until: Timestamp,
    },
    /// The probes succeeded, traffic is coming back.
    Recovering,
}

/// The right to make one call.
#[derive(Debug, Eq, PartialEq)]
#[must_use = "a permit ends in `ended` or `abandoned`; a probe's place is held until then"]
pub struct Permit {
    generation: u64,
    /// Whether its success has been counted.
    is_proved: bool,
    /// Whether the call is a probe.
    pub is_probe: bool,
}

/// Whether a provider may be called.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    generation: u64,
    /// How long it will be open next time.
    cooldown: Span,
}

#[derive(Clone, Debug)]
enum State {
    Closed { in_a_row: u32, tally: Tally },
    HalfOpen { is_probing: bool, passed: u32 },
    Open { until: Timestamp },
    Ramping { since: Timestamp, over: Span, in_a_row: u32, tally: Tally },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings) -> Self {
        let state = State::Closed { in_a_row: 0, tally: Tally::default() };
        Self { settings, state, generation: 0, cooldown: settings.cooldown }
    }

    /// Other settings, from the next event on; the state stays.
    pub fn reconfigure(&mut self, settings: BreakerSettings) {
        self.settings = settings;
        if let State::Closed { .. } = self.state {
            self.cooldown = settings.cooldown;
        }
    }

    /// The state at `now`.
    pub fn state(&self, now: Timestamp) -> BreakerState {
        match &self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until } if now < *until => BreakerState::Open { until: *until },
            State::HalfOpen { .. } | State::Open { .. } => BreakerState::HalfOpen,
            State::Ramping { since, over, .. } => match ramp_percent(*since, *over, now) {
                100.. => BreakerState::Closed,
                percent => BreakerState::Ramping { percent },
            },
        }
    }

    /// Whether a call may pass, without taking anything.
    ///
    /// # Errors
    ///
    /// When to ask again.
    pub fn outlook(&self, now: Timestamp, die: u64) -> Result<(), Timestamp> {
        match &self.state {
            State::HalfOpen { is_probing: true, .. } => Err(now.plus(ASK_AGAIN)),
            State::Open { until } if now < *until => Err(*until),
            State::Closed { .. } | State::HalfOpen { .. } | State::Open { .. } => Ok(()),
            State::Ramping { since, over, .. } => {
                let percent = u64::from(ramp_percent(*since, *over, now));
                if die % 100 < percent { Ok(()) } else { Err(now.plus(ASK_AGAIN)) }
            }
        }
    }

    /// The right to make a call. `die` is uniform over all integers and decides while traffic comes
    /// back.
    ///
    /// # Errors
    ///
    /// When to ask again.
    pub fn may_pass(&mut self, now: Timestamp, die: u64) -> Result<Permit, Timestamp> {
        self.outlook(now, die)?;
        if let State::Open { .. } = self.state {
            self.enter(State::HalfOpen { is_probing: false, passed: 0 });
        }
        let is_probe = if let State::HalfOpen { is_probing, .. } = &mut self.state {
            *is_probing = true;
            true
        } else {
            false
        };
        Ok(Permit { generation: self.generation, is_proved: false, is_probe })
    }

    /// The call is being answered. A probe has shown by that what it was sent for, however long the
    /// answer is; every other call counts by how it ends.
    pub fn proved(&mut self, permit: &mut Permit, now: Timestamp) -> Option<Change> {
        let probes = matches!(self.state, State::HalfOpen { .. });
        if permit.generation != self.generation || permit.is_proved || !probes {
            return None;
        }
        let moved = self.succeeded(now);
        (permit.is_proved, permit.is_probe) = (true, false);
        permit.generation = self.generation;
        moved
    }

    /// How a call ended. The answer to a call of an earlier state says nothing any more.
    #[expect(clippy::needless_pass_by_value, reason = "a permit ends once")]
    pub fn ended(&mut self, permit: Permit, outcome: Outcome, now: Timestamp) -> Option<Change> {
        if permit.generation != self.generation {
            return None;
        }
        let closed = self.close_after_ramp(now);
        let moved = match outcome {
            Outcome::Failure => self.failed(now),
            Outcome::Ignored | Outcome::Success if permit.is_proved => None,
            Outcome::Ignored => {
                self.free_probe();
                None
            }
            Outcome::Success => self.succeeded(now),
        };
        moved.or(closed)
    }

    /// A call was never made: its place is free again.
    #[expect(clippy::needless_pass_by_value, reason = "a permit ends once")]
    pub fn abandoned(&mut self, permit: Permit) {
        if permit.generation == self.generation && permit.is_probe {
            self.free_probe();
        }
    }

    fn free_probe(&mut self) {
        if let State::HalfOpen { is_probing, .. } = &mut self.state {
            *is_probing = false;
        }
    }

    fn succeeded(&mut self, now: Timestamp) -> Option<Change> {
        let window = self.settings.window;
        match &mut self.state {
            State::Closed { in_a_row, tally } | State::Ramping { in_a_row, tally, .. } => {
                *in_a_row = 0;
                tally.count(false, window, now);
                None
            }
            State::HalfOpen { is_probing, passed } => {
                *is_probing = false;
                *passed += 1;
                if *passed < PROBES {
                    return None;
                }
                let over = self.cooldown;
                let tally = Tally::default();
                self.enter(State::Ramping { since: now, over, in_a_row: 0, tally });
                Some(Change::Recovering)
            }
            // A permit of this generation cannot exist: nothing passes.
            State::Open { .. } => None,
        }
    }

    fn failed(&mut self, now: Timestamp) -> Option<Change> {
        let settings = self.settings;
        match &mut self.state {
            State::Closed { in_a_row, tally } | State::Ramping { in_a_row, tally, .. } => {
                *in_a_row = in_a_row.saturating_add(1);
                tally.count(true, settings.window, now);
                let share = tally.error_percent(settings.least, settings.window, now);
                let is_bad = share.is_some_and(|share| share >= settings.error_percent);
                (*in_a_row >= settings.failures || is_bad).then(|| self.open(now))
            }
            State::HalfOpen { .. } => Some(self.open(now)),
            State::Open { .. } => None,
        }
    }

    /// Opens; whoever opens before having fully recovered stays open twice as long.
    fn open(&mut self, now: Timestamp) -> Change {
        let is_relapse = !matches!(self.state, State::Closed { .. });
        if is_relapse {
            let longest = COOLDOWN_MAX.max(self.settings.cooldown);
            self.cooldown = doubled(self.cooldown, 1).min(longest);
        }
        let until = now.plus(self.cooldown);
        self.enter(State::Open { until });
        Change::Opened { until }
    }

    /// The end of the ramp is a moment, which is noticed when the next call ends. Calls of the
    /// ramp still count after it, so it is no new generation.
    fn close_after_ramp(&mut self, now: Timestamp) -> Option<Change> {
        let State::Ramping { since, over, in_a_row, tally } = &self.state else {
            return None;
        };
        if now < since.plus(*over) {
            return None;
        }
        self.state = State::Closed { in_a_row: *in_a_row, tally: tally.clone() };
        self.cooldown = self.settings.cooldown;
        Some(Change::Closed)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

/// A die for a call that has waited for `held` of at most `most`: it passes sooner than others, and
/// surely once it can wait no longer, while traffic comes back. `die` is uniform over all integers.
pub fn loaded(die: u64, held: Span, most: Span) -> u64 {
    let left = u128::from(most.less(held).as_millis());
    let lowered = (u128::from(die % 100) * left).checked_div(u128::from(most.as_millis()));
    lowered.and_then(|lowered| u64::try_from(lowered).ok()).unwrap_or(0)
}

fn ramp_percent(since: Timestamp, over: Span, now: Timestamp) -> u32 {
    let passed = now.since(since).min(over).as_millis();
    let rest = u128::from(100 - RAMP_PERCENT_MIN);
    let grown = (rest * u128::from(passed)).checked_div(u128::from(over.as_millis()));
    grown.and_then(|grown| u32::try_from(grown).ok()).map_or(100, |grown| RAMP_PERCENT_MIN + grown)
}

#[cfg(test)]
mod tests;
