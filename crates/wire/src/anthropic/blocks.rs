//! What was said: the system prompt and the messages, block by block.
//!
//! A block is known by its `type`, and its members by their names, which mean the same in every
//! type. Pictures and documents are judged by their size, what is written is counted, and what
//! nobody knows is counted as it is written.

use super::is_text;
use crate::read::field::{self, items, members};
use crate::read::{Draft, hidden, stored};
use crate::walk::{Kind, Path, Value};
use crate::{Detail, Image, Malformed, StoredKind, image};

/// `system`: a string, or blocks.
pub(super) fn system(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if !value.is_null() {
        draft.prompt.add_message();
    }
    content(draft, value, path, 0)
}

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
    let known = (&["content", "role"][..], "a message: an object with a `role`");
    members(value, path, known, |key, value, path| {
        match key {
            "role" => role = Some(value),
            "content" => content(draft, value, path, 0)?,
            _ => draft.unknown_member(key, value, path)?,
        }
        Ok(())
    })?;
    draft.spoken(role, (value, path))
}

/// A string, a list of blocks, or one block.
fn content(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
    depth: u8,
) -> Result<(), Malformed> {
    match value.kind() {
        Kind::String | Kind::Null => draft.counted(value, path),
        Kind::Object => block(draft, value, path, depth),
        Kind::Array => {
            let each = |item, path: &Path<'_>| block(draft, item, path, depth);
            items(value, path, "a list of blocks", each).map(|_| ())
        }
        Kind::Bool(_) | Kind::Number => {
            Err(Malformed::wrong(value, path, "a string or a list of blocks"))
        }
    }
}

fn block(draft: &mut Draft, value: Value<'_>, path: &Path<'_>, depth: u8) -> Result<(), Malformed> {
    let expected = "a block: an object with a `type`";
    let mut kind = None;
    members(value, path, (BLOCK, expected), |key, value, _| {
        if key == "type" {
            kind = Some(value);
        }
        Ok(())
    })?;
    let kind = field::name(kind, (value, path), "type")?;
    if !KINDS.contains(&&*kind) || depth > DEPTH_MAX {
        stored::within(draft, value, path)?;
        hidden::within(draft, value, path)?;
        draft.prompt.unseen = true;
    }
    if depth > DEPTH_MAX {
        draft.unknown(value);
        return Ok(());
    }
    members(value, path, (BLOCK, expected), |key, value, path| {
        match key {
            "cache_control" | "caller" | "citations" | "id" | "is_error" | "tool_use_id"
            | "type" => {}
            "context" | "name" | "server_name" | "text" | "thinking" | "title" | "tool_name" => {
                draft.counted(value, path)?;
            }
            "content" => content(draft, value, path, depth.saturating_add(1))?,
            "data" | "encrypted_content" | "encrypted_stdout" => draft.file(value),
            // The thinking itself, where a block shows none or a summary of it.
            "signature" => draft.sealed(value),
            "file_id" => stored::refer(draft, StoredKind::File, value, path)?,
            "source" => source(draft, (&kind, depth), value, path)?,
            _ => draft.unknown_member(key, value, path)?,
        }
        Ok(())
    })
}

/// Where a picture, a document or a search result comes from.
fn source(
    draft: &mut Draft,
    (block, depth): (&str, u8),
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if is_text(value) {
        return draft.counted(value, path);
    }
    let (mut form, mut data, mut is_elsewhere) = (None, None, false);
    members(value, path, (SOURCE, "a source: an object with a `type`"), |key, value, path| {
        match key {
            "type" => form = Some(value),
            "data" => data = field::string(value, path)?.map(|_| value),
            "content" => content(draft, value, path, depth.saturating_add(1))?,
            "file_id" => {
                is_elsewhere |= !value.is_null();
                stored::refer(draft, StoredKind::File, value, path)?;
            }
            "url" => is_elsewhere |= !value.is_null(),
            "media_type" => {}
            _ => draft.unknown(value),
        }
        Ok(())
    })?;
    let form = field::name(form, (value, path), "type")?;
    if is_elsewhere && block != "image" {
        draft.prompt.add_elsewhere();
    }
    match (block, form.as_ref(), data) {
        ("image", _, _) => {
            let size = data.and_then(|data| image::size_of_base64(&data.text()));
            draft.prompt.add_image(Image { detail: Detail::Auto, size });
        }
        (_, "text", Some(data)) => draft.prompt.add_text(data.place()),
        (_, "content" | "text", _) => {}
        (_, _, Some(data)) => draft.file(data),
        // A document somewhere else, in a way that nobody knows.
        (_, _, None) => draft.prompt.add_elsewhere(),
    }
    Ok(())
}

/// The blocks whose members say all that the model is given.
const KINDS: &[&str] = &[
    "document",
    "image",
    "mcp_tool_result",
    "mcp_tool_use",
    "search_result",
    "server_tool_use",
    "text",
    "thinking",
    "tool_reference",
    "tool_result",
    "tool_use",
];

const BLOCK: &[&str] =
    &["content", "data", "file_id", "input", "name", "source", "text", "thinking", "type"];

const SOURCE: &[&str] = &["content", "data", "file_id", "media_type", "type", "url"];

/// A message holds a result, a result a page, a page a document, a document blocks: deeper blocks
/// are not looked into, because each level would walk those below it again.
const DEPTH_MAX: u8 = 4;
