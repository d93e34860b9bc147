//! The OpenAI protocol: the reading of its bodies.
//!
//! Each field of the top level goes to whoever knows it. Fields that decide something are known at
//! every endpoint, also where the protocol does not have them, because servers that speak it are
//! generous about that. Fields that nobody knows pass through untouched; if they could carry input,
//! they are counted as if they did.

mod chat;
mod completions;
pub(crate) mod dialect;
mod embeddings;
pub(crate) mod image_part;
mod moderations;
mod responses;
pub(crate) mod tools;

use crate::read::{Draft, stored};
use crate::walk::{Path, Value};
use crate::{CapField, Endpoint, Malformed};

/// The fields that decide something here; in another case they are refused.
pub(crate) const GOVERNED: &[&str] = &[
    "agent_id",
    "background",
    "best_of",
    "cachedContent",
    "cached_content",
    "container",
    "conversation",
    "data_sources",
    "fallbacks",
    "function_call",
    "functions",
    "input",
    "instructions",
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_tokens",
    "messages",
    "modalities",
    "model",
    "models",
    "n",
    "n_predict",
    "parallel_tool_calls",
    "plugins",
    "prediction",
    "previous_response_id",
    "prompt",
    "response_format",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "suffix",
    "text",
    "tool_choice",
    "tools",
    "user",
    "web_search_options",
];

/// Fields that never reach the model as input.
const UNCOUNTED: &[&str] = &[
    "audio",
    "encoding_format",
    "function_call",
    "include",
    "logit_bias",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "reasoning_effort",
    "stop",
    "tool_choice",
    "truncation",
    "verbosity",
];

/// One field of the top level.
pub(crate) fn top(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    stored::field(draft, key, value, path)?;
    match key {
        "model" => draft.model(value, path),
        "stream" => draft.stream(value, path),
        "stream_options" => draft.stream_options(value, path),
        "user" => draft.user(value, path),
        "safety_identifier" => draft.safety_identifier(value, path),
        "service_tier" => draft.tier(value, path),
        "n" | "best_of" => draft.answers(value, path),
        "background" => draft.background(value, path),
        "store" => draft.store(value, path),
        _ => special(draft, key, value, path),
    }
}

/// A field that belongs to an endpoint.
fn special(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    use Endpoint as At;
    match (draft.endpoint, key) {
        (At::ChatCompletions, "max_completion_tokens") => {
            draft.cap(CapField::MaxCompletionTokens, value, path)
        }
        (At::ChatCompletions | At::Completions, "max_tokens") => {
            draft.cap(CapField::MaxTokens, value, path)
        }
        (At::Responses, "max_output_tokens") => draft.cap(CapField::MaxOutputTokens, value, path),
        (At::ChatCompletions, "messages") => chat::messages(draft, value, path),
        (At::Completions, "prompt") => completions::prompt(draft, value, path),
        (At::Completions, "suffix") => draft.counted(value, path),
        (At::Embeddings, "input") => embeddings::input(draft, value, path),
        (At::Moderations, "input") => moderations::input(draft, value, path),
        (At::Responses, "input") => responses::input(draft, value, path),
        (At::Responses, "instructions") => responses::instructions(draft, value, path),
        _ if draft.endpoint.generates() => tools::field(draft, key, value, path),
        _ => other(draft, key, value, path),
    }
}

/// A field that decides nothing. One that nobody knows may still name what the account stores.
fn other(draft: &mut Draft, key: &str, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if !UNCOUNTED.contains(&key) {
        if !GOVERNED.contains(&key) {
            stored::at(draft, key, value, path)?;
        }
        draft.unknown(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
