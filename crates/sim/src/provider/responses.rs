//! The Responses API, whole and as events.

use serde_json::{Value, json};
use tollgate_units::Tokens;

use super::turn::{ARGUMENTS, CREATED, Event, Events, Finish, Turn};
use crate::words::{text_of, word};

pub(super) fn whole(turn: &Turn) -> Value {
    let mut body = response(turn, status(turn));
    let mut output = items(turn, "completed");
    output.extend(ran(turn));
    body["output"] = output.into();
    if turn.finish == Finish::Length {
        body["incomplete_details"] = json!({"reason": "max_output_tokens"});
    }
    if turn.usage {
        body["usage"] = usage(turn);
    }
    body
}

pub(super) fn events(turn: &Turn) -> Events {
    let opening = [
        json!({"type": "response.created", "response": response(turn, "in_progress")}),
        json!({"type": "response.in_progress", "response": response(turn, "in_progress")}),
    ];
    let last = json!({"type": format!("response.{}", status(turn)), "response": whole(turn)});
    let opening = opening.into_iter().map(|event| (event, 0));
    let body = if turn.tools.is_empty() { said(turn) } else { called(turn) };
    let made = ran(turn).map(|item| (added("response.output_item.done", 1, item), 0));
    let all = opening.chain(body).chain(made).chain([(last, 0)]).zip(0_u64..);
    let tells_usage = turn.usage;
    Box::new(all.map(move |((mut event, tokens), at)| {
        event["sequence_number"] = at.into();
        let is_last =
            event["response"]["status"].as_str().is_some_and(|word| word != "in_progress");
        Event { tells_usage: is_last && tells_usage, tokens, ..written(&event) }
    }))
}

pub(super) fn error_event() -> Event {
    written(&json!({"type": "error", "sequence_number": 0, "code": "server_error",
                    "message": "The server had an error.", "param": null}))
}

fn written(event: &Value) -> Event {
    let name = event["type"].as_str().unwrap_or("error");
    Event::new(format!("event: {name}\ndata: {event}\n\n"))
}

type Numbered = Box<dyn Iterator<Item = (Value, u64)> + Send>;

/// One message, a token an event; the invisible tokens flow with its opening.
fn said(turn: &Turn) -> Numbered {
    let item = message_id(turn);
    let text = text_of(Tokens::new(turn.visible()));
    let place = json!({"item_id": item, "output_index": 0, "content_index": 0});
    let at_place = move |kind: &str, field: &str, value: Value| {
        let mut event = place.clone();
        event["type"] = kind.into();
        event[field] = value;
        event
    };
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let empty = json!({"id": item, "type": "message", "status": "in_progress",
                       "role": "assistant", "content": []});
    let opening = [
        (added("response.output_item.added", 0, empty), turn.reasoning),
        (at_place("response.content_part.added", "part", part("")), 0),
    ];
    let closing = [
        at_place("response.output_text.done", "text", text.as_str().into()),
        at_place("response.content_part.done", "part", part(&text)),
        added("response.output_item.done", 0, items(turn, "completed").swap_remove(0)),
    ];
    let deltas = (0..turn.visible())
        .map(move |at| (at_place("response.output_text.delta", "delta", word(at).into()), 1));
    Box::new(opening.into_iter().chain(deltas).chain(closing.into_iter().map(|event| (event, 0))))
}

/// One item for each call; all tokens flow with the first.
fn called(turn: &Turn) -> Numbered {
    let each = turn.each;
    let items = items(turn, "completed").into_iter().zip(0_u64..);
    Box::new(items.flat_map(move |(item, at)| {
        let mut opened = item.clone();
        opened["status"] = "in_progress".into();
        opened["arguments"] = "".into();
        let id = item["id"].clone();
        let tokens = if at == 0 { each } else { 0 };
        [
            (added("response.output_item.added", at, opened), tokens),
            (arguments("delta", "delta", at, &id), 0),
            (arguments("done", "arguments", at, &id), 0),
            (added("response.output_item.done", at, item), 0),
        ]
    }))
}

fn added(kind: &str, at: u64, item: Value) -> Value {
    let mut event = json!({"type": kind, "output_index": at});
    event["item"] = item;
    event
}

fn arguments(what: &str, field: &str, at: u64, id: &Value) -> Value {
    let kind = format!("response.function_call_arguments.{what}");
    let mut event = json!({"type": kind, "item_id": id, "output_index": at});
    event[field] = ARGUMENTS.into();
    event
}

fn items(turn: &Turn, status: &str) -> Vec<Value> {
    if turn.tools.is_empty() {
        let text = text_of(Tokens::new(turn.visible()));
        let citation = json!({"type": "container_file_citation", "filename": "a.csv",
            "container_id": turn.made("cntr"), "file_id": turn.made("cfile"),
            "start_index": 0, "end_index": 0});
        let annotations = if turn.stores() { vec![citation] } else { Vec::new() };
        let content = json!([{"type": "output_text", "text": text, "annotations": annotations}]);
        return vec![json!({"id": message_id(turn), "type": "message", "status": status,
                           "role": "assistant", "content": content})];
    }
    let calls = turn.tools.iter().zip(0_u64..).map(|(name, at)| {
        json!({"id": format!("fc_sim{at:04}"), "type": "function_call", "status": status,
               "call_id": format!("call_sim{at:04}"), "name": name, "arguments": ARGUMENTS})
    });
    calls.collect()
}

/// Code that was run in a container of its own.
fn ran(turn: &Turn) -> Option<Value> {
    turn.stores().then(|| {
        json!({"id": turn.made("ci"), "type": "code_interpreter_call", "status": "completed",
               "code": "1 + 1", "container_id": turn.made("cntr"), "outputs": []})
    })
}

fn response(turn: &Turn, status: &str) -> Value {
    let mut body = json!({
        "id": format!("resp_sim{:06}", turn.number),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "model": turn.model,
        "output": [],
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "store": true,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": null,
        "user": null,
        "metadata": {},
    });
    if turn.stores() {
        body["conversation"] = json!({"id": turn.made("conv")});
    }
    body
}

fn usage(turn: &Turn) -> Value {
    json!({
        "input_tokens": turn.prompt,
        "input_tokens_details": {"cached_tokens": turn.cached},
        "output_tokens": turn.output(),
        "output_tokens_details": {"reasoning_tokens": turn.reasoning},
        "total_tokens": turn.prompt.saturating_add(turn.output()),
    })
}

fn status(turn: &Turn) -> &'static str {
    if turn.finish == Finish::Length { "incomplete" } else { "completed" }
}

fn message_id(turn: &Turn) -> String {
    format!("msg_sim{:06}", turn.number)
}
