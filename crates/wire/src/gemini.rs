//! Gemini's protocol: the reading of its bodies. The path names the model.
//!
//! Google reads each field in two spellings, `maxOutputTokens` and `max_output_tokens`, so both are
//! the field here, and a body that has both is refused: nobody could say which one decides. The
//! same is true of the files and caches that a request refers to, which lie at the account.

mod contents;
pub(crate) mod dialect;
pub(crate) mod names;
pub(crate) mod stream;
mod tools;
pub(crate) mod usage;

use self::names::fields;
use crate::read::field::{self, items};
use crate::read::{Draft, Generation, hidden, stored};
use crate::walk::{Kind, Path, Value};
use crate::{CapField, Endpoint, Extra, Malformed, StoredKind, ToolList};

/// The fields that decide something here, in the first of their two spellings.
const GOVERNED: &[&str] = &[
    "cachedContent",
    "contents",
    "fallbacks",
    "generateContentRequest",
    "generationConfig",
    "maxCompletionTokens",
    "maxNewTokens",
    "maxOutputTokens",
    "maxTokens",
    "model",
    "models",
    "nPredict",
    "safetySettings",
    "serviceTier",
    "systemInstruction",
    "toolConfig",
    "tools",
];

/// Reads the top level of a body.
pub(crate) fn read(draft: &mut Draft, root: Value<'_>) -> Result<(), Malformed> {
    fields(root, &Path::ROOT, (GOVERNED, "an object"), |key, value, path| {
        draft.add_field(key, value, path)?;
        top(draft, key, value, path)
    })
}

/// One field of the top level.
fn top(draft: &mut Draft, key: &str, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    match key {
        "model" => draft.model(value, path),
        "contents" => contents::contents(draft, value, path),
        "systemInstruction" => contents::instruction(draft, value, path),
        "generationConfig" => generation(draft, value, path),
        "tools" => tools::list(draft, value, path),
        "toolConfig" => tools::choice(draft, value, path),
        "cachedContent" => stored::refer(draft, StoredKind::Cache, value, path),
        "serviceTier" => tier(draft, value, path),
        "generateContentRequest" if draft.endpoint == Endpoint::CountContent => {
            counted_request(draft, value, path)
        }
        "labels" | "safetySettings" => Ok(()),
        "maxCompletionTokens" | "maxNewTokens" | "maxOutputTokens" | "maxTokens" | "nPredict" => {
            foreign(value, path, "the output cap is `generationConfig.maxOutputTokens`")
        }
        "fallbacks" | "models" => foreign(value, path, "a request is served by one model"),
        _ => {
            stored::at(draft, key, value, path)?;
            if hidden::in_field(key, value) {
                tools::field(draft, key, value, path)?;
            }
            draft.unknown(value);
            Ok(())
        }
    }
}

/// A field of another protocol that would decide something, and that nobody would have reserved.
fn foreign(value: Value<'_>, path: &Path<'_>, why: &str) -> Result<(), Malformed> {
    if value.is_null() { Ok(()) } else { Err(Malformed::unsupported(value, path, why)) }
}

/// What is counted may be a whole request, which has its own model in it.
fn counted_request(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    if draft.has_input {
        let why = "`contents` are given beside it; give one of the two";
        return Err(Malformed::unsupported(value, path, why));
    }
    let before = draft.tools.len();
    fields(value, path, (GOVERNED, "a request: an object"), |key, value, path| {
        if key == "generateContentRequest" {
            return Err(Malformed::wrong(value, path, "no request in a request"));
        }
        top(draft, key, value, path)
    })?;
    // Tools are taken out of bodies, not of requests in them.
    for tool in draft.tools.iter_mut().skip(before) {
        tool.list = ToolList::Inside;
    }
    Ok(())
}

/// `serviceTier`, as a word or as the name of its enumeration.
fn tier(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let said = field::string(value, path)?.unwrap_or_default().to_ascii_lowercase();
    let said = said.strip_prefix("service_tier_").unwrap_or(&said);
    if !matches!(said, "" | "standard" | "unspecified") {
        draft.add_extra(Extra::ServiceTier(said.to_owned()));
    }
    Ok(())
}

const CONFIG: &[&str] = &[
    "candidateCount",
    "imageConfig",
    "maxOutputTokens",
    "responseModalities",
    "speechConfig",
    "thinkingConfig",
];

/// Fields that say by a schema how the answer is to be written.
const SCHEMAS: &[&str] = &["responseJsonSchema", "responseSchema"];

/// `generationConfig`: the cap, how many answers, and what they are made of.
fn generation(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.is_null() {
        draft.generation(Generation::Null(value.place()));
        return Ok(());
    }
    let mut is_empty = true;
    fields(value, path, (CONFIG, "an object"), |key, value, path| {
        is_empty = false;
        match key {
            "maxOutputTokens" => draft.cap(CapField::MaxOutputTokens, value, path),
            "candidateCount" => draft.answers(value, path),
            "responseModalities" => modalities(draft, value, path),
            "imageConfig" | "speechConfig" => {
                if !value.is_null() {
                    let modality = if key == "imageConfig" { "image" } else { "audio" };
                    draft.add_extra(Extra::Modality(modality.to_owned()));
                }
                Ok(())
            }
            "thinkingConfig" if value.is_null() || value.kind() == Kind::Object => Ok(()),
            "thinkingConfig" => Err(Malformed::wrong(value, path, "an object")),
            "stopSequences" => Ok(()),
            _ => {
                // A schema has whatever names its writer likes.
                if !SCHEMAS.iter().any(|name| names::is_named(key, name)) {
                    hidden::member(draft, key, value, path)?;
                    hidden::within(draft, value, path)?;
                }
                draft.unknown(value);
                Ok(())
            }
        }
    })?;
    let first = value.place().start.saturating_add(1);
    draft.generation(Generation::Said { first, is_empty });
    Ok(())
}

fn modalities(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    items(value, path, "a list of modalities", |item, path| {
        let modality = field::string(item, path)?.unwrap_or_default().to_ascii_lowercase();
        if !matches!(&*modality, "text" | "modality_unspecified") {
            draft.add_extra(Extra::Modality(modality));
        }
        Ok(())
    })
    .map(|_| ())
}

#[cfg(test)]
mod tests;
