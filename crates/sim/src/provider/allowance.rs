//! The provider's own limits: requests and tokens a minute, told in OpenAI's headers.
//!
//! Two leaky buckets, each as large as its minute, decided together. Plain arithmetic over a time
//! that is handed in; it shares no code with the gateway's limits, so neither hides the other's
//! mistakes.

use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_units::{Span, Tokens};

/// What an account may use in a minute.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// How many requests.
    pub requests: u64,
    /// How many tokens, prompts and answers together.
    pub tokens: Tokens,
}

/// What is left of an allowance.
#[derive(Debug)]
pub(super) struct Left {
    requests: Pail,
    tokens: Pail,
}

/// Too much: which unit it was, and how long until there is room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TooMuch {
    pub(super) asked: u64,
    pub(super) limit: u64,
    pub(super) unit: &'static str,
    pub(super) used: u64,
    pub(super) wait: Span,
}

impl Left {
    pub(super) fn of(allowance: Allowance) -> Self {
        Self { requests: Pail::of(allowance.requests), tokens: Pail::of(allowance.tokens.get()) }
    }

    /// Takes one request of `tokens`, or says what is short and takes nothing.
    pub(super) fn take(&mut self, tokens: Tokens, now: Span) -> Result<(), TooMuch> {
        self.requests.drain(now);
        self.tokens.drain(now);
        self.requests.room("requests", 1)?;
        self.tokens.room("tokens", tokens.get())?;
        self.requests.fill(1);
        self.tokens.fill(tokens.get());
        Ok(())
    }

    /// The six headers, as they stand now.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        for (unit, pail) in [("requests", &self.requests), ("tokens", &self.tokens)] {
            let rows = [
                ("limit", pail.limit.to_string()),
                ("remaining", pail.left().to_string()),
                ("reset", go_duration(pail.drained_in(pail.level))),
            ];
            for (what, value) in rows {
                let name = format!("x-ratelimit-{what}-{unit}");
                let name = HeaderName::from_bytes(name.as_bytes());
                if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                    headers.insert(name, value);
                }
            }
        }
    }
}

/// A leaky bucket that drains its limit once a minute.
#[derive(Debug)]
struct Pail {
    at: Span,
    /// Filled so far, in 60,000ths of a unit: one drains `limit` of them in a millisecond.
    level: u128,
    limit: u64,
}

impl Pail {
    fn of(limit: u64) -> Self {
        Self { at: Span::ZERO, level: 0, limit }
    }

    fn drain(&mut self, now: Span) {
        let gone = u128::from(now.less(self.at).as_millis()) * u128::from(self.limit);
        self.level = self.level.saturating_sub(gone);
        self.at = self.at.max(now);
    }

    fn room(&self, unit: &'static str, asked: u64) -> Result<(), TooMuch> {
        let over = (self.level + u128::from(asked) * MINUTE_MS)
            .saturating_sub(u128::from(self.limit) * MINUTE_MS);
        if over == 0 {
            return Ok(());
        }
        let used = self.limit - self.left();
        Err(TooMuch { asked, limit: self.limit, unit, used, wait: self.drained_in(over) })
    }

    fn fill(&mut self, amount: u64) {
        self.level += u128::from(amount) * MINUTE_MS;
    }

    fn left(&self) -> u64 {
        let used = self.level.div_ceil(MINUTE_MS);
        self.limit.saturating_sub(u64::try_from(used).unwrap_or(u64::MAX))
    }

    fn drained_in(&self, amount: u128) -> Span {
        let millis = amount.div_ceil(u128::from(self.limit.max(1)));
        Span::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

const MINUTE_MS: u128 = 60_000;

/// As Go prints a duration: `6m0s`, `8.64s`, `120ms`, `0s`.
pub(super) fn go_duration(span: Span) -> String {
    let millis = span.as_millis();
    if millis == 0 {
        return "0s".into();
    }
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let mut seconds = format!("{}.{:03}", millis / 1000 % 60, millis % 1000);
    seconds.truncate(seconds.trim_end_matches('0').trim_end_matches('.').len());
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Span {
        Span::from_millis(millis)
    }

    #[test]
    fn durations_read_as_openai_writes_them() {
        let rows = [
            (0, "0s"),
            (120, "120ms"),
            (1000, "1s"),
            (8640, "8.64s"),
            (10_000, "10s"),
            (60_000, "1m0s"),
            (360_000, "6m0s"),
            (977_764, "16m17.764s"),
            (3_888_000, "1h4m48s"),
        ];
        for (millis, text) in rows {
            assert_eq!(go_duration(ms(millis)), text);
        }
    }

    #[test]
    fn a_refused_request_takes_nothing_and_fits_when_it_was_told() {
        let mut left = Left::of(Allowance { requests: 10, tokens: Tokens::new(600) });
        left.take(Tokens::new(600), ms(0)).unwrap();
        let refused = left.take(Tokens::new(10), ms(0)).unwrap_err();
        let told =
            TooMuch { asked: 10, limit: 600, unit: "tokens", used: 600, wait: Span::from_secs(1) };
        assert_eq!(refused, told);
        assert!(left.take(Tokens::new(10), ms(999)).is_err());
        left.take(Tokens::new(10), ms(1000)).unwrap();
    }

    #[test]
    fn headers_say_what_is_left() {
        let mut left = Left::of(Allowance { requests: 500, tokens: Tokens::new(200_000) });
        left.take(Tokens::new(4), ms(0)).unwrap();
        let mut headers = HeaderMap::new();
        left.tell(&mut headers);
        assert_eq!(headers["x-ratelimit-remaining-requests"], "499");
        assert_eq!(headers["x-ratelimit-reset-requests"], "120ms");
        assert_eq!(headers["x-ratelimit-remaining-tokens"], "199996");
        assert_eq!(headers["x-ratelimit-reset-tokens"], "2ms");
        assert_eq!(headers.len(), 6);
    }
}
