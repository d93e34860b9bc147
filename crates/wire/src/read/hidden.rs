//! Tools where no protocol has them, but a server that is generous might take them from.
//!
//! An allowlist that only looks where tools belong is none: a body may carry `mcp_servers` to a
//! server that speaks OpenAI's protocol, or a list of tools inside a message. Whatever is not known
//! and has a name that speaks of tools is one, by that name.

use super::field::folded;
use super::{Draft, FREE};
use crate::kinds::HIDDEN;
use crate::walk::{Kind, Member, Path, Trail, Value};
use crate::{Malformed, Tool, ToolList};

/// Whether an unknown field of the top level is a tool: by its own name, or one inside it.
pub(crate) fn in_field(key: &str, value: Value<'_>) -> bool {
    let is_tool = || speaks_of_tools(key) || is_one_of(key, SWITCHES);
    says_something(value) && (is_tool() || find(value).is_some())
}

/// Notes what an unknown part of the input carries, if it carries tools: it cannot be taken out.
pub(crate) fn within(
    draft: &mut Draft,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let Some(found) = find(value) else {
        return Ok(());
    };
    let key = found.key.text();
    Trail::new(value).to(&found, path, |path| note(draft, &key, found.value, path))
}

/// The same for a member of the input that is called `key`, which is not looked into.
pub(crate) fn member(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    let is_tool = speaks_of_tools(key) && carries(key, value);
    if is_tool { note(draft, key, value, path) } else { Ok(()) }
}

/// Each is reported by the name of its field, and as of a kind that no list has.
fn note(draft: &mut Draft, key: &str, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    let tool = Tool::new(ToolList::Inside, HIDDEN, value, path).named(Some(key.to_owned()));
    draft.add_tool(tool, value, path)
}

fn says_something(value: Value<'_>) -> bool {
    !matches!(value.kind(), Kind::Null | Kind::Bool(false))
}

/// What is called a tool may be the name of one that was called before.
fn carries(key: &str, value: Value<'_>) -> bool {
    let is_name = value.kind() == Kind::String && is_one_of(key, &["tool"]);
    says_something(value) && !is_name
}

fn find(value: Value<'_>) -> Option<Member<'_>> {
    value.find_named(value.place().start, FREE, speaks_of_tools, carries)
}

/// Whether a field of this name, however it is spelt, carries tools in one API or another.
pub(crate) fn speaks_of_tools(key: &str) -> bool {
    is_one_of(key, NAMES)
}

fn is_one_of(key: &str, names: &[&str]) -> bool {
    if key.len() > NAME_BYTES_MAX {
        return false;
    }
    let letters = || key.chars().filter(|each| !matches!(each, '_' | '-')).map(folded);
    names.iter().any(|name| letters().eq(name.chars()))
}

const NAME_BYTES_MAX: usize = 32;

/// In small letters and nothing else.
const NAMES: &[&str] = &[
    "builtintools",
    "codeexecution",
    "codeinterpreter",
    "connectorid",
    "connectorids",
    "connectors",
    "datasources",
    "enablesearch",
    "enablewebsearch",
    "enterprisewebsearch",
    "functiondeclarations",
    "functions",
    "googlemaps",
    "googlesearch",
    "googlesearchretrieval",
    "mcp",
    "mcpserver",
    "mcpservername",
    "mcpservers",
    "mcptools",
    "plugins",
    "searchoptions",
    "searchparameters",
    "serverlabel",
    "serverurl",
    "skills",
    "tool",
    "toolconfig",
    "toolresources",
    "tools",
    "toolset",
    "toolsets",
    "urlcontext",
    "websearch",
    "websearchenabled",
    "websearchoptions",
];

/// Words that are common inside of other things, and turn tools on at the top level.
const SWITCHES: &[&str] = &["grounding", "retrieval", "search"];
