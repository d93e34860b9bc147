//! Splices the few fields that must change into a body; every other byte stays as it came.
//!
//! Re-serialising would respell numbers, reorder keys and lose what this version does not know.
//! A splice is a place and what stands there instead. New members go first in the body's object,
//! where a comma after them is always right. Taking something out of a list takes one comma along.

use std::collections::HashSet;
use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use tollgate_units::Tokens;

use self::choice::Choosable;
use crate::read::StreamOptions;
use crate::read::chosen::lists;
use crate::walk::Value;
use crate::{Ask, Cap, CapField, Place, Protocol, Tool, ToolList};

/// What is to change in a request before it goes to a provider.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Edits<'a> {
    /// The provider's name for the model.
    pub model: Option<&'a str>,
    /// The output cap.
    pub cap: Option<CapEdit>,
    /// Ask for usage at the end of the stream. Does nothing where nothing is streamed, nor on
    /// endpoints that report it anyway.
    pub ask_usage: bool,
    /// The tools to take out: positions in [`Ask::tools`]. A list that is emptied goes whole, and
    /// with it the fields that choose from it; a choice of a tool that is gone goes too.
    pub drop_tools: Vec<usize>,
    /// Choices of tools that are not offered go too.
    pub drop_choices: bool,
    /// Keep the model from calling any tool: what is offered stays in the request, and the choice
    /// becomes none, whatever it was. What no choice could keep from being used goes: tools that
    /// are fields of their own, and servers where nothing else is offered. Does nothing to a
    /// request without tools.
    pub no_tools: bool,
}

/// A change of the output cap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CapEdit {
    /// Every cap that is present and higher is lowered to this.
    pub at_most: Tokens,
    /// If no cap is present that the provider knows, or only `null`, this field is written with
    /// `at_most`.
    pub write: Option<CapField>,
}

/// The body with `edits` made. `ask` must have been read from this very body.
pub fn edit(body: &Bytes, ask: &Ask, edits: &Edits<'_>) -> Bytes {
    let mut splices = Splices::default();
    splices.model(ask, edits.model.unwrap_or(&ask.model));
    if let Some(cap) = edits.cap {
        splices.cap(ask, cap);
    }
    if edits.ask_usage {
        splices.usage(ask);
    }
    let gone = gone(ask, edits);
    splices.tools(body, ask, &gone, edits);
    splices.apply(body)
}

/// What stands at a place instead.
struct Splice {
    place: Place,
    text: String,
}

#[derive(Default)]
struct Splices {
    list: Vec<Splice>,
}

impl Splices {
    fn replace(&mut self, place: Place, text: String) {
        self.list.push(Splice { place, text });
    }

    /// A new member of the body's object.
    fn insert(&mut self, ask: &Ask, name: &str, value: &str) {
        let first = ask.seams.first;
        self.replace(Place::new(first, first), format!("\"{name}\":{value},"));
    }

    /// Where a path has named the model, the body may lack it; only Gemini's never has one.
    fn model(&mut self, ask: &Ask, model: &str) {
        let is_lacking = ask.seams.model_in_path && ask.model_place.is_empty();
        let has_none = is_lacking && ask.endpoint.protocol() == Protocol::Gemini;
        if has_none || (model == ask.model && !is_lacking) {
            return;
        }
        if ask.model_place.is_empty() {
            self.insert(ask, "model", &quoted(model));
        } else {
            let is_gemini = ask.endpoint.protocol() == Protocol::Gemini;
            let prefix = if is_gemini { "models/" } else { "" };
            self.replace(ask.model_place, quoted(&[prefix, model].concat()));
        }
    }

    fn cap(&mut self, ask: &Ask, edit: CapEdit) {
        let most = edit.at_most.get().to_string();
        for cap in &ask.caps {
            if cap.value.is_some_and(|value| value > edit.at_most) {
                self.replace(cap.value_place, most.clone());
                self.thinking(ask, edit.at_most);
            }
        }
        let Some(field) = edit.write else { return };
        // OpenAI knows `max_tokens` as the older name; those who speak its protocol need not know
        // the newer one.
        let is_known = |cap: &Cap| cap.field == field || field != CapField::MaxTokens;
        if ask.caps.iter().any(|cap| cap.value.is_some() && is_known(cap)) {
            return;
        }
        let named = ask.caps.iter().filter_map(|cap| cap.value).min();
        let most = named.map_or(most, |named| named.min(edit.at_most).get().to_string());
        match ask.caps.iter().find(|cap| cap.field == field) {
            Some(null) => self.replace(null.value_place, most),
            None if ask.endpoint.protocol() == Protocol::Gemini => {
                self.insert_in_config(ask, &most);
            }
            None => self.insert(ask, field.name(), &most),
        }
    }

    /// A budget for thinking has to stay below the cap; where there is no room for the least one
    /// that the provider takes, nothing is thought.
    fn thinking(&mut self, ask: &Ask, most: Tokens) {
        match ask.seams.thinking.filter(|thinking| thinking.tokens >= most) {
            Some(thinking) if most > thinking.least => {
                self.replace(thinking.place, most.less(Tokens::new(1)).get().to_string());
            }
            Some(thinking) => self.replace(thinking.whole, "{\"type\":\"disabled\"}".to_owned()),
            None => {}
        }
    }

    fn usage(&mut self, ask: &Ask) {
        if !ask.stream || ask.usage_asked || !ask.endpoint.tells_usage_when_asked() {
            return;
        }
        match ask.seams.stream_options {
            StreamOptions::Absent => self.insert(ask, "stream_options", OPTIONS),
            StreamOptions::Null(place) => self.replace(place, OPTIONS.to_owned()),
            StreamOptions::Said(place) => self.replace(place, "true".to_owned()),
            StreamOptions::Silent { first, empty } => {
                let comma = if empty { "" } else { "," };
                self.replace(Place::new(first, first), format!("\"include_usage\":true{comma}"));
            }
        }
    }

    /// Takes the tools out that begin where `gone` says; with `no_tools` the choice becomes none.
    fn tools(&mut self, body: &[u8], ask: &Ask, gone: &HashSet<usize>, edits: &Edits<'_>) {
        let no_tools = edits.no_tools;
        let offers = |list| {
            let mut tools = ask.tools.iter().filter(|tool| tool.list == list);
            no_tools && tools.any(|tool| !gone.contains(&tool.place.start))
        };
        let nothing = match ask.endpoint.protocol() {
            Protocol::Anthropic => "{\"type\":\"none\"}",
            Protocol::Cohere => "\"NONE\"",
            Protocol::Gemini | Protocol::OpenAi => "\"none\"",
        };
        let chosen = [("function_call", ToolList::Functions), ("tool_choice", ToolList::Tools)];
        let none: Vec<&str> =
            chosen.iter().filter(|(_, list)| offers(*list)).map(|(field, _)| *field).collect();
        if gone.is_empty() && none.is_empty() && !edits.drop_choices {
            return;
        }
        let root = Value::root(body);
        if ask.endpoint.protocol() == Protocol::Gemini {
            return self.gemini_tools(ask, root, gone, edits);
        }
        let mut emptied: Vec<&str> = Vec::new();
        for (list, choices) in LISTS {
            if root.member(list).is_some_and(|tools| self.prune(tools, gone)) {
                emptied.push(list);
                emptied.extend(*choices);
            }
        }
        let tools = Choosable::new(ask, gone, edits.drop_choices);
        let mut unsaid = none.clone();
        let mut members: Vec<(Place, bool)> = Vec::new();
        for member in root.members() {
            let key = member.key.text();
            if none.contains(&key.as_ref()) {
                unsaid.retain(|field| *field != key);
                self.replace(member.value.place(), nothing.to_owned());
                members.push((member.place(), false));
                continue;
            }
            let goes = emptied.contains(&key.as_ref())
                || gone.contains(&member.value.place().start)
                || (choice::FIELDS.contains(&key.as_ref())
                    && self.prune_choice(member.value, &tools));
            members.push((member.place(), goes));
        }
        self.cut(&members);
        for field in unsaid {
            self.insert(ask, field, nothing);
        }
        self.items(root, gone);
    }

    /// Takes tools out of the input's items. An item that brings nothing else goes with them; the
    /// answer to a search for tools has to stay, and its list is empty.
    fn items(&mut self, root: Value<'_>, gone: &HashSet<usize>) {
        let Some(input) = root.member("input").filter(|_| !gone.is_empty()) else {
            return;
        };
        let mut emptied: Vec<(Place, bool)> = Vec::new();
        let mut items: Vec<(Place, bool)> = Vec::new();
        for item in input.items() {
            let list = item.member("tools").filter(|list| self.prune(*list, gone));
            let kind = item.member("type").map(Value::text);
            let goes = list.is_some() && kind.is_some_and(|kind| kind == "additional_tools");
            emptied.extend(list.map(|list| (list.place(), goes)));
            items.push((item.place(), goes));
        }
        // An input of no items is none.
        let stays = items.iter().any(|(_, goes)| !goes);
        if stays {
            self.cut(&items);
        }
        for (list, _) in emptied.iter().filter(|(_, goes)| !(stays && *goes)) {
            self.replace(*list, "[]".to_owned());
        }
    }

    /// Takes tools out of a list. True, and nothing taken, if none would be left.
    fn prune(&mut self, list: Value<'_>, gone: &HashSet<usize>) -> bool {
        let items: Vec<(Value<'_>, bool)> =
            list.items().map(|item| (item, is_gone(item, gone))).collect();
        if items.iter().all(|(_, gone)| *gone) {
            return !items.is_empty();
        }
        let places: Vec<(Place, bool)> =
            items.iter().map(|(item, gone)| (item.place(), *gone)).collect();
        self.cut(&places);
        for (item, _) in items.iter().filter(|(_, gone)| !gone) {
            if let Some(inner) = item.member("tools") {
                self.prune(inner, gone);
            }
        }
        false
    }

    /// Takes tools that are gone out of a choice. True, and nothing taken, if none is left in it.
    fn prune_choice(&mut self, choice: Value<'_>, tools: &Choosable<'_>) -> bool {
        if tools.is_gone(choice) {
            return true;
        }
        let places = |list: Value<'_>| -> Vec<(Place, bool)> {
            list.items().map(|item| (item.place(), tools.is_gone(item))).collect()
        };
        let lists: Vec<_> = lists(choice).map(places).collect();
        if lists.iter().any(|list| list.iter().all(|(_, gone)| *gone)) {
            return true;
        }
        for list in &lists {
            self.cut(list);
        }
        false
    }

    /// Takes entries out of an object or array of which at least one stays. Each takes along the
    /// comma before it, or, while none has stayed yet, the comma after it.
    fn cut(&mut self, entries: &[(Place, bool)]) {
        let mut before: Option<Place> = None;
        let mut stayed = false;
        let nexts = entries.iter().skip(1).map(|(place, _)| Some(place.start)).chain([None]);
        for ((place, gone), next) in entries.iter().zip(nexts) {
            if *gone {
                let start = before.filter(|_| stayed).map_or(place.start, |before| before.end);
                let end = next.filter(|_| !stayed).unwrap_or(place.end);
                self.replace(Place::new(start, end), String::new());
            }
            stayed |= !gone;
            before = Some(*place);
        }
    }

    fn apply(mut self, body: &Bytes) -> Bytes {
        if self.list.is_empty() {
            return body.clone();
        }
        self.list.sort_by_key(|splice| (splice.place.start, splice.place.end));
        let more: usize = self.list.iter().map(|splice| splice.text.len()).sum();
        let mut edited = BytesMut::with_capacity(body.len().saturating_add(more));
        let mut at = 0;
        for splice in &self.list {
            edited.extend_from_slice(Place::new(at, splice.place.start).of(body));
            edited.extend_from_slice(splice.text.as_bytes());
            at = splice.place.end;
        }
        edited.extend_from_slice(Place::new(at, body.len()).of(body));
        edited.freeze()
    }
}

/// Options that ask for usage and nothing else.
const OPTIONS: &str = "{\"include_usage\":true}";

/// The lists of tools, and the fields that mean nothing without them.
const LISTS: &[(&str, &[&str])] = &[
    ("functions", &["function_call"]),
    ("mcp_servers", &[]),
    ("tools", &["parallel_tool_calls", "tool_choice"]),
];

/// Where the tools begin that are to be taken out.
fn gone(ask: &Ask, edits: &Edits<'_>) -> HashSet<usize> {
    let dropped = edits.drop_tools.iter().filter_map(|&at| ask.tools.get(at));
    let mut gone: HashSet<usize> = dropped.map(|tool| tool.place.start).collect();
    if edits.no_tools {
        let mut tools = ask.tools.iter().filter(|tool| tool.list == ToolList::Tools);
        let has_choice = tools.any(|tool| !gone.contains(&tool.place.start));
        let is_unchosen = |tool: &&Tool| match tool.list {
            ToolList::Field => true,
            ToolList::Functions | ToolList::Inside | ToolList::Tools => false,
            ToolList::Servers => !has_choice,
        };
        gone.extend(ask.tools.iter().filter(is_unchosen).map(|tool| tool.place.start));
    }
    gone
}

/// Whether a tool goes, or all that a namespace holds.
fn is_gone(item: Value<'_>, gone: &HashSet<usize>) -> bool {
    if gone.contains(&item.place().start) {
        return true;
    }
    let mut inner = item.member("tools").into_iter().flat_map(Value::items).peekable();
    inner.peek().is_some() && inner.all(|item| gone.contains(&item.place().start))
}

/// A string as JSON writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for each in text.chars() {
        match each {
            '"' | '\\' => quoted.extend(['\\', each]),
            '\0'..='\x1f' => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(each));
            }
            _ => quoted.push(each),
        }
    }
    quoted.push('"');
    quoted
}

pub(crate) use self::choice::WORDS;

mod choice;
mod gemini;

#[cfg(test)]
mod tests;
