//! Who is asking, and whom a limit counts: callers, subjects, and what stands in for a missing one.
//!
//! A subject carries its kind and its owner into its identity, so that the key `web` is never the
//! user `web`. Everything that a key or a JWT says is resolved and hashed once; on the way of a
//! request only an address is hashed, and what a request may say of itself: see [`Caller`].

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tollgate_wire::{Ask, Malformed};

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
#[derive(Clone, Debug)]
pub(crate) struct KeySubjects {
    pub(crate) key: Subject,
    pub(crate) org: Subject,
    pub(crate) project: Subject,
    pub(crate) team: Subject,
    pub(crate) user: Subject,
    /// Whether the user is an issuer's word, which nobody else's replaces.
    is_vouched: bool,
    /// Whose the names are that the key's requests claim: its org's, else its own.
    space: String,
}

/// Parts the names of an owner. No name from a file or a claim can hold it, so that nobody is
/// called as another one's owner is.
const PART: char = '\u{1}';

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

/// Who is asking, and the policy that says so.
///
/// First what the credential and the connection tell; then what the request says of itself, from a
/// sender that may: a trusted proxy ([`Caller::by_proxy`]), or the application behind a key with
/// `trust_user` ([`Caller::for_user`], [`Caller::speaking_for`]). Nothing else moves a subject.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) policy: Arc<Policy>,
    pub(crate) key: Option<Arc<KeyEntry>>,
    pub(crate) tier: TierId,
    pub(crate) ip: IpAddr,
    /// Nothing for nearly every request.
    claims: Option<Arc<Claims>>,
    pub(crate) session: Option<Session>,
    /// What is raised on anybody's meters; most of the time nothing is.
    pub(crate) raises: Option<Arc<Raises>>,
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

/// What a request says of itself and is believed.
#[derive(Clone, Debug, Default)]
struct Claims {
    user: Option<Subject>,
    team: Option<Subject>,
    project: Option<Subject>,
    org: Option<Subject>,
    headers: Vec<Subject>,
    /// The limits on the caller's requests, where the groups that are claimed bring more.
    limits: Option<Arc<[Arc<BoundLimit>]>>,
    /// Their model lists.
    lists: Vec<Arc<[String]>>,
}

/// What a trusted proxy says of a request. The values are [`claimable`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ProxySays<'a> {
    /// The person.
    pub user: Option<&'a str>,
    /// The team.
    pub team: Option<&'a str>,
    /// The project.
    pub project: Option<&'a str>,
    /// The organisation.
    pub org: Option<&'a str>,
}

/// A name that a request may claim, without the white space around it.
///
/// # Errors
///
/// What was expected instead.
pub fn claimable(text: &str) -> Result<&str, &'static str> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= CLAIM_BYTES_MAX;
    let is_plain = !text.chars().any(char::is_control);
    (fits && is_plain).then_some(text).ok_or("a name of 1 to 256 bytes")
}

/// The longest name that a request may claim.
const CLAIM_BYTES_MAX: usize = 256;

impl Caller {
    pub(crate) fn new(
        policy: Arc<Policy>,
        key: Option<Arc<KeyEntry>>,
        tier: TierId,
        ip: IpAddr,
    ) -> Self {
        Self { policy, key, tier, ip, claims: None, session: None, raises: None }
    }

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
        let claimed = self.claims.as_ref().and_then(|claims| claims.limits.as_ref());
        claimed.unwrap_or_else(|| self.own_limits())
    }

    fn own_limits(&self) -> &Arc<[Arc<BoundLimit>]> {
        self.key.as_ref().map_or(&self.tier().limits, |key| &key.limits)
    }

    pub(crate) fn guardrails(&self) -> &Guardrails {
        self.key.as_ref().map_or(&self.tier().guardrails, |key| &key.guardrails)
    }

    /// Whether the caller's lists allow the model called `name`.
    pub(crate) fn may_use(&self, name: &str) -> bool {
        let own = self.key.iter().flat_map(|key| &key.lists);
        let claimed = self.claims.iter().flat_map(|claims| &claims.lists);
        matches_any(&self.tier().models, name)
            && own.chain(claimed).all(|list| matches_any(list, name))
    }

    /// The configured models that the caller may use, by name.
    pub fn models(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.policy.model_names().filter(|n| self.may_use(n)).collect();
        names.sort_unstable();
        names
    }

    /// The operator's name for the caller's key, or the issuer of its JWT; nothing for an anonymous
    /// caller.
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

    /// Whether the caller's key stands for `subject`, written `kind:value`.
    pub fn stands_for(&self, subject: &str) -> bool {
        self.key.as_ref().is_some_and(|key| key.stands_for(subject))
    }

    /// The same caller at another address.
    #[must_use]
    pub fn at(self, ip: IpAddr) -> Self {
        Self { ip, ..self }
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

    /// Whether the caller's key may say of each request whom it acts for.
    pub fn is_trusted(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.settings.trust_user)
    }

    /// Whether the application may still say which user it acts for: its key is trusted to, and
    /// nobody who counts more has said it.
    pub fn may_name_user(&self) -> bool {
        self.is_trusted() && !self.is_vouched() && self.claimed(|claims| &claims.user).is_none()
    }

    /// The headers that limits on this caller count by, in lower case.
    pub fn headers_counted(&self) -> impl Iterator<Item = &str> {
        let own = self.limits().iter().flat_map(|bound| bound.headers());
        own.chain(self.policy.model_headers().iter().map(String::as_str))
    }

    /// Whether the header called `name`, in lower case, says who is asking: then it is not for
    /// providers.
    pub fn reads_header(&self, name: &str) -> bool {
        let mut identity = self.policy.proxies().headers.names();
        identity.any(|other| other == name) || self.headers_counted().any(|other| other == name)
    }

    /// The caller that a trusted proxy says this is. A JWT's user, and what the key says of team,
    /// project and org, count more.
    #[must_use]
    pub fn by_proxy(mut self, says: &ProxySays<'_>) -> Self {
        let own = self.key.as_deref().map(|key| &key.settings);
        let unsaid = |own: Option<&Option<String>>| own.is_none_or(Option::is_none);
        let says = ProxySays {
            user: says.user.filter(|_| !self.is_vouched()),
            team: says.team.filter(|_| unsaid(own.map(|own| &own.team))),
            project: says.project.filter(|_| unsaid(own.map(|own| &own.project))),
            org: says.org.filter(|_| unsaid(own.map(|own| &own.org))),
        };
        let space = self.space();
        let org = says.org.map(|org| format!("{space}{PART}org{PART}{org}"));
        let owner = org.as_deref().unwrap_or(space);
        let claim = |kind, owner: &str, value: Option<&str>| {
            value.map(|value| Subject::new(kind, owner, value))
        };
        let mut claims = Claims {
            user: claim(SubjectKind::User, space, says.user),
            team: claim(SubjectKind::Team, owner, says.team),
            project: claim(SubjectKind::Project, owner, says.project),
            org: claim(SubjectKind::Org, space, says.org),
            ..Claims::default()
        };
        self.bring(&mut claims, &says);
        self.claims = Some(Arc::new(claims));
        self
    }

    /// The caller with what `other`, which is itself under another policy, says of itself.
    pub(crate) fn saying_as(mut self, other: &Self) -> Self {
        self.session.clone_from(&other.session);
        let Some(claims) = &other.claims else {
            return self;
        };
        let mut claims = Claims { limits: None, lists: Vec::new(), ..Claims::clone(claims) };
        let name =
            |subject: &Option<Subject>| subject.as_ref().map(|subject| subject.value.clone());
        let [team, project, org] = [&claims.team, &claims.project, &claims.org].map(name);
        let (team, project, org) = (team.as_deref(), project.as_deref(), org.as_deref());
        self.bring(&mut claims, &ProxySays { user: None, team, project, org });
        self.claims = Some(Arc::new(claims));
        self
    }

    /// Adds to `claims` the limits and lists of the groups that `says` names.
    fn bring(&self, claims: &mut Claims, says: &ProxySays<'_>) {
        for group in self.policy.groups_of(says) {
            let limits = claims.limits.as_ref().unwrap_or_else(|| self.own_limits());
            claims.limits = Some(group.limits.iter().chain(limits.iter()).cloned().collect());
            claims.lists.extend(group.models.clone());
        }
    }

    /// The caller acting for `user`, which is [`claimable`].
    #[must_use]
    pub fn for_user(mut self, user: &str) -> Self {
        let user = Subject::new(SubjectKind::User, self.space(), user);
        Arc::make_mut(self.claims.get_or_insert_default()).user = Some(user);
        self
    }

    /// The caller with the value of a header that limits count by, which is [`claimable`].
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let value = Subject::new(SubjectKind::Header(name.to_owned()), self.space(), value);
        Arc::make_mut(self.claims.get_or_insert_default()).headers.push(value);
        self
    }

    /// The caller acting for the user that the request's own fields name, where it may name one and
    /// has not done so in a header.
    ///
    /// # Errors
    ///
    /// Fields that name different users, or something that is no name.
    pub fn speaking_for(&self, ask: &Ask) -> Result<Self, Malformed> {
        if !self.may_name_user() {
            return Ok(self.clone());
        }
        let Some((field, user)) = ask.end_user()? else {
            return Ok(self.clone());
        };
        let user = claimable(user).map_err(|expected| Malformed::not_a_name(field, expected))?;
        Ok(self.clone().for_user(user))
    }

    fn is_vouched(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.subjects.is_vouched)
    }

    /// Whose the names are that are claimed: the key's, or the proxies' where there is no key.
    fn space(&self) -> &str {
        self.key.as_ref().map_or("\u{1}proxy", |key| &key.subjects.space)
    }

    fn claimed(&self, field: impl Fn(&Claims) -> &Option<Subject>) -> Option<&Subject> {
        self.claims.as_deref().and_then(|claims| field(claims).as_ref())
    }

    /// The subject that stands for the caller in limits of `kind`, where the caller decides it:
    /// session and header fall back to the user; user, team, project and org to the key, and the
    /// key to the address, so that nobody escapes by leaving something out. Model, provider, tier
    /// and path are not the caller's to decide, and give nothing.
    pub(crate) fn subject(&self, kind: &SubjectKind) -> Option<Subject> {
        let key = self.key.as_deref().map(|entry| &entry.subjects);
        let found = match kind {
            SubjectKind::Ip => None,
            SubjectKind::Key => key.map(|own| &own.key),
            SubjectKind::Org => self.claimed(|claims| &claims.org).or(key.map(|own| &own.org)),
            SubjectKind::Project => {
                self.claimed(|claims| &claims.project).or(key.map(|own| &own.project))
            }
            SubjectKind::Team => self.claimed(|claims| &claims.team).or(key.map(|own| &own.team)),
            SubjectKind::Session => self.session.as_ref().map(|session| &session.0).or(self.user()),
            SubjectKind::User => self.user(),
            SubjectKind::Header(_) => {
                let headers = self.claims.iter().flat_map(|claims| &claims.headers);
                headers.into_iter().find(|value| value.kind == *kind).or(self.user())
            }
            SubjectKind::Model | SubjectKind::Path | SubjectKind::Provider | SubjectKind::Tier => {
                return None;
            }
        };
        Some(found.cloned().unwrap_or_else(|| Subject::of_ip(self.ip)))
    }

    /// The person: by the issuer's word, else the proxy's or the application's, else the key's.
    pub(crate) fn user(&self) -> Option<&Subject> {
        let own = self.key.as_deref().map(|entry| &entry.subjects.user);
        self.claimed(|claims| &claims.user).or(own)
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
