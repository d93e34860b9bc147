//! Where limits stand, for an operator who asks: a page of those who have any, or the meters of one
//! subject.
//!
//! Keys are many, so what follows from one is only made for those on the page. When it is wrong: a
//! user whom callers name freely is no key's, and is found under the key that named it.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;
use tollgate_policy::{Caller, Watched};
use tollgate_store::IssuedKey;

use crate::gate::Gateway;
use crate::models::{Row, rows};

/// Where the limits on one caller stand.
#[derive(Debug, Serialize)]
pub struct Holder {
    /// The key's name, or `anonymous`.
    pub key: String,
    /// The limits, those shared with others included.
    pub limits: Vec<Row>,
}

/// A page of holders.
#[derive(Debug, Serialize)]
pub struct Standings {
    /// The holders on it.
    pub holders: Vec<Holder>,
    /// What to ask for next; nothing on the last page.
    pub next: Option<String>,
}

impl Gateway {
    /// Where the limits stand for each caller that `subject` (`kind:value`) speaks of; without one,
    /// for every key and for anonymous callers on loopback. At most `most` of those after the key
    /// called `after`.
    pub fn standings(&self, subject: Option<&str>, after: Option<&str>, most: usize) -> Standings {
        let mut callers = self.holders(subject, after, most.saturating_add(1));
        let next = (callers.len() > most).then(|| {
            callers.truncate(most);
            callers.last().and_then(|caller| caller.key_name()).map(str::to_owned)
        });
        let holder = |caller: Caller| {
            let caller = caller.with_raises(self.issued().in_force());
            let key = caller.key_name().unwrap_or("anonymous").to_owned();
            Holder { key, limits: rows(self, &caller, false) }
        };
        Standings { holders: callers.into_iter().map(holder).collect(), next: next.flatten() }
    }

    /// The limits that count `subject`, each with its meter and its own amount, whatever is raised.
    /// `everybody` is nobody in particular.
    pub fn meters_of(&self, subject: &str) -> Vec<Watched> {
        let whose = subject.split(" and ").find(|part| is_of_a_key(part));
        let callers = if whose.is_some() {
            self.holders(whose, None, HOLDERS_MAX)
        } else {
            let ip = subject.split(" and ").find_map(ip).unwrap_or(LOOPBACK);
            self.live().policy.nobodies(ip).collect()
        };
        let wanted = (subject != EVERYBODY).then_some(subject);
        let now = self.clock().now();
        let mut found: Vec<Watched> = Vec::new();
        for caller in callers {
            for watched in caller.watched(false, now) {
                let is_new = |other: &Watched| other.charge().meter != watched.charge().meter;
                if watched.subject.as_deref() == wanted && found.iter().all(is_new) {
                    found.push(watched);
                }
            }
        }
        found
    }

    /// The key called `name`, listed or issued, as a caller at `ip`, which is loopback where none
    /// is said; without a name, one who has no key.
    pub(crate) fn caller_called(&self, name: Option<&str>, ip: Option<IpAddr>) -> Option<Caller> {
        let (policy, ip) = (&self.live().policy, ip.unwrap_or(LOOPBACK));
        let caller = match name {
            None => policy.anonymous(ip),
            Some(name) => policy.caller_of(name, ip).or_else(|| {
                let entry = self.issued().called(name, policy)?;
                Some(policy.caller(entry, ip))
            }),
        };
        caller.map(|caller| caller.with_raises(self.issued().in_force()))
    }

    /// Up to `most` callers that `subject` speaks of: listed keys in the operator's order, issued
    /// ones by name, those without a key.
    fn holders(&self, subject: Option<&str>, after: Option<&str>, most: usize) -> Vec<Caller> {
        let policy = &self.live().policy;
        let listed = policy.keys().map(|key| (key.name(), key));
        let listed: Vec<_> = match after.map(|after| (after, policy.lists(after))) {
            None => listed.collect(),
            Some((after, true)) => listed.skip_while(|(name, _)| *name != after).skip(1).collect(),
            Some((_, false)) => Vec::new(),
        };
        let mut callers: Vec<Caller> = listed
            .into_iter()
            .filter(|(_, key)| subject.is_none_or(|subject| key.stands_for(subject)))
            .filter_map(|(name, _)| policy.caller_of(name, LOOPBACK))
            .take(most)
            .collect();
        let after = after.filter(|after| !policy.lists(after));
        let is_wanted = |key: &IssuedKey| {
            key.revoked_at.is_none() && subject.is_none_or(|subject| stands_for(key, subject))
        };
        let issued = self.issued().page(after, most - callers.len(), is_wanted);
        callers.extend(issued.iter().filter_map(|key| {
            let entry = self.issued().called(&key.name, policy)?;
            Some(policy.caller(entry, LOOPBACK))
        }));
        let ip = subject.map_or(Some(LOOPBACK), ip);
        if let Some(anonymous) = ip.and_then(|ip| policy.anonymous(ip))
            && callers.len() < most
        {
            callers.push(anonymous);
        }
        callers
    }
}

/// Whether an issued key stands for `subject`, written `kind:value`.
fn stands_for(key: &IssuedKey, subject: &str) -> bool {
    let Some((kind, value)) = subject.split_once(':') else { return false };
    let own = match kind {
        "key" => Some(&key.name),
        "org" => key.org.as_ref(),
        "project" => key.project.as_ref(),
        "team" => key.team.as_ref(),
        "user" => key.user.as_ref(),
        _ => None,
    };
    own.is_some_and(|own| own == value)
}

fn is_of_a_key(part: &str) -> bool {
    let kind = part.split(':').next().unwrap_or_default();
    matches!(kind, "key" | "org" | "project" | "team" | "user")
}

fn ip(part: &str) -> Option<IpAddr> {
    part.strip_prefix("ip:").and_then(|ip| ip.parse().ok())
}

/// Who is asked for where a limit divides among nobody.
const EVERYBODY: &str = "everybody";
/// How many keys of one team, say, are looked at for the limits that they have in common.
const HOLDERS_MAX: usize = 1000;
/// Where an operator's own questions come from.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
