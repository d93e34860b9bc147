//! How a caller is told where it stands: OpenAI's `x-ratelimit-*` headers with Go durations,
//! Anthropic's `anthropic-ratelimit-*` with instants, and `RateLimit-Policy` and `RateLimit` of
//! draft-ietf-httpapi-ratelimit-headers-11.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_units::{Span, Timestamp};

use crate::Protocol;

/// Where a caller stands with one limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stands {
    /// The limit's amount.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// How long until all of it is back; nothing where it never is, or nobody knows.
    pub reset: Option<Span>,
}

/// What of one limit never changes, as the IETF draft lists it: written once, with the limit.
#[derive(Clone, Debug)]
pub struct QuotaPolicy {
    /// `"name";q=60;w=60`, for `RateLimit-Policy`.
    policy: Box<str>,
    /// `"name"`, for `RateLimit`.
    name: Box<str>,
    resets: bool,
}

/// What a limit counts, in the draft's registry of quota units; `tokens` is ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QuotaUnit {
    /// Requests in flight.
    Concurrent,
    /// Requests: the draft's default, which is not written.
    Requests,
    /// Language-model tokens.
    Tokens,
}

impl QuotaPolicy {
    /// `quota` of `unit` in a `window`; without one for what is counted at once.
    pub fn new(name: &str, quota: u64, window: Option<Span>, unit: QuotaUnit) -> Self {
        let name = quoted(name);
        let resets = window.is_some();
        let window = window.map(|window| format!(";w={}", window.as_secs_ceil().max(1)));
        let unit_parameter = match unit {
            QuotaUnit::Concurrent => ";qu=\"concurrent-requests\"",
            QuotaUnit::Requests => "",
            QuotaUnit::Tokens => ";qu=\"tokens\"",
        };
        let policy = format!("{name};q={quota}{}{unit_parameter}", window.unwrap_or_default());
        Self { policy: policy.into(), name: name.into(), resets }
    }
}

/// The headers that tell where a caller stands, put together limit by limit.
#[derive(Debug, Default)]
pub struct StandingHeaders {
    requests: Option<Stands>,
    tokens: Option<Stands>,
    input_tokens: Option<Stands>,
    output_tokens: Option<Stands>,
    policy: String,
    state: String,
}

impl StandingHeaders {
    /// A limit on requests: the one with the least remaining is shown.
    pub fn requests(&mut self, stands: Stands) {
        tighter(&mut self.requests, stands);
    }

    /// The same for a limit on tokens of any kind.
    pub fn tokens(&mut self, stands: Stands) {
        tighter(&mut self.tokens, stands);
    }

    /// The same for a limit on input tokens alone.
    pub fn input_tokens(&mut self, stands: Stands) {
        tighter(&mut self.input_tokens, stands);
    }

    /// The same for a limit on output tokens alone.
    pub fn output_tokens(&mut self, stands: Stands) {
        tighter(&mut self.output_tokens, stands);
    }

    /// Any limit, for the IETF draft, which lists them all.
    pub fn listed(&mut self, quota: &QuotaPolicy, stands: Stands) {
        if self.policy.is_empty() {
            self.policy.reserve(LIST_BYTES_USUALLY);
            self.state.reserve(LIST_BYTES_USUALLY);
        } else {
            self.policy.push_str(", ");
            self.state.push_str(", ");
        }
        let mut digits = itoa::Buffer::new();
        self.policy.push_str(&quota.policy);
        self.state.push_str(&quota.name);
        self.state.push_str(";r=");
        self.state.push_str(digits.format(stands.remaining));
        if let Some(reset) = stands.reset.filter(|_| quota.resets) {
            self.state.push_str(";t=");
            self.state.push_str(digits.format(reset.as_secs_ceil()));
        }
    }

    /// Puts them among `headers`, as `protocol` writes them at `now`.
    pub fn write(self, protocol: Protocol, now: Timestamp, headers: &mut HeaderMap) {
        let of_openai = [(self.requests, REQUESTS), (self.tokens, TOKENS)];
        let of_anthropic = [
            (self.requests, ANTHROPIC_REQUESTS),
            (self.tokens, ANTHROPIC_TOKENS),
            (self.input_tokens, ANTHROPIC_INPUT),
            (self.output_tokens, ANTHROPIC_OUTPUT),
        ];
        let all: &[_] = match protocol {
            Protocol::Anthropic => &of_anthropic,
            Protocol::Cohere | Protocol::Gemini | Protocol::OpenAi => &of_openai,
        };
        for (stands, [limit, remaining, reset]) in all {
            let Some(stands) = stands else { continue };
            headers.insert(limit, stands.limit.into());
            headers.insert(remaining, stands.remaining.into());
            if let Some(span) = stands.reset {
                let when = match protocol {
                    // Whole seconds, as Anthropic writes them, and never too early.
                    Protocol::Anthropic => {
                        let secs = now.plus(span).as_millis().div_ceil(1000);
                        rfc3339(Timestamp::from_millis(secs.saturating_mul(1000)))
                    }
                    Protocol::Cohere | Protocol::Gemini | Protocol::OpenAi => go_duration(span),
                };
                insert(headers, reset.clone(), when);
            }
        }
        if !self.policy.is_empty() {
            insert(headers, RATELIMIT_POLICY, self.policy);
            insert(headers, RATELIMIT, self.state);
        }
    }
}

/// The one with the least remaining; of two, the one that resets later.
fn tighter(found: &mut Option<Stands>, other: Stands) {
    let reset = |stands: Stands| stands.reset.unwrap_or(Span::MAX);
    let is_tighter =
        found.is_none_or(|first| (other.remaining, reset(first)) < (first.remaining, reset(other)));
    if is_tighter {
        *found = Some(other);
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
        headers.insert(name, value);
    }
}

/// A structured-field string (RFC 9651, 3.3.3): printable ASCII, quote and backslash escaped. What
/// it cannot hold is left out, because a name that cannot be written must not break an answer.
fn quoted(name: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in name.chars().filter(|letter| (' '..='~').contains(letter)) {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// An instant as RFC 3339 writes it, in UTC: `2026-11-22T08:00:00Z`.
pub fn rfc3339(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    instant.to_string()
}

/// A span as Go prints a `time.Duration`, which is how OpenAI writes resets: `120ms`, `8.64s`,
/// `6m0s`, `1h4m48s`.
fn go_duration(span: Span) -> String {
    let millis = span.as_millis();
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, fraction) = (millis / 1000 % 60, millis % 1000);
    let seconds = if fraction == 0 {
        format!("{seconds}s")
    } else {
        let text = format!("{seconds}.{fraction:03}");
        format!("{}s", text.trim_end_matches('0'))
    };
    match (hours, minutes) {
        (0, 0) if millis < 1000 && millis > 0 => format!("{millis}ms"),
        (0, 0) => seconds,
        (0, _) => format!("{minutes}m{seconds}"),
        (_, _) => format!("{hours}h{minutes}m{seconds}"),
    }
}

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];
const ANTHROPIC_REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-requests-limit"),
    HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
    HeaderName::from_static("anthropic-ratelimit-requests-reset"),
];
const ANTHROPIC_TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
];
const ANTHROPIC_INPUT: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-input-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-input-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-input-tokens-reset"),
];
const ANTHROPIC_OUTPUT: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-output-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-output-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-output-tokens-reset"),
];
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What a handful of limits take.
const LIST_BYTES_USUALLY: usize = 384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_written_as_go_writes_it() {
        let table = [
            (0, "0s"),
            (1, "1ms"),
            (120, "120ms"),
            (1000, "1s"),
            (8_640, "8.64s"),
            (179_560, "2m59.56s"),
            (360_000, "6m0s"),
            (977_764, "16m17.764s"),
            (3_888_000, "1h4m48s"),
        ];
        for (millis, expected) in table {
            assert_eq!(go_duration(Span::from_millis(millis)), expected);
        }
    }

    #[test]
    fn anthropics_headers_tell_input_from_output_and_name_the_instant() {
        let stands = Stands { limit: 60, remaining: 7, reset: Some(Span::from_millis(11_640)) };
        let mut standing = StandingHeaders::default();
        standing.input_tokens(stands);
        standing.output_tokens(Stands { reset: None, ..stands });
        let mut headers = HeaderMap::new();
        let now = Timestamp::from_millis(1_795_334_400_000);
        standing.write(Protocol::Anthropic, now, &mut headers);
        let lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(
            lines,
            [
                "anthropic-ratelimit-input-tokens-limit: 60",
                "anthropic-ratelimit-input-tokens-remaining: 7",
                "anthropic-ratelimit-input-tokens-reset: 2026-11-22T08:00:12Z",
                "anthropic-ratelimit-output-tokens-limit: 60",
                "anthropic-ratelimit-output-tokens-remaining: 7",
            ]
        );
    }

    #[test]
    fn every_limit_is_listed_and_the_tightest_stands_in_openais_headers() {
        let name = "60 requests per minute, named \"web\"";
        let web = QuotaPolicy::new(name, 60, Some(Span::from_secs(60)), QuotaUnit::Requests);
        let at_once = QuotaPolicy::new("3 streams at once", 3, None, QuotaUnit::Concurrent);
        let requests = Stands { limit: 60, remaining: 47, reset: Some(Span::from_millis(11_640)) };
        let streams = Stands { limit: 3, remaining: 2, reset: None };
        let (looser, sooner) =
            (Stands { remaining: 48, ..requests }, Stands { reset: Some(Span::ZERO), ..requests });
        let mut standing = StandingHeaders::default();
        for stands in [looser, requests, sooner] {
            standing.requests(stands);
        }
        standing.listed(&web, requests);
        standing.listed(&at_once, streams);
        let mut headers = HeaderMap::new();
        standing.write(Protocol::OpenAi, Timestamp::EPOCH, &mut headers);
        let lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(
            lines,
            [
                "x-ratelimit-limit-requests: 60",
                "x-ratelimit-remaining-requests: 47",
                "x-ratelimit-reset-requests: 11.64s",
                "ratelimit-policy: \"60 requests per minute, named \\\"web\\\"\";q=60;w=60, \
                 \"3 streams at once\";q=3;qu=\"concurrent-requests\"",
                "ratelimit: \"60 requests per minute, named \\\"web\\\"\";r=47;t=12, \
                 \"3 streams at once\";r=2",
            ]
        );
    }

    #[test]
    fn a_name_that_cannot_be_written_breaks_nothing() {
        assert_eq!(quoted("a\r\nb\u{e9}\\"), "\"ab\\\\\"");
    }
}
