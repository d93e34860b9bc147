//! What a request refers to at the provider's account, and what is refused.
//!
//! Ids of stored things are noted, to be looked up later: whoever is not their owner is told that
//! they do not exist. Refused are lists of other models to fall back to, which nobody would have
//! allowed or priced, and foreign names of the output cap, which a compatible server may prefer to
//! the one that was lowered.

use super::field::{members, misspelt};
use super::{Draft, FREE};
use crate::stored::{ID_BYTES_MAX, Reference, Stored, StoredKind};
use crate::walk::{Kind, Path, Trail, Value};
use crate::{Endpoint, Malformed};

const BACKGROUND: &str = "only responses are made in the background; leave it out or say false";
const CAP: &str = "some servers let it override the output cap; say max_tokens";
const FOREIGN_CAP: &str = "it is the output cap of another endpoint; use this one's own";
const MODELS: &str = "a request is served by the model it names";

/// A field of the top level: notes what it refers to, or refuses it, unless it is `null`.
pub(crate) fn field(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let endpoint = draft.endpoint;
    let why = match key {
        "agent_id" => return refer(draft, StoredKind::Agent, value, path),
        "cachedContent" | "cached_content" => return refer(draft, StoredKind::Cache, value, path),
        "container" => return container(draft, value, path),
        "conversation" => return owner(draft, StoredKind::Conversation, value, path),
        "previous_response_id" => return refer(draft, StoredKind::Response, value, path),
        "prompt" if endpoint == Endpoint::Responses => {
            return owner(draft, StoredKind::Prompt, value, path);
        }
        "background" if value.kind() == Kind::Bool(false) => return Ok(()),
        "background" if endpoint != Endpoint::Responses => BACKGROUND,
        "fallbacks" | "models" => MODELS,
        "max_new_tokens" | "n_predict" => CAP,
        // The cap of another endpoint: a server may obey it, and nobody would have reserved it.
        "max_completion_tokens" if endpoint != Endpoint::ChatCompletions => FOREIGN_CAP,
        "max_output_tokens" if endpoint != Endpoint::Responses => FOREIGN_CAP,
        "max_tokens" if endpoint == Endpoint::Responses => FOREIGN_CAP,
        _ => return Ok(()),
    };
    if value.is_null() { Ok(()) } else { Err(Malformed::unsupported(value, path, why)) }
}

/// An id, a list of them, or `null`.
pub(crate) fn refer(
    draft: &mut Draft,
    kind: StoredKind,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if value.kind() != Kind::Array {
        return one(draft, kind, value, path);
    }
    value.items().try_for_each(|item| one(draft, kind, item, path))
}

/// A field that is such an id, or has some anywhere in it.
pub(crate) fn at(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    match kind_of(key) {
        Some(kind) if !value.is_null() => named(draft, kind, value, path),
        _ => within(draft, value, path),
    }
}

/// A value that may have such ids anywhere in it.
pub(crate) fn within(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let mut from = value.place().start;
    let mut trail = Trail::new(value);
    let is_id = |key: &str| IDS.contains(&key) || misspelt(key, IDS).is_some();
    let says_which = |_: &str, inner: Value<'_>| !inner.is_null();
    while let Some(member) = value.find_named(from, FREE, is_id, says_which) {
        let key = member.key.text();
        trail.to(&member, path, |path| match (kind_of(&key), misspelt(&key, IDS)) {
            (Some(kind), _) => named(draft, kind, member.value, path),
            (None, Some(right)) => Err(Malformed::spelling(member.key, path, right)),
            (None, None) => environment(draft, member.value, path),
        })?;
        from = member.value.place().end;
    }
    Ok(())
}

/// What stands under a name that says what kind of thing it is.
fn named(
    draft: &mut Draft,
    kind: StoredKind,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if kind == StoredKind::Container && value.kind() == Kind::Object {
        return container(draft, value, path);
    }
    refer(draft, kind, value, path)
}

/// Where a tool runs: only an object can be a container.
fn environment(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    match value.kind() {
        Kind::Object => container(draft, value, path),
        Kind::Array => value.items().try_for_each(|item| within(draft, item, path)),
        Kind::Bool(_) | Kind::Null | Kind::Number | Kind::String => Ok(()),
    }
}

/// Something by its id, or by an object that has it.
fn owner(
    draft: &mut Draft,
    kind: StoredKind,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if value.kind() != Kind::Object {
        return one(draft, kind, value, path);
    }
    match value.member("id") {
        Some(id) => one(draft, kind, id, &path.key("id")),
        None => Err(Malformed::missing(value, path, "id", ID)),
    }
}

/// A container by its id, or an object that describes one and may have an id, files and skills.
fn container(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.kind() != Kind::Object {
        return refer(draft, StoredKind::Container, value, path);
    }
    let (mut is_reference, mut has_id) = (false, false);
    let known = (CONTAINER, "an id, or an object that describes a container");
    members(value, path, known, |key, value, path| {
        match key {
            "type" => is_reference = value.text().contains(REFERENCE),
            "id" if value.kind() != Kind::Object => {
                has_id = true;
                one(draft, StoredKind::Container, value, path)?;
            }
            "container_id" => has_id = true,
            "file_ids" if value.kind() == Kind::Object => {
                return Err(Malformed::wrong(value, path, "a list of ids"));
            }
            _ => {}
        }
        Ok(())
    })?;
    if is_reference && !has_id {
        return Err(Malformed::missing(value, path, "container_id", ID));
    }
    within(draft, value, path)
}

fn one(
    draft: &mut Draft,
    kind: StoredKind,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    match value.kind() {
        Kind::Null => Ok(()),
        Kind::String if value.place().len() <= ID_BYTES_MAX => {
            let stored = Stored { kind, id: value.text().into_owned() };
            draft.prompt.unseen = true;
            draft.add_reference(Reference { stored, param: path.to_string() }, value, path)
        }
        Kind::Array | Kind::Bool(_) | Kind::Number | Kind::Object | Kind::String => {
            Err(Malformed::wrong(value, path, ID))
        }
    }
}

/// The end of a type that only says which thing it is.
pub(crate) const REFERENCE: &str = "_reference";

fn kind_of(key: &str) -> Option<StoredKind> {
    Some(match key {
        "cachedContent" | "cached_content" => StoredKind::Cache,
        "container" | "container_id" => StoredKind::Container,
        "file_id" | "file_ids" => StoredKind::File,
        "skill_id" => StoredKind::Skill,
        "tunnel_id" => StoredKind::Tunnel,
        "vector_store_id" | "vector_store_ids" => StoredKind::VectorStore,
        _ => return None,
    })
}

/// The fields that can name something stored. An environment is a container.
const IDS: &[&str] = &[
    "cachedContent",
    "cached_content",
    "container",
    "container_id",
    "environment",
    "file_id",
    "file_ids",
    "skill_id",
    "tunnel_id",
    "vector_store_id",
    "vector_store_ids",
];

const CONTAINER: &[&str] = &["container_id", "file_ids", "id", "skills", "type"];
const ID: &str = "an id: a string of at most 256 bytes";
