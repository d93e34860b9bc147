use tollgate_units::Tokens;

use crate::{
    Ask, CapField, Destination, Endpoint, Extra, Malformed, MalformedKind, Stored, StoredKind, Tap,
    ToolList, answer_text, is_whole, read, text, tool_calls_of, usage_of,
};

const GENERATE: Endpoint = Endpoint::GenerateContent;
const STREAM: Endpoint = Endpoint::StreamGenerateContent;
const COUNT: Endpoint = Endpoint::CountContent;

/// A whole body: the least it needs, and `more` members.
fn body(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"hi"}}]}}]{comma}{more}}}"#)
}

/// A body whose only content holds `parts`.
fn said(parts: &str) -> String {
    format!(r#"{{"contents":[{{"parts":[{parts}]}}]}}"#)
}

fn to(endpoint: Endpoint) -> Destination {
    Destination { model: Some("gemini-x".to_owned()), ..endpoint.into() }
}

fn asked(body: &str) -> Ask {
    read(to(GENERATE), body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn refused(endpoint: Endpoint, body: &str) -> Malformed {
    match read(to(endpoint), body.as_bytes()) {
        Ok(_) => panic!("{body}: was read"),
        Err(error) => error,
    }
}

fn texts(body: &str, ask: &Ask) -> Vec<String> {
    ask.prompt.texts.iter().map(|place| text(body.as_bytes(), *place).into_owned()).collect()
}

#[test]
fn the_path_names_the_model_and_says_whether_it_streams() {
    let whole = body("");
    let ask = asked(&whole);
    assert_eq!(
        (ask.model.as_str(), ask.stream, ask.answers, ask.cap),
        ("gemini-x", false, 1, None)
    );
    assert!(ask.model_place.is_empty());
    assert_eq!(texts(&whole, &ask), ["user", "hi"]);
    assert!(read(to(STREAM), whole.as_bytes()).unwrap().stream);
    assert!(!read(to(COUNT), whole.as_bytes()).unwrap().stream);
    for same in [r#""model":"models/gemini-x""#, r#""model":"gemini-x""#, r#""model":null"#] {
        assert_eq!(asked(&body(same)).model, "gemini-x");
    }
    for other in [r#""model":"models/gemini-y""#, r#""model":"""#, r#""Model":"gemini-x""#] {
        assert_eq!(refused(GENERATE, &body(other)).param.unwrap().to_lowercase(), "model");
    }
    let nameless = read(GENERATE, whole.as_bytes());
    assert!(nameless.is_err(), "a path that names no model is none");
}

#[test]
fn what_is_counted_may_be_a_whole_request() {
    let inner = r#"{"generateContentRequest":{"model":"models/gemini-x",
        "contents":[{"parts":[{"text":"hi"}]}],"systemInstruction":{"parts":[{"text":"be"}]}}}"#;
    let ask = read(to(COUNT), inner.as_bytes()).unwrap();
    assert_eq!(texts(inner, &ask), ["hi", "be"]);
    let tool = r#"{"generateContentRequest":{"contents":[{"parts":[]}],"tools":[{"googleSearch":{}},
        {"functionDeclarations":[{"name":"find"}]}]}}"#;
    let ask = read(to(COUNT), tool.as_bytes()).unwrap();
    assert!(ask.tools.len() == 2 && ask.tools.iter().all(|it| it.list == ToolList::Inside));
    let both = body(r#""generate_content_request":{"contents":[{"parts":[{"text":"x"}]}]}"#);
    assert_eq!(refused(COUNT, &both).kind, MalformedKind::Unsupported);
    let turned = r#"{"generateContentRequest":{"contents":[{"parts":[]}]},"contents":[{}]}"#;
    assert_eq!(refused(COUNT, turned).kind, MalformedKind::Unsupported);
    let nested = r#"{"generateContentRequest":{"generateContentRequest":{}}}"#;
    assert_eq!(refused(COUNT, nested).kind, MalformedKind::Invalid);
}

#[test]
fn everything_that_is_said_is_counted_and_base64_is_no_text() {
    let whole = r#"{"system_instruction":{"parts":[{"text":"Be brief."}]},"contents":[
        {"role":"user","parts":[{"text":"one"},
            {"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAYAAAA"}},
            {"inline_data":{"mime_type":"application/pdf","data":"AAAAAAAAAAAAAAAA"}}]},
        {"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"c2ln"},
            {"functionCall":{"name":"find","args":{"q":"x"}}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"find","response":{"r":1}}}]}],
        "safetySettings":[{"category":"C","threshold":"T"}]}"#;
    let ask = asked(whole);
    let mut found = texts(whole, &ask);
    found.sort();
    assert_eq!(found, ["Be brief.", "hm", "model", "one", "user", "user"]);
    let opaque: Vec<_> =
        ask.prompt.opaque.iter().map(|place| text(whole.as_bytes(), *place)).collect();
    assert_eq!(opaque, [r#"{"name":"find","args":{"q":"x"}}"#, "find", r#"{"r":1}"#]);
    assert_eq!(ask.prompt.images[0].size, Some((2, 3)));
    assert!((5..20).contains(&ask.prompt.attached), "{}", ask.prompt.attached);
    assert_eq!(ask.prompt.messages, 4);
}

#[test]
fn sound_and_video_have_prices_of_their_own() {
    for (mime, priced_apart) in
        [("audio/wav", true), ("Video/mp4", true), ("image/png", false), ("text/csv", false)]
    {
        let part = format!(r#"{{"inlineData":{{"data":"AAAA","mimeType":"{mime}"}}}}"#);
        assert_eq!(!asked(&said(&part)).extras.is_empty(), priced_apart, "{mime}");
    }
    let configs = [
        (r#"{"responseModalities":["TEXT"]}"#, vec![]),
        (r#"{"response_modalities":["TEXT","IMAGE"]}"#, vec![Extra::Modality("image".to_owned())]),
        (r#"{"speechConfig":{}}"#, vec![Extra::Modality("audio".to_owned())]),
    ];
    for (config, extras) in configs {
        let ask = asked(&body(&format!(r#""generationConfig":{config}"#)));
        assert_eq!(ask.extras, extras, "{config}");
    }
    let tier = |tier: &str| asked(&body(&format!(r#""serviceTier":"{tier}""#))).extras;
    assert_eq!(tier("SERVICE_TIER_STANDARD"), []);
    assert_eq!(tier("priority"), [Extra::ServiceTier("priority".to_owned())]);
}

#[test]
fn caps_and_answers_stand_in_the_configuration_in_either_spelling() {
    for config in [
        r#""generationConfig":{"maxOutputTokens":50,"candidateCount":3}"#,
        r#""generation_config":{"max_output_tokens":50,"candidate_count":3}"#,
    ] {
        let ask = asked(&body(config));
        assert_eq!((ask.cap, ask.answers), (Some(Tokens::new(50)), 3), "{config}");
        assert_eq!(ask.caps[0].field, CapField::MaxOutputTokens);
        assert_eq!(ask.fields, ["contents", "generationConfig"], "one name for both spellings");
    }
    let wrong = [
        r#""generationConfig":{"maxOutputTokens":0}"#,
        r#""generationConfig":{"maxOutputTokens":1e3}"#,
        r#""generationConfig":{"maxoutputtokens":9}"#,
        r#""generationConfig":{"max_outputTokens":9}"#,
        r#""generationConfig":{"candidateCount":0}"#,
        r#""generationConfig":{"thinkingConfig":[]}"#,
        r#""generationConfig":[]"#,
        r#""GenerationConfig":{}"#,
        r#""generationconfig":{}"#,
    ];
    for more in wrong {
        assert_eq!(refused(GENERATE, &body(more)).kind, MalformedKind::Invalid, "{more}");
    }
    let unserved = [
        r#""generationConfig":{},"generation_config":{}"#,
        r#""generationConfig":{"maxOutputTokens":9,"max_output_tokens":9}"#,
        r#""maxOutputTokens":9"#,
        r#""max_tokens":9"#,
        r#""models":["a"]"#,
    ];
    for more in unserved {
        assert_eq!(refused(GENERATE, &body(more)).kind, MalformedKind::Unsupported, "{more}");
    }
    for empty in ["{}", r#"{"contents":[]}"#, r#"{"contents":{}}"#, r#"{"contents":[1]}"#] {
        assert_eq!(refused(GENERATE, empty).kind, MalformedKind::Invalid, "{empty}");
    }
}

#[test]
fn every_tool_is_one_whatever_it_is_called() {
    let whole = body(
        r#""tools":[{"functionDeclarations":[{"name":"find","description":"d",
            "parameters":{"type":"OBJECT","properties":{"q":{"type":"STRING"}}}},{"name":"add"}],
            "googleSearch":{}},{"url_context":{}},{"codeExecution":{}},{"googleMaps":null},
            {"mcpServers":[{"name":"crm","streamableHttpTransport":{"url":"https://x/mcp"}}]},
            {"brandNew":{"a":1}}],"webSearch":true"#,
    );
    let ask = asked(&whole);
    let tools: Vec<_> =
        ask.tools.iter().map(|it| (it.list, &*it.kind, it.name.as_deref())).collect();
    let expected = [
        (ToolList::Tools, "function", Some("find")),
        (ToolList::Tools, "function", Some("add")),
        (ToolList::Field, "google_search", None),
        (ToolList::Field, "url_context", None),
        (ToolList::Field, "code_execution", None),
        (ToolList::Field, "mcp", Some("crm")),
        (ToolList::Field, "brand_new", None),
        (ToolList::Field, "web_search", None),
    ];
    assert_eq!(tools, expected);
    let server = ask.tools[5].server.as_ref().unwrap();
    assert_eq!(server.url.as_deref(), Some("https://x/mcp"));
    assert_eq!((ask.prompt.functions.len(), ask.extras.len()), (2, 6));
    for more in [
        r#""tools":[{"functionDeclarations":[{}]}]"#,
        r#""tools":[{"functiondeclarations":[]}]"#,
        r#""tools":[{"functionDeclarations":[],"function_declarations":[]}]"#,
        r#""tools":{}"#,
        r#""Tools":[]"#,
        r#""toolConfig":{"functionCallingConfig":{"allowedFunctionNames":"find"}}"#,
    ] {
        refused(GENERATE, &body(more));
    }
}

#[test]
fn the_functions_that_are_chosen_are_reported() {
    for more in [
        r#""toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["find"]}}"#,
        r#""tool_config":{"function_calling_config":{"allowed_function_names":["find"]}}"#,
    ] {
        let ask = asked(&body(more));
        let chosen: Vec<_> = ask.chosen.iter().map(|it| (&*it.kind, it.name.as_deref())).collect();
        assert_eq!(chosen, [("function", Some("find"))], "{more}");
    }
}

#[test]
fn what_lies_at_the_account_is_referred_to() {
    const URI: &str = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    let file = |uri: &str| said(&format!(r#"{{"fileData":{{"fileUri":"{uri}"}}}}"#));
    let stored = |kind, id: &str| vec![Stored { kind, id: id.to_owned() }];
    let table = [
        (
            body(r#""cachedContent":"cachedContents/1""#),
            stored(StoredKind::Cache, "cachedContents/1"),
        ),
        (
            body(r#""cached_content":"cachedContents/1""#),
            stored(StoredKind::Cache, "cachedContents/1"),
        ),
        (file(URI), stored(StoredKind::File, URI)),
        (said(r#"{"file_data":{"file_uri":"files/abc"}}"#), stored(StoredKind::File, "files/abc")),
        (
            file("https://youtube.com.evil/x"),
            stored(StoredKind::File, "https://youtube.com.evil/x"),
        ),
        (file("https://youtu.be/abc"), vec![]),
        (
            body(r#""tools":[{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/s"]}}]"#),
            stored(StoredKind::VectorStore, "fileSearchStores/s"),
        ),
    ];
    for (body, expected) in table {
        let refers: Vec<_> = asked(&body).refers.into_iter().map(|it| it.stored).collect();
        assert_eq!(refers, expected, "{body}");
    }
    assert!(asked(&file(URI)).prompt.elsewhere);
    for part in [r#"{"fileData":{}}"#, r#"{"fileData":{"fileUri":1}}"#, r#"{"fileData":[]}"#] {
        refused(GENERATE, &said(part));
    }
}

fn counts(endpoint: Endpoint, body: &str) -> Option<[u64; 4]> {
    let usage = usage_of(endpoint, body.as_bytes())?;
    let all = [usage.input, usage.cached_input, usage.output, usage.reasoning];
    Some(all.map(Tokens::get))
}

#[test]
fn thoughts_are_output_and_what_came_from_a_cache_is_input() {
    let whole = r#"{"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,
        "candidatesTokenCount":12,"thoughtsTokenCount":5,"toolUsePromptTokenCount":3,
        "totalTokenCount":30}}"#;
    assert_eq!(counts(GENERATE, whole), Some([13, 4, 17, 5]));
    let pieces = r#"[{"candidates":[],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":15}},
        {"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":9}}]"#;
    assert_eq!(counts(STREAM, pieces), Some([10, 0, 9, 0]), "the last word counts");
    let broken = &pieces[..pieces.len() - 30];
    assert_eq!(counts(STREAM, broken), Some([10, 0, 5, 0]), "or what was there of it");
    let named = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":
        {"usageMetadata":{"promptTokenCount":1}}}}]}}],"usageMetadata":{"promptTokenCount":9}}"#;
    assert_eq!(counts(GENERATE, named), Some([9, 0, 0, 0]));
    let forged = named.split_once(r#","usageMetadata":{"promptTokenCount":9"#).unwrap().0;
    assert_eq!(counts(STREAM, &format!("[{forged}")), None, "a model's words are no usage");
    for nothing in ["{}", r#"{"usageMetadata":{}}"#, r#"{"usageMetadata":null}"#, "[", ""] {
        assert_eq!(counts(GENERATE, nothing), None, "{nothing}");
    }
    assert_eq!(counts(COUNT, r#"{"totalTokens":7}"#), None, "counting is free");
}

const CALLED: &str = r#"{"candidates":[{"content":{"parts":[{"text":"I look."},
    {"functionCall":{"name":"find","args":{"q":1}}},
    {"executableCode":{"language":"PYTHON","code":"1+1"}}]}}]}"#;

#[test]
fn the_text_and_the_calls_of_an_answer_are_found_whole_and_in_pieces() {
    assert_eq!(answer_text(GENERATE, CALLED.as_bytes()), "I look.find{\"q\":1}1+1");
    let calls = tool_calls_of(GENERATE, CALLED.as_bytes());
    let names: Vec<_> = calls.kept.iter().map(|call| call.name.as_str()).collect();
    assert_eq!((calls.count, names), (2, vec!["find", "code_execution"]));
    let array = format!("[{CALLED},{CALLED}]");
    assert_eq!(tool_calls_of(STREAM, array.as_bytes()).count, 4);
    assert_eq!(answer_text(STREAM, array.as_bytes()).matches("I look.").count(), 2);
    let mut tally = tapped(&[CALLED]);
    assert_eq!(tally.tool_calls(), calls);
    assert_eq!(tally.take_text(), "I look.find{\"q\":1}1+1");
}

#[test]
fn a_stream_is_over_when_it_says_why() {
    let table = [
        (r#"{"candidates":[{"finishReason":"STOP"}]}"#, true, false),
        (r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, true, false),
        (r#"{"candidates":[{"finishReason":null}]}"#, false, false),
        (r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#, false, true),
    ];
    for (event, done, failed) in table {
        let tally = tapped(&[event]);
        assert_eq!((tally.done, tally.failed), (done, failed), "{event}");
    }
}

#[test]
fn an_array_that_breaks_off_is_no_whole_answer() {
    let end = r#"{"candidates":[{"finishReason":"STOP"}]}"#;
    let table = [
        (format!("[{CALLED},{end}\n]"), true),
        (format!("[{CALLED}\n]"), false),
        (format!("[{CALLED},{end}"), false),
        (format!("[{end},{{\"error\":{{\"code\":503}}}}]"), false),
        (r#"{"error":{"code":503}}"#.to_owned(), true),
        (String::new(), true),
    ];
    for (body, expected) in table {
        assert_eq!(is_whole(STREAM, body.as_bytes()), expected, "{body}");
    }
    assert!(is_whole(GENERATE, b"["));
}

#[test]
fn a_picture_that_is_too_long_to_hold_tells_its_usage_all_the_same() {
    let picture = "A".repeat(2 * 1024 * 1024);
    let event = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"data":"{picture}"}}}}]}}}}],"usageMetadata":{{"promptTokenCount":3,"candidatesTokenCount":1290}}}}"#
    );
    let (mut tap, mut out) = (Tap::new(STREAM, false), std::collections::VecDeque::new());
    for packet in format!("data: {event}\r\n\r\n").as_bytes().chunks(64 * 1024) {
        tap.push(bytes::Bytes::copy_from_slice(packet), &mut out);
    }
    let usage = tap.into_tally().usage.unwrap();
    assert_eq!((usage.input.get(), usage.output.get()), (3, 1290));
}

/// The tally of a stream of these events.
fn tapped(events: &[&str]) -> crate::Tally {
    let (mut tap, mut out) = (Tap::new(STREAM, false), std::collections::VecDeque::new());
    for event in events {
        let event = event.replace('\n', " ");
        tap.push(format!("data: {event}\r\n\r\n").into(), &mut out);
    }
    tap.into_tally()
}
