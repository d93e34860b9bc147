//! `SambaNova`. Requests of a minute and of a day; resets are Go durations.

use super::{Dialect, LimitHeaders, ReserveRule, UNTOLD, Windows};
use crate::limits::{Counted, DAY, MINUTE, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "sambanova",
    base_url: Some("https://api.sambanova.ai/v1"),
    hosts: &["api.sambanova.ai"],
    limits: &[
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-requests"),
            remaining: Some("x-ratelimit-remaining-requests"),
            reset: Some("x-ratelimit-reset-requests"),
            grammar: ResetGrammar::GoDuration,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
        LimitHeaders {
            name: "requests-day",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-requests-day"),
            remaining: Some("x-ratelimit-remaining-requests-day"),
            reset: Some("x-ratelimit-reset-requests-day"),
            grammar: ResetGrammar::GoDuration,
            refill: Refill::Continuous,
            windows: Windows::Lasting(DAY),
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::Afterwards,
    errors: &[],
    stops_billing: None,
};
