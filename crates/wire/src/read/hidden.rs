//! Tools where no protocol has them, but a server that is generous might take them from.
//!
//! An allowlist that only looks where tools belong is none: a body may carry `mcp_servers` to a
//! server that speaks OpenAI's protocol, or a list of tools inside a message. Whatever is not known
//! and has a name that speaks of tools is one, by that name.

use super::Draft;
use crate::walk::{Kind, Path, Value};
use crate::{Malformed, Tool, ToolList};

/// The name that makes an unknown field of the top level a tool: its own, or one inside it.
pub(crate) fn in_field(key: &str, value: Value<'_>) -> bool {
    says_something(value) && (speaks_of_tools(key) || find(value))
}

/// Notes what an unknown part of the input carries, if it carries tools: it cannot be taken out.
pub(crate) fn within(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    if find(value) { note(draft, value, path) } else { Ok(()) }
}

/// The same for a member of the input that is called `key`, which is not looked into.
pub(crate) fn member(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let is_tool = says_something(value) && speaks_of_tools(key);
    if is_tool { note(draft, value, path) } else { Ok(()) }
}

fn note(draft: &mut Draft, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    draft.add_tool(Tool::new(ToolList::Inside, "hidden", value, path), value, path)
}

fn says_something(value: Value<'_>) -> bool {
    !matches!(value.kind(), Kind::Null | Kind::Bool(false))
}

fn find(value: Value<'_>) -> bool {
    value
        .find_named(value.place().start, speaks_of_tools, |_, found| says_something(found))
        .is_some()
}

/// Whether a field of this name, however it is spelt, carries tools in one API or another.
fn speaks_of_tools(key: &str) -> bool {
    if key.len() > NAME_BYTES_MAX {
        return false;
    }
    let letters = key.chars().filter(|each| !matches!(each, '_' | '-'));
    let plain: String = letters.map(|each| each.to_ascii_lowercase()).collect();
    NAMES.contains(&plain.as_str())
}

const NAME_BYTES_MAX: usize = 32;

/// In small letters and nothing else.
const NAMES: &[&str] = &[
    "codeexecution",
    "codeinterpreter",
    "connectorid",
    "connectors",
    "datasources",
    "enablesearch",
    "functiondeclarations",
    "functions",
    "googlesearch",
    "mcpserver",
    "mcpservers",
    "plugins",
    "searchoptions",
    "searchparameters",
    "serverlabel",
    "serverurl",
    "skills",
    "tools",
    "toolsets",
    "urlcontext",
    "websearch",
    "websearchoptions",
];
