//! Whole answers and streams have the shapes of the transcripts, and agree with each other.

use serde_json::{Value, json};
use tollgate_sim::provider::{Act, Script};
use tollgate_units::Tokens;

use crate::support::{CHAT, RESPONSES, chat, events, merge, post, seen, start};

/// Which members there are, and of which type, all the way down; lists by their first item.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), shape(member))).collect()
        }
        Value::Array(items) => items.iter().take(1).map(shape).collect(),
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
    }
}

/// The different shapes of a stream's events, in the order in which they first come.
fn shapes(events: &[Value]) -> Vec<Value> {
    let mut shapes = Vec::new();
    for event in events.iter().map(shape) {
        if !shapes.contains(&event) {
            shapes.push(event);
        }
    }
    shapes
}

#[tokio::test]
async fn chat_streams_look_like_the_transcripts() {
    let provider = start(Script::of(Act::tokens(3))).await;
    let rows = [
        (include_str!("../data/openai_chat_usage.sse"), json!({"include_usage": true})),
        (include_str!("../data/openai_chat_no_usage.sse"), json!({"include_usage": false})),
    ];
    for (transcript, options) in rows {
        let body = chat("hello", json!({"stream": true, "stream_options": options}));
        let got = post(&provider, CHAT, &body).await.unwrap();
        assert_eq!(shapes(&got.events()), shapes(&events(transcript)));
        assert!(got.body.ends_with("data: [DONE]\n\n"));
        assert_eq!(got.headers["content-type"], "text/event-stream; charset=utf-8");
    }
}

#[tokio::test]
async fn responses_streams_look_like_the_transcripts() {
    let provider = start(Script::of(Act::tokens(2))).await;
    let body = json!({"model": "gpt-5-mini", "input": "hello", "stream": true});
    let got = post(&provider, RESPONSES, &body).await.unwrap();
    let transcript = include_str!("../data/openai_responses.sse");
    let types = |events: &[Value]| -> Vec<String> {
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(types(&got.events()), types(&events(transcript)));
    assert_eq!(shapes(&got.events()), shapes(&events(transcript)));
    for (event, at) in got.events().iter().zip(0_u64..) {
        assert_eq!(event["sequence_number"], at);
        assert!(got.body.contains(&format!("event: {}\ndata: ", event["type"].as_str().unwrap())));
    }

    let body = json!({"model": "m", "input": "[[fault:error_event]]", "stream": true});
    let got = post(&provider, RESPONSES, &body).await.unwrap();
    let transcript = events(include_str!("../data/openai_responses_error.sse"));
    assert_eq!(shape(got.events().last().unwrap()), shape(transcript.last().unwrap()));
}

#[tokio::test]
async fn broken_chat_streams_look_like_the_transcripts() {
    let provider = start(Script::of(Act::tokens(2))).await;
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let body = chat("[[fault:error_event]]", options.clone());
    let got = post(&provider, CHAT, &body).await.unwrap();
    let transcript = events(include_str!("../data/openai_chat_midstream_error.sse"));
    assert_eq!(shape(got.events().last().unwrap()), shape(transcript.last().unwrap()));

    let got = post(&provider, CHAT, &chat("[[fault:cut_short]]", options)).await.unwrap();
    let transcript = include_str!("../data/openai_chat_truncated.sse");
    let torn = |text: &str| text.lines().last().unwrap().starts_with("data: {\"id\":\"chatcmpl-");
    assert!(torn(&got.body) && torn(transcript));
    assert_eq!(got.events().len(), events(transcript).len());
}

/// The text of each choice of a chat stream, put together.
fn said(events: &[Value], choice: u64) -> String {
    let choices = events.iter().flat_map(|event| event["choices"].as_array().into_iter().flatten());
    let own = choices.filter(|one| one["index"] == choice);
    own.filter_map(|one| one["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let provider = start(Script::of(Act::tokens(30))).await;
    let more = json!({"n": 2, "max_completion_tokens": 25});
    let whole = post(&provider, CHAT, &chat("hello", more.clone())).await.unwrap().json();
    let mut streaming = chat("hello", more);
    merge(&mut streaming, json!({"stream": true, "stream_options": {"include_usage": true}}));
    let events = post(&provider, CHAT, &streaming).await.unwrap().events();
    for choice in 0..2 {
        let content = &whole["choices"][usize::try_from(choice).unwrap()]["message"]["content"];
        assert_eq!(content.as_str().unwrap(), said(&events, choice));
        assert_eq!(bpe_openai::o200k_base().count(&said(&events, choice)), 25);
    }
    let usage = &events.last().unwrap()["usage"];
    assert_eq!(usage["completion_tokens"], 50);
    assert_eq!(whole["usage"]["completion_tokens"], 50);
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn packets_have_the_size_that_was_asked_for_and_the_same_bytes() {
    let provider = start(Script::of(Act::tokens(3))).await;
    let stream = json!({"stream": true});
    let plain = post(&provider, CHAT, &chat("[[packet:99999]]", stream.clone())).await.unwrap();
    let cut = post(&provider, CHAT, &chat("[[packet:7]]", stream)).await.unwrap();
    assert!(cut.frames.iter().rev().skip(1).all(|frame| frame.len() == 7), "{:?}", cut.frames);
    assert_eq!(cut.body.replace("sim000001", "sim000000"), plain.body);
}

#[tokio::test]
async fn tools_are_called_when_there_are_any_and_the_script_says_so() {
    let provider = start(Script::of(Act { tool_calls: 2, ..Act::tokens(12) })).await;
    let tools = json!({"tools": [{"type": "function", "function": {"name": "search"}}]});
    let whole = post(&provider, CHAT, &chat("hello", tools.clone())).await.unwrap().json();
    let calls = whole["choices"][0]["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(whole["usage"]["completion_tokens"], 12);

    let mut streaming = chat("hello", tools);
    merge(&mut streaming, json!({"stream": true}));
    let events = post(&provider, CHAT, &streaming).await.unwrap().events();
    let arguments: String = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["tool_calls"][0].as_object())
        .filter(|call| call["index"] == 1)
        .filter_map(|call| call["function"]["arguments"].as_str())
        .collect();
    assert_eq!(calls[1]["function"]["arguments"], arguments.as_str());

    let body = json!({"model": "m", "input": "hello", "stream": true,
                      "tools": [{"type": "function", "name": "search", "parameters": {}}]});
    let events = post(&provider, RESPONSES, &body).await.unwrap().events();
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["output"].as_array().unwrap().len(), 2);
    assert_eq!(last["output"][0]["type"], "function_call");
    assert_eq!(last["usage"]["output_tokens"], 12);

    let without = post(&provider, CHAT, &chat("hello", json!({}))).await.unwrap().json();
    assert_eq!(without["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn legacy_completions_answer_each_prompt_and_stop_at_sixteen() {
    let provider = start(Script::default()).await;
    let body = json!({"model": "m", "prompt": ["a", "b"], "n": 2});
    let whole = post(&provider, "/v1/completions", &body).await.unwrap().json();
    assert_eq!(whole["choices"].as_array().unwrap().len(), 4);
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    assert_eq!(whole["usage"]["completion_tokens"], 64);

    let body = json!({"model": "m", "prompt": "a", "stream": true, "max_tokens": 2,
                      "stream_options": {"include_usage": true}});
    let got = post(&provider, "/v1/completions", &body).await.unwrap();
    let events = got.events();
    assert_eq!(events.len(), 4);
    assert_eq!(events[0]["usage"], Value::Null);
    assert_eq!(
        (&events[3]["choices"], &events[3]["usage"]["completion_tokens"]),
        (&json!([]), &json!(2))
    );
    assert!(got.body.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn embeddings_come_for_each_input_in_the_encoding_that_was_asked_for() {
    let provider = start(Script::default()).await;
    let mut body = json!({"model": "text-embedding-3-small", "input": ["a", "b", "c"]});
    let got = post(&provider, "/v1/embeddings", &body).await.unwrap().json();
    assert_eq!(got["data"].as_array().unwrap().len(), 3);
    assert_eq!(got["data"][2]["embedding"], json!([0.5, -0.5, 0.25, 1.0]));
    assert_eq!(got["usage"]["prompt_tokens"], got["usage"]["total_tokens"]);
    merge(&mut body, json!({"encoding_format": "base64"}));
    let got = post(&provider, "/v1/embeddings", &body).await.unwrap().json();
    assert!(got["data"][0]["embedding"].is_string());

    let body = json!({"model": "omni-moderation-latest", "input": "a"});
    let got = post(&provider, "/v1/moderations", &body).await.unwrap().json();
    assert_eq!(got["results"][0]["flagged"], false);
}

#[tokio::test]
async fn invisible_tokens_are_counted_and_not_seen() {
    let provider = start(Script::of(Act::tokens(10))).await;
    let got = post(&provider, CHAT, &chat("[[reasoning:6]]", json!({}))).await.unwrap().json();
    let content = got["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(bpe_openai::o200k_base().count(content), 4);
    assert_eq!(got["usage"]["completion_tokens"], 10);
    assert_eq!(got["usage"]["completion_tokens_details"]["reasoning_tokens"], 6);

    let stream = json!({"stream": true, "max_completion_tokens": 5});
    post(&provider, CHAT, &chat("[[reasoning:6]]", stream)).await.unwrap();
    assert_eq!(seen(&provider).await[1].output_tokens.get(), 5);
}

#[tokio::test]
async fn coheres_streams_look_like_the_transcript() {
    let provider = start(Script::of(Act::tokens(3))).await;
    let body = json!({"model": "command-a", "stream": true,
                      "messages": [{"role": "user", "content": "hello"}]});
    let got = post(&provider, "/v2/chat", &body).await.unwrap();
    let transcript = include_str!("../data/cohere_v2.sse");
    assert_eq!(shapes(&got.events()), shapes(&events(transcript)));
    let names = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("event: ")).map(str::to_owned).collect()
    };
    assert_eq!(names(&got.body), names(transcript));
}

#[tokio::test]
async fn geminis_streams_look_like_the_transcript_and_are_an_array_where_nobody_asks() {
    let act = Act { reasoning_tokens: Tokens::new(2), ..Act::tokens(5) };
    let provider = start(Script::of(act)).await;
    let body = json!({"contents": [{"parts": [{"text": "hello"}]}]});
    let path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent";
    let got = post(&provider, &format!("{path}?alt=sse"), &body).await.unwrap();
    let transcript = include_str!("../data/gemini_stream.sse");
    // The recorded first piece has no count of the answer yet; whatever has one looks alike.
    let (ours, theirs) = (shapes(&got.events()), shapes(&events(transcript)));
    assert_eq!(ours.last(), theirs.last());
    assert_eq!(ours.first(), theirs.get(1));
    assert!(got.body.ends_with("\r\n\r\n"), "CRLF, and no [DONE]");
    let array = post(&provider, path, &body).await.unwrap();
    let pieces = array.json();
    assert_eq!(pieces.as_array().unwrap().len(), got.events().len());
    let used = &pieces.as_array().unwrap().last().unwrap()["usageMetadata"];
    assert_eq!(
        (&used["candidatesTokenCount"], &used["thoughtsTokenCount"]),
        (&3.into(), &2.into())
    );
}

#[tokio::test]
async fn azures_paths_lead_to_the_same_answers() {
    let provider = start(Script::of(Act::tokens(3))).await;
    let body = json!({"messages": [{"role": "user", "content": "hello"}]});
    let path = "/openai/deployments/gpt-4o/chat/completions";
    let got = post(&provider, &format!("{path}?api-version=2024-10-21"), &body).await.unwrap();
    assert_eq!(got.json()["model"], "gpt-4o");
    assert_eq!(post(&provider, path, &body).await.unwrap().status, 404, "of no version");
    let asked = json!({"model": "gpt-5-mini", "input": "hello"});
    for path in ["/openai/responses?api-version=v", "/openai/v1/responses"] {
        assert_eq!(post(&provider, path, &asked).await.unwrap().json()["object"], "response");
    }
}
