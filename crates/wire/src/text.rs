//! The text a model generated, for counting it where the provider did not.
//!
//! Everything that a provider bills as output and that is there to be seen: contents, refusals,
//! reasoning, the names and arguments of calls. Sound and pictures are not text. What cannot be
//! read is taken whole, which counts too much rather than nothing.

use serde_json::Value;

use crate::{Endpoint, cohere, gemini};

/// All generated text of a whole answer.
pub fn answer_text(endpoint: Endpoint, body: &[u8]) -> String {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return String::from_utf8_lossy(body).into_owned();
    };
    let mut text = String::new();
    match endpoint {
        Endpoint::ChatCompletions | Endpoint::Completions => choices(&answer, &mut text),
        Endpoint::Responses => {
            for item in list(&answer, "output") {
                output(item, &mut text);
            }
        }
        Endpoint::Messages => blocks(&answer, &mut text),
        Endpoint::Chat => {
            if let Some(message) = answer.get("message") {
                cohere_message(message, &mut text);
            }
        }
        Endpoint::GenerateContent | Endpoint::StreamGenerateContent => {
            gemini::stream::add_text(&answer, &mut text);
        }
        Endpoint::CountContent
        | Endpoint::CountTokens
        | Endpoint::Embed
        | Endpoint::Embeddings
        | Endpoint::Moderations
        | Endpoint::Rerank => {}
    }
    text
}

/// Whether a whole answer came to its own end. Of what is no stream, HTTP says it.
pub fn is_whole(endpoint: Endpoint, body: &[u8]) -> bool {
    endpoint != Endpoint::StreamGenerateContent || gemini::stream::is_whole(body)
}

/// The generated text of one event of a stream.
pub(crate) fn add_event(data: &[u8], text: &mut String) {
    let Ok(event) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    choices(&event, text);
    gemini::stream::add_text(&event, text);
    cohere_message(cohere::stream::message(&event), text);
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind.strip_suffix(".delta").is_some_and(|kind| !kind.ends_with("audio")) {
        add(&event, &["delta"], text);
    }
    let inner = |name| event.get(name).unwrap_or(&Value::Null);
    match kind {
        "response.output_item.added" => add(inner("item"), &["name"], text),
        "content_block_delta" => add(inner("delta"), &["text", "thinking", "partial_json"], text),
        "content_block_start" => add(inner("content_block"), &["name", "text"], text),
        _ => {}
    }
}

/// Answers and chunks of chat completions and completions.
fn choices(answer: &Value, text: &mut String) {
    for choice in list(answer, "choices") {
        add(choice, &["text"], text);
        for message in ["delta", "message"].into_iter().filter_map(|name| choice.get(name)) {
            add(message, &["reasoning_content", "reasoning", "content", "refusal"], text);
            add(message.get("audio").unwrap_or(&Value::Null), &["transcript"], text);
            add(message.get("function_call").unwrap_or(&Value::Null), CALL, text);
            for call in list(message, "tool_calls") {
                for kind in ["function", "custom"] {
                    add(call.get(kind).unwrap_or(&Value::Null), CALL, text);
                }
            }
        }
    }
}

/// Cohere's message, whole or a piece of it: of each member there is one, or a list.
fn cohere_message(message: &Value, text: &mut String) {
    add(message, &["tool_plan"], text);
    for part in one_or_many(message, "content") {
        add(part, &["text", "thinking"], text);
    }
    for call in one_or_many(message, "tool_calls") {
        add(call.get("function").unwrap_or(&Value::Null), CALL, text);
    }
}

fn one_or_many<'a>(owner: &'a Value, name: &str) -> &'a [Value] {
    match owner.get(name) {
        Some(Value::Array(items)) => items,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// The blocks of a message.
fn blocks(answer: &Value, text: &mut String) {
    for block in list(answer, "content") {
        add(block, &["text", "thinking", "name"], text);
        if let Some(input) = block.get("input") {
            text.push_str(&input.to_string());
        }
    }
}

const CALL: &[&str] = &["name", "arguments", "input"];

/// An output item of responses.
fn output(item: &Value, text: &mut String) {
    add(item, &["name", "arguments", "input", "code"], text);
    for part in list(item, "content").iter().chain(list(item, "summary")) {
        add(part, &["text", "refusal", "transcript"], text);
    }
}

pub(crate) fn list<'a>(owner: &'a Value, name: &str) -> &'a [Value] {
    owner.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(crate) fn add(owner: &Value, names: &[&str], text: &mut String) {
    for value in names.iter().filter_map(|name| owner.get(name)?.as_str()) {
        text.push_str(value);
    }
}

#[cfg(test)]
mod tests;
