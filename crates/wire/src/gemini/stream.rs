//! What of an answer matters, whole or in pieces: its text, its calls, its end.

use serde_json::Value;

use crate::text::{add, list};

/// The answers in a piece, or in a list of pieces.
pub(crate) fn candidates(answer: &Value) -> impl Iterator<Item = &Value> {
    let pieces = answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
    pieces.iter().flat_map(|piece| list(piece, "candidates"))
}

/// The parts of an answer.
pub(crate) fn parts(candidate: &Value) -> &[Value] {
    candidate.get("content").map_or(&[], |content| list(content, "parts"))
}

/// Whether an answer is at its end, or was never begun.
pub(crate) fn is_done(answer: &Value) -> bool {
    let says = |owner: &Value, name: &str| owner.get(name).is_some_and(|said| !said.is_null());
    let is_blocked = answer.get("promptFeedback").is_some_and(|told| says(told, "blockReason"));
    is_blocked || candidates(answer).any(|candidate| says(candidate, "finishReason"))
}

/// Whether a whole answer is one, and not a list of pieces that broke off. What is too long to be
/// looked at is taken for whole.
pub(crate) fn is_whole(body: &[u8]) -> bool {
    if !body.trim_ascii_start().starts_with(b"[") {
        return true;
    }
    let Ok(Value::Array(pieces)) = serde_json::from_slice(body) else {
        return false;
    };
    let told = pieces.last().and_then(|piece| piece.get("error"));
    told.is_none_or(Value::is_null) && pieces.iter().any(is_done)
}

/// The text of a piece, or of a list of them.
pub(crate) fn add_text(answer: &Value, text: &mut String) {
    for part in candidates(answer).flat_map(parts) {
        add(part, &["text"], text);
        for (owner, names) in WRITTEN {
            add(part.get(*owner).unwrap_or(&Value::Null), names, text);
        }
        if let Some(arguments) = part.get("functionCall").and_then(|call| call.get("args")) {
            text.push_str(&arguments.to_string());
        }
    }
}

/// What a model writes besides plain text.
const WRITTEN: &[(&str, &[&str])] = &[("functionCall", &["name"]), ("executableCode", &["code"])];
