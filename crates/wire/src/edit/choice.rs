//! Which tool a `tool_choice` picks, so that none picks one that was taken out.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::kinds::undated;
use crate::read::chosen::picked;
use crate::walk::Value;
use crate::{Ask, Tool};

/// The fields that pick tools.
pub(super) const FIELDS: [&str; 2] = ["function_call", "tool_choice"];

/// The tools of a request that nobody can choose any more: all of their name, or kind, are gone.
pub(super) struct Choosable<'a> {
    gone: HashSet<Pick<'a>>,
    /// Those that are left, where only they may be chosen.
    left: Option<HashSet<Pick<'a>>>,
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

    /// Whether the tool that `choice` picks is gone, and no other of its name is left.
    pub(super) fn is_gone(&self, choice: Value<'_>) -> bool {
        let (name, kind) = picked(choice);
        let pick = match (name, kind) {
            (Some(name), _) => Pick::Name(name.text()),
            (None, Some(kind)) => Pick::Kind(undated(&kind.text()).to_owned().into()),
            (None, None) => return false,
        };
        let is_word = matches!(&pick, Pick::Kind(word) if WORDS.contains(&&**word));
        let is_absent = |left: &HashSet<Pick<'_>>| !left.contains(&pick);
        self.gone.contains(&pick) || (!is_word && self.left.as_ref().is_some_and(is_absent))
    }
}

/// What Anthropic writes where OpenAI has a word: it chooses no tool in particular.
pub(crate) const WORDS: [&str; 4] = ["any", "auto", "none", "required"];

fn picks_of(tool: &Tool) -> impl Iterator<Item = Pick<'_>> {
    let name = tool.name.as_deref().map(|name| Pick::Name(name.into()));
    name.into_iter().chain([Pick::Kind(tool.kind.as_str().into())])
}

/// The list of `allowed_tools`, which chat completions keep a level deeper than responses do.
pub(super) fn allowed(choice: Value<'_>) -> Option<Value<'_>> {
    choice.member("allowed_tools").unwrap_or(choice).member("tools")
}
