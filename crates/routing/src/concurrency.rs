//! How many requests at once a route bears.
//!
//! No bound is known until the provider first pushes back. Then additive increase, multiplicative
//! decrease: nine tenths at most once per round of flights, and one more per round while at least
//! half is used (Netflix's concurrency-limits). What is refused first, or while less than half is
//! used, leaves four places: that few were refused says little of how many at once, as little as
//! that few succeed. Four is what TCP begins with (RFC 3390), and two at once still find less.
//!
//! How long an answer takes depends on its length, so it says nothing of load; the time to its
//! first token does, once it is divided by the size of the prompt. It lowers the bound when it is
//! twice a slow baseline and well above it, and never below eight: who is slow still serves. The
//! baseline follows, so that a provider which has become slower for good is taken as it is. It
//! would be wrong to lower the bound for a refusal that a quota explains: the quota paces already.

use tollgate_units::Span;

/// Samples before times to first token are compared.
const SAMPLES_MIN: u32 = 20;
/// A prompt of so many tokens takes about as long as what every prompt takes.
const PROMPT_FLOOR: u64 = 2000;
/// How slowly the two averages follow: an eighth and a 256th of each sample.
const SHORT: u64 = 8;
const LONG: u64 = 256;
/// A first token that comes less than this later says nothing, whatever multiple it is.
const DELAY_MIN: u64 = 250 * SCALE;
/// Slowness alone never leaves fewer places.
const SLOW_MIN: u32 = 8;
/// The first refusal, and one while less than half is used, never leave fewer places.
const FEW_MIN: u32 = 4;
/// Averages are held in parts of a microsecond's scale, so that small steps are not lost.
const SCALE: u64 = 1 << 20;

/// How many at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Concurrency {
    limit: Option<u32>,
    in_flight: u32,
    /// Flights from this number on say something of the bound as it is now.
    round: u64,
    /// Successes since the bound last moved.
    grown: u32,
    short: u64,
    long: u64,
    samples: u32,
    /// The usual time to first token, as it is; in milliseconds × 8.
    first_token: Option<u64>,
}

impl Concurrency {
    /// How many are in flight or about to be.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The bound, once there is one.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// Whether one more is too many.
    pub(crate) fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.in_flight >= limit)
    }

    /// The usual time to first token.
    pub(crate) fn first_token(&self) -> Option<Span> {
        self.first_token.map(|eighths| Span::from_millis(eighths / SHORT))
    }

    /// One more.
    pub(crate) fn began(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// One less.
    pub(crate) fn left(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Flight `number` was pushed back; the next will be `next`. Comes before [`Self::left`].
    pub(crate) fn pushed_back(&mut self, (number, next): (u64, u64)) {
        if number >= self.round {
            let is_half = |limit: u32| self.in_flight.saturating_mul(2) >= limit;
            let (bound, least) = match self.limit {
                None => (self.in_flight, FEW_MIN),
                Some(limit) if is_half(limit) => (limit, 1),
                Some(limit) => (limit, FEW_MIN.min(limit)),
            };
            self.cut(bound, least, next);
        }
    }

    /// Flight `number` succeeded; the next will be `next`. Comes before [`Self::left`].
    pub(crate) fn succeeded(&mut self, (number, next): (u64, u64)) {
        let Some(limit) = self.limit else {
            return;
        };
        if number < self.round || u64::from(self.in_flight) * 2 < u64::from(limit) {
            return;
        }
        self.grown += 1;
        if self.grown >= limit {
            self.limit = Some(limit.saturating_add(1));
            self.grown = 0;
            self.round = next;
        }
    }

    /// The first token of flight `number` came after `span`, for a prompt of so many tokens.
    pub(crate) fn first_token_came(
        &mut self,
        span: Span,
        prompt_tokens: u64,
        (number, next): (u64, u64),
    ) {
        let millis = span.as_millis().min(Span::from_secs(3600).as_millis());
        let usual = self.first_token.unwrap_or(millis * SHORT);
        self.first_token = Some(usual - usual / SHORT + millis);
        let weight = PROMPT_FLOOR + prompt_tokens.min(1 << 32);
        let sample = millis * SCALE / weight * PROMPT_FLOOR;
        self.samples = self.samples.saturating_add(1);
        if self.samples <= SAMPLES_MIN {
            // The plain mean, until there are enough.
            self.long = mean(self.long, sample, u64::from(self.samples));
            self.short = self.long;
            return;
        }
        self.short = mean(self.short, sample, SHORT);
        let is_slow =
            self.short >= self.long.saturating_mul(2) && self.short - self.long >= DELAY_MIN;
        self.long = mean(self.long, sample, LONG);
        let bound = self.limit.unwrap_or(self.in_flight);
        if is_slow && number >= self.round && bound > SLOW_MIN {
            self.cut(bound, SLOW_MIN, next);
        }
    }

    fn cut(&mut self, bound: u32, least: u32, next: u64) {
        let to = u64::from(bound) * 9 / 10;
        self.limit = Some(u32::try_from(to).unwrap_or(u32::MAX).max(least));
        self.round = next;
        self.grown = 0;
    }
}

/// The average moved by one part in `parts` towards the sample.
fn mean(average: u64, sample: u64, parts: u64) -> u64 {
    if sample >= average {
        average + (sample - average) / parts.max(1)
    } else {
        average - (average - sample) / parts.max(1)
    }
}

#[cfg(test)]
mod tests;
