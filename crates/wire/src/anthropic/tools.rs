//! Tools: the caller's own, those that Anthropic defines and the caller runs, those that Anthropic
//! runs, and servers of tools.
//!
//! Every one is reported, because an allowlist is only as good as the list it is held against. A
//! defined tool is known by its kind without the date of its version (`web_search_20250305` is
//! `web_search`), so that a newer version is not a way around the list.

use std::borrow::Cow;

use crate::kinds::undated;
use crate::read::field::{self, items, members};
use crate::read::{Draft, hidden, shape, stored};
use crate::walk::{Kind, Path, Value};
use crate::{Extra, FunctionShape, Malformed, Server, Tool, ToolList};

/// `tools`
pub(super) fn list(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    items(value, path, "a list of tools", |item, path| tool(draft, item, path)).map(|_| ())
}

/// `mcp_servers`
pub(super) fn servers(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    let mut server = |value: Value<'_>, path: &Path<'_>| {
        let (mut name, mut server) = (None, Server::default());
        let known = (&["name", "tool_configuration", "type", "url"][..], "a server: an object");
        members(value, path, known, |key, value, path| {
            match key {
                "name" => name = Some(value),
                "url" => server.url = field::string(value, path)?.map(Cow::into_owned),
                _ => {}
            }
            Ok(())
        })?;
        let name = field::name(name, (value, path), "name")?.into_owned();
        let tool = Tool::new(ToolList::Servers, "mcp", value, path).named(Some(name)).on(server);
        draft.add_tool(tool, value, path)?;
        runs_elsewhere(draft, "mcp");
        Ok(())
    };
    items(value, path, "a list of servers", &mut server).map(|_| ())
}

/// A field that no version of the protocol has, and that speaks of tools.
pub(super) fn field(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    draft.add_tool(Tool::new(ToolList::Field, key, value, path), value, path)?;
    runs_elsewhere(draft, key);
    Ok(())
}

/// The fields of a tool, in whatever order they came.
#[derive(Default)]
struct Fields<'b> {
    kind: Option<Value<'b>>,
    name: Option<Value<'b>>,
    server: Option<Value<'b>>,
    description: Option<Value<'b>>,
    schema: Option<Value<'b>>,
    callers: Option<Value<'b>>,
    /// A field that no tool has, by a name that speaks of more tools.
    hidden: Option<(String, Value<'b>)>,
    others: Vec<Value<'b>>,
}

impl<'b> Fields<'b> {
    fn of(value: Value<'b>, path: &Path<'_>) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        members(value, path, (TOOL, "a tool: an object"), |key, value, _| {
            let field = match key {
                "type" => &mut fields.kind,
                "name" => &mut fields.name,
                "mcp_server_name" => &mut fields.server,
                "description" => &mut fields.description,
                "input_schema" => &mut fields.schema,
                "allowed_callers" => &mut fields.callers,
                "cache_control" => return Ok(()),
                _ => {
                    if hidden::speaks_of_tools(key) {
                        fields.hidden = Some((key.to_owned(), value));
                    }
                    fields.others.push(value);
                    return Ok(());
                }
            };
            *field = (!value.is_null()).then_some(value);
            Ok(())
        })?;
        Ok(fields)
    }
}

const TOOL: &[&str] =
    &["allowed_callers", "description", "input_schema", "mcp_server_name", "name", "type"];

fn tool(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let fields = Fields::of(value, path)?;
    let written = match fields.kind {
        Some(kind) => field::name(Some(kind), (value, path), "type")?,
        None => "custom".into(),
    };
    let (kind, name) = match undated(&written) {
        "custom" => {
            let name = field::name(fields.name, (value, path), "name")?;
            described(draft, &fields, path)?;
            ("custom", Some(name.into_owned()))
        }
        kind => {
            stored::within(draft, value, path)?;
            draft.unknown(value);
            let is_server = kind == "mcp_toolset";
            let kind = if is_server { "mcp" } else { kind };
            let name = if is_server { fields.server } else { fields.name };
            match DEFINED.iter().find(|(known, _)| *known == kind) {
                Some((_, tokens)) => {
                    draft.prompt.attached = draft.prompt.attached.saturating_add(*tokens);
                }
                None => runs_elsewhere(draft, kind),
            }
            let name = name.filter(|name| name.kind() == Kind::String);
            (kind, name.map(|name| name.text().into_owned()))
        }
    };
    callers(draft, &fields, path)?;
    draft.add_tool(Tool::new(ToolList::Tools, kind, value, path).named(name), value, path)
}

/// `allowed_callers`: what else may call a tool, which is a tool itself.
fn callers(draft: &mut Draft, fields: &Fields<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let path = path.key("allowed_callers");
    for (at, caller) in fields.callers.into_iter().flat_map(Value::items).enumerate() {
        let (kind, path) = (caller.text(), path.index(at));
        if kind != "direct" {
            let tool = Tool::new(ToolList::Inside, undated(&kind), caller, &path);
            draft.add_tool(tool, caller, &path)?;
        }
    }
    Ok(())
}

/// A tool that the provider runs: it costs more than tokens, and brings some that nobody sees.
fn runs_elsewhere(draft: &mut Draft, kind: &str) {
    draft.prompt.unseen = true;
    draft.add_extra(Extra::HostedTool(kind.to_owned()));
}

/// Notes one of the caller's own tools.
fn described(draft: &mut Draft, fields: &Fields<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let mut shape = FunctionShape::default();
    shape.texts.extend(fields.name.map(Value::place));
    if let Some(description) = fields.description {
        field::string(description, &path.key("description"))?;
        shape.texts.push(description.place());
    }
    if let Some(schema) = fields.schema {
        shape::parameters(&mut shape, schema);
    }
    draft.prompt.add_function(shape);
    if let Some((key, value)) = &fields.hidden {
        hidden::member(draft, key, *value, &path.key(key))?;
    }
    fields.others.iter().for_each(|value| draft.unknown(*value));
    Ok(())
}

/// The tools that Anthropic defines and that cost tokens alone, with what their descriptions come
/// to (the published figures, those of the dearest version).
const DEFINED: &[(&str, u64)] = &[
    ("bash", 325),
    ("computer", 735),
    ("memory", 1200),
    ("text_editor", 700),
    ("tool_search_tool_bm25", 400),
    ("tool_search_tool_regex", 400),
];
