//! Chat completions: the messages.

use super::image_part;
use crate::read::field::{items, members};
use crate::read::{Draft, stored};
use crate::walk::{Kind, Path, Value};
use crate::{Extra, Malformed, StoredKind};

/// `messages`
pub(super) fn messages(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    draft.messages(value, path, message)
}

fn message(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let mut role = None;
    members(value, path, (MESSAGE, "a message: an object with a `role`"), |key, value, path| {
        match key {
            "role" => role = Some(value),
            "content" => content(draft, value, path)?,
            "name" if !value.is_null() => {
                draft.counted(value, path)?;
                draft.prompt.names = draft.prompt.names.saturating_add(1);
            }
            "refusal" | "reasoning" | "reasoning_content" if value.kind() == Kind::String => {
                draft.prompt.add_text(value.place());
            }
            "tool_calls" if !value.is_null() => {
                items(value, path, "a list of tool calls", |item, path| call(draft, item, path))?;
            }
            "function_call" if !value.is_null() => function(draft, value, path)?,
            "audio" if !value.is_null() => audio(draft, value, path)?,
            "tool_call_id" => {}
            _ => draft.unknown_member(key, value, path)?,
        }
        Ok(())
    })?;
    draft.spoken(role, (value, path))
}

const MESSAGE: &[&str] = &[
    "audio",
    "content",
    "function_call",
    "name",
    "reasoning",
    "reasoning_content",
    "refusal",
    "role",
    "tool_call_id",
    "tool_calls",
];

fn content(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.kind() != Kind::Array {
        return match value.kind() {
            Kind::String | Kind::Null => draft.counted(value, path),
            _ => Err(Malformed::wrong(value, path, "a string or a list of parts")),
        };
    }
    items(value, path, "a list of parts", |item, path| part(draft, item, path)).map(|_| ())
}

fn part(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let kind = draft.kind_of_part(PART, value, path)?;
    let Some(payload) = value.member(&kind) else {
        return other_part(draft, &kind, value, path);
    };
    let inner = path.key(&kind);
    match kind.as_ref() {
        "text" | "refusal" => draft.counted(payload, &inner),
        "image_url" => image_part::image_url(draft, payload, &inner),
        "input_audio" => {
            draft.sound(payload);
            draft.add_extra(Extra::Modality("audio".to_owned()));
            Ok(())
        }
        "file" => file(draft, payload, &inner),
        _ => other_part(draft, &kind, value, path),
    }
}

const PART: &[&str] = &["file", "image_url", "input_audio", "refusal", "text", "type"];

/// A part that OpenAI does not have; other servers may.
fn other_part(
    draft: &mut Draft,
    kind: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if PART.contains(&kind) {
        return Err(Malformed::missing(value, path, kind, "the content of this part"));
    }
    if value.find_within(&["file_id", "file_ids"], |_, file| !file.is_null()).is_some() {
        draft.prompt.add_elsewhere();
    }
    draft.unknown_part(value, path)
}

fn file(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    draft.prompt.unseen = true;
    let known = (&["file_data", "file_id", "filename"][..], "a file: an object");
    members(value, path, known, |key, value, path| match key {
        "file_id" if !value.is_null() => {
            draft.prompt.add_elsewhere();
            stored::refer(draft, StoredKind::File, value, path)
        }
        "filename" => draft.counted(value, path),
        "file_data" => {
            draft.file(value);
            Ok(())
        }
        _ => {
            draft.address(value);
            draft.unknown(value);
            Ok(())
        }
    })
}

/// An earlier answer in sound: the provider keeps it, the caller only has its id.
fn audio(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    members(value, path, (&["id"], "an object"), |key, value, path| {
        if key == "id" {
            return stored::refer(draft, StoredKind::Audio, value, path);
        }
        draft.unknown(value);
        Ok(())
    })
}

fn call(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let known = (&["custom", "function", "id", "type"][..], "a tool call: an object");
    members(value, path, known, |key, value, path| match key {
        "custom" | "function" if !value.is_null() => function(draft, value, path),
        "id" | "type" => Ok(()),
        _ => {
            draft.unknown(value);
            Ok(())
        }
    })
}

fn function(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let known = (&["arguments", "input", "name"][..], "an object with a `name`");
    members(value, path, known, |key, value, path| match key {
        "arguments" | "input" | "name" => draft.counted(value, path),
        _ => {
            draft.unknown(value);
            Ok(())
        }
    })
}
