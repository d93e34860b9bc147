//! A provider with real meters: 500 requests and 30,000 tokens a minute, in three dialects.

use tollgate_routing::{Counted, Observed, Refill};
use tollgate_units::{Span, Timestamp};

pub(crate) const REQUESTS: u64 = 500;
pub(crate) const TOKENS: u64 = 30_000;
const MINUTE: u64 = 60_000;
const SLICE: u64 = 10_000;

/// How the provider counts and what it says of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// Buckets; exact numbers, milliseconds until they are full (OpenAI).
    Exact,
    /// Buckets; tokens left rounded to the nearest thousand, whole seconds (Anthropic).
    Rounded,
    /// A counter a minute for tokens, slices of ten seconds for requests; whole seconds (Azure).
    Windows,
}

/// A bucket: what is gone of it, in parts of a unit of which `rate` come back a millisecond.
#[derive(Debug)]
struct Refilling {
    size: u64,
    gone: u64,
    at: u64,
}

impl Refilling {
    fn gone(&mut self, now: u64) -> u64 {
        let back = (now - self.at) * self.size;
        self.gone = self.gone.saturating_sub(back);
        self.at = now;
        self.gone
    }

    fn has_room(&mut self, units: u64, now: u64) -> bool {
        self.gone(now) + units * MINUTE <= self.size * MINUTE
    }

    fn left(&mut self, now: u64) -> u64 {
        (self.size * MINUTE - self.gone(now)) / MINUTE
    }

    fn full_at(&mut self, now: u64) -> u64 {
        now + self.gone(now).div_ceil(self.size)
    }
}

/// A counter per window.
#[derive(Debug)]
struct Windowed {
    size: u64,
    length: u64,
    used: u64,
    window: u64,
}

impl Windowed {
    fn used(&mut self, now: u64) -> u64 {
        if now / self.length != self.window {
            self.window = now / self.length;
            self.used = 0;
        }
        self.used
    }
}

/// What an answer says: limit, remaining and reset of requests, then of tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    dialect: Dialect,
    left: [u64; 2],
    reset_at: [u64; 2],
}

impl Report {
    /// It took so long to come; what counts from its coming is later by as much.
    pub(crate) fn arrives_after(&mut self, way: u64) {
        if self.dialect == Dialect::Windows {
            self.reset_at = self.reset_at.map(|at| at + way);
        }
    }

    /// As the dialect's reader would give it.
    pub(crate) fn observed(&self) -> [Observed<'static>; 2] {
        let of = |name, counts, index: usize, limit| Observed {
            name,
            counts,
            refill: match self.dialect {
                Dialect::Exact | Dialect::Rounded => Refill::Continuous,
                Dialect::Windows => Refill::AtReset,
            },
            window: (self.dialect == Dialect::Windows).then_some(Span::from_secs(60)),
            limit: Some(limit),
            remaining: Some(self.left[index]),
            reset_at: Some(Timestamp::from_millis(self.reset_at[index])),
            grain: if self.dialect == Dialect::Rounded && index == 1 { 1000 } else { 1 },
        };
        [of("requests", Counted::Requests, 0, REQUESTS), of("tokens", Counted::Tokens, 1, TOKENS)]
    }
}

/// The meters of one account.
#[derive(Debug)]
pub(crate) struct Provider {
    dialect: Dialect,
    buckets: [Refilling; 2],
    counters: [Windowed; 2],
    slice: Windowed,
}

impl Provider {
    pub(crate) fn new(dialect: Dialect, now: u64) -> Self {
        let bucket = |size| Refilling { size, gone: 0, at: now };
        let counter = |size, length| Windowed { size, length, used: 0, window: 0 };
        Self {
            dialect,
            buckets: [bucket(REQUESTS), bucket(TOKENS)],
            counters: [counter(REQUESTS, MINUTE), counter(TOKENS, MINUTE)],
            slice: counter(REQUESTS / 6, SLICE),
        }
    }

    /// Counts a request that arrives at `now`; `Err` is a 429 with the seconds it promises.
    pub(crate) fn take(&mut self, tokens: u64, now: u64) -> Result<(), u64> {
        if self.dialect == Dialect::Windows {
            return self.count(tokens, now);
        }
        let [requests, bucket] = &mut self.buckets;
        if !requests.has_room(1, now) || !bucket.has_room(tokens, now) {
            return Err(1);
        }
        requests.gone += MINUTE;
        bucket.gone += tokens * MINUTE;
        Ok(())
    }

    fn count(&mut self, tokens: u64, now: u64) -> Result<(), u64> {
        if self.slice.used(now) + 1 > self.slice.size {
            return Err((SLICE - now % SLICE).div_ceil(1000));
        }
        let [requests, counter] = &mut self.counters;
        let is_over = requests.used(now) + 1 > requests.size;
        if is_over || counter.used(now) + tokens > counter.size {
            return Err((MINUTE - now % MINUTE).div_ceil(1000));
        }
        self.slice.used += 1;
        requests.used += 1;
        counter.used += tokens;
        Ok(())
    }

    /// What it says at `now`.
    pub(crate) fn report(&mut self, now: u64) -> Report {
        let whole_seconds = |millis: u64| millis.div_ceil(1000) * 1000;
        let [requests, bucket] = &mut self.buckets;
        let [minute, counter] = &mut self.counters;
        let (left, reset_at) = match self.dialect {
            Dialect::Exact => (
                [requests.left(now), bucket.left(now)],
                [requests.full_at(now), bucket.full_at(now)],
            ),
            Dialect::Rounded => (
                [requests.left(now), (bucket.left(now) + 500) / 1000 * 1000],
                [whole_seconds(requests.full_at(now)), whole_seconds(bucket.full_at(now))],
            ),
            Dialect::Windows => {
                let reset = now + whole_seconds(MINUTE - now % MINUTE);
                let left = [minute.size - minute.used(now), counter.size - counter.used(now)];
                (left, [reset, reset])
            }
        };
        Report { dialect: self.dialect, left, reset_at }
    }
}
