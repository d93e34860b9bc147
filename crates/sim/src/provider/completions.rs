//! Legacy completions, whole and as events.

use serde_json::{Value, json};
use tollgate_units::Tokens;

use super::turn::{CREATED, Event, Events, Turn};
use crate::words::{text_of, word};

pub(super) fn whole(turn: &Turn) -> Value {
    let text = text_of(Tokens::new(turn.visible()));
    let choices: Vec<Value> =
        (0..turn.answers).map(|index| choice(&text, index, Some(turn.finish.word()))).collect();
    let mut body = frame(turn);
    body["choices"] = choices.into();
    if turn.usage {
        body["usage"] = turn.usage();
    }
    body
}

pub(super) fn events(turn: &Turn) -> Events {
    let mut frame = frame(turn);
    if turn.usage_in_stream {
        frame["usage"] = Value::Null;
    }
    let (answers, visible, hidden) = (turn.answers, turn.visible(), turn.reasoning);
    let finish = turn.finish.word();
    let event = {
        let frame = frame.clone();
        move |choices: Value| {
            let mut chunk = frame.clone();
            chunk["choices"] = choices;
            Event::new(format!("data: {chunk}\n\n"))
        }
    };
    let last = event.clone();
    let said = (0..visible).flat_map(move |at| {
        let event = event.clone();
        let tokens = if at == 0 { 1 + hidden } else { 1 };
        (0..answers)
            .map(move |index| Event { tokens, ..event(json!([choice(word(at), index, None)])) })
    });
    let closing = (0..answers).map(move |index| last(json!([choice("", index, Some(finish))])));
    let usage = turn.usage_in_stream.then(|| {
        frame["choices"] = json!([]);
        frame["usage"] = turn.usage();
        Event::new(format!("data: {frame}\n\n")).telling_usage()
    });
    let done = Event::new("data: [DONE]\n\n".into());
    Box::new(said.chain(closing).chain(usage).chain([done]))
}

fn choice(text: &str, index: u64, finish: Option<&str>) -> Value {
    json!({"text": text, "index": index, "logprobs": null, "finish_reason": finish})
}

fn frame(turn: &Turn) -> Value {
    json!({
        "id": format!("cmpl-sim{:06}", turn.number),
        "object": "text_completion",
        "created": CREATED,
        "model": turn.model,
    })
}
