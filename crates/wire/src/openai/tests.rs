use tollgate_units::Tokens;

use super::*;
use crate::read::field;
use crate::{Ask, Cap, Destination, Detail, Extra, Image, MalformedKind, Place, Tool, read, text};

const CHAT: Endpoint = Endpoint::ChatCompletions;
const COMPLETIONS: Endpoint = Endpoint::Completions;
const EMBEDDINGS: Endpoint = Endpoint::Embeddings;
const MODERATIONS: Endpoint = Endpoint::Moderations;
const RESPONSES: Endpoint = Endpoint::Responses;

/// A whole body: the least an endpoint needs, and `more` members.
fn body(endpoint: Endpoint, more: &str) -> String {
    let input = match endpoint {
        Endpoint::ChatCompletions | Endpoint::CountTokens | Endpoint::Messages => {
            r#""messages":[{"role":"user","content":"hi"}]"#
        }
        Endpoint::Completions => r#""prompt":"hi""#,
        Endpoint::Embeddings | Endpoint::Moderations | Endpoint::Responses => r#""input":"hi""#,
        other => panic!("{other:?} is of another protocol"),
    };
    let comma = if more.is_empty() { "" } else { "," };
    format!("{{\"model\":\"m\",{input}{comma}{more}}}")
}

fn asked(endpoint: Endpoint, body: &str) -> Ask {
    read(endpoint, body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn texts(body: &str, ask: &Ask) -> Vec<String> {
    ask.prompt.texts.iter().map(|place| text(body.as_bytes(), *place).into_owned()).collect()
}

fn opaque(body: &str, ask: &Ask) -> Vec<String> {
    ask.prompt.opaque.iter().map(|place| text(body.as_bytes(), *place).into_owned()).collect()
}

/// A chat with one message.
fn chat(message: &str) -> String {
    format!(r#"{{"model":"m","messages":[{message}]}}"#)
}

/// Responses with one input item.
fn item(item: &str) -> String {
    format!(r#"{{"model":"m","input":[{item}]}}"#)
}

mod references;
mod refusals;
mod shapes;

#[test]
fn every_endpoint_is_found_by_its_path_and_no_other() {
    for endpoint in Endpoint::ALL {
        let path = format!("{}{}", endpoint.protocol().version(), endpoint.path());
        let found = Destination::of_path(&path.replace("{model}", "m")).map(|it| it.endpoint);
        assert_eq!(found, Some(endpoint));
    }
    for path in ["/v1", "/v1/chat", "/chat/completions", "/v1/files", "/v1/chat/completions/", ""] {
        assert_eq!(Destination::of_path(path), None, "{path}");
    }
}

#[test]
fn the_least_body_of_every_endpoint_is_read() {
    for endpoint in [CHAT, COMPLETIONS, EMBEDDINGS, MODERATIONS, RESPONSES] {
        let body = body(endpoint, "");
        let ask = asked(endpoint, &body);
        assert_eq!((ask.endpoint, ask.model.as_str()), (endpoint, "m"));
        assert_eq!(ask.model_place.of(body.as_bytes()), b"\"m\"");
        assert!(!ask.stream && !ask.usage_asked && ask.tools.is_empty() && ask.extras.is_empty());
        assert_eq!((ask.answers, ask.user.as_deref(), ask.caps.len()), (1, None, 0));
        assert!(texts(&body, &ask).contains(&"hi".to_owned()), "{endpoint:?}");
    }
}

#[test]
fn null_is_absent() {
    let more = r#""max_tokens":null,"max_completion_tokens":null,"n":null,"stream":null,
        "stream_options":null,"tools":null,"tool_choice":null,"user":null,"service_tier":null,
        "functions":null,"modalities":null,"prediction":null,"web_search_options":null,
        "previous_response_id":null,"conversation":null,"background":null,"models":null"#;
    let ask = asked(CHAT, &body(CHAT, more));
    assert_eq!((ask.cap, ask.answers, ask.stream, ask.usage_asked), (None, 1, false, false));
    assert!(ask.tools.is_empty() && ask.extras.is_empty() && !ask.prompt.unseen);
    assert!(ask.caps.iter().all(|cap| cap.value.is_none()) && ask.caps.len() == 2);
    asked(RESPONSES, &body(RESPONSES, r#""prompt":null,"instructions":null,"background":false"#));
}

#[test]
fn the_cap_is_the_least_of_those_present() {
    let body = body(CHAT, r#""max_completion_tokens": 300, "max_tokens" : 200"#);
    let ask = asked(CHAT, &body);
    assert_eq!(ask.cap, Some(Tokens::new(200)));
    let found: Vec<_> = ask
        .caps
        .iter()
        .map(|cap: &Cap| {
            (cap.field, cap.value.unwrap().get(), text(body.as_bytes(), cap.value_place))
        })
        .collect();
    let (new, old) = (CapField::MaxCompletionTokens, CapField::MaxTokens);
    assert_eq!(found, [(new, 300, "300".into()), (old, 200, "200".into())]);
}

#[test]
fn an_absent_cap_means_sixteen_for_completions_and_nothing_elsewhere() {
    let sixteen = asked(COMPLETIONS, &body(COMPLETIONS, ""));
    assert_eq!((sixteen.cap, sixteen.caps.len()), (Some(Tokens::new(16)), 0));
    let null = asked(COMPLETIONS, &body(COMPLETIONS, r#""max_tokens":null"#));
    assert_eq!((null.cap, null.caps.len()), (Some(Tokens::new(16)), 1));
    let more = asked(COMPLETIONS, &body(COMPLETIONS, r#""max_tokens":100"#));
    assert_eq!(more.cap, Some(Tokens::new(100)));
    assert_eq!(asked(CHAT, &body(CHAT, "")).cap, None);
    let responses = asked(RESPONSES, &body(RESPONSES, r#""max_output_tokens":99"#));
    assert_eq!(
        (responses.cap, responses.caps[0].field),
        (Some(Tokens::new(99)), CapField::MaxOutputTokens)
    );
}

#[test]
fn answers_are_the_larger_of_n_and_best_of_for_each_prompt() {
    let table = [
        (CHAT, body(CHAT, r#""n":5"#), 5),
        (COMPLETIONS, body(COMPLETIONS, r#""best_of":3,"n":2"#), 3),
        (COMPLETIONS, r#"{"model":"m","prompt":["a","b"],"n":2,"best_of":4}"#.into(), 8),
        (COMPLETIONS, r#"{"model":"m","prompt":[1,2,3]}"#.into(), 1),
        (COMPLETIONS, r#"{"model":"m","prompt":[[1,2],[3]],"n":2}"#.into(), 4),
        (EMBEDDINGS, r#"{"model":"m","input":["a","b"]}"#.into(), 1),
        (RESPONSES, body(RESPONSES, ""), 1),
    ];
    for (endpoint, body, answers) in table {
        assert_eq!(asked(endpoint, &body).answers, answers, "{body}");
    }
    let most = field::WHOLE_MAX;
    let many =
        format!(r#"{{"model":"m","prompt":[{}],"n":{most}}}"#, vec!["\"a\""; 4096].join(","));
    assert_eq!(asked(COMPLETIONS, &many).answers, u64::MAX, "saturates");
}

#[test]
fn streams_and_their_options_are_read() {
    let table = [
        ("", false, false),
        (r#""stream":true"#, true, false),
        (r#""stream":true,"stream_options":{}"#, true, false),
        (r#""stream":true,"stream_options":{"include_usage":true}"#, true, true),
        (r#""stream":true,"stream_options":{"include_usage":false}"#, true, false),
        (r#""stream_options":{"include_obfuscation":false},"stream":false"#, false, false),
    ];
    for (more, stream, usage) in table {
        let ask = asked(CHAT, &body(CHAT, more));
        assert_eq!((ask.stream, ask.usage_asked), (stream, usage), "{more}");
    }
    assert!(!asked(EMBEDDINGS, &body(EMBEDDINGS, r#""stream":true"#)).stream);
}

#[test]
fn what_token_prices_do_not_cover_is_named() {
    let tier = |name: &str| Extra::ServiceTier(name.to_owned());
    let tool = |kind: &str| Extra::HostedTool(kind.to_owned());
    let audio = Extra::Modality("audio".to_owned());
    let table = [
        (CHAT, r#""service_tier":"auto""#, vec![]),
        (CHAT, r#""service_tier":"default""#, vec![]),
        (CHAT, r#""service_tier":"priority""#, vec![tier("priority")]),
        (RESPONSES, r#""service_tier":"flex""#, vec![tier("flex")]),
        (CHAT, r#""modalities":["text"]"#, vec![]),
        (CHAT, r#""modalities":["text","audio"]"#, vec![audio]),
        (CHAT, r#""prediction":{"type":"content","content":"x"}"#, vec![Extra::Prediction]),
        (CHAT, r#""web_search_options":{}"#, vec![tool("web_search")]),
        (CHAT, r#""plugins":[{"id":"web"}]"#, vec![tool("plugins")]),
        (RESPONSES, r#""tools":[{"type":"web_search_preview"}]"#, vec![tool("web_search_preview")]),
        (
            RESPONSES,
            r#""tools":[{"type":"image_generation"},{"type":"image_generation"}]"#,
            vec![tool("image_generation")],
        ),
        (RESPONSES, r#""tools":[{"type":"function","name":"f"}]"#, vec![]),
    ];
    for (endpoint, more, extras) in table {
        assert_eq!(asked(endpoint, &body(endpoint, more)).extras, extras, "{more}");
    }
}

#[test]
fn the_user_is_whom_the_caller_names() {
    let ask = asked(CHAT, &body(CHAT, r#""user":"an\u0061""#));
    assert_eq!(ask.user.as_deref(), Some("ana"));
    let named = |more: &str| {
        let ask = asked(CHAT, &body(CHAT, more));
        ask.end_user().map(|found| found.map(|(field, user)| (field, user.to_owned())))
    };
    let some = |field, user: &str| Ok(Some((field, user.to_owned())));
    assert_eq!(named(r#""user":null"#), Ok(None));
    assert_eq!(named(r#""user":"ana""#), some("user", "ana"));
    let newer = "safety_identifier";
    assert_eq!(named(r#""safety_identifier":"ana""#), some(newer, "ana"));
    assert_eq!(named(r#""safety_identifier":"ana","user":"ana""#), some(newer, "ana"));
    let two = named(r#""safety_identifier":"ana","user":"eve""#).unwrap_err();
    assert_eq!(two.param.as_deref(), Some(newer));
}

#[test]
fn a_moderation_without_a_model_has_the_default_one() {
    for (body, place) in [(r#"{"input":"x"}"#, (0, 0)), (r#"{"model":null,"input":"x"}"#, (9, 13))]
    {
        let ask = asked(MODERATIONS, body);
        assert_eq!(ask.model, "omni-moderation-latest");
        assert_eq!((ask.model_place.start, ask.model_place.end), place);
    }
}

#[test]
fn fields_that_nobody_knows_count_as_input_and_those_that_are_no_input_do_not() {
    let more = r#""documents":["d"],"metadata":{"k":"v"},"temperature":0.5,"seed":7,"store":true,
        "response_format":{"type":"json_schema"},"logit_bias":{"1":5},"chat_template":"t""#;
    let body = body(CHAT, more);
    let ask = asked(CHAT, &body);
    assert_eq!(opaque(&body, &ask), [r#"["d"]"#, r#"{"type":"json_schema"}"#, "t"]);
}
