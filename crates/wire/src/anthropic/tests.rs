use tollgate_units::Tokens;

use crate::{Ask, CapField, Endpoint, Extra, Malformed, MalformedKind, ToolList, read, text};

const MESSAGES: Endpoint = Endpoint::Messages;
const COUNT: Endpoint = Endpoint::CountTokens;

/// A whole body: the least a message needs, and `more` members.
fn body(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(
        r#"{{"model":"claude-x","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]{comma}{more}}}"#
    )
}

/// A body whose only message holds `blocks`.
fn said(blocks: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":[{blocks}]}}]}}"#)
}

fn asked(body: &str) -> Ask {
    read(MESSAGES, body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn refused(body: &str) -> Malformed {
    match read(MESSAGES, body.as_bytes()) {
        Ok(_) => panic!("{body}: was read"),
        Err(error) => error,
    }
}

fn texts(body: &str, ask: &Ask) -> Vec<String> {
    ask.prompt.texts.iter().map(|place| text(body.as_bytes(), *place).into_owned()).collect()
}

#[test]
fn the_least_message_is_read_and_counting_needs_no_cap() {
    let whole = body("");
    let ask = asked(&whole);
    assert_eq!((ask.model.as_str(), ask.stream, ask.answers), ("claude-x", false, 1));
    assert_eq!(ask.cap, Some(Tokens::new(9)));
    assert_eq!(ask.caps[0].field, CapField::MaxTokens);
    assert_eq!(texts(&whole, &ask), ["hi", "user"]);
    let counted = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    let ask = read(COUNT, counted.as_bytes()).unwrap();
    assert_eq!(
        (ask.cap, ask.stream),
        (None, false),
        "nothing is streamed where tokens are counted"
    );
}

#[test]
fn everything_that_is_said_is_counted() {
    let whole = r#"{"model":"m","max_tokens":9,
        "system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],
        "messages":[
        {"role":"user","content":[{"type":"text","text":"one"},
            {"type":"document","title":"t","context":"c","source":
                {"type":"text","media_type":"text/plain","data":"written"}},
            {"type":"document","source":{"type":"content","content":[{"type":"text","text":"in"}]}}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},
            {"type":"tool_use","id":"t1","name":"find","input":{"q":"x"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[
            {"type":"text","text":"found"}]}]}]}"#;
    let ask = asked(whole);
    let mut found = texts(whole, &ask);
    found.sort();
    let expected = [
        "Be brief.",
        "assistant",
        "c",
        "find",
        "found",
        "hm",
        "in",
        "one",
        "t",
        "user",
        "user",
        "written",
    ];
    assert_eq!(found, expected);
    let opaque: Vec<_> =
        ask.prompt.opaque.iter().map(|place| text(whole.as_bytes(), *place)).collect();
    assert_eq!(opaque, [r#"{"q":"x"}"#]);
    assert_eq!((ask.prompt.messages, ask.prompt.unseen), (4, false));
}

#[test]
fn pictures_and_files_are_known_by_their_size_and_never_counted_as_text() {
    // A GIF of 3 x 2 pixels.
    let picture = r#"{"type":"image","source":{"type":"base64","media_type":"image/gif","data":"R0lGODlhAwACAA=="}}"#;
    let ask = asked(&said(picture));
    assert_eq!(ask.prompt.images[0].size, Some((3, 2)));
    assert!(!ask.prompt.unseen);
    let nested = format!(r#"{{"type":"tool_result","tool_use_id":"t","content":[{picture}]}}"#);
    assert_eq!(asked(&said(&nested)).prompt.images.len(), 1);
    let elsewhere = r#"{"type":"image","source":{"type":"url","url":"https://example.org/a.png"}}"#;
    let ask = asked(&said(elsewhere));
    assert!(ask.prompt.unseen && ask.prompt.images[0].size.is_none());
    let pdf = format!(
        r#"{{"type":"document","source":{{"type":"base64","media_type":"application/pdf","data":"{}"}}}}"#,
        "A".repeat(4000)
    );
    let ask = asked(&said(&pdf));
    assert!(ask.prompt.unseen && ask.prompt.bytes < 100, "{}", ask.prompt.bytes);
    assert!((1000..=1001).contains(&ask.prompt.attached), "{}", ask.prompt.attached);
}

#[test]
fn a_document_that_is_elsewhere_is_known_to_be_of_any_length() {
    let source = |source: &str| format!(r#"{{"type":"document","source":{{{source}}}}}"#);
    let url = source(r#""type":"url","url":"https://x/huge.pdf""#);
    let result = format!(r#"{{"type":"tool_result","tool_use_id":"t","content":[{url}]}}"#);
    for block in [
        source(r#""type":"file","file_id":"f""#),
        source(r#""type":"text","data":"short","url":"https://x/huge.pdf""#),
        source(r#""type":"new""#),
        result,
        url,
    ] {
        let prompt = asked(&said(&block)).prompt;
        assert!(prompt.elsewhere && prompt.unseen, "{block}");
    }
    for block in [
        source(r#""type":"text","media_type":"text/plain","data":"https://x/huge.pdf""#),
        r#"{"type":"image","source":{"type":"url","url":"https://x/a.png"}}"#.to_owned(),
        r#"{"type":"web_search_tool_result","tool_use_id":"s","content":[
            {"type":"web_search_result","url":"https://x/","title":"t"}]}"#
            .to_owned(),
    ] {
        assert!(!asked(&said(&block)).prompt.elsewhere, "{block}");
    }
    let signed =
        format!(r#"{{"type":"thinking","thinking":"","signature":"{}"}}"#, "A".repeat(3998));
    assert_eq!(asked(&said(&signed)).prompt.attached, 1000);
}

/// The names in a schema are those of the answer's fields, and none of the protocol's.
#[test]
fn the_schema_of_an_answer_offers_and_refers_to_nothing() {
    let schema = r#"{"type":"object","$defs":{"Environment":{"type":"object","minProperties":1}},
        "properties":{"skills":{"type":"array","items":{"type":"string"}},"tools":{"type":"array"},
        "skill_id":{"type":"integer","exclusiveMinimum":0},"file_ids":{"prefixItems":[]}}}"#;
    let config = format!(r#"{{"format":{{"type":"json_schema","schema":{schema}}}}}"#);
    for more in [
        format!(r#""output_config":{config}"#),
        format!(r#""output_format":{{"type":"json_schema","schema":{schema}}}"#),
        format!(r#""guided":{{"json_schema":{schema}}}"#),
    ] {
        let ask = asked(&body(&more));
        assert!(ask.tools.is_empty() && ask.refers.is_empty(), "{more}: {ask:?}");
    }
}

#[test]
fn blocks_that_nobody_knows_count_as_they_are_written() {
    for block in [
        r#"{"type":"telepathy","thought":"a b c"}"#,
        r#"{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","url":"u","page":"a b c"}]}"#,
        r#"{"type":"tool_result","content":[{"type":"tool_result","content":[{"type":"tool_result","content":[{"type":"tool_result","content":[{"type":"tool_result","content":[{"type":"text","text":"a b c"}]}]}]}]}]}"#,
    ] {
        let whole = said(block);
        let ask = asked(&whole);
        let places = ask.prompt.texts.iter().chain(&ask.prompt.opaque);
        let all: Vec<_> = places.map(|place| text(whole.as_bytes(), *place)).collect();
        assert!(ask.prompt.unseen && all.iter().any(|text| text.contains("a b c")), "{all:?}");
    }
}

#[test]
fn every_surface_of_tools_is_seen() {
    let more = r#""tools":[
        {"name":"find","description":"Finds.","input_schema":{"type":"object","properties":{"file_id":{"type":"string"}}}},
        {"type":"custom","name":"send","input_schema":{"type":"object"}},
        {"type":"web_search_20250305","name":"web_search"},
        {"type":"computer_20250124","name":"computer","display_width_px":100},
        {"type":"bash_20250124","name":"bash"},
        {"type":"code_execution_20250825","name":"code_execution"},
        {"type":"mcp_toolset","mcp_server_name":"crm"}],
        "mcp_servers":[{"type":"url","url":"https://example.org","name":"crm"}]"#;
    let ask = asked(&body(more));
    let tools: Vec<_> = ask
        .tools
        .iter()
        .map(|tool| (tool.kind.as_str(), tool.name.as_deref(), tool.list))
        .collect();
    let (of_tools, of_servers) = (ToolList::Tools, ToolList::Servers);
    assert_eq!(
        tools,
        [
            ("custom", Some("find"), of_tools),
            ("custom", Some("send"), of_tools),
            ("web_search", Some("web_search"), of_tools),
            ("computer", Some("computer"), of_tools),
            ("bash", Some("bash"), of_tools),
            ("code_execution", Some("code_execution"), of_tools),
            ("mcp", Some("crm"), of_tools),
            ("mcp", Some("crm"), of_servers),
        ]
    );
    let hosted = |kind: &str| Extra::HostedTool(kind.to_owned());
    assert_eq!(ask.extras, [hosted("web_search"), hosted("code_execution"), hosted("mcp")]);
    assert_eq!((ask.prompt.functions.len(), ask.prompt.unseen), (2, true));
}

#[test]
fn what_changes_the_price_is_an_extra() {
    for (more, expected) in [
        (r#""speed":"fast""#, "fast"),
        (r#""service_tier":"flex""#, "flex"),
        (r#""inference_geo":"us""#, "inference in us"),
    ] {
        let ask = asked(&body(more));
        assert_eq!(ask.extras, [Extra::ServiceTier(expected.to_owned())], "{more}");
    }
    let usual = r#""speed":"standard","service_tier":"standard_only","inference_geo":"global""#;
    let ask = asked(&body(usual));
    assert!(ask.extras.is_empty() && !ask.cached_for_an_hour);
    let hour =
        r#""system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}]"#;
    assert!(asked(&body(hour)).cached_for_an_hour);
}

#[test]
fn the_user_is_in_the_metadata() {
    let of = |user_id: &str| {
        let ask = asked(&body(&format!(r#""metadata":{{"user_id":{user_id}}}"#)));
        (ask.user.unwrap_or_default(), ask.session)
    };
    let table = [
        (r#""ana""#, "ana", None),
        (r#""user_1_account__session_2-3""#, "user_1_account_", Some("2-3")),
        (r#""{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"s\"}""#, "d", Some("s")),
        (r#""{\"device_id\":\"d\"}""#, r#"{"device_id":"d"}"#, None),
    ];
    for (user_id, user, session) in table {
        assert_eq!(of(user_id), (user.to_owned(), session.map(str::to_owned)), "{user_id}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_with_its_place() {
    let content = "messages[0].content";
    for (body, param) in [
        (body(r#""max_tokens":5"#), None),
        (body(r#""Max_Tokens":5"#), Some("Max_Tokens")),
        (body(r#""container":{"Id":"c"}"#), Some("container.Id")),
        (body(r#""tools":[{"Name":"x"}]"#), Some("tools[0].Name")),
        (body(r#""system":5"#), Some("system")),
        (
            body(r#""thinking":{"type":"enabled","budget_tokens":1e9}"#),
            Some("thinking.budget_tokens"),
        ),
        (body("").replace(":9", ":1e9"), Some("max_tokens")),
        (body("").replace(":9", ":0"), Some("max_tokens")),
        (body("").replace(r#""max_tokens":9,"#, ""), Some("max_tokens")),
        (body("").replace(r#"{"role":"user","content":"hi"}"#, ""), Some("messages")),
        (body("").replace(r#""hi""#, "7"), Some(content)),
        (said(r#"{"text":"x"}"#), Some("messages[0].content[0].type")),
        (said(r#"{"type":"text","Text":"x"}"#), Some("messages[0].content[0].Text")),
        (r#"{"model":"m","max_tokens":9}"#.to_owned(), Some("messages")),
    ] {
        let error = refused(&body);
        assert_eq!(error.param.as_deref(), param, "{body}: {error}");
        assert_eq!(error.kind, MalformedKind::Invalid, "{body}");
    }
}

#[test]
fn every_field_that_can_refer_to_something_stored_is_noted() {
    use crate::StoredKind as Kind;
    let file = r#"{"type":"file","file_id":"i"}"#;
    let result = r#"{"type":"r","content":[{"type":"o","file_id":"i"}]}"#;
    let content = "messages[0].content[0]";
    for (body, param, kind) in [
        (body(r#""container":"i""#), "container".to_owned(), Kind::Container),
        (body(r#""container":{"id":"i"}"#), "container.id".to_owned(), Kind::Container),
        (
            body(r#""container":{"skills":[{"type":"custom","skill_id":"i"}]}"#),
            "container.skills[0].skill_id".to_owned(),
            Kind::Skill,
        ),
        (
            said(&format!(r#"{{"type":"image","source":{file}}}"#)),
            format!("{content}.source.file_id"),
            Kind::File,
        ),
        (
            said(&format!(r#"{{"type":"document","source":{file}}}"#)),
            format!("{content}.source.file_id"),
            Kind::File,
        ),
        (
            said(r#"{"type":"container_upload","file_id":"i"}"#),
            format!("{content}.file_id"),
            Kind::File,
        ),
        (
            said(&format!(r#"{{"type":"code_execution_tool_result","content":{result}}}"#)),
            format!("{content}.content.content[0].file_id"),
            Kind::File,
        ),
    ] {
        let ask = asked(&body);
        let noted: Vec<_> = ask
            .refers
            .iter()
            .map(|one| (one.stored.kind, one.stored.id.as_str(), one.param.as_str()))
            .collect();
        assert_eq!(noted, [(kind, "i", param.as_str())], "{body}");
    }
    // The caller's own arguments may be called anything.
    let own = r#"{"type":"tool_use","id":"t","name":"open","input":{"file_id":"mine"}}"#;
    assert!(asked(&said(own)).refers.is_empty());
}

#[test]
fn other_models_and_foreign_caps_are_refused() {
    for more in [r#""fallbacks":[{"model":"x"}]"#, r#""max_output_tokens":5"#] {
        assert_eq!(refused(&body(more)).kind, MalformedKind::Unsupported, "{more}");
    }
}
