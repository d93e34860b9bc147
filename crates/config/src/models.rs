//! The names callers use, where each is served, and what it costs.

use tollgate_policy::{ModelSettings, Prefer, Route};
use tollgate_tokens::Tariff;
use tollgate_units::{MicroUsdPerMillion, MicroUsdPerThousand};

use crate::names::Names;
use crate::reader::{Entry, Field, Keys, Reader, Section};
use crate::stand_ins;
use crate::tiers;
use crate::values::micro_dollars;
use crate::yaml::Value;

pub(crate) const MODEL_KEYS: Keys =
    Keys { known: &["serve", "fallback", "prefer", "limits", "guardrails"], later: &["priority"] };
pub(crate) const ROUTE_KEYS: Keys = Keys { known: &["to", "weight"], later: &[] };
pub(crate) const PRICE_KEYS: Keys = Keys {
    known: &["input", "output", "cached_input", "cache_write", "cache_write_hour", "search"],
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
        let Some(route) = weighted(reader, item, names) else {
            continue;
        };
        let is_there = |it: &Route| it.provider == route.provider && it.model == route.model;
        if serve.iter().any(is_there) {
            reader.mark(item, "expected each provider/model once");
        } else {
            serve.push(route);
        }
    }
    Some(ModelSettings {
        name: entry.name.to_owned(),
        serve,
        prefer: section.get("prefer").and_then(|field| prefer(reader, &field)).unwrap_or_default(),
        fallback: fallback(reader, &section, entry.name, names),
        limits: tiers::limits(reader, &section, true),
        guardrails: tiers::guardrails(reader, &section),
    })
}

fn prefer(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Prefer> {
    let words = [
        ("headroom", Prefer::Headroom),
        ("cheapest", Prefer::Cheapest),
        ("fastest", Prefer::Fastest),
        ("listed", Prefer::Listed),
    ];
    reader.choice(field, &words)
}

/// The models that stand in for the one called `name`, in order.
fn fallback(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    name: &str,
    names: &Names<'_>,
) -> Vec<String> {
    let Some(items) = section.get("fallback").and_then(|field| reader.list(&field, "models"))
    else {
        return Vec::new();
    };
    let mut models: Vec<String> = Vec::new();
    for item in &items {
        let Some(model) = reader.text(item, "a model's name") else {
            continue;
        };
        if !names.models.contains(model) {
            let what = reader.with_nearest("no such model", model, names.models.iter().copied());
            reader.mark(item, what);
        } else if model == name {
            reader.mark(item, format!("{model} cannot stand in for itself"));
        } else if models.iter().any(|it| it == model) {
            reader.mark(item, "expected each model once");
        } else {
            stand_ins::note(reader, item, name, model);
            models.push(model.to_owned());
        }
    }
    models
}

/// A route as text, or with its share of the traffic.
fn weighted(reader: &mut Reader<'_>, field: &Field<'_>, names: &Names<'_>) -> Option<Route> {
    if !matches!(field.node.value, Value::Map(_)) {
        return route(reader, field, names);
    }
    let section = reader.section(field, &field.context, &ROUTE_KEYS)?;
    let to = reader.required(&section, "to", "\"to: openai/gpt-4o\"")?;
    let weight = section.get("weight").and_then(|field| {
        let read = |text: &str| text.parse().ok().filter(|weight| (1..=1000).contains(weight));
        reader.value(&field, "a weight from 1 to 1000", read)
    });
    Some(Route { weight: weight.unwrap_or(1), ..route(reader, &to, names)? })
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
    Some(Route { provider: provider.to_owned(), model: model.to_owned(), weight: 1 })
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

/// Reads a set of prices, in dollars for a million tokens or a thousand searches. What is sold by
/// the search may have no price of tokens.
pub(crate) fn tariff(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Tariff> {
    let section = reader.section(field, &field.context, &PRICE_KEYS)?;
    let mut read =
        |key: &str| section.get(key).map(|field| for_tokens(reader, &field).unwrap_or_default());
    let [input, output] = ["input", "output"].map(&mut read);
    let [cached_input, cache_write, cache_write_hour] =
        ["cached_input", "cache_write", "cache_write_hour"].map(&mut read);
    let search =
        section.get("search").map(|field| for_searches(reader, &field).unwrap_or_default());
    let tokens = [input, output, cached_input, cache_write, cache_write_hour];
    let only_searches = search.is_some() && tokens.iter().all(Option::is_none);
    let or_none = |price: Option<_>| price.or(only_searches.then(MicroUsdPerMillion::default));
    let (input, output) = (or_none(input), or_none(output));
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
        search,
        long_context: None,
    })
}

fn for_tokens(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<MicroUsdPerMillion> {
    let expected = "dollars for a million tokens, such as 0.40, with at most six decimals";
    reader.value(field, expected, |text| micro_dollars(text).map(MicroUsdPerMillion::new))
}

fn for_searches(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<MicroUsdPerThousand> {
    let expected = "dollars for a thousand searches, such as 2.50, with at most six decimals";
    reader.value(field, expected, |text| micro_dollars(text).map(MicroUsdPerThousand::new))
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
