//! Who is asking, and whom a limit counts: callers, subjects, and what stands in for a missing one.
//!
//! A subject carries its kind and its owner into its identity, so that the key `web` is never the
//! user `web`. Everything that a static key says is resolved and hashed once, when the policy is
//! made; on the way of a request only an address is hashed.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::SubjectKind;
use crate::access::matches_any;
use crate::bound::BoundLimit;
use crate::policy::{Policy, Tier, TierId};
use crate::raises::Raises;
use crate::settings::{Guardrails, KeySettings};

/// One value of a subject: whom a meter counts.
#[derive(Clone, Debug)]
pub struct Subject {
    kind: SubjectKind,
    value: Arc<str>,
    id: u128,
}

impl Subject {
    /// The subject `value` of `kind`; `owner` is whose name space the value lives in.
    pub(crate) fn new(kind: SubjectKind, owner: &str, value: &str) -> Self {
        let id = fingerprint(&[&kind.to_string(), owner, value]);
        Self { kind, value: value.into(), id }
    }

    /// The subject of an address: IPv4-mapped unmapped first, then IPv6 by its /64.
    pub(crate) fn of_ip(ip: IpAddr) -> Self {
        Self::new(SubjectKind::Ip, "", &widened(ip).to_string())
    }

    /// 128 bits that stand for kind, owner and value.
    pub(crate) const fn id(&self) -> u128 {
        self.id
    }
}

impl std::fmt::Display for Subject {
    /// `user:ana`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// A key, with everything that follows from it worked out.
#[derive(Debug)]
pub struct KeyEntry {
    pub(crate) settings: KeySettings,
    pub(crate) tier: TierId,
    /// The limits on its requests: its own, its team's, project's and organisation's, its tier's,
    /// everybody's.
    pub(crate) limits: Arc<[Arc<BoundLimit>]>,
    /// Model lists of its own, its team's, its project's and its organisation's: what it may use
    /// is on all of them, and on its tier's.
    pub(crate) lists: Vec<Arc<[String]>>,
    pub(crate) guardrails: Guardrails,
    pub(crate) subjects: KeySubjects,
}

impl KeyEntry {
    /// The operator's name for the key.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Whether this key stands for `subject`, written `kind:value`.
    pub fn stands_for(&self, subject: &str) -> bool {
        let own = &self.subjects;
        [&own.key, &own.user, &own.team, &own.project, &own.org]
            .iter()
            .any(|candidate| candidate.to_string() == subject)
    }
}

/// A key's subjects, with the fallback to the key applied.
#[derive(Debug)]
pub(crate) struct KeySubjects {
    pub(crate) key: Subject,
    pub(crate) org: Subject,
    pub(crate) project: Subject,
    pub(crate) team: Subject,
    pub(crate) user: Subject,
}

impl KeySubjects {
    pub(crate) fn of(key: &KeySettings) -> Self {
        let own = Subject::new(SubjectKind::Key, "", &key.name);
        let org = key.org.as_deref().unwrap_or_default();
        let or_key = |kind: SubjectKind, owner: &str, value: Option<&str>| {
            value.map_or_else(|| own.clone(), |value| Subject::new(kind, owner, value))
        };
        Self {
            org: or_key(SubjectKind::Org, "", key.org.as_deref()),
            project: or_key(SubjectKind::Project, org, key.project.as_deref()),
            team: or_key(SubjectKind::Team, org, key.team.as_deref()),
            user: or_key(SubjectKind::User, org, key.user.as_deref()),
            key: own,
        }
    }
}

/// One conversation of one caller.
#[derive(Clone, Debug)]
pub struct Session(Subject);

impl Session {
    /// 128 bits that stand for it, and for whose it is.
    pub const fn id(&self) -> u128 {
        self.0.id()
    }
}

impl std::fmt::Display for Session {
    /// `session:run-7`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who is asking, as far as headers and the connection tell, and the policy that says so.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) policy: Arc<Policy>,
    pub(crate) key: Option<Arc<KeyEntry>>,
    pub(crate) tier: TierId,
    pub(crate) ip: IpAddr,
    pub(crate) session: Option<Session>,
    /// What is raised on anybody's meters; most of the time nothing is.
    pub(crate) raises: Option<Arc<Raises>>,
}

impl Caller {
    /// The policy that knows the caller.
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    pub(crate) fn tier(&self) -> &Tier {
        self.policy.tier(self.tier)
    }

    /// The name of the caller's tier.
    pub fn tier_name(&self) -> &Arc<str> {
        &self.tier().name
    }

    /// The limits on the caller's requests, whatever the model: the key's, its groups', the
    /// tier's, everybody's.
    pub(crate) fn limits(&self) -> &Arc<[Arc<BoundLimit>]> {
        self.key.as_ref().map_or(&self.tier().limits, |key| &key.limits)
    }

    pub(crate) fn guardrails(&self) -> &Guardrails {
        self.key.as_ref().map_or(&self.tier().guardrails, |key| &key.guardrails)
    }

    /// Whether the caller's lists allow the model called `name`.
    pub(crate) fn may_use(&self, name: &str) -> bool {
        let own = self.key.iter().flat_map(|key| key.lists.iter());
        matches_any(&self.tier().models, name)
            && own.into_iter().all(|list| matches_any(list, name))
    }

    /// The configured models that the caller may use, by name.
    pub fn models(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.policy.model_names().filter(|n| self.may_use(n)).collect();
        names.sort_unstable();
        names
    }

    /// The operator's name for the caller's key; nothing for an anonymous caller.
    pub fn key_name(&self) -> Option<&str> {
        self.key.as_deref().map(KeyEntry::name)
    }

    /// The caller in the conversation called `name`, which is its own: nobody else's of that name
    /// is the same.
    pub fn session(&self, name: &str) -> Session {
        let [key, user] = [SubjectKind::Key, SubjectKind::User]
            .map(|kind| self.subject(&kind).map_or(0, |subject| subject.id()));
        let owner = format!("{key:032x} {user:032x}");
        Session(Subject::new(SubjectKind::Session, &owner, name))
    }

    /// The conversation that the request belongs to.
    pub const fn in_session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The same caller in `session`.
    #[must_use]
    pub fn within(self, session: Session) -> Self {
        Self { session: Some(session), ..self }
    }

    /// The subject that stands for the caller in limits of `kind`, where the caller decides it:
    /// session falls back to the user; user, team, project and org to the key, and the key to the address, so that
    /// nobody escapes by leaving something out. Model, provider, tier and path are not the
    /// caller's to decide, and give nothing.
    pub(crate) fn subject(&self, kind: &SubjectKind) -> Option<Subject> {
        let key = self.key.as_deref().map(|entry| &entry.subjects);
        let own = match kind {
            SubjectKind::Ip => None,
            SubjectKind::Key => key.map(|own| &own.key),
            SubjectKind::Org => key.map(|own| &own.org),
            SubjectKind::Project => key.map(|own| &own.project),
            SubjectKind::Team => key.map(|own| &own.team),
            SubjectKind::Session if self.session.is_some() => {
                self.session.as_ref().map(|session| &session.0)
            }
            SubjectKind::User | SubjectKind::Session | SubjectKind::Header(_) => {
                key.map(|own| &own.user)
            }
            SubjectKind::Model | SubjectKind::Path | SubjectKind::Provider | SubjectKind::Tier => {
                return None;
            }
        };
        Some(own.cloned().unwrap_or_else(|| Subject::of_ip(self.ip)))
    }
}

/// The address that is counted: an IPv4 address as it is, an IPv6 address as its /64, because that
/// is what one subscriber is given.
fn widened(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

/// 128 bits of the parts, each ended by a byte that cannot stand in UTF-8, so that no two lists of
/// parts read alike. BLAKE3, because callers choose some parts and must not find two that collide.
pub(crate) fn fingerprint(parts: &[&str]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(&[0xff]);
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_the_user_of_the_same_name() {
        let key = Subject::new(SubjectKind::Key, "", "web");
        let user = Subject::new(SubjectKind::User, "", "web");
        assert_ne!(key.id(), user.id());
        assert_ne!(fingerprint(&["a", "bc"]), fingerprint(&["ab", "c"]));
    }

    #[test]
    fn an_address_is_counted_by_subscriber() {
        let of = |text: &str| Subject::of_ip(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "ip:192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "ip:192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "ip:2001:db8:1:2::");
    }
}
