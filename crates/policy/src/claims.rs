//! What a request says of itself, from a sender that may: a trusted proxy, or the application
//! behind a key with `trust_user`.

use std::sync::Arc;

use tollgate_wire::{Ask, Malformed};

use crate::SubjectKind;
use crate::bound::BoundLimit;
use crate::principal::Caller;
use crate::subject::{PART, Subject};

/// What a request says of itself and is believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    pub(crate) user: Option<Subject>,
    pub(crate) team: Option<Subject>,
    pub(crate) project: Option<Subject>,
    pub(crate) org: Option<Subject>,
    pub(crate) headers: Vec<Subject>,
    /// The limits on the caller's requests, where the groups that are claimed bring more.
    pub(crate) limits: Option<Arc<[Arc<BoundLimit>]>>,
    /// Their model lists.
    pub(crate) lists: Vec<Arc<[String]>>,
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

    pub(crate) fn claimed(&self, field: impl Fn(&Claims) -> &Option<Subject>) -> Option<&Subject> {
        self.claims.as_deref().and_then(|claims| field(claims).as_ref())
    }
}
