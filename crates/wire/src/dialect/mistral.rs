//! Mistral. The header's name says the window, and nothing says when it resets. Tokens count as
//! they were used, input and output together; an answer tells its own in
//! `x-ratelimit-tokens-query-cost`. A limit of zero is a plan without the model. Usage is as at
//! OpenAI, and always sent.

use tollgate_units::Span;

use super::{Calendar, Dialect, LimitHeaders, ReserveRule, UNTOLD, Windows};
use crate::limits::{Counted, MINUTE, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "mistral",
    base_url: Some("https://api.mistral.ai/v1"),
    hosts: &["api.mistral.ai"],
    limits: &[
        LimitHeaders {
            name: "requests-minute",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-req-minute"),
            remaining: Some("x-ratelimit-remaining-req-minute"),
            refill: Refill::AtReset,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
        LimitHeaders {
            name: "requests-10-second",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-req-10-second"),
            remaining: Some("x-ratelimit-remaining-req-10-second"),
            refill: Refill::AtReset,
            windows: Windows::Lasting(Span::from_secs(10)),
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens-minute",
            counts: Counted::Tokens,
            limit: Some("x-ratelimit-limit-tokens-minute"),
            remaining: Some("x-ratelimit-remaining-tokens-minute"),
            refill: Refill::AtReset,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens-month",
            counts: Counted::Tokens,
            limit: Some("x-ratelimit-limit-tokens-month"),
            remaining: Some("x-ratelimit-remaining-tokens-month"),
            refill: Refill::AtReset,
            windows: Windows::Calendar(Calendar::MonthUtc),
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens",
            counts: Counted::Tokens,
            limit: Some("ratelimitbysize-limit"),
            remaining: Some("ratelimitbysize-remaining"),
            reset: Some("ratelimitbysize-reset"),
            grammar: ResetGrammar::Seconds,
            refill: Refill::AtReset,
            windows: Windows::Listed,
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens-minute",
            counts: Counted::Tokens,
            limit: Some("x-ratelimitbysize-limit-minute"),
            remaining: Some("x-ratelimitbysize-remaining-minute"),
            refill: Refill::AtReset,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens-month",
            counts: Counted::Tokens,
            limit: Some("x-ratelimitbysize-limit-month"),
            remaining: Some("x-ratelimitbysize-remaining-month"),
            refill: Refill::AtReset,
            windows: Windows::Calendar(Calendar::MonthUtc),
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::Afterwards,
    errors: &[],
    stops_billing: Some(false),
};
