//! Responses: input items. Whatever refers to something stored at the account is noted.

use super::image_part;
use super::tools::{self, Form};
use crate::read::field::{self, items, members};
use crate::read::{Draft, hidden, stored};
use crate::walk::{Kind, Path, Value};
use crate::{Detail, Extra, Malformed, StoredKind, Tool, ToolList};

/// `instructions`
pub(super) fn instructions(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if !value.is_null() {
        draft.prompt.add_message();
    }
    draft.counted(value, path)
}

/// `input`
pub(super) fn input(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    const EXPECTED: &str = "a string or a list of items; not empty";
    draft.has_input = true;
    if value.kind() == Kind::String && value.place().len() > 2 {
        draft.prompt.add_message();
        return draft.counted(value, path);
    }
    if value.kind() != Kind::Array || value.items().next().is_none() {
        return Err(Malformed::wrong(value, path, EXPECTED));
    }
    items(value, path, EXPECTED, |value, path| item(draft, value, path)).map(|_| ())
}

fn item(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let (mut kind, mut role, mut id) = (None, None, None);
    members(value, path, (ITEM, "an item: an object"), |key, value, path| {
        match key {
            "type" => kind = field::string(value, path)?,
            "role" => role = field::string(value, path)?,
            "id" if !value.is_null() => id = Some(value),
            _ => {}
        }
        Ok(())
    })?;
    draft.prompt.add_message();
    match (kind.as_deref(), role, id) {
        (Some("item_reference"), ..) | (None, None, Some(_)) => {
            stored::refer(draft, StoredKind::Item, id.unwrap_or(value), &path.key("id"))
        }
        (None | Some("message"), Some(_), id) => {
            bare(draft, (&["content"], id), value, path)?;
            message(draft, value, path)
        }
        (None | Some("message"), None, _) => {
            Err(Malformed::missing(value, path, "role", "who speaks"))
        }
        (Some(kind), _, id) => {
            let needs: &[&str] = match kind {
                "function_call" => &["arguments", "name"],
                "custom_tool_call" => &["input", "name"],
                "function_call_output" | "custom_tool_call_output" => &["output"],
                _ => &[],
            };
            bare(draft, (needs, id), value, path)?;
            other_item(draft, kind, value, path)
        }
    }
}

/// An item with an id that lacks what it `needs`: the provider has to look the rest up.
fn bare(
    draft: &mut Draft,
    (needs, id): (&[&str], Option<Value<'_>>),
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let lacks = |key: &&str| value.member(key).is_none_or(Value::is_null);
    match id {
        Some(id) if needs.iter().any(lacks) => {
            stored::refer(draft, StoredKind::Item, id, &path.key("id"))
        }
        Some(_) | None => Ok(()),
    }
}

const ITEM: &[&str] = &[
    "arguments",
    "call_id",
    "container_id",
    "content",
    "encrypted_content",
    "id",
    "input",
    "name",
    "output",
    "role",
    "summary",
    "tools",
    "type",
];

fn message(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    for member in value.members() {
        let (key, value) = (member.key.text(), member.value);
        match key.as_ref() {
            "role" => draft.prompt.add_text(value.place()),
            "content" => content(draft, value, &path.key("content"))?,
            "id" | "phase" | "status" | "type" => {}
            _ => draft.unknown_member(&key, value, &path.key(&key))?,
        }
    }
    Ok(())
}

/// Something a model or a tool did before, or tools that the conversation brings.
fn other_item(
    draft: &mut Draft,
    kind: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    match kind {
        "function_call"
        | "custom_tool_call"
        | "function_call_output"
        | "custom_tool_call_output" => known_item(draft, value, path),
        "reasoning" | "compaction" | "compaction_summary" => {
            // Reasoning comes back encrypted, or is found at the provider by the item's id: then
            // it refers to what the account stores, and anybody could name it.
            let encrypted = value.member("encrypted_content");
            if encrypted.is_none_or(|content| content.is_null() || content.text().is_empty())
                && let Some(id) = value.member("id")
            {
                stored::refer(draft, StoredKind::Item, id, &path.key("id"))?;
            }
            draft.prompt.unseen = true;
            known_item(draft, value, path)
        }
        "additional_tools" | "tool_search_output" => offered(draft, value, path),
        "mcp_list_tools" => match value.member("tools") {
            Some(list) => {
                tools::listed(draft, value.member("server_label"), list, &path.key("tools"))
            }
            None => Ok(()),
        },
        _ => {
            stored::within(draft, value, path)?;
            if let Some(id) = value.member("id").filter(|_| is_reference(kind, value)) {
                stored::refer(draft, StoredKind::Item, id, &path.key("id"))?;
            }
            if MCP.contains(&kind) {
                // What a server did, or may do. An approval does not say which server it is, and
                // nobody reads what it says all the same.
                let label = value.member("server_label").filter(|label| !label.is_null());
                let label = label.filter(|_| kind != "mcp_approval_response");
                let label = label.map(|label| label.text().into_owned());
                let tool = Tool::new(ToolList::Inside, "mcp", value, path).named(label);
                draft.add_tool(tool, value, path)?;
            }
            hidden_in(draft, kind, value, path)?;
            draft.prompt.unseen = true;
            if kind == PICTURE {
                // What it came to is known by the picture, or nobody can see how large it is.
                image_part::made(draft, value.member("result"));
            }
            unknown_item(draft, kind, value, path)
        }
    }
}

/// Notes the tools that an item carries where it should not. What a model called a tool with is the
/// model's own, whatever it is called.
fn hidden_in(
    draft: &mut Draft,
    kind: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let is_mcp = MCP.contains(&kind);
    for member in value.members() {
        let (key, inner) = (member.key.text(), member.value);
        let is_own = match &*key {
            "arguments" => is_mcp || kind == "tool_search_call",
            "output" | "server_label" => is_mcp,
            _ => false,
        };
        if !is_own {
            let path = path.key(&key);
            hidden::member(draft, &key, inner, &path)?;
            hidden::within(draft, inner, &path)?;
        }
    }
    Ok(())
}

/// Items about servers of tools.
const MCP: &[&str] = &["mcp_approval_request", "mcp_approval_response", "mcp_call"];

/// Whether an item only says which one it is, so that the provider has to look it up. A picture is
/// in its `result` or nowhere.
fn is_reference(kind: &str, value: Value<'_>) -> bool {
    let says = |member: &crate::walk::Member<'_>| {
        let key = member.key.text();
        let is_picture = kind != PICTURE || key == "result";
        is_picture && !member.value.is_null() && !matches!(&*key, "id" | "status" | "type")
    };
    !value.members().any(|member| says(&member))
}

/// An image that the model has made.
const PICTURE: &str = "image_generation_call";

fn known_item(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    for member in value.members() {
        let (key, value) = (member.key.text(), member.value);
        let path = path.key(&key);
        match key.as_ref() {
            "arguments" | "input" | "name" => draft.counted(value, &path)?,
            "content" | "output" | "summary" => content(draft, value, &path)?,
            "encrypted_content" => draft.sealed(value),
            "call_id" | "caller" | "id" | "status" | "type" => {}
            _ => draft.unknown_member(&key, value, &path)?,
        }
    }
    Ok(())
}

/// An item of a kind not known here: its members count as they are written, its images as images.
fn unknown_item(
    draft: &mut Draft,
    kind: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    for member in value.members() {
        let (key, value) = (member.key.text(), member.value);
        match key.as_ref() {
            "output" if is_parts(value) => content(draft, value, &path.key("output"))?,
            "result" if kind == PICTURE => {}
            "encrypted_content" => draft.sealed(value),
            _ => draft.unknown(value),
        }
    }
    Ok(())
}

/// Whether an output is text or parts, and not something of its item's own shape.
fn is_parts(value: Value<'_>) -> bool {
    let is_part = |item: Value<'_>| item.member("type").is_some();
    match value.kind() {
        Kind::Array => value.items().all(is_part),
        Kind::Object => is_part(value),
        Kind::Bool(_) | Kind::Null | Kind::Number | Kind::String => true,
    }
}

fn offered(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let form = (ToolList::Tools, Form::Flat);
    match value.member("tools") {
        Some(list) => tools::list(draft, form, list, &path.key("tools")),
        None => Ok(()),
    }
}

/// A string, a list of parts, or one part (a computer's screenshot).
fn content(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    match value.kind() {
        Kind::String | Kind::Null => draft.counted(value, path),
        Kind::Object => part(draft, value, path),
        Kind::Array => {
            items(value, path, "parts", |item, path| part(draft, item, path)).map(|_| ())
        }
        Kind::Bool(_) | Kind::Number => {
            Err(Malformed::wrong(value, path, "a string or a list of parts"))
        }
    }
}

/// A part of a message or of a tool's output.
fn part(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let (mut kind, mut url, mut detail) = (None, None, Detail::Auto);
    let (mut id, mut is_elsewhere) = (None, false);
    members(value, path, (PART, "a part: an object with a `type`"), |key, value, path| {
        match key {
            "type" => kind = Some(value),
            "file_id" => {
                is_elsewhere |= !value.is_null();
                stored::refer(draft, StoredKind::File, value, path)?;
            }
            "container_id" => stored::refer(draft, StoredKind::Container, value, path)?,
            "text" | "refusal" | "filename" => draft.counted(value, path)?,
            "image_url" => url = field::string(value, path)?.map(|_| value),
            "detail" => detail = image_part::detail_of(value, path)?,
            "file_data" => draft.file(value),
            "input_audio" => draft.sound(value),
            "file_url" => is_elsewhere |= !value.is_null(),
            "id" => {
                id = Some(value);
                draft.unknown(value);
            }
            _ => draft.unknown_member(key, value, path)?,
        }
        Ok(())
    })?;
    match field::name(kind, (value, path), "type")?.as_ref() {
        "input_text" | "output_text" | "text" | "refusal" | "summary_text" | "reasoning_text" => {
            Ok(())
        }
        "input_image" | "computer_screenshot" => {
            image_part::add(draft, url, detail);
            Ok(())
        }
        "input_audio" => {
            draft.add_extra(Extra::Modality("audio".to_owned()));
            Ok(())
        }
        kind => {
            draft.prompt.unseen = true;
            if let Some(id) = id.filter(|_| kind.ends_with(stored::REFERENCE)) {
                stored::refer(draft, StoredKind::Item, id, &path.key("id"))?;
            }
            if is_elsewhere {
                draft.prompt.add_elsewhere();
            } else {
                draft.addresses(value);
            }
            hidden::within(draft, value, path)?;
            stored::within(draft, value, path)
        }
    }
}

const PART: &[&str] = &[
    "container_id",
    "detail",
    "file_data",
    "file_id",
    "file_url",
    "filename",
    "image_url",
    "input_audio",
    "refusal",
    "text",
    "type",
];
