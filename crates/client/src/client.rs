//! The client: what is shared by everybody who calls one provider, and the two ways to use it.
//!
//! Whoever has to wait stands in line, first come, first served, and only the first of the line
//! watches the bucket; so a large request is not starved by small ones. A future that is dropped
//! leaves the line, and nothing is taken before its turn. One short lock is around the bucket, the
//! breaker and the budget; none lives across an `await`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tollgate_limits::{Marks, Standing, Wait};
use tollgate_routing::{Breaker, BreakerState, Outcome, RetryBudget};
use tollgate_units::{Amount, Timestamp};

use crate::bucket::Limiter;
use crate::clock::{self, Clock};
use crate::config::{Config, ConfigError};
use crate::dice::Dice;
use crate::error::Refusal;

/// A limiter, retries and a breaker in front of one provider. Clones share everything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tollgate_client::{Amount, Config, Tollgate};
///
/// let gate = Tollgate::new(Config::default())?;
/// gate.acquire(Amount::ONE).await?;
/// // One request may be sent now; when there is no room for it, `acquire` waits.
/// assert_eq!(gate.standing().left, Amount::new(119));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tollgate {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    state: Mutex<State>,
    /// A place for each who may wait.
    places: Semaphore,
    /// One permit: the turn to watch the bucket, handed on in the order of coming.
    turn: Semaphore,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) bucket: Limiter,
    pub(crate) breaker: Breaker,
    pub(crate) budget: RetryBudget,
}

impl Tollgate {
    /// A client with a full bucket and a closed breaker.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Self::with_dice(config, Dice::fresh())
    }

    /// The same, whose jitter is the same in every run: for tests and simulations.
    ///
    /// # Errors
    ///
    /// As [`Tollgate::new`].
    pub fn seeded(config: Config, seed: u64) -> Result<Self, ConfigError> {
        Self::with_dice(config, Dice::seeded(seed))
    }

    fn with_dice(config: Config, dice: Dice) -> Result<Self, ConfigError> {
        config.validate()?;
        let state = State {
            bucket: Limiter::new(config.bucket),
            breaker: Breaker::new(config.breaker),
            budget: RetryBudget::new(config.retry.budget_percent),
        };
        // `validate` knows the bound; a smaller machine takes what it can.
        let places = usize::try_from(config.queue.waiting_max).unwrap_or(usize::MAX >> 3);
        let shared = Shared {
            config,
            clock: Clock::new(),
            dice,
            state: Mutex::new(state),
            places: Semaphore::new(places),
            turn: Semaphore::new(1),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Waits in line until the bucket has room for `cost`, and takes it.
    ///
    /// Dropping the future leaves the line; nothing was taken.
    ///
    /// # Errors
    ///
    /// When it never fits, when as many wait as may, or after [`crate::QueueConfig::wait_max`].
    pub async fn acquire(&self, cost: Amount) -> Result<Permit, Refusal> {
        let shared = &self.shared;
        shared.fits(cost)?;
        let Ok(_place) = shared.places.try_acquire() else {
            return Err(Refusal::Crowded { waiting: shared.config.queue.waiting_max });
        };
        let longest = clock::duration(shared.config.queue.wait_max);
        match tokio::time::timeout(longest, self.in_turn(cost)).await {
            Ok(taken) => taken,
            Err(_) => Err(shared.limited(cost)),
        }
    }

    /// Takes `cost` if the bucket has room and nobody waits for it.
    ///
    /// # Errors
    ///
    /// When it never fits, or when to come back.
    pub fn try_acquire(&self, cost: Amount) -> Result<Permit, Refusal> {
        self.shared.fits(cost)?;
        // Whoever waits has the turn: to take now would be to overtake.
        let Ok(_turn) = self.shared.turn.try_acquire() else {
            return Err(self.shared.limited(cost));
        };
        self.take(cost).map_err(|_| self.shared.limited(cost))
    }

    /// Where the bucket stands now: what is left counts capacity and burst together.
    pub fn standing(&self) -> Standing {
        let now = self.shared.clock.now();
        self.shared.state().bucket.standing(now)
    }

    /// The breaker's state now.
    pub fn breaker(&self) -> BreakerState {
        let now = self.shared.clock.now();
        self.shared.state().breaker.state(now)
    }

    async fn in_turn(&self, cost: Amount) -> Result<Permit, Refusal> {
        let shared = &self.shared;
        // The semaphore is never closed.
        let Ok(_turn) = shared.turn.acquire().await else {
            return Err(shared.limited(cost));
        };
        // Nobody else takes meanwhile, but debt may come in from settlements: so it asks again.
        loop {
            match self.take(cost) {
                Ok(permit) => return Ok(permit),
                Err(Wait::Until(at)) => shared.clock.sleep_until(at).await,
                Err(Wait::Never) => return Err(shared.too_large(cost)),
            }
        }
    }

    fn take(&self, cost: Amount) -> Result<Permit, Wait> {
        let now = self.shared.clock.now();
        let marks = self.shared.state().bucket.take(cost, now)?;
        Ok(Permit { shared: Arc::clone(&self.shared), marks: Some(marks), cost })
    }
}

impl Shared {
    /// What a panic left under the lock is whole: decisions look before they write.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fits(&self, cost: Amount) -> Result<(), Refusal> {
        let fits = cost <= self.state().bucket.most();
        if fits { Ok(()) } else { Err(self.too_large(cost)) }
    }

    fn too_large(&self, cost: Amount) -> Refusal {
        Refusal::TooLarge { cost, most: self.state().bucket.most() }
    }

    fn limited(&self, cost: Amount) -> Refusal {
        let now = self.clock.now();
        let room_at = self.state().bucket.room_at(cost, now);
        match room_at {
            Wait::Until(at) => Refusal::Limited { retry_after: at.since(now).max(TICK) },
            Wait::Never => self.too_large(cost),
        }
    }

    pub(crate) fn open(&self, until: Timestamp) -> Refusal {
        Refusal::Open { retry_after: until.since(self.clock.now()).max(TICK) }
    }
}

/// What one request has taken from the bucket.
///
/// Dropped, it counts as spent: a limiter must not depend on being told that it was right.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    marks: Option<Marks>,
    cost: Amount,
}

impl Permit {
    /// What it has taken.
    pub const fn cost(&self) -> Amount {
        self.cost
    }

    /// Nothing was sent: everything is there again, but for what has drained meanwhile.
    pub fn give_back(mut self) {
        if let Some(marks) = self.marks.take() {
            let now = self.shared.clock.now();
            self.shared.state().bucket.void(marks, now);
        }
    }

    /// What was really used: less is given back, more is owed and waited for by the next.
    pub fn settle(mut self, used: Amount) {
        self.end(used);
    }

    fn end(&mut self, used: Amount) {
        if let Some(marks) = self.marks.take() {
            let now = self.shared.clock.now();
            self.shared.state().bucket.settle(marks, used, now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.end(self.cost);
    }
}

/// The right to make one attempt: paid for, and passed by the breaker.
///
/// Dropped, it says nothing of the provider, and the place of a probe is free again.
#[derive(Debug)]
pub(crate) struct Pass {
    permit: Permit,
    breaker: Option<tollgate_routing::Permit>,
}

impl Pass {
    pub(crate) fn ended(mut self, outcome: Outcome) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Outcome) {
        if let Some(permit) = self.breaker.take() {
            let now = self.permit.shared.clock.now();
            self.permit.shared.state().breaker.ended(permit, outcome, now);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.tell(Outcome::Ignored);
    }
}

impl Tollgate {
    /// A pass for one attempt. The breaker is asked before the wait, so that nobody waits for
    /// nothing, and after it, because it may have opened meanwhile.
    pub(crate) async fn admit(&self, cost: Amount) -> Result<Pass, Refusal> {
        let shared = &self.shared;
        // One throw for both questions: a share of the traffic passes, not the share's square.
        let die = shared.dice.roll();
        let now = shared.clock.now();
        let outlook = shared.state().breaker.outlook(now, die);
        outlook.map_err(|until| shared.open(until))?;
        let permit = self.acquire(cost).await?;
        let now = shared.clock.now();
        let passed = shared.state().breaker.may_pass(now, die);
        match passed {
            Ok(breaker) => Ok(Pass { permit, breaker: Some(breaker) }),
            Err(until) => {
                permit.give_back();
                Err(shared.open(until))
            }
        }
    }
}

const TICK: tollgate_units::Span = tollgate_units::Span::from_millis(1);
