//! What providers store for callers: whose it is, and what its owner asks of it.
//!
//! Looking up reads from the disk, so it is done by the crew and not by the threads that serve
//! everybody; only requests that refer to something pay for it. What cannot be looked up is refused
//! and not let through. An errand to a stored response goes to the account that holds it, charges
//! nothing and holds nothing. Its answer comes whole; events, where they were asked for, as they
//! come. Whoever is not the owner is told what the provider says of what it does not have.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tollgate_policy::{Caller, Options, Refusal, thing};
use tollgate_store::{Owners, Trouble};
use tollgate_units::{Span, Tokens};
use tollgate_wire::{
    Endpoint, Errand, Notice, NoticeKind, Protocol, Stored, StoredKind, answer_without_account,
    created_of,
};

use crate::answer::{Outgoing, render};
use crate::background::look;
use crate::fault::{Fault, failed_below, judged, unanswered};
use crate::gate::{Gateway, Live};
use crate::headers::{forwardable, is_identity, returnable};
use crate::identify::Inbound;
use crate::relay::Relay;
use crate::respond::{by_provider, is_events};
use crate::scales::Busy;
use crate::upstream::{Going, Post};

/// Why it is not known whose something is.
#[derive(Debug)]
pub(crate) enum NotOwned {
    /// There is more to look up than can be, or the disk does not answer.
    Busy,
    /// Something is not the caller's.
    Refused(Refusal),
}

/// consider ▸ **own** ▸ weigh: the request with the ways that lead to where its caller's own things
/// are.
pub(crate) async fn own(gate: &Gateway, options: Options) -> Result<Options, NotOwned> {
    if options.ask().refers.is_empty() {
        return Ok(options);
    }
    let owners = gate.owners.clone();
    let look = move || options.where_owned(|thing, owner| owners.owned(thing, owner));
    let found = gate.scales.aside(look).await.map_err(|Busy| NotOwned::Busy)?;
    found.map_err(|trouble| unreadable(&trouble))?.map_err(NotOwned::Refused)
}

fn unreadable(trouble: &Trouble) -> NotOwned {
    tracing::error!(%trouble, "owners of what is stored cannot be looked up");
    NotOwned::Busy
}

/// Records that what was `made` at the account called `account` is `caller`'s.
pub(crate) fn record(owners: &Owners, account: &str, caller: &Caller, made: &[Stored]) {
    for stored in made {
        weighed(owners, account, caller, (stored, Tokens::ZERO));
    }
}

/// The same, of something that comes to so much as part of a prompt.
pub(crate) fn weighed(
    owners: &Owners,
    account: &str,
    caller: &Caller,
    (stored, tokens): (&Stored, Tokens),
) {
    if let Some(owner) = caller.owner() {
        owners.record(thing(account, stored), owner, tokens);
    }
}

/// Answers an errand to a stored response.
pub(crate) async fn answer(
    gate: &Arc<Gateway>,
    inbound: &Inbound,
    caller: &Caller,
    errand: &Errand,
) -> Response<Outgoing> {
    match run(gate, inbound, caller, errand).await {
        Ok(response) => response,
        Err(notice) => render(inbound.protocol(), &gate.told(notice)),
    }
}

async fn run(
    gate: &Arc<Gateway>,
    inbound: &Inbound,
    caller: &Caller,
    errand: &Errand,
) -> Result<Response<Outgoing>, Notice> {
    let stored = Stored { kind: StoredKind::Response, id: errand.id().to_owned() };
    let Some((account, name)) = holder(gate, inbound, caller, stored).await? else {
        let message = format!("Response with id '{}' not found.", errand.id());
        return Err(inbound.notice(NoticeKind::StoredNotFound, message));
    };
    let looker = Looker {
        gate: gate.clone(),
        caller: caller.clone(),
        account: name,
        id: errand.id().into(),
    };
    let (by, place) = ((&**gate, &*inbound.live), (account, &*looker.account));
    let failed = |fault: Fault| fault.notice(inbound, None);
    if errand.removes()
        && gate.works.follows(&looker.account, &looker.id)
        && let Some(show) = Errand::show(errand.id())
    {
        // What the work has used can only be asked for while it is there.
        let stands = look(by, place, &show).await.map_err(failed)?;
        gate.works.told(&looker.account, &looker.id, &stands);
    }
    let headers = forwardable(&inbound.parts.headers, |name| caller.reads_header(name));
    let told = match send(by, place, headers, errand).await.map_err(failed)? {
        Sent::Flows(response) if is_events(response.headers()) => {
            let (mut head, body) = response.into_parts();
            head.headers = returnable(&head.headers);
            let relay = Relay::of_stored((head.status, body), &inbound.live, account, looker);
            return Ok(Response::from_parts(head, Outgoing::Relay(Box::new(relay))));
        }
        Sent::Flows(response) => {
            let told = whole(by.1, place.1, response).await.map_err(failed)?;
            told.map(|body| answer_without_account(body, &inbound.live.upstreams.key(account)))
        }
        Sent::Refused(mut refusal) => {
            by_provider(refusal.headers_mut());
            return Ok(refusal.map(Outgoing::Whole));
        }
    };
    looker.created(&created_of(Endpoint::Responses, told.body()));
    if errand.removes() {
        gate.works.removed(&looker.account, &looker.id);
    } else {
        gate.works.told(&looker.account, &looker.id, &told);
    }
    Ok(told.map(Outgoing::Whole))
}

/// Whoever looks at its own stored response.
#[derive(Debug)]
pub(crate) struct Looker {
    gate: Arc<Gateway>,
    caller: Caller,
    account: Arc<str>,
    id: String,
}

impl Looker {
    /// It is told of these for the first time.
    pub(crate) fn created(&self, made: &[Stored]) {
        record(&self.gate.owners, &self.account, &self.caller, made);
    }

    /// It is told that the response has ended.
    pub(crate) fn told_of_the_end(&self) {
        self.gate.works.hurry(&self.account, &self.id);
    }
}

/// The account that holds what is the caller's: its place among the upstreams, and its name.
async fn holder(
    gate: &Gateway,
    inbound: &Inbound,
    caller: &Caller,
    stored: Stored,
) -> Result<Option<(usize, Arc<str>)>, Notice> {
    let Some(owner) = caller.owner() else {
        return Ok(None);
    };
    let (owners, live) = (gate.owners.clone(), inbound.live.clone());
    let look = move || {
        let mut held = None;
        for (at, name) in live.upstreams.speaking(Protocol::OpenAi) {
            let found = owners.owned(thing(name, &stored), owner)?;
            held = held.or(found.map(|_| (at, Arc::from(name))));
        }
        Ok(held)
    };
    let found = match gate.scales.aside(look).await {
        Ok(found) => found.map_err(|trouble| unreadable(&trouble)),
        Err(Busy) => Err(NotOwned::Busy),
    };
    found.map_err(|_| crate::stopped::busy(inbound))
}

/// Asks the account, and reads its whole answer, success or refusal of the request itself.
pub(crate) async fn ask(
    by: (&Gateway, &Live),
    account: (usize, &str),
    headers: http::HeaderMap,
    errand: &Errand,
) -> Result<Response<Bytes>, Fault> {
    match send(by, account, headers, errand).await? {
        Sent::Flows(response) => whole(by.1, account.1, response).await,
        Sent::Refused(refusal) => Ok(refusal),
    }
}

/// What an account says to an errand.
enum Sent {
    /// Its answer begins.
    Flows(Response<Incoming>),
    /// It refuses, for what the errand says.
    Refused(Response<Bytes>),
}

async fn send(
    by: (&Gateway, &Live),
    (account, name): (usize, &str),
    headers: http::HeaderMap,
    errand: &Errand,
) -> Result<Sent, Fault> {
    let (going, path) = (Going::default(), by.1.upstreams.path_of_errand(account, errand));
    let (method, body) = (errand.method(), Bytes::new());
    let post = Post { method, path: &path, headers, body, going: &going };
    let sent = by.1.upstreams.send(account, post).await;
    let response = sent.map_err(|error| unanswered(name, &error))?;
    if !response.status().is_success() {
        return Ok(Sent::Refused(judged(by, (account, name), response).await.passed()?));
    }
    if is_identity(response.headers()) { Ok(Sent::Flows(response)) } else { Err(Fault::Failed) }
}

/// Reads a whole answer of the account called `name`.
async fn whole(
    live: &Live,
    name: &str,
    response: Response<Incoming>,
) -> Result<Response<Bytes>, Fault> {
    let (mut head, body) = response.into_parts();
    let patience = std::time::Duration::from_millis(live.bounds.first_byte.as_millis());
    let whole = Limited::new(body, ANSWER_BYTES_MAX).collect();
    let body = match tokio::time::timeout(patience, whole).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(why)) => return Err(failed_below(name, &why)),
        Err(_) => return Err(Fault::TimedOut),
    };
    head.headers = returnable(&head.headers);
    Ok(Response::from_parts(head, body))
}

/// A response of the largest models with its pictures is some megabytes.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

impl NotOwned {
    /// What an explanation says of it.
    pub(crate) fn message(self) -> String {
        match self {
            Self::Busy => "It cannot be looked up now whose it is, what this refers to.".to_owned(),
            Self::Refused(refusal) => refusal.notice(String::new(), Span::ZERO).message,
        }
    }
}
