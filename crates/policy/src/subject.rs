//! Whom a limit counts, and what stands in for one that is missing.
//!
//! A subject carries its kind and its owner into its identity, so that the key `web` is never the
//! user `web`. Everything that a key or a JWT says is resolved and hashed once.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::SubjectKind;
use crate::settings::KeySettings;

/// One value of a subject: whom a meter counts.
#[derive(Clone, Debug)]
pub struct Subject {
    pub(crate) kind: SubjectKind,
    pub(crate) value: Arc<str>,
    /// Whose name space the value lives in; nothing where names are everybody's.
    owner: Option<Arc<str>>,
    id: u128,
}

impl Subject {
    /// The subject `value` of `kind`; `owner` is whose name space the value lives in.
    pub(crate) fn new(kind: SubjectKind, owner: &str, value: &str) -> Self {
        let id = fingerprint(&[&kind.to_string(), owner, value]);
        let owner = (!owner.is_empty()).then(|| owner.into());
        Self { kind, value: value.into(), owner, id }
    }

    /// The subject of an address: IPv4-mapped unmapped first, then IPv6 by its /64.
    pub(crate) fn of_ip(ip: IpAddr) -> Self {
        Self::new(SubjectKind::Ip, "", &widened(ip).to_string())
    }

    /// 128 bits that stand for kind, owner and value.
    pub(crate) const fn id(&self) -> u128 {
        self.id
    }

    /// Whose name space the value lives in, in words: `org:o1`, `key:web`.
    pub(crate) fn owner(&self) -> Option<String> {
        let mut parts = self.owner.as_deref()?.split(PART);
        let org = parts.next().filter(|org| !org.is_empty());
        let mut words: Vec<_> = org.map(|org| format!("org:{org}")).into_iter().collect();
        while let Some(kind) = parts.next() {
            words.push(match kind {
                "proxy" => "trusted proxies".to_owned(),
                "jwt" => format!("issuer:{}", parts.next().unwrap_or_default()),
                _ => format!("{kind}:{}", parts.next().unwrap_or_default()),
            });
        }
        Some(words.join(" and "))
    }

    /// Whether it is a conversation.
    pub(crate) fn is_session(&self) -> bool {
        self.kind == SubjectKind::Session
    }
}

impl std::fmt::Display for Subject {
    /// `user:ana`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// Who is asking, by the word of an issuer that the operator trusts: the content of a JWT.
#[derive(Clone, Copy, Debug)]
pub struct Vouched<'a> {
    /// Whose word it is.
    pub issuer: &'a str,
    /// The issuer's own name for the caller: what stands for a key.
    pub subject: &'a str,
    /// The person, where it is said.
    pub user: Option<&'a str>,
    /// The team.
    pub team: Option<&'a str>,
    /// The project.
    pub project: Option<&'a str>,
    /// The organisation.
    pub org: Option<&'a str>,
    /// The tier.
    pub tier: &'a str,
}

/// A key's subjects, with the fallback to the key applied.
#[derive(Clone, Debug)]
pub(crate) struct KeySubjects {
    pub(crate) key: Subject,
    pub(crate) org: Subject,
    pub(crate) project: Subject,
    pub(crate) team: Subject,
    pub(crate) user: Subject,
    /// Whether the user is an issuer's word, which nobody else's replaces.
    pub(crate) is_vouched: bool,
    /// Whose the names are that the key's requests claim: its org's, else its own.
    pub(crate) space: String,
}

/// Parts the names of an owner. No name from a file or a claim can hold it, so that nobody is
/// called as another one's owner is.
pub(crate) const PART: char = '\u{1}';

impl KeySubjects {
    pub(crate) fn of(key: &KeySettings) -> Self {
        let own = Subject::new(SubjectKind::Key, "", &key.name);
        let org = key.org.as_deref().unwrap_or_default();
        let or_key = or_key(&own);
        Self {
            org: or_key(SubjectKind::Org, "", key.org.as_deref()),
            project: or_key(SubjectKind::Project, org, key.project.as_deref()),
            team: or_key(SubjectKind::Team, org, key.team.as_deref()),
            user: or_key(SubjectKind::User, org, key.user.as_deref()),
            is_vouched: false,
            space: key.org.clone().unwrap_or_else(|| format!("{PART}key{PART}{}", key.name)),
            key: own.clone(),
        }
    }

    /// Everything belongs to the issuer, and within it to the organisation. What is missing falls
    /// back to whom the JWT was issued to, never to something that all its JWTs share.
    pub(crate) fn vouched(by: &Vouched<'_>) -> Self {
        let issuer = format!("{PART}jwt{PART}{}", by.issuer);
        let own = Subject::new(SubjectKind::Key, &issuer, by.subject);
        let org = by.org.map(|org| format!("{issuer}{PART}org{PART}{org}"));
        let owner = org.as_deref().unwrap_or(&issuer);
        let or_key = or_key(&own);
        Self {
            org: or_key(SubjectKind::Org, &issuer, by.org),
            project: or_key(SubjectKind::Project, owner, by.project),
            team: or_key(SubjectKind::Team, owner, by.team),
            user: or_key(SubjectKind::User, &issuer, by.user),
            is_vouched: by.user.is_some(),
            space: org.unwrap_or_else(|| format!("{issuer}{PART}key{PART}{}", by.subject)),
            key: own.clone(),
        }
    }
}

/// The subject of a name, or the key where there is none.
fn or_key(own: &Subject) -> impl Fn(SubjectKind, &str, Option<&str>) -> Subject {
    |kind, owner, value| value.map_or_else(|| own.clone(), |value| Subject::new(kind, owner, value))
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
