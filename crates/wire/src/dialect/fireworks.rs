//! Fireworks. Limits that move with what is used, of prompts, of what of them is in no cache, and
//! of what is generated. `x-ratelimit-over-limit: yes` is a warning on an answer that was served.

use super::{Dialect, LimitHeaders, ReserveRule, UNTOLD, Windows};
use crate::limits::{Counted, MINUTE, Refill};

pub(crate) static DIALECT: Dialect = Dialect {
    name: "fireworks",
    base_url: Some("https://api.fireworks.ai/inference/v1"),
    hosts: &["api.fireworks.ai"],
    limits: &[
        LimitHeaders {
            name: "input-tokens",
            counts: Counted::InputTokens,
            limit: Some("x-ratelimit-limit-tokens-prompt"),
            remaining: Some("x-ratelimit-remaining-tokens-prompt"),
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
        LimitHeaders {
            name: "input-tokens-uncached",
            counts: Counted::InputTokens,
            limit: Some("x-ratelimit-limit-tokens-cache-adjusted-prompt"),
            remaining: Some("x-ratelimit-remaining-tokens-cache-adjusted-prompt"),
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
        LimitHeaders {
            name: "output-tokens",
            counts: Counted::OutputTokens,
            limit: Some("x-ratelimit-limit-tokens-generated"),
            remaining: Some("x-ratelimit-remaining-tokens-generated"),
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::Afterwards,
    errors: &[],
    stops_billing: Some(true),
};
