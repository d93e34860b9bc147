//! What is refused: where, and as what.

use super::*;
use crate::Keeping;

fn refused(endpoint: Endpoint, body: &str) -> Malformed {
    match read(endpoint, body.as_bytes()) {
        Ok(_) => panic!("{body}: was read"),
        Err(error) => error,
    }
}

#[test]
fn whole_numbers_are_positive_and_in_plain_digits() {
    let fields = [
        (CHAT, "max_tokens"),
        (CHAT, "max_completion_tokens"),
        (CHAT, "n"),
        (COMPLETIONS, "max_tokens"),
        (COMPLETIONS, "best_of"),
        (RESPONSES, "max_output_tokens"),
    ];
    let bad = "0 -1 -0 1.0 1e9 1E2 \"5\" true [] {} 9007199254740993 18446744073709551616 \
               99999999999999999999999999999999";
    for (endpoint, field) in fields {
        for number in bad.split(' ') {
            let body = body(endpoint, &format!("\"{field}\":{number}"));
            let error = refused(endpoint, &body);
            assert_eq!(error.param.as_deref(), Some(field), "{body}");
            assert_eq!(error.offset, body.rfind(':').map(|colon| colon + 1), "{body}");
            assert!(error.message.contains("expected a whole number from 1"), "{error}");
            assert_eq!(error.kind, MalformedKind::Invalid);
        }
        for number in ["1", "9007199254740992"] {
            asked(endpoint, &body(endpoint, &format!("\"{field}\":{number}")));
        }
    }
}

#[test]
fn a_field_that_decides_is_refused_in_any_other_case() {
    for name in GOVERNED {
        let capital = name[..1].to_uppercase() + &name[1..];
        let (long_s, kelvin) = (name.replace('s', "ſ"), name.replace('k', "\u{212a}"));
        for spelling in [name.to_uppercase(), capital, long_s, kelvin] {
            if spelling == *name {
                continue;
            }
            let error = refused(CHAT, &body(CHAT, &format!("\"{spelling}\":null")));
            assert_eq!(error.param.as_deref(), Some(spelling.as_str()), "{error}");
            assert!(error.message.contains(&format!("write `{name}`")), "{error}");
        }
    }
    let harmless = r#""Temperature":1,"max_tokens ":5,"maxtokens":5,"modél":1"#;
    asked(CHAT, &body(CHAT, harmless));
}

#[test]
fn inner_fields_in_another_case_are_refused_too() {
    let table = [
        (CHAT, chat(r#"{"Role":"user"}"#), "messages[0].Role"),
        (CHAT, chat(r#"{"role":"user","CONTENT":"x"}"#), "messages[0].CONTENT"),
        (
            CHAT,
            chat(r#"{"role":"user","content":[{"Type":"text"}]}"#),
            "messages[0].content[0].Type",
        ),
        (
            CHAT,
            body(CHAT, r#""stream_options":{"Include_usage":true}"#),
            "stream_options.Include_usage",
        ),
        (
            CHAT,
            body(CHAT, r#""tools":[{"type":"function","function":{"Name":"f"}}]"#),
            "tools[0].function.Name",
        ),
        (RESPONSES, item(r#"{"TYPE":"item_reference"}"#), "input[0].TYPE"),
        (RESPONSES, body(RESPONSES, r#""tools":[{"Type":"mcp"}]"#), "tools[0].Type"),
    ];
    for (endpoint, body, param) in table {
        assert_eq!(refused(endpoint, &body).param.as_deref(), Some(param), "{body}");
    }
    let schema = r#""tools":[{"type":"function","function":{"name":"f",
        "parameters":{"Name":{},"properties":{"Type":{"TYPE":1}}}}}]"#;
    asked(CHAT, &body(CHAT, schema));
}

/// A megabyte of it was told back to its caller, and written into the log.
#[test]
fn a_models_name_has_an_end() {
    let body = |length: usize| format!(r#"{{"model":"{}","input":"a"}}"#, "m".repeat(length));
    asked(Endpoint::Embeddings, &body(256));
    let error = refused(Endpoint::Embeddings, &body(257));
    assert_eq!(error.param.as_deref(), Some("model"));
    assert!(error.message.contains("at most 256 bytes") && error.message.len() < 300, "{error}");
}

#[test]
fn empty_input_is_refused() {
    let table = [
        (CHAT, r#"{"model":"m","messages":[]}"#, "messages"),
        (CHAT, r#"{"model":"m","messages":null}"#, "messages"),
        (CHAT, r#"{"model":"m"}"#, "messages"),
        (COMPLETIONS, r#"{"model":"m","prompt":""}"#, "prompt"),
        (COMPLETIONS, r#"{"model":"m","prompt":[]}"#, "prompt"),
        (COMPLETIONS, r#"{"model":"m","prompt":["a",""]}"#, "prompt[1]"),
        (COMPLETIONS, r#"{"model":"m","prompt":[[1],[]]}"#, "prompt[1]"),
        (EMBEDDINGS, r#"{"model":"m","input":[]}"#, "input"),
        (EMBEDDINGS, r#"{"model":"m"}"#, "input"),
        (MODERATIONS, r#"{"model":"m","input":[]}"#, "input"),
        (MODERATIONS, r#"{"model":"m","input":""}"#, "input"),
        (RESPONSES, r#"{"model":"m","input":""}"#, "input"),
        (RESPONSES, r#"{"model":"m","input":[]}"#, "input"),
        (RESPONSES, r#"{"model":"m","input":null}"#, "input"),
        (RESPONSES, r#"{"model":"m"}"#, "input"),
    ];
    for (endpoint, body, param) in table {
        let error = refused(endpoint, body);
        assert_eq!(error.param.as_deref(), Some(param), "{body}: {error}");
        assert_eq!(error.kind, MalformedKind::Invalid, "{body}");
    }
}

/// Members beside a chat's messages, the field at fault, and words of the refusal.
const WRONG_FIELDS: &[(&str, &str, &str)] = &[
    (r#""stream":"true""#, "stream", "true or false"),
    (r#""stream":1"#, "stream", "true or false"),
    (r#""stream_options":[]"#, "stream_options", "an object"),
    (r#""stream_options":{"include_usage":1}"#, "stream_options.include_usage", "true or false"),
    (r#""user":5"#, "user", "a string"),
    (r#""service_tier":{}"#, "service_tier", "a string"),
    (r#""modalities":"text""#, "modalities", "a list"),
    (r#""tools":{}"#, "tools", "a list of tools"),
    (r#""tools":["f"]"#, "tools[0]", "a tool"),
    (r#""tools":[{}]"#, "tools[0].type", "missing"),
    (r#""tools":[{"type":"function"}]"#, "tools[0].function", "missing"),
    (r#""tools":[{"type":"function","function":{}}]"#, "tools[0].function.name", "missing"),
    (r#""functions":[{"name":1}]"#, "functions[0].name", "not empty"),
];

/// Endpoint, body, the field at fault, and words of the refusal.
const WRONG_BODIES: &[(Endpoint, &str, &str, &str)] = &[
    (CHAT, r#"{"messages":[{"role":"user"}]}"#, "model", "missing"),
    (CHAT, r#"{"model":7,"messages":[]}"#, "model", "`model` is 7"),
    (CHAT, r#"{"model":"","messages":[]}"#, "model", "an empty string"),
    (CHAT, r#"{"model":null,"messages":[]}"#, "model", "the name of a model"),
    (COMPLETIONS, r#"{"model":"m","prompt":{}}"#, "prompt", "a list of strings"),
    (COMPLETIONS, r#"{"model":"m","prompt":["a",1]}"#, "prompt[1]", "a string"),
    (COMPLETIONS, r#"{"model":"m","prompt":[1,"a"]}"#, "prompt[1]", "a token id"),
    (COMPLETIONS, r#"{"model":"m","prompt":[1,2.5]}"#, "prompt[1]", "a token id"),
    (COMPLETIONS, r#"{"model":"m","prompt":[[1],[-2]]}"#, "prompt[1][0]", "a token id"),
    (MODERATIONS, r#"{"model":"m","input":[7]}"#, "input[0]", "a string"),
    (RESPONSES, r#"{"model":"m","input":[7]}"#, "input[0]", "an item"),
    (RESPONSES, r#"{"model":"m","input":[{"content":"x"}]}"#, "input[0].role", "missing"),
    (RESPONSES, r#"{"model":"m","input":"x","instructions":[]}"#, "instructions", "a string"),
];

/// A message, the field at fault inside it, and words of the refusal.
const WRONG_MESSAGES: &[(&str, &str, &str)] = &[
    ("7", "", "a message"),
    (r#"{"content":"x"}"#, ".role", "missing"),
    (r#"{"role":null}"#, ".role", "null"),
    (r#"{"role":"user","content":5}"#, ".content", "list of parts"),
    (r#"{"role":"user","content":["x"]}"#, ".content[0]", "a part"),
    (r#"{"role":"user","content":[{"type":"text"}]}"#, ".content[0].text", "missing"),
    (
        r#"{"role":"user","content":[{"type":"image_url","image_url":{}}]}"#,
        ".content[0].image_url.url",
        "missing",
    ),
];

#[test]
fn a_field_of_the_wrong_type_is_named_with_what_would_be_right() {
    let fields = WRONG_FIELDS
        .iter()
        .map(|(more, param, words)| (CHAT, body(CHAT, more), (*param).to_owned(), words));
    let bodies = WRONG_BODIES.iter().map(|(endpoint, body, param, words)| {
        (*endpoint, (*body).to_owned(), (*param).to_owned(), words)
    });
    let messages = WRONG_MESSAGES
        .iter()
        .map(|(message, param, words)| (CHAT, chat(message), format!("messages[0]{param}"), words));
    for (endpoint, body, param, words) in fields.chain(bodies).chain(messages) {
        let error = refused(endpoint, &body);
        assert_eq!(error.param.as_deref(), Some(param.as_str()), "{body}: {error}");
        assert!(error.message.contains(words), "{body}: {error}");
        assert!(error.message.starts_with(&format!("`{param}` is ")), "{error}");
        assert!(error.offset.is_some_and(|at| at < body.len()), "{body}: {error:?}");
    }
}

/// Fields of the top level that are not served.
const UNSERVED: &[(Endpoint, &str, &str)] = &[
    (CHAT, r#""background":true"#, "background"),
    (CHAT, r#""models":["other"]"#, "models"),
    (CHAT, r#""fallbacks":["other"]"#, "fallbacks"),
    (CHAT, r#""n_predict":100000"#, "n_predict"),
    (COMPLETIONS, r#""max_new_tokens":100000"#, "max_new_tokens"),
    (RESPONSES, r#""background":true,"store":false"#, "background"),
    (RESPONSES, r#""store":false,"background":true"#, "background"),
];

#[test]
fn what_nobody_allowed_or_could_meter_is_not_supported() {
    for (endpoint, more, param) in UNSERVED {
        let error = refused(*endpoint, &body(*endpoint, more));
        assert_eq!(error.param.as_deref(), Some(*param), "{more}: {error}");
        assert_eq!(error.kind, MalformedKind::Unsupported, "{more}");
        assert!(error.message.contains("not supported"), "{error}");
    }
    let error = refused(RESPONSES, &body(RESPONSES, r#""background":"no""#));
    assert_eq!(error.param.as_deref(), Some("background"));
    let ask = asked(RESPONSES, &body(RESPONSES, r#""background":true"#));
    assert_eq!(ask.keeping, Keeping::Background);
    let ask = asked(RESPONSES, &body(RESPONSES, r#""store":false"#));
    assert_eq!(ask.keeping, Keeping::NotKept);
    assert_eq!(asked(CHAT, &body(CHAT, r#""store":false"#)).keeping, Keeping::Kept);
}

#[test]
fn what_only_looks_like_stored_state_is_served() {
    let tools = [
        r#"{"type":"code_interpreter","container":{"type":"auto","file_ids":null}}"#,
        r#"{"type":"function","name":"f","parameters":{"properties":{"file_id":{"type":"x"}}}}"#,
    ];
    for tool in tools {
        asked(RESPONSES, &body(RESPONSES, &format!("\"tools\":[{tool}]")));
    }
    for item in [
        r#"{"type":"image_generation_call","id":"ig_1","result":"QUJD"}"#,
        r#"{"type":"web_search_call","id":"ws_1","action":{"type":"search","query":"q"}}"#,
    ] {
        asked(RESPONSES, &self::item(item));
    }
    let schema = r#""guided_json":{"properties":{"file_id":{"type":"string"}}}"#;
    asked(CHAT, &body(CHAT, schema));
    asked(RESPONSES, &body(RESPONSES, r#""store":true"#));
    asked(COMPLETIONS, &body(COMPLETIONS, ""));
}

#[test]
fn a_request_offers_a_bounded_number_of_tools() {
    let tools = |count: usize| {
        let one = r#"{"name":"a"}"#;
        body(CHAT, &format!(r#""functions":[{}]"#, vec![one; count].join(",")))
    };
    assert_eq!(asked(CHAT, &tools(1024)).tools.len(), 1024);
    assert_eq!(refused(CHAT, &tools(1025)).param.as_deref(), Some("functions[1024]"));
}

#[test]
fn extras_without_end_cost_their_length_and_no_more() {
    // Compared with each other, a hundred thousand of them would take minutes.
    let list: Vec<_> = (0..100_000).map(|at| format!("\"m{at}\"")).collect();
    let ask = asked(CHAT, &body(CHAT, &format!(r#""modalities":[{}]"#, list.join(","))));
    assert_eq!(ask.extras.len(), 8);
}

#[test]
fn namespaces_do_not_nest() {
    let inner = r#"{"type":"namespace","name":"b","tools":[{"type":"function","name":"f"}]}"#;
    let more = format!(r#""tools":[{{"type":"namespace","name":"a","tools":[{inner}]}}]"#);
    let error = refused(RESPONSES, &body(RESPONSES, &more));
    assert_eq!(error.param.as_deref(), Some("tools[0].tools[0]"));
}

#[test]
fn the_strict_check_comes_first() {
    let error = refused(CHAT, r#"{"model":"m","messages":[{"role":"user","role":"user"}]}"#);
    assert!(error.message.contains("comes twice"), "{error}");
    assert!(error.param.is_none() && error.offset.is_some());
}
