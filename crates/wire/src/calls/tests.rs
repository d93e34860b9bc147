use super::*;

fn names(calls: &ToolCalls) -> Vec<&str> {
    calls.kept.iter().map(|call| call.name.as_str()).collect()
}

fn streamed(endpoint: Endpoint, events: &[&str]) -> ToolCalls {
    let mut calls = Calls::new();
    for data in events {
        calls.see(endpoint, None, data.as_bytes());
    }
    calls.made()
}

const CHAT: Endpoint = Endpoint::ChatCompletions;

#[test]
fn a_whole_chat_says_every_call() {
    let body = br#"{"choices":[{"message":{"content":null,"tool_calls":[
        {"id":"1","type":"function","function":{"name":"find","arguments":"{\"q\":1}"}},
        {"id":"2","type":"custom","custom":{"name":"sh","input":"ls -l"}}]}},
        {"message":{"function_call":{"name":"old","arguments":"{}"},"tool_calls":null}}]}"#;
    let calls = tool_calls_of(CHAT, body);
    assert_eq!((calls.count, names(&calls)), (3, vec!["find", "sh", "old"]));
    assert_eq!(tool_calls_of(CHAT, br#"{"choices":[{"message":{"content":"_call"}}]}"#).count, 0);
}

#[test]
fn a_streamed_call_is_the_same_as_a_whole_one() {
    let pieces = streamed(
        CHAT,
        &[
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"find","arguments":""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"q\""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"find","arguments":"{\"q\":1}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":": 1}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        ],
    );
    assert_eq!((pieces.count, names(&pieces)), (2, vec!["find", "find"]));
    assert_eq!(pieces.kept[0], pieces.kept[1]);
    let message =
        br#"{"content":[{"type":"tool_use","id":"t","name":"find","input": {"q" : 1} }]}"#;
    let message = tool_calls_of(Endpoint::Messages, message);
    assert_eq!(message.kept[0], pieces.kept[0]);
}

#[test]
fn a_server_that_numbers_every_call_zero_is_told_apart_by_ids() {
    let call = |id: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"id":"{id}","function":{{"name":"f","arguments":"{{}}"}}}}]}}}}]}}"#
        )
    };
    assert_eq!(streamed(CHAT, &[&call("a"), &call("a"), &call("b")]).count, 2);
}

#[test]
fn other_arguments_or_another_name_are_another_call() {
    let call = |name: &str, arguments: &str| {
        let input =
            format!(r#"{{"content":[{{"type":"tool_use","name":"{name}","input":{arguments}}}]}}"#);
        tool_calls_of(Endpoint::Messages, input.as_bytes()).kept[0].fingerprint
    };
    let all =
        [call("f", r#"{"a":"b c"}"#), call("f", r#"{"a":"bc"}"#), call("g", r#"{"a":"b c"}"#)];
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    assert_eq!(call("f", r#"{ "a" : "b \" c" }"#), call("f", r#"{"a":"b \" c"}"#));
}

#[test]
fn responses_count_functions_and_what_the_provider_runs() {
    let item = |item: &str| format!(r#"{{"type":"response.output_item.done","item":{item}}}"#);
    let events = [
        item(r#"{"type":"function_call","name":"find","arguments":"{}"}"#),
        item(r#"{"type":"web_search_call","action":{"query":"x"}}"#),
        item(r#"{"type":"mcp_call","name":"crm","arguments":"{}"}"#),
        item(r#"{"type":"message","content":[{"text":"a function_call"}]}"#),
        r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"find"}}"#
            .to_owned(),
    ];
    let streamed = streamed(Endpoint::Responses, &events.each_ref().map(String::as_str));
    assert_eq!((streamed.count, names(&streamed)), (3, vec!["find", "web_search_call", "crm"]));
    let whole = r#"{"output":[{"type":"function_call","name":"find","arguments":"{}"},{"type":"reasoning"}]}"#;
    let whole = tool_calls_of(Endpoint::Responses, whole.as_bytes());
    assert_eq!((whole.count, &whole.kept[0]), (1, &streamed.kept[0]));
}

#[test]
fn a_call_too_long_to_hold_is_counted_all_the_same() {
    let mut calls = Calls::new();
    let head =
        br#"{"type":"response.output_item.done","item":{"type":"image_generation_call","result":""#;
    calls.see_long(Endpoint::Responses, head, b"AAAA\"}}");
    assert_eq!(names(&calls.made()), ["image_generation_call"]);
}

#[test]
fn messages_count_every_kind_of_use_and_a_cut_stream_what_it_showed() {
    let start = |index: u64, kind: &str| {
        format!(
            r#"{{"type":"content_block_start","index":{index},"content_block":{{"type":"{kind}","name":"n{index}","input":{{}}}}}}"#
        )
    };
    let events = [
        start(0, "text"),
        start(1, "tool_use"),
        start(2, "server_tool_use"),
        start(3, "mcp_tool_use"),
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}"#
            .to_owned(),
    ];
    let calls = streamed(Endpoint::Messages, &events.each_ref().map(String::as_str));
    assert_eq!((calls.count, names(&calls)), (3, vec!["n1", "n2", "n3"]));
}

#[test]
fn the_count_is_exact_where_not_every_call_is_kept() {
    let call = |index: u64, name: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{index},"function":{{"name":"{name}","arguments":"{{"}}}}]}}}}]}}"#
        )
    };
    let events: Vec<_> = (0..100).flat_map(|at| [call(at, "f"), call(at, "")]).collect();
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    let calls = streamed(CHAT, &events);
    assert_eq!((calls.count, calls.kept.len()), (100, KEPT_MAX));
}

#[test]
fn an_event_without_a_call_is_not_even_parsed() {
    for data in [
        r#"{"choices":[{"delta":{"content":"tool_calls"},"finish_reason":"tool_calls"}]}"#,
        r#"{"choices":[{"delta":{"content":"x","tool_calls":null,"function_call":null}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls": [ ]}}]}"#,
    ] {
        assert!(!has_call(data.as_bytes()), "{data}");
    }
}
