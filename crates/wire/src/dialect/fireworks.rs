//! Fireworks. Limits that move with what is used, of prompts, of what of them is in no cache, and
//! of what is generated. `x-ratelimit-over-limit: yes` is a warning on an answer that was served.

use super::{Dialect, LimitHeaders, ReserveRule, Windows};
use crate::limits::{Counted, MINUTE, Refill};
use crate::reset::ResetGrammar;

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
            reset: None,
            grammar: ResetGrammar::Seconds,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1,
            is_aside: false,
        },
        LimitHeaders {
            name: "input-tokens-uncached",
            counts: Counted::InputTokens,
            limit: Some("x-ratelimit-limit-tokens-cache-adjusted-prompt"),
            remaining: Some("x-ratelimit-remaining-tokens-cache-adjusted-prompt"),
            reset: None,
            grammar: ResetGrammar::Seconds,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1,
            is_aside: false,
        },
        LimitHeaders {
            name: "output-tokens",
            counts: Counted::OutputTokens,
            limit: Some("x-ratelimit-limit-tokens-generated"),
            remaining: Some("x-ratelimit-remaining-tokens-generated"),
            reset: None,
            grammar: ResetGrammar::Seconds,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            grain: 1,
            is_aside: false,
        },
    ],
    more: None,
    reserve: ReserveRule::Afterwards,
    errors: &[],
    stops_billing: Some(true),
};
