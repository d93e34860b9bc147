//! `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers, from revision 07
//! (a dictionary) to 11 (lists of named policies).
//!
//! What both fields say under one name, of one partition, is one limit. A field that breaks the
//! grammar is ignored as a whole, and so is a policy without its quota.

use std::borrow::Cow;

use tollgate_units::{Span, Timestamp};

use super::fields::{Bare, Item, dictionary, list};
use super::told::Told;
use super::{Counted, Refill, Report, Reported};

pub(super) fn read(told: &Told<'_>, now: Timestamp, report: &mut Report) {
    let policies = whole(told, "ratelimit-policy", report);
    let states = whole(told, "ratelimit", report);
    if policies.is_none() && states.is_none() {
        return;
    }
    let from = report.limits.len();
    let policies = policies.map(|text| members(&text, report)).unwrap_or_default();
    for policy in policies.iter().filter(|policy| !is_nameless(policy)) {
        add(report, limit_of_policy(policy));
    }
    match states {
        Some(text) if is_dictionary(&text) => add(report, limit_of_dictionary(&text, now)),
        Some(text) => join_states(&text, now, (from, report)),
        None => {}
    }
    for policy in policies.iter().filter(|policy| is_nameless(policy)) {
        set_window(policy, report);
    }
}

/// Adds what is left to the limits whose policies were told, which begin at `from`.
fn join_states(text: &str, now: Timestamp, (from, report): (usize, &mut Report)) {
    for state in members(text, report) {
        let Some(state) = limit_of_state(&state, now) else {
            report.count_malformed();
            continue;
        };
        let mut named = report.limits.iter_mut().skip(from);
        let same =
            |limit: &&mut Reported| limit.name == state.name && limit.partition == state.partition;
        if let Some(limit) = named.find(same) {
            (limit.remaining, limit.reset_at) = (state.remaining, state.reset_at);
        } else {
            report.add(state);
        }
    }
}

/// Up to draft 07 a policy was its quota, `100;w=60`.
const fn is_nameless(policy: &Item) -> bool {
    matches!(policy.bare, Bare::Integer(_))
}

/// The window of a policy without a name is that of the limits of its amount.
fn set_window(policy: &Item, report: &mut Report) {
    let seconds = policy.parameter("w").and_then(count);
    let window = seconds.filter(|seconds| *seconds > 0).map(Span::from_secs);
    let Some((quota, window)) = count(&policy.bare).zip(window) else {
        report.count_malformed();
        return;
    };
    let same = |limit: &&mut Reported| limit.limit == Some(quota) && limit.window.is_none();
    for limit in report.limits.iter_mut().filter(same) {
        limit.window = Some(window);
    }
}

/// All lines of a field, joined as lists are.
fn whole<'h>(told: &Told<'h>, name: &str, report: &mut Report) -> Option<Cow<'h, str>> {
    let mut lines = told.all(name);
    let first = lines.next()?;
    let Ok(first) = first.to_str() else {
        report.count_malformed();
        return None;
    };
    let mut all = Cow::Borrowed(first);
    for line in lines.take(LINES_MAX) {
        let Ok(line) = line.to_str() else {
            report.count_malformed();
            return None;
        };
        let all = all.to_mut();
        all.push_str(", ");
        all.push_str(line);
    }
    Some(all)
}

const LINES_MAX: usize = 16;

fn members(text: &str, report: &mut Report) -> Vec<Item> {
    list(text).unwrap_or_else(|| {
        report.count_malformed();
        Vec::new()
    })
}

fn add(report: &mut Report, limit: Option<Reported>) {
    match limit {
        Some(limit) => report.add(limit),
        None => report.count_malformed(),
    }
}

/// `"name";q=100;w=60;qu="requests";pk=:base64:`
fn limit_of_policy(policy: &Item) -> Option<Reported> {
    let mut limit = named(policy)?;
    limit.limit = Some(count(policy.parameter("q")?)?);
    if let Some(window) = policy.parameter("w") {
        let seconds = count(window).filter(|seconds| *seconds > 0)?;
        limit.window = Some(Span::from_secs(seconds));
    }
    limit.counts = match policy.parameter("qu") {
        None => Counted::Requests,
        Some(Bare::Text(unit)) if unit == "requests" => Counted::Requests,
        // Not in the draft's registry, but in this gateway's own answers.
        Some(Bare::Text(unit)) if unit == "tokens" => Counted::Tokens,
        Some(Bare::Text(_)) => Counted::Other,
        Some(_) => return None,
    };
    Some(limit)
}

/// `"name";r=50;t=30;pk=:base64:`
fn limit_of_state(state: &Item, now: Timestamp) -> Option<Reported> {
    let mut limit = named(state)?;
    limit.remaining = Some(count(state.parameter("r")?)?);
    if let Some(reset) = state.parameter("t") {
        limit.reset_at = Some(now.plus(Span::from_secs(count(reset)?)));
    }
    Some(limit)
}

fn named(item: &Item) -> Option<Reported> {
    let Bare::Text(name) = &item.bare else { return None };
    let partition = match item.parameter("pk") {
        None => None,
        Some(Bare::Bytes(bytes)) => Some(bytes.clone()),
        Some(_) => return None,
    };
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    Some(Reported { partition, ..nothing(Cow::Owned(name)) })
}

const NAME_CHARS_MAX: usize = 64;

/// Draft 07: `limit=100, remaining=50, reset=30`.
fn limit_of_dictionary(text: &str, now: Timestamp) -> Option<Reported> {
    let members = dictionary(text)?;
    // Absent is none; present and no count of anything is a field that cannot be read.
    let number = |name: &str| -> Option<Option<u64>> {
        let Some((_, number)) = members.iter().rev().find(|(key, _)| key == name) else {
            return Some(None);
        };
        count(&Bare::Integer(*number)).map(Some)
    };
    Some(Reported {
        limit: number("limit")?,
        remaining: Some(number("remaining")??),
        reset_at: number("reset")?.map(|seconds| now.plus(Span::from_secs(seconds))),
        ..nothing(Cow::Borrowed("requests"))
    })
}

fn is_dictionary(text: &str) -> bool {
    text.trim_start().starts_with(|letter: char| letter.is_ascii_lowercase())
}

fn count(bare: &Bare) -> Option<u64> {
    match bare {
        Bare::Integer(number) => u64::try_from(*number).ok(),
        Bare::Bytes(_) | Bare::Other | Bare::Text(_) => None,
    }
}

const fn nothing(name: Cow<'static, str>) -> Reported {
    Reported {
        name,
        counts: Counted::Requests,
        refill: Refill::AtReset,
        window: None,
        calendar: None,
        limit: None,
        remaining: None,
        reset_at: None,
        grain: 1,
        is_aside: false,
        partition: None,
    }
}
