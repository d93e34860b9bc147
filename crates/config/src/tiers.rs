//! What callers may do: tiers, limits, guardrails, model lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate_policy::{
    Guardrails, Limit, Measure, OnForbiddenTool, Priority, SubjectKind, TierSettings,
};
use tollgate_units::Tokens;

use crate::downgrades;
use crate::names::Names;
use crate::reader::{Entry, Field, Keys, Reader, Section};
use crate::values::tokens;

pub(crate) const TIER_KEYS: Keys = Keys {
    known: &["models", "limits", "guardrails", "priority"],
    later: &["cache", "prefer", "weight"],
};
pub(crate) const GUARDRAIL_KEYS: Keys = Keys {
    known: &["max_input_tokens", "max_output_tokens", "tools", "on_forbidden_tool", "fields"],
    later: &[],
};

/// Reads the section `tiers`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
    names: &Names<'_>,
) -> Vec<TierSettings> {
    let Some(field) = file.get("tiers") else {
        let example = "\"tiers: {free: {models: [gpt-4o-mini]}}\"";
        reader.missing(file, "tiers", example);
        return Vec::new();
    };
    let Some(section) = reader.map(&field, "") else {
        return Vec::new();
    };
    if section.entries().next().is_none() {
        reader.mark(&field, "expected at least one tier");
    }
    section.entries().filter_map(|entry| tier(reader, entry, names)).collect()
}

fn tier(reader: &mut Reader<'_>, entry: Entry<'_>, names: &Names<'_>) -> Option<TierSettings> {
    let owner = format!("tier {}", entry.name);
    // What is wrong with the name hides nothing that is wrong beneath it.
    reader.name(&Field { node: entry.key, context: owner.clone() }, "a tier's name");
    let field = Field { node: entry.value, context: owner.clone() };
    let mut section = reader.section(&field, &owner, &TIER_KEYS)?;
    section.at = entry.key.at.clone();
    let list = reader.required(&section, "models", "\"models: [gpt-4o-mini]\"");
    let models = list.and_then(|field| models(reader, &field, names));
    Some(TierSettings {
        name: entry.name.to_owned(),
        models: models.unwrap_or_default(),
        limits: limits(reader, &section, names.is_keyless(entry.name)),
        guardrails: guardrails(reader, &section),
        priority: section
            .get("priority")
            .and_then(|field| priority(reader, &field))
            .unwrap_or_default(),
    })
}

fn priority(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Priority> {
    let words = [
        ("critical", Priority::Critical),
        ("high", Priority::High),
        ("normal", Priority::Normal),
        ("low", Priority::Low),
    ];
    reader.choice(field, &words)
}

/// A list of models and patterns, each of which must match something.
pub(crate) fn models(
    reader: &mut Reader<'_>,
    field: &Field<'_>,
    names: &Names<'_>,
) -> Option<Vec<String>> {
    let items = reader.list(field, "models")?;
    if items.is_empty() {
        reader.mark(field, "expected at least one model");
    }
    let mut models = Vec::new();
    for item in &items {
        let Some(pattern) = reader.text(item, "a model's name or a pattern, such as gpt-4o*")
        else {
            continue;
        };
        if !names.has_model(pattern) {
            let what = reader.with_nearest("no such model", pattern, names.models.iter().copied());
            reader.mark(item, what);
        }
        models.push(pattern.to_owned());
    }
    Some(models)
}

/// The limits of a section, each another one. Where callers may have no key (`keyless`), their
/// subjects may turn out to be an address, which has no life that a total could be for.
pub(crate) fn limits(reader: &mut Reader<'_>, section: &Section<'_>, keyless: bool) -> Vec<Limit> {
    let Some(items) = section
        .get("limits")
        .and_then(|field| reader.list(&field, "sentences, such as \"20 requests per minute\""))
    else {
        return Vec::new();
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut limits = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let Some(limit) = limit(reader, item) else {
            continue;
        };
        let ends = limit.subjects.contains(&SubjectKind::Session);
        if keyless && limit.measure == Measure::Total && limit.counts_callers() && !ends {
            let what = "expected a period: for a caller without a key, a total would count an \
                        address for ever";
            reader.mark(item, what);
        }
        if let Some(first) = seen.insert(limit.identity(), at) {
            let what = format!(
                "counts the same as limits[{first}]; expected another or a name, such as \
                 \"named second\""
            );
            reader.mark(item, what);
        } else if let Some(name) = &limit.name
            && let Some(first) = seen.insert(format!("named {name}"), at)
        {
            reader.mark(
                item,
                format!("limits[{first}] is named {name} already; expected another name"),
            );
        }
        downgrades::note(reader, section, item, &limit);
        limits.push(limit);
    }
    limits
}

fn limit(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Limit> {
    let text = reader.text(field, "a sentence, such as \"20 requests per minute\"")?;
    match tollgate_policy::parse(text) {
        Ok(limit) => Some(limit),
        Err(mistake) => {
            let first = text.split_whitespace().next().unwrap_or_default();
            if MIDDLE_WORDS.contains(&first) {
                reader.mark(field, "expected quotes: inside [ ] a comma ends a sentence");
            } else {
                reader.mark_mistake(field, &mistake);
            }
            None
        }
    }
}

/// Words that no sentence begins with: what was meant is the rest of the one before.
const MIDDLE_WORDS: [&str; 8] =
    ["burst", "in", "named", "per", "reserve", "shadow", "then", "warn"];

/// The guardrails of a section.
pub(crate) fn guardrails(reader: &mut Reader<'_>, section: &Section<'_>) -> Guardrails {
    let Some(field) = section.get("guardrails") else {
        return Guardrails::default();
    };
    let Some(section) = reader.section(&field, &field.context, &GUARDRAIL_KEYS) else {
        return Guardrails::default();
    };
    let mut bound = |key: &str| section.get(key).and_then(|field| token_count(reader, &field));
    let max_input_tokens = bound("max_input_tokens");
    let max_output_tokens = bound("max_output_tokens");
    if let Some(field) = section.get("max_output_tokens")
        && max_output_tokens.is_some_and(|most| most < reader.least_output)
    {
        let least = reader.least_output.get();
        reader.mark(&field, format!("expected at least min_output_tokens, which is {least}"));
    }
    let tools = section.get("tools").and_then(|field| tools(reader, &field));
    let on_forbidden_tool = section.get("on_forbidden_tool").and_then(|field| {
        let words = [("reject", OnForbiddenTool::Reject), ("strip", OnForbiddenTool::Strip)];
        reader.choice(&field, &words)
    });
    let fields = section.get("fields").and_then(|field| fields(reader, &field));
    Guardrails { max_input_tokens, max_output_tokens, tools, on_forbidden_tool, fields }
}

/// A number of tokens above zero.
pub(crate) fn token_count(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Tokens> {
    reader.value(field, "a number of tokens, such as 4096 or 32k", tokens)
}

/// The tools that may be offered; an empty list allows none.
fn tools(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Arc<[String]>> {
    let items = reader.list(field, "tool names")?;
    let mut tools = Vec::new();
    for item in &items {
        let Some(tool) = reader.label(item, "a tool's name") else {
            continue;
        };
        let address = tool.strip_prefix("mcp:").and_then(|rest| rest.split_once("://"));
        let is_open = address.is_some_and(|(scheme, rest)| {
            let host = rest.split('/').next().unwrap_or_default();
            scheme.contains('*') || host.contains(['*', '@']) || host.len() == rest.len()
        });
        if is_open {
            // `https://host*` would also be `https://host.elsewhere`.
            let what = "expected a whole host and a path, such as \"mcp:https://example.com/*\"";
            reader.mark(item, what);
        }
        let undated = tollgate_wire::undated(&tool);
        if undated != tool {
            let what = format!(
                "expected a type without a date, which stands for every version: \"{undated}\""
            );
            reader.mark(item, what);
        }
        tools.push(tool);
    }
    Some(tools.into())
}

/// The fields that may be sent; an empty list allows those without which there is no request.
fn fields(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Arc<[String]>> {
    let items = reader.list(field, "fields, such as temperature")?;
    let mut fields = Vec::new();
    for item in &items {
        fields.extend(reader.label(item, "a field's name"));
    }
    Some(fields.into())
}
