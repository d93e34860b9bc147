//! What a request says of itself in headers, from a sender that may: a trusted proxy, or the
//! application behind a key with `trust_user`.
//!
//! Nobody else's headers are looked at. A header that counts is there once and names somebody, or
//! the request is refused: which of two was meant, or whom an empty one means, cannot be said.

use http::HeaderMap;
use tollgate_policy::{Caller, IdentityHeaders, ProxySays, claimable};

use crate::identify::Inbound;

/// A header that says who is asking, and does not.
#[derive(Debug)]
pub(crate) struct Unclear {
    header: String,
    expected: &'static str,
}

impl Unclear {
    pub(crate) fn message(&self) -> String {
        format!("The header {} says who is asking: expected {}.", self.header, self.expected)
    }
}

/// The tier that a trusted proxy says a request without a credential is in.
pub(crate) fn tier(inbound: &Inbound) -> Result<Option<&str>, Unclear> {
    let headers = &inbound.live.policy.proxies().headers;
    if inbound.by_proxy { said(inbound, headers.tier.as_deref()) } else { Ok(None) }
}

/// The caller with everything that the request's headers may say of it.
pub(crate) fn claim(caller: Caller, inbound: &Inbound) -> Result<Caller, Unclear> {
    let caller = if inbound.by_proxy { by_proxy(caller, inbound)? } else { caller };
    let headers = &inbound.parts.headers;
    let user = if caller.may_name_user() { one(headers, USER)? } else { None };
    let caller = match user {
        Some(user) => caller.for_user(user),
        None => caller,
    };
    if !(inbound.by_proxy || caller.is_trusted()) {
        return Ok(caller);
    }
    let mut values = Vec::new();
    for name in caller.headers_counted() {
        values.extend(one(headers, name)?.map(|value| (name.to_owned(), value)));
    }
    Ok(values.iter().fold(caller, |caller, (name, value)| caller.with_header(name, value)))
}

fn by_proxy(caller: Caller, inbound: &Inbound) -> Result<Caller, Unclear> {
    let policy = &inbound.live.policy;
    let IdentityHeaders { user, team, project, org, tier: _ } = &policy.proxies().headers;
    let says = ProxySays {
        user: said(inbound, user.as_deref())?,
        team: said(inbound, team.as_deref())?,
        project: said(inbound, project.as_deref())?,
        org: said(inbound, org.as_deref())?,
    };
    let anything = [says.user, says.team, says.project, says.org].iter().any(Option::is_some);
    Ok(if anything { caller.by_proxy(&says) } else { caller })
}

fn said<'i>(inbound: &'i Inbound, name: Option<&str>) -> Result<Option<&'i str>, Unclear> {
    name.map_or(Ok(None), |name| one(&inbound.parts.headers, name))
}

/// The one value of a header that counts.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Unclear> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let unclear = |expected| Unclear { header: name.to_owned(), expected };
    if values.next().is_some() {
        return Err(unclear("it once"));
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| unclear("UTF-8"))?;
    claimable(text).map(Some).map_err(unclear)
}

/// Where an application says whom it acts for.
const USER: &str = "x-tollgate-user";
