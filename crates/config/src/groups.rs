//! Teams, projects and organisations, and the sessions of agents.

use tollgate_policy::{GroupSettings, OnRunaway, RunawaySettings, SessionSettings};

use crate::names::Names;
use crate::reader::{Entry, Field, Keys, Reader, Section};
use crate::tiers;
use crate::values::duration;

pub(crate) const GROUP_KEYS: Keys = Keys { known: &["limits", "models"], later: &[] };
pub(crate) const SESSION_KEYS: Keys =
    Keys { known: &["idle", "per_key_per_hour", "runaway"], later: &[] };
pub(crate) const RUNAWAY_KEYS: Keys = Keys { known: &["same_call", "faster", "then"], later: &[] };

/// Reads the section `key`: `teams`, `projects` or `orgs`; one of them is called `noun`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
    names: &Names<'_>,
    (key, noun): (&str, &str),
) -> Vec<GroupSettings> {
    let section = file.get(key).and_then(|field| reader.map(&field, ""));
    let entries = section.iter().flat_map(Section::entries);
    entries.filter_map(|entry| group(reader, entry, names, noun)).collect()
}

fn group(
    reader: &mut Reader<'_>,
    entry: Entry<'_>,
    names: &Names<'_>,
    noun: &str,
) -> Option<GroupSettings> {
    let owner = format!("{noun} {}", entry.name);
    let here = Field { node: entry.key, context: owner.clone() };
    if entry.name.is_empty() || entry.name.len() > 128 {
        reader.mark(&here, format!("expected the name of a {noun} of at most 128 characters"));
    }
    let field = Field { node: entry.value, context: owner.clone() };
    let section = reader.section(&field, &owner, &GROUP_KEYS)?;
    Some(GroupSettings {
        name: entry.name.to_owned(),
        limits: tiers::limits(reader, &section, names.has_keyless_in(noun)),
        models: section.get("models").and_then(|field| tiers::models(reader, &field, names)),
    })
}

/// Reads the section `sessions`.
pub(crate) fn sessions(reader: &mut Reader<'_>, file: &Section<'_>) -> SessionSettings {
    let mut settings = SessionSettings::default();
    let section = file.get("sessions");
    let section = section.and_then(|field| reader.section(&field, "sessions", &SESSION_KEYS));
    let Some(section) = section else {
        return settings;
    };
    if let Some(field) = section.get("idle") {
        let expected = "a duration of at most a day, such as 30m";
        settings.idle = reader.value(&field, expected, duration).unwrap_or(settings.idle);
    }
    if let Some(field) = section.get("per_key_per_hour") {
        let expected = "a number of sessions, such as 1000";
        let most = reader.value(&field, expected, |text| text.parse().ok().filter(|&n| n > 0));
        settings.per_key_per_hour = most.unwrap_or(settings.per_key_per_hour);
    }
    settings.runaway = section.get("runaway").and_then(|field| runaway(reader, &field));
    settings
}

fn runaway(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<RunawaySettings> {
    let section = reader.section(field, "runaway of sessions", &RUNAWAY_KEYS)?;
    let mut settings = RunawaySettings { same_call: 5, faster: 10, then: OnRunaway::Report };
    if let Some(field) = section.get("same_call") {
        let expected = "a number of equal calls from 2 to 32, such as 5";
        let number = |text: &str| text.parse().ok().filter(|times| (2..=32).contains(times));
        settings.same_call = reader.value(&field, expected, number).unwrap_or(5);
    }
    if let Some(field) = section.get("faster") {
        let expected = "a factor from 2x to 1000x, such as 10x";
        let number = |text: &str| {
            let factor = text.strip_suffix('x')?.parse().ok();
            factor.filter(|factor| (2..=1000).contains(factor))
        };
        settings.faster = reader.value(&field, expected, number).unwrap_or(10);
    }
    if let Some(field) = section.get("then") {
        let words = [OnRunaway::Report, OnRunaway::Slow, OnRunaway::Stop];
        let words = words.map(|word| (word.label(), word));
        settings.then = reader.choice(&field, &words).unwrap_or(settings.then);
    }
    Some(settings)
}
