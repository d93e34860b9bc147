//! Cohere. Calls of a trial key are limited a minute and a month, those of a production key a
//! minute; tokens are not limited. How the windows move is not documented, and the month has no
//! header for what is left. Its errors are told apart by their words alone. What it bills is
//! `billed_units`, less than what the model read.

use super::{Calendar, Dialect, LimitHeaders, Meaning, ReserveRule, Says, UNTOLD, Windows, rule};
use crate::limits::{Counted, MINUTE, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "cohere",
    base_url: Some("https://api.cohere.com"),
    hosts: &["api.cohere.com", "api.cohere.ai"],
    limits: &[
        LimitHeaders {
            name: "trial-requests",
            counts: Counted::Requests,
            limit: Some("x-trial-endpoint-call-limit"),
            remaining: Some("x-trial-endpoint-call-remaining"),
            refill: Refill::AtReset,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
        LimitHeaders {
            name: "requests-month",
            counts: Counted::Requests,
            limit: Some("x-endpoint-monthly-call-limit"),
            refill: Refill::AtReset,
            windows: Windows::Calendar(Calendar::MonthUtc),
            ..UNTOLD
        },
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit"),
            remaining: Some("x-ratelimit-remaining"),
            reset: Some("x-ratelimit-reset"),
            grammar: ResetGrammar::UnixSeconds,
            refill: Refill::AtReset,
            windows: Windows::Listed,
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::Unlimited,
    errors: &[
        rule(&[429], Says::Words("calls / month"), Meaning::Exhausted),
        rule(&[429], Says::Words("per month"), Meaning::Exhausted),
        rule(&[429], Says::Words("monthly"), Meaning::Exhausted),
    ],
    stops_billing: Some(true),
};
