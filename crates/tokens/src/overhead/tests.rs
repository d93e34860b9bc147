//! The formulas against OpenAI's published examples, and the laws that hold between the counts.

use proptest::prelude::*;
use tollgate_wire::{Detail, Endpoint, Image, read};

use super::*;

/// A body being written, and the places of what was written.
#[derive(Default)]
struct Draft {
    body: Vec<u8>,
}

impl Draft {
    fn string(&mut self, text: &str) -> Place {
        let quoted = serde_json::to_string(text).expect("any text is a JSON string");
        self.raw(&quoted)
    }

    fn raw(&mut self, json: &str) -> Place {
        let start = self.body.len();
        self.body.extend_from_slice(json.as_bytes());
        Place::new(start, self.body.len())
    }
}

fn input_of(model: &str, body: &serde_json::Value) -> u64 {
    let body = serde_json::to_vec(body).expect("JSON");
    let ask = read(Endpoint::ChatCompletions, &body).expect("a body that can be read");
    count_prompt(model, &body, &ask.prompt, None).input.get()
}

#[test]
fn messages_count_what_the_cookbook_says_the_api_reports() {
    let body = serde_json::json!({"model": "any", "messages": [
        {"role": "system", "content": "You are a helpful, pattern-following assistant that \
            translates corporate jargon into plain English."},
        {"role": "system", "name": "example_user",
            "content": "New synergies will help drive top-line growth."},
        {"role": "system", "name": "example_assistant",
            "content": "Things working well together will increase revenue."},
        {"role": "system", "name": "example_user", "content": "Let's circle back when we have more \
            bandwidth to touch base on opportunities for increased leverage."},
        {"role": "system", "name": "example_assistant",
            "content": "Let's talk later when we're less busy about how to do better."},
        {"role": "user", "content": "This late pivot means we don't have time to boil the ocean \
            for the client deliverable."},
    ]});
    assert_eq!(input_of("gpt-3.5-turbo", &body), 129);
    assert_eq!(input_of("gpt-4-0613", &body), 129);
    assert_eq!(input_of("gpt-4o", &body), 124);
    assert_eq!(input_of("gpt-4o-mini", &body), 124);
}

#[test]
fn tools_count_what_the_cookbook_says_the_api_reports_or_a_little_more() {
    let body = serde_json::json!({
        "model": "any",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant that can answer to \
                questions about the weather."},
            {"role": "user", "content": "What's the weather like in San Francisco?"},
        ],
        "tools": [{"type": "function", "function": {
            "name": "get_current_weather",
            "description": "Get the current weather in a given location",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string",
                        "description": "The city and state, e.g. San Francisco, CA"},
                    "unit": {"type": "string",
                        "description": "The unit of temperature to return",
                        "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["location"],
            },
        }}],
    });
    for (model, reported) in [("gpt-3.5-turbo", 105), ("gpt-4", 105), ("gpt-4o", 101)] {
        let counted = input_of(model, &body);
        assert!((reported..=reported + 12).contains(&counted), "{model}: {counted} for {reported}");
    }
}

#[test]
fn a_prompt_without_messages_is_its_text_and_nothing_else() {
    let mut draft = Draft::default();
    let prompt = Prompt { texts: vec![draft.string("hello world")], ..Prompt::default() };
    let counts = count_prompt("text-embedding-3-small", &draft.body, &prompt, None);
    assert_eq!(counts, Counts { input: Tokens::new(2), how: How::Exact });
    let nothing = count_prompt("gpt-4o", b"", &Prompt::default(), None);
    assert_eq!(nothing.input, Tokens::ZERO);
}

#[test]
fn token_ids_count_as_themselves_however_text_is_counted() {
    let prompt = Prompt { token_ids: 7, ..Prompt::default() };
    for model in ["gpt-3.5-turbo", "llama-3"] {
        assert_eq!(count_prompt(model, b"", &prompt, None).input, Tokens::new(7));
        assert_eq!(bound_prompt(b"", &prompt, model).input, Tokens::new(7));
    }
}

#[test]
fn a_model_without_a_tokenizer_is_counted_by_what_was_learned_of_it() {
    let mut draft = Draft::default();
    let prompt = Prompt { texts: vec![draft.string(&"word ".repeat(1000))], ..Prompt::default() };
    let counts = count_prompt("llama-3", &draft.body, &prompt, None);
    assert_eq!(counts, Counts { input: Ratio::new().of(5000), how: How::Ratio });
    let learned = (0..99).fold(Ratio::new(), |ratio, _| ratio.learned(5000, Tokens::new(1000)));
    let counts = count_prompt("llama-3", &draft.body, &prompt, Some(learned));
    assert_eq!(counts.input, learned.of(text_bytes(&draft.body, &prompt)));
    assert!(counts.input < Ratio::new().of(5000));
}

#[test]
fn documents_that_are_elsewhere_are_all_that_the_model_reads_at_once() {
    let mut draft = Draft::default();
    let mut prompt = Prompt { texts: vec![draft.string("hello")], ..Prompt::default() };
    for (model, window) in [
        ("gpt-4o-mini", 128_000),
        ("openai/gpt-4o-mini-2024-07-18", 128_000),
        ("claude-haiku-4-5", 200_000),
        ("llava", 1_050_000),
    ] {
        prompt.elsewhere = false;
        assert!(text_bytes(&draft.body, &prompt) > 0);
        assert!(count_prompt(model, &draft.body, &prompt, None).input < Tokens::new(20), "{model}");
        prompt.elsewhere = true;
        assert_eq!(text_bytes(&draft.body, &prompt), 0, "it teaches nothing about text");
        let counted = count_prompt(model, &draft.body, &prompt, None).input;
        assert_eq!(counted, Tokens::new(window), "{model}");
        assert_eq!(bound_prompt(&draft.body, &prompt, model).input, counted, "{model}");
    }
    prompt.attached = 300_000;
    let counted = count_prompt("gpt-4o-mini", &draft.body, &prompt, None).input;
    assert!(counted > Tokens::new(300_000), "what can be seen is never hidden by it");
}

#[test]
fn raw_json_counts_as_the_text_it_is() {
    let mut draft = Draft::default();
    let json = r#"{"type":"object","x":[1,2,3]}"#;
    let prompt = Prompt { opaque: vec![draft.raw(json)], ..Prompt::default() };
    let counts = count_prompt("gpt-4o", &draft.body, &prompt, None);
    assert_eq!(counts.input, count_text(Encoding::O200k, json));
}

#[test]
fn escapes_are_counted_as_what_they_stand_for() {
    let mut draft = Draft::default();
    let prompt =
        Prompt { texts: vec![draft.raw(r#""\u4e2d\u6587\n\"\ud83d\ude00""#)], ..Prompt::default() };
    let counts = count_prompt("gpt-4o", &draft.body, &prompt, None);
    assert_eq!(counts.input, count_text(Encoding::O200k, "中文\n\"😀"));
}

prop_compose! {
    fn any_prompt()(
        texts in proptest::collection::vec(any::<String>(), 0..6),
        opaque in proptest::collection::vec("[ -~]{0,40}", 0..3),
        functions in proptest::collection::vec(
            (any::<String>(), proptest::collection::vec((any::<String>(), 0..4_usize), 0..4)),
            0..3,
        ),
        (messages, names, token_ids) in (0..9_u64, 0..4_u64, 0..50_u64),
        image in proptest::option::of(proptest::option::of((0..5000_u32, 0..5000_u32))),
    ) -> (Vec<u8>, Prompt) {
        let mut draft = Draft::default();
        let shapes = functions.iter().map(|(name, properties)| FunctionShape {
            texts: vec![draft.string(name), draft.string("Describes it.")],
            properties: properties.iter().map(|(name, values)| PropertyShape {
                texts: vec![draft.string(name), draft.string("string")],
                enum_items: (0..*values).map(|value| draft.string(&format!("{value}é"))).collect(),
            }).collect(),
            opaque: vec![draft.raw("{\"additionalProperties\":false}")],
        }).collect();
        let prompt = Prompt {
            texts: texts.iter().map(|text| draft.string(text)).collect(),
            opaque: opaque.iter().map(|text| draft.raw(text)).collect(),
            functions: shapes,
            images: image.map(|size| Image { detail: Detail::High, size }).into_iter().collect(),
            messages, names, token_ids,
            ..Prompt::default()
        };
        (draft.body, prompt)
    }
}

proptest! {
    #[test]
    fn no_count_is_above_the_bound((body, prompt) in any_prompt(), actual in 0..100_000_u64) {
        let ratio = Ratio::new().learned(10_000, Tokens::new(actual));
        for model in ["gpt-4o", "gpt-4", "claude-opus-5", "llama-3"] {
            let bound = bound_prompt(&body, &prompt, model);
            let counts = count_prompt(model, &body, &prompt, Some(ratio));
            prop_assert!(counts.input <= bound.input, "{model}: {counts:?} above {bound:?}");
            prop_assert_eq!(bound.how, How::Bound);
        }
    }

    #[test]
    fn a_prompt_read_against_another_body_is_a_number_and_no_panic(
        (_, prompt) in any_prompt(),
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let counts = count_prompt("gpt-4o", &body, &prompt, None);
        prop_assert!(counts.input <= Tokens::new(1_000_000));
    }
}
