use super::*;

#[test]
fn all_text_of_an_answer_is_found() {
    let chat = r#"{"choices":[
        {"message":{"role":"assistant","content":"one ","reasoning_content":"why ","refusal":null,
            "tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"custom":{"name":"g","input":"h"}}]}},
        {"message":{"content":"two","function_call":{"name":"o","arguments":"p"},"audio":{"data":"QUJD","transcript":"said"}}}]}"#;
    let responses = r#"{"output":[
        {"type":"reasoning","summary":[{"type":"summary_text","text":"why "}],"content":[{"text":"hm "}]},
        {"type":"message","content":[{"type":"output_text","text":"one "},{"type":"refusal","refusal":"no "}]},
        {"type":"function_call","name":"f","arguments":"{}"},
        {"type":"image_generation_call","result":"QUJD"}]}"#;
    let table = [
        (Endpoint::ChatCompletions, chat, "why one f{}ghtwosaidop"),
        (Endpoint::Completions, r#"{"choices":[{"text":"a"},{"text":"b"}]}"#, "ab"),
        (Endpoint::Responses, responses, "hm why one no f{}"),
        (Endpoint::Embeddings, r#"{"data":[{"embedding":[1.5]}]}"#, ""),
        (Endpoint::ChatCompletions, "{}", ""),
        (
            Endpoint::ChatCompletions,
            r#"{"choices":[{"message":{"content":"cut o"#,
            r#"{"choices":[{"message":{"content":"cut o"#,
        ),
    ];
    for (endpoint, body, text) in table {
        assert_eq!(answer_text(endpoint, body.as_bytes()), text, "{body}");
    }
}

#[test]
fn all_text_of_a_stream_is_found_and_sound_is_not_text() {
    let events = [
        (
            r#"{"choices":[{"delta":{"content":"a","reasoning_content":"r"}},{"delta":{"content":"b"}}]}"#,
            "rab",
        ),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{"}}]}}]}"#,
            "f{",
        ),
        (r#"{"choices":[{"text":"t"}]}"#, "t"),
        (r#"{"type":"response.output_text.delta","delta":"x"}"#, "x"),
        (r#"{"type":"response.function_call_arguments.delta","delta":"{}"}"#, "{}"),
        (r#"{"type":"response.audio.transcript.delta","delta":"said"}"#, "said"),
        (r#"{"type":"response.audio.delta","delta":"QUJD"}"#, ""),
        (r#"{"type":"response.output_text.done","text":"x"}"#, ""),
        (
            r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f"}}"#,
            "f",
        ),
        ("{\"choices\":[{", ""),
        ("[1]", ""),
    ];
    for (event, expected) in events {
        let mut text = String::new();
        add_event(event.as_bytes(), &mut text);
        assert_eq!(text, expected, "{event}");
    }
}

#[test]
fn a_message_is_its_texts_thoughts_and_calls() {
    let body = br#"{"content":[{"type":"thinking","thinking":"hm","signature":"s"},
        {"type":"text","text":"yes"},{"type":"tool_use","name":"f","input":{"a":1}}]}"#;
    assert_eq!(answer_text(Endpoint::Messages, body), "hmyesf{\"a\":1}");
}
