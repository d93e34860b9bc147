//! What holds besides the tiers and keys: models with bounds of their own, teams and the like,
//! sessions; and what about them is probably not meant.

use core::fmt::{self, Write as _};
use std::collections::BTreeSet;

use tollgate_policy::{
    GroupSettings, KeySettings, Limit, OnRunaway, SessionSettings, Settings, SubjectKind, in_words,
};

use super::{guardrails, limits, line};

pub(super) fn write(text: &mut String, settings: &Settings) -> fmt::Result {
    for model in &settings.models {
        let guards = &model.guardrails;
        let mut bounds = String::new();
        guardrails(&mut bounds, guards)?;
        if model.limits.is_empty() && bounds.is_empty() {
            continue;
        }
        writeln!(text, "\nModel {}, whoever asks", model.name)?;
        if !model.limits.is_empty() {
            limits(text, &model.limits)?;
        }
        text.push_str(&bounds);
    }
    let groups =
        [("Team", &settings.teams), ("Project", &settings.projects), ("Org", &settings.orgs)];
    for (kind, groups) in groups {
        for group in groups {
            writeln!(text, "\n{kind} {}, besides the tier of each", group.name)?;
            if let Some(models) = &group.models {
                let models = format!("{}, as far as their tier allows", models.join(", "));
                line(text, "models", &models)?;
            }
            limits(text, &group.limits)?;
        }
    }
    sessions(text, settings)
}

/// Sessions are only told of where somebody has said something about them.
fn sessions(text: &mut String, settings: &Settings) -> fmt::Result {
    let SessionSettings { idle, per_key_per_hour, runaway } = &settings.sessions;
    let counted = all_limits(settings).any(|(_, limit)| is_per_session(limit));
    if !counted && runaway.is_none() {
        return Ok(());
    }
    writeln!(text, "\nSessions")?;
    line(text, "end", &format!("after {} without a request", in_words(*idle)))?;
    line(text, "new", &format!("at most {per_key_per_hour} per hour for one key"))?;
    let Some(runaway) = runaway else { return Ok(()) };
    let then = match runaway.then {
        OnRunaway::Report => "is reported",
        OnRunaway::Slow => "is slowed down",
        OnRunaway::Stop => "is stopped",
    };
    let (times, factor) = (runaway.same_call, runaway.faster);
    let what =
        format!("one that makes the same call {times} times, or is {factor}x faster, {then}");
    line(text, "runaway", &what)
}

pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = unnamed_groups(settings);
    warnings.extend(endless_sessions(settings));
    warnings.extend(claimed_labels(settings));
    warnings
}

/// Keys of a group that has no section, where others have one: a slip of the pen, probably.
fn unnamed_groups(settings: &Settings) -> Vec<String> {
    type Own = for<'k> fn(&'k KeySettings) -> Option<&'k String>;
    let kinds: [(&str, &[GroupSettings], Own); 3] = [
        ("team", &settings.teams, |key| key.team.as_ref()),
        ("project", &settings.projects, |key| key.project.as_ref()),
        ("org", &settings.orgs, |key| key.org.as_ref()),
    ];
    let mut warnings = Vec::new();
    for (kind, groups, own) in kinds {
        let names: BTreeSet<_> = groups.iter().map(|group| &group.name).collect();
        for key in settings.keys.iter().filter(|_| !names.is_empty()) {
            if let Some(name) = own(key).filter(|name| !names.contains(name)) {
                let is_read = warnings.len() < WARNINGS_READ;
                let names = names.iter().filter(|_| is_read).map(|name| name.as_str());
                let near = tollgate_policy::Mistake::nearest(name, names);
                let near = near.map(|near| format!("; is it \"{near}\"?")).unwrap_or_default();
                warnings.push(format!(
                    "key {}: {kind} {name} has no limits of its own under {kind}s{near}",
                    key.name
                ));
            }
        }
    }
    warnings
}

/// Nobody reads further, and to look for what was meant takes long.
const WARNINGS_READ: usize = 20;

/// Limits per session that a new session begins anew, with no other limit on the same unit.
fn endless_sessions(settings: &Settings) -> Vec<String> {
    let bounded = |owner: &str, limit: &Limit| {
        let same = |(whose, other): &(String, &Limit)| {
            (whose == owner || whose.is_empty())
                && other.unit == limit.unit
                && !other.shadow
                && !is_per_session(other)
        };
        all_limits(settings).any(|other| same(&other))
    };
    let endless = all_limits(settings)
        .filter(|(owner, limit)| is_per_session(limit) && !limit.shadow && !bounded(owner, limit));
    let told = |(owner, limit): (String, &Limit)| {
        let whose = if owner.is_empty() { "everybody".to_owned() } else { owner };
        let (most, unit) =
            (settings.sessions.per_key_per_hour, limit.unit.label().replace('_', " "));
        format!(
            "{whose}: \"{limit}\" begins anew with each session, a key may open {most} per hour, \
             and no other limit here counts {unit}"
        )
    };
    endless.map(told).collect()
}

/// Entries of allowlists that trust the caller's own word.
fn claimed_labels(settings: &Settings) -> Vec<String> {
    let tiers = settings.tiers.iter().map(|tier| (format!("tier {}", tier.name), &tier.guardrails));
    let models =
        settings.models.iter().map(|model| (format!("model {}", model.name), &model.guardrails));
    let keys = settings.keys.iter().map(|key| (format!("key {}", key.name), &key.guardrails));
    let all = [("guardrails".to_owned(), &settings.guardrails)];
    let mut warnings = Vec::new();
    for (owner, guardrails) in all.into_iter().chain(models).chain(tiers).chain(keys) {
        for entry in guardrails.tools.iter().flat_map(|tools| tools.iter()) {
            if entry.strip_prefix("mcp:").is_some_and(|rest| !rest.contains("://")) {
                warnings.push(format!(
                    "{owner}: \"{entry}\" allows any server that the caller calls so; \
                     \"mcp:https://HOST/*\" says which"
                ));
            }
        }
    }
    warnings
}

/// Every limit, and whose it is: `tier pro`; nothing for everybody's.
fn all_limits(settings: &Settings) -> impl Iterator<Item = (String, &Limit)> {
    let owned = |owner: String, limits| {
        let limits: &[Limit] = limits;
        limits.iter().map(move |limit| (owner.clone(), limit))
    };
    let tiers = settings.tiers.iter();
    let tiers = tiers.flat_map(move |tier| owned(format!("tier {}", tier.name), &tier.limits));
    let keys = settings.keys.iter();
    let keys = keys.flat_map(move |key| owned(format!("key {}", key.name), &key.limits));
    tiers.chain(keys).chain(settings.limits.iter().map(|limit| (String::new(), limit)))
}

fn is_per_session(limit: &Limit) -> bool {
    limit.subjects.contains(&SubjectKind::Session)
}
