//! Who is asking: keys, callers and their conversations.
//!
//! Everything that a key or a JWT says is resolved and hashed once; on the way of a request only an
//! address is hashed, and what a request may say of itself: see [`Caller`].

use std::net::IpAddr;
use std::sync::Arc;

use crate::SubjectKind;
use crate::access::matches_any;
use crate::bound::BoundLimit;
use crate::claims::Claims;
use crate::policy::{Policy, Tier, TierId};
use crate::raises::Raises;
use crate::settings::{Guardrails, KeySettings, Priority};
use crate::subject::{KeySubjects, Subject};

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
    pub(crate) claims: Option<Arc<Claims>>,
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

    pub(crate) const fn subject(&self) -> &Subject {
        &self.0
    }
}

impl std::fmt::Display for Session {
    /// `session:run-7`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

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

    /// Whether its requests go first.
    pub fn priority(&self) -> Priority {
        self.tier().priority
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

    pub(crate) fn own_limits(&self) -> &Arc<[Arc<BoundLimit>]> {
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

    pub(crate) fn is_vouched(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.subjects.is_vouched)
    }

    /// Whose the names are that are claimed: the key's, or the proxies' where there is no key.
    pub(crate) fn space(&self) -> &str {
        self.key.as_ref().map_or("\u{1}proxy", |key| &key.subjects.space)
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
