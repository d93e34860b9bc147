//! `OpenRouter`. It tells of its limits only when it refuses by one of its own: those of free
//! models, which turn at midnight UTC or after a minute. Resets are Unix milliseconds. An account
//! without credits gets a 402. Codes are numbers. Whether breaking off stops the billing depends on
//! the provider behind it, so nobody can say.

use super::{Dialect, LimitHeaders, ReserveRule, UNTOLD, Windows};
use crate::limits::{Counted, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "openrouter",
    base_url: Some("https://openrouter.ai/api/v1"),
    hosts: &["openrouter.ai"],
    limits: &[LimitHeaders {
        name: "requests",
        counts: Counted::Requests,
        limit: Some("x-ratelimit-limit"),
        remaining: Some("x-ratelimit-remaining"),
        reset: Some("x-ratelimit-reset"),
        grammar: ResetGrammar::UnixMillis,
        refill: Refill::AtReset,
        windows: Windows::Listed,
        ..UNTOLD
    }],
    more: None,
    reserve: ReserveRule::Unlimited,
    errors: &[],
    stops_billing: None,
};
