//! Where the input stands, in every shape it can have.

use super::*;

#[test]
fn a_chat_is_counted_role_by_role() {
    let messages = r#"{"role":"system","content":"Be brief."},
        {"role":"user","name":"ana","content":[
            {"type":"text","text":"one"},{"type":"text","text":"two"}]},
        {"role":"assistant","content":null,"refusal":"no","tool_calls":[
            {"id":"c1","type":"function","function":{"name":"find","arguments":"{\"q\":1}"}},
            {"id":"c2","type":"custom","custom":{"name":"sh","input":"ls"}}]},
        {"role":"tool","tool_call_id":"c1","content":"found"},
        {"role":"assistant","function_call":{"name":"old","arguments":"{}"},
            "reasoning_content":"hm"}"#;
    let body = chat(messages);
    let ask = asked(CHAT, &body);
    let mut found = texts(&body, &ask);
    found.sort();
    let mut expected = vec![
        "system",
        "Be brief.",
        "user",
        "ana",
        "one",
        "two",
        "assistant",
        "no",
        "find",
        "{\"q\":1}",
        "sh",
        "ls",
        "tool",
        "found",
        "assistant",
        "old",
        "{}",
        "hm",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!((ask.prompt.messages, ask.prompt.names), (5, 1));
    assert!(ask.prompt.opaque.is_empty() && !ask.prompt.unseen);
    let bytes: usize = ask.prompt.texts.iter().map(|place| place.len()).sum();
    assert_eq!(ask.prompt.bytes, bytes as u64);
}

#[test]
fn base64_is_never_counted_as_text() {
    let data = "QUJD".repeat(1000);
    let parts = [
        format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}"#),
        format!(r#"{{"type":"input_audio","input_audio":{{"data":"{data}","format":"wav"}}}}"#),
        format!(r#"{{"type":"video_url","video_url":{{"url":"data:video/mp4;base64,{data}"}}}}"#),
        format!(r#"{{"type":"image","source":{{"type":"base64","data":"{data}"}}}}"#),
        format!(r#"{{"type":"file","file":{{"file_data":"{data}","filename":"a.pdf"}}}}"#),
    ];
    for part in &parts {
        let ask = asked(CHAT, &chat(&format!(r#"{{"role":"user","content":[{part}]}}"#)));
        assert!(ask.prompt.bytes < 100 && ask.prompt.unseen, "{}", ask.prompt.bytes);
        // Pictures have a formula of their own; everything else is judged by its size.
        assert_eq!(ask.prompt.attached > 0, ask.prompt.images.is_empty(), "{part:.60}");
    }
    let message = |part: &str| format!(r#"{{"role":"user","content":[{{{part}}}]}}"#);
    let items = [
        message(&format!(r#""type":"input_file","file_data":"{data}""#)),
        message(&format!(r#""type":"input_image","image_url":"data:,{data}""#)),
        format!(r#"{{"type":"reasoning","id":"r","encrypted_content":"{data}"}}"#),
        format!(r#"{{"type":"image_generation_call","id":"i","result":"{data}"}}"#),
        format!(
            r#"{{"type":"computer_call_output",
                 "output":{{"type":"computer_screenshot","image_url":"{data}"}}}}"#
        ),
    ];
    for one in &items {
        let ask = asked(RESPONSES, &item(one));
        assert!(ask.prompt.bytes < 100 && ask.prompt.unseen, "{one:.60} {}", ask.prompt.bytes);
    }
}

#[test]
fn a_document_that_is_elsewhere_is_known_to_be_of_any_length() {
    let part = |part: &str| format!(r#"{{"role":"user","content":[{part}]}}"#);
    let url = "https://x/huge.pdf";
    let chats = [
        r#"{"type":"file","file":{"file_id":"f"}}"#.to_owned(),
        format!(r#"{{"type":"file","file":{{"file_data":"{url}"}}}}"#),
        format!(r#"{{"type":"file","file":{{"file_url":"{url}"}}}}"#),
        format!(r#"{{"type":"document_url","document_url":"{url}"}}"#),
        format!(r#"{{"type":"video_url","video_url":{{"url":"{url}"}}}}"#),
        r#"{"type":"video_url","video_url":{"url":"\u0068ttps\u003a\/\/x"}}"#.to_owned(),
        r#"{"type":"video_url","video_url":{"url":" gs:\\\\x"}}"#.to_owned(),
        r#"{"type":"doc","doc":{"file_id":"f"}}"#.to_owned(),
    ];
    let items = [
        part(&format!(r#"{{"type":"input_file","file_url":"{url}"}}"#)),
        part(r#"{"type":"input_file","file_id":"f"}"#),
        part(&format!(r#"{{"type":"input_file","file_data":"{url}"}}"#)),
        part(&format!(r#"{{"type":"input_new","new":"{url}"}}"#)),
        format!(
            r#"{{"type":"function_call_output","call_id":"c",
            "output":[{{"type":"input_file","file_url":"{url}"}}]}}"#
        ),
    ];
    let chats = chats.iter().map(|one| (CHAT, chat(&part(one))));
    for (endpoint, body) in chats.chain(items.iter().map(|one| (RESPONSES, item(one)))) {
        let prompt = asked(endpoint, &body).prompt;
        assert!(prompt.elsewhere && prompt.unseen, "{body}");
    }
    for body in [
        chat(&part(r#"{"type":"file","file":{"file_id":null,"file_data":"QUJD"}}"#)),
        chat(&part(r#"{"type":"video_url","video_url":{"url":"data:video/mp4;base64,QUJD"}}"#)),
        chat(&part(&format!(r#"{{"type":"text","text":"{url}"}}"#))),
        chat(&part(&format!(r#"{{"type":"image_url","image_url":"{url}"}}"#))),
        chat(&part(r#"{"type":"new","new":"one: two, as 3:/4"}"#)),
    ] {
        assert!(!asked(CHAT, &body).prompt.elsewhere, "{body}");
    }
}

/// Variables, headers and arguments are called what somebody chose to call them.
#[test]
fn what_is_free_offers_and_refers_to_nothing() {
    let items = [
        r#"{"type":"local_shell_call","id":"i","call_id":"c","action":{"type":"exec",
            "command":["ls"],"env":{"ENVIRONMENT":"prod","CONTAINER":"x","PLUGINS":"y"}}}"#,
        r#"{"type":"tool_search_call","call_id":"c","arguments":{"container":"docker"}}"#,
        r#"{"type":"shell_call_output","call_id":"c","max_output_length":100,
            "output":[{"stdout":"a","stderr":"","outcome":{"type":"exit","exit_code":0}}]}"#,
    ];
    for one in items {
        let ask = asked(RESPONSES, &item(one));
        assert!(ask.tools.is_empty() && ask.refers.is_empty(), "{one}: {ask:?}");
    }
    let tools = r#""tools":[
        {"type":"mcp","server_label":"a","server_url":"https://a",
         "headers":{"Environment":"prod","container":"prod"}},
        {"type":"tool_search","parameters":{"properties":{"file_id":{"minimum":1}}}}]"#;
    let ask = asked(RESPONSES, &body(RESPONSES, tools));
    assert_eq!((ask.tools.len(), ask.refers.len()), (2, 0), "{ask:?}");
    let path = r#"{"role":"user","content":[{"type":"input_file","filename":"C:\\a.pdf",
        "file_data":"data:application/pdf;base64,QUJD"}]}"#;
    assert!(!asked(RESPONSES, &item(path)).prompt.elsewhere, "a name is no address");
}

#[test]
fn what_the_provider_made_or_encrypted_counts_by_its_size() {
    // A PNG header of 800 × 600, and what could be the rest of it.
    let png = format!("iVBORw0KGgoAAAANSUhEUgAAAyAAAAJYCAIAAAA{}", "A".repeat(9000));
    let table = [
        (format!(r#"{{"type":"image_generation_call","id":"i","result":"{png}"}}"#), 1, 0),
        (r#"{"type":"image_generation_call","id":"i"}"#.to_owned(), 1, 0),
        (format!(r#"{{"type":"reasoning","encrypted_content":"{}"}}"#, "A".repeat(3998)), 0, 1000),
        (format!(r#"{{"type":"compaction","encrypted_content":"{}"}}"#, "A".repeat(3998)), 0, 1000),
        (format!(r#"{{"type":"new","encrypted_content":"{}"}}"#, "A".repeat(3998)), 0, 1000),
    ];
    for (one, images, attached) in table {
        let prompt = asked(RESPONSES, &item(&one)).prompt;
        assert_eq!((prompt.images.len(), prompt.attached), (images, attached), "{one:.60}");
    }
    let picture = format!(r#"{{"type":"image_generation_call","id":"i","result":"{png}"}}"#);
    assert_eq!(asked(RESPONSES, &item(&picture)).prompt.images[0].size, Some((800, 600)));
    // The result of anything else is text.
    let ask = asked(RESPONSES, &item(r#"{"type":"new_call","result":"plain words"}"#));
    assert_eq!((ask.prompt.images.len(), ask.prompt.opaque.len()), (0, 2));
}

#[test]
fn text_in_a_part_that_nobody_knows_is_counted() {
    for words in ["word", &"plain words ".repeat(100)] {
        let part = format!(r#"{{"type":"document","document":{{"data":"{words}"}}}}"#);
        let body = chat(&format!(r#"{{"role":"user","content":[{part}]}}"#));
        let ask = asked(CHAT, &body);
        assert_eq!(opaque(&body, &ask), [part]);
        assert!(ask.prompt.unseen, "it may bring more than words");
    }
}

#[test]
fn a_picture_hides_nothing_that_stands_around_it() {
    // A long word under a name that often carries base64, before and after a whole prompt.
    let data = "QUJD".repeat(100);
    let words = "plain words ".repeat(1000);
    let schema =
        format!(r#"{{"a":{{"url":"{data}"}},"b":"{words}","c":{{"data":"{data}"}},"d":1}}"#);
    let body = body(CHAT, &format!(r#""guided_json":{schema}"#));
    let ask = asked(CHAT, &body);
    assert!(ask.prompt.bytes > words.len() as u64 && ask.prompt.unseen);
    assert!(ask.prompt.bytes < words.len() as u64 + 100, "{}", ask.prompt.bytes);
    assert_eq!(ask.prompt.attached, 2 * 402_u64.div_ceil(4));
}

#[test]
fn a_field_that_is_a_tool_is_reported_as_one() {
    let fields = r#""web_search_options":{"user_location":null},"plugins":[{"id":"web"}]"#;
    let ask = asked(CHAT, &body(CHAT, fields));
    assert_eq!(summary(&ask.tools), ["Field web_search -", "Field plugins -"]);
}

#[test]
fn images_have_a_size_where_the_body_carries_them() {
    // A PNG header of 800 × 600.
    let png = "data:image\\/png;base64,iVBORw0KGgoAAAANSUhEUgAAAyAAAAJYCAIAAAA=";
    let url = "https://example.com/cat.png";
    let (small, far) = (Some((800, 600)), None);
    let table = [
        (format!(r#"{{"url":"{png}","detail":"high"}}"#), Detail::High, small, false),
        (format!(r#"{{"url":"{png}"}}"#), Detail::Auto, small, false),
        (format!("\"{png}\""), Detail::Auto, small, false),
        (format!(r#"{{"url":"{url}","detail":"original"}}"#), Detail::Original, far, true),
        (format!(r#"{{"url":"{url}","detail":"low"}}"#), Detail::Low, far, false),
    ];
    for (image, detail, size, unseen) in table {
        let part = format!(r#"{{"type":"image_url","image_url":{image}}}"#);
        let ask = asked(CHAT, &chat(&format!(r#"{{"role":"user","content":[{part}]}}"#)));
        assert_eq!(ask.prompt.images, [Image { detail, size }], "{image}");
        assert_eq!(ask.prompt.unseen, unseen, "{image}");
    }
    let part = format!(r#"{{"type":"input_image","image_url":"{png}","detail":"low"}}"#);
    let ask = asked(RESPONSES, &item(&format!(r#"{{"role":"user","content":[{part}]}}"#)));
    assert_eq!(ask.prompt.images, [Image { detail: Detail::Low, size: small }]);
}

const FUNCTION: &str = r#"{"name":"find","description":"finds","strict":true,"parameters":{
    "type":"object","required":["a"],"additionalProperties":false,"$defs":{"x":1},
    "properties":{
        "a":{"type":"string","description":"first","enum":["x","y"],"default":3},
        "b":{"type":"array","items":{"type":"string"}},
        "c":{"type":["string","null"]},
        "d":true}}}"#;

#[test]
fn functions_are_taken_apart_for_counting_and_odd_schemas_are_kept_whole() {
    let nested = format!(r#""tools":[{{"type":"function","function":{FUNCTION}}}]"#);
    let flat = format!(r#""tools":[{{"type":"function",{}]"#, &FUNCTION[1..]);
    let bodies = [
        (CHAT, body(CHAT, &nested)),
        (CHAT, body(CHAT, &format!(r#""functions":[{FUNCTION}]"#))),
        (RESPONSES, body(RESPONSES, &flat)),
    ];
    for (endpoint, body) in bodies {
        let ask = asked(endpoint, &body);
        let said = |places: &[Place]| -> String {
            let texts: Vec<_> = places.iter().map(|place| text(body.as_bytes(), *place)).collect();
            texts.join(" ")
        };
        let [function] = ask.prompt.functions.as_slice() else { panic!("{body}") };
        assert_eq!(said(&function.texts), "find finds");
        let odd = r#"{"x":1} {"type":"string"} ["string","null"] true"#;
        assert_eq!(said(&function.opaque), odd);
        let properties: Vec<(String, String)> = function
            .properties
            .iter()
            .map(|each| (said(&each.texts), said(&each.enum_items)))
            .collect();
        let expected = [("a string first", "x y"), ("b array", ""), ("c", ""), ("d", "")];
        assert_eq!(properties, expected.map(|(texts, items)| (texts.into(), items.into())));
        assert!(ask.prompt.opaque.is_empty() && !ask.prompt.unseen);
    }
}

fn summary(tools: &[Tool]) -> Vec<String> {
    let one = |tool: &Tool| {
        format!("{:?} {} {}", tool.list, tool.kind, tool.name.as_deref().unwrap_or("-"))
    };
    tools.iter().map(one).collect()
}

#[test]
fn every_tool_of_a_chat_is_reported() {
    let tools = r#""functions":[{"name":"old"}],"tools":[
        {"type":"function","function":{"name":"f"}},
        {"function":{"name":"hidden"},"custom":{"name":"c"},"type":"custom"},
        {"type":"web_search"}]"#;
    let ask = asked(CHAT, &body(CHAT, tools));
    let expected = [
        "Functions function old",
        "Tools function f",
        "Tools custom hidden",
        "Tools custom c",
        "Tools web_search -",
    ];
    assert_eq!(summary(&ask.tools), expected);
    assert!(ask.prompt.unseen);
}

#[test]
fn every_tool_of_responses_is_reported_wherever_it_stands() {
    let body = r#"{"model":"m","input":[
        {"type":"additional_tools","role":"developer","tools":[{"type":"function","name":"late"}]},
        {"type":"tool_search_output","tools":[{"type":"function","name":"found"}]},
        {"type":"mcp_list_tools","server_label":"srv","tools":[
            {"name":"listed","input_schema":{"properties":{"file_id":{}}}}]}],
      "tools":[
        {"type":"namespace","name":"crm","description":"d","tools":[
            {"type":"function","name":"a"},{"type":"custom","name":"b","format":{"type":"text"}}]},
        {"type":"mcp","server_label":"srv","server_url":"https://x"},
        {"type":"namespace","name":"void","tools":[]}]}"#;
    let ask = asked(RESPONSES, body);
    let expected = [
        "Tools function late",
        "Tools function found",
        "Tools mcp srv",
        "Tools function a",
        "Tools custom b",
        "Tools mcp srv",
        "Tools namespace void",
    ];
    assert_eq!(summary(&ask.tools), expected);
    for tool in &ask.tools {
        let raw = tool.place.of(body.as_bytes());
        assert!(raw.starts_with(b"{") && raw.ends_with(b"}"), "{tool:?}");
    }
    assert_eq!(ask.prompt.functions.len(), 5);
}

#[test]
fn prompts_come_as_text_or_as_ids() {
    for endpoint in [COMPLETIONS, EMBEDDINGS] {
        let field = endpoint.input();
        let table = [
            (r#""a""#, "a", 0),
            (r#"["a", "b"]"#, "a b", 0),
            ("[1, 2,3]", "", 3),
            ("[[1,2],[3]]", "", 3),
        ];
        for (input, strings, ids) in table {
            let body = format!(r#"{{"{field}":{input},"model":"m"}}"#);
            let ask = asked(endpoint, &body);
            assert_eq!(texts(&body, &ask).join(" "), strings, "{body}");
            assert_eq!(ask.prompt.token_ids, ids, "{body}");
        }
    }
    let body = r#"{"model":"m","prompt":"a","suffix":"z"}"#;
    assert_eq!(texts(body, &asked(COMPLETIONS, body)), ["a", "z"]);
}

#[test]
fn responses_are_counted_item_by_item() {
    let body = r#"{"model":"m","instructions":"Be brief.","input":[
        {"role":"user","content":"hi"},
        {"type":"message","role":"user","content":[{"type":"input_text","text":"there"}]},
        {"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[
            {"type":"output_text","text":"yes","annotations":[{"file_id":"f"}]}]},
        {"type":"function_call","id":"fc","call_id":"c","name":"find","arguments":"{}"},
        {"type":"function_call_output","call_id":"c","output":"found"},
        {"type":"local_shell_call","action":{"command":["ls"]}}]}"#;
    let ask = asked(RESPONSES, body);
    assert_eq!(
        texts(body, &ask),
        ["Be brief.", "user", "hi", "user", "there", "assistant", "yes", "find", "{}", "found"]
    );
    let unknown = [r#"[{"file_id":"f"}]"#, "local_shell_call", r#"{"command":["ls"]}"#];
    assert_eq!(opaque(body, &ask), unknown);
    assert_eq!(ask.prompt.messages, 7);
    assert!(ask.prompt.unseen, "an item of a kind that is not known may bring more");
}

#[test]
fn reasoning_that_the_provider_keeps_is_unseen() {
    let summary = r#""summary":[{"type":"summary_text","text":"so"}]"#;
    let sealed = r#""encrypted_content":"c2VhbGVk""#;
    let body = item(&format!(r#"{{"type":"reasoning","id":"rs_1",{sealed},{summary}}}"#));
    let ask = asked(RESPONSES, &body);
    assert!(ask.prompt.unseen);
    assert_eq!(texts(&body, &ask), ["so"]);
}

#[test]
fn reasoning_that_is_only_named_is_a_reference() {
    for sealed in ["", r#","encrypted_content":null"#, r#","encrypted_content":"""#] {
        let body = item(&format!(r#"{{"type":"reasoning","id":"rs_1"{sealed},"summary":[]}}"#));
        let ask = asked(RESPONSES, &body);
        let params: Vec<_> = ask.refers.iter().map(|one| one.param.as_str()).collect();
        assert_eq!(params, ["input[0].id"], "{sealed}");
    }
}

#[test]
fn the_output_cap_of_another_endpoint_is_refused() {
    let table = [
        (COMPLETIONS, r#"{"model":"m","prompt":"x","max_completion_tokens":5000}"#),
        (COMPLETIONS, r#"{"model":"m","prompt":"x","max_output_tokens":5000}"#),
        (CHAT, r#"{"model":"m","messages":[{"role":"user"}],"max_output_tokens":5000}"#),
        (RESPONSES, r#"{"model":"m","input":"x","max_tokens":5000}"#),
        (RESPONSES, r#"{"model":"m","input":"x","max_completion_tokens":5000}"#),
    ];
    for (endpoint, body) in table {
        assert!(crate::read(endpoint, body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn moderations_take_texts_and_images() {
    let body = r#"{"model":"m","input":[{"type":"text","text":"a"},
        {"type":"image_url","image_url":{"url":"https://x"}}]}"#;
    let ask = asked(MODERATIONS, body);
    assert_eq!((texts(body, &ask), ask.prompt.images.len()), (vec!["a".to_owned()], 1));
    let body = r#"{"input":["a","b"]}"#;
    assert_eq!(texts(body, &asked(MODERATIONS, body)), ["a", "b"]);
}
