//! Azure OpenAI. OpenAI's names with bare seconds, and headers of its own for the window; `-1` is
//! "unknown". The counter of tokens starts afresh each minute, that of requests may be kept over
//! one or ten seconds. A request counts with its prompt and all that it may generate; time-outs and
//! filtered prompts are charged, refusals for a limit are not. Of a limit that is spent it may say
//! that it resets now: see `Reported::full_at`.

use super::{Dialect, LimitHeaders, ReserveRule, UNTOLD, Windows};
use crate::limits::{Counted, Refill};
use crate::reset::ResetGrammar;

pub(crate) static DIALECT: Dialect = Dialect {
    name: "azure-openai",
    base_url: None,
    hosts: &["openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"],
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
    stops_billing: Some(true),
};
