//! Where limits stand, for an operator who asks: a page of those who have any, or the meters of one
//! subject.
//!
//! Keys are many, so what follows from one is only made for those on the page. When it is wrong: of
//! more than a thousand keys of one team, say, the rest is not looked at for what it counts alone.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;
use tollgate_policy::{Caller, Watched};
use tollgate_store::IssuedKey;

use crate::gate::Gateway;
use crate::models::{Row, rows, seen};
use crate::whose::{ANONYMOUS, Unnamed, Whose, parts};

/// Where the limits on one caller stand.
#[derive(Debug, Serialize)]
pub struct Holder {
    /// The key's name, or `anonymous`; the subject, where it is nobody's.
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

/// A limit with its meter, and a key that it was found by.
#[derive(Debug)]
pub struct Found {
    /// The key's name, the JWT's issuer, or `anonymous`.
    pub key: String,
    /// The limit and its meter.
    pub watched: Watched,
}

impl Gateway {
    /// Where the limits stand for each caller that `whose` speaks of; of every key and of anonymous
    /// callers on loopback, where it says nothing. At most `most` of those after the key called
    /// `after`. Of an issuer, whose callers are in any tier: the limits on the subject alone.
    ///
    /// # Errors
    /// A name that is nobody's.
    pub fn standings(
        &self,
        whose: &Whose<'_>,
        after: Option<&str>,
        most: usize,
    ) -> Result<Standings, Unnamed> {
        let mut callers = if whose.is_named() {
            self.named(whose)?
        } else {
            self.holders(whose.subject, after, most.saturating_add(1))
        };
        if callers.is_empty() && whose.subject.is_some() && after.is_none() {
            return Ok(Standings { holders: self.shared(whose)?, next: None });
        }
        let next = (callers.len() > most).then(|| {
            callers.truncate(most);
            callers.last().and_then(|caller| caller.key_name()).map(str::to_owned)
        });
        let holder = |caller: Caller| {
            let caller = caller.with_raises(self.issued().in_force());
            let mut limits = rows(self, &caller, false);
            if whose.issuer.is_some() && whose.subject.is_some() {
                limits.retain(|row| whose.means(row.subject.as_deref()));
            }
            Holder { key: name_of(&caller), limits }
        };
        let mut holders: Vec<_> = callers.into_iter().map(holder).collect();
        holders.retain(|holder| whose.issuer.is_none() || !holder.limits.is_empty());
        Ok(Standings { holders, next: next.flatten() })
    }

    /// The limits on a subject that is nobody's: of everybody, a tier, or a model.
    fn shared(&self, whose: &Whose<'_>) -> Result<Vec<Holder>, Unnamed> {
        let found = self.meters_of(whose)?;
        let limits: Vec<_> = found.iter().filter_map(|found| seen(self, &found.watched)).collect();
        let key = whose.subject.unwrap_or_default().to_owned();
        Ok(if limits.is_empty() { Vec::new() } else { vec![Holder { key, limits }] })
    }

    /// The limits that count the subject of `whose`, each with its meter. `everybody` is nobody in
    /// particular. Where no key is named: the subject of each key that stands for it, and what
    /// counts it whole, whoever asks.
    ///
    /// # Errors
    /// A name that is nobody's.
    pub fn meters_of(&self, whose: &Whose<'_>) -> Result<Vec<Found>, Unnamed> {
        let mut found = Vec::new();
        if whose.is_named() {
            self.gather(&mut found, self.named(whose)?, |watched| whose.means(watched));
            return Ok(found);
        }
        let subject = whose.subject.unwrap_or_default();
        let of_a_key = parts(subject).find(|part| is_of_a_key(part));
        if of_a_key.is_some() {
            let callers = self.holders(of_a_key, None, HOLDERS_MAX);
            let callers = callers.into_iter().map(|caller| caller.at(whose.ip())).collect();
            self.gather(&mut found, callers, |watched| whose.means(watched));
        }
        let groups = whose.groups();
        let policy = &self.live().policy;
        let nobodies = policy.nobodies(whose.ip()).map(|caller| caller.by_proxy(&groups)).collect();
        let mut shared = Vec::new();
        self.gather(&mut shared, nobodies, |watched| whose.means(watched));
        shared.retain(|new| {
            let is_whole = new.watched.limit.limit().subjects.is_empty();
            (of_a_key.is_none() || is_whole) && found.iter().all(|old| !same(old, new))
        });
        found.extend(shared);
        Ok(found)
    }

    /// Adds the limits on `callers` whose subject is `wanted`, each meter once.
    fn gather(
        &self,
        found: &mut Vec<Found>,
        callers: Vec<Caller>,
        wanted: impl Fn(Option<&str>) -> bool,
    ) {
        let now = self.clock().now();
        for caller in callers {
            let caller = caller.with_raises(self.issued().in_force());
            for watched in caller.watched(false, now) {
                let new = Found { key: name_of(&caller), watched };
                let is_wanted = wanted(new.watched.subject.as_deref());
                if is_wanted && found.iter().all(|old| !same(old, &new)) {
                    found.push(new);
                }
            }
        }
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

/// Whether it is one limit's one meter: limits that are named differently may share meters.
fn same(one: &Found, other: &Found) -> bool {
    one.watched.charge().meter == other.watched.charge().meter
        && one.watched.configured.sentence() == other.watched.configured.sentence()
}

fn name_of(caller: &Caller) -> String {
    caller.key_name().unwrap_or(ANONYMOUS).to_owned()
}

fn is_of_a_key(part: &str) -> bool {
    let kind = part.split(':').next().unwrap_or_default();
    matches!(kind, "key" | "org" | "project" | "team" | "user")
}

fn ip(part: &str) -> Option<IpAddr> {
    part.strip_prefix("ip:").and_then(|ip| ip.parse().ok())
}

/// How many keys of one team, say, are looked at for the limits that they have in common.
const HOLDERS_MAX: usize = 1000;
/// Where an operator's own questions come from.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
