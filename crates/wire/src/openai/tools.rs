//! Tools and what else a generating request may carry beside its input.
//!
//! Every tool is reported with its kind and name, wherever it stands, because an allowlist is only
//! as good as the list it is held against. Hosted tools cost more than tokens and bring tokens that
//! the body does not show; those that reach into stored state are refused.

use super::{GOVERNED, other};
use crate::kinds::undated;
use crate::read::field::{self, items, members};
use crate::read::{Draft, chosen, hidden, shape, stored};
use crate::walk::{Kind, Path, Value};
use crate::{Endpoint, Extra, FunctionShape, Malformed, Server, Tool, ToolList};

/// How a list writes its tools.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Form {
    /// Responses: a tool's fields stand beside its `type`.
    Flat,
    /// Legacy functions: the same, without a `type`.
    Typeless,
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
        "functions" => return list(draft, (ToolList::Functions, Form::Typeless), value, path),
        "modalities" => return draft.modalities(value, path),
        "prediction" => draft.add_extra(Extra::Prediction),
        "web_search_options" => return hosted_field(draft, "web_search", value, path),
        "function_call" | "tool_choice" => return chosen::field(draft, value, path),
        "data_sources" | "plugins" => return hosted_field(draft, key, value, path),
        // Whatever is in the metadata, no provider acts on it.
        _ if key != "metadata" && !GOVERNED.contains(&key) && hidden::in_field(key, value) => {
            return hosted_field(draft, key, value, path);
        }
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
    stored::within(draft, value, path)?;
    draft.add_tool(Tool::new(ToolList::Field, kind, value, path), value, path)?;
    hosted(draft, kind, value);
    Ok(())
}

/// A list of tools.
pub(crate) fn list(
    draft: &mut Draft,
    (list, form): (ToolList, Form),
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let mut add = |item, path: &Path<'_>| tool(draft, (list, form), item, path);
    items(value, path, "a list of tools", &mut add).map(|_| ())
}

/// The functions that an MCP server, known by `label`, listed earlier.
pub(super) fn listed(
    draft: &mut Draft,
    label: Option<Value<'_>>,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let label = label.map(|label| label.text().into_owned());
    let mut add = |item: Value<'_>, path: &Path<'_>| {
        described(draft, item, path)?;
        let tool = Tool::new(ToolList::Tools, "mcp", item, path).named(label.clone());
        draft.add_tool(tool, item, path)
    };
    items(value, path, "a list of tools", &mut add).map(|_| ())
}

/// The fields of a tool, in whatever order they came.
#[derive(Default)]
struct Fields<'b> {
    kind: Option<Value<'b>>,
    name: Option<Value<'b>>,
    label: Option<Value<'b>>,
    url: Option<Value<'b>>,
    connector: Option<Value<'b>>,
    description: Option<Value<'b>>,
    schema: Option<Value<'b>>,
    format: Option<Value<'b>>,
    custom: Option<Value<'b>>,
    function: Option<Value<'b>>,
    tools: Option<Value<'b>>,
    /// A field that no tool has, by a name that speaks of more tools.
    hidden: Option<(String, Value<'b>)>,
}

impl<'b> Fields<'b> {
    fn of(value: Value<'b>, path: &Path<'_>) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        members(value, path, (TOOL, "a tool: an object"), |key, value, _| {
            let field = match key {
                "type" => &mut fields.kind,
                "name" => &mut fields.name,
                "server_label" => &mut fields.label,
                "server_url" => &mut fields.url,
                "connector_id" => &mut fields.connector,
                "description" => &mut fields.description,
                "parameters" | "input_schema" => &mut fields.schema,
                "format" => &mut fields.format,
                "custom" => &mut fields.custom,
                "function" => &mut fields.function,
                "tools" => &mut fields.tools,
                _ => {
                    if hidden::speaks_of_tools(key) {
                        fields.hidden = Some((key.to_owned(), value));
                    }
                    return Ok(());
                }
            };
            *field = (!value.is_null()).then_some(value);
            Ok(())
        })?;
        Ok(fields)
    }

    fn server(&self) -> Server {
        let text = |value: Option<Value<'_>>| value.map(|value| value.text().into_owned());
        Server { url: text(self.url), connector: text(self.connector) }
    }

    /// Notes what a function or custom tool brings besides itself.
    fn others(&self, draft: &mut Draft, path: &Path<'_>) -> Result<(), Malformed> {
        let known = [
            ("connector_id", self.connector),
            ("server_label", self.label),
            ("server_url", self.url),
            ("tools", self.tools),
        ];
        let known = known.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let odd = self.hidden.as_ref().map(|(key, value)| (&**key, *value));
        for (key, value) in known.chain(odd) {
            hidden::member(draft, key, value, &path.key(key))?;
        }
        Ok(())
    }

    /// The names of a function or custom tool that do not stand where this form has them.
    fn other_names(&self, kind: &str, form: Form) -> impl Iterator<Item = Value<'b>> {
        let own = |inner: &str| form == Form::Nested && inner == kind;
        let function = self.function.filter(|_| !own("function"));
        let custom = self.custom.filter(|_| !own("custom"));
        let outer = self.name.filter(|_| form == Form::Nested);
        let inner = [function, custom].into_iter().flatten().filter_map(|it| it.member("name"));
        inner.chain(outer).filter(|name| name.kind() == Kind::String)
    }
}

const TOOL: &[&str] = &[
    "connector_id",
    "custom",
    "description",
    "format",
    "function",
    "input_schema",
    "name",
    "parameters",
    "server_label",
    "server_url",
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
    let written = match form {
        Form::Typeless => "function".into(),
        Form::Flat | Form::Nested => field::name(fields.kind, (value, path), "type")?,
    };
    let kind = undated(&written);
    let note = |draft: &mut Draft, name: Option<String>| {
        draft.add_tool(Tool::new(list, kind, value, path).named(name), value, path)
    };
    if matches!(kind, "custom" | "function") {
        // A server may take a tool's name from where another protocol has it.
        for name in fields.other_names(kind, form) {
            note(draft, Some(name.text().into_owned()))?;
        }
    }
    match (kind, form) {
        ("function" | "custom", Form::Nested) => {
            let inner = if kind == "function" { fields.function } else { fields.custom };
            let Some(inner) = inner else {
                return Err(Malformed::missing(value, path, kind, "an object with a `name`"));
            };
            fields.others(draft, path)?;
            let name = described(draft, inner, &path.key(kind))?;
            note(draft, Some(name))?;
        }
        ("function" | "custom", _) => {
            let name = described(draft, value, path)?;
            note(draft, Some(name))?;
        }
        ("namespace", Form::Flat) if fields.tools.is_some_and(has_items) => {
            return namespace(draft, &fields, path);
        }
        (hosted_kind, _) => {
            stored::within(draft, value, path)?;
            let name = fields.name.or(fields.label).filter(|name| name.kind() == Kind::String);
            let name = name.map(|name| name.text().into_owned());
            let tool = Tool::new(list, kind, value, path).named(name);
            let tool = if kind == "mcp" { tool.on(fields.server()) } else { tool };
            draft.add_tool(tool, value, path)?;
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
    fields.others(draft, path)?;
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
