//! How a caller is told where it stands: OpenAI's `x-ratelimit-*` headers with Go durations, and
//! `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11.

use std::fmt::Write;

use http::{HeaderName, HeaderValue};
use tollgate_units::Span;

/// Where a caller stands with one limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stands {
    /// The limit's amount.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// How long until all of it is back.
    pub reset: Span,
}

/// One limit, as the IETF draft lists it.
#[derive(Clone, Copy, Debug)]
pub struct PolicyItem<'a> {
    /// The limit's name.
    pub name: &'a str,
    /// What is allowed in a window.
    pub quota: u64,
    /// The window; nothing for what is counted at once.
    pub window: Option<Span>,
    /// What is counted.
    pub unit: QuotaUnit,
    /// Where the caller stands.
    pub stands: Stands,
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

/// The headers that tell where a caller stands.
pub fn standing_headers(
    requests: Option<Stands>,
    tokens: Option<Stands>,
    policies: &[PolicyItem<'_>],
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::with_capacity(8);
    let openai = [(requests, REQUESTS), (tokens, TOKENS)];
    for (stands, [limit, remaining, reset]) in openai {
        let Some(stands) = stands else { continue };
        headers.push((HeaderName::from_static(limit), stands.limit.into()));
        headers.push((HeaderName::from_static(remaining), stands.remaining.into()));
        if let Ok(value) = HeaderValue::try_from(go_duration(stands.reset)) {
            headers.push((HeaderName::from_static(reset), value));
        }
    }
    if !policies.is_empty() {
        let (policy, state) = ietf(policies);
        let pairs = [("ratelimit-policy", policy), ("ratelimit", state)];
        headers.extend(pairs.into_iter().filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
        }));
    }
    headers
}

fn ietf(policies: &[PolicyItem<'_>]) -> (String, String) {
    let (mut policy, mut state) = (String::new(), String::new());
    for item in policies {
        let comma = if policy.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(policy, "{comma}");
        let _ = write!(state, "{comma}");
        quoted(&mut policy, item.name);
        quoted(&mut state, item.name);
        let _ = write!(policy, ";q={}", item.quota);
        if let Some(window) = item.window {
            let _ = write!(policy, ";w={}", window.as_secs_ceil().max(1));
        }
        match item.unit {
            QuotaUnit::Concurrent => policy.push_str(";qu=\"concurrent-requests\""),
            QuotaUnit::Requests => {}
            QuotaUnit::Tokens => policy.push_str(";qu=\"tokens\""),
        }
        let _ = write!(state, ";r={}", item.stands.remaining);
        if item.unit != QuotaUnit::Concurrent {
            let _ = write!(state, ";t={}", item.stands.reset.as_secs_ceil());
        }
    }
    (policy, state)
}

/// A structured-field string (RFC 9651, 3.3.3): printable ASCII, quote and backslash escaped. What
/// it cannot hold is left out, because a name that cannot be written must not break an answer.
fn quoted(into: &mut String, name: &str) {
    into.push('"');
    if name.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        into.push_str(name);
        into.push('"');
        return;
    }
    for letter in name.chars().filter(|letter| (' '..='~').contains(letter)) {
        if matches!(letter, '"' | '\\') {
            into.push('\\');
        }
        into.push(letter);
    }
    into.push('"');
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

const REQUESTS: [&str; 3] =
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
const TOKENS: [&str; 3] =
    ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"];

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
    fn every_limit_is_listed_and_the_tightest_stands_in_openais_headers() {
        let requests = Stands { limit: 60, remaining: 47, reset: Span::from_millis(11_640) };
        let item = PolicyItem {
            name: "60 requests per minute, named \"web\"",
            quota: 60,
            window: Some(Span::from_secs(60)),
            unit: QuotaUnit::Requests,
            stands: requests,
        };
        let streams = Stands { limit: 3, remaining: 2, reset: Span::ZERO };
        let at_once = PolicyItem {
            name: "3 streams at once",
            quota: 3,
            window: None,
            unit: QuotaUnit::Concurrent,
            stands: streams,
        };
        let headers = standing_headers(Some(requests), None, &[item, at_once]);
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
        let mut into = String::new();
        quoted(&mut into, "a\r\nb\u{e9}\\");
        assert_eq!(into, "\"ab\\\\\"");
    }
}
