//! Tools: the caller's own functions, and each of the others by the member that turns it on.
//!
//! One tool of a body holds a list of functions and any number of Google's own tools. Each is
//! reported by itself, with its name in the spelling of types (`googleSearch` is `google_search`),
//! because an allowlist is only as good as the list it is held against. What nobody knows is a tool
//! too.

use super::names::{fields, member, snake};
use crate::read::field::{self, items};
use crate::read::{Draft, hidden, shape, stored};
use crate::walk::{Kind, Path, Value};
use crate::{Extra, FunctionShape, Malformed, Server, StoredKind, Tool, ToolList};

const TOOL: &[&str] = &[
    "codeExecution",
    "computerUse",
    "enterpriseWebSearch",
    "exaAiSearch",
    "fileSearch",
    "functionDeclarations",
    "googleMaps",
    "googleSearch",
    "googleSearchRetrieval",
    "mcpServers",
    "parallelAiSearch",
    "retrieval",
    "urlContext",
];

/// `tools`
pub(super) fn list(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    items(value, path, "a list of tools", |item, path| {
        fields(item, path, (TOOL, "a tool: an object"), |key, value, path| match key {
            _ if value.is_null() => Ok(()),
            "functionDeclarations" => {
                let each = |item, path: &Path<'_>| function(draft, item, path);
                items(value, path, "a list of functions", each).map(|_| ())
            }
            "mcpServers" => {
                let each = |item, path: &Path<'_>| server(draft, item, path);
                items(value, path, "a list of servers", each).map(|_| ())
            }
            _ => field(draft, key, value, path),
        })
    })
    .map(|_| ())
}

/// A tool that is a field: one that Google runs, or that nobody knows.
pub(super) fn field(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    stored::within(draft, value, path)?;
    if let Some(stores) = member(value, "fileSearchStoreNames") {
        stored::refer(draft, StoredKind::VectorStore, stores, path)?;
    }
    let kind = snake(key);
    runs_elsewhere(draft, &kind);
    draft.unknown(value);
    draft.add_tool(Tool::new(ToolList::Field, &kind, value, path), value, path)
}

/// A tool that Google runs: it costs more than tokens, and brings some that nobody sees.
fn runs_elsewhere(draft: &mut Draft, kind: &str) {
    draft.prompt.unseen = true;
    draft.add_extra(Extra::HostedTool(kind.to_owned()));
}

const FUNCTION: &[&str] = &[
    "behavior",
    "description",
    "name",
    "parameters",
    "parametersJsonSchema",
    "response",
    "responseJsonSchema",
];

fn function(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let (mut function, mut name) = (FunctionShape::default(), None);
    fields(value, path, (FUNCTION, "a function: an object"), |key, value, path| {
        match key {
            "name" => {
                name = Some(value);
                function.texts.push(value.place());
            }
            "description" => {
                field::string(value, path)?;
                function.texts.push(value.place());
            }
            "parameters" | "parametersJsonSchema" if !value.is_null() => {
                shape::parameters(&mut function, value);
            }
            "behavior" => {}
            _ if value.is_null() => {}
            "response" | "responseJsonSchema" => function.opaque.push(value.place()),
            _ => {
                hidden::member(draft, key, value, path)?;
                function.opaque.push(value.place());
            }
        }
        Ok(())
    })?;
    let name = field::name(name, (value, path), "name")?.into_owned();
    draft.prompt.add_function(function);
    let tool = Tool::new(ToolList::Tools, "function", value, path).named(Some(name));
    draft.add_tool(tool, value, path)
}

/// A server of tools, by its name and the address in its transport.
fn server(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let (mut name, mut server) = (None, Server::default());
    let known = (&["name", "streamableHttpTransport"][..], "a server: an object");
    fields(value, path, known, |key, value, path| {
        if key == "name" {
            name = field::string(value, path)?.map(std::borrow::Cow::into_owned);
            return Ok(());
        }
        let url = value.member("url").filter(|url| url.kind() == Kind::String);
        server.url = url.map(|url| url.text().into_owned()).or(server.url.take());
        draft.unknown(value);
        Ok(())
    })?;
    runs_elsewhere(draft, "mcp");
    let tool = Tool::new(ToolList::Field, "mcp", value, path).named(name).on(server);
    draft.add_tool(tool, value, path)
}

/// `toolConfig`: the functions that may be chosen.
pub(super) fn choice(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if value.is_null() {
        return Ok(());
    }
    let known = (&["functionCallingConfig", "retrievalConfig"][..], "an object");
    fields(value, path, known, |key, value, path| match key {
        "functionCallingConfig" if !value.is_null() => calling(draft, value, path),
        "functionCallingConfig" | "retrievalConfig" => Ok(()),
        _ => hidden::member(draft, key, value, path),
    })
}

fn calling(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let known = (&["allowedFunctionNames", "mode"][..], "an object");
    fields(value, path, known, |key, value, path| {
        if key != "allowedFunctionNames" || value.is_null() {
            return Ok(());
        }
        items(value, path, "a list of names", |item, path| {
            let name = field::string(item, path)?.map(std::borrow::Cow::into_owned);
            let tool = Tool::new(ToolList::Inside, "function", item, path).named(name);
            draft.add_chosen(tool, item, path)
        })
        .map(|_| ())
    })
}
