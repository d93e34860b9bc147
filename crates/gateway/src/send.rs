//! Bytes out: try routes until a provider answers. Nothing has reached the caller yet, so a failure
//! here can still be somebody else's success.
//!
//! ```text
//! the model's other routes ▸ the models that stand in ▸ a wait, and again from the first ▸ the
//! answer that was given before
//! ```
//!
//! Another route costs nothing but the attempt. A wait is backoff with jitter, or what the
//! providers have promised, and takes a retry out of the budget; how often the routes are gone
//! through is bounded. Who was sent nowhere, because every route is full or shut for a moment, is
//! held for that moment instead of being told to come back: a route that recovers paces its
//! callers. What a provider may have worked on is sent again only where that does no harm.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use hyper::body::Incoming;
use tollgate_policy::Ended;
use tollgate_routing as routing;
use tollgate_routing::{Backoff, loaded};
use tollgate_store::Found;
use tollgate_units::{Span, Timestamp};
use tollgate_wire::{Notice, edit, reply, report};

use crate::attempt::Attempt;
use crate::begin::{Begun, begins};
use crate::fault::{Fault, judged, unanswered};
use crate::flight::Flight;
use crate::headers::forwardable;
use crate::identify::Inbound;
use crate::pipeline::{HELD_FOR, HELD_MAX};
use crate::routes::Name;
use crate::telemetry::Outcome;
use crate::upstream::{Post, SendError};

/// A provider has answered.
#[derive(Debug)]
pub(crate) enum Answered {
    /// As it was answered before; the flight ends with it.
    Again(Box<Flight>, Found),
    /// With a body that is to be relayed, of which the first piece is there; the flight goes on
    /// with it.
    Flows(Box<Flight>, Response<Incoming>, Option<Bytes>),
    /// With a refusal of the request itself, which passes on.
    Refused(Response<Bytes>),
}

/// No provider answered: what the caller is told, and by whom it was not served.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) notice: Notice,
    pub(crate) headers: HeaderMap,
}

/// What came of the routes so far.
#[derive(Debug, Default)]
struct Tries {
    /// How often the routes were gone through before.
    rounds: u32,
    round: Round,
    /// The best that can be told, if no route serves it.
    told: Option<Fault>,
    /// Whether the provider that was asked last says that the same must not be sent again.
    is_final: bool,
    /// Whether nothing more may be sent.
    is_over: bool,
    /// How often the routes may be gone through once more, by what may have been worked on.
    repeats: Option<u32>,
    /// The routes that failed it: each counts that against itself once.
    failed: Vec<Name>,
    /// How long it was held for a moment of room, in all.
    held: Span,
    /// How long it would have to be held now, where that is too long: what the caller is told.
    wait: Option<Span>,
}

/// What came of the routes since they were last begun with.
#[derive(Debug, Default)]
struct Round {
    /// Whether a route was asked.
    asked: bool,
    /// Whether the same may go well later, somewhere.
    passes: bool,
    /// When the first of the routes that are full has room, or the first that are shut opens.
    room_at: Option<Timestamp>,
    /// Whether one of them is shut.
    is_shut: bool,
}

/// Sends the request to the candidate that holds the reservation, then to the next ones.
pub(crate) async fn send(
    mut flight: Flight,
    inbound: &Inbound,
    body: &Bytes,
) -> Result<Answered, Failure> {
    let caller = flight.admitted().map(|admitted| admitted.plan.caller());
    let is_ours = |name: &str| caller.is_none_or(|caller| caller.reads_header(name));
    let headers = forwardable(&inbound.parts.headers, is_ours);
    flight.gate().routes.first_sent(flight.gate().clock().now());
    let mut tries = Tries::default();
    loop {
        let fault = match ask(&mut flight, &mut tries, &headers, body).await {
            Ok(Heard::Flows(response, first)) => {
                return Ok(Answered::Flows(Box::new(flight), response, first));
            }
            Ok(Heard::Refused(refusal)) => return Ok(refused(flight, refusal)),
            Err(fault) => fault,
        };
        flight.rests();
        if fault.was_asked() {
            flight.attempted(fault.outcome());
        }
        tries.note(fault, &flight);
        if !goes_on(&mut flight, &mut tries, body).await {
            if let Some(repeatable) = flight.repeatable()
                && let Some(found) = repeatable.find(&flight.gate().clone()).await
            {
                return Ok(Answered::Again(Box::new(flight), found));
            }
            return Err(failed(flight, inbound, &tries, fault));
        }
    }
}

/// What a route answers.
enum Heard {
    Flows(Response<Incoming>, Option<Bytes>),
    Refused(Response<Bytes>),
}

/// One route: takes a place there, waits for its turn, sends, and hears what it says.
async fn ask(
    flight: &mut Flight,
    tries: &mut Tries,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Heard, Fault> {
    tries.is_final = false;
    // Who was held for longer passes sooner, and in the end surely.
    let mut place = flight.place(loaded(flight.gate().die(), tries.held, HELD_MAX))?;
    if let Err(room_at) = place.turn().await {
        return Err(Fault::Full(room_at));
    }
    place.sent();
    let response = match attempt(flight, headers.clone(), body).await {
        Ok(response) => response,
        Err(error) => {
            let fault = unanswered(flight.provider(), &error);
            let ended = tries.counted(fault, place.route());
            place.end(ended);
            return Err(fault);
        }
    };
    let judged = if response.status().is_success() {
        hear(flight, &mut place, &response);
        match begins(flight, response).await {
            Ok(Begun::Flows(response, first)) => {
                flight.holds(place);
                return Ok(Heard::Flows(response, first));
            }
            Ok(Begun::Spoilt(judged)) => *judged,
            Err(fault) => {
                let ended = tries.counted(fault, place.route());
                place.end(ended);
                return Err(fault);
            }
        }
    } else {
        judged((flight.gate(), flight.live()), flight.account(), response).await
    };
    place.heard(&judged.report, false);
    tries.is_final = judged.report.is_final;
    flight.was_turned_away();
    match judged.passed() {
        Ok(refusal) => {
            place.end(routing::Ended::Ignored);
            Ok(Heard::Refused(refusal))
        }
        Err(fault) => {
            let ended = tries.counted(fault, place.route());
            place.end(ended);
            Err(fault)
        }
    }
}

/// What a success says of the provider's limits.
fn hear(flight: &Flight, place: &mut Attempt, response: &Response<Incoming>) {
    let dialect = flight.live().upstreams.dialect(flight.account().0);
    let now = flight.gate().clock().now();
    place.heard(&report(dialect, response.status(), response.headers(), &[], now), true);
}

/// One try: the body with its few edits, to one account.
async fn attempt(
    flight: &mut Flight,
    headers: HeaderMap,
    body: &Bytes,
) -> Result<Response<Incoming>, SendError> {
    let going = flight.sending();
    let live = flight.live().clone();
    let Some(admitted) = flight.admitted() else {
        return Err(SendError::Connect("nothing is held any more".into()));
    };
    let (plan, candidate) = (&admitted.plan, admitted.candidate());
    let edits = plan.edits(candidate, admitted.output());
    let body = edit(body, plan.ask(), &edits);
    let (ask, deployment) = (plan.ask(), candidate.deployment());
    let upstream = deployment.upstream();
    let Some(path) = live.upstreams.path_to(upstream, ask, deployment.model()) else {
        return Err(SendError::Connect("no path can hold the model's name".into()));
    };
    let post = Post { method: Method::POST, path: &path, headers, body, going: &going };
    live.upstreams.send(upstream, post).await
}

impl Tries {
    /// A route did not serve the request.
    fn note(&mut self, fault: Fault, flight: &Flight) {
        self.told = Some(self.told.map_or(fault, |told| told.or_better(fault)));
        self.round.passes |= fault.passes() && !self.is_final;
        self.round.asked |= fault.was_asked();
        self.is_over = fault.may_have_worked() && !flight.may_be_repeated();
        if let Some(most) = fault.repeats_max() {
            self.repeats = Some(self.repeats.map_or(most, |before| before.min(most)));
        }
        if let Fault::Full(at) | Fault::Shut(at) = fault {
            self.round.room_at = Some(self.round.room_at.map_or(at, |known| known.min(at)));
        }
        self.round.is_shut |= matches!(fault, Fault::Shut(_));
    }

    /// What `fault` says of `route`: a request that fails wherever it goes is counted against each
    /// route once, or a single one would have it left alone by everybody.
    fn counted(&mut self, fault: Fault, route: &Name) -> routing::Ended {
        let ended = fault.ended();
        if ended != routing::Ended::Failed {
            return ended;
        }
        if self.failed.contains(route) {
            return routing::Ended::Ignored;
        }
        self.failed.push(route.clone());
        ended
    }

    /// Until when to hold what was sent nowhere in this round; nothing where that is too long.
    fn hold(&mut self, flight: &Flight, now: Timestamp) -> Option<Timestamp> {
        let full_until = self.round.room_at.filter(|_| !self.round.asked)?;
        // Others may have made room since a route was found full.
        let mut room_at = flight.room_at(now).map_or(full_until, |at| at.min(full_until));
        if self.round.is_shut {
            room_at = room_at.max(now.plus(CAST_AGAIN));
        }
        let wait = room_at.since(now);
        self.held = self.held.plus(wait);
        let is_held = wait <= HELD_FOR && self.held <= HELD_MAX;
        self.wait = Some(wait).filter(|_| !is_held);
        is_held.then_some(room_at)
    }

    /// How long until the routes may be asked again: what they have promised, and what backoff
    /// says. Nothing where that is too long, or the same would come of it.
    fn pause(&mut self, flight: &Flight, now: Timestamp) -> Option<Span> {
        let retry = &flight.live().routing.retry;
        self.rounds += 1;
        let most = self.repeats.map_or(retry.attempts, |most| retry.attempts.min(most + 1));
        if !self.round.asked || !self.round.passes || self.rounds >= most {
            return None;
        }
        let backoff = Backoff { base: retry.base, cap: retry.cap };
        let backoff = backoff.wait(self.rounds, flight.gate().die());
        let promised = flight.room_at(now).map_or(Span::ZERO, |at| at.since(now));
        let pause = backoff.max(promised);
        (pause <= retry.cap).then_some(pause)
    }
}

/// Goes on to the next route, if there is one, or waits and begins again.
async fn goes_on(flight: &mut Flight, tries: &mut Tries, body: &Bytes) -> bool {
    if tries.is_over || flight.is_unattended() {
        return false;
    }
    if flight.try_next() || flight.fall_back(body).await {
        return true;
    }
    let now = flight.gate().clock().now();
    if let Some(room_at) = tries.hold(flight, now) {
        tries.round = Round::default();
        sleep(room_at.since(now)).await;
        // A clock that stands still brings no room.
        return flight.gate().clock().now() >= room_at && flight.start_over(body).await;
    }
    let Some(pause) = tries.pause(flight, now) else {
        return false;
    };
    let (may_retry, is_spent) = flight.gate().routes.may_retry(now);
    if let Some(is_spent) = is_spent {
        flight.gate().alerts.retries(is_spent, flight.live().webhook.as_ref(), now);
    }
    if !may_retry {
        return false;
    }
    sleep(pause).await;
    tries.round = Round::default();
    flight.start_over(body).await
}

/// How long whoever finds a route shut is held at least, before the die is cast anew: each time the
/// request is counted and booked again.
const CAST_AGAIN: Span = Span::from_millis(200);

async fn sleep(span: Span) {
    tokio::time::sleep(Duration::from_millis(span.as_millis())).await;
}

/// The provider refused the request itself.
fn refused(mut flight: Flight, mut refusal: Response<Bytes>) -> Answered {
    flight.was_turned_away();
    flight.served(refusal.headers_mut());
    let owed = flight.owed();
    let spent = flight.is_spent();
    let ended = if spent { Ended::Broken(&owed) } else { Ended::Refused };
    flight.end(ended, Outcome::CallerFault, refusal.status());
    Answered::Refused(refusal)
}

/// Nothing is left to try.
fn failed(flight: Flight, inbound: &Inbound, tries: &Tries, last: Fault) -> Failure {
    let fault = tries.told.unwrap_or(last);
    let owed = flight.owed();
    let spent = flight.is_spent();
    let ended = if spent { Ended::Broken(&owed) } else { Ended::Unsent };
    let now = flight.gate().clock().now();
    // Looked at once more, a wait that was too long to be held could be short enough.
    let wait = tries.wait.or_else(|| flight.room_at(now).map(|at| at.since(now)));
    let mut failure = Failure { notice: fault.notice(inbound, wait), headers: HeaderMap::new() };
    flight.served(&mut failure.headers);
    if tries.is_final && !tries.round.passes {
        failure.headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    flight.end(ended, fault.outcome(), reply(inbound.protocol(), &failure.notice).status);
    failure
}

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
