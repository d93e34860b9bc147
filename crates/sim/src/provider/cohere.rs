//! Cohere's chat, whole and as events, and what it embeds and ranks, in the shapes that Cohere
//! sends. What came from a cache stands for what Cohere adds to a prompt: used, and not billed.

use serde_json::{Value, json};
use tollgate_units::Tokens;

use super::turn::{ARGUMENTS, Event, Events, Finish, Turn};
use crate::words::{text_of, word};

pub(super) fn chat(turn: &Turn) -> Value {
    let mut message = json!({"role": "assistant"});
    if turn.tools.is_empty() {
        message["content"] = json!([text(&text_of(Tokens::new(turn.visible())))]);
    } else {
        message["tool_plan"] = PLAN.into();
        message["tool_calls"] =
            turn.tools.iter().zip(0_u64..).map(|(name, at)| call(name, at, ARGUMENTS)).collect();
    }
    let mut body = json!({"id": id(turn), "finish_reason": reason(turn), "message": message});
    if turn.usage {
        body["usage"] = usage(turn);
    }
    body
}

pub(super) fn embed(turn: &Turn) -> Value {
    let vectors: Vec<Value> = (0..turn.inputs).map(|_| json!([0.5, -0.5, 0.25, 1.0])).collect();
    let mut meta = json!({"api_version": {"version": "2"}});
    if turn.usage {
        meta["billed_units"] = json!({"input_tokens": turn.prompt});
    }
    json!({"id": id(turn), "embeddings": {"float": vectors}, "texts": [], "meta": meta,
           "response_type": "embeddings_by_type"})
}

pub(super) fn rerank(turn: &Turn) -> Value {
    let results: Vec<Value> =
        (0..turn.inputs).map(|index| json!({"index": index, "relevance_score": 0.5})).collect();
    let mut meta = json!({"api_version": {"version": "2"}});
    if turn.usage {
        meta["billed_units"] = json!({"search_units": turn.searches});
    }
    json!({"id": id(turn), "results": results, "meta": meta})
}

/// The searches that a ranking is billed: one for every hundred documents, where one that is longer
/// than 500 tokens with the query is as many as it is cut into. A token has four bytes here.
pub(super) fn searches<'d>(
    query: Option<&Value>,
    documents: impl Iterator<Item = &'d Value>,
    read_most: Option<u64>,
) -> u64 {
    let tokens = |value: &Value| {
        let bytes = value.as_str().map_or_else(|| value.to_string().len(), str::len);
        (bytes as u64).div_ceil(4)
    };
    let query = query.map_or(0, tokens).min(250);
    let read_most = read_most.unwrap_or(4096);
    let chunks = |document| tokens(document).min(read_most).div_ceil(500 - query).max(1);
    documents.map(chunks).sum::<u64>().div_ceil(100)
}

pub(super) fn events(turn: &Turn) -> Events {
    let empty = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [],
                       "citations": []});
    let start = json!({"type": "message-start", "id": id(turn), "delta": {"message": empty}});
    let body = if turn.tools.is_empty() { said(turn) } else { called(turn) };
    let mut end = json!({"finish_reason": reason(turn)});
    if turn.usage {
        end["usage"] = usage(turn);
    }
    let end = written(&json!({"type": "message-end", "delta": end}), 0);
    let end = if turn.usage { end.telling_usage() } else { end };
    Box::new([written(&start, 0)].into_iter().chain(body).chain([end]))
}

pub(super) fn error_event() -> Event {
    let delta = json!({"finish_reason": "ERROR", "error": "The model is overloaded."});
    written(&json!({"type": "message-end", "delta": delta}), 0)
}

/// One text, a token an event; the invisible tokens flow with its opening.
fn said(turn: &Turn) -> Events {
    let start = json!({"type": "content-start", "index": 0,
                       "delta": {"message": {"content": text("")}}});
    let deltas = (0..turn.visible()).map(|at| {
        let delta = json!({"message": {"content": {"text": word(at)}}});
        written(&json!({"type": "content-delta", "index": 0, "delta": delta}), 1)
    });
    let end = written(&json!({"type": "content-end", "index": 0}), 0);
    Box::new([written(&start, turn.reasoning)].into_iter().chain(deltas).chain([end]))
}

/// A plan, then each call with its arguments in two pieces; all tokens flow with the plan.
fn called(turn: &Turn) -> Events {
    let plan = json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": PLAN}}});
    let plan = written(&plan, turn.each);
    let tools = turn.tools.clone().into_iter().zip(0_u64..);
    let calls = tools.flat_map(|(name, at)| {
        let (first, second) = ARGUMENTS.split_at(ARGUMENTS.len() / 2);
        let event = |kind: &str, call: Value| {
            let delta = json!({"message": {"tool_calls": call}});
            written(&json!({"type": kind, "index": at, "delta": delta}), 0)
        };
        let piece = |part: &str| event("tool-call-delta", json!({"function": {"arguments": part}}));
        [
            event("tool-call-start", call(&name, at, "")),
            piece(first),
            piece(second),
            written(&json!({"type": "tool-call-end", "index": at}), 0),
        ]
    });
    Box::new([plan].into_iter().chain(calls))
}

fn written(event: &Value, tokens: u64) -> Event {
    let name = event["type"].as_str().unwrap_or_default();
    Event::of(format!("event: {name}\ndata: {event}\n\n"), tokens)
}

fn call(name: &str, at: u64, arguments: &str) -> Value {
    json!({"id": format!("call_sim{at:04}"), "type": "function",
           "function": {"name": name, "arguments": arguments}})
}

fn text(said: &str) -> Value {
    json!({"type": "text", "text": said})
}

fn usage(turn: &Turn) -> Value {
    let billed = turn.prompt.saturating_sub(turn.cached);
    json!({
        "billed_units": {"input_tokens": billed, "output_tokens": turn.output()},
        "tokens": {"input_tokens": turn.prompt, "output_tokens": turn.output()},
    })
}

fn reason(turn: &Turn) -> &'static str {
    match turn.finish {
        Finish::Length => "MAX_TOKENS",
        Finish::Stop => "COMPLETE",
        Finish::ToolCalls => "TOOL_CALL",
    }
}

fn id(turn: &Turn) -> String {
    format!("29f1tg00-0000-4000-8000-{:012}", turn.number)
}

const PLAN: &str = "I will look it up.";
