//! Together. Limits that move with what is used, kept by the second; 429 says which of them
//! refused.

use tollgate_units::Span;

use super::{Dialect, LimitHeaders, ReserveRule, UNTOLD, Windows};
use crate::limits::{Counted, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "together",
    base_url: Some("https://api.together.xyz/v1"),
    hosts: &["api.together.xyz", "api.together.ai"],
    limits: &[
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit"),
            remaining: Some("x-ratelimit-remaining"),
            reset: Some("x-ratelimit-reset"),
            grammar: ResetGrammar::Seconds,
            refill: Refill::Continuous,
            windows: Windows::Lasting(Span::from_secs(1)),
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens",
            counts: Counted::Tokens,
            limit: Some("x-tokenlimit-limit"),
            remaining: Some("x-tokenlimit-remaining"),
            reset: Some("x-ratelimit-reset"),
            grammar: ResetGrammar::Seconds,
            refill: Refill::Continuous,
            windows: Windows::Lasting(Span::from_secs(1)),
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::Afterwards,
    errors: &[],
    stops_billing: Some(true),
};
