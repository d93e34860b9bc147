//! Chat completions, whole and as events, in the shapes that OpenAI sends.

use serde_json::{Value, json};
use tollgate_units::Tokens;

use super::turn::{ARGUMENTS, CREATED, Event, Events, Turn};
use crate::words::{text_of, word};

pub(super) fn whole(turn: &Turn) -> Value {
    let choices: Vec<Value> = (0..turn.answers).map(|index| choice(turn, index)).collect();
    let mut body = json!({
        "id": id(turn),
        "object": "chat.completion",
        "created": CREATED,
        "model": turn.model,
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    });
    if turn.usage {
        body["usage"] = turn.usage();
    }
    body
}

fn choice(turn: &Turn, index: u64) -> Value {
    let mut message = if turn.tools.is_empty() {
        let content = text_of(Tokens::new(turn.visible()));
        json!({"role": "assistant", "content": content, "refusal": null, "annotations": []})
    } else {
        let calls: Vec<Value> = turn.tools.iter().zip(0..).map(|(n, at)| call(n, at)).collect();
        json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": calls})
    };
    if turn.stores() {
        message["audio"] = json!({"id": turn.made("audio"), "data": "", "transcript": ""});
    }
    let finish = turn.finish.word();
    json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish})
}

fn call(name: &str, at: u64) -> Value {
    json!({
        "id": format!("call_sim{at:04}"),
        "type": "function",
        "function": {"name": name, "arguments": ARGUMENTS},
    })
}

pub(super) fn events(turn: &Turn) -> Events {
    let frame = Frame::new(turn);
    let (answers, finish) = (turn.answers, turn.finish.word());
    let opening = {
        let frame = frame.clone();
        (0..answers).map(move |index| {
            frame.event(index, r#"{"role":"assistant","content":"","refusal":null}"#, None, 0)
        })
    };
    let body: Events =
        if turn.tools.is_empty() { said(turn, &frame) } else { called(turn, &frame) };
    let sound = {
        let frame = frame.clone();
        let delta = json!({"audio": {"id": turn.made("audio")}}).to_string();
        turn.stores().then(move || frame.event(0, &delta, None, 0))
    };
    let closing = {
        let frame = frame.clone();
        (0..answers).map(move |index| frame.event(index, "{}", Some(finish), 0))
    };
    let usage = turn.usage_in_stream.then(|| frame.usage(turn));
    let done = Event::new("data: [DONE]\n\n".into());
    Box::new(opening.chain(body).chain(sound).chain(closing).chain(usage).chain([done]))
}

/// Every visible token is an event for each answer; the invisible ones flow with the first.
fn said(turn: &Turn, frame: &Frame) -> Events {
    let (answers, hidden) = (turn.answers, turn.reasoning);
    let frame = frame.clone();
    if turn.visible() == 0 {
        let silent = (0..answers.min(1)).map(move |_| Event {
            tokens: hidden.saturating_mul(answers),
            ..frame.event(0, "{}", None, 0)
        });
        return Box::new(silent);
    }
    let visible = turn.visible();
    Box::new((0..visible).flat_map(move |at| {
        let frame = frame.clone();
        (0..answers).map(move |index| {
            let delta = format!(r#"{{"content":"{}"}}"#, word(at));
            frame.event(index, &delta, None, if at == 0 { 1 + hidden } else { 1 })
        })
    }))
}

/// Every call is an event that names it and one for each half of its arguments; all tokens flow
/// with the first.
fn called(turn: &Turn, frame: &Frame) -> Events {
    let (answers, each) = (turn.answers, turn.each);
    let (tools, frame) = (turn.tools.clone(), frame.clone());
    let deltas = move |index: u64| {
        let frame = frame.clone();
        let deltas: Vec<Value> = tools.iter().zip(0..).flat_map(|(n, at)| pieces(n, at)).collect();
        deltas.into_iter().zip(0_u64..).map(move |(delta, at)| {
            frame.event(index, &delta.to_string(), None, if at == 0 { each } else { 0 })
        })
    };
    Box::new((0..answers).flat_map(deltas))
}

fn pieces(name: &str, at: u64) -> [Value; 3] {
    let (first, second) = ARGUMENTS.split_at(ARGUMENTS.len() / 2);
    let mut opening = call(name, at);
    opening["index"] = at.into();
    opening["function"]["arguments"] = "".into();
    let piece = |part| json!({"tool_calls": [{"index": at, "function": {"arguments": part}}]});
    [json!({"tool_calls": [opening]}), piece(first), piece(second)]
}

/// What is the same in every event of a stream.
#[derive(Clone)]
struct Frame {
    head: String,
    tail: &'static str,
}

impl Frame {
    fn new(turn: &Turn) -> Self {
        let model = Value::from(turn.model.as_str());
        let name = format!(r#""id":"{}","object":"chat.completion.chunk""#, id(turn));
        let origin = format!(r#""created":{CREATED},"model":{model},"service_tier":"default""#);
        let head =
            format!(r#"data: {{{name},{origin},"system_fingerprint":"{FINGERPRINT}","choices":["#);
        let tail = if turn.usage_in_stream {
            "],\"usage\":null,\"obfuscation\":\"aB3\"}\n\n"
        } else {
            "]}\n\n"
        };
        Self { head, tail }
    }

    fn event(&self, index: u64, delta: &str, finish: Option<&str>, tokens: u64) -> Event {
        let finish = finish.map_or_else(|| "null".into(), |word| format!("\"{word}\""));
        let (head, tail) = (&self.head, self.tail);
        let choice = format!(
            r#"{{"index":{index},"delta":{delta},"logprobs":null,"finish_reason":{finish}}}"#
        );
        let text = format!("{head}{choice}{tail}");
        Event::of(text, tokens)
    }

    fn usage(&self, turn: &Turn) -> Event {
        Event::new(format!("{}],\"usage\":{}}}\n\n", self.head, turn.usage())).telling_usage()
    }
}

fn id(turn: &Turn) -> String {
    format!("chatcmpl-sim{:06}", turn.number)
}

const FINGERPRINT: &str = "fp_sim01";
