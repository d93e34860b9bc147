//! Which tool a `tool_choice` picks, so that none picks one that was taken out.

use std::collections::HashSet;

use crate::walk::Value;
use crate::{Ask, Tool};

/// The fields that pick tools.
pub(super) const FIELDS: [&str; 2] = ["function_call", "tool_choice"];

/// The tools of a request, by whether they are gone.
pub(super) struct Choosable<'a> {
    gone: Vec<&'a Tool>,
    left: Vec<&'a Tool>,
}

impl<'a> Choosable<'a> {
    /// `gone` says where the tools that are taken out begin.
    pub(super) fn new(ask: &'a Ask, gone: &HashSet<usize>) -> Self {
        let (gone, left) = ask.tools.iter().partition(|tool| gone.contains(&tool.place.start));
        Self { gone, left }
    }

    /// Whether the tool that `choice` picks is gone, and no other of its name is left.
    pub(super) fn is_gone(&self, choice: Value<'_>) -> bool {
        let picks = |tool: &&Tool| picks(choice, tool);
        self.gone.iter().any(picks) && !self.left.iter().any(picks)
    }
}

/// The list of `allowed_tools`, which chat completions keep a level deeper than responses do.
pub(super) fn allowed(choice: Value<'_>) -> Option<Value<'_>> {
    choice.member("allowed_tools").unwrap_or(choice).member("tools")
}

/// By name where one is given: its own, or that of the server; else by kind, as hosted tools are
/// picked. A word such as `auto` picks none.
fn picks(choice: Value<'_>, tool: &Tool) -> bool {
    let inner = ["function", "custom"].iter().find_map(|kind| choice.member(kind));
    let name = choice
        .member("server_label")
        .or_else(|| inner.unwrap_or(choice).member("name"))
        .map(Value::text);
    match name {
        Some(name) => tool.name.as_deref() == Some(&*name),
        None => choice.member("type").is_some_and(|kind| kind.text() == tool.kind),
    }
}
