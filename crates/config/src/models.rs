//! The names callers use, where each is served, and what it costs.

use tollgate_policy::{ModelSettings, Route};
use tollgate_tokens::Tariff;
use tollgate_units::MicroUsdPerMillion;

use crate::names::Names;
use crate::reader::{Entry, Field, Keys, Reader, Section};
use crate::tiers;
use crate::values::price;

pub(crate) const MODEL_KEYS: Keys =
    Keys { known: &["serve", "limits", "guardrails"], later: &["fallback", "prefer", "priority"] };
pub(crate) const PRICE_KEYS: Keys = Keys {
    known: &["input", "output", "cached_input", "cache_write", "cache_write_hour"],
    later: &[],
};

/// Reads the section `models`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
    names: &Names<'_>,
) -> Vec<ModelSettings> {
    let Some(field) = file.get("models") else {
        reader.missing(file, "models", "\"models: {gpt-4o: {serve: [openai/gpt-4o]}}\"");
        return Vec::new();
    };
    let Some(section) = reader.map(&field, "") else {
        return Vec::new();
    };
    if section.entries().next().is_none() {
        reader.mark(&field, "expected at least one model");
    }
    section.entries().filter_map(|entry| model(reader, entry, names)).collect()
}

fn model(reader: &mut Reader<'_>, entry: Entry<'_>, names: &Names<'_>) -> Option<ModelSettings> {
    let owner = format!("model {}", entry.name);
    let is_name = |c: char| !c.is_whitespace() && !c.is_control() && c != '*';
    if entry.name.is_empty() || entry.name.len() > 128 || !entry.name.chars().all(is_name) {
        let here = Field { node: entry.key, context: owner };
        let what = "expected a model's name without spaces or \"*\", at most 128 bytes";
        reader.mark(&here, what);
        return None;
    }
    let field = Field { node: entry.value, context: owner.clone() };
    let mut section = reader.section(&field, &owner, &MODEL_KEYS)?;
    section.at = entry.key.at.clone();
    let field = reader.required(&section, "serve", "\"serve: [openai/gpt-4o]\"")?;
    let items = reader.list(&field, "provider/model")?;
    if items.is_empty() {
        reader.mark(&field, "expected at least one provider/model");
    }
    let mut serve = Vec::new();
    for item in &items {
        let Some(route) = route(reader, item, names) else {
            continue;
        };
        if serve.contains(&route) {
            reader.mark(item, "expected each provider/model once");
        } else {
            serve.push(route);
        }
    }
    Some(ModelSettings {
        name: entry.name.to_owned(),
        serve,
        limits: tiers::limits(reader, &section, true),
        guardrails: tiers::guardrails(reader, &section),
    })
}

fn route(reader: &mut Reader<'_>, field: &Field<'_>, names: &Names<'_>) -> Option<Route> {
    let expected = "provider/model, such as openai/gpt-4o";
    let text = reader.text(field, expected)?;
    let (provider, model) = provider_and_model(reader, field, text, expected)?;
    if !names.providers.contains(&provider) {
        let what =
            reader.with_nearest("no such provider", provider, names.providers.iter().copied());
        let start = field.node.at.start;
        reader.mark_in(field, start..start + provider.len(), what);
        return None;
    }
    Some(Route { provider: provider.to_owned(), model: model.to_owned() })
}

/// Reads the section `prices`.
pub(crate) fn prices(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
    names: &Names<'_>,
) -> Vec<(String, Tariff)> {
    let Some(section) = file.get("prices").and_then(|field| reader.map(&field, "")) else {
        return Vec::new();
    };
    let mut prices = Vec::new();
    for entry in section.entries() {
        let owner = format!("price of {}", entry.name);
        let here = Field { node: entry.key, context: owner.clone() };
        let is_route = route(reader, &here, names).is_some();
        let field = Field { node: entry.value, context: owner };
        let tariff = tariff(reader, &field);
        prices.extend(tariff.filter(|_| is_route).map(|tariff| (entry.name.to_owned(), tariff)));
    }
    prices
}

/// Reads a set of prices, in dollars for a million tokens.
pub(crate) fn tariff(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Tariff> {
    let section = reader.section(field, &field.context, &PRICE_KEYS)?;
    let mut read =
        |key: &str| section.get(key).map(|field| dollars(reader, &field).unwrap_or_default());
    let [input, output] = ["input", "output"].map(&mut read);
    let [cached_input, cache_write, cache_write_hour] =
        ["cached_input", "cache_write", "cache_write_hour"].map(&mut read);
    for (key, price) in [("input", input), ("output", output)] {
        if price.is_none() {
            reader.missing(&section, key, &format!("\"{key}: 0.40\""));
        }
    }
    Some(Tariff {
        input: input?,
        cached_input,
        cache_write,
        cache_write_hour,
        output: output?,
        long_context: None,
    })
}

fn dollars(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<MicroUsdPerMillion> {
    let expected = "dollars for a million tokens, such as 0.40, with at most six decimals";
    reader.value(field, expected, price)
}

fn provider_and_model<'t>(
    reader: &mut Reader<'_>,
    field: &Field<'_>,
    text: &'t str,
    expected: &str,
) -> Option<(&'t str, &'t str)> {
    let parts = text.split_once('/').filter(|(_, model)| {
        !model.is_empty() && !model.chars().any(|c| c.is_whitespace() || c.is_control())
    });
    if parts.is_none() {
        reader.mark(field, format!("expected {expected}"));
    }
    parts
}
