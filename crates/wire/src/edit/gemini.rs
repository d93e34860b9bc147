//! What differs in Gemini's bodies: the cap stands in an object of its own, one tool holds many,
//! and the choice of functions is a configuration.

use std::collections::HashSet;

use super::{Edits, Splices};
use crate::gemini::names::{is_named, member};
use crate::read::Generation;
use crate::walk::Value;
use crate::{Ask, Place, ToolList};

impl Splices {
    /// Writes the cap where none is.
    pub(super) fn insert_in_config(&mut self, ask: &Ask, most: &str) {
        match ask.seams.generation {
            Generation::Absent => {
                self.insert(ask, "generationConfig", &format!("{{\"{CAP}\":{most}}}"));
            }
            Generation::Null(place) => self.replace(place, format!("{{\"{CAP}\":{most}}}")),
            Generation::Said { first, is_empty } => {
                let comma = if is_empty { "" } else { "," };
                self.replace(Place::new(first, first), format!("\"{CAP}\":{most}{comma}"));
            }
        }
    }

    /// Takes the tools out that begin where `gone` says. With `no_tools` no function may be called:
    /// the configuration of the choice says so, and nothing else.
    pub(super) fn gemini_tools(
        &mut self,
        ask: &Ask,
        root: Value<'_>,
        gone: &HashSet<usize>,
        edits: &Edits<'_>,
    ) {
        let tools = member(root, "tools");
        let is_emptied = tools.is_some_and(|tools| self.prune_gemini(tools, gone));
        let stays = |list: ToolList| {
            ask.tools.iter().any(|it| it.list == list && !gone.contains(&it.place.start))
        };
        let is_none = edits.no_tools && stays(ToolList::Tools);
        let mut is_said = false;
        let mut members: Vec<(Place, bool)> = Vec::new();
        for each in root.members() {
            let key = each.key.text();
            let is_choice = is_named(&key, "toolConfig");
            let mut goes = gone.contains(&each.value.place().start);
            if is_choice && is_none {
                is_said = true;
                self.replace(each.value.place(), NONE.to_owned());
            } else if is_choice {
                goes |= is_emptied || self.prune_names(ask, each.value, (gone, edits));
            }
            goes |= is_emptied && key == "tools";
            members.push((each.place(), goes));
        }
        self.cut(&members);
        if is_none && !is_said {
            self.insert(ask, "toolConfig", NONE);
        }
    }

    /// Takes functions and other tools out of the list. True, and nothing taken, if none would be
    /// left.
    fn prune_gemini(&mut self, tools: Value<'_>, gone: &HashSet<usize>) -> bool {
        let is_gone = |value: Value<'_>| {
            let mut items = value.items().peekable();
            let has_items = items.peek().is_some();
            gone.contains(&value.place().start)
                || (has_items && items.all(|item| gone.contains(&item.place().start)))
        };
        let is_emptied = |tool: &Value<'_>| {
            let mut members = tool.members().peekable();
            members.peek().is_some() && members.all(|it| is_gone(it.value))
        };
        let places: Vec<_> = tools.items().map(|it| (it.place(), is_emptied(&it))).collect();
        if places.iter().all(|(_, goes)| *goes) {
            return !places.is_empty();
        }
        self.cut(&places);
        for tool in tools.items().filter(|tool| !is_emptied(tool)) {
            let members: Vec<_> =
                tool.members().map(|it| (it.place(), is_gone(it.value))).collect();
            self.cut(&members);
            for list in tool.members().map(|it| it.value).filter(|list| !is_gone(*list)) {
                let items: Vec<_> = list
                    .items()
                    .map(|item| (item.place(), gone.contains(&item.place().start)))
                    .collect();
                self.cut(&items);
            }
        }
        false
    }

    /// Takes the names of functions that are gone out of the choice. True, and nothing taken, if
    /// none would be left in it.
    fn prune_names(
        &mut self,
        ask: &Ask,
        choice: Value<'_>,
        (gone, edits): (&HashSet<usize>, &Edits<'_>),
    ) -> bool {
        let calling = member(choice, "functionCallingConfig");
        let Some(names) = calling.and_then(|calling| member(calling, "allowedFunctionNames"))
        else {
            return false;
        };
        let is_offered = |name: &str, stays: bool| {
            let mut tools = ask.tools.iter().filter(|it| it.name.as_deref() == Some(name));
            tools.any(|tool| gone.contains(&tool.place.start) != stays)
        };
        let goes = |name: &str| {
            let was_offered = is_offered(name, false) || edits.drop_choices;
            was_offered && !is_offered(name, true)
        };
        let places: Vec<_> = names.items().map(|it| (it.place(), goes(&it.text()))).collect();
        if places.iter().all(|(_, goes)| *goes) {
            return !places.is_empty();
        }
        self.cut(&places);
        false
    }
}

const CAP: &str = "maxOutputTokens";
const NONE: &str = "{\"functionCallingConfig\":{\"mode\":\"NONE\"}}";

#[cfg(test)]
mod tests;
