//! OpenAI. Limits refill steadily; a reset is when all is back, not when one more request fits.
//! Whether `requests` are those of a minute or of a day is said nowhere and has to be inferred.
//! Failed requests count. A request counts as the larger of its output cap and a quarter of its
//! characters. Cached tokens count; usage reports them inside the input.

use super::{Dialect, LimitHeaders, Meaning, ReserveRule, Says, UNTOLD, Windows, rule};
use crate::limits::{Counted, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "openai",
    base_url: Some("https://api.openai.com/v1"),
    hosts: &["api.openai.com"],
    limits: &[
        LimitHeaders {
            name: "requests",
            counts: Counted::Requests,
            limit: Some("x-ratelimit-limit-requests"),
            remaining: Some("x-ratelimit-remaining-requests"),
            reset: Some("x-ratelimit-reset-requests"),
            grammar: ResetGrammar::GoDuration,
            refill: Refill::Continuous,
            windows: Windows::Inferred,
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
            windows: Windows::Inferred,
            ..UNTOLD
        },
        LimitHeaders {
            name: "project-tokens",
            counts: Counted::Tokens,
            limit: Some("x-ratelimit-limit-project-tokens"),
            remaining: Some("x-ratelimit-remaining-project-tokens"),
            reset: Some("x-ratelimit-reset-project-tokens"),
            grammar: ResetGrammar::GoDuration,
            refill: Refill::Continuous,
            windows: Windows::Inferred,
            ..UNTOLD
        },
        LimitHeaders {
            name: "tokens_usage_based",
            counts: Counted::Tokens,
            limit: Some("x-ratelimit-limit-tokens_usage_based"),
            remaining: Some("x-ratelimit-remaining-tokens_usage_based"),
            reset: Some("x-ratelimit-reset-tokens_usage_based"),
            grammar: ResetGrammar::GoDuration,
            refill: Refill::Continuous,
            windows: Windows::Inferred,
            ..UNTOLD
        },
        LimitHeaders {
            name: "input-images",
            counts: Counted::Other,
            limit: Some("x-ratelimit-limit-input-images"),
            remaining: Some("x-ratelimit-remaining-input-images"),
            reset: Some("x-ratelimit-reset-input-images"),
            grammar: ResetGrammar::GoDuration,
            refill: Refill::Continuous,
            windows: Windows::Inferred,
            ..UNTOLD
        },
    ],
    more: None,
    reserve: ReserveRule::LargerOfCapAndCharacters,
    errors: &[
        rule(&[429, 503], Says::Code("server_is_overloaded"), Meaning::Overloaded),
        rule(&[429, 503], Says::Code("service_unavailable_error"), Meaning::Overloaded),
        rule(&[429, 503], Says::Code("slow_down"), Meaning::Overloaded),
    ],
    stops_billing: Some(true),
};
