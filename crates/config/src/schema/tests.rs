//! The schema and the reader know the same, and so does the page that is published.

use std::collections::BTreeSet;

use super::*;
use crate::yaml::{self, Node, Value as Yaml};

#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    for section in sections() {
        let said: BTreeSet<_> = section.fields.iter().map(|(key, ..)| *key).collect();
        let known: BTreeSet<_> = section.keys.known.iter().copied().collect();
        assert_eq!(said, known, "of section {}", section.name);
        assert_eq!(said.len(), section.fields.len(), "each once in {}", section.name);
        assert!(section.required.iter().all(|key| known.contains(key)), "{}", section.name);
    }
}

#[test]
fn the_published_schema_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tollgate.schema.json");
    let published = std::fs::read_to_string(path).unwrap_or_default();
    let made = format!("{:#}\n", schema());
    assert!(
        published == made,
        "docs/tollgate.schema.json is of another version; write it again with: cargo run -q -p \
         tollgate -- schema > docs/tollgate.schema.json"
    );
}

/// What of `node` is against the schema at `shape`: as much of JSON Schema as the schema uses.
fn flaws(node: &Node, shape: &Value, at: &str, found: &mut Vec<String>) {
    let root = schema();
    let shape = match shape["$ref"].as_str() {
        Some(name) => root.pointer(name.trim_start_matches('#')).unwrap(),
        None => shape,
    };
    if let Some(choices) = shape["anyOf"].as_array() {
        let fits = |choice| {
            let mut flawed = Vec::new();
            flaws(node, choice, at, &mut flawed);
            flawed.is_empty()
        };
        if !choices.iter().any(fits) {
            found.push(format!("{at}: none of the choices"));
        }
        return;
    }
    let words = shape["enum"].as_array();
    let kinds = match &shape["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => vec![kind.as_str().unwrap_or("string")],
    };
    match &node.value {
        Yaml::Map(entries) if kinds == ["object"] => {
            for (key, value) in entries {
                let (key, more) = (key.text().unwrap(), &shape["additionalProperties"]);
                let inner = match shape["properties"].get(key) {
                    Some(inner) => inner,
                    None if more.is_object() => more,
                    None => {
                        found.push(format!("{at}.{key}"));
                        continue;
                    }
                };
                flaws(value, inner, &format!("{at}.{key}"), found);
            }
            for key in shape["required"].as_array().into_iter().flatten() {
                if node.entry(key.as_str().unwrap()).is_none() {
                    found.push(format!("{at} lacks {key}"));
                }
            }
            for (key, others) in shape["dependentRequired"].as_object().into_iter().flatten() {
                let mut others = others.as_array().unwrap().iter();
                let lacks = |other: &Value| node.entry(other.as_str().unwrap()).is_none();
                if node.entry(key).is_some() && others.any(lacks) {
                    found.push(format!("{at}.{key} is not all"));
                }
            }
            if (entries.len() as u64) < shape["minProperties"].as_u64().unwrap_or(0) {
                found.push(format!("{at} is empty"));
            }
        }
        Yaml::List(items) if kinds == ["array"] => {
            for item in items {
                flaws(item, &shape["items"], at, found);
            }
        }
        Yaml::Text { text, .. } if !kinds.contains(&"object") && !kinds.contains(&"array") => {
            let is_word = words.is_none_or(|words| words.iter().any(|word| word == text));
            let is_flag = kinds != ["boolean"] || matches!(&**text, "true" | "false");
            if !is_word || !is_flag {
                found.push(format!("{at}: {text}"));
            }
        }
        Yaml::Broken | Yaml::List(_) | Yaml::Map(_) | Yaml::Text { .. } => {
            found.push(format!("{at}: another kind"));
        }
    }
}

fn flaws_of(text: &str) -> Vec<String> {
    let (root, _) = yaml::read(text);
    let mut found = Vec::new();
    flaws(&root.unwrap(), &schema(), "", &mut found);
    found
}

#[test]
fn right_files_fit_the_schema() {
    let files = [
        include_str!("../tests/documented.yaml"),
        include_str!("../../../../examples/tollgate.yaml"),
        include_str!("../../../sim/data/demo.yaml"),
    ];
    for file in files {
        assert_eq!(flaws_of(file), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn a_price_may_be_of_searches_alone() {
    for text in ["prices: {o/m: {search: 2}}", "prices: {o/m: {search: 2, input: 1, output: 2}}"] {
        let found = flaws_of(text);
        assert!(found.iter().all(|flaw| !flaw.starts_with(".prices")), "{text}: {found:?}");
    }
}

#[test]
fn what_the_reader_does_not_know_the_schema_does_not_either() {
    let found = flaws_of(include_str!("../tests/wrong.yaml"));
    assert!(!found.is_empty());
    let table = [
        ("listne: 127.0.0.1:8080", ".listne"),
        ("guardrails: {tool: [x]}", ".guardrails.tool"),
        ("guardrails: {on_forbidden_tool: drop}", ".guardrails.on_forbidden_tool: drop"),
        ("tiers: {pro: {models: [x], limit: [x]}}", ".tiers.pro.limit"),
        ("tiers: {pro: {}}", ".tiers.pro lacks \"models\""),
        ("keys: {name: web}", ".keys: another kind"),
        ("cache: {age: 1h}", ".cache.age"),
        ("prices: {o/m: {}}", ".prices.o/m is empty"),
        ("prices: {o/m: {search: 2, input: 1}}", ".prices.o/m.input is not all"),
        ("prices: {o/m: {search: 2, cached_input: 1}}", ".prices.o/m.cached_input is not all"),
        ("queue: {critical: 50}", ".queue"),
    ];
    for (text, flaw) in table {
        let found = flaws_of(text);
        assert!(found.iter().any(|found| found == flaw), "{text}: {found:?}");
    }
}
