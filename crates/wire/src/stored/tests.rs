//! What answers say was made, whole and in events; and what only looks like it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::StoredKind as Kind;
use super::*;
use crate::Tap;

fn ids(created: Vec<Stored>) -> Vec<(Kind, String)> {
    created.into_iter().map(|one| (one.kind, one.id)).collect()
}

fn whole(endpoint: Endpoint, body: &str) -> Vec<(Kind, String)> {
    ids(created_of(endpoint, body.as_bytes()))
}

/// What a stream of these events makes, taken after each.
fn streamed(endpoint: Endpoint, events: &[&str], named: bool) -> Vec<(Kind, String)> {
    let mut tap = Tap::new(endpoint, false);
    let mut made = Vec::new();
    for data in events {
        let kind = Value::root(data.as_bytes()).member("type").map(Value::text);
        let name = kind.filter(|_| named).map(|kind| format!("event: {kind}\n"));
        let event = format!("{}data: {data}\n\n", name.unwrap_or_default());
        tap.push(Bytes::from(event), &mut VecDeque::new());
        made.extend(ids(tap.tally_mut().take_created()));
    }
    made
}

fn expected(of: &[(Kind, &str)]) -> Vec<(Kind, String)> {
    of.iter().map(|(kind, id)| (*kind, (*id).to_owned())).collect()
}

const ITEMS: &str = r#"{"type":"code_interpreter_call","id":"ci","container_id":"cntr"},
    {"type":"message","id":"msg","content":[{"type":"output_text","text":"\"id\":\"x\"",
    "annotations":[{"type":"container_file_citation","container_id":"cntr","file_id":"cfile"},
    {"type":"file_citation","file_id":"theirs"},{"type":"file_path","file_id":"path"}]}]}"#;

const MADE: &[(Kind, &str)] = &[
    (Kind::Response, "resp"),
    (Kind::Conversation, "conv"),
    (Kind::Item, "ci"),
    (Kind::Container, "cntr"),
    (Kind::Item, "msg"),
    (Kind::File, "cfile"),
    (Kind::File, "path"),
];

#[test]
fn a_response_says_what_it_has_stored_whole_and_in_events() {
    let response = format!(
        r#"{{"id":"resp","conversation":{{"id":"conv"}},"previous_response_id":"old",
        "metadata":{{"id":"planted","container_id":"planted"}},"tools":[{{"container_id":"planted",
        "type":"code_interpreter"}}],"output":[{ITEMS}]}}"#
    );
    assert_eq!(whole(Endpoint::Responses, &response), expected(MADE));
    let last = format!(r#"{{"type":"response.completed","response":{response}}}"#);
    let events = [
        r#"{"type":"response.created","response":{"id":"resp","conversation":{"id":"conv"}}}"#,
        r#"{"type":"response.output_item.added","item":{"type":"x","id":"ci"}}"#,
        r#"{"type":"response.output_text.delta","item_id":"msg","delta":"\"id\":\"y\""}"#,
        r#"{"type":"response.output_text.annotation.added","annotation":
           {"type":"container_file_citation","container_id":"cntr","file_id":"cfile"}}"#,
        last.as_str(),
    ];
    for named in [false, true] {
        let mut made =
            streamed(Endpoint::Responses, &events.map(|e| &*e.replace('\n', "").leak()), named);
        let mut all = expected(MADE);
        made.sort_by(|a, b| a.1.cmp(&b.1));
        all.sort_by(|a, b| a.1.cmp(&b.1));
        assert_eq!(made, all, "named: {named}");
    }
}

#[test]
fn a_chat_says_which_sound_it_has_stored() {
    let body = r#"{"id":"chatcmpl","choices":[{"message":{"audio":{"id":"audio_1","data":""},
        "tool_calls":[{"id":"call"}]}}]}"#;
    assert_eq!(whole(Endpoint::ChatCompletions, body), expected(&[(Kind::Audio, "audio_1")]));
    let events = [
        r#"{"id":"chatcmpl","choices":[{"delta":{"content":"\"audio\""}}]}"#,
        r#"{"id":"chatcmpl","choices":[{"delta":{"audio":{"id":"audio_1","transcript":"a"}}}]}"#,
        r#"{"id":"chatcmpl","choices":[{"delta":{"audio":{"transcript":"b"}}}]}"#,
    ];
    let made = streamed(Endpoint::ChatCompletions, &events, false);
    assert_eq!(made, expected(&[(Kind::Audio, "audio_1")]));
}

#[test]
fn a_message_says_which_container_and_files_it_has_made() {
    let block = r#"{"type":"bash_code_execution_tool_result","tool_use_id":"t","content":
        {"type":"bash_code_execution_result","content":[{"type":"o","file_id":"file_1"}]}}"#;
    let foreign = r#"{"type":"mcp_tool_result","content":{"content":[{"file_id":"planted"}]}}"#;
    let all = expected(&[(Kind::Container, "container_1"), (Kind::File, "file_1")]);
    let body = format!(
        r#"{{"id":"msg_1","container":{{"id":"container_1"}},"content":[{block},{foreign},
        {{"type":"tool_use","input":{{"file_id":"mine"}}}}]}}"#
    );
    assert_eq!(whole(Endpoint::Messages, &body), all);
    let start = format!(r#"{{"type":"content_block_start","content_block":{block}}}"#);
    let start = start.replace('\n', "");
    for (kind, owner) in [("message_start", "message"), ("message_delta", "delta")] {
        let told =
            format!(r#"{{"type":"{kind}","{owner}":{{"container":{{"id":"container_1"}}}}}}"#);
        for named in [false, true] {
            let made = streamed(Endpoint::Messages, &[&told, &start], named);
            assert_eq!(made, all, "{kind} {named}");
        }
    }
}

#[test]
fn ids_without_end_cost_their_length_and_no_more() {
    let items: Vec<_> = (0..100_000).map(|at| format!(r#"{{"id":"i{at}"}}"#)).collect();
    let body = format!(r#"{{"id":"r","output":[{}]}}"#, items.join(","));
    assert_eq!(whole(Endpoint::Responses, &body).len(), CREATED_MAX);
    let long = format!(r#"{{"id":"{}"}}"#, "i".repeat(ID_BYTES_MAX));
    assert!(whole(Endpoint::Responses, &long).is_empty());
}

#[test]
fn work_in_the_background_says_whether_it_has_ended() {
    for (body, finished) in [
        (r#"{"status":"queued"}"#, Some(false)),
        (r#"{"status":"in_progress"}"#, Some(false)),
        (r#"{"status":"completed"}"#, Some(true)),
        (r#"{"status":"incomplete"}"#, Some(true)),
        (r#"{"status":"failed"}"#, Some(true)),
        (r#"{"status":"cancelled"}"#, Some(true)),
        (r#"{"status":"new"}"#, None),
        (r#"{"deleted":true}"#, None),
        ("", None),
    ] {
        assert_eq!(is_finished(body.as_bytes()), finished, "{body}");
    }
}
