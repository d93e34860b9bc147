//! Anthropic. Token buckets that refill steadily; resets are instants, and what is left of tokens
//! is rounded to thousands. Input counts as estimated and is corrected later, without reads of a
//! cache; output counts as it was made, whatever `max_tokens` said. Usage reports the cache beside
//! the input, not inside it. The priority and fast pools are apart from the account's own limits.
//! Subscriptions tell only which share of five hours and of seven days is used.

use std::borrow::Cow;

use tollgate_units::{Span, Timestamp};

use super::share::{share, unused};
use super::{Dialect, LimitHeaders, Meaning, ReserveRule, Says, UNTOLD, Windows, rule};
use crate::limits::told::Told;
use crate::limits::{Counted, MINUTE, Refill, Report};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "anthropic",
    base_url: Some("https://api.anthropic.com"),
    hosts: &["api.anthropic.com"],
    limits: &[
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("anthropic-ratelimit-requests-limit"),
            remaining: Some("anthropic-ratelimit-requests-remaining"),
            reset: Some("anthropic-ratelimit-requests-reset"),
            grammar: ResetGrammar::Rfc3339,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens",
            counts: Counted::Tokens,
            limit: Some("anthropic-ratelimit-tokens-limit"),
            remaining: Some("anthropic-ratelimit-tokens-remaining"),
            reset: Some("anthropic-ratelimit-tokens-reset"),
            grammar: ResetGrammar::Rfc3339,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1000,
            ..UNTOLD
        },
        LimitHeaders {
            name: "input-tokens",
            counts: Counted::InputTokens,
            limit: Some("anthropic-ratelimit-input-tokens-limit"),
            remaining: Some("anthropic-ratelimit-input-tokens-remaining"),
            reset: Some("anthropic-ratelimit-input-tokens-reset"),
            grammar: ResetGrammar::Rfc3339,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1000,
            ..UNTOLD
        },
        LimitHeaders {
            name: "output-tokens",
            counts: Counted::OutputTokens,
            limit: Some("anthropic-ratelimit-output-tokens-limit"),
            remaining: Some("anthropic-ratelimit-output-tokens-remaining"),
            reset: Some("anthropic-ratelimit-output-tokens-reset"),
            grammar: ResetGrammar::Rfc3339,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1000,
            ..UNTOLD
        },
        LimitHeaders {
            name: "priority-input-tokens",
            counts: Counted::InputTokens,
            limit: Some("anthropic-priority-input-tokens-limit"),
            remaining: Some("anthropic-priority-input-tokens-remaining"),
            reset: Some("anthropic-priority-input-tokens-reset"),
            grammar: ResetGrammar::Rfc3339,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1000,
            is_aside: true,
        },
        LimitHeaders {
            name: "priority-output-tokens",
            counts: Counted::OutputTokens,
            limit: Some("anthropic-priority-output-tokens-limit"),
            remaining: Some("anthropic-priority-output-tokens-remaining"),
            reset: Some("anthropic-priority-output-tokens-reset"),
            grammar: ResetGrammar::Rfc3339,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1000,
            is_aside: true,
        },
        LimitHeaders {
            name: "fast-input-tokens",
            counts: Counted::InputTokens,
            limit: Some("anthropic-fast-input-tokens-limit"),
            remaining: Some("anthropic-fast-input-tokens-remaining"),
            reset: Some("anthropic-fast-input-tokens-reset"),
            grammar: ResetGrammar::Rfc3339,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1000,
            is_aside: true,
        },
        LimitHeaders {
            name: "fast-output-tokens",
            counts: Counted::OutputTokens,
            limit: Some("anthropic-fast-output-tokens-limit"),
            remaining: Some("anthropic-fast-output-tokens-remaining"),
            reset: Some("anthropic-fast-output-tokens-reset"),
            grammar: ResetGrammar::Rfc3339,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1000,
            is_aside: true,
        },
    ],
    more: Some(unified),
    reserve: ReserveRule::InputThenOutput,
    errors: &[
        rule(&[429], Says::Code("enforced_spend_limit_reached"), Meaning::Exhausted),
        rule(
            &[400],
            Says::Opening("you have reached your specified api usage limits"),
            Meaning::Exhausted,
        ),
        rule(&[400], Says::Opening("your credit balance is too low"), Meaning::Exhausted),
    ],
    stops_billing: Some(true),
};

/// The shares of a subscription. Their resets come as Unix seconds or as instants.
fn unified(told: &Told<'_>, now: Timestamp, report: &mut Report) {
    for (name, used, reset, window) in SHARES {
        let Some(remaining) = report.header(told, Some(used), |text| unused(text, 1)) else {
            continue;
        };
        let reset_at = report.header(told, Some(reset), |text| {
            let seconds = ResetGrammar::UnixSeconds.read(text, now);
            seconds.or_else(|| ResetGrammar::Rfc3339.read(text, now))
        });
        report.add(share(Cow::Borrowed(name), Some(*window), (remaining, reset_at)));
    }
}

const SHARES: &[(&str, &str, &str, Span)] = &[
    (
        "unified-5h",
        "anthropic-ratelimit-unified-5h-utilization",
        "anthropic-ratelimit-unified-5h-reset",
        Span::from_secs(5 * 60 * 60),
    ),
    (
        "unified-7d",
        "anthropic-ratelimit-unified-7d-utilization",
        "anthropic-ratelimit-unified-7d-reset",
        Span::from_secs(7 * 24 * 60 * 60),
    ),
];
