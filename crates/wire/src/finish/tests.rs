use std::collections::VecDeque;

use bytes::Bytes;

use super::*;
use crate::Endpoint::{
    Chat, ChatCompletions, Completions, CountContent, CountTokens, Embed, Embeddings,
    GenerateContent, Messages, Moderations, Rerank, Responses, StreamGenerateContent,
};
use crate::{Tally, Tap};

/// (endpoint, answer, whether it may be given again)
const ANSWERS: &[(Endpoint, &str, bool)] = &[
    (ChatCompletions, r#"{"choices":[{"finish_reason":"stop"}]}"#, true),
    (ChatCompletions, r#"{"choices":[{"finish_reason":"length"}]}"#, true),
    (ChatCompletions, r#"{"choices":[{"finish_reason":"tool_calls"}],"error":null}"#, true),
    (ChatCompletions, r#"{"choices":[{"finish_reason":null}]}"#, false),
    (ChatCompletions, r#"{"choices":[{"message":{}}]}"#, false),
    (ChatCompletions, r#"{"choices":[{"finish_reason":"content_filter"}]}"#, false),
    (ChatCompletions, r#"{"choices":[{"finish_reason":"stop","error":{"code":502}}]}"#, false),
    (ChatCompletions, r#"{"choices":[{"finish_reason":"error"}]}"#, false),
    (
        ChatCompletions,
        r#"{"choices":[{"index":0,"finish_reason":"stop"},{"index":1,"finish_reason":null}]}"#,
        false,
    ),
    (ChatCompletions, r#"{"choices":[]}"#, false),
    (ChatCompletions, r#"{"choices":[{"finish_reason":"stop"}],"error":{"code":1}}"#, false),
    (ChatCompletions, r#"{"choices":[{"finish_reason":"stop"}]"#, false),
    (Completions, r#"{"choices":[{"text":"a","finish_reason":"length"}]}"#, true),
    (Completions, r#"{"choices":[{"text":"a"}]}"#, false),
    (Responses, r#"{"status":"completed","error":null,"output":[{}]}"#, true),
    (
        Responses,
        r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{}]}"#,
        true,
    ),
    (
        Responses,
        r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[{}]}"#,
        false,
    ),
    (Responses, r#"{"status":"failed","error":{"code":"x"},"output":[{}]}"#, false),
    (Responses, r#"{"status":"queued","output":[]}"#, false),
    (Responses, r#"{"status":"completed","output":[]}"#, false),
    (Messages, r#"{"content":[],"stop_reason":"end_turn"}"#, true),
    (Messages, r#"{"content":[{}],"stop_reason":"max_tokens"}"#, true),
    (Messages, r#"{"content":[{}],"stop_reason":"tool_use"}"#, true),
    (Messages, r#"{"content":[{}],"stop_reason":"refusal"}"#, false),
    (Messages, r#"{"content":[{}],"stop_reason":"pause_turn"}"#, false),
    (Messages, r#"{"content":[{}],"stop_reason":null}"#, false),
    (Messages, r#"{"type":"error","error":{"type":"api_error"}}"#, false),
    (Chat, r#"{"message":{"content":[]},"finish_reason":"COMPLETE"}"#, true),
    (Chat, r#"{"message":{"content":[]},"finish_reason":"MAX_TOKENS"}"#, true),
    (Chat, r#"{"message":{"content":[]},"finish_reason":"ERROR"}"#, false),
    (Chat, r#"{"message":{"content":[]},"finish_reason":"TIMEOUT"}"#, false),
    (Chat, r#"{"message":"try again later"}"#, false),
    (Embed, r#"{"embeddings":{"float":[[1]]}}"#, true),
    (Embed, r#"{"embeddings":{}}"#, false),
    (Rerank, r#"{"results":[{"index":0}]}"#, true),
    (Rerank, r#"{"message":"x"}"#, false),
    (GenerateContent, r#"{"candidates":[{"finishReason":"STOP"}]}"#, true),
    (GenerateContent, r#"{"candidates":[{"finishReason":"MAX_TOKENS"}]}"#, true),
    (GenerateContent, r#"{"candidates":[{"finishReason":"SAFETY"}]}"#, false),
    (GenerateContent, r#"{"candidates":[{}]}"#, false),
    (GenerateContent, r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, false),
    (
        StreamGenerateContent,
        r#"[{"candidates":[{}]},{"candidates":[{"finishReason":"STOP"}]}]"#,
        true,
    ),
    (StreamGenerateContent, r#"[{"candidates":[{}]}]"#, false),
    (StreamGenerateContent, r#"[{"candidates":[{"finishReason":"STOP"}]},{"error":{}}]"#, false),
    (Embeddings, r#"{"data":[{"embedding":[1]}]}"#, true),
    (Embeddings, r#"{"data":[]}"#, false),
    (Moderations, r#"{"results":[{}]}"#, true),
    (Moderations, r#"{"results":[]}"#, false),
    (CountTokens, r#"{"input_tokens":3}"#, true),
    (CountTokens, r"{}", false),
    (CountContent, r#"{"totalTokens":3}"#, true),
    (CountContent, r"{}", false),
];

/// Spoilt answers were kept, and given again.
#[test]
fn an_answer_is_complete_when_every_choice_ended_well() {
    for (endpoint, body, expected) in ANSWERS {
        assert_eq!(is_complete(*endpoint, body.as_bytes()), *expected, "{endpoint:?}: {body}");
    }
}

fn tally(endpoint: Endpoint, events: &[&str]) -> Tally {
    let (mut tap, mut out) = (Tap::new(endpoint, false), VecDeque::new());
    for event in events {
        tap.push(Bytes::from(format!("data: {event}\n\n")), &mut out);
    }
    tap.finish(&mut out);
    tap.into_tally()
}

/// (endpoint, choices, events, whether it came to its end, whether it may be given again)
type Row = (Endpoint, u64, &'static [&'static str], bool, bool);

const CHOICE: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const OTHER: &str = r#"{"choices":[{"index":1,"delta":{},"finish_reason" : "length"}]}"#;
const OPEN: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
const SAID: &str = r#"{"choices":[{"delta":{"content":"\"finish_reason\":\"stop\""}}]}"#;
const FILTERED: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}"#;
const BROKE: &str = r#"{"choices":[{"index":0,"finish_reason":"error"}]}"#;
const STOPS: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}"#;
const REFUSES: &str = r#"{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{}}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"status":"completed"}}"#;
const INCOMPLETE: &str = r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}"#;
const CUT: &str = r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}}"#;
const ENDS: &str = r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#;
const PIECE: &str = r#"{"candidates":[{"content":{}}]}"#;
const LAST: &str = r#"{"candidates":[{"finishReason":"STOP"}]}"#;
const UNSAFE: &str = r#"{"candidates":[{"finishReason":"SAFETY"}]}"#;

const ROWS: &[Row] = &[
    (Endpoint::ChatCompletions, 1, &[OPEN, CHOICE, "[DONE]"], true, true),
    (Endpoint::ChatCompletions, 1, &[OPEN, CHOICE], true, true),
    (Endpoint::ChatCompletions, 1, &[OPEN], false, false),
    (Endpoint::ChatCompletions, 1, &[SAID], false, false),
    (Endpoint::ChatCompletions, 1, &[OPEN, "[DONE]"], true, false),
    (Endpoint::ChatCompletions, 1, &[OPEN, FILTERED, "[DONE]"], true, false),
    (Endpoint::ChatCompletions, 1, &[OPEN, BROKE], false, false),
    (Endpoint::ChatCompletions, 2, &[CHOICE, CHOICE], false, false),
    (Endpoint::ChatCompletions, 2, &[CHOICE, OTHER], true, true),
    (Endpoint::ChatCompletions, 1, &[CHOICE, r#"{"error":{"code":1}}"#], false, false),
    (
        Endpoint::Completions,
        1,
        &[r#"{"choices":[{"text":"a","finish_reason":"stop"}]}"#],
        true,
        true,
    ),
    (Endpoint::Messages, 1, &[STOPS, r#"{"type":"message_stop"}"#], true, true),
    (Endpoint::Messages, 1, &[STOPS], true, true),
    (
        Endpoint::Messages,
        1,
        &[r#"{"type":"message_start","message":{"stop_reason":null}}"#],
        false,
        false,
    ),
    (Endpoint::Messages, 1, &[REFUSES, r#"{"type":"message_stop"}"#], true, false),
    (Endpoint::Responses, 1, &[COMPLETED], true, true),
    (Endpoint::Responses, 1, &[INCOMPLETE], true, true),
    (Endpoint::Responses, 1, &[CUT], true, false),
    (Endpoint::Responses, 1, &[r#"{"type":"response.created","response":{}}"#], false, false),
    (Endpoint::Chat, 1, &[ENDS], true, true),
    (Endpoint::StreamGenerateContent, 1, &[PIECE, LAST], true, true),
    (Endpoint::StreamGenerateContent, 1, &[PIECE, UNSAFE], true, false),
    (Endpoint::StreamGenerateContent, 1, &[PIECE], false, false),
];

#[test]
fn a_stream_is_whole_with_its_last_event_or_when_every_choice_has_ended() {
    for (endpoint, choices, events, whole, complete) in ROWS {
        let tally = tally(*endpoint, events);
        let found = (tally.is_whole(*choices), tally.is_complete(*choices));
        assert_eq!(found, (*whole, *complete), "{endpoint:?}, {choices}: {events:?}");
    }
}
