//! Which conversation a request belongs to, and whose child it is.
//!
//! A session is named by a header, else by the conversation that the protocol itself carries. A
//! child agent names its parent too, and what it uses counts for the root: a tree of agents has one
//! budget. Which root a child has is remembered for as long as its session lives, so that it need
//! not be said with each request, and cannot be said otherwise. When this is wrong: after a restart
//! a grandchild is counted for its parent until the parent has spoken again.

use std::collections::HashMap;
use std::sync::Mutex;

use http::HeaderMap;
use tollgate_policy::{Caller, Session};
use tollgate_units::{Span, Timestamp};
use tollgate_wire::NoticeKind;

use crate::gate::Gateway;
use crate::identify::Inbound;
use crate::read::Unread;

/// The roots of the sessions of children.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    roots: Mutex<HashMap<u128, Root>>,
}

#[derive(Debug)]
struct Root {
    session: Session,
    ends: Timestamp,
}

/// The caller, in the session that the request's headers name, else in the one that its protocol
/// does.
pub(crate) fn join(
    gate: &Gateway,
    inbound: &Inbound,
    caller: Caller,
    carried: Option<&str>,
) -> Result<Caller, Unread> {
    let headers = &inbound.parts.headers;
    let named = name(headers, SESSION)?;
    let parent = name(headers, PARENT)?;
    let Some(own) = named.or(carried).or(parent) else {
        return Ok(caller);
    };
    let session = caller.session(own);
    let parent = parent.map(|parent| caller.session(parent));
    let (now, idle) = (gate.clock().now(), caller.policy().session_idle());
    let root = gate.sessions.root(session, parent, (now, idle));
    Ok(caller.within(root))
}

impl Sessions {
    /// The session that `own`, which is known to be a child's, counts for.
    pub(crate) fn known_root(&self, own: &Session, now: Timestamp) -> Option<Session> {
        let roots = self.roots.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let root = roots.get(&own.id()).filter(|root| root.ends > now)?;
        Some(root.session.clone())
    }

    /// The session that `own` counts for, which is its own where it has no parent.
    fn root(
        &self,
        own: Session,
        parent: Option<Session>,
        (now, idle): (Timestamp, Span),
    ) -> Session {
        let mut roots = self.roots.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ends = now.plus(idle);
        if let Some(known) = roots.get_mut(&own.id()).filter(|root| root.ends > now) {
            known.ends = ends;
            return known.session.clone();
        }
        let Some(parent) = parent else {
            return own;
        };
        let known = roots.get(&parent.id()).filter(|root| root.ends > now);
        let session = known.map_or(parent, |root| root.session.clone());
        if session.id() == own.id() {
            return own;
        }
        if roots.len() >= ROOTS_MAX {
            roots.retain(|_, root| root.ends > now);
        }
        if roots.len() < ROOTS_MAX {
            roots.insert(own.id(), Root { session: session.clone(), ends });
        }
        session
    }
}

/// The name that a header gives, once.
fn name<'h>(headers: &'h HeaderMap, header: &str) -> Result<Option<&'h str>, Unread> {
    let mut values = headers.get_all(header).iter();
    let (Some(value), more) = (values.next(), values.next()) else {
        return Ok(None);
    };
    let name = value.to_str().ok().map(str::trim);
    let name = name.filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX);
    if let (Some(name), None) = (name, more) {
        return Ok(Some(name));
    }
    let message = format!(
        "The header {header} must be given once, with 1 to {NAME_BYTES_MAX} visible characters."
    );
    Err(Unread::Refused(NoticeKind::InvalidRequest, message))
}

const SESSION: &str = "x-tollgate-session";
const PARENT: &str = "x-tollgate-parent-session";
const NAME_BYTES_MAX: usize = 256;
/// Some ten megabytes. A child whose root is not remembered counts for the parent that it names.
const ROOTS_MAX: usize = 65_536;

#[cfg(test)]
mod tests;
