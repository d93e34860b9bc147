//! The provider's own limits: requests and tokens a minute, told in the headers of three providers.
//!
//! Two leaky buckets, each as large as its minute, or two counters that begin anew with each
//! minute, decided together. Plain arithmetic over a time that is handed in; it shares no code with
//! the gateway's limits, so neither hides the other's mistakes.

use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_units::{Span, Timestamp, Tokens};
use tollgate_wire::rfc3339;

/// What an account may use in a minute.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// How many requests.
    pub requests: u64,
    /// How many tokens, of whatever the style counts.
    pub tokens: Tokens,
    /// How it counts, and how it tells what is left.
    pub style: Style,
}

/// How an account's limits work, and are told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Style {
    /// Buckets that refill steadily, of requests and of the tokens of prompts. What is left of
    /// tokens is rounded to a thousand, resets are instants in whole seconds.
    Anthropic,
    /// Counters that begin anew with each minute; tokens are those of prompts and answers. Resets
    /// are bare seconds.
    Azure,
    /// Buckets that refill steadily; tokens are those of prompts and answers. Resets are durations
    /// as Go prints them.
    #[default]
    OpenAi,
}

/// What is left of an allowance.
#[derive(Debug)]
pub(super) struct Left {
    requests: Pail,
    style: Style,
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
        let turns = allowance.style == Style::Azure;
        Self {
            requests: Pail::of(allowance.requests, turns),
            style: allowance.style,
            tokens: Pail::of(allowance.tokens.get(), turns),
        }
    }

    pub(super) const fn style(&self) -> Style {
        self.style
    }

    /// Takes one request, or says what is short and takes nothing.
    pub(super) fn take(&mut self, (prompt, output): (u64, u64), now: Span) -> Result<(), TooMuch> {
        let output = if self.style == Style::Anthropic { 0 } else { output };
        let tokens = prompt.saturating_add(output);
        self.requests.drain(now);
        self.tokens.drain(now);
        self.requests.room("requests", 1)?;
        self.tokens.room("tokens", tokens)?;
        self.requests.fill(1);
        self.tokens.fill(tokens);
        Ok(())
    }

    /// The headers, as they stand now; the world's clock shows `clock`.
    pub(super) fn tell(&self, headers: &mut HeaderMap, clock: Timestamp) {
        for (unit, pail) in [("requests", &self.requests), ("tokens", &self.tokens)] {
            let wait = pail.drained_in(pail.level);
            match self.style {
                Style::Anthropic => {
                    let unit = if unit == "tokens" { "input-tokens" } else { unit };
                    let grain = if unit == "requests" { 1 } else { GRAIN };
                    let left = pail.left().saturating_add(grain / 2) / grain * grain;
                    let reset = Span::from_secs(clock.plus(wait).as_millis().div_ceil(1000));
                    let name = |what| format!("anthropic-ratelimit-{unit}-{what}");
                    set(headers, &name("limit"), &pail.limit.to_string());
                    set(headers, &name("remaining"), &left.to_string());
                    let reset = rfc3339(Timestamp::from_millis(reset.as_millis()));
                    set(headers, &name("reset"), &reset);
                }
                Style::Azure | Style::OpenAi => {
                    let name = |what| format!("x-ratelimit-{what}-{unit}");
                    set(headers, &name("limit"), &pail.limit.to_string());
                    set(headers, &name("remaining"), &pail.left().to_string());
                    if self.style == Style::OpenAi {
                        set(headers, &name("reset"), &go_duration(wait));
                    } else {
                        set(headers, &name("reset"), &wait.as_secs_ceil().to_string());
                        set(headers, &name("renewalperiod"), "60");
                    }
                }
            }
        }
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

/// A leaky bucket that drains its limit once a minute, or is emptied with each minute.
#[derive(Debug)]
struct Pail {
    /// Whether it is emptied.
    turns: bool,
    at: Span,
    /// Filled so far, in 60,000ths of a unit: one drains `limit` of them in a millisecond.
    level: u128,
    limit: u64,
}

impl Pail {
    fn of(limit: u64, turns: bool) -> Self {
        Self { turns, at: Span::ZERO, level: 0, limit }
    }

    fn drain(&mut self, now: Span) {
        let minute = |at: Span| u128::from(at.as_millis()) / MINUTE_MS;
        let gone = match self.turns {
            true if minute(now) > minute(self.at) => self.level,
            true => 0,
            false => u128::from(now.less(self.at).as_millis()) * u128::from(self.limit),
        };
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
        if self.turns {
            let rest = MINUTE_MS - u128::from(self.at.as_millis()) % MINUTE_MS;
            return Span::from_millis(u64::try_from(rest).unwrap_or(u64::MAX));
        }
        let millis = amount.div_ceil(u128::from(self.limit.max(1)));
        Span::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

const MINUTE_MS: u128 = 60_000;

/// What Anthropic rounds what is left of tokens to.
const GRAIN: u64 = 1000;

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

    fn allowance(requests: u64, tokens: u64, style: Style) -> Allowance {
        Allowance { requests, tokens: Tokens::new(tokens), style }
    }

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
        let mut left = Left::of(allowance(10, 600, Style::OpenAi));
        left.take((500, 100), ms(0)).unwrap();
        let refused = left.take((4, 6), ms(0)).unwrap_err();
        let told =
            TooMuch { asked: 10, limit: 600, unit: "tokens", used: 600, wait: Span::from_secs(1) };
        assert_eq!(refused, told);
        assert!(left.take((4, 6), ms(999)).is_err());
        left.take((4, 6), ms(1000)).unwrap();
    }

    #[test]
    fn headers_say_what_is_left() {
        let mut left = Left::of(allowance(500, 200_000, Style::OpenAi));
        left.take((2, 2), ms(0)).unwrap();
        let mut headers = HeaderMap::new();
        left.tell(&mut headers, Timestamp::from_millis(0));
        assert_eq!(headers["x-ratelimit-remaining-requests"], "499");
        assert_eq!(headers["x-ratelimit-reset-requests"], "120ms");
        assert_eq!(headers["x-ratelimit-remaining-tokens"], "199996");
        assert_eq!(headers["x-ratelimit-reset-tokens"], "2ms");
        assert_eq!(headers.len(), 6);
    }

    #[test]
    fn anthropics_headers_are_instants_and_rounded_and_count_prompts() {
        let mut left = Left::of(allowance(50, 30_000, Style::Anthropic));
        left.take((1_400, 9_000), ms(0)).unwrap();
        let mut headers = HeaderMap::new();
        left.tell(&mut headers, Timestamp::from_millis(1_781_956_800_000));
        assert_eq!(headers["anthropic-ratelimit-input-tokens-remaining"], "29000");
        assert_eq!(headers["anthropic-ratelimit-requests-remaining"], "49");
        assert_eq!(headers["anthropic-ratelimit-requests-reset"], "2026-06-20T12:00:02Z");
        assert_eq!(headers["anthropic-ratelimit-input-tokens-reset"], "2026-06-20T12:00:03Z");
    }

    #[test]
    fn azures_counters_begin_anew_with_each_minute() {
        let mut left = Left::of(allowance(9, 1000, Style::Azure));
        left.take((600, 400), ms(20_500)).unwrap();
        let refused = left.take((1, 0), ms(20_500)).unwrap_err();
        assert_eq!((refused.wait, refused.used), (ms(39_500), 1000));
        let mut headers = HeaderMap::new();
        left.tell(&mut headers, Timestamp::from_millis(0));
        assert_eq!(headers["x-ratelimit-reset-tokens"], "40");
        assert_eq!(headers["x-ratelimit-renewalperiod-requests"], "60");
        assert!(left.take((1, 0), ms(59_999)).is_err());
        left.take((1000, 0), ms(60_000)).unwrap();
    }
}
