//! Tools and what else a generating request may carry beside its input.
//!
//! Every tool is reported with its kind and name, wherever it stands, because an allowlist is only
//! as good as the list it is held against. Hosted tools cost more than tokens and bring tokens that
//! the body does not show; those that reach into stored state are refused.

use super::other;
use crate::read::field::{self, items, members};
use crate::read::{Draft, shape, stored};
use crate::walk::{Kind, Path, Value};
use crate::{Endpoint, Extra, FunctionShape, Malformed, Tool, ToolList};

/// How a list writes its tools.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Form {
    /// Responses: a tool's fields stand beside its `type`. Legacy functions have no `type`.
    Flat,
    /// What an MCP server listed earlier: functions without a `type`.
    Listed,
    /// Chat: a tool's fields stand in an object named as its `type`.
    Nested,
}

/// A field beside the input of a generating request.
pub(super) fn field(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    match key {
        "tools" => {
            let nested = draft.endpoint == Endpoint::ChatCompletions;
            let form = if nested { Form::Nested } else { Form::Flat };
            return list(draft, (ToolList::Tools, form), value, path);
        }
        "functions" => return list(draft, (ToolList::Functions, Form::Listed), value, path),
        "modalities" => return draft.modalities(value, path),
        "prediction" => draft.add_extra(Extra::Prediction),
        "web_search_options" => return hosted_field(draft, "web_search", value, path),
        "data_sources" | "plugins" => return hosted_field(draft, key, value, path),
        _ => return other(draft, key, value, path),
    }
    Ok(())
}

fn hosted(draft: &mut Draft, kind: &str, value: Value<'_>) {
    draft.prompt.unseen = true;
    draft.prompt.add_opaque(value.place());
    draft.add_extra(Extra::HostedTool(kind.to_owned()));
}

/// A field that is a hosted tool by itself, and no less off an allowlist than one in a list.
fn hosted_field(
    draft: &mut Draft,
    kind: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    stored::refuse_within(value, path)?;
    let (list, place) = (ToolList::Field, value.place());
    draft.add_tool(Tool { list, name: None, kind: kind.to_owned(), place }, value, path)?;
    hosted(draft, kind, value);
    Ok(())
}

/// A list of tools.
pub(super) fn list(
    draft: &mut Draft,
    (list, form): (ToolList, Form),
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let mut add = |item, path: &Path<'_>| tool(draft, (list, form), item, path);
    items(value, path, "a list of tools", &mut add).map(|_| ())
}

/// The fields of a tool, in whatever order they came.
#[derive(Default)]
struct Fields<'b> {
    kind: Option<Value<'b>>,
    name: Option<Value<'b>>,
    label: Option<Value<'b>>,
    description: Option<Value<'b>>,
    schema: Option<Value<'b>>,
    format: Option<Value<'b>>,
    custom: Option<Value<'b>>,
    function: Option<Value<'b>>,
    tools: Option<Value<'b>>,
}

impl<'b> Fields<'b> {
    fn of(value: Value<'b>, path: &Path<'_>) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        members(value, path, (TOOL, "a tool: an object"), |key, value, _| {
            let field = match key {
                "type" => &mut fields.kind,
                "name" => &mut fields.name,
                "server_label" => &mut fields.label,
                "description" => &mut fields.description,
                "parameters" | "input_schema" => &mut fields.schema,
                "format" => &mut fields.format,
                "custom" => &mut fields.custom,
                "function" => &mut fields.function,
                "tools" => &mut fields.tools,
                _ => return Ok(()),
            };
            *field = (!value.is_null()).then_some(value);
            Ok(())
        })?;
        Ok(fields)
    }
}

const TOOL: &[&str] = &[
    "custom",
    "description",
    "format",
    "function",
    "input_schema",
    "name",
    "parameters",
    "server_label",
    "tools",
    "type",
];

fn tool(
    draft: &mut Draft,
    (list, form): (ToolList, Form),
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let fields = Fields::of(value, path)?;
    let kind = match (form, list) {
        (Form::Listed, ToolList::Functions) => "function".into(),
        (Form::Listed, ToolList::Field | ToolList::Servers | ToolList::Tools) => "mcp".into(),
        (Form::Flat | Form::Nested, _) => field::name(fields.kind, (value, path), "type")?,
    };
    let note = |draft: &mut Draft, name: Option<String>| {
        let kind = kind.clone().into_owned();
        draft.add_tool(Tool { list, name, kind, place: value.place() }, value, path)
    };
    match (kind.as_ref(), form) {
        ("function" | "custom", Form::Nested) => {
            let inner = if kind == "function" { fields.function } else { fields.custom };
            let Some(inner) = inner else {
                return Err(Malformed::missing(value, path, &kind, "an object with a `name`"));
            };
            let name = described(draft, inner, &path.key(&kind))?;
            note(draft, Some(name))?;
        }
        ("function" | "custom", _) | (_, Form::Listed) => {
            let name = described(draft, value, path)?;
            note(draft, Some(name))?;
        }
        ("namespace", Form::Flat) if fields.tools.is_some_and(has_items) => {
            return namespace(draft, &fields, path);
        }
        (hosted_kind, _) => {
            stored::refuse_within(value, path)?;
            let name = fields.name.or(fields.label).filter(|name| name.kind() == Kind::String);
            note(draft, name.map(|name| name.text().into_owned()))?;
            hosted(draft, hosted_kind, value);
        }
    }
    Ok(())
}

/// A namespace is no tool itself: those inside it are.
fn namespace(draft: &mut Draft, fields: &Fields<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    for (key, value) in [("name", fields.name), ("description", fields.description)] {
        value.map_or(Ok(()), |value| draft.counted(value, &path.key(key)))?;
    }
    let Some(inner) = fields.tools else {
        return Ok(());
    };
    let path = path.key("tools");
    // One level: a namespace in a namespace would be walked again for each level above it.
    for (at, item) in inner.items().enumerate() {
        if item.member("type").is_some_and(|kind| kind.text() == "namespace") {
            let expected = "a function or custom tool: namespaces do not nest";
            return Err(Malformed::wrong(item, &path.index(at), expected));
        }
    }
    list(draft, (ToolList::Tools, Form::Flat), inner, &path)
}

fn has_items(value: Value<'_>) -> bool {
    value.items().next().is_some()
}

/// Notes a function or custom tool, and says its name.
fn described(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<String, Malformed> {
    let fields = Fields::of(value, path)?;
    let name = field::name(fields.name, (value, path), "name")?.into_owned();
    let mut shape = FunctionShape::default();
    shape.texts.extend(fields.name.map(Value::place));
    if let Some(description) = fields.description {
        field::string(description, &path.key("description"))?;
        shape.texts.push(description.place());
    }
    shape.opaque.extend(fields.format.map(Value::place));
    if let Some(schema) = fields.schema {
        shape::parameters(&mut shape, schema);
    }
    draft.prompt.add_function(shape);
    Ok(name)
}
