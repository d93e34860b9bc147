//! What a request really used, by the provider's own word.
//!
//! Providers that speak this protocol disagree about details, so this reads generously: numbers
//! that are missing or make no sense are none (a number that cannot be spoils all of them, because
//! what is left would be too little), and of two counts that contradict each other the
//! larger output wins, because some leave reasoning out of `completion_tokens` but not out of the
//! total.

use serde::Deserialize;
use serde_json::Value;
use tollgate_units::{Searches, Tokens};

use crate::anthropic::usage::Counted;
use crate::{Endpoint, Protocol, cohere, gemini};

/// What was used: `input` and `output` are whole, the others say what part of them was what.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Everything the model was given, cache reads and writes included.
    pub input: Tokens,
    /// The part of `input` that came from a cache.
    pub cached_input: Tokens,
    /// The part of `input` that was written to a cache.
    pub cache_write: Tokens,
    /// The part of `cache_write` that stays in the cache for an hour, which costs more.
    pub cache_write_hour: Tokens,
    /// Everything the model produced, reasoning included.
    pub output: Tokens,
    /// The part of `output` that was reasoning.
    pub reasoning: Tokens,
    /// What is paid for, where that is another count.
    pub billed: Option<Billed>,
    /// How many tools the model called, as counted in its answer.
    pub tool_calls: u64,
    /// Whether the gateway counted, because the provider said nothing.
    pub estimated: bool,
    /// The service tier that served it, which sets the price.
    pub service_tier: Option<String>,
}

/// What is paid for, where that is not the tokens that were used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Billed {
    /// Searches, where they have a price; where they have none, the tokens that were used.
    Searches(Searches),
    /// Fewer or more tokens than were used. Caches are in it already.
    Tokens {
        /// Of the input.
        input: Tokens,
        /// Of the output.
        output: Tokens,
    },
}

/// The usage in a whole (not streamed) answer; none where the provider said nothing, which is
/// always so for moderations, and where tokens are only counted.
pub fn usage_of(endpoint: Endpoint, body: &[u8]) -> Option<Usage> {
    if endpoint.only_counts() || endpoint == Endpoint::Moderations {
        return None;
    }
    if endpoint.protocol() == Protocol::Gemini {
        return gemini::usage::of_answer(body);
    }
    let report: Report = serde_json::from_slice(body).ok()?;
    match endpoint.protocol() {
        Protocol::Anthropic => Counted::of(&report.usage)?.usage(),
        Protocol::Cohere => {
            let said = [&report.usage, &report.meta];
            said.into_iter().find_map(cohere::usage::of_counts)
        }
        Protocol::Gemini | Protocol::OpenAi => report.usage(),
    }
}

/// The searches that a whole answer says are paid for; none where the provider says nothing of it,
/// or sells none at `endpoint`.
pub fn searches_of(endpoint: Endpoint, body: &[u8]) -> Option<Searches> {
    if endpoint != Endpoint::Rerank {
        return None;
    }
    let report: Report = serde_json::from_slice(body).ok()?;
    cohere::usage::searches(&report.meta)
}

/// The part of an answer, or of an event, that reports usage. `Value` takes whatever is there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    pub(crate) usage: Value,
    /// Where Cohere says it of what generates nothing.
    meta: Value,
    service_tier: Value,
    x_groq: Value,
}

impl Report {
    pub(crate) const fn new(usage: Value, service_tier: Value, x_groq: Value) -> Self {
        Self { usage, meta: Value::Null, service_tier, x_groq }
    }

    /// What was used, if it says so.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let usage = of_counts(&self.usage).or_else(|| of_counts(self.x_groq.get("usage")?))?;
        Some(Usage { service_tier: self.service_tier.as_str().map(str::to_owned), ..usage })
    }
}

/// What was used, from the `usage` object alone.
pub(crate) fn of_counts(counts: &Value) -> Option<Usage> {
    let input = first(counts, &["prompt_tokens", "input_tokens"]);
    let said = first(counts, &["completion_tokens", "output_tokens"]);
    if (input.is_none() && said.is_none()) || is_beyond(counts) {
        return None;
    }
    let input = input.unwrap_or_default();
    let total = first(counts, &["total_tokens"]).unwrap_or_default();
    let output = said.unwrap_or_default().max(total.less(input));
    let detail = |owners: [&str; 2], names: &[&str]| {
        let found = owners.iter().find_map(|owner| first(counts.get(*owner)?, names));
        found.or_else(|| first(counts, names)).unwrap_or_default()
    };
    let inputs = ["prompt_tokens_details", "input_tokens_details"];
    let cached = detail(inputs, &["cached_tokens", "prompt_cache_hit_tokens"]).min(input);
    let written = detail(inputs, &["cache_write_tokens"]).min(input.less(cached));
    let outputs = ["completion_tokens_details", "output_tokens_details"];
    Some(Usage {
        input,
        cached_input: cached,
        cache_write: written,
        output,
        reasoning: detail(outputs, &["reasoning_tokens"]).min(output),
        ..Usage::default()
    })
}

/// Whether something counts more tokens than can be: then nothing that it says is believed.
pub(crate) fn is_beyond(counts: &Value) -> bool {
    let Some(members) = counts.as_object() else {
        return false;
    };
    members.iter().any(|(name, value)| {
        let counts_tokens = name.contains("token") || name.contains("Token");
        let number = value.as_f64().filter(|_| counts_tokens);
        number.is_some_and(|number| number > SENSIBLE_MAX_WRITTEN) || is_beyond(value)
    })
}

/// More than any request uses: a larger number is a mistake.
pub(crate) const SENSIBLE_MAX: u64 = 1_000_000_000_000;
/// The same, for what is written with more digits than an integer here has.
const SENSIBLE_MAX_WRITTEN: f64 = 1e12;

pub(crate) fn first(owner: &Value, names: &[&str]) -> Option<Tokens> {
    let number = names.iter().find_map(|name| owner.get(name)?.as_u64())?;
    (number <= SENSIBLE_MAX).then_some(Tokens::new(number))
}

#[cfg(test)]
mod tests;
