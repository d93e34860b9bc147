//! Errors that come with a success: in place of an answer, or in the middle of a stream.
//!
//! A provider that has begun to answer has no status left to say what went wrong, and some say it
//! with 200 from the start. What such an error calls itself is read as the status that it would
//! have come with. Of an ordinary answer only the first bytes are looked at.
//! When it is wrong: an error that names nothing we know is taken for the provider's own.

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use memchr::memmem::Finder;
use serde::de::IgnoredAny;

use super::explained::Explained;
use super::{AccountKey, answer_without_account};
use crate::dialect::{Says, compatible};
use crate::sse::{self, Ends};
use crate::tally::after_colon;
use crate::walk::{Kind, Value};

/// What the first bytes of a success are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opening {
    /// The beginning of an answer, as far as can be told.
    Answer,
    /// An error, and no answer.
    Error,
    /// Nothing that could become an answer.
    Nothing,
}

/// Whether what has come of a success tells what it is: a whole event, enough of a document, or so
/// much that nothing will.
pub fn is_told(is_events: bool, begun: &[u8]) -> bool {
    if begun.len() > BEGUN_BYTES_MAX {
        return true;
    }
    if is_events {
        let mut ends = Ends::new();
        let (mut start, mut at) = (0, 0);
        while let Some(end) = ends.next(begun, at) {
            if sse::event(begun.get(start..end).unwrap_or_default()).data.is_some() {
                return true;
            }
            (start, at) = (end, end);
        }
        return false;
    }
    let said = begun.trim_ascii_start();
    said.len() >= SAID_BYTES_MIN || serde_json::from_slice::<IgnoredAny>(said).is_ok()
}

/// With less of it, nobody can tell what a document is, unless it is whole.
const SAID_BYTES_MIN: usize = 32;
/// An error is shorter, and so are the blanks before one.
const BEGUN_BYTES_MAX: usize = 64 * 1024;

/// What a success that begins with `first` is: events or JSON. `is_all`: nothing follows.
pub fn opening(is_events: bool, first: &[u8], is_all: bool) -> Opening {
    let start = first.trim_ascii_start();
    if start.is_empty() || (!is_events && start.starts_with(b"<")) {
        // Blanks that others follow keep a connection open, and have begun.
        let is_nothing = is_all || !start.is_empty();
        return if is_nothing { Opening::Nothing } else { Opening::Answer };
    }
    if !is_events {
        return if is_error(start) { Opening::Error } else { Opening::Answer };
    }
    let Some(event) = sse::events(first).find(|event| event.data.is_some()) else {
        return if is_all { Opening::Nothing } else { Opening::Answer };
    };
    let data = event.data.as_deref().unwrap_or_default().trim_ascii();
    if data == b"[DONE]" {
        Opening::Nothing
    } else if event.name == Some(b"error") || is_error_event(data) {
        Opening::Error
    } else {
        Opening::Answer
    }
}

/// What an answer tells that is an error, or begins with one: the status that it would have come
/// with, and the error, in a body as errors have it.
pub fn error_inside(is_events: bool, body: &[u8]) -> (StatusCode, Bytes) {
    let first = is_events.then(|| sse::events(body).find_map(|event| event.data)).flatten();
    let said = error_in(first.as_deref().unwrap_or(body));
    (status_of(&said).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), said)
}

/// The first piece of an answer in JSON, which may tell an error beside what was generated, without
/// what the error tells of the account.
pub fn opening_without_account(first: Bytes, key: &AccountKey) -> Bytes {
    if speaks_of_error(&first) { answer_without_account(first, key) } else { first }
}

/// Whether the error that an event or an answer tells is the request's own fault: whoever else
/// sends something is not concerned.
pub(crate) fn is_of_request(data: &[u8]) -> bool {
    let status = status_of(&error_in(data));
    status.is_some_and(|status| matches!(status.as_u16(), 400 | 404 | 409 | 413 | 415 | 422))
}

/// Whether an answer in JSON is an error and nothing else.
pub(crate) fn is_error(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    speaks_of_error(body) && {
        let root = single(body);
        let calls_itself = |name| root.member(name).is_some_and(|kind| kind.text() == "error");
        let answers = |name: &&str| root.member(name).is_some_and(|part| !is_empty(part));
        let tells = root.member("error").is_some_and(|error| !is_empty(error));
        (tells || calls_itself("type") || calls_itself("object"))
            && !calls_itself("response")
            && root.member("object").is_none_or(|object| object.text() != "response")
            && !ANSWERS.iter().any(answers)
    }
}

/// Whether an event of a stream tells an error, whatever else is in it.
fn is_error_event(data: &[u8]) -> bool {
    speaks_of_error(data) && {
        let root = single(data);
        let kind = root.member("type").map(Value::text).unwrap_or_default();
        let owners = [Some(root), root.member("x_groq")];
        let tells = |owner: Value<'_>| owner.member("error").is_some_and(|error| !is_empty(error));
        matches!(&*kind, "error" | "response.failed") || owners.into_iter().flatten().any(tells)
    }
}

/// Whether what begins like this may tell an error: only then is it walked.
fn speaks_of_error(body: &[u8]) -> bool {
    let head = body.get(..body.len().min(HEAD_BYTES)).unwrap_or_default();
    let told = |at: usize| {
        let rest = head.get(at.saturating_add(ERROR.needle().len())..).unwrap_or_default();
        after_colon(rest).is_none_or(|value| !value.starts_with(b"null"))
    };
    ERROR.find_iter(head).any(told) || FAILED.find(head).is_some()
}

/// An answer, or the first of a list of them.
fn single(body: &[u8]) -> Value<'_> {
    let root = Value::root(body);
    if root.kind() == Kind::Array { root.items().next().unwrap_or(root) } else { root }
}

/// Whether a value says nothing.
pub(crate) fn is_empty(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Array => value.items().next().is_none(),
        Kind::Bool(said) => !said,
        Kind::Null => true,
        Kind::Number => false,
        Kind::Object => value.members().next().is_none(),
        Kind::String => value.raw() == b"\"\"",
    }
}

/// The error in an event or an answer, in a body as errors have it.
fn error_in(data: &[u8]) -> Bytes {
    let root = single(data);
    let owners = [Some(root), root.member("response"), root.member("x_groq"), root.member("delta")];
    let mut errors = owners.into_iter().filter_map(|owner| owner?.member("error"));
    match errors.find(|error| !is_empty(*error)) {
        Some(error) => Bytes::from([b"{\"error\":", error.raw(), b"}"].concat()),
        None => Bytes::copy_from_slice(root.raw()),
    }
}

/// The status that an error would have come with, by what it calls itself.
fn status_of(error: &[u8]) -> Option<StatusCode> {
    let explained = Explained::read(error);
    explained.codes().find_map(|code| StatusCode::from_u16(meant_by(&code)?).ok())
}

/// What a code, a type or a status in words stands for.
fn meant_by(word: &str) -> Option<u16> {
    let number = word.parse::<u16>().ok().filter(|number| (400..600).contains(number));
    if number.is_some() {
        return number;
    }
    let word = word.to_ascii_lowercase();
    let named = NAMED.iter().find(|(words, _)| words.contains(&&*word));
    if let Some((_, status)) = named {
        return Some(*status);
    }
    let is_spent = compatible::ERRORS.iter().any(|rule| match rule.says {
        Says::Code(code) => code == word,
        Says::Opening(_) | Says::Words(_) => false,
    });
    let is_of_request = (word.starts_with("invalid_") && !word.starts_with("invalid_response"))
        || ["image_", "unsupported_"].iter().any(|start| word.starts_with(start))
        || ["content_filter", "context_length", "policy", "too_long"]
            .iter()
            .any(|part| word.contains(part));
    match (is_spent, is_of_request) {
        (true, _) => Some(429),
        (false, true) => Some(400),
        (false, false) => None,
    }
}

/// What errors call themselves, with the statuses that go with it. OpenAI's codes in a response
/// that failed, its and everybody's types, Anthropic's types, Google's statuses.
const NAMED: &[(&[&str], u16)] = &[
    (
        &[
            "bad_request",
            "badrequest",
            "badrequesterror",
            "empty_image_file",
            "failed_precondition",
            "failed_to_download_image",
            "json_validate_failed",
            "max_tokens_exceeded",
            "moderation_blocked",
            "out_of_range",
            "string_above_max_length",
            "tool_use_failed",
            "unprocessable_entity",
        ],
        400,
    ),
    (
        &["authentication_error", "invalid_api_key", "invalid_authentication", "unauthenticated"],
        401,
    ),
    (&["permission_denied", "permission_error"], 403),
    (&["model_not_found", "not_found", "not_found_error"], 404),
    (&["conflict_error"], 409),
    (&["request_too_large"], 413),
    (
        &[
            "rate_limit_error",
            "rate_limit_exceeded",
            "rate_limited",
            "resource_exhausted",
            "too_many_requests",
        ],
        429,
    ),
    (&["api_error", "internal", "internal_server_error", "server_error"], 500),
    (
        &[
            "overloaded",
            "server_is_overloaded",
            "service_unavailable",
            "service_unavailable_error",
            "slow_down",
            "unavailable",
        ],
        503,
    ),
    (&["deadline_exceeded", "timeout_error", "vector_store_timeout"], 504),
    (&["overloaded_error"], 529),
];

/// Where protocols have what was generated: what has it is an answer, whatever else it tells.
const ANSWERS: &[&str] =
    &["candidates", "choices", "content", "data", "embeddings", "output", "results"];

/// How much of an answer is looked at for an error.
const HEAD_BYTES: usize = 1024;

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));
static FAILED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"response.failed\""));

#[cfg(test)]
mod tests;
