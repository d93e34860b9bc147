//! The same laws in Gemini's protocol, whose fields have two spellings and whose tools come many in
//! one.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_units::Tokens;
use tollgate_wire::{Ask, CapEdit, CapField, Destination, Edits, Endpoint, edit, read};

use crate::dom;
use crate::scribe::{whims, write};

/// Four functions and four tools of Google's own, by the names and kinds that they are known by.
const PIECES: [&str; 8] =
    ["f0", "f1", "f2", "f3", "brand_new", "code_execution", "google_search", "url_context"];
/// How the last four are written.
const WRITTEN: [&str; 4] = ["brandNew", "code_execution", "googleSearch", "urlContext"];
const SPELLINGS: [&str; 2] = ["functionDeclarations", "function_declarations"];
const CAPS: [&str; 2] = ["maxOutputTokens", "max_output_tokens"];
const CONFIGS: [&str; 2] = ["generationConfig", "generation_config"];
const CHOICES: [&str; 2] = ["toolConfig", "tool_config"];

/// In which of three tools each piece stands, if it is there.
type Places = Vec<Option<usize>>;

fn asked(body: &[u8]) -> Ask {
    read(Destination { model: Some("m".to_owned()), ..Endpoint::GenerateContent.into() }, body)
        .unwrap()
}

/// What a tool is known by.
fn known_by(ask: &Ask) -> impl Iterator<Item = &str> {
    ask.tools.iter().map(|tool| tool.name.as_deref().unwrap_or(&tool.kind))
}

/// The list of tools that holds the pieces; nothing where there are none.
fn list(places: &Places, spelling: &str) -> Option<Value> {
    let tools = (0..3).map(|at| {
        let here = |piece: usize| places[piece] == Some(at);
        let named: Vec<_> = PIECES[..4].iter().enumerate().filter(|(at, _)| here(*at)).collect();
        let mut tool = json!({});
        if !named.is_empty() {
            tool[spelling] =
                named.iter().map(|(_, name)| json!({"name": name, "parameters": {}})).collect();
        }
        for (own, _) in WRITTEN.iter().zip(4..).filter(|(_, piece)| here(*piece)) {
            tool[*own] = json!({"a": {}});
        }
        tool
    });
    let tools: Vec<Value> = tools.filter(|tool| tool != &json!({})).collect();
    (!tools.is_empty()).then(|| tools.into())
}

fn one_of(names: [&'static str; 2]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(names.to_vec())
}

/// A body, and what it was made of: the pieces and the spelling of their lists.
fn body() -> impl Strategy<Value = (Value, Places, &'static str)> {
    let cap = prop_oneof![Just(Value::Null), (1..2000_u64).prop_map(Value::from)];
    let caps = (one_of(CAPS), cap).prop_map(|(name, cap)| json!({name: cap, "topK": 1}));
    let config = prop_oneof![Just(Value::Null), Just(json!({})), caps];
    let places = prop::collection::vec(prop::option::of(0..3_usize), PIECES.len());
    let fields = (
        (places, one_of(SPELLINGS)),
        prop::option::of((one_of(CONFIGS), config)),
        prop::option::of(one_of(CHOICES)),
        any::<bool>(),
    );
    fields.prop_map(|((places, spelling), config, choice, is_named)| {
        let mut body = json!({"contents": [{"parts": [{"text": "a \"b\" {"}]}]});
        if let Some(tools) = list(&places, spelling) {
            body["tools"] = tools;
            // Without tools there is nothing to choose from.
            if let Some(name) = choice {
                body[name] = json!({"functionCallingConfig": {"mode": "AUTO"}});
            }
        }
        if let Some((name, config)) = config {
            body[name] = config;
        }
        if is_named {
            body["model"] = json!("models/m");
        }
        (body, places, spelling)
    })
}

/// Whichever of two names is there, or the first.
fn either(body: &Value, names: [&'static str; 2]) -> &'static str {
    if body.get(names[1]).is_some() { names[1] } else { names[0] }
}

/// What a cap of at most `most` means, on the tree.
fn capped(body: &Value, most: u64) -> Value {
    let mut body = body.clone();
    let config = either(&body, CONFIGS);
    if body.get(config).is_none_or(Value::is_null) {
        body[config] = json!({});
    }
    let cap = either(&body[config], CAPS);
    let said = body[config].get(cap).and_then(Value::as_u64);
    body[config][cap] = json!(said.map_or(most, |said| said.min(most)));
    body
}

/// What it means that some pieces go, on the tree.
fn without(
    (body, places, spelling): &(Value, Places, &'static str),
    gone: &BTreeSet<&str>,
) -> Value {
    let mut body = body.clone();
    let stays = |(place, name): (&Option<usize>, &&str)| place.filter(|_| !gone.contains(name));
    let left: Places = places.iter().zip(&PIECES).map(stays).collect();
    match list(&left, spelling) {
        Some(tools) => body["tools"] = tools,
        None => ["tools", CHOICES[0], CHOICES[1]].into_iter().for_each(|name| {
            body.as_object_mut().unwrap().remove(name);
        }),
    }
    body
}

proptest! {
    #[test]
    fn a_body_of_geminis_read_and_not_edited_is_the_body(made in body(), whims in whims()) {
        let body = write(&made.0, whims);
        let ask = asked(&body);
        prop_assert_eq!(edit(&body, &ask, &Edits::default()), body.clone());
        let offered: BTreeSet<&str> = known_by(&ask).collect();
        let made_of = PIECES.iter().zip(&made.1).filter(|(_, place)| place.is_some());
        prop_assert_eq!(offered, made_of.map(|(name, _)| *name).collect::<BTreeSet<_>>());
    }

    #[test]
    fn geminis_cap_is_in_force_wherever_it_has_to_be_written(
        made in body(),
        whims in whims(),
        most in 1..2000_u64,
    ) {
        let body = write(&made.0, whims);
        let write = Some(CapField::MaxOutputTokens);
        let cap = CapEdit { at_most: Tokens::new(most), write };
        let edits = Edits { cap: Some(cap), model: Some("z"), ..Edits::default() };
        let edited = edit(&body, &asked(&body), &edits);
        let mut expected = capped(&made.0, most);
        if let Some(model) = expected.get_mut("model") {
            *model = json!("models/z");
        }
        prop_assert_eq!(dom(&edited), expected);
    }

    #[test]
    fn of_geminis_tools_those_go_that_are_to_go_and_no_other(
        made in body(),
        whims in whims(),
        drop_tools in prop::collection::vec(0..PIECES.len(), 0..8),
    ) {
        let body = write(&made.0, whims);
        let ask = asked(&body);
        let edits = Edits { drop_tools: drop_tools.clone(), ..Edits::default() };
        let known: Vec<&str> = known_by(&ask).collect();
        let gone = drop_tools.iter().filter_map(|&at| known.get(at).copied()).collect();
        prop_assert_eq!(dom(&edit(&body, &ask, &edits)), without(&made, &gone));
    }

    #[test]
    fn without_tools_geminis_functions_stay_and_are_not_called(made in body(), whims in whims()) {
        let body = write(&made.0, whims);
        let ask = asked(&body);
        let edited = edit(&body, &ask, &Edits { no_tools: true, ..Edits::default() });
        let mut expected = without(&made, &PIECES[4..].iter().copied().collect());
        if expected.get("tools").is_some() {
            let choice = either(&expected, CHOICES);
            expected[choice] = json!({"functionCallingConfig": {"mode": "NONE"}});
        }
        prop_assert_eq!(dom(&edited), expected);
    }
}
