use tollgate_units::{Searches, Tokens};

use crate::{
    Ask, Billed, CapField, Endpoint, Extra, Malformed, MalformedKind, Tap, ToolList, Usage,
    answer_text, read, searches_of, text, tool_calls_of, usage_of,
};

const CHAT: Endpoint = Endpoint::Chat;
const EMBED: Endpoint = Endpoint::Embed;
const RERANK: Endpoint = Endpoint::Rerank;

/// A whole chat: the least it needs, and `more` members.
fn chat(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"model":"command-a","messages":[{{"role":"user","content":"hi"}}]{comma}{more}}}"#)
}

fn asked(endpoint: Endpoint, body: &str) -> Ask {
    read(endpoint, body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn refused(endpoint: Endpoint, body: &str) -> Malformed {
    match read(endpoint, body.as_bytes()) {
        Ok(_) => panic!("{body}: was read"),
        Err(error) => error,
    }
}

fn texts(body: &str, ask: &Ask) -> Vec<String> {
    ask.prompt.texts.iter().map(|place| text(body.as_bytes(), *place).into_owned()).collect()
}

fn opaque(body: &str, ask: &Ask) -> Vec<String> {
    ask.prompt.opaque.iter().map(|place| text(body.as_bytes(), *place).into_owned()).collect()
}

#[test]
fn the_least_chat_is_read() {
    let body = chat("");
    let ask = asked(CHAT, &body);
    assert_eq!(
        (ask.model.as_str(), ask.stream, ask.answers, ask.cap),
        ("command-a", false, 1, None)
    );
    assert_eq!(ask.model_place.of(body.as_bytes()), b"\"command-a\"");
    assert_eq!(texts(&body, &ask), ["hi", "user"]);
    assert!(asked(CHAT, &chat(r#""stream":true"#)).stream);
    assert!(!asked(EMBED, r#"{"model":"m","texts":["a"],"stream":true}"#).stream);
}

#[test]
fn everything_that_is_said_is_counted_and_nothing_else() {
    let body = r#"{"model":"m","messages":[
        {"role":"system","content":"Be brief."},
        {"role":"user","content":[{"type":"text","text":"one"},
            {"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}}]},
        {"role":"assistant","tool_plan":"plan","tool_calls":[
            {"id":"1","type":"function","function":{"name":"find","arguments":"{\"q\":1}"}}]},
        {"role":"tool","tool_call_id":"1","content":[
            {"type":"document","document":{"id":"d","data":{"snippet":"found"}}}]}],
        "documents":["plain",{"id":"2","data":{"title":"t"}}],
        "citation_options":{"mode":"FAST"},"safety_mode":"STRICT","stop_sequences":["x"]}"#;
    let ask = asked(CHAT, body);
    let mut found = texts(body, &ask);
    found.sort();
    let expected = [
        "Be brief.",
        "assistant",
        "find",
        "one",
        "plain",
        "plan",
        "system",
        "tool",
        "user",
        "{\"q\":1}",
    ];
    assert_eq!(found, expected);
    assert_eq!(
        opaque(body, &ask),
        [r#"{"id":"d","data":{"snippet":"found"}}"#, r#"{"id":"2","data":{"title":"t"}}"#]
    );
    assert_eq!((ask.prompt.messages, ask.prompt.images.len()), (4, 1));
}

#[test]
fn caps_and_budgets_are_whole_numbers() {
    let ask =
        asked(CHAT, &chat(r#""max_tokens":50,"thinking":{"type":"enabled","token_budget":9}"#));
    assert_eq!((ask.cap, ask.caps[0].field), (Some(Tokens::new(50)), CapField::MaxTokens));
    let wrong = [
        r#""max_tokens":0"#,
        r#""max_tokens":1e3"#,
        r#""max_tokens":"9""#,
        r#""MAX_TOKENS":9"#,
        r#""thinking":{"type":"enabled","token_budget":-1}"#,
        r#""thinking":{"Token_Budget":5}"#,
        r#""thinking":[]"#,
        r#""stream":1"#,
        r#""documents":{}"#,
        r#""documents":[1]"#,
        r#""tool_choice":7"#,
        r#""tools":{}"#,
    ];
    for more in wrong {
        assert_eq!(refused(CHAT, &chat(more)).kind, MalformedKind::Invalid, "{more}");
    }
    for more in [r#""max_output_tokens":9"#, r#""max_completion_tokens":9"#, r#""models":["a"]"#] {
        assert_eq!(refused(CHAT, &chat(more)).kind, MalformedKind::Unsupported, "{more}");
    }
    assert!(asked(EMBED, r#"{"model":"m","texts":["a"],"max_tokens":512}"#).caps.is_empty());
}

#[test]
fn every_tool_is_reported_and_a_word_chooses_none() {
    let body = chat(
        r#""tools":[{"type":"function","function":{"name":"find","description":"d",
            "parameters":{"type":"object","properties":{"q":{"type":"string"}}}}},
            {"type":"web_search"}],"tool_choice":"REQUIRED","connectors":[{"id":"web-search"}]"#,
    );
    let ask = asked(CHAT, &body);
    let tools: Vec<_> =
        ask.tools.iter().map(|it| (it.list, &*it.kind, it.name.as_deref())).collect();
    let expected = [
        (ToolList::Tools, "function", Some("find")),
        (ToolList::Tools, "web_search", None),
        (ToolList::Field, "connectors", None),
    ];
    assert_eq!(tools, expected);
    assert!(ask.chosen.is_empty(), "{:?}", ask.chosen);
    assert_eq!(ask.prompt.functions.len(), 1);
    let hosted = |kind: &str| Extra::HostedTool(kind.to_owned());
    assert_eq!(ask.extras, [hosted("web_search"), hosted("connectors")]);
}

#[test]
fn all_that_is_embedded_is_input() {
    let table: [(&str, &[&str], usize); 4] = [
        (r#""texts":["a","b"]"#, &["a", "b"], 0),
        (r#""images":["data:image/png;base64,AAAA"]"#, &[], 1),
        (r#""inputs":[{"content":[{"type":"text","text":"a"}]}]"#, &["a"], 0),
        (r#""inputs":[{"content":[{"type":"image_url","image_url":{"url":"data:,"}}]}]"#, &[], 1),
    ];
    for (input, expected, images) in table {
        let body = format!(r#"{{"model":"m","input_type":"search_document",{input}}}"#);
        let ask = asked(EMBED, &body);
        assert_eq!(texts(&body, &ask), expected, "{body}");
        assert_eq!(ask.prompt.images.len(), images, "{body}");
        let priced_apart = ask.extras == [Extra::Modality("image".to_owned())];
        assert_eq!(priced_apart, images > 0, "{body}");
        assert_eq!((ask.answers, opaque(&body, &ask).len()), (1, 0), "{body}");
    }
    let wrong = [
        "",
        r#","texts":[]"#,
        r#","texts":"a""#,
        r#","texts":[""]"#,
        r#","images":[1]"#,
        r#","inputs":[{}]"#,
        r#","inputs":[{"content":[]}]"#,
        r#","TEXTS":["a"]"#,
    ];
    for more in wrong {
        refused(EMBED, &format!(r#"{{"model":"m"{more}}}"#));
    }
}

#[test]
fn all_that_is_ranked_is_input_and_paid_by_the_search() {
    let body = r#"{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1}"#;
    let ask = asked(RERANK, body);
    assert_eq!(
        (texts(body, &ask), opaque(body, &ask)),
        (vec!["q".to_owned(), "a".to_owned()], vec![r#"{"text":"b"}"#.to_owned()],)
    );
    assert_eq!((ask.extras.as_slice(), ask.searches), (&[][..], Some(Searches::new(1))));
    assert_eq!(asked(CHAT, &chat("")).searches, None);
    for body in [
        r#"{"model":"m","query":"q"}"#,
        r#"{"model":"m","query":"q","documents":[]}"#,
        r#"{"model":"m","query":"","documents":["a"]}"#,
        r#"{"model":"m","query":"q","documents":[1]}"#,
        r#"{"model":"m","query":"q","documents":["a"],"max_tokens_per_doc":"9"}"#,
        r#"{"model":"m","query":"q","documents":["a"],"Max_Tokens_Per_Doc":9}"#,
    ] {
        refused(RERANK, body);
    }
}

#[test]
fn the_searches_of_a_ranking_are_bounded_by_its_bytes_in_whatever_order_it_is_written() {
    let texts = vec![format!("\"{}\"", "a".repeat(5000)); 100].join(",");
    let objects = vec![format!(r#"{{"text":"{}"}}"#, "a".repeat(300)); 100].join(",");
    for (members, most) in [
        (format!(r#""documents":[{texts}],"query":"q""#), 9),
        (format!(r#""query":"q","documents":[{texts}]"#), 9),
        (format!(r#""documents":[{texts}],"max_tokens_per_doc":400,"query":"q""#), 1),
        (format!(r#""documents":[{texts}],"max_tokens_per_doc":null,"query":"q""#), 9),
        (format!(r#""documents":[{objects}],"query":"q""#), 2),
    ] {
        let ask = asked(RERANK, &format!(r#"{{"model":"m",{members}}}"#));
        let begins: String = members.chars().take(20).collect();
        assert_eq!(ask.searches, Some(Searches::new(most)), "{begins}");
    }
}

#[test]
fn the_searches_that_are_billed_are_found_where_something_is_ranked() {
    let said = r#"{"results":[],"meta":{"billed_units":{"search_units":3.0}}}"#;
    assert_eq!(searches_of(RERANK, said.as_bytes()), Some(Searches::new(3)));
    assert_eq!(searches_of(EMBED, said.as_bytes()), None);
    let beyond = r#"{"billed_units":{"search_units":1000000000}}"#;
    let half = r#"{"billed_units":{"search_units":1.5}}"#;
    for meta in ["null", "{}", half, beyond, r#"{"billed_units":1}"#] {
        let body = format!(r#"{{"results":[],"meta":{meta}}}"#);
        assert_eq!(searches_of(RERANK, body.as_bytes()), None, "{body}");
    }
}

#[test]
fn limits_count_tokens_and_money_what_is_billed() {
    let billed = |input, output| {
        Some(Billed::Tokens { input: Tokens::new(input), output: Tokens::new(output) })
    };
    let used = |input, output, billed| {
        let (input, output) = (Tokens::new(input), Tokens::new(output));
        Some(Usage { input, output, billed, ..Usage::default() })
    };
    let table = [
        (
            CHAT,
            r#"{"usage":{"billed_units":{"input_tokens":5,"output_tokens":26},
                "tokens":{"input_tokens":71.0,"output_tokens":26}}}"#,
            used(71, 26, billed(5, 26)),
        ),
        (CHAT, r#"{"usage":{"tokens":{"input_tokens":7,"output_tokens":2}}}"#, used(7, 2, None)),
        (EMBED, r#"{"meta":{"billed_units":{"input_tokens":9}}}"#, used(9, 0, billed(9, 0))),
        (RERANK, r#"{"meta":{"billed_units":{"search_units":1}}}"#, None),
        (CHAT, r#"{"usage":{"tokens":{"input_tokens":-1,"output_tokens":1.5}}}"#, None),
        (CHAT, r#"{"usage":null}"#, None),
        (CHAT, "{}", None),
    ];
    for (endpoint, body, expected) in table {
        assert_eq!(usage_of(endpoint, body.as_bytes()), expected, "{body}");
    }
    let cached = r#"{"usage":{"tokens":{"input_tokens":7},"cached_tokens":9}}"#;
    let usage = usage_of(CHAT, cached.as_bytes()).unwrap();
    assert_eq!(usage.cached_input, Tokens::new(7), "no more than there was");
}

const CALLED: &str = r#"{"message":{"role":"assistant","tool_plan":"I look.","tool_calls":[
    {"id":"1","type":"function","function":{"name":"find","arguments":"{\"q\": 1}"}}]}}"#;

#[test]
fn the_text_and_the_calls_of_a_whole_answer_are_found() {
    assert_eq!(answer_text(CHAT, CALLED.as_bytes()), "I look.find{\"q\": 1}");
    let said = r#"{"message":{"content":[{"type":"thinking","thinking":"hm"},
        {"type":"text","text":"yes"}]}}"#;
    assert_eq!(answer_text(CHAT, said.as_bytes()), "hmyes");
    let calls = tool_calls_of(CHAT, CALLED.as_bytes());
    assert_eq!((calls.count, &*calls.kept[0].name), (1, "find"));
    assert_eq!(tool_calls_of(CHAT, said.as_bytes()).count, 0);
}

#[test]
fn a_streamed_chat_calls_the_same_tools_as_a_whole_one() {
    let events = [
        r#"{"type":"message-start","delta":{"message":{"content":[],"tool_calls":[]}}}"#,
        r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I look."}}}"#,
        r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"1",
            "type":"function","function":{"name":"find","arguments":""}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,
            "delta":{"message":{"tool_calls":{"function":{"arguments":"{\"q\":"}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,
            "delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}}"#,
        r#"{"type":"tool-call-end","index":0}"#,
    ];
    let tally = tapped(&events);
    assert_eq!(tally.tool_calls(), tool_calls_of(CHAT, CALLED.as_bytes()));
    let mut tally = tally;
    assert_eq!(tally.take_text(), "I look.find{\"q\":1}");
    assert!(!tally.done && tally.usage.is_none());
}

#[test]
fn a_chat_is_over_at_its_end_and_broken_where_the_end_says_so() {
    let end = |reason: &str| format!(r#"{{"type":"message-end","delta":{{{reason}}}}}"#);
    let table = [
        (end(r#""finish_reason":"COMPLETE""#), false),
        (end(r#""finish_reason":"ERROR","error":"out of memory""#), true),
        (end(r#""finish_reason":"COMPLETE","error":null"#), false),
        (end(r#""finish_reason":"TIMEOUT""#), true),
    ];
    for (event, failed) in table {
        let tally = tapped(&[&event]);
        assert_eq!((tally.done, tally.failed), (true, failed), "{event}");
    }
}

/// The tally of a stream of these events, told without names.
fn tapped(events: &[&str]) -> crate::Tally {
    let (mut tap, mut out) = (Tap::new(CHAT, false), std::collections::VecDeque::new());
    for event in events {
        let event = event.replace('\n', " ");
        tap.push(format!("data: {event}\n\n").into(), &mut out);
    }
    tap.into_tally()
}
