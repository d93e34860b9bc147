//! What flowed through a stream: the provider's usage, or the raw events to count it from.
//!
//! A stream is hundreds of small events and almost none of them matters, so none is parsed that
//! does not look as if it reported usage or an error. Inside a JSON string each quote is escaped,
//! so `"usage"` with bare quotes can only be a key or a whole value, never something a model wrote.
//! Events are kept as they came until usage is seen, and read only when somebody asks for the text.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;

use crate::anthropic::usage::Counted;
use crate::calls::{Calls, ToolCalls};
use crate::finish::Finishes;
use crate::judge::inside::is_of_request;
use crate::stored::{Created, Stored};
use crate::usage::{Report, of_counts};
use crate::{Endpoint, Protocol, Usage, cohere, gemini, sse, text};

/// With more raw events than this, they are reduced to their text.
const KEPT_BYTES_MAX: usize = 256 * 1024;

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

/// What flowed through a stream.
#[derive(Debug)]
pub struct Tally {
    /// The provider's word on usage; of several the last.
    pub usage: Option<Usage>,
    /// Whether the protocol's own end was seen.
    pub done: bool,
    /// Whether the stream broke off with an error event.
    pub failed: bool,
    /// Whether an error event told that the request itself was at fault, and not the provider.
    pub blames_request: bool,
    /// How many events carried data.
    pub events: u64,
    endpoint: Endpoint,
    /// What Anthropic has said so far; its last word is `usage`.
    counted: Option<Box<Counted>>,
    calls: Calls,
    created: Created,
    finishes: Finishes,
    /// Whole events as they came.
    raw: Vec<u8>,
    /// The text of events that came before those.
    text: String,
}

/// What a whole event is to whoever passes it on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Seen {
    /// One that goes on as it is.
    Any,
    /// One that tells an error.
    Error,
    /// The extra chunk that only reports usage.
    OnlyUsage,
}

impl Tally {
    pub(crate) const fn new(endpoint: Endpoint) -> Self {
        Self {
            usage: None,
            done: false,
            failed: false,
            blames_request: false,
            events: 0,
            endpoint,
            counted: None,
            calls: Calls::new(),
            created: Created::new(),
            finishes: Finishes::new(),
            raw: Vec::new(),
            text: String::new(),
        }
    }

    /// The provider's word on the input, where it comes before the output and no usage has come.
    pub fn begun(&self) -> Option<Usage> {
        self.counted.as_ref()?.usage()
    }

    /// Whether it has come to its end, as far as it says itself: with the last event, which some
    /// servers leave out, or with so many choices that have said how they ended.
    pub fn is_whole(&self, choices: u64) -> bool {
        !self.failed && (self.done || self.finishes.count() >= choices.max(1))
    }

    /// Whether it is all that was asked for, so that it may be given again: so many choices have
    /// ended, and none was filtered.
    pub fn is_complete(&self, choices: u64) -> bool {
        !self.failed && self.finishes.are_whole(choices.max(1))
    }

    /// The tools that the model has called so far, those included that it was still writing when
    /// the stream ended.
    pub fn tool_calls(&self) -> ToolCalls {
        self.calls.made()
    }

    /// What the provider says it has stored, as far as that was not said in an earlier call.
    pub fn take_created(&mut self) -> Vec<Stored> {
        self.created.take()
    }

    /// The generated text seen since the last call, and none once usage was seen.
    pub fn take_text(&mut self) -> String {
        self.reduce();
        std::mem::take(&mut self.text)
    }

    /// How many bytes are kept for [`take_text`](Self::take_text).
    pub const fn kept(&self) -> usize {
        self.raw.len().saturating_add(self.text.len())
    }

    /// Looks at a whole event.
    pub(crate) fn see(&mut self, bytes: &[u8]) -> Seen {
        let failed_before = std::mem::replace(&mut self.failed, false);
        let only_usage = self.is_only_usage(bytes);
        let tells_error = self.failed;
        self.failed |= failed_before;
        if tells_error && let Some(data) = sse::event(bytes).data {
            self.blames_request |= is_of_request(&data);
        }
        match (tells_error, only_usage) {
            (true, _) => Seen::Error,
            (false, true) => Seen::OnlyUsage,
            (false, false) => Seen::Any,
        }
    }

    /// Takes note of an event. True: it only reports usage.
    fn is_only_usage(&mut self, bytes: &[u8]) -> bool {
        let event = sse::event(bytes);
        let Some(data) = event.data else { return false };
        self.events = self.events.saturating_add(1);
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            return false;
        }
        self.named(event.name.unwrap_or_default());
        self.calls.see(self.endpoint, event.name, data);
        self.created.see(self.endpoint, event.name, data);
        self.finishes.see(self.endpoint, event.name, data);
        let is_typed = self.endpoint == Endpoint::Responses
            || matches!(self.protocol(), Protocol::Anthropic | Protocol::Cohere);
        // Cohere's end says in words whether it is one.
        let unnamed = (event.name.is_none() && is_typed) || event.name == Some(b"message-end");
        let is_gemini = self.protocol() == Protocol::Gemini;
        let only_usage = (unnamed || is_gemini || reports(data)) && self.read(data);
        self.keep(bytes);
        only_usage
    }

    /// Looks at the head and the tail of an event that was too long to hold.
    pub(crate) fn see_long(&mut self, head: &[u8], tail: &[u8]) {
        self.events = self.events.saturating_add(1);
        let start = sse::event(head);
        self.named(start.name.unwrap_or_default());
        let kind = start.data.as_deref().and_then(kind_at_head);
        self.named(kind.unwrap_or_default());
        self.calls.see_long(self.endpoint, head, tail);
        let reported = match self.protocol() {
            // Their usage comes in events of their own, which are short.
            Protocol::Anthropic | Protocol::Cohere => return,
            Protocol::Gemini => gemini::usage::at_end(tail),
            Protocol::OpenAi => usage_at_end(tail),
        };
        if let Some(usage) = reported {
            self.settle(usage);
        }
    }

    fn protocol(&self) -> Protocol {
        self.endpoint.protocol()
    }

    /// An event by its name, which is also its `type`, save on chat completions.
    fn named(&mut self, name: &[u8]) {
        match name {
            b"message-end"
            | b"message_stop"
            | b"response.completed"
            | b"response.failed"
            | b"response.incomplete" => self.done = true,
            _ => {}
        }
        self.failed |= is_error(name);
    }

    /// A piece of Gemini's: each says what was used so far.
    fn piece(&mut self, data: &[u8]) {
        let Ok(piece) = serde_json::from_slice::<Value>(data) else {
            return;
        };
        self.failed |= piece.get("error").is_some_and(|error| !error.is_null());
        self.done |= gemini::stream::is_done(&piece);
        self.finishes.candidates(&piece);
        if let Some(usage) = piece.get("usageMetadata").and_then(gemini::usage::of_counts) {
            self.settle(usage);
        }
    }

    /// Reads an event that may report something. True: it only reports usage.
    fn read(&mut self, data: &[u8]) -> bool {
        if self.protocol() == Protocol::Gemini {
            self.piece(data);
            return false;
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk>(data) else {
            return false;
        };
        self.named(chunk.kind.as_str().unwrap_or_default().as_bytes());
        let at_groq = chunk.x_groq.get("error").is_some_and(|error| !error.is_null());
        self.failed |= at_groq || !chunk.error.is_null();
        if self.protocol() == Protocol::Anthropic {
            let begun = chunk.message.get("usage").unwrap_or(&Value::Null);
            self.counts(begun, &chunk.usage);
            return false;
        }
        if self.protocol() == Protocol::Cohere {
            self.failed |= cohere::stream::is_broken(&chunk.delta);
            let counts = chunk.delta.get("usage").unwrap_or(&Value::Null);
            if let Some(usage) = cohere::usage::of_counts(counts) {
                self.settle(usage);
            }
            return false;
        }
        let own = Report::new(chunk.usage, chunk.service_tier, chunk.x_groq);
        let report = chunk.response.unwrap_or(own);
        if let Some(usage) = report.usage() {
            self.settle(usage);
        }
        report.usage.is_object() && chunk.choices.as_array().is_some_and(Vec::is_empty)
    }

    /// Anthropic's counts: `begun` with the first event, and `usage` once the output is there.
    fn counts(&mut self, begun: &Value, usage: &Value) {
        for later in [begun, usage].into_iter().filter_map(Counted::of) {
            let before = self.counted.take().map(|before| *before).unwrap_or_default();
            self.counted = Some(Box::new(before.then(later)));
        }
        if let Some(usage) = self.begun().filter(|_| usage.is_object()) {
            self.settle(usage);
        }
    }

    fn settle(&mut self, usage: Usage) {
        self.usage = Some(usage);
        self.raw = Vec::new();
        self.text = String::new();
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.usage.is_some() {
            return;
        }
        self.raw.extend_from_slice(bytes);
        if self.raw.len() > KEPT_BYTES_MAX {
            self.reduce();
        }
    }

    fn reduce(&mut self) {
        for event in sse::events(&self.raw) {
            if let Some(data) = event.data {
                text::add_event(&data, &mut self.text);
            }
        }
        self.raw.clear();
    }
}

/// Whether an event that begins with `head` tells an error, by its name or its `type`.
pub(crate) fn begins_error(head: &[u8]) -> bool {
    let event = sse::event(head);
    let kind = event.data.as_deref().and_then(kind_at_head);
    event.name.into_iter().chain(kind).any(is_error)
}

fn is_error(name: &[u8]) -> bool {
    matches!(name, b"error" | b"response.failed")
}

/// What matters of an event; the rest is skipped.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Chunk {
    choices: Value,
    /// What Cohere says at the end of a message.
    delta: Value,
    error: Value,
    #[serde(rename = "type")]
    kind: Value,
    /// Anthropic's message; an error's text.
    message: Value,
    response: Option<Report>,
    service_tier: Value,
    usage: Value,
    x_groq: Value,
}

/// Whether an event may report usage or an error.
fn reports(data: &[u8]) -> bool {
    let after = |at: usize| data.get(at.saturating_add(7)..).unwrap_or_default();
    let has_usage = USAGE
        .find_iter(data)
        .any(|at| after_colon(after(at)).is_some_and(|value| value.starts_with(b"{")));
    has_usage
        || ERROR
            .find_iter(data)
            .any(|at| after_colon(after(at)).is_none_or(|value| !value.starts_with(b"null")))
}

/// Usage near the end of the longest events, after all the output.
fn usage_at_end(tail: &[u8]) -> Option<Usage> {
    let found = USAGE.find_iter(tail).filter_map(|at| {
        let counts = after_colon(tail.get(at.saturating_add(7)..)?)?;
        let mut values = serde_json::Deserializer::from_slice(counts).into_iter::<Value>();
        of_counts(&values.next()?.ok()?)
    });
    found.last()
}

/// What follows the colon, if one comes next.
pub(crate) fn after_colon(rest: &[u8]) -> Option<&[u8]> {
    Some(rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

/// The `type` that a long event begins with.
pub(crate) fn kind_at_head(data: &[u8]) -> Option<&[u8]> {
    let rest = data.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    let value = after_colon(rest.strip_prefix(b"\"type\"")?)?.strip_prefix(b"\"")?;
    value.split(|&byte| byte == b'"').next()
}
