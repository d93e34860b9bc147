//! Alerts: what an operator wants to know at once, in the log and at a webhook.
//!
//! A meter that passed its mark is told once for each of its windows, whoever passes it and however
//! often, and again after a raise or a reset; a provider that refuses the account, once an hour; an
//! agent that runs away, once. The webhook is given JSON that Slack shows as it is, with what a
//! program may want beside it, signed with the operator's secret. It is an errand of its own: no
//! request waits for it, few run at a time, and one that fails is tried again twice. When it is
//! wrong: after a restart what was told is told again.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_policy::{Caller, Warning};
use tollgate_routing::Change;
use tollgate_units::{Span, Timestamp};
use tollgate_wire::rfc3339;

pub use self::webhook::{Format, Webhook};
use crate::runaway::Suspicion;

mod webhook;

/// Which alerts have been told.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    told: Mutex<HashMap<u128, Timestamp>>,
    /// What is wrong, was told, and is not yet over.
    wrong: Mutex<HashSet<Wrong>>,
}

/// What tells one trouble from others.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Wrong {
    kind: &'static str,
    of: Box<[Box<str>]>,
}

/// Something that goes wrong, and is over at some time.
struct Trouble<'a> {
    /// In one word.
    kind: &'static str,
    /// What else tells it from others of its kind.
    of: &'a [&'a str],
    /// Whether it goes wrong now, or is over.
    is_wrong: bool,
    details: Value,
}

/// What happened, for programs and for people.
struct Told<'a> {
    /// In one word.
    kind: &'static str,
    /// In a sentence.
    text: String,
    details: Value,
    webhook: Option<&'a Arc<Webhook>>,
    now: Timestamp,
}

impl Told<'_> {
    fn send(self) {
        let Some(webhook) = self.webhook else {
            return;
        };
        let mut details = self.details;
        details["kind"] = self.kind.into();
        details["at"] = rfc3339(self.now).into();
        webhook.send(&self.text, &details, self.now);
    }
}

impl Alerts {
    /// A limit has passed its mark.
    pub(crate) fn warn(
        &self,
        warning: &Warning<'_>,
        caller: &Caller,
        webhook: Option<&Arc<Webhook>>,
        now: Timestamp,
    ) {
        // What has no window to wait for is told again after a while.
        let resets = warning.limit.resets();
        let until = if resets { warning.standing.resets_at } else { now.plus(AGAIN_AFTER) };
        if !self.is_new(warning.meter, until, now) {
            return;
        }
        let limit = warning.limit.sentence();
        let (percent, subject) = (warning.percent(), warning.subject.as_deref());
        let (tier, key) = (caller.tier_name(), caller.key_name());
        tracing::warn!(limit, percent, subject, %tier, key, "a limit has passed its mark");
        let whom = subject.map_or_else(String::new, |subject| format!(" for {subject}"));
        let text = format!("Tollgate: {percent}% of \"{limit}\" is used{whom}.");
        let details = json!({
            "limit": limit,
            "subject": subject,
            "percent": percent,
            "tier": &**tier,
            "key": key,
            "resets_at": resets.then(|| rfc3339(warning.standing.resets_at)),
        });
        Told { kind: "limit_mark", text, details, webhook, now }.send();
    }

    /// Tells of a meter's mark again when it is passed again: its limit was raised, or it was
    /// reset.
    pub(crate) fn forget(&self, meter: u128) {
        locked(&self.told).remove(&meter);
    }

    /// A provider refuses the operator's account: its key, its access or its quota.
    pub(crate) fn account(
        &self,
        provider: &str,
        status: StatusCode,
        webhook: Option<&Arc<Webhook>>,
        now: Timestamp,
    ) {
        let id = hashed(&["account", provider]);
        if !self.is_new(id, now.plus(AGAIN_AFTER), now) {
            return;
        }
        let text = format!(
            "Tollgate: the provider {provider} refuses this account with {status}. Look at its \
             key, its access and its quota."
        );
        let details = json!({"provider": provider, "status": status.as_u16()});
        Told { kind: "provider_account", text, details, webhook, now }.send();
    }

    /// The breaker of a route has opened, or closed again.
    pub(crate) fn breaker(
        &self,
        (provider, model): (&str, &str),
        change: Change,
        webhook: Option<&Arc<Webhook>>,
        now: Timestamp,
    ) {
        let (is_wrong, text, until) = match change {
            Change::Recovering => return,
            Change::Opened { until } => {
                let text = format!(
                    "Tollgate: {provider}/{model} fails, and is left alone until a probe succeeds."
                );
                (true, text, Some(until))
            }
            Change::Closed => (false, format!("Tollgate: {provider}/{model} serves again."), None),
        };
        let details = json!({"provider": provider, "model": model, "until": until.map(rfc3339)});
        let of = &[provider, model];
        self.turn(Trouble { kind: "breaker", of, is_wrong, details }, text, (webhook, now));
    }

    /// What a provider allows the account has fallen below the share that is kept, or is above it
    /// again.
    pub(crate) fn quota(
        &self,
        (provider, model): (&str, &str),
        is_below: bool,
        webhook: Option<&Arc<Webhook>>,
        now: Timestamp,
    ) {
        let text = if is_below {
            format!(
                "Tollgate: what {provider} allows the account for {model} is nearly used up; the \
                 rest is kept for critical requests."
            )
        } else {
            format!("Tollgate: {provider} has room for {model} again.")
        };
        let details = json!({"provider": provider, "model": model});
        let (of, is_wrong) = (&[provider, model], is_below);
        self.turn(Trouble { kind: "provider_quota", of, is_wrong, details }, text, (webhook, now));
    }

    /// The account called `provider` is another one now, or gone: what was told of it is over, and
    /// what goes wrong with it from now on is told anew.
    pub(crate) fn forget_account(
        &self,
        provider: &str,
        webhook: Option<&Arc<Webhook>>,
        now: Timestamp,
    ) {
        locked(&self.told).remove(&hashed(&["account", provider]));
        let is_its = |wrong: &Wrong| wrong.of.first().is_some_and(|of| **of == *provider);
        let over: Vec<Wrong> =
            locked(&self.wrong).iter().filter(|wrong| is_its(wrong)).cloned().collect();
        for Wrong { kind, of } in over {
            let of: Vec<&str> = of.iter().map(|of| &**of).collect();
            let route = of.join("/");
            let text = format!(
                "Tollgate: {provider} was changed; what was wrong with {route} is over until it \
                 shows again."
            );
            let details = json!({"provider": provider, "model": of.get(1), "changed": true});
            let trouble = Trouble { kind, of: &of, is_wrong: false, details };
            self.turn(trouble, text, (webhook, now));
        }
    }

    /// The budget of retries is spent, or has some again.
    pub(crate) fn retries(&self, is_spent: bool, webhook: Option<&Arc<Webhook>>, now: Timestamp) {
        let text = if is_spent {
            "Tollgate: so much fails that the budget of retries is spent: requests are not tried \
             again for now."
        } else {
            "Tollgate: there is a budget for retries again."
        };
        let trouble =
            Trouble { kind: "retry_budget", of: &[], is_wrong: is_spent, details: json!({}) };
        self.turn(trouble, text.to_owned(), (webhook, now));
    }

    /// The store cannot write down what is used, for this reason, or writes again.
    pub(crate) fn store(
        &self,
        trouble: Option<&str>,
        webhook: Option<&Arc<Webhook>>,
        now: Timestamp,
    ) {
        let text = match trouble {
            Some(why) => format!("Tollgate: what is used cannot be written down: {why}."),
            None => "Tollgate: what is used is written down again.".to_owned(),
        };
        let (is_wrong, details) = (trouble.is_some(), json!({"trouble": trouble}));
        self.turn(Trouble { kind: "store", of: &[], is_wrong, details }, text, (webhook, now));
    }

    /// Tells of a trouble once, and once when it is over.
    fn turn(
        &self,
        trouble: Trouble<'_>,
        text: String,
        (webhook, now): (Option<&Arc<Webhook>>, Timestamp),
    ) {
        let Trouble { kind, of, is_wrong, mut details } = trouble;
        let what = Wrong { kind, of: of.iter().map(|of| Box::from(*of)).collect() };
        let mut wrong = locked(&self.wrong);
        let is_new = if is_wrong { wrong.insert(what) } else { wrong.remove(&what) };
        drop(wrong);
        if !is_new {
            return;
        }
        if is_wrong {
            tracing::warn!(kind, "{text}");
        } else {
            tracing::info!(kind, "{text}");
        }
        details["recovered"] = (!is_wrong).into();
        Told { kind, text, details, webhook, now }.send();
    }

    /// Whether nobody has been told of `id` since its last window, which now ends at `until`.
    fn is_new(&self, id: u128, until: Timestamp, now: Timestamp) -> bool {
        let mut told = locked(&self.told);
        if told.get(&id).is_some_and(|until| *until > now) {
            return false;
        }
        if told.len() >= TOLD_MAX {
            told.retain(|_, until| *until > now);
            // Better told twice than never.
            if told.len() >= TOLD_MAX {
                told.clear();
            }
        }
        told.insert(id, until);
        true
    }
}

/// An agent has run away; it is told of once, by whoever noticed.
pub(crate) fn tell_runaway(
    suspicion: &Suspicion,
    caller: &Caller,
    webhook: Option<&Arc<Webhook>>,
    now: Timestamp,
) {
    let session = caller.in_session().map(ToString::to_string);
    let (tier, key) = (caller.tier_name(), caller.key_name());
    let text = format!(
        "Tollgate: {suspicion} ({}, key {}).",
        session.as_deref().unwrap_or("no session"),
        key.unwrap_or("none")
    );
    let details = json!({
        "runaway": suspicion.label(),
        "session": session,
        "tier": &**tier,
        "key": key,
    });
    Told { kind: "runaway", text, details, webhook, now }.send();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 128 bits for something that is no meter.
fn hashed(parts: &[&str]) -> u128 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    u128::from(hasher.finish())
}

/// What has no window of its own is told again after so long.
const AGAIN_AFTER: Span = Span::from_secs(60 * 60);
/// Some two megabytes.
const TOLD_MAX: usize = 65_536;

#[cfg(test)]
mod tests;
