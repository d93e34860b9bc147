//! Laws of editing: the body stays valid JSON, equal to what it was but for what was to change, and
//! every other byte stays where it was.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tollgate_units::Tokens;
use tollgate_wire::{Ask, CapEdit, CapField, Edits, Endpoint, edit, read};

use self::scribe::{whims, write};

mod gemini;
mod scribe;

fn function(name: usize) -> Value {
    json!({"type": "function", "function": {"name": format!("f{name}"), "parameters": {"x": [1]}}})
}

/// A value, or nothing where the field is to be left out.
fn maybe(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop::option::of(value.boxed()).boxed()
}

fn chat() -> impl Strategy<Value = Value> {
    let number = || prop_oneof![Just(Value::Null), (1..2000_u64).prop_map(Value::from)];
    let options = prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        any::<bool>().prop_map(|flag| json!({ "include_usage": flag, "other": 1 })),
        Just(json!({ "other": {"include_usage": true} })),
    ];
    let list = |most| (0..most).prop_map(|count| (0..count).map(function).collect::<Value>());
    let functions = (0..3_usize).prop_map(|count| {
        (0..count).map(|at| json!({ "name": format!("g{at}") })).collect::<Value>()
    });
    let fields = (
        (maybe(number()), maybe(number()), maybe(any::<bool>().prop_map(Value::from))),
        (maybe(options), maybe(list(5_usize)), maybe(functions)),
        (maybe(Just(json!("auto"))), maybe(Just(json!("none"))), maybe(Just(json!(true)))),
        prop::collection::hash_map("x_[a-z]{1,4}", "[^\\x00]{0,5}".prop_map(Value::from), 0..3),
        ".{1,8}",
    );
    fields.prop_map(|((new, old, stream), (options, tools, functions), choices, more, model)| {
        let named = [
            ("max_completion_tokens", new),
            ("max_tokens", old),
            ("stream", stream),
            ("stream_options", options),
            ("tools", tools),
            ("functions", functions),
            ("tool_choice", choices.0),
            ("function_call", choices.1),
            ("parallel_tool_calls", choices.2),
        ];
        let mut members: Map<String, Value> = more.into_iter().collect();
        for (name, value) in named {
            members.extend(value.map(|value| (name.to_owned(), value)));
        }
        members.insert("model".to_owned(), json!(model));
        members.insert("messages".to_owned(), json!([{"role": "user", "content": "a \"b\" {"}]));
        Value::Object(members)
    })
}

fn dom(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(body));
    })
}

/// What an edit of the output cap means, on the tree.
fn capped(body: &Value, cap: CapEdit) -> Value {
    let mut body = body.clone();
    let names = ["max_completion_tokens", "max_tokens"];
    let most = cap.at_most.get();
    let mut given = Vec::new();
    for name in names {
        if let Some(value) = body.get(name).and_then(Value::as_u64) {
            given.push((name, value.min(most)));
            body[name] = json!(value.min(most));
        }
    }
    if let Some(field) = cap.write {
        // Whoever knows the newer name knows the older one too, and not the other way round.
        let is_known = |name: &str| field == CapField::MaxCompletionTokens || name == field.name();
        if !given.iter().any(|(name, _)| is_known(name)) {
            let least = given.iter().map(|(_, value)| *value).min();
            body[field.name()] = json!(least.unwrap_or(most));
        }
    }
    body
}

/// What dropping tools means, on the tree.
fn dropped(body: &Value, ask: &Ask, positions: &[usize]) -> Value {
    let mut body = body.clone();
    let names: HashSet<&str> =
        positions.iter().filter_map(|&at| ask.tools.get(at)?.name.as_deref()).collect();
    let companions = [
        ("tools", &["tool_choice", "parallel_tool_calls"][..]),
        ("functions", &["function_call"][..]),
    ];
    for (list, choices) in companions {
        let Some(items) = body.get_mut(list).and_then(Value::as_array_mut) else {
            continue;
        };
        let before = items.len();
        items.retain(|item| {
            let name = item.get("function").unwrap_or(item).get("name");
            !name.and_then(Value::as_str).is_some_and(|name| names.contains(name))
        });
        if before > 0 && items.is_empty() {
            let members = body.as_object_mut().unwrap();
            members.remove(list);
            for choice in choices {
                members.remove(*choice);
            }
        }
    }
    body
}

/// How many bytes two bodies share at their beginning and at their end.
fn shared(one: &[u8], two: &[u8]) -> usize {
    let head = one.iter().zip(two).take_while(|(one, two)| one == two).count();
    let rest = one.len().min(two.len()) - head;
    let tail = one.iter().rev().zip(two.iter().rev()).take(rest);
    head + tail.take_while(|(one, two)| one == two).count()
}

/// Whether `less` is `more` with some bytes taken out.
fn is_part_of(less: &[u8], more: &[u8]) -> bool {
    let mut more = more.iter();
    less.iter().all(|byte| more.any(|other| other == byte))
}

fn cap_edit() -> impl Strategy<Value = CapEdit> {
    let field = prop::sample::select(vec![
        None,
        Some(CapField::MaxCompletionTokens),
        Some(CapField::MaxTokens),
    ]);
    (1..2000_u64, field).prop_map(|(most, write)| CapEdit { at_most: Tokens::new(most), write })
}

proptest! {
    #[test]
    fn a_body_read_and_not_edited_is_the_body(value in chat(), whims in whims()) {
        let body = write(&value, whims);
        prop_assert_eq!(dom(&body), value);
        let ask = read(Endpoint::ChatCompletions, &body).unwrap();
        prop_assert_eq!(edit(&body, &ask, &Edits::default()), body);
    }

    #[test]
    fn another_model_changes_the_model_alone(value in chat(), whims in whims(), model in ".{1,8}") {
        let body = write(&value, whims);
        let ask = read(Endpoint::ChatCompletions, &body).unwrap();
        let edits = Edits { model: Some(&model), ..Edits::default() };
        let edited = edit(&body, &ask, &edits);
        let mut expected = value;
        expected["model"] = json!(model);
        prop_assert_eq!(dom(&edited), expected);
        let place = ask.model_place;
        prop_assert!(edited.starts_with(&body[..place.start]));
        prop_assert!(edited.ends_with(&body[place.end..]));
    }

    #[test]
    fn a_cap_changes_the_caps_alone(value in chat(), whims in whims(), cap in cap_edit()) {
        let body = write(&value, whims);
        let ask = read(Endpoint::ChatCompletions, &body).unwrap();
        let edits = Edits { cap: Some(cap), ..Edits::default() };
        let edited = edit(&body, &ask, &edits);
        prop_assert_eq!(dom(&edited), capped(&value, cap));
        // Read again, no cap is above the new one, and a second edit finds nothing to do.
        let again = read(Endpoint::ChatCompletions, &edited).unwrap();
        prop_assert!(again.caps.iter().all(|each| each.value.is_none_or(|value| value <= cap.at_most)));
        prop_assert_eq!(edit(&edited, &again, &edits), edited);
    }

    #[test]
    fn asking_for_usage_changes_one_place(value in chat(), whims in whims()) {
        let body = write(&value, whims);
        let ask = read(Endpoint::ChatCompletions, &body).unwrap();
        let edited = edit(&body, &ask, &Edits { ask_usage: true, ..Edits::default() });
        let mut expected = value;
        if expected.get("stream") == Some(&json!(true)) {
            let options = expected.as_object_mut().unwrap().entry("stream_options").or_insert(Value::Null);
            if options.is_null() {
                *options = json!({});
            }
            options["include_usage"] = json!(true);
            prop_assert!(read(Endpoint::ChatCompletions, &edited).unwrap().usage_asked);
        }
        prop_assert_eq!(dom(&edited), expected);
        prop_assert!(shared(&body, &edited) + "false".len() >= body.len());
    }

    #[test]
    fn dropping_tools_only_takes_bytes_out(
        value in chat(),
        whims in whims(),
        drop_tools in prop::collection::vec(0..8_usize, 0..8),
    ) {
        let body = write(&value, whims);
        let ask = read(Endpoint::ChatCompletions, &body).unwrap();
        let edits = Edits { drop_tools: drop_tools.clone(), ..Edits::default() };
        let edited = edit(&body, &ask, &edits);
        prop_assert_eq!(dom(&edited), dropped(&value, &ask, &drop_tools));
        prop_assert!(is_part_of(&edited, &body));
        for (at, tool) in ask.tools.iter().enumerate() {
            let raw = tool.place.of(&body);
            let stays = memchr::memmem::find(&edited, raw).is_some();
            prop_assert!(stays || drop_tools.contains(&at), "{}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn all_edits_together_are_each_of_them(
        value in chat(),
        whims in whims(),
        cap in cap_edit(),
        drop_tools in prop::collection::vec(0..8_usize, 0..8),
    ) {
        let body = write(&value, whims);
        let ask = read(Endpoint::ChatCompletions, &body).unwrap();
        let all = Edits { model: Some("z"), cap: Some(cap), ask_usage: true, drop_tools, ..Edits::default() };
        let at_once = edit(&body, &ask, &all);
        let one_by_one = [
            Edits { drop_tools: all.drop_tools.clone(), ..Edits::default() },
            Edits { ask_usage: true, ..Edits::default() },
            Edits { cap: all.cap, ..Edits::default() },
            Edits { model: all.model, ..Edits::default() },
        ];
        let in_turn = one_by_one.iter().fold(body, |body, edits| {
            let ask = read(Endpoint::ChatCompletions, &body).unwrap();
            edit(&body, &ask, edits)
        });
        prop_assert_eq!(dom(&at_once), dom(&in_turn));
    }

    #[test]
    fn reading_anything_at_all_ends(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        for endpoint in Endpoint::ALL {
            prop_assert!(read(endpoint, &bytes).is_err());
        }
    }
}
