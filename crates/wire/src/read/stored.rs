//! What refers to state stored at the provider's account, and is refused.
//!
//! Every tenant of the gateway shares that account, so an id that one of them knows would open what
//! another stored there; and what it brings into the prompt is not in the body to be counted. The
//! same goes for work in the background, whose usage nobody would see, for lists of other models to
//! fall back to, which nobody would have allowed or priced, and for foreign names of the output
//! cap, which a compatible server may prefer to the one that was lowered.

use crate::walk::{Kind, Path, Value};
use crate::{Endpoint, Malformed};

const STORED: &str = "it refers to state stored at the provider's account, which every caller of \
                      this gateway shares; send the content itself";
const BACKGROUND: &str = "work in the background reports to nobody; leave it out or say false";
const CAP: &str = "some servers let it override the output cap; say max_tokens";
const FOREIGN_CAP: &str = "it is the output cap of another endpoint; use this one's own";
const MODELS: &str = "a request is served by the model it names";

/// Refuses a field of the top level, unless it is `null`.
pub(crate) fn refuse_field(
    endpoint: Endpoint,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let why = match key {
        "agent_id"
        | "cachedContent"
        | "cached_content"
        | "container"
        | "conversation"
        | "previous_response_id" => STORED,
        "prompt" if endpoint == Endpoint::Responses => STORED,
        "background" if value.kind() == Kind::Bool(false) => return Ok(()),
        "background" => BACKGROUND,
        "fallbacks" | "models" => MODELS,
        "max_new_tokens" | "n_predict" => CAP,
        // The cap of another endpoint: a server may obey it, and nobody would have reserved it.
        "max_completion_tokens" if endpoint != Endpoint::ChatCompletions => FOREIGN_CAP,
        "max_output_tokens" if endpoint != Endpoint::Responses => FOREIGN_CAP,
        "max_tokens" if endpoint == Endpoint::Responses => FOREIGN_CAP,
        _ => return Ok(()),
    };
    refuse(value, path, why)
}

/// Refuses an id of something stored, unless it is `null`.
pub(crate) fn refuse_id(value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    refuse(value, path, STORED)
}

/// Refuses a field that is such an id, or has one anywhere in it.
pub(crate) fn refuse_at(key: &str, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if IDS.contains(&key) && key != "container" {
        return refuse_id(value, path);
    }
    refuse_within(value, path)
}

/// Refuses a value that has such an id anywhere in it.
pub(crate) fn refuse_within(value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let found = value.find_within(IDS, |name, value| match name {
        // A code interpreter brings its own container as an object, and somebody's as an id.
        "container" => value.kind() == Kind::String,
        // An object under such a name describes a field, as schemas do, and names nothing.
        _ => !matches!(value.kind(), Kind::Null | Kind::Object),
    });
    match found {
        Some(member) => {
            let key = member.key.text();
            Err(Malformed::unsupported(member.value, &path.key(&key), STORED))
        }
        None => Ok(()),
    }
}

const IDS: &[&str] = &[
    "cachedContent",
    "cached_content",
    "container",
    "container_id",
    "file_id",
    "file_ids",
    "skill_id",
    "tunnel_id",
    "vector_store_id",
    "vector_store_ids",
];

fn refuse(value: Value<'_>, path: &Path<'_>, why: &str) -> Result<(), Malformed> {
    if value.is_null() { Ok(()) } else { Err(Malformed::unsupported(value, path, why)) }
}
