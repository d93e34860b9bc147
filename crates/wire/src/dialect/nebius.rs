//! Nebius. OpenAI's names with resets in seconds with decimals. Its limits move with what is used.

use super::{Dialect, LimitHeaders, ReserveRule, UNTOLD, Windows};
use crate::limits::{Counted, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "nebius",
    base_url: Some("https://api.studio.nebius.com/v1"),
    hosts: &["api.studio.nebius.com", "api.tokenfactory.nebius.com"],
    limits: &[
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-requests"),
            remaining: Some("x-ratelimit-remaining-requests"),
            reset: Some("x-ratelimit-reset-requests"),
            grammar: ResetGrammar::Seconds,
            refill: Refill::Continuous,
            windows: Windows::Inferred,
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens",
            counts: Counted::Tokens,
            limit: Some("x-ratelimit-limit-tokens"),
            remaining: Some("x-ratelimit-remaining-tokens"),
            reset: Some("x-ratelimit-reset-tokens"),
            grammar: ResetGrammar::Seconds,
            refill: Refill::Continuous,
            windows: Windows::Inferred,
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::Afterwards,
    errors: &[],
    stops_billing: Some(false),
};
