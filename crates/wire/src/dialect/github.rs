//! GitHub Models. Azure's headers, and more beside them that say nothing of limits.

use super::{Dialect, LimitHeaders, ReserveRule, UNTOLD, Windows};
use crate::limits::{Counted, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "github-models",
    base_url: Some("https://models.github.ai/inference"),
    hosts: &["models.github.ai", "models.inference.ai.azure.com"],
    limits: &[
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-requests"),
            remaining: Some("x-ratelimit-remaining-requests"),
            reset: Some("x-ratelimit-reset-requests"),
            grammar: ResetGrammar::Seconds,
            refill: Refill::AtReset,
            windows: Windows::Header("x-ratelimit-renewalperiod-requests"),
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens",
            counts: Counted::Tokens,
            limit: Some("x-ratelimit-limit-tokens"),
            remaining: Some("x-ratelimit-remaining-tokens"),
            reset: Some("x-ratelimit-reset-tokens"),
            grammar: ResetGrammar::Seconds,
            refill: Refill::AtReset,
            windows: Windows::Header("x-ratelimit-renewalperiod-tokens"),
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::PromptAndCap,
    errors: &[],
    stops_billing: None,
};
