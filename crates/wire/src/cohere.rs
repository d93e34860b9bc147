//! Cohere's protocol, the second version of its API: the reading of its bodies.
//!
//! Chat looks like OpenAI's and differs in what decides: the choice of tools is a word in capitals,
//! thinking has a budget of its own, and documents stand beside the messages. Whatever is embedded
//! or ranked is input. What is ranked is paid by the search.

pub(crate) mod dialect;
mod inputs;
mod messages;
pub(crate) mod ranking;
pub(crate) mod stream;
pub(crate) mod usage;

use crate::openai::tools::{Form, list};
use crate::read::field::{self, members};
use crate::read::{Draft, chosen, hidden, stored};
use crate::walk::{Path, Value};
use crate::{CapField, Endpoint, Extra, Malformed, Tool, ToolList};

/// The fields that decide something here; in another case they are refused.
pub(crate) const GOVERNED: &[&str] = &[
    "connectors",
    "documents",
    "fallbacks",
    "images",
    "inputs",
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_tokens",
    "max_tokens_per_doc",
    "messages",
    "model",
    "models",
    "n_predict",
    "query",
    "stream",
    "texts",
    "thinking",
    "tool_choice",
    "tools",
];

/// Fields that never reach the model as input.
const UNCOUNTED: &[&str] = &[
    "citation_options",
    "embedding_types",
    "input_type",
    "safety_mode",
    "stop_sequences",
    "truncate",
];

/// One field of the top level.
pub(crate) fn top(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    use Endpoint as At;
    stored::field(draft, key, value, path)?;
    match (draft.endpoint, key) {
        (_, "model") => draft.model(value, path),
        (At::Chat, "stream") => draft.stream(value, path),
        (At::Chat, "messages") => messages::messages(draft, value, path),
        (At::Chat, "documents") => messages::documents(draft, value, path),
        (At::Chat, "max_tokens") => draft.cap(CapField::MaxTokens, value, path),
        (At::Chat, "thinking") => thinking(draft, value, path),
        (At::Chat, "tools") if value.is_null() => Ok(()),
        (At::Chat, "tools") => list(draft, (ToolList::Tools, Form::Nested), value, path),
        (At::Chat, "tool_choice") => chosen::field(draft, value, path),
        (At::Embed, "texts" | "images" | "inputs") => inputs::embedded(draft, key, value, path),
        (At::Rerank, "query") => inputs::query(draft, value, path),
        (At::Rerank, "documents") => inputs::ranked(draft, value, path),
        (At::Rerank, "max_tokens_per_doc") => inputs::read_most(draft, value, path),
        _ => other(draft, key, value, path),
    }
}

/// A field that decides nothing. One that nobody knows may still name what the account stores, or
/// bring tools.
fn other(draft: &mut Draft, key: &str, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if UNCOUNTED.contains(&key) {
        return Ok(());
    }
    stored::at(draft, key, value, path)?;
    let is_answers_form = key == "response_format";
    if !is_answers_form && hidden::in_field(key, value) {
        draft.add_tool(Tool::new(ToolList::Field, key, value, path), value, path)?;
        draft.prompt.unseen = true;
        draft.add_extra(Extra::HostedTool(key.to_owned()));
    }
    draft.unknown(value);
    Ok(())
}

/// `thinking`: its budget is part of the output, and has to stay below the cap.
fn thinking(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    let known = (&["token_budget", "type"][..], "an object with a `type`");
    members(value, path, known, |key, inner, path| {
        if key == "token_budget" && field::whole(inner, path)?.is_some() {
            draft.thinks(value, inner);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
