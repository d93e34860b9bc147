//! Groq. OpenAI's names, but `requests` are always those of a day and `tokens` those of a minute;
//! both refill steadily. A request counts with its prompt and its cap, and one that alone is more
//! than the limit gets a 413; reads of a cache do not count.

use super::{Dialect, LimitHeaders, Meaning, ReserveRule, Says, UNTOLD, Windows, rule};
use crate::limits::{Counted, DAY, MINUTE, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "groq",
    base_url: Some("https://api.groq.com/openai/v1"),
    hosts: &["api.groq.com"],
    limits: &[
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-requests"),
            remaining: Some("x-ratelimit-remaining-requests"),
            reset: Some("x-ratelimit-reset-requests"),
            grammar: ResetGrammar::GoDuration,
            refill: Refill::Continuous,
            windows: Windows::Lasting(DAY),
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens",
            counts: Counted::Tokens,
            limit: Some("x-ratelimit-limit-tokens"),
            remaining: Some("x-ratelimit-remaining-tokens"),
            reset: Some("x-ratelimit-reset-tokens"),
            grammar: ResetGrammar::GoDuration,
            refill: Refill::Continuous,
            windows: Windows::Lasting(MINUTE),
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::PromptAndCapThenUncached,
    errors: &[
        rule(&[413], Says::Code("rate_limit_exceeded"), Meaning::TooLarge),
        rule(&[413], Says::Code("tokens"), Meaning::TooLarge),
        rule(&[413], Says::Words("request too large"), Meaning::TooLarge),
    ],
    stops_billing: Some(false),
};
