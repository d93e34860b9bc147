//! The tools that a model called: how many, which, and whether twice with the same arguments.
//!
//! Arguments are not kept: a call is its tool's name and a fingerprint of both. Streams bring them
//! in pieces, so a fingerprint grows with them. An event that cannot carry a call is not parsed: in
//! OpenAI's protocol it would have `_call` in it, in Anthropic's `tool_use` or `input_json_delta`.
//! The count is exact, whatever is sent; of the calls themselves the first are kept, up to a bound.

use std::hash::{DefaultHasher, Hasher};
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value as Json;

use crate::walk::{Kind, Value};
use crate::{Endpoint, cohere, gemini};

/// The tools that a model called in one answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ToolCalls {
    /// How many calls there were.
    pub count: u64,
    /// The first of them, in order: at most 64.
    pub kept: Vec<ToolCall>,
}

/// One call of a tool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolCall {
    /// The tool's name; for a tool that the provider runs, its kind. At most 128 bytes of it.
    pub name: String,
    /// The same for the same name and arguments, white space between the parts of JSON aside. It
    /// means something within one run of the program only.
    pub fingerprint: u64,
}

/// The tools called in a whole (not streamed) answer.
pub fn tool_calls_of(endpoint: Endpoint, body: &[u8]) -> ToolCalls {
    let mut calls = Calls::new();
    let root = Value::root(body);
    match endpoint {
        Endpoint::ChatCompletions if CALL.find(body).is_some() => {
            for choice in root.member("choices").into_iter().flat_map(Value::items) {
                if let Some(message) = choice.member("message") {
                    calls.message(message);
                }
            }
        }
        Endpoint::Chat if CALL.find(body).is_some() => {
            if let Some(message) = root.member("message") {
                calls.message(message);
            }
        }
        Endpoint::GenerateContent | Endpoint::StreamGenerateContent => calls.pieces(body),
        Endpoint::Messages if TOOL_USE.find(body).is_some() => {
            for block in root.member("content").into_iter().flat_map(Value::items) {
                calls.block(block);
            }
        }
        Endpoint::Responses if CALL.find(body).is_some() => {
            for item in root.member("output").into_iter().flat_map(Value::items) {
                calls.item(item);
            }
        }
        Endpoint::Chat
        | Endpoint::ChatCompletions
        | Endpoint::Completions
        | Endpoint::CountContent
        | Endpoint::CountTokens
        | Endpoint::Embed
        | Endpoint::Rerank
        | Endpoint::Embeddings
        | Endpoint::Messages
        | Endpoint::Moderations
        | Endpoint::Responses => {}
    }
    calls.made()
}

/// The calls of an answer that is still being read.
#[derive(Debug)]
pub(crate) struct Calls {
    count: u64,
    kept: Vec<Growing>,
    /// The last call that was counted and not kept.
    last: Option<At>,
}

/// A call whose arguments may still come.
#[derive(Debug)]
struct Growing {
    at: Option<At>,
    name: String,
    arguments: Arguments,
}

/// Which call of a stream: the answer it is in, its place there, and its id where it says one.
#[derive(Clone, Copy, Debug)]
struct At {
    choice: u64,
    index: u64,
    id: Option<u64>,
}

impl At {
    /// Whether `later` goes on with this call. Some servers number every call 0.
    fn goes_on(self, later: Self) -> bool {
        (self.choice, self.index) == (later.choice, later.index)
            && (later.id.is_none() || self.id == later.id)
    }
}

impl Calls {
    pub(crate) const fn new() -> Self {
        Self { count: 0, kept: Vec::new(), last: None }
    }

    /// The calls so far.
    pub(crate) fn made(&self) -> ToolCalls {
        let kept = self.kept.iter().map(|call| ToolCall {
            name: call.name.clone(),
            fingerprint: call.arguments.fingerprint(&call.name),
        });
        ToolCalls { count: self.count, kept: kept.collect() }
    }

    /// Looks at the data of a stream's event.
    pub(crate) fn see(&mut self, endpoint: Endpoint, name: Option<&[u8]>, data: &[u8]) {
        match endpoint {
            Endpoint::ChatCompletions if has_call(data) => self.chunk(data),
            Endpoint::Chat if CALLS.find(data).is_some() => self.cohere(data),
            Endpoint::GenerateContent | Endpoint::StreamGenerateContent => self.pieces(data),
            Endpoint::Messages if TOOL_USE.find(data).is_some() || GROWS.find(data).is_some() => {
                self.event(data);
            }
            Endpoint::Responses
                if name.is_none_or(|name| name == ITEM_DONE.as_bytes())
                    && CALL.find(data).is_some() =>
            {
                let event = Value::root(data);
                if event.member("type").is_some_and(|kind| kind.text() == ITEM_DONE)
                    && let Some(item) = event.member("item")
                {
                    self.item(item);
                }
            }
            Endpoint::Chat
            | Endpoint::ChatCompletions
            | Endpoint::Completions
            | Endpoint::CountContent
            | Endpoint::CountTokens
            | Endpoint::Embed
            | Endpoint::Rerank
            | Endpoint::Embeddings
            | Endpoint::Messages
            | Endpoint::Moderations
            | Endpoint::Responses => {}
        }
    }

    /// Looks at what is left of an event that was too long to hold: its call is counted, and its
    /// arguments are known by their beginning and end.
    pub(crate) fn see_long(&mut self, endpoint: Endpoint, head: &[u8], tail: &[u8]) {
        let is_item = endpoint == Endpoint::Responses
            && memchr::memmem::find(head, ITEM_DONE.as_bytes()).is_some();
        let found = CALL.find(head).filter(|_| is_item);
        let kind = found.and_then(|at| {
            let end = head.get(at..)?.iter().position(|&byte| byte == b'"')?;
            let start = head.get(..at)?.iter().rposition(|&byte| byte == b'"')?;
            head.get(start.saturating_add(1)..at.saturating_add(end))
        });
        if let Some(kind) = kind {
            let call = self.begin(None, &String::from_utf8_lossy(kind));
            if let Some(call) = call {
                call.arguments.add(head);
                call.arguments.add(tail);
            }
        }
    }

    /// A new call; nothing where no more are kept.
    fn begin(&mut self, at: Option<At>, name: &str) -> Option<&mut Growing> {
        self.count = self.count.saturating_add(1);
        if self.kept.len() >= KEPT_MAX {
            self.last = at;
            return None;
        }
        let name = name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or_default();
        self.kept.push(Growing { at, name: name.to_owned(), arguments: Arguments::default() });
        self.kept.last_mut()
    }

    /// The call that goes on, or a new one; nothing where it is not kept.
    fn grow(&mut self, at: At, name: &str) -> Option<&mut Growing> {
        let goes_on = |before: Option<At>| before.is_some_and(|before| before.goes_on(at));
        // The newest are at the end, and it is they that go on.
        if let Some(found) = self.kept.iter().rposition(|call| goes_on(call.at)) {
            let call = self.kept.get_mut(found)?;
            if call.name.is_empty() {
                name.clone_into(&mut call.name);
            }
            return Some(call);
        }
        if goes_on(self.last) { None } else { self.begin(Some(at), name) }
    }

    /// A chunk of a streamed chat completion.
    fn chunk(&mut self, data: &[u8]) {
        let Ok(chunk) = serde_json::from_slice::<Json>(data) else {
            return;
        };
        for choice in list(&chunk, "choices") {
            let number = choice.get("index").and_then(Json::as_u64).unwrap_or_default();
            let Some(delta) = choice.get("delta") else { continue };
            for (at, call) in (0_u64..).zip(list(delta, "tool_calls")) {
                let index = call.get("index").and_then(Json::as_u64).unwrap_or(at);
                let id = call.get("id").and_then(Json::as_str).filter(|id| !id.is_empty());
                let at = At { choice: number, index, id: id.map(hash) };
                let inner = call.get("function").or_else(|| call.get("custom"));
                self.part(at, inner.unwrap_or(&Json::Null));
            }
            if let Some(call) = delta.get("function_call").filter(|call| call.is_object()) {
                self.part(At { choice: number, index: u64::MAX, id: None }, call);
            }
        }
    }

    /// A part of a call: its name, its arguments, or both.
    fn part(&mut self, at: At, inner: &Json) {
        let said = |name| inner.get(name).and_then(Json::as_str).unwrap_or_default();
        if let Some(call) = self.grow(at, said("name")) {
            call.arguments.add(said("arguments").as_bytes());
            call.arguments.add(said("input").as_bytes());
        }
    }

    /// An event of Cohere's streamed chat.
    fn cohere(&mut self, data: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Json>(data) else {
            return;
        };
        let index = event.get("index").and_then(Json::as_u64).unwrap_or_default();
        let call = cohere::stream::message(&event).get("tool_calls");
        // The message begins with an empty list of them.
        if let Some(call) = call.filter(|call| call.is_object()) {
            let id = call.get("id").and_then(Json::as_str).map(hash);
            let at = At { choice: 0, index, id };
            self.part(at, call.get("function").unwrap_or(&Json::Null));
        }
    }

    /// A piece of Gemini's, or a list of them: calls come whole. Code that is run is a call of the
    /// provider's tool.
    fn pieces(&mut self, data: &[u8]) {
        if FUNCTION.find(data).is_none() && CODE.find(data).is_none() {
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Json>(data) else {
            return;
        };
        for part in gemini::stream::candidates(&answer).flat_map(gemini::stream::parts) {
            let called = part.get("functionCall").map(|call| {
                let name = call.get("name").and_then(Json::as_str).unwrap_or_default();
                (name, call.get("args"))
            });
            let ran = part.get("executableCode").map(|code| ("code_execution", code.get("code")));
            for (name, arguments) in called.into_iter().chain(ran) {
                let call = self.begin(None, name);
                let has_some = |it: &&Json| it.as_object().is_none_or(|it| !it.is_empty());
                if let (Some(call), Some(arguments)) = (call, arguments.filter(has_some)) {
                    call.arguments.add(arguments.to_string().as_bytes());
                }
            }
        }
    }

    /// An event of a streamed message.
    fn event(&mut self, data: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Json>(data) else {
            return;
        };
        let index = event.get("index").and_then(Json::as_u64).unwrap_or_default();
        let at = At { choice: 0, index, id: None };
        let said = |owner: &str, name: &str| event.get(owner)?.get(name)?.as_str();
        if said("content_block", "type").is_some_and(is_use) {
            let name = said("content_block", "name").unwrap_or_default();
            let input = event.get("content_block").and_then(|block| block.get("input"));
            let call = self.begin(Some(at), name);
            // Usually empty here, and coming in pieces.
            let whole = input.filter(|input| input.as_object().is_some_and(|map| !map.is_empty()));
            if let (Some(call), Some(input)) = (call, whole) {
                call.arguments.add(input.to_string().as_bytes());
            }
        }
        if let Some(piece) = said("delta", "partial_json") {
            let mut calls = self.kept.iter_mut().rev();
            let call = calls.find(|call| call.at.is_some_and(|before| before.goes_on(at)));
            if let Some(call) = call {
                call.arguments.add(piece.as_bytes());
            }
        }
    }

    /// A whole message of a chat completion.
    fn message(&mut self, message: Value<'_>) {
        for call in message.member("tool_calls").into_iter().flat_map(Value::items) {
            let inner = call.member("function").or_else(|| call.member("custom"));
            self.whole(inner.unwrap_or(call), None, &["arguments", "input"]);
        }
        if let Some(call) = message.member("function_call").filter(|call| !call.is_null()) {
            self.whole(call, None, &["arguments"]);
        }
    }

    /// A whole block of a message.
    fn block(&mut self, block: Value<'_>) {
        if block.member("type").is_some_and(|kind| is_use(&kind.text())) {
            self.whole(block, None, &["input"]);
        }
    }

    /// A whole output item of a response.
    fn item(&mut self, item: Value<'_>) {
        let Some(kind) = item.member("type").map(Value::text) else {
            return;
        };
        if kind.ends_with("_call") {
            let arguments = ["arguments", "input", "action", "code", "queries", "operation"];
            self.whole(item, Some(&kind), &arguments);
        }
    }

    fn whole(&mut self, call: Value<'_>, kind: Option<&str>, arguments: &[&str]) {
        let name = call.member("name").filter(|name| name.kind() == Kind::String);
        let name = name.map(Value::text).or(kind.map(Into::into)).unwrap_or_default();
        let Some(kept) = self.begin(None, &name) else {
            return;
        };
        for argument in arguments.iter().filter_map(|name| call.member(name)) {
            let empty = argument.is_null()
                || (argument.kind() == Kind::Object && argument.members().next().is_none());
            if !empty {
                kept.arguments.add(argument.text().as_bytes());
            }
        }
    }
}

/// Whether a chunk of a chat may carry a call: `"tool_calls": null` and `[]` are none.
fn has_call(data: &[u8]) -> bool {
    CALL.find_iter(data).any(|at| {
        let rest = data.get(at..).unwrap_or_default();
        let key_ends = rest.iter().position(|&byte| byte == b'"').unwrap_or(rest.len());
        let after = rest.get(key_ends.saturating_add(1)..).unwrap_or_default();
        let value = after.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        value.is_some_and(|value| match value.split_first() {
            Some((b'[', inside)) => !inside.trim_ascii_start().starts_with(b"]"),
            Some((first, _)) => *first == b'{',
            None => false,
        })
    })
}

fn is_use(kind: &str) -> bool {
    kind == "tool_use" || kind.ends_with("_tool_use")
}

fn list<'a>(owner: &'a Json, name: &str) -> &'a [Json] {
    owner.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Arguments as far as they have come. Of JSON, the white space between its parts is left out:
/// providers set it differently in streams and in whole answers.
#[derive(Clone, Debug, Default)]
struct Arguments {
    hasher: DefaultHasher,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// Nothing has come yet.
    #[default]
    Begin,
    /// JSON, outside its strings.
    Between,
    /// Inside a string, after a backslash.
    Escaped,
    /// Inside a string.
    Inside,
    /// Not JSON: every byte counts.
    Plain,
}

impl Arguments {
    fn add(&mut self, piece: &[u8]) {
        for &byte in piece {
            let is_space = byte.is_ascii_whitespace();
            self.state = match (self.state, byte) {
                (State::Begin | State::Between, _) if is_space => continue,
                (State::Begin, b'{' | b'[') => State::Between,
                (State::Begin | State::Plain, _) => State::Plain,
                (State::Between, b'"') | (State::Escaped, _) => State::Inside,
                (State::Between, _) | (State::Inside, b'"') => State::Between,
                (State::Inside, b'\\') => State::Escaped,
                (State::Inside, _) => State::Inside,
            };
            self.hasher.write_u8(byte);
        }
    }

    fn fingerprint(&self, name: &str) -> u64 {
        let mut hasher = self.hasher.clone();
        // No text holds this byte, so the name cannot be taken for arguments.
        hasher.write_u8(0xff);
        hasher.write(name.as_bytes());
        hasher.finish()
    }
}

static CALL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("_call"));
static CALLS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"tool_calls\""));
static CODE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"executableCode\""));
static FUNCTION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"functionCall\""));
static TOOL_USE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("tool_use\""));
static GROWS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("input_json_delta\""));

/// The event that brings a whole item of a response.
const ITEM_DONE: &str = "response.output_item.done";
/// How many calls of one answer are kept.
const KEPT_MAX: usize = 64;
/// How much of a name is kept: what the protocols allow.
const NAME_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests;
