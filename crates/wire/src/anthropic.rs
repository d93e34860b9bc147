//! Anthropic's protocol: the reading of its bodies.
//!
//! A request to count tokens has the same body as one for a message, less what concerns the answer,
//! so both are read alike. What the protocol has and the gateway cannot meter is noted as an extra;
//! what refers to something stored at the account is refused, as in OpenAI's protocol.

mod blocks;
pub(crate) mod dialect;
mod tools;
pub(crate) mod usage;

use crate::read::field::{self, members};
use crate::read::{Draft, chosen, hidden, stored};
use crate::walk::{Kind, Path, Value};
use crate::{CapField, Endpoint, Extra, Malformed};

/// The fields that decide something here; in another case they are refused.
pub(crate) const GOVERNED: &[&str] = &[
    "container",
    "fallbacks",
    "inference_geo",
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "models",
    "n_predict",
    "service_tier",
    "speed",
    "stream",
    "system",
    "thinking",
    "tool_choice",
    "tools",
];

/// Fields that never reach the model as input.
const UNCOUNTED: &[&str] = &["cache_control", "context_management", "metadata", "stop_sequences"];

/// Fields that say how the answer is to be written, by a schema with whatever names in it.
const OUTPUT: &[&str] = &["output_config", "output_format"];

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
        "messages" => blocks::messages(draft, value, path),
        "system" => blocks::system(draft, value, path),
        "metadata" => metadata(draft, value, path),
        "service_tier" => draft.tier(value, path),
        "speed" => unusual(draft, ("standard", ""), value, path),
        "inference_geo" => unusual(draft, ("global", "inference in "), value, path),
        "thinking" => thinking(draft, value, path),
        "tools" => tools::list(draft, value, path),
        "mcp_servers" => tools::servers(draft, value, path),
        "tool_choice" => chosen::field(draft, value, path),
        "max_tokens" if draft.endpoint == Endpoint::Messages => {
            draft.cap(CapField::MaxTokens, value, path)
        }
        _ => other(draft, key, value, path),
    }
}

/// Whether any `cache_control` asks for the longer time, which costs more to write.
pub(crate) fn is_cached_for_an_hour(root: Value<'_>) -> bool {
    root.find_within(&["ttl"], |_, ttl| ttl.text() == "1h").is_some()
}

/// A field that decides nothing. One that nobody knows may still name what the account stores.
fn other(draft: &mut Draft, key: &str, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if !UNCOUNTED.contains(&key) {
        if !OUTPUT.contains(&key) {
            stored::at(draft, key, value, path)?;
            if !GOVERNED.contains(&key) && hidden::in_field(key, value) {
                tools::field(draft, key, value, path)?;
            }
        }
        draft.unknown(value);
    }
    Ok(())
}

/// A switch that changes the price when it says anything but `usual`.
fn unusual(
    draft: &mut Draft,
    (usual, what): (&str, &str),
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if let Some(said) = field::string(value, path)?.filter(|said| said != usual) {
        draft.add_extra(Extra::ServiceTier(format!("{what}{said}")));
    }
    Ok(())
}

fn metadata(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    members(value, path, (&["user_id"], "an object"), |key, value, path| {
        if key == "user_id" { draft.user_and_session(value, path) } else { Ok(()) }
    })
}

/// `thinking`: its budget is part of the output, and has to stay below the cap.
fn thinking(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    let known = (&["budget_tokens", "type"][..], "an object with a `type`");
    members(value, path, known, |key, inner, path| {
        if key == "budget_tokens" && field::whole(inner, path)?.is_some() {
            draft.thinks(value, inner);
        }
        Ok(())
    })
}

/// Whether a value is the name of a place where something is stored, and not a description.
fn is_text(value: Value<'_>) -> bool {
    value.kind() == Kind::String
}

#[cfg(test)]
mod tests;
