//! What was said: the messages, and the documents that stand beside them.

use crate::Malformed;
use crate::openai::image_part;
use crate::read::field::{items, members};
use crate::read::{Draft, stored};
use crate::walk::{Kind, Path, Value};

/// `messages`
pub(super) fn messages(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    draft.messages(value, path, message)
}

/// `documents`: strings, or objects whose `data` reaches the model, names and values alike.
pub(super) fn documents(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    items(value, path, "a list of documents", |item, path| document(draft, item, path)).map(|_| ())
}

fn document(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    match value.kind() {
        Kind::String => draft.counted(value, path),
        Kind::Object => {
            stored::within(draft, value, path)?;
            draft.unknown(value);
            Ok(())
        }
        _ => Err(Malformed::wrong(value, path, "a string, or an object with `data`")),
    }
}

fn message(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let mut role = None;
    members(value, path, (MESSAGE, "a message: an object with a `role`"), |key, value, path| {
        match key {
            "role" => role = Some(value),
            "content" => content(draft, value, path)?,
            "tool_plan" => draft.counted(value, path)?,
            "tool_calls" if !value.is_null() => {
                items(value, path, "a list of tool calls", |item, path| call(draft, item, path))?;
            }
            "tool_call_id" => {}
            _ => draft.unknown_member(key, value, path)?,
        }
        Ok(())
    })?;
    draft.spoken(role, (value, path))
}

const MESSAGE: &[&str] = &["content", "role", "tool_calls", "tool_plan"];

fn content(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    match value.kind() {
        Kind::String | Kind::Null => draft.counted(value, path),
        Kind::Array => {
            items(value, path, "a list of parts", |item, path| part(draft, item, path)).map(|_| ())
        }
        _ => Err(Malformed::wrong(value, path, "a string or a list of parts")),
    }
}

/// One part of a content; `texts` and `inputs` that are embedded have the same.
pub(super) fn part(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let kind = draft.kind_of_part(PART, value, path)?;
    let (payload, inner) = (value.member(&kind), path.key(&kind));
    match (kind.as_ref(), payload) {
        ("text" | "thinking", Some(text)) => draft.counted(text, &inner),
        ("image_url", Some(image)) => image_part::image_url(draft, image, &inner),
        ("document", Some(data)) => document(draft, data, &inner),
        ("document" | "image_url" | "text" | "thinking", None) => {
            Err(Malformed::missing(value, path, &kind, "the content of this part"))
        }
        _ => draft.unknown_part(value, path),
    }
}

const PART: &[&str] = &["document", "image_url", "text", "thinking", "type"];

fn call(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let known = (&["function", "id", "type"][..], "a tool call: an object");
    members(value, path, known, |key, value, path| match key {
        "function" if !value.is_null() => function(draft, value, path),
        "id" | "type" => Ok(()),
        _ => {
            draft.unknown(value);
            Ok(())
        }
    })
}

fn function(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let known = (&["arguments", "name"][..], "an object with a `name`");
    members(value, path, known, |key, value, path| match key {
        "arguments" | "name" => draft.counted(value, path),
        _ => {
            draft.unknown(value);
            Ok(())
        }
    })
}
