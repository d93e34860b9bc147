//! What a client is made with: a struct with defaults, checked once when the client is made.
//!
//! The same as YAML is read by [`Config::from_yaml`], or by anything that speaks serde.

use std::fmt;

use tollgate_routing::{Backoff, BreakerSettings};
use tollgate_units::{Amount, Span};

/// Everything a client is made with. The default is what this page says of each part.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Config {
    /// How much passes.
    pub bucket: BucketConfig,
    /// Who may wait until it does.
    pub queue: QueueConfig,
    /// When what failed is tried again.
    pub retry: RetryConfig,
    /// When a provider that does not answer is left alone: after 5 failures in a row, or when half
    /// of at least 20 calls in 10 s failed; for 5 s at first, at most 60 s.
    pub breaker: BreakerSettings,
}

/// How much passes: in every interval of length t at most capacity + burst + refill × t.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BucketConfig {
    /// What the bucket holds. 100 units unless said otherwise.
    pub capacity: Amount,
    /// Units that come back in a second. 10 unless said otherwise.
    pub refill: Amount,
    /// What a moment may take on top of the capacity; it comes back at the same rate. 20 units
    /// unless said otherwise.
    pub burst: Amount,
}

/// Who may wait for the bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueueConfig {
    /// How many may wait at once; the next is refused. 10,000 unless said otherwise.
    pub waiting_max: u32,
    /// How long anybody waits before being refused. 60 s unless said otherwise.
    pub wait_max: Span,
}

/// When what failed is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryConfig {
    /// How often a request is sent in all. 5 unless said otherwise.
    pub attempts: u32,
    /// The longest wait after the first failure; it doubles with each. 100 ms unless said
    /// otherwise. Every wait from none to the longest is equally likely.
    pub base: Span,
    /// What the longest wait doubles up to. 30 s unless said otherwise.
    pub cap: Span,
    /// How many retries there may be for a hundred first attempts, over ten seconds, besides ten
    /// that need no traffic. 10 unless said otherwise.
    pub budget_percent: u32,
    /// A provider that says to come back later than this is not waited for. 60 s unless said
    /// otherwise.
    pub retry_after_max: Span,
}

impl Default for BucketConfig {
    fn default() -> Self {
        Self { capacity: Amount::new(100), refill: Amount::new(10), burst: Amount::new(20) }
    }
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { waiting_max: 10_000, wait_max: Span::from_secs(60) }
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts: 5,
            base: Span::from_millis(100),
            cap: Span::from_secs(30),
            budget_percent: 10,
            retry_after_max: Span::from_secs(60),
        }
    }
}

impl RetryConfig {
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff { base: self.base, cap: self.cap }
    }
}

/// Why a configuration makes no client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConfigError {
    /// `retry.attempts` is not from 1 to 20.
    Attempts,
    /// `retry.base` exceeds `retry.cap`.
    BaseAboveCap,
    /// The breaker's failures or cooldown are zero, or a share exceeds a hundred.
    Breaker,
    /// `retry.budget` exceeds a hundred percent.
    Budget,
    /// The bucket holds nothing, is never refilled, or has more than 2^40 of anything.
    Bucket,
    /// `queue.waiting` is not from 1 to a million.
    Waiting,
}

impl Config {
    /// Whether a client can be made of it.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { bucket, queue, retry, breaker } = self;
        let units = [bucket.capacity, bucket.refill, bucket.burst];
        let is_empty = bucket.capacity == Amount::ZERO || bucket.refill == Amount::ZERO;
        let broken = [
            (is_empty || units.into_iter().any(|units| units > UNITS_MAX), ConfigError::Bucket),
            (!(1..=WAITING_MAX).contains(&queue.waiting_max), ConfigError::Waiting),
            (!(1..=ATTEMPTS_MAX).contains(&retry.attempts), ConfigError::Attempts),
            (retry.base > retry.cap, ConfigError::BaseAboveCap),
            (retry.budget_percent > 100, ConfigError::Budget),
            (!is_breaker(breaker), ConfigError::Breaker),
        ];
        broken.into_iter().find(|(is_broken, _)| *is_broken).map_or(Ok(()), |(_, err)| Err(err))
    }
}

fn is_breaker(settings: &BreakerSettings) -> bool {
    settings.failures > 0 && settings.error_percent <= 100 && !settings.cooldown.is_zero()
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attempts => "attempts of retry: expected a number from 1 to 20",
            Self::BaseAboveCap => "base of retry: expected at most its cap",
            Self::Breaker => {
                "breaker: expected at least one failure, a share of at most 100% and a cooldown"
            }
            Self::Budget => "budget of retry: expected a share from 0% to 100%",
            Self::Bucket => {
                "bucket: expected a capacity and a refill of at least 1 and at most 2^40"
            }
            Self::Waiting => "waiting of queue: expected a number from 1 to 1000000",
        })
    }
}

impl std::error::Error for ConfigError {}

const ATTEMPTS_MAX: u32 = 20;
/// What fits into a semaphore of tokio's on every machine.
const WAITING_MAX: u32 = 1_000_000;
/// More than any limit; the sums of such numbers stay exact.
const UNITS_MAX: Amount = Amount::new(1 << 40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_the_page_says() {
        let Config { bucket, retry, .. } = Config::default();
        assert_eq!([bucket.capacity, bucket.refill, bucket.burst].map(Amount::get), [100, 10, 20]);
        assert_eq!((retry.attempts, retry.budget_percent), (5, 10));
        assert_eq!((retry.base, retry.cap), (Span::from_millis(100), Span::from_secs(30)));
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn what_cannot_be_is_refused_and_named() {
        let good = Config::default();
        let bucket = |capacity, refill, burst| {
            let [capacity, refill, burst] = [capacity, refill, burst].map(Amount::new);
            Config { bucket: BucketConfig { capacity, refill, burst }, ..good }
        };
        let retry = |change: fn(&mut RetryConfig)| {
            let mut config = good;
            change(&mut config.retry);
            config
        };
        let queue =
            |waiting_max| Config { queue: QueueConfig { waiting_max, ..good.queue }, ..good };
        let breaker = |breaker| Config { breaker, ..good };
        let table = [
            (bucket(1, 1, 0), Ok(())),
            (bucket(0, 1, 5), Err(ConfigError::Bucket)),
            (bucket(1, 0, 5), Err(ConfigError::Bucket)),
            (bucket(1, 1, (1 << 40) + 1), Err(ConfigError::Bucket)),
            (retry(|retry| retry.attempts = 0), Err(ConfigError::Attempts)),
            (retry(|retry| retry.attempts = 21), Err(ConfigError::Attempts)),
            (retry(|retry| retry.attempts = 1), Ok(())),
            (retry(|retry| retry.cap = Span::from_millis(99)), Err(ConfigError::BaseAboveCap)),
            (retry(|retry| retry.budget_percent = 101), Err(ConfigError::Budget)),
            (queue(0), Err(ConfigError::Waiting)),
            (queue(1_000_001), Err(ConfigError::Waiting)),
            (breaker(BreakerSettings { failures: 0, ..good.breaker }), Err(ConfigError::Breaker)),
            (
                breaker(BreakerSettings { cooldown: Span::ZERO, ..good.breaker }),
                Err(ConfigError::Breaker),
            ),
            (
                breaker(BreakerSettings { error_percent: 101, ..good.breaker }),
                Err(ConfigError::Breaker),
            ),
        ];
        for (config, expected) in table {
            assert_eq!(config.validate(), expected, "{config:?}");
        }
    }
}
