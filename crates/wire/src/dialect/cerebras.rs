//! Cerebras. Token buckets; the header's name says the window, resets are seconds with decimals. A
//! request counts with its input and its cap, or else the longest that the model can make.

use super::{Dialect, LimitHeaders, ReserveRule, UNTOLD, Windows};
use crate::limits::{Counted, DAY, MINUTE, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "cerebras",
    base_url: Some("https://api.cerebras.ai/v1"),
    hosts: &["api.cerebras.ai"],
    limits: &[
        LimitHeaders {
            name: "requests-day",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-requests-day"),
            remaining: Some("x-ratelimit-remaining-requests-day"),
            reset: Some("x-ratelimit-reset-requests-day"),
            grammar: ResetGrammar::Seconds,
            refill: Refill::Continuous,
            windows: Windows::Lasting(DAY),
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens-minute",
            counts: Counted::Tokens,
            limit: Some("x-ratelimit-limit-tokens-minute"),
            remaining: Some("x-ratelimit-remaining-tokens-minute"),
            reset: Some("x-ratelimit-reset-tokens-minute"),
            grammar: ResetGrammar::Seconds,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::PromptAndCap,
    errors: &[],
    stops_billing: None,
};
