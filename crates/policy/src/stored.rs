//! Whose it is, what a request refers to at a provider's account.
//!
//! Every tenant shares the account, so a request may refer only to what its own caller has made,
//! and is served only where that is. Whatever is somebody else's, is over, or never was gets the
//! same answer, the one that the provider gives for what it does not have. Who owns what is looked
//! up by others; here it is decided what to look up, and what follows.

use std::sync::Arc;

use tollgate_units::Tokens;
use tollgate_wire::{Reference, Stored};

use crate::SubjectKind;
use crate::consider::Options;
use crate::deployment::Deployment;
use crate::principal::Caller;
use crate::refusal::Refusal;
use crate::settings::CacheScope;
use crate::subject::fingerprint;

impl Caller {
    /// 128 bits that stand for whom the caller shares kept answers with, where `scope` says so: who
    /// is in no team or organisation has those to its own key. Anonymous callers share with nobody.
    pub fn cache_scope(&self, scope: CacheScope) -> Option<u128> {
        self.key.as_ref()?;
        let kind = match scope {
            CacheScope::User => SubjectKind::User,
            CacheScope::Key => SubjectKind::Key,
            CacheScope::Team => SubjectKind::Team,
            CacheScope::Org => SubjectKind::Org,
        };
        Some(self.subject(&kind)?.id())
    }

    /// 128 bits that stand for whose it is what the caller has made: its user's, else its key's.
    /// Anonymous callers own nothing: an address is nobody.
    pub fn owner(&self) -> Option<u128> {
        self.user().map(crate::Subject::id)
    }
}

/// 128 bits that stand for something stored at the account called `account`.
pub fn thing(account: &str, stored: &Stored) -> u128 {
    fingerprint(&["stored", account, stored.kind.name(), &stored.id])
}

impl Options {
    /// The same request, with the ways that are left to it: the accounts where everything that it
    /// refers to is its caller's. `look` says what a thing comes to as part of a prompt, if it is
    /// that owner's. Everything is looked up, whatever is found, so that the time it takes says
    /// nothing.
    ///
    /// # Errors
    /// Outside, that of `look`; inside, the first thing that is not the caller's.
    pub fn where_owned<E>(
        mut self,
        mut look: impl FnMut(u128, u128) -> Result<Option<Tokens>, E>,
    ) -> Result<Result<Self, Refusal>, E> {
        let (mut homes, mut brought, mut missing) = (Vec::new(), Tokens::ZERO, None);
        for account in accounts(&self.model.routes) {
            match self.brought_from(&account, &mut look)? {
                Ok(tokens) => {
                    brought = brought.max(tokens);
                    homes.push(account);
                }
                Err(lacks) => missing = missing.or(Some(lacks)),
            }
        }
        self.homes = homes;
        if let Some(unlooked) = self.unlooked() {
            return Ok(Err(Refusal::NotStored(missing.unwrap_or(unlooked))));
        }
        // What it brings is not in the body to be counted, and is known from when it was made.
        self.ask.prompt.attached = self.ask.prompt.attached.saturating_add(brought.get());
        Ok(Ok(self))
    }

    /// What everything that the request refers to comes to at `account`; or the first thing that
    /// is not the caller's there.
    fn brought_from<E>(
        &self,
        account: &str,
        look: &mut impl FnMut(u128, u128) -> Result<Option<Tokens>, E>,
    ) -> Result<Result<Tokens, Reference>, E> {
        let owner = self.caller.owner();
        let (mut brought, mut lacks) = (Tokens::ZERO, None);
        for reference in &self.ask.refers {
            let stored = &reference.stored;
            let found = match owner.filter(|_| stored.kind.is_made_by_answers()) {
                Some(owner) => look(thing(account, stored), owner)?,
                None => None,
            };
            match found {
                Some(tokens) => brought = brought.plus(tokens),
                None => lacks = lacks.or_else(|| Some(reference.clone())),
            }
        }
        Ok(lacks.map_or(Ok(brought), Err))
    }

    /// The same where `other`'s request leads, which refers to the same things.
    #[must_use]
    pub fn at_homes_of(self, other: &Self) -> Self {
        Self { homes: other.homes.clone(), ..self }
    }

    /// A reference that nobody has looked up.
    pub(crate) fn unlooked(&self) -> Option<Reference> {
        self.ask.refers.first().filter(|_| self.homes.is_empty()).cloned()
    }

    /// Whether a route may be taken: where everything is that the request refers to.
    pub(crate) fn is_home(&self, route: &Deployment) -> bool {
        self.ask.refers.is_empty() || self.homes.contains(route.provider())
    }
}

/// The accounts that serve a model, each once.
fn accounts(routes: &[Arc<Deployment>]) -> Vec<Arc<str>> {
    let mut accounts: Vec<Arc<str>> = Vec::new();
    for route in routes {
        if !accounts.contains(route.provider()) {
            accounts.push(route.provider().clone());
        }
    }
    accounts
}
