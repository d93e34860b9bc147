//! Whoever speaks OpenAI's protocol and is not known: names and grammars of every kind are read,
//! and what a request counts as is not known before its usage is. vLLM and its like tell of no
//! limits at all. Its errors are also everybody's, after what a dialect itself says of them.

use super::{Dialect, ErrorRule, LimitHeaders, Meaning, ReserveRule, Says, UNTOLD, Windows, rule};
use crate::limits::{Counted, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "compatible",
    base_url: None,
    hosts: &[],
    limits: &[
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-requests"),
            remaining: Some("x-ratelimit-remaining-requests"),
            reset: Some("x-ratelimit-reset-requests"),
            grammar: ResetGrammar::Any,
            refill: Refill::AtReset,
            windows: Windows::Inferred,
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens",
            counts: Counted::Tokens,
            limit: Some("x-ratelimit-limit-tokens"),
            remaining: Some("x-ratelimit-remaining-tokens"),
            reset: Some("x-ratelimit-reset-tokens"),
            grammar: ResetGrammar::Any,
            refill: Refill::AtReset,
            windows: Windows::Inferred,
            ..UNTOLD
        },
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit"),
            remaining: Some("x-ratelimit-remaining"),
            reset: Some("x-ratelimit-reset"),
            grammar: ResetGrammar::Any,
            refill: Refill::AtReset,
            windows: Windows::Listed,
            ..UNTOLD
        },
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("ratelimit-limit"),
            remaining: Some("ratelimit-remaining"),
            reset: Some("ratelimit-reset"),
            grammar: ResetGrammar::Any,
            refill: Refill::AtReset,
            windows: Windows::Listed,
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::Afterwards,
    errors: &[],
    stops_billing: None,
};

/// What errors mean wherever they come from.
pub(crate) const ERRORS: &[ErrorRule] = &[
    rule(SPENT, Says::Code("billing_error"), Meaning::Exhausted),
    rule(SPENT, Says::Code("billing_hard_limit_reached"), Meaning::Exhausted),
    rule(SPENT, Says::Code("billing_not_active"), Meaning::Exhausted),
    rule(SPENT, Says::Code("credit_balance_exhausted"), Meaning::Exhausted),
    rule(SPENT, Says::Code("insufficient_quota"), Meaning::Exhausted),
    rule(SPENT, Says::Code("organization_spend_limit_exceeded"), Meaning::Exhausted),
    rule(SPENT, Says::Code("organization_usage_limit_exceeded"), Meaning::Exhausted),
    rule(SPENT, Says::Code("project_spend_limit_exceeded"), Meaning::Exhausted),
    rule(&[429], Says::Words("request too large"), Meaning::TooLarge),
    rule(&[429, 503], Says::Code("overloaded_error"), Meaning::Overloaded),
    rule(&[503], Says::Words("overloaded"), Meaning::Overloaded),
];

/// With which statuses providers say that an account is spent.
const SPENT: &[u16] = &[400, 402, 403, 429];
