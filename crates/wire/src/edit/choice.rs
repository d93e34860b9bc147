//! Which tool a `tool_choice` picks, so that none picks one that was taken out.

use std::collections::HashSet;

use crate::read::chosen::{ANY, Pick, picks};
use crate::walk::Value;
use crate::{Ask, Tool};

/// The fields that pick tools.
pub(super) const FIELDS: [&str; 2] = ["function_call", "tool_choice"];

/// The tools of a request that nobody can choose any more: all of their kind and name are gone.
pub(super) struct Choosable<'a> {
    gone: HashSet<Pick<'a>>,
    /// Those that are left, where only they may be chosen.
    left: Option<HashSet<Pick<'a>>>,
}

impl<'a> Choosable<'a> {
    /// `gone` says where the tools that are taken out begin.
    pub(super) fn new(ask: &'a Ask, gone: &HashSet<usize>, only_offered: bool) -> Self {
        let picks = |stays: bool| {
            let tools = ask.tools.iter();
            let tools = tools.filter(move |tool| gone.contains(&tool.place.start) != stays);
            tools.flat_map(picks_of)
        };
        let left: HashSet<Pick<'_>> = picks(true).collect();
        let gone = picks(false).filter(|pick| !left.contains(pick)).collect();
        Self { gone, left: only_offered.then_some(left) }
    }

    /// Whether a tool that `choice` picks is gone, and no other of its kind and name is left.
    pub(super) fn is_gone(&self, choice: Value<'_>) -> bool {
        picks(choice).iter().any(|pick| {
            let is_absent = |left: &HashSet<Pick<'_>>| !left.contains(pick);
            self.gone.contains(pick) || self.left.as_ref().is_some_and(is_absent)
        })
    }
}

/// The words that choose no tool in particular; Anthropic writes them into objects, Cohere in
/// capitals.
pub(crate) const WORDS: [&str; 6] = ["NONE", "REQUIRED", "any", "auto", "none", "required"];

/// All that a tool can be picked by.
fn picks_of(tool: &Tool) -> impl Iterator<Item = Pick<'_>> {
    let kind = tool.kind.as_str();
    let name = tool.name.as_deref();
    let by_name = name.map(|name| Pick { kind: kind.into(), name: Some(name.into()) });
    // A server's label is no name of a tool.
    let named = name.filter(|_| kind != "mcp");
    let any = named.map(|name| Pick { kind: ANY.into(), name: Some(name.into()) });
    by_name.into_iter().chain(any).chain([Pick { kind: kind.into(), name: None }])
}
