//! What a body refers to at the provider's account: every field that can, and none that cannot.

use super::*;
use crate::StoredKind as Kind;

/// Fields of the top level.
const FIELDS: &[(Endpoint, &str, &str, Kind)] = &[
    (RESPONSES, r#""previous_response_id":"i""#, "previous_response_id", Kind::Response),
    (RESPONSES, r#""conversation":"i""#, "conversation", Kind::Conversation),
    (RESPONSES, r#""conversation":{"id":"i"}"#, "conversation.id", Kind::Conversation),
    (RESPONSES, r#""prompt":{"id":"i"}"#, "prompt.id", Kind::Prompt),
    (CHAT, r#""previous_response_id":"i""#, "previous_response_id", Kind::Response),
    (CHAT, r#""agent_id":"i""#, "agent_id", Kind::Agent),
    (CHAT, r#""cachedContent":"i""#, "cachedContent", Kind::Cache),
    (
        CHAT,
        r#""extra_body":{"google":{"cached_content":"i"}}"#,
        "extra_body.google.cached_content",
        Kind::Cache,
    ),
    (CHAT, r#""file_ids":["i"]"#, "file_ids", Kind::File),
    (CHAT, r#""file_ids":[null,"\u0069"]"#, "file_ids", Kind::File),
];

/// Input items.
const ITEMS: &[(&str, &str, Kind)] = &[
    (r#"{"type":"item_reference","id":"i"}"#, "id", Kind::Item),
    (r#"{"id":"i"}"#, "id", Kind::Item),
    (r#"{"id":"i","type":null}"#, "id", Kind::Item),
    (r#"{"type":"reasoning","id":"i","summary":[]}"#, "id", Kind::Item),
    (r#"{"type":"image_generation_call","id":"i","status":"completed"}"#, "id", Kind::Item),
    (r#"{"type":"image_generation_call","id":"i","result":null,"size":"1x1"}"#, "id", Kind::Item),
    (r#"{"type":"web_search_call","id":"i","status":"completed"}"#, "id", Kind::Item),
    (r#"{"id":"i","role":"assistant"}"#, "id", Kind::Item),
    (r#"{"id":"i","type":"message","role":"assistant","content":null}"#, "id", Kind::Item),
    (r#"{"type":"function_call","id":"i"}"#, "id", Kind::Item),
    (r#"{"type":"function_call","id":"i","call_id":"c","name":"f"}"#, "id", Kind::Item),
    (r#"{"type":"custom_tool_call","id":"i","input":"x"}"#, "id", Kind::Item),
    (r#"{"type":"function_call_output","id":"i","call_id":"c"}"#, "id", Kind::Item),
    (
        r#"{"role":"user","content":[{"type":"item_reference","id":"i"}]}"#,
        "content[0].id",
        Kind::Item,
    ),
    (
        r#"{"role":"user","content":[{"type":"input_file","file_id":"i"}]}"#,
        "content[0].file_id",
        Kind::File,
    ),
    (
        r#"{"role":"user","content":[{"type":"input_image","file_id":"i"}]}"#,
        "content[0].file_id",
        Kind::File,
    ),
    (
        r#"{"type":"function_call_output","output":[{"type":"input_image","file_id":"i"}]}"#,
        "output[0].file_id",
        Kind::File,
    ),
    (
        r#"{"type":"computer_call_output","output":{"type":"computer_screenshot","file_id":"i"}}"#,
        "output.file_id",
        Kind::File,
    ),
    (r#"{"type":"code_interpreter_call","container_id":"i"}"#, "container_id", Kind::Container),
    (
        r#"{"type":"additional_tools","tools":[{"type":"file_search","vector_store_ids":["i"]}]}"#,
        "tools[0].vector_store_ids",
        Kind::VectorStore,
    ),
];

/// Tools.
const TOOLS: &[(&str, &str, Kind)] = &[
    (r#"{"type":"code_interpreter","container":"i"}"#, "container", Kind::Container),
    (
        r#"{"type":"code_interpreter","container":{"type":"auto","file_ids":["i"]}}"#,
        "container.file_ids",
        Kind::File,
    ),
    (r#"{"type":"code_interpreter","container":{"id":"i"}}"#, "container.id", Kind::Container),
    (
        r#"{"type":"code_interpreter","container":{"type":"container_reference","id":"i"}}"#,
        "container.id",
        Kind::Container,
    ),
    (r#"{"type":"code_interpreter","container":["i"]}"#, "container", Kind::Container),
    (
        r#"{"type":"shell","environment":{"type":"container_reference","id":"i"}}"#,
        "environment.id",
        Kind::Container,
    ),
    (
        r#"{"type":"new","a":[{"b":1},{"c":{"skills":[{"skill_id":"i"}]}}]}"#,
        "a[1].c.skills[0].skill_id",
        Kind::Skill,
    ),
    (r#"{"type":"file_search","vector_store_ids":["i"]}"#, "vector_store_ids", Kind::VectorStore),
    (
        r#"{"type":"image_generation","input_image_mask":{"file\u005fid":"i"}}"#,
        "input_image_mask.file_id",
        Kind::File,
    ),
    (
        r#"{"type":"shell","environment":{"container_id":"i"}}"#,
        "environment.container_id",
        Kind::Container,
    ),
    (r#"{"type":"mcp","server_label":"s","tunnel_id":"i"}"#, "tunnel_id", Kind::Tunnel),
];

/// Messages of a chat.
const MESSAGES: &[(&str, &str, Kind)] = &[
    (
        r#"{"role":"user","content":[{"type":"file","file":{"file_id":"i"}}]}"#,
        "content[0].file.file_id",
        Kind::File,
    ),
    (r#"{"role":"assistant","audio":{"id":"i"}}"#, "audio.id", Kind::Audio),
    (
        r#"{"role":"user","content":[{"type":"doc","doc":{"x":[{"file_id":"i"}]}}]}"#,
        "content[0].doc.x[0].file_id",
        Kind::File,
    ),
];

#[test]
fn every_field_that_can_refer_to_something_stored_is_noted() {
    let tool = |tool: &str| body(RESPONSES, &format!("\"tools\":[{tool}]"));
    let fields = FIELDS.iter().map(|(endpoint, more, param, kind)| {
        (*endpoint, body(*endpoint, more), (*param).to_owned(), *kind)
    });
    let items = ITEMS
        .iter()
        .map(|(one, param, kind)| (RESPONSES, item(one), format!("input[0].{param}"), *kind));
    let tools = TOOLS
        .iter()
        .map(|(one, param, kind)| (RESPONSES, tool(one), format!("tools[0].{param}"), *kind));
    let messages = MESSAGES
        .iter()
        .map(|(one, param, kind)| (CHAT, chat(one), format!("messages[0].{param}"), *kind));
    for (endpoint, body, param, kind) in fields.chain(items).chain(tools).chain(messages) {
        let ask = asked(endpoint, &body);
        let noted: Vec<_> = ask
            .refers
            .iter()
            .map(|one| (one.stored.kind, one.stored.id.as_str(), one.param.as_str()))
            .collect();
        assert_eq!(noted, [(kind, "i", param.as_str())], "{body}");
        assert!(ask.prompt.unseen, "{body}");
    }
}

#[test]
fn a_conversation_is_a_session() {
    let ask = asked(RESPONSES, &body(RESPONSES, r#""conversation":{"id":"conv_1"}"#));
    assert_eq!(ask.session.as_deref(), Some("conv_1"));
}

#[test]
fn several_ids_in_one_value_are_all_noted_and_each_once() {
    let more = r#""tools":[{"type":"x","a":{"file_id":"f"},"container":"c","b":[{"file_id":"g"},
        {"file_id":"f"}],"file_ids":["h"]}]"#;
    let ask = asked(RESPONSES, &body(RESPONSES, more));
    let ids: Vec<_> = ask.refers.iter().map(|one| one.stored.id.as_str()).collect();
    assert_eq!(ids, ["f", "c", "g", "h"]);
}

#[test]
fn what_is_no_id_is_refused_where_an_id_belongs() {
    let long = format!(r#""previous_response_id":"{}""#, "i".repeat(257));
    for more in [
        r#""previous_response_id":5"#,
        r#""previous_response_id":{"id":"i"}"#,
        r#""conversation":{}"#,
        r#""conversation":true"#,
        r#""tools":[{"type":"x","file_ids":[{"id":"i"}]}]"#,
        r#""tools":[{"type":"x","file_id":7}]"#,
        r#""tools":[{"type":"code_interpreter","container":[{"id":"i"}]}]"#,
        r#""tools":[{"type":"code_interpreter","container":7}]"#,
        r#""tools":[{"type":"code_interpreter","Container":"i"}]"#,
        r#""tools":[{"type":"code_interpreter","container":{"ID":"i"}}]"#,
        r#""tools":[{"type":"code_interpreter","container":{"file_ids":{"0":"i"}}}]"#,
        r#""tools":[{"type":"shell","environment":{"type":"container_reference","a":1}}]"#,
        r#""tools":[{"type":"x","file_ids":{"0":"i"}}]"#,
        r#""tools":[{"type":"x","File_ID":"i"}]"#,
        long.as_str(),
    ] {
        let error = read(RESPONSES, body(RESPONSES, more).as_bytes()).unwrap_err();
        assert_eq!(error.kind, MalformedKind::Invalid, "{more}: {error}");
    }
}

#[test]
fn a_request_refers_to_a_bounded_number_of_things() {
    let ids = |count: usize| {
        let ids: Vec<_> = (0..count).map(|at| format!("\"f{at}\"")).collect();
        body(CHAT, &format!(r#""file_ids":[{}]"#, ids.join(",")))
    };
    assert_eq!(asked(CHAT, &ids(64)).refers.len(), 64);
    let error = read(CHAT, ids(65).as_bytes()).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("file_ids"));
    assert!(error.message.contains("at most 64"), "{error}");
}
