//! Where a request stops when it is not made: counted, logged, and told in the caller's protocol.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tollgate_limits::Wait;
use tollgate_policy::{Caller, Limitation, Pricing, Refusal};
use tollgate_units::{Span, Timestamp, Tokens};
use tollgate_wire::{Notice, NoticeKind};

use crate::admit::NoRoom;
use crate::answer::{self, Outgoing, render};
use crate::downgrade::Unserved;
use crate::gate::Gateway;
use crate::identify::{Inbound, Unknown};
use crate::models;
use crate::read::Unread;
use crate::runaway::Suspicion;
use crate::scales::Busy;
use crate::send::Failure;
use crate::stored::NotOwned;
use crate::telemetry::{AccessLine, Outcome};

/// Where a request stopped, with what is known of it by then.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Nobody was recognised.
    Unknown(Unknown),
    /// The body is not a request.
    Unread(Caller, Unread),
    /// The policy does not allow it.
    Refused(Known, Refusal),
    /// Once it was weighed, the policy does not allow it.
    Unplanned(Box<Unplanned>),
    /// The session is an agent's that has run away.
    Runaway(Known, Suspicion),
    /// Limits have no room.
    Full(Box<NoRoom>, Bytes),
    /// No provider answered; the flight is settled, counted and logged.
    Upstream(Caller, Box<Failure>),
    /// The crew has too much to count.
    Busy(Known),
}

/// Who asks, and for which model, if it is a configured one.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) caller: Caller,
    pub(crate) model: Option<Arc<str>>,
}

/// A request that was weighed and found wanting.
#[derive(Debug)]
pub(crate) struct Unplanned {
    known: Known,
    refusal: Refusal,
    pricing: Pricing,
    body: Bytes,
}

impl Stopped {
    pub(crate) fn unread(caller: &Caller) -> impl FnOnce(Unread) -> Self {
        |unread| Self::Unread(caller.clone(), unread)
    }

    pub(crate) fn refused(known: &Known) -> impl FnOnce(Refusal) -> Self {
        |refusal| Self::Refused(known.clone(), refusal)
    }

    pub(crate) fn not_owned(known: &Known) -> impl FnOnce(NotOwned) -> Self {
        |not_owned| match not_owned {
            NotOwned::Busy => Self::Busy(known.clone()),
            NotOwned::Refused(refusal) => Self::Refused(known.clone(), refusal),
        }
    }

    pub(crate) fn unserved(known: &Known, body: &Bytes) -> impl FnOnce(Unserved) -> Self {
        let (known, body) = (known.clone(), body.clone());
        |unserved| match unserved {
            Unserved::Refused(refusal, pricing) => {
                Self::Unplanned(Box::new(Unplanned { known, refusal, pricing, body }))
            }
            Unserved::Full(full) => Self::Full(Box::new(full), body),
        }
    }

    pub(crate) fn runaway(known: &Known) -> impl FnOnce(Suspicion) -> Self {
        |suspicion| Self::Runaway(known.clone(), suspicion)
    }

    pub(crate) fn upstream(caller: &Caller) -> impl FnOnce(Failure) -> Self {
        |failure| Self::Upstream(caller.clone(), Box::new(failure))
    }

    pub(crate) fn busy(known: &Known) -> impl FnOnce(Busy) -> Self {
        |Busy| Self::Busy(known.clone())
    }

    pub(crate) fn into_response(self, gate: &Gateway, inbound: &Inbound) -> Response<Outgoing> {
        match self {
            Self::Unknown(unknown) => refuse(gate, inbound, unknown),
            Self::Unread(caller, unread) => {
                let is_busy = matches!(unread, Unread::Busy);
                let reason = if is_busy { "overloaded" } else { "malformed" };
                let response = render(inbound.protocol(), &gate.told(unread.notice(inbound)));
                let known = Known { caller, model: None };
                refused(gate, inbound, Some(&known), ("none", reason), response)
            }
            Self::Refused(known, refusal) => disallowed(gate, inbound, &known, refusal),
            Self::Unplanned(stopped) => {
                let Unplanned { known, refusal, pricing, body } = *stopped;
                if let Refusal::InputTooLong { counted, .. } = refusal {
                    let what = Unmade { pricing: &pricing, input: counted, meter: 0, wait: None };
                    saved(gate, &what, &body, gate.clock().now());
                }
                disallowed(gate, inbound, &known, refusal)
            }
            Self::Runaway(known, suspicion) => {
                let notice = inbound.notice(NoticeKind::LimitSpent, suspicion.told());
                let response = render(inbound.protocol(), &notice);
                refused(gate, inbound, Some(&known), ("none", "runaway"), response)
            }
            Self::Full(full, body) => no_room(gate, inbound, &full, &body),
            Self::Upstream(caller, failure) => {
                let mut response = render(inbound.protocol(), &gate.told(failure.notice));
                response.headers_mut().extend(failure.headers);
                models::stand(gate, inbound.protocol(), &caller, response.headers_mut());
                response
            }
            Self::Busy(known) => {
                let response = render(inbound.protocol(), &gate.told(busy(inbound)));
                refused(gate, inbound, Some(&known), ("none", "overloaded"), response)
            }
        }
    }
}

/// Refuses what no caller is asked about: see [`Gateway::answer`].
pub(crate) fn turn_away(gate: &Gateway, inbound: &Inbound, notice: Notice) -> Response<Outgoing> {
    let draining = notice.kind == NoticeKind::Overloaded;
    let reason = if draining { "draining" } else { "foreign" };
    refused(gate, inbound, None, ("none", reason), render(inbound.protocol(), &gate.told(notice)))
}

/// What is told while the gateway has more work than it can take.
pub(crate) fn busy(inbound: &Inbound) -> Notice {
    let mut notice = inbound.notice(NoticeKind::Overloaded, BUSY.to_owned());
    notice.retry_after = Some(BUSY_RETRY);
    notice
}

pub(crate) const BUSY: &str = "This gateway has more long prompts to read than it can. Try again.";
const BUSY_RETRY: Span = Span::from_secs(1);

/// Refuses a request whose sender is not known.
pub(crate) fn refuse(gate: &Gateway, inbound: &Inbound, unknown: Unknown) -> Response<Outgoing> {
    let reason = unknown.reason();
    let response = render(inbound.protocol(), &gate.told(unknown.notice(inbound)));
    refused(gate, inbound, None, ("none", reason), response)
}

/// Refuses a request that the policy does not allow.
fn disallowed(
    gate: &Gateway,
    inbound: &Inbound,
    known: &Known,
    refusal: Refusal,
) -> Response<Outgoing> {
    let why = ("none", refusal.reason());
    let response =
        render(inbound.protocol(), &refusal.notice(inbound.request_id.clone(), Span::ZERO));
    refused(gate, inbound, Some(known), why, response)
}

/// Counts and logs a refusal, and tells the caller where it stands.
fn refused(
    gate: &Gateway,
    inbound: &Inbound,
    known: Option<&Known>,
    (unit, reason): (&'static str, &'static str),
    mut response: Response<Outgoing>,
) -> Response<Outgoing> {
    let caller = known.map(|known| &known.caller);
    if let Some(caller) = caller {
        models::stand(gate, inbound.protocol(), caller, response.headers_mut());
    }
    let tier = caller.map(|caller| caller.tier_name().clone());
    let model = known.and_then(|known| known.model.as_ref());
    log_refusal(
        gate,
        inbound,
        &response,
        &Refused {
            tier: tier.unwrap_or_else(|| gate.metrics.other().clone()),
            key: caller.and_then(Caller::key_name),
            model: model.map(|model| &**model),
            label: model,
            unit,
            reason,
        },
    );
    response
}

/// Limits said no: the caller is told which, how much, and when to come back.
fn no_room(gate: &Gateway, inbound: &Inbound, full: &NoRoom, body: &[u8]) -> Response<Outgoing> {
    let now = gate.clock().now();
    let plan = &full.plan;
    let told = full.denied.as_ref();
    let told = told.and_then(|(at, denied)| Some((plan.candidates().get(*at)?, denied)));
    let Some((candidate, denied)) = told else {
        let refusal = Refusal::ModelNotFound { model: plan.ask().model.clone() };
        let response =
            render(inbound.protocol(), &refusal.notice(inbound.request_id.clone(), Span::ZERO));
        let known = Known { caller: plan.caller().clone(), model: None };
        return refused(gate, inbound, Some(&known), ("none", "model"), response);
    };
    let refusal = plan.refusal(candidate, denied, now);
    let (mut unit, mut jitter, reason) = ("none", Span::ZERO, refusal.reason());
    if let Refusal::Limited(limitation) = &refusal {
        let wait = wait_of(limitation, now);
        unit = limitation.unit_label();
        jitter = wait.map_or(Span::ZERO, |wait| gate.jitter(wait));
        let pricing = plan.pricing();
        let input = plan.counts().input;
        let what = Unmade { pricing: &pricing, input, meter: limitation.meter(), wait };
        saved(gate, &what, body, now);
    }
    let mut response =
        render(inbound.protocol(), &refusal.notice(inbound.request_id.clone(), jitter));
    let shown = candidate.shown(&denied.standings);
    answer::stand(response.headers_mut(), inbound.protocol(), shown, now);
    log_refusal(
        gate,
        inbound,
        &response,
        &Refused {
            tier: plan.caller().tier_name().clone(),
            key: plan.caller().key_name(),
            model: Some(&plan.ask().model),
            label: plan.model_label(),
            unit,
            reason,
        },
    );
    response
}

/// A request that was not made.
struct Unmade<'a> {
    pricing: &'a Pricing,
    input: Tokens,
    meter: u128,
    wait: Option<Span>,
}

/// Counts what a refusal saved, once for a request and its retries.
fn saved(gate: &Gateway, what: &Unmade<'_>, body: &[u8], now: Timestamp) {
    if !gate.saved.counts(what.meter, body, what.wait, now) {
        return;
    }
    let usual = gate.scales.usual_output(what.pricing.model().unwrap_or_default());
    let amount = what.pricing.of(what.input, usual);
    let reason = if what.meter == 0 { "input" } else { "limit" };
    gate.metrics.saved(reason, amount);
    gate.sums.saved(amount);
}

fn wait_of(limitation: &Limitation, now: Timestamp) -> Option<Span> {
    match limitation.wait() {
        Wait::Never => None,
        Wait::Until(at) => Some(at.since(now)),
    }
}

/// A request that was refused, for metrics and the log.
struct Refused<'a> {
    tier: Arc<str>,
    key: Option<&'a str>,
    model: Option<&'a str>,
    /// The model's name for metrics.
    label: Option<&'a Arc<str>>,
    unit: &'static str,
    reason: &'static str,
}

fn log_refusal(
    gate: &Gateway,
    inbound: &Inbound,
    response: &Response<Outgoing>,
    what: &Refused<'_>,
) {
    let none = gate.metrics.other();
    gate.metrics.refused(what.unit, &what.tier, what.reason);
    gate.metrics.route(what.label.unwrap_or(none), none, &what.tier).ended(Outcome::Refused);
    write(inbound, response, Outcome::Refused, what);
}

/// Logs an answer about the gateway itself, which is charged nothing and counted nowhere.
pub(crate) fn log_look(inbound: &Inbound, caller: &Caller, response: &Response<Outgoing>) {
    let is_found = response.status().is_success();
    let outcome = if is_found { Outcome::Answered } else { Outcome::Refused };
    let what = Refused {
        tier: caller.tier_name().clone(),
        key: caller.key_name(),
        model: None,
        label: None,
        unit: "none",
        reason: if is_found { "free" } else { "not_found" },
    };
    write(inbound, response, outcome, &what);
}

fn write(inbound: &Inbound, response: &Response<Outgoing>, outcome: Outcome, what: &Refused<'_>) {
    if !AccessLine::is_wanted() {
        return;
    }
    let took = inbound.since.elapsed();
    let line = AccessLine {
        request_id: &inbound.request_id,
        method: &inbound.parts.method,
        path: inbound.parts.uri.path(),
        status: response.status(),
        outcome,
        decision: what.reason,
        tier: Some(&what.tier),
        key: what.key,
        model: what.model,
        deployment: None,
        input_tokens: None,
        output_tokens: None,
        reserved_tokens: None,
        estimated: false,
        cost: None,
        overhead_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        upstream: None,
        first_token: None,
        duration: Span::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
    };
    line.write();
}
