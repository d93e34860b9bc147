//! The configuration as it is written: YAML, or whatever else serde reads.
//!
//! What is left out keeps its default, a key that is not known is a mistake, and a value is read
//! where it stands, so that a mistake is shown with its line. The words are those of the gateway's
//! file: `100ms`, `10%`, `10 per second`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use tollgate_routing::BreakerSettings;
use tollgate_units::{Amount, Span};

use crate::config::{BucketConfig, Config, QueueConfig, RetryConfig};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    bucket: WrittenBucket,
    queue: WrittenQueue,
    retry: WrittenRetry,
    breaker: WrittenBreaker,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenBucket {
    capacity: Option<u64>,
    refill: Option<PerSecond>,
    burst: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenQueue {
    waiting: Option<u32>,
    wait: Option<Lasting>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenRetry {
    attempts: Option<u32>,
    base: Option<Lasting>,
    cap: Option<Lasting>,
    budget: Option<Percent>,
    retry_after_max: Option<Lasting>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenBreaker {
    failures: Option<u32>,
    error_rate: Option<Percent>,
    least: Option<u32>,
    window: Option<Lasting>,
    cooldown: Option<Lasting>,
}

impl Config {
    /// Reads a configuration; an empty text is the default.
    ///
    /// ```
    /// use tollgate_client::{Amount, Config, Span};
    ///
    /// let config = Config::from_yaml(
    ///     "
    ///     bucket: {capacity: 60, refill: 1 per second, burst: 5}
    ///     retry: {attempts: 3, base: 200ms, budget: 5%}
    ///     ",
    /// )?;
    /// assert_eq!(config.bucket.capacity, Amount::new(60));
    /// assert_eq!(config.retry.base, Span::from_millis(200));
    /// assert_eq!(config.retry.cap, Span::from_secs(30));
    /// # Ok::<_, tollgate_client::YamlError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first mistake and where it is: a key that is not known, or a value that is none.
    pub fn from_yaml(text: &str) -> Result<Self, YamlError> {
        let read =
            if text.trim().is_empty() { Ok(Self::default()) } else { serde_saphyr::from_str(text) };
        read.map_err(|err| YamlError { says: err.to_string() })
    }
}

/// A configuration that cannot be read, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct YamlError {
    says: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl std::error::Error for YamlError {}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { bucket, queue, retry, breaker } = Written::deserialize(deserializer)?;
        let standard = Self::default();
        let config = Self {
            bucket: bucket.over(standard.bucket),
            queue: queue.over(standard.queue),
            retry: retry.over(standard.retry),
            breaker: breaker.over(standard.breaker),
        };
        config.validate().map_err(D::Error::custom)?;
        Ok(config)
    }
}

impl WrittenBucket {
    fn over(self, standard: BucketConfig) -> BucketConfig {
        BucketConfig {
            capacity: self.capacity.map_or(standard.capacity, Amount::new),
            refill: self.refill.map_or(standard.refill, |PerSecond(units)| units),
            burst: self.burst.map_or(standard.burst, Amount::new),
        }
    }
}

impl WrittenQueue {
    fn over(self, standard: QueueConfig) -> QueueConfig {
        QueueConfig {
            waiting_max: self.waiting.unwrap_or(standard.waiting_max),
            wait_max: span(self.wait, standard.wait_max),
        }
    }
}

impl WrittenRetry {
    fn over(self, standard: RetryConfig) -> RetryConfig {
        RetryConfig {
            attempts: self.attempts.unwrap_or(standard.attempts),
            base: span(self.base, standard.base),
            cap: span(self.cap, standard.cap),
            budget_percent: percent(self.budget, standard.budget_percent),
            retry_after_max: span(self.retry_after_max, standard.retry_after_max),
        }
    }
}

impl WrittenBreaker {
    fn over(self, standard: BreakerSettings) -> BreakerSettings {
        BreakerSettings {
            failures: self.failures.unwrap_or(standard.failures),
            error_percent: percent(self.error_rate, standard.error_percent),
            least: self.least.unwrap_or(standard.least),
            window: span(self.window, standard.window),
            cooldown: span(self.cooldown, standard.cooldown),
        }
    }
}

fn span(said: Option<Lasting>, standard: Span) -> Span {
    said.map_or(standard, |Lasting(span)| span)
}

fn percent(said: Option<Percent>, standard: u32) -> u32 {
    said.map_or(standard, |Percent(percent)| percent)
}

/// `100ms`, `30s`, `2m`, `1h`: more than nothing, and at most a day.
struct Lasting(Span);

/// `10 per second`, or the number alone.
struct PerSecond(Amount);

/// `10%`: from nothing to all.
struct Percent(u32);

impl Lasting {
    const EXPECTED: &str = "a duration of at most a day, such as 100ms, 30s, 2m or 1h";

    fn read(text: &str) -> Option<Self> {
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let millis = digits.parse::<u64>().ok()?.checked_mul(factor)?;
        (1..=DAY_MS).contains(&millis).then(|| Self(Span::from_millis(millis)))
    }
}

impl PerSecond {
    const EXPECTED: &str = "units in a second, such as 10 per second";

    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_suffix(" per second").unwrap_or(text);
        whole(digits).map(|units| Self(Amount::new(units)))
    }
}

impl Percent {
    const EXPECTED: &str = "a share from 0% to 100%, such as 10%";

    fn read(text: &str) -> Option<Self> {
        let percent = whole(text.strip_suffix('%')?)?;
        u32::try_from(percent).ok().filter(|percent| *percent <= 100).map(Self)
    }
}

fn whole(digits: &str) -> Option<u64> {
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain)
}

/// Reads a word by a function, and says what was expected where it reads nothing.
struct Word<T> {
    expected: &'static str,
    read: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

macro_rules! word {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Text and numbers both: `10` is as good as `10 per second`.
                deserializer.deserialize_any(Word { expected: Self::EXPECTED, read: Self::read })
            }
        }
    };
}

word!(Lasting);
word!(PerSecond);
word!(Percent);

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests;
