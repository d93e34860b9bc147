//! Anthropic's messages, whole and as events, in the shapes that Anthropic sends; and the count of
//! a prompt, which generates nothing.

use serde_json::{Value, json};
use tollgate_units::Tokens;

use super::turn::{ARGUMENTS, Event, Events, Finish, Turn};
use crate::words::{text_of, word};

pub(super) fn whole(turn: &Turn) -> Value {
    let mut body = message(turn);
    body["content"] = if turn.tools.is_empty() {
        let mut content = thoughts(turn);
        content.push(json!({"type": "text", "text": text_of(Tokens::new(turn.visible()))}));
        content.into()
    } else {
        turn.tools.iter().zip(0_u64..).map(|(name, at)| call(name, at, arguments())).collect()
    };
    if let (true, Some(content)) = (turn.stores(), body["content"].as_array_mut()) {
        content.push(ran(turn));
        body["container"] = json!({"id": turn.made("container"), "expires_at": "2026-12-01"});
    }
    body["stop_reason"] = stop_reason(turn).into();
    if turn.usage {
        body["usage"] = usage(turn, turn.output());
    }
    body
}

/// What the prompt comes to.
pub(super) fn count(turn: &Turn) -> Value {
    json!({"input_tokens": turn.prompt})
}

pub(super) fn events(turn: &Turn) -> Events {
    let mut opened = message(turn);
    if turn.usage {
        opened["usage"] = usage(turn, 1);
    }
    let opening =
        [(json!({"type": "message_start", "message": opened}), 0), (json!({"type": "ping"}), 0)];
    let body = if turn.tools.is_empty() { said(turn) } else { called(turn) };
    let made = turn.stores().then(|| (started(9, &ran(turn)), 0));
    let made = made.into_iter().chain(turn.stores().then(|| (stopped(9), 0)));
    let mut delta = json!({"stop_reason": stop_reason(turn), "stop_sequence": null});
    if turn.stores() {
        delta["container"] = json!({"id": turn.made("container")});
    }
    let mut last = json!({"type": "message_delta", "delta": delta});
    if turn.usage {
        last["usage"] = json!({"output_tokens": turn.output()});
    }
    let closing = [(last, 0), (json!({"type": "message_stop"}), 0)];
    let tells_usage = turn.usage;
    Box::new(opening.into_iter().chain(body).chain(made).chain(closing).map(
        move |(event, tokens)| {
            let is_last = event["type"] == "message_delta";
            Event { tells_usage: is_last && tells_usage, tokens, ..written(&event) }
        },
    ))
}

pub(super) fn error_event() -> Event {
    written(&super::fault::anthropic_error("Overloaded", "overloaded_error"))
}

fn written(event: &Value) -> Event {
    let name = event["type"].as_str().unwrap_or("error");
    Event::new(format!("event: {name}\ndata: {event}\n\n"))
}

type Told = Box<dyn Iterator<Item = (Value, u64)> + Send>;

/// One text, a token an event; the invisible tokens flow with its opening.
fn said(turn: &Turn) -> Told {
    let empty = json!({"type": "text", "text": ""});
    let opening = (started(0, &empty), turn.reasoning);
    let deltas = (0..turn.visible()).map(|at| {
        let delta = json!({"type": "text_delta", "text": word(at)});
        (json!({"type": "content_block_delta", "index": 0, "delta": delta}), 1)
    });
    Box::new([opening].into_iter().chain(deltas).chain([(stopped(0), 0)]))
}

/// One block for each call, with its arguments in two pieces; all tokens flow with the first.
fn called(turn: &Turn) -> Told {
    let each = turn.each;
    let tools = turn.tools.clone().into_iter().zip(0_u64..);
    Box::new(tools.flat_map(move |(name, at)| {
        let (first, second) = ARGUMENTS.split_at(ARGUMENTS.len() / 2);
        let piece = |part: &str| {
            let delta = json!({"type": "input_json_delta", "partial_json": part});
            (json!({"type": "content_block_delta", "index": at, "delta": delta}), 0)
        };
        let opening = (started(at, &call(&name, at, json!({}))), if at == 0 { each } else { 0 });
        [opening, piece(""), piece(first), piece(second), (stopped(at), 0)]
    }))
}

fn started(at: u64, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": at, "content_block": block})
}

fn stopped(at: u64) -> Value {
    json!({"type": "content_block_stop", "index": at})
}

fn call(name: &str, at: u64, input: Value) -> Value {
    let mut call = json!({"type": "tool_use", "id": format!("toolu_sim{at:04}"), "name": name});
    call["input"] = input;
    call
}

fn arguments() -> Value {
    serde_json::from_str(ARGUMENTS).unwrap_or_default()
}

fn thoughts(turn: &Turn) -> Vec<Value> {
    let thought = json!({"type": "thinking", "thinking": "", "signature": "c2lt"});
    if turn.reasoning > 0 { vec![thought] } else { Vec::new() }
}

/// Code that was run in a container, and has written a file.
fn ran(turn: &Turn) -> Value {
    let output = json!({"type": "bash_code_execution_output", "file_id": turn.made("file")});
    json!({"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_sim",
           "content": {"type": "bash_code_execution_result", "stdout": "", "stderr": "",
                       "return_code": 0, "content": [output]}})
}

fn message(turn: &Turn) -> Value {
    json!({
        "id": format!("msg_sim{:06}", turn.number),
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
    })
}

fn usage(turn: &Turn, output: u64) -> Value {
    let fresh = turn.prompt.saturating_sub(turn.cached).saturating_sub(turn.written);
    let minutes = turn.written.saturating_sub(turn.written_hour);
    json!({
        "input_tokens": fresh,
        "cache_creation_input_tokens": turn.written,
        "cache_read_input_tokens": turn.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": minutes,
            "ephemeral_1h_input_tokens": turn.written_hour,
        },
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn stop_reason(turn: &Turn) -> &'static str {
    match turn.finish {
        Finish::Length => "max_tokens",
        Finish::Stop => "end_turn",
        Finish::ToolCalls => "tool_use",
    }
}
