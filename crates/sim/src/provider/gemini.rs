//! Gemini's contents, whole, as events and as the pieces of an array, in the shapes that Google
//! sends; and the count of a prompt, which generates nothing.

use serde_json::{Value, json};
use tollgate_units::Tokens;

use super::paths::Form;
use super::turn::{ARGUMENTS, Event, Events, Finish, Turn};
use crate::words::{text_of, word};

pub(super) fn whole(turn: &Turn) -> Value {
    let parts = if turn.tools.is_empty() {
        json!([{"text": text_of(Tokens::new(turn.visible()))}])
    } else {
        calls(turn)
    };
    let candidates: Vec<Value> =
        (0..turn.answers).map(|index| candidate(index, &parts, Some(reason(turn)))).collect();
    piece(turn, &candidates, (turn.visible() * turn.answers, true))
}

/// What the prompt comes to.
pub(super) fn count(turn: &Turn) -> Value {
    let details = json!([{"modality": "TEXT", "tokenCount": turn.prompt}]);
    json!({"totalTokens": turn.prompt, "promptTokensDetails": details})
}

/// A token an event, each with what was used so far; thoughts flow with the first.
pub(super) fn events(turn: &Turn) -> Events {
    let pieces = pieces(turn);
    let last = pieces.len().saturating_sub(1);
    let form = turn.form;
    let tells_usage = turn.usage;
    Box::new(pieces.into_iter().enumerate().map(move |(at, (piece, tokens))| {
        let text = match (form, at) {
            (Form::Events, _) => format!("data: {piece}\r\n\r\n"),
            (Form::Array, 0) if last == 0 => format!("[{piece}\n]"),
            (Form::Array, 0) => format!("[{piece}"),
            (Form::Array, _) if at == last => format!(",\r\n{piece}\n]"),
            (Form::Array, _) => format!(",\r\n{piece}"),
        };
        Event { tells_usage: tells_usage && at == last, ..Event::of(text, tokens) }
    }))
}

pub(super) fn error_event(form: Form) -> Event {
    let error = super::fault::gemini_error(503, "UNAVAILABLE", "The model is overloaded.");
    Event::new(match form {
        Form::Array => format!(
            ",
{error}
]"
        ),
        Form::Events => format!(
            "data: {error}

"
        ),
    })
}

fn pieces(turn: &Turn) -> Vec<(Value, u64)> {
    let answers = turn.answers;
    let all = |parts: &Value, reason: Option<&str>| -> Vec<Value> {
        (0..answers).map(|index| candidate(index, parts, reason)).collect()
    };
    if !turn.tools.is_empty() {
        let candidates = all(&calls(turn), Some(reason(turn)));
        return vec![(piece(turn, &candidates, (turn.visible() * answers, true)), turn.output())];
    }
    let visible = turn.visible().max(1);
    let piece_at = |at: u64| {
        let is_last = at + 1 == visible;
        let said = if turn.visible() == 0 { "" } else { word(at) };
        let parts = json!([{"text": said}]);
        let candidates = all(&parts, is_last.then(|| reason(turn)));
        let flowed = (at + 1).min(turn.visible()) * answers;
        let hidden = if at == 0 { turn.reasoning } else { 0 };
        let new = u64::from(turn.visible() > 0) + hidden;
        (piece(turn, &candidates, (flowed, is_last)), new * answers)
    };
    (0..visible).map(piece_at).collect()
}

fn candidate(index: u64, parts: &Value, reason: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": index});
    if let Some(reason) = reason {
        candidate["finishReason"] = reason.into();
    }
    candidate
}

fn piece(turn: &Turn, candidates: &[Value], (visible, is_last): (u64, bool)) -> Value {
    let mut piece = json!({
        "candidates": candidates,
        "modelVersion": turn.model,
        "responseId": format!("simResp{:06}", turn.number),
    });
    if turn.usage {
        piece["usageMetadata"] = usage(turn, visible, is_last);
    }
    piece
}

fn usage(turn: &Turn, visible: u64, is_last: bool) -> Value {
    let thoughts = turn.reasoning.saturating_mul(turn.answers);
    let mut usage = json!({
        "promptTokenCount": turn.prompt,
        "candidatesTokenCount": visible,
        "totalTokenCount": turn.prompt + visible + thoughts,
    });
    if thoughts > 0 {
        usage["thoughtsTokenCount"] = thoughts.into();
    }
    if turn.cached > 0 {
        usage["cachedContentTokenCount"] = turn.cached.into();
    }
    if is_last {
        usage["promptTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": turn.prompt}]);
    }
    usage
}

fn calls(turn: &Turn) -> Value {
    let arguments: Value = serde_json::from_str(ARGUMENTS).unwrap_or_default();
    turn.tools
        .iter()
        .map(|name| json!({"functionCall": {"name": name, "args": arguments}}))
        .collect()
}

fn reason(turn: &Turn) -> &'static str {
    match turn.finish {
        Finish::Length => "MAX_TOKENS",
        Finish::Stop | Finish::ToolCalls => "STOP",
    }
}
