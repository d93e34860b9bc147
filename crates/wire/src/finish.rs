//! How an answer says that it is whole: by a word for every choice, which protocols call a reason.
//!
//! An answer that ended by itself, at a length or with a call is whole. One that was filtered, that
//! failed, or that does not say how it ended is not what was asked for: it is passed on and paid
//! like any other, but not to be given again.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::judge::inside::is_empty;
use crate::tally::{after_colon, kind_at_head};
use crate::text::list;
use crate::walk::{self, Kind};
use crate::{Endpoint, gemini};

/// Which choices of an answer have said how they ended, and whether all ended well.
#[derive(Debug, Default)]
pub(crate) struct Finishes {
    ended: Vec<u64>,
    /// Whether one of them was filtered, or failed.
    is_spoilt: bool,
}

impl Finishes {
    pub(crate) const fn new() -> Self {
        Self { ended: Vec::new(), is_spoilt: false }
    }

    /// Looks at the data of a stream's event. One that cannot say it is not parsed.
    pub(crate) fn see(&mut self, endpoint: Endpoint, name: Option<&[u8]>, data: &[u8]) {
        let parsed = || serde_json::from_slice::<Value>(data).unwrap_or_default();
        match endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions if says(&FINISH_REASON, data) => {
                self.choices(&parsed());
            }
            Endpoint::Chat if says(&FINISH_REASON, data) => {
                self.ends(0, member(member(&parsed(), "delta"), "finish_reason"));
            }
            Endpoint::Messages if says(&STOP_REASON, data) => {
                self.ends(0, member(member(&parsed(), "delta"), "stop_reason"));
            }
            Endpoint::Responses if is_end(name, data) => {
                self.response(member(&parsed(), "response"));
            }
            Endpoint::Chat
            | Endpoint::ChatCompletions
            | Endpoint::Completions
            | Endpoint::CountContent
            | Endpoint::CountTokens
            | Endpoint::Embed
            | Endpoint::Embeddings
            | Endpoint::GenerateContent
            | Endpoint::Messages
            | Endpoint::Moderations
            | Endpoint::Rerank
            | Endpoint::Responses
            | Endpoint::StreamGenerateContent => {}
        }
    }

    /// Choice `index` ends for this reason; not yet, where there is none.
    pub(crate) fn ends(&mut self, index: u64, reason: &Value) {
        let Some(reason) = reason.as_str().filter(|reason| !reason.is_empty()) else {
            return;
        };
        let is_whole = WHOLE.iter().any(|whole| reason.eq_ignore_ascii_case(whole));
        self.is_spoilt |= !is_whole;
        // OpenRouter's word for a choice that broke off.
        if reason != "error" && !self.ended.contains(&index) && self.ended.len() < ENDED_MAX {
            self.ended.push(index);
        }
    }

    /// How many choices have said how they ended.
    pub(crate) const fn count(&self) -> u64 {
        self.ended.len() as u64
    }

    /// Whether so many choices have, and all ended well.
    pub(crate) const fn are_whole(&self, choices: u64) -> bool {
        !self.is_spoilt && self.count() >= choices
    }

    /// The choices of an answer or of an event of OpenAI's chat and completions.
    pub(crate) fn choices(&mut self, answer: &Value) {
        for (at, choice) in list(answer, "choices").iter().enumerate() {
            self.choice(choice, at, "finish_reason");
        }
    }

    /// The candidates of an answer or of a piece of Gemini's.
    pub(crate) fn candidates(&mut self, answer: &Value) {
        self.is_spoilt |= !member(member(answer, "promptFeedback"), "blockReason").is_null();
        for (at, candidate) in list(answer, "candidates").iter().enumerate() {
            self.choice(candidate, at, "finishReason");
        }
    }

    /// A response of OpenAI's, whole or at the end of its events.
    pub(crate) fn response(&mut self, response: &Value) {
        match member(response, "status").as_str() {
            Some("completed") => self.ends(0, &Value::from("stop")),
            Some("incomplete") => {
                self.ends(0, member(member(response, "incomplete_details"), "reason"));
            }
            _ => {}
        }
    }

    fn choice(&mut self, choice: &Value, at: usize, name: &str) {
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(at);
        self.is_spoilt |= !member(choice, "error").is_null();
        self.ends(index, member(choice, name));
    }
}

/// Whether an answer in JSON is all that was asked for, so that it may be given again.
pub fn is_complete(endpoint: Endpoint, body: &[u8]) -> bool {
    let root = walk::Value::root(body);
    let has = |name: &str| root.member(name).is_some_and(|part| !is_empty(part));
    let counts = |name: &str| root.member(name).is_some_and(|it| it.kind() == Kind::Number);
    if has("error") {
        return false;
    }
    let parsed = || serde_json::from_slice::<Value>(body).unwrap_or_default();
    let mut finishes = Finishes::new();
    let choices = match endpoint {
        Endpoint::ChatCompletions | Endpoint::Completions => {
            let answer = parsed();
            finishes.choices(&answer);
            list(&answer, "choices").len()
        }
        Endpoint::Responses => {
            finishes.response(&parsed());
            usize::from(has("output"))
        }
        Endpoint::Messages => {
            finishes.ends(0, member(&parsed(), "stop_reason"));
            usize::from(root.member("content").is_some_and(|it| it.kind() == Kind::Array))
        }
        Endpoint::Chat => {
            finishes.ends(0, member(&parsed(), "finish_reason"));
            usize::from(root.member("message").is_some_and(|it| it.kind() == Kind::Object))
        }
        Endpoint::GenerateContent => {
            let answer = parsed();
            finishes.candidates(&answer);
            list(&answer, "candidates").len()
        }
        Endpoint::StreamGenerateContent => return are_complete(&parsed()),
        Endpoint::Embeddings => return has("data"),
        Endpoint::Embed => return has("embeddings"),
        Endpoint::Moderations | Endpoint::Rerank => return has("results"),
        Endpoint::CountContent => return counts("totalTokens"),
        Endpoint::CountTokens => return counts("input_tokens"),
    };
    choices > 0 && finishes.are_whole(choices as u64)
}

/// The same of a list of pieces.
fn are_complete(answer: &Value) -> bool {
    let pieces = answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
    let mut finishes = Finishes::new();
    for piece in pieces {
        finishes.candidates(piece);
    }
    let indices = gemini::stream::candidates(answer)
        .map(|one| one.get("index").and_then(Value::as_u64).unwrap_or_default());
    let choices = indices.collect::<BTreeSet<_>>().len();
    let failed = pieces.iter().any(|piece| !member(piece, "error").is_null());
    !failed && choices > 0 && finishes.are_whole(choices as u64)
}

/// Whether an event ends a response.
fn is_end(name: Option<&[u8]>, data: &[u8]) -> bool {
    let ends = |name: &[u8]| matches!(name, b"response.completed" | b"response.incomplete");
    // What is named is told by its name.
    name.map_or_else(|| kind_at_head(data).is_some_and(ends), ends)
}

/// Whether an event has a string under the key that `finder` finds.
fn says(finder: &Finder<'_>, data: &[u8]) -> bool {
    finder.find_iter(data).any(|at| {
        let rest = data.get(at.saturating_add(finder.needle().len())..).unwrap_or_default();
        after_colon(rest).is_some_and(|value| value.starts_with(b"\""))
    })
}

fn member<'a>(owner: &'a Value, name: &str) -> &'a Value {
    owner.get(name).unwrap_or(&Value::Null)
}

/// With what answers end that are whole, in every protocol, whatever its letters' case.
const WHOLE: &[&str] = &[
    "complete",
    "end_turn",
    "eos",
    "function_call",
    "length",
    "max_output_tokens",
    "max_tokens",
    "model_context_window_exceeded",
    "model_length",
    "stop",
    "stop_sequence",
    "tool_call",
    "tool_calls",
    "tool_use",
];

/// How many choices are remembered; no provider gives more than 128.
const ENDED_MAX: usize = 1024;

static FINISH_REASON: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new("\"finish_reason\""));
static STOP_REASON: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"stop_reason\""));

#[cfg(test)]
mod tests;
