//! The caller that an operator names: by key, by issuer, with what its requests would say of it.
//!
//! A name that callers choose freely is no key's, and two keys may each have a user of one name, so
//! a subject alone does not say whose it is; the key that names it does. When it is wrong: of a JWT
//! nothing is kept, so any name under a believed issuer is taken for somebody's, in every tier.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tollgate_policy::{Caller, KeyDigest, ProxySays, Vouched, claimable};

use crate::gate::Gateway;

/// Whom an operator asks about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whose<'a> {
    /// `kind:value`, or several with ` and ` between them, in any order.
    pub subject: Option<&'a str>,
    /// The key whose subject is meant, or `anonymous`; under an issuer, its name for the caller.
    pub key: Option<&'a str>,
    /// The issuer of the caller's JWT.
    pub issuer: Option<&'a str>,
    /// The user that the request names.
    pub user: Option<&'a str>,
}

/// Who is said to ask.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// The key's name; under an issuer, its name for the caller. Nothing for an anonymous caller.
    pub key: Option<String>,
    /// The issuer of the caller's JWT.
    pub issuer: Option<String>,
    /// The tier that the JWT says.
    pub tier: Option<String>,
    /// The user that the request names.
    pub user: Option<String>,
    /// The address; loopback where none is said.
    pub ip: Option<IpAddr>,
    /// The session.
    pub session: Option<String>,
}

/// What is wrong with whom an operator asks about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unnamed {
    /// The field of [`Whose`] at fault.
    pub field: &'static str,
    /// What was wrong with it.
    pub message: &'static str,
}

impl<'a> Whose<'a> {
    /// Whoever `subject` speaks of.
    pub fn of(subject: &'a str) -> Self {
        Self { subject: Some(subject), ..Self::default() }
    }

    /// Whether it says whose subject is meant.
    pub const fn is_named(&self) -> bool {
        self.key.is_some() || self.issuer.is_some()
    }

    /// What the subject says of one kind.
    pub(crate) fn says(&self, kind: &str) -> Option<&'a str> {
        parts(self.subject?).find_map(|part| part.strip_prefix(kind)?.strip_prefix(':'))
    }

    /// The address; loopback where none is said, which is where an operator's questions come from.
    pub(crate) fn ip(&self) -> IpAddr {
        let said = self.says("ip").and_then(|ip| ip.parse().ok());
        said.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// Whether `subject` is the one that is meant.
    pub(crate) fn means(&self, subject: Option<&str>) -> bool {
        let wanted = self.subject.filter(|subject| *subject != EVERYBODY);
        let sorted = |text: &'a str| {
            let mut parts: Vec<_> = parts(text).collect();
            parts.sort_unstable();
            parts
        };
        match (wanted, subject) {
            (Some(wanted), Some(subject)) => {
                let mut found: Vec<_> = parts(subject).collect();
                found.sort_unstable();
                found == sorted(wanted)
            }
            (wanted, subject) => wanted.is_none() && subject.is_none(),
        }
    }

    /// What a trusted proxy could say, of what the subject says.
    pub(crate) fn groups(&self) -> ProxySays<'a> {
        let [team, project, org] = ["team", "project", "org"].map(|kind| self.says(kind));
        ProxySays { user: None, team, project, org }
    }
}

pub(crate) fn parts(subject: &str) -> impl Iterator<Item = &str> {
    subject.split(" and ")
}

impl Gateway {
    /// The callers that `whose` names: one for a key; for a JWT, and without a key, one in each
    /// tier.
    pub(crate) fn named(&self, whose: &Whose<'_>) -> Result<Vec<Caller>, Unnamed> {
        let callers = match (whose.issuer, whose.key) {
            (Some(issuer), _) => self.vouched(issuer, whose)?,
            (None, key) => match key.and_then(|key| self.caller_called(Some(key), None)) {
                Some(caller) => vec![caller],
                None if key == Some(ANONYMOUS) => self.live().policy.nobodies(whose.ip()).collect(),
                None => return Err(Unnamed { field: "key", message: NO_KEY }),
            },
        };
        callers.into_iter().map(|caller| claiming(caller.at(whose.ip()), whose)).collect()
    }

    /// The caller that is said to ask: one with a key, one with a JWT, or one without either.
    pub(crate) fn asking(&self, asker: &Asker) -> Result<Caller, Unnamed> {
        let (key, issuer, user) = (&asker.key, &asker.issuer, &asker.user);
        let [key, issuer, user] = [key, issuer, user].map(|said| said.as_deref());
        let whose = Whose { subject: None, key, issuer, user };
        let caller = if let Some(issuer) = issuer {
            let of_tier = |caller: &Caller| asker.tier.as_deref() == Some(&**caller.tier_name());
            let caller = self.vouched(issuer, &whose)?.into_iter().find(of_tier);
            let caller =
                caller.ok_or(Unnamed { field: "tier", message: "expected the JWT's tier" });
            caller?.with_raises(self.issued().in_force())
        } else if asker.tier.is_some() {
            let message = "only a JWT says its tier: name its issuer";
            return Err(Unnamed { field: "tier", message });
        } else {
            let message = if key.is_some() { NO_KEY } else { "a key is required here: name one" };
            self.caller_called(key, None).ok_or(Unnamed { field: "key", message })?
        };
        claiming(caller.at(asker.ip.unwrap_or_else(|| whose.ip())), &whose)
    }

    fn vouched(&self, issuer: &str, whose: &Whose<'_>) -> Result<Vec<Caller>, Unnamed> {
        let live = self.live();
        if !live.issuers.believes(issuer) {
            return Err(Unnamed { field: "issuer", message: "no such issuer" });
        }
        let user = whose.user.or(whose.says("user"));
        let by = Vouched {
            issuer,
            subject: whose.key.or(whose.says("key")).or(user).unwrap_or_default(),
            user,
            team: whose.says("team"),
            project: whose.says("project"),
            org: whose.says("org"),
            tier: "",
        };
        let policy: &Arc<_> = &live.policy;
        let entry = |tier| policy.vouched(&Vouched { tier, ..by }, KeyDigest::of(""));
        let entries = policy.tier_names().filter_map(entry);
        Ok(entries.map(|entry| policy.caller(entry, whose.ip())).collect())
    }
}

/// The caller with what its requests would say of it, where they may. Whom the key itself stands
/// for need not be said.
fn claiming(caller: Caller, whose: &Whose<'_>) -> Result<Caller, Unnamed> {
    let own = |kind: &str, name: &str| caller.stands_for(&format!("{kind}:{name}"));
    let headers = caller.policy().proxies().headers.clone();
    let user = whose.user.or(whose.says("user").filter(|name| !own("user", name)));
    let user = user.filter(|name| whose.issuer.is_none() || !own("user", name));
    if user.is_some_and(|name| claimable(name) != Ok(name)) {
        return Err(Unnamed { field: "user", message: "expected a name of 1 to 256 bytes" });
    }
    let groups = whose.groups();
    let unsaid = |kind, name: Option<&_>, header: &Option<String>| {
        header.is_some() && name.is_some_and(|name: &&str| !own(kind, name))
    };
    let says = ProxySays {
        user: user.filter(|_| headers.user.is_some()),
        team: groups.team.filter(|name| unsaid("team", Some(name), &headers.team)),
        project: groups.project.filter(|name| unsaid("project", Some(name), &headers.project)),
        org: groups.org.filter(|name| unsaid("org", Some(name), &headers.org)),
    };
    let anything = [says.user, says.team, says.project, says.org].iter().any(Option::is_some);
    let may_name = says.user.is_some() || caller.may_name_user();
    let mut caller = if anything { caller.by_proxy(&says) } else { caller };
    if let Some(user) = user.filter(|_| says.user.is_none()) {
        if !may_name {
            let message = "that key may not say which user it acts for (trust_user)";
            let field = if whose.user.is_some() { "user" } else { "subject" };
            return Err(Unnamed { field, message });
        }
        caller = caller.for_user(user);
    }
    Ok(match whose.says("session") {
        Some(name) => {
            let session = caller.session(name);
            caller.within(session)
        }
        None => caller,
    })
}

const NO_KEY: &str = "no such key";
/// Who is asked for where a limit divides among nobody.
const EVERYBODY: &str = "everybody";
/// Who has no key.
pub(crate) const ANONYMOUS: &str = "anonymous";
