//! Which tool a `tool_choice` picks, so that none picks one that was taken out.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::walk::Value;
use crate::{Ask, Tool};

/// The fields that pick tools.
pub(super) const FIELDS: [&str; 2] = ["function_call", "tool_choice"];

/// The tools of a request that nobody can choose any more: all of their name, or kind, are gone.
pub(super) struct Choosable<'a> {
    gone: HashSet<Pick<'a>>,
}

/// What a tool is picked by: its own name or its server's where one is given, else its kind, as
/// hosted tools are. A word such as `auto` picks none.
#[derive(Eq, Hash, PartialEq)]
enum Pick<'a> {
    Kind(Cow<'a, str>),
    Name(Cow<'a, str>),
}

impl<'a> Choosable<'a> {
    /// `gone` says where the tools that are taken out begin.
    pub(super) fn new(ask: &'a Ask, gone: &HashSet<usize>) -> Self {
        let picks = |stays: bool| {
            let tools = ask.tools.iter();
            let tools = tools.filter(move |tool| gone.contains(&tool.place.start) != stays);
            tools.flat_map(picks_of)
        };
        let left: HashSet<Pick<'_>> = picks(true).collect();
        Self { gone: picks(false).filter(|pick| !left.contains(pick)).collect() }
    }

    /// Whether the tool that `choice` picks is gone, and no other of its name is left.
    pub(super) fn is_gone(&self, choice: Value<'_>) -> bool {
        let inner = ["function", "custom"].iter().find_map(|kind| choice.member(kind));
        let name = choice
            .member("server_label")
            .or_else(|| inner.unwrap_or(choice).member("name"))
            .map(|name| Pick::Name(name.text()));
        let kind = || choice.member("type").map(|kind| Pick::Kind(kind.text()));
        name.or_else(kind).is_some_and(|pick| self.gone.contains(&pick))
    }
}

fn picks_of(tool: &Tool) -> impl Iterator<Item = Pick<'_>> {
    let name = tool.name.as_deref().map(|name| Pick::Name(name.into()));
    name.into_iter().chain([Pick::Kind(tool.kind.as_str().into())])
}

/// The list of `allowed_tools`, which chat completions keep a level deeper than responses do.
pub(super) fn allowed(choice: Value<'_>) -> Option<Value<'_>> {
    choice.member("allowed_tools").unwrap_or(choice).member("tools")
}
