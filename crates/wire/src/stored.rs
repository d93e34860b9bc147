//! State that a provider keeps at its account: what of it a request refers to, and what an answer
//! says was made.
//!
//! Every tenant of the gateway shares that account, so an id that one of them knows would open what
//! another stored there. Here ids are only found: whose they are is for others to know. What was
//! made is read from the places where a provider itself writes ids, and never from what repeats the
//! caller or a third party (metadata, arguments, citations of files that were there before):
//! otherwise somebody could have another's id repeated and be taken for its owner. An event of a
//! stream that cannot carry such an id is not parsed.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::Endpoint;
use crate::walk::{Kind, Value};

/// Something that is kept at a provider's account.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Stored {
    /// What it is.
    pub kind: StoredKind,
    /// The provider's id for it.
    pub id: String,
}

/// The kinds of things that are kept at a provider's account.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum StoredKind {
    /// An agent with tools of its own.
    Agent,
    /// An answer in sound.
    Audio,
    /// A prompt that was put into a cache beforehand.
    Cache,
    /// A machine that code runs on.
    Container,
    /// A conversation, to which answers are added.
    Conversation,
    /// A file.
    File,
    /// An item of an answer.
    Item,
    /// A template of a prompt.
    Prompt,
    /// An answer of the Responses API.
    Response,
    /// Instructions and files for a container.
    Skill,
    /// A way to a tool server.
    Tunnel,
    /// Files to be searched.
    VectorStore,
}

impl StoredKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Agent,
        Self::Audio,
        Self::Cache,
        Self::Container,
        Self::Conversation,
        Self::File,
        Self::Item,
        Self::Prompt,
        Self::Response,
        Self::Skill,
        Self::Tunnel,
        Self::VectorStore,
    ];

    /// What it is called in words, at the beginning of a sentence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "Agent",
            Self::Audio => "Audio",
            Self::Cache => "Cached content",
            Self::Container => "Container",
            Self::Conversation => "Conversation",
            Self::File => "File",
            Self::Item => "Item",
            Self::Prompt => "Prompt",
            Self::Response => "Response",
            Self::Skill => "Skill",
            Self::Tunnel => "Tunnel",
            Self::VectorStore => "Vector store",
        }
    }

    /// Whether an answer that passes the gateway can have made one. There is no way through it to
    /// make the others, so none of them is ever anybody's.
    pub const fn is_made_by_answers(self) -> bool {
        match self {
            Self::Audio
            | Self::Container
            | Self::Conversation
            | Self::File
            | Self::Item
            | Self::Response => true,
            Self::Agent
            | Self::Cache
            | Self::Prompt
            | Self::Skill
            | Self::Tunnel
            | Self::VectorStore => false,
        }
    }
}

/// A request's reference to something stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reference {
    /// To what.
    pub stored: Stored,
    /// The field that says so: `input[0].id`.
    pub param: String,
}

/// What a whole (not streamed) answer says was stored.
pub fn created_of(endpoint: Endpoint, body: &[u8]) -> Vec<Stored> {
    let mut created = Created::new();
    let root = Value::root(body);
    match endpoint {
        Endpoint::ChatCompletions if AUDIO.find(body).is_some() => {
            created.choices(root, "message");
        }
        Endpoint::Messages => created.message(root),
        Endpoint::Responses => created.response(root),
        Endpoint::Chat
        | Endpoint::ChatCompletions
        | Endpoint::Completions
        | Endpoint::CountContent
        | Endpoint::CountTokens
        | Endpoint::Embed
        | Endpoint::GenerateContent
        | Endpoint::Rerank
        | Endpoint::StreamGenerateContent
        | Endpoint::Embeddings
        | Endpoint::Moderations => {}
    }
    created.take()
}

/// How far work in the background has come, as an answer of the Responses API says; nothing where
/// it is no such answer. True: nothing more will change.
pub fn is_finished(body: &[u8]) -> Option<bool> {
    match &*Value::root(body).member("status")?.text() {
        "queued" | "in_progress" => Some(false),
        "cancelled" | "completed" | "failed" | "incomplete" => Some(true),
        _ => None,
    }
}

/// What an answer that is still being read has made so far.
#[derive(Debug)]
pub(crate) struct Created {
    known: Vec<Stored>,
    /// How many of those were taken.
    taken: usize,
}

impl Created {
    pub(crate) const fn new() -> Self {
        Self { known: Vec::new(), taken: 0 }
    }

    /// What was made since the last call.
    pub(crate) fn take(&mut self) -> Vec<Stored> {
        let fresh = self.known.get(self.taken..).unwrap_or_default().to_vec();
        self.taken = self.known.len();
        fresh
    }

    /// Looks at the data of a stream's event.
    pub(crate) fn see(&mut self, endpoint: Endpoint, name: Option<&[u8]>, data: &[u8]) {
        match endpoint {
            Endpoint::ChatCompletions if AUDIO.find(data).is_some() => {
                self.choices(Value::root(data), "delta");
            }
            Endpoint::Messages => self.anthropic(name, data),
            Endpoint::Responses => self.openai(name, data),
            Endpoint::Chat
            | Endpoint::ChatCompletions
            | Endpoint::Completions
            | Endpoint::CountContent
            | Endpoint::CountTokens
            | Endpoint::Embed
            | Endpoint::GenerateContent
            | Endpoint::Rerank
            | Endpoint::StreamGenerateContent
            | Endpoint::Embeddings
            | Endpoint::Moderations => {}
        }
    }

    /// An event of the Responses API.
    fn openai(&mut self, name: Option<&[u8]>, data: &[u8]) {
        let event = Value::root(data);
        let Some(name) = named(name, event, OPENAI_EVENTS) else {
            return;
        };
        let inner = |field| event.member(field);
        match name {
            "response.output_item.added" | "response.output_item.done" => {
                if let Some(item) = inner("item") {
                    self.item(item);
                }
            }
            "response.output_text.annotation.added" => {
                if let Some(annotation) = inner("annotation") {
                    self.annotation(annotation);
                }
            }
            _ => {
                if let Some(response) = inner("response") {
                    self.response(response);
                }
            }
        }
    }

    /// An event of a streamed message.
    fn anthropic(&mut self, name: Option<&[u8]>, data: &[u8]) {
        if CONTAINER.find(data).is_none() && FILE_ID.find(data).is_none() {
            return;
        }
        let event = Value::root(data);
        match named(name, event, ANTHROPIC_EVENTS) {
            Some("message_start") => {
                if let Some(message) = event.member("message") {
                    self.message(message);
                }
            }
            Some("message_delta") => {
                if let Some(delta) = event.member("delta") {
                    self.message(delta);
                }
            }
            Some(_) => {
                if let Some(block) = event.member("content_block") {
                    self.block(block);
                }
            }
            None => {}
        }
    }

    /// A whole response.
    fn response(&mut self, response: Value<'_>) {
        self.note(StoredKind::Response, response.member("id"));
        let conversation = response.member("conversation").and_then(|of| of.member("id"));
        self.note(StoredKind::Conversation, conversation);
        for item in response.member("output").into_iter().flat_map(Value::items) {
            self.item(item);
        }
    }

    /// An output item of a response.
    fn item(&mut self, item: Value<'_>) {
        self.note(StoredKind::Item, item.member("id"));
        self.note(StoredKind::Container, item.member("container_id"));
        for part in item.member("content").into_iter().flat_map(Value::items) {
            for annotation in part.member("annotations").into_iter().flat_map(Value::items) {
                self.annotation(annotation);
            }
        }
    }

    /// What a text says of a file that code has written. A citation of a file that was there before
    /// makes nobody its owner.
    fn annotation(&mut self, annotation: Value<'_>) {
        let kind = annotation.member("type").map(Value::text).unwrap_or_default();
        if matches!(&*kind, "container_file_citation" | "file_path") {
            self.note(StoredKind::Container, annotation.member("container_id"));
            self.note(StoredKind::File, annotation.member("file_id"));
        }
    }

    /// The answers of a chat completion, whole or in pieces.
    fn choices(&mut self, chunk: Value<'_>, said: &str) {
        for choice in chunk.member("choices").into_iter().flat_map(Value::items) {
            let audio = choice.member(said).and_then(|message| message.member("audio"));
            self.note(StoredKind::Audio, audio.and_then(|audio| audio.member("id")));
        }
    }

    /// A message of Anthropic's, or what is said of it at its end.
    fn message(&mut self, message: Value<'_>) {
        let container = message.member("container").and_then(|container| container.member("id"));
        self.note(StoredKind::Container, container);
        for block in message.member("content").into_iter().flat_map(Value::items) {
            self.block(block);
        }
    }

    /// A block: code that ran in a container says which files it has written. What tools of others
    /// say is theirs.
    fn block(&mut self, block: Value<'_>) {
        let kind = block.member("type").map(Value::text).unwrap_or_default();
        if !RESULTS.contains(&&*kind) {
            return;
        }
        let outputs = block.member("content").and_then(|result| result.member("content"));
        for output in outputs.into_iter().flat_map(Value::items) {
            self.note(StoredKind::File, output.member("file_id"));
        }
    }

    fn note(&mut self, kind: StoredKind, id: Option<Value<'_>>) {
        let Some(id) = id.filter(|id| id.kind() == Kind::String) else {
            return;
        };
        let bytes = id.place().len();
        if !(3..=ID_BYTES_MAX).contains(&bytes) || self.known.len() >= CREATED_MAX {
            return;
        }
        let stored = Stored { kind, id: id.text().into_owned() };
        // Everything is said twice or three times in a stream.
        if !self.known.contains(&stored) {
            self.known.push(stored);
        }
    }
}

/// Which of `known` an event is, by its name, else by its `type`.
fn named(name: Option<&[u8]>, event: Value<'_>, known: &[&'static str]) -> Option<&'static str> {
    let find = |name: &[u8]| known.iter().copied().find(|known| known.as_bytes() == name);
    match name {
        Some(name) => find(name),
        None => find(event.member("type")?.text().as_bytes()),
    }
}

/// The events of the Responses API that can carry an id.
const OPENAI_EVENTS: &[&str] = &[
    "response.completed",
    "response.created",
    "response.failed",
    "response.incomplete",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.annotation.added",
];

const ANTHROPIC_EVENTS: &[&str] = &["content_block_start", "message_delta", "message_start"];

/// The blocks in which a container says what it has written.
const RESULTS: &[&str] = &[
    "bash_code_execution_tool_result",
    "code_execution_tool_result",
    "text_editor_code_execution_tool_result",
];

static AUDIO: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"audio\""));
static CONTAINER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"container\""));
static FILE_ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"file_id\""));

/// The longest id, quotes included. The longest that are known have some 70 bytes.
pub(crate) const ID_BYTES_MAX: usize = 258;
/// How much of one answer is remembered. What comes after it belongs to nobody.
const CREATED_MAX: usize = 256;

#[cfg(test)]
mod tests;
