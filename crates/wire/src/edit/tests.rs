use super::*;
use crate::{Destination, Endpoint, read};

fn edited(endpoint: Endpoint, body: &str, edits: &Edits<'_>) -> String {
    let bytes = Bytes::from(body.to_owned());
    let ask = read(endpoint, &bytes).unwrap_or_else(|error| panic!("{body}: {error}"));
    String::from_utf8(edit(&bytes, &ask, edits).to_vec()).unwrap()
}

fn chat(more: &str) -> String {
    format!(r#"{{ "model" : "m","messages":[{{"role":"user"}}]{more}}}"#)
}

fn cap(at_most: u64, write: Option<CapField>) -> Edits<'static> {
    let cap = CapEdit { at_most: Tokens::new(at_most), write };
    Edits { cap: Some(cap), ..Edits::default() }
}

#[test]
fn without_edits_the_very_same_bytes_come_back() {
    let body = Bytes::from(chat(r#","max_tokens":5,"stream":true"#));
    let ask = read(Endpoint::ChatCompletions, &body).unwrap();
    let nothing = [
        Edits::default(),
        Edits { model: Some("m"), ..Edits::default() },
        Edits { drop_tools: vec![7], ..Edits::default() },
        cap(5, Some(CapField::MaxTokens)),
    ];
    for edits in nothing {
        assert_eq!(edit(&body, &ask, &edits).as_ptr(), body.as_ptr(), "{edits:?}");
    }
}

#[test]
fn a_model_is_replaced_where_it_stands_and_escaped() {
    let name = "a/\"b\"\\\u{1}é";
    let edits = Edits { model: Some(name), ..Edits::default() };
    let body = edited(Endpoint::ChatCompletions, &chat(""), &edits);
    assert_eq!(body, chat("").replace("\"m\"", r#""a/\"b\"\\\u0001é""#));
    let ask = read(Endpoint::ChatCompletions, body.as_bytes()).unwrap();
    assert_eq!(ask.model, name);
}

#[test]
fn a_moderation_without_a_model_gets_one() {
    let edits = Edits { model: Some("x"), ..Edits::default() };
    let table = [
        (r#"{"input":"a"}"#, r#"{"model":"x","input":"a"}"#),
        (r#" {"input":"a","model":null}"#, r#" {"input":"a","model":"x"}"#),
    ];
    for (body, expected) in table {
        assert_eq!(edited(Endpoint::Moderations, body, &edits), expected);
    }
}

#[test]
fn every_cap_present_is_lowered_and_none_is_raised() {
    use CapField::{MaxCompletionTokens as New, MaxOutputTokens, MaxTokens as Old};
    let table = [
        (r#","max_tokens": 500 "#, 100, None, r#","max_tokens": 100 "#),
        (r#","max_tokens":50"#, 100, Some(New), r#","max_tokens":50"#),
        (
            r#","max_tokens":500,"max_completion_tokens":50"#,
            100,
            Some(New),
            r#","max_tokens":100,"max_completion_tokens":50"#,
        ),
        (
            r#","max_tokens":500,"max_completion_tokens":600"#,
            100,
            Some(Old),
            r#","max_tokens":100,"max_completion_tokens":100"#,
        ),
        (r#","max_tokens":null"#, 100, Some(Old), r#","max_tokens":100"#),
        (
            r#","max_tokens":null,"max_completion_tokens":7"#,
            100,
            Some(Old),
            r#","max_tokens":7,"max_completion_tokens":7"#,
        ),
        (r#","max_tokens":null"#, 100, None, r#","max_tokens":null"#),
    ];
    for (before, at_most, write, after) in table {
        let body = edited(Endpoint::ChatCompletions, &chat(before), &cap(at_most, write));
        assert_eq!(body, chat(after), "{before}");
    }
    let body = edited(Endpoint::ChatCompletions, &chat(""), &cap(9, Some(New)));
    assert_eq!(body, chat("").replacen('{', "{\"max_completion_tokens\":9,", 1));
    let body =
        edited(Endpoint::ChatCompletions, &chat(r#","max_tokens":null"#), &cap(9, Some(New)));
    let expected = chat(r#","max_tokens":null"#).replacen('{', "{\"max_completion_tokens\":9,", 1);
    assert_eq!(body, expected);
    // A server that speaks the protocol need not know the newer name.
    let newer = r#","max_completion_tokens":7"#;
    let body = edited(Endpoint::ChatCompletions, &chat(newer), &cap(9, Some(Old)));
    assert_eq!(body, chat(newer).replacen('{', "{\"max_tokens\":7,", 1));
    let responses = r#"{"input":"x","model":"m"}"#;
    let body = edited(Endpoint::Responses, responses, &cap(9, Some(MaxOutputTokens)));
    assert_eq!(body, r#"{"max_output_tokens":9,"input":"x","model":"m"}"#);
}

#[test]
fn usage_is_asked_for_in_whatever_way_the_options_are_written() {
    let edits = Edits { ask_usage: true, ..Edits::default() };
    let table = [
        (r#","stream_options":null"#, r#","stream_options":{"include_usage":true}"#),
        (r#","stream_options":{ }"#, r#","stream_options":{"include_usage":true }"#),
        (r#","stream_options":{"a":1}"#, r#","stream_options":{"include_usage":true,"a":1}"#),
        (
            r#","stream_options":{"a":1,"include_usage" : false}"#,
            r#","stream_options":{"a":1,"include_usage" : true}"#,
        ),
        (
            r#","stream_options":{"include_usage":null}"#,
            r#","stream_options":{"include_usage":true}"#,
        ),
        (
            r#","stream_options":{"include_usage":true}"#,
            r#","stream_options":{"include_usage":true}"#,
        ),
    ];
    for (before, after) in table {
        let (before, after) = (
            chat(&format!(r#","stream":true{before}"#)),
            chat(&format!(r#","stream":true{after}"#)),
        );
        assert_eq!(edited(Endpoint::ChatCompletions, &before, &edits), after);
        let still = before.replace("true", "false");
        assert_eq!(edited(Endpoint::ChatCompletions, &still, &edits), still, "not streamed");
    }
    let streamed = chat(r#","stream":true"#);
    let expected = streamed.replacen('{', r#"{"stream_options":{"include_usage":true},"#, 1);
    assert_eq!(edited(Endpoint::ChatCompletions, &streamed, &edits), expected);
    let responses = r#"{"input":"x","model":"m","stream":true}"#;
    assert_eq!(edited(Endpoint::Responses, responses, &edits), responses);
}

fn function(name: &str) -> String {
    format!(r#"{{"type":"function","function":{{"name":"{name}"}}}}"#)
}

#[test]
fn tools_leave_with_one_comma_each() {
    let [a, b, c] = ["a", "b", "c"].map(function);
    let tools = format!(r#","tools":[ {a} , {b} ,{c} ],"tool_choice":"auto""#);
    let table = [
        (vec![0], format!("[ {b} ,{c} ]")),
        (vec![1], format!("[ {a} ,{c} ]")),
        (vec![2], format!("[ {a} , {b} ]")),
        (vec![0, 1], format!("[ {c} ]")),
        (vec![2, 0], format!("[ {b} ]")),
        (vec![1, 2, 1], format!("[ {a} ]")),
    ];
    for (drop_tools, left) in table {
        let edits = Edits { drop_tools, ..Edits::default() };
        let body = edited(Endpoint::ChatCompletions, &chat(&tools), &edits);
        assert_eq!(body, chat(&format!(r#","tools":{left},"tool_choice":"auto""#)), "{edits:?}");
    }
}

#[test]
fn an_emptied_list_goes_whole_with_the_fields_that_choose_from_it() {
    let (a, b) = (function("a"), function("b"));
    let edits = Edits { drop_tools: vec![0, 1], ..Edits::default() };
    let table = [
        format!(r#","tools":[{a},{b}]"#),
        format!(r#","tool_choice":"auto","tools":[{a},{b}] ,"parallel_tool_calls":true"#),
    ];
    for tools in table {
        let body = edited(Endpoint::ChatCompletions, &chat(&tools), &edits);
        assert_eq!(body, chat(""), "{tools}");
    }
    let first = format!(r#"{{"tools":[{a},{b}], "model":"m","messages":[{{"role":"user"}}]}}"#);
    let body = edited(Endpoint::ChatCompletions, &first, &edits);
    assert_eq!(body, r#"{"model":"m","messages":[{"role":"user"}]}"#);

    let old =
        r#","functions":[{"name":"o"}],"function_call":"auto","tool_choice":"none","tools":["#;
    let both = format!("{old}{a}]");
    let edits = Edits { drop_tools: vec![0], ..Edits::default() };
    let body = edited(Endpoint::ChatCompletions, &chat(&both), &edits);
    assert_eq!(body, chat(&format!(r#","tool_choice":"none","tools":[{a}]"#)));
}

#[test]
fn a_choice_goes_with_the_tool_of_its_own_kind() {
    let server = r#"{"type":"mcp","server_label":"search","server_url":"https://x"}"#;
    let own = r#"{"type":"function","name":"search"}"#;
    let picked = r#"{"type":"mcp","server_label":"search"}"#;
    let body = |tools: &str, choice: &str| {
        format!(r#"{{"model":"m","input":"x","tools":[{tools}]{choice}}}"#)
    };
    let both = format!("{server},{own}");
    let choice = |choice: &str| format!(r#","tool_choice":{choice}"#);
    let among = |tools: &str| choice(&format!(r#"{{"type":"allowed_tools","tools":[{tools}]}}"#));
    let table = [
        (choice(picked), String::new()),
        (choice(own), choice(own)),
        (among(&format!("{picked},{own}")), among(own)),
        (among(picked), String::new()),
        (choice(r#"{"type":"function","name":"search","server_label":"search"}"#), String::new()),
    ];
    let edits = Edits { drop_tools: vec![0], ..Edits::default() };
    for (before, after) in table {
        let edited = edited(Endpoint::Responses, &body(&both, &before), &edits);
        assert_eq!(edited, body(own, &after), "{before}");
    }
}

#[test]
fn an_item_that_brings_nothing_any_more_goes() {
    let tool = r#"{"type":"function","name":"a"}"#;
    let brings = |kind: &str, tools: &str| format!(r#"{{"type":"{kind}","tools":[{tools}]}}"#);
    let (late, found) = (brings("additional_tools", tool), brings("tool_search_output", tool));
    let said = r#"{"role":"user","content":"x"}"#;
    let body = |items: &[&str]| format!(r#"{{"model":"m","input":[{}]}}"#, items.join(","));
    let table = [
        (vec![said, &*late], body(&[said])),
        (vec![&*late, said, &*late], body(&[said])),
        (vec![&*found, &*late], body(&[&brings("tool_search_output", "")])),
        (vec![&*late], body(&[&brings("additional_tools", "")])),
    ];
    let edits = Edits { drop_tools: vec![0, 1], ..Edits::default() };
    for (items, left) in table {
        assert_eq!(edited(Endpoint::Responses, &body(&items), &edits), left, "{items:?}");
    }
}

#[test]
fn a_choice_of_a_tool_that_is_gone_goes_with_it() {
    let named = |name: &str| function(name);
    let (a, b) = (function("a"), function("b"));
    let allowed = |tools: &str| {
        let mode = format!(r#"{{"mode":"auto","tools":[{tools}]}}"#);
        format!(r#","tool_choice":{{"type":"allowed_tools","allowed_tools":{mode}}}"#)
    };
    let chosen = |choice: &str| format!(r#","tool_choice":{choice}"#);
    let table = [
        (chosen(&named("a")), String::new()),
        (chosen(&named("b")), chosen(&named("b"))),
        (chosen(r#""required""#), chosen(r#""required""#)),
        (allowed(&format!("{a} , {b}")), allowed(&b)),
        (allowed(&a), String::new()),
        (allowed(&b), allowed(&b)),
    ];
    let edits = Edits { drop_tools: vec![0], ..Edits::default() };
    for (before, after) in table {
        let body = chat(&format!(r#","tools":[{a},{b}]{before}"#));
        let expected = chat(&format!(r#","tools":[{b}]{after}"#));
        assert_eq!(edited(Endpoint::ChatCompletions, &body, &edits), expected, "{before}");
    }
    let old = |choice: &str| chat(&format!(r#","functions":[{{"name":"o"}}{choice}"#));
    let body = old(r#",{"name":"p"}],"function_call":{"name":"p"}"#);
    let edits = Edits { drop_tools: vec![1], ..Edits::default() };
    assert_eq!(edited(Endpoint::ChatCompletions, &body, &edits), old("]"));
}

#[test]
fn a_choice_on_responses_is_by_name_by_server_or_by_kind() {
    let f = r#"{"type":"function","name":"f"}"#;
    let mcp = r#"{"type":"mcp","server_label":"files","server_url":"https://a"}"#;
    let search = r#"{"type":"web_search"}"#;
    let body = |choice: &str| {
        let choice =
            if choice.is_empty() { String::new() } else { format!(r#","tool_choice":{choice}"#) };
        format!(r#"{{"model":"m","input":"x","tools":[{f},{mcp},{search}]{choice}}}"#)
    };
    let table = [
        (0, r#"{"type":"function","name":"f"}"#),
        (1, r#"{"type":"mcp","server_label":"files","name":"read"}"#),
        (2, r#"{"type":"web_search"}"#),
    ];
    for (gone, _) in table {
        for (picked, choice) in table {
            let edits = Edits { drop_tools: vec![gone], ..Edits::default() };
            let after = edited(Endpoint::Responses, &body(choice), &edits);
            assert_eq!(after.contains("tool_choice"), gone != picked, "{gone} {choice}: {after}");
        }
    }
}

#[test]
fn tools_inside_namespaces_and_items_are_reached() {
    let body = |tools: &str, late: &str| {
        let input = format!(r#"[{{"type":"additional_tools","tools":[{late}]}}]"#);
        format!(r#"{{"model":"m","input":{input}{tools},"tool_choice":"auto"}}"#)
    };
    let f = |name: &str| format!(r#"{{"type":"function","name":"{name}"}}"#);
    let space = |inner: &str| format!(r#"{{"type":"namespace","name":"n","tools":[{inner}]}}"#);
    let (a, b, c, late) = (f("a"), f("b"), f("c"), f("late"));
    let whole = format!(r#","tools":[{},{c}]"#, space(&format!("{a},{b}")));
    let before = body(&whole, &late);
    // In the order of the body: late, a, b, c.
    let table = [
        (vec![1], body(&format!(r#","tools":[{},{c}]"#, space(&b)), &late)),
        (vec![1, 2], body(&format!(r#","tools":[{c}]"#), &late)),
        (vec![0], body(&whole, "")),
        (vec![3], body(&format!(r#","tools":[{}]"#, space(&format!("{a},{b}"))), &late)),
    ];
    for (drop_tools, after) in table {
        let edits = Edits { drop_tools, ..Edits::default() };
        assert_eq!(edited(Endpoint::Responses, &before, &edits), after, "{edits:?}");
    }
    let edits = Edits { drop_tools: vec![0, 1, 2, 3], ..Edits::default() };
    let nothing = body("", "").replace(r#","tool_choice":"auto""#, "");
    assert_eq!(edited(Endpoint::Responses, &before, &edits), nothing);
}

#[test]
fn all_edits_at_once() {
    let tools = format!(r#"{{"tools":[{}],"#, function("a"));
    let body = chat(r#","stream":true"#).replacen('{', &tools, 1);
    let edits = Edits {
        drop_tools: vec![0],
        ask_usage: true,
        model: Some("x"),
        ..cap(3, Some(CapField::MaxTokens))
    };
    let after = edited(Endpoint::ChatCompletions, &body, &edits);
    let inserted = r#"{"max_tokens":3,"stream_options":{"include_usage":true},"#;
    let expected = chat(r#","stream":true"#).replace("\"m\"", "\"x\"").replacen("{ ", inserted, 1);
    assert_eq!(after, expected);
}

fn message(more: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":5000,"messages":[{{"role":"user"}}]{more}}}"#)
}

#[test]
fn anthropics_tools_and_servers_go_with_the_choice_of_them() {
    let body = |tools: &str, rest: &str| message(&format!(r#","tools":[{tools}]{rest}"#));
    let (find, search) =
        (r#"{"name":"find"}"#, r#"{"type":"web_search_20250305","name":"web_search"}"#);
    let both = format!("{find},{search}");
    let choice = r#","tool_choice":{"type":"tool","name":"web_search"}"#;
    let servers = r#","mcp_servers":[{"type":"url","name":"a"}]"#;
    let edit = |drop_tools: &[usize], body: &str| {
        let edits = Edits { drop_tools: drop_tools.to_vec(), ..Edits::default() };
        edited(Endpoint::Messages, body, &edits)
    };
    assert_eq!(edit(&[1], &body(&both, choice)), body(find, ""));
    assert_eq!(edit(&[0], &body(&both, choice)), body(search, choice));
    assert_eq!(edit(&[0, 1, 2], &body(&both, &format!("{choice}{servers}"))), message(""));
    assert_eq!(edit(&[2], &body(&both, servers)), body(&both, ""));
}

#[test]
fn without_tools_the_choice_is_none_whatever_it_was() {
    let edits = Edits { no_tools: true, ..Edits::default() };
    let f = function("f");
    let chat_with = |more: &str| chat(&format!(r#","tools":[{f}]{more}"#));
    let after = edited(Endpoint::ChatCompletions, &chat_with(""), &edits);
    assert_eq!(after, chat_with("").replacen('{', r#"{"tool_choice":"none","#, 1));
    for choice in [r#""required""#, "null", r#"{"type":"function","function":{"name":"f"}}"#] {
        let before = chat_with(&format!(r#","tool_choice":{choice}"#));
        let after = edited(Endpoint::ChatCompletions, &before, &edits);
        assert_eq!(after, chat_with(r#","tool_choice":"none""#));
    }
    let legacy = chat(r#","functions":[{"name":"f"}],"function_call":{"name":"f"}"#);
    let after = edited(Endpoint::ChatCompletions, &legacy, &edits);
    assert_eq!(after, chat(r#","functions":[{"name":"f"}],"function_call":"none""#));
    let message_with = |more: &str| message(&format!(r#","tools":[{{"name":"f"}}]{more}"#));
    let after =
        edited(Endpoint::Messages, &message_with(r#","tool_choice":{"type":"any"}"#), &edits);
    assert_eq!(after, message_with(r#","tool_choice":{"type":"none"}"#));
    let after = edited(Endpoint::Messages, &message_with(""), &edits);
    assert_eq!(after, message_with("").replacen('{', r#"{"tool_choice":{"type":"none"},"#, 1));
    let responses = r#"{"model":"m","input":"x","tools":[{"type":"web_search"}]}"#;
    let after = edited(Endpoint::Responses, responses, &edits);
    assert_eq!(after, responses.replacen('{', r#"{"tool_choice":"none","#, 1));
}

#[test]
fn what_no_choice_keeps_from_being_used_goes() {
    let edits = Edits { no_tools: true, ..Edits::default() };
    let searching = chat(r#","web_search_options":{}"#);
    assert_eq!(edited(Endpoint::ChatCompletions, &searching, &edits), chat(""));
    let served = message(r#","mcp_servers":[{"name":"a"}]"#);
    assert_eq!(edited(Endpoint::Messages, &served, &edits), message(""));
    for plain in [chat(""), chat(r#","tool_choice":"auto""#)] {
        assert_eq!(edited(Endpoint::ChatCompletions, &plain, &edits), plain);
    }
    let both = Edits { no_tools: true, drop_tools: vec![0], ..Edits::default() };
    let two =
        message(r#","tools":[{"name":"f"},{"name":"g"}],"tool_choice":{"type":"tool","name":"f"}"#);
    let one = message(r#","tools":[{"name":"g"}],"tool_choice":{"type":"none"}"#);
    assert_eq!(edited(Endpoint::Messages, &two, &both), one);
}

#[test]
fn a_budget_for_thinking_stays_below_the_cap() {
    let body = |cap: u64, thinking: &str| {
        message(&format!(r#","thinking":{thinking}"#)).replace(":5000", &format!(":{cap}"))
    };
    let budget = |tokens: u64| format!(r#"{{"type":"enabled","budget_tokens":{tokens}}}"#);
    let table = [
        (4000, budget(3999), budget(3000)),
        (3000, budget(2999), budget(3000)),
        (1000, r#"{"type":"disabled"}"#.to_owned(), budget(3000)),
        (5000, budget(3000), budget(3000)),
    ];
    for (at_most, after, before) in table {
        let expected = body(at_most, if at_most == 4000 { &before } else { &after });
        let after = edited(
            Endpoint::Messages,
            &body(5000, &before),
            &cap(at_most, Some(CapField::MaxTokens)),
        );
        assert_eq!(after, expected, "{at_most}");
    }
}

#[test]
fn a_model_that_only_the_path_named_is_written_into_the_body() {
    let to = |model: &str| Destination {
        model: Some(model.to_owned()),
        ..Endpoint::ChatCompletions.into()
    };
    let nameless = Bytes::from(r#"{"messages":[{"role":"user"}]}"#);
    let written = |model| {
        let ask = read(to("m"), &nameless).unwrap();
        let edits = Edits { model, ..Edits::default() };
        String::from_utf8(edit(&nameless, &ask, &edits).to_vec()).unwrap()
    };
    assert_eq!(written(None), r#"{"model":"m","messages":[{"role":"user"}]}"#);
    assert_eq!(written(Some("real")), r#"{"model":"real","messages":[{"role":"user"}]}"#);
    let named = Bytes::from(chat(""));
    let ask = read(to("m"), &named).unwrap();
    assert_eq!(edit(&named, &ask, &Edits::default()), named, "it is there already");
    assert!(read(to("other"), &named).is_err(), "path and body name two models");
}

#[test]
fn coheres_choice_is_a_word_in_capitals_and_its_budget_stays_below_the_cap() {
    let chat = |more: &str| format!(r#"{{"model":"m","messages":[{{"role":"user"}}]{more}}}"#);
    let tools = r#","tools":[{"type":"function","function":{"name":"f"}}]"#;
    let no_tools = Edits { no_tools: true, ..Edits::default() };
    let chosen = chat(&format!(r#"{tools},"tool_choice":"REQUIRED""#));
    let expected = chat(&format!(r#"{tools},"tool_choice":"NONE""#));
    assert_eq!(edited(Endpoint::Chat, &chosen, &no_tools), expected);
    let drop = Edits { drop_tools: vec![0], ..Edits::default() };
    assert_eq!(edited(Endpoint::Chat, &chosen, &drop), chat(""));
    let thinking = r#","max_tokens":50,"thinking":{"type":"enabled","token_budget":40}"#;
    let table = [
        (30, r#","max_tokens":30,"thinking":{"type":"enabled","token_budget":29}"#),
        (45, r#","max_tokens":45,"thinking":{"type":"enabled","token_budget":40}"#),
        (1, r#","max_tokens":1,"thinking":{"type":"disabled"}"#),
    ];
    for (most, after) in table {
        let edits = cap(most, Some(CapField::MaxTokens));
        assert_eq!(edited(Endpoint::Chat, &chat(thinking), &edits), chat(after), "{most}");
    }
    let streamed = chat(r#","stream":true"#);
    let usage = Edits { ask_usage: true, ..Edits::default() };
    assert_eq!(edited(Endpoint::Chat, &streamed, &usage), streamed, "it is told unasked");
}
