//! The head of an answer: what passes of the provider's, and what the gateway adds to it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use tollgate_policy::{Caller, Ended};
use tollgate_wire::Tap;

use crate::admit::Admitted;
use crate::answer::{self, Outgoing};
use crate::gate::Gateway;
use crate::headers::{is_identity, returnable};
use crate::identify::Inbound;
use crate::models;
use crate::relay::Relay;
use crate::repeats::{given_again, mark};
use crate::runaway::suspected;
use crate::send::Answered;
use crate::telemetry::{Cached, Outcome};

/// The provider's answer, with what the gateway adds to its head; its body relays and settles.
pub(crate) fn respond(
    answered: Answered,
    gate: &Gateway,
    caller: &Caller,
    inbound: &Inbound,
) -> Response<Outgoing> {
    let now = gate.clock().now();
    match answered {
        Answered::Refused(refusal) => {
            let mut response = refusal.map(Outgoing::Whole);
            by_provider(response.headers_mut());
            models::stand(gate, inbound.protocol(), caller, response.headers_mut());
            answer::identify(response.headers_mut(), &inbound.request_id);
            response
        }
        Answered::Again(flight, found) => {
            let mut response = given_again(gate, found);
            if let Some(admitted) = flight.admitted() {
                let shown = admitted.candidate().shown(admitted.held.standings());
                answer::stand(response.headers_mut(), inbound.protocol(), shown, now);
                let cap = admitted.plan.cap_set(admitted.candidate(), admitted.output());
                if let Some(cap) = cap {
                    response.headers_mut().insert(MAX_OUTPUT_TOKENS, cap.get().into());
                }
            }
            answer::identify(response.headers_mut(), &inbound.request_id);
            let owed = flight.owed();
            let ended = if flight.is_spent() { Ended::Broken(&owed) } else { Ended::Refused };
            flight.end(ended, Outcome::Answered, response.status());
            response
        }
        Answered::Flows(flight, response, first) => {
            let (mut head, body) = response.into_parts();
            let events = is_events(&head.headers);
            let readable = is_identity(&head.headers);
            head.headers = returnable(&head.headers);
            answer::identify(&mut head.headers, &inbound.request_id);
            let Some(admitted) = flight.admitted() else {
                return Response::from_parts(head, Outgoing::Whole(Bytes::new()));
            };
            let plan = &admitted.plan;
            let candidate = admitted.candidate();
            let endpoint = plan.ask().endpoint;
            let shown = candidate.shown(admitted.held.standings());
            answer::stand(&mut head.headers, endpoint.protocol(), shown, now);
            let warnings = warnings(gate, caller, admitted);
            if let Some(told) = warnings.and_then(|told| HeaderValue::try_from(told).ok()) {
                head.headers.insert(WARNING, told);
            }
            flight.served(&mut head.headers);
            flight.attempted(Outcome::Answered);
            if let Some(cap) = plan.cap_set(candidate, admitted.output()) {
                head.headers.insert(MAX_OUTPUT_TOKENS, cap.get().into());
            }
            let kept = flight.repeatable().filter(|_| readable).and_then(|repeatable| {
                gate.metrics.cached(Cached::Miss);
                mark(&mut head.headers, Cached::Miss);
                repeatable.keep(gate, (head.status, &head.headers), admitted)
            });
            let hides = plan.asks_usage(candidate);
            let key = flight.live().upstreams.key(flight.account().0);
            let tap = (events && readable).then(|| Tap::new(endpoint, hides).hiding(key));
            let relay = Relay::new((head.status, body), tap, endpoint, flight);
            let relay = relay.beginning(first).keeping(kept);
            Response::from_parts(head, Outgoing::Relay(Box::new(relay)))
        }
    }
}

/// Says that it is the provider that refuses.
pub(crate) fn by_provider(headers: &mut HeaderMap) {
    headers.insert(SOURCE, HeaderValue::from_static("upstream"));
}

/// What the caller is warned of: its own limits that have passed their mark, and what came of the
/// limits on an agent.
fn warnings(gate: &Gateway, caller: &Caller, admitted: &Admitted) -> Option<String> {
    let (plan, candidate) = (&admitted.plan, admitted.candidate());
    let marks = plan.warnings(candidate, admitted.held.standings());
    let mut told: Vec<String> =
        marks.filter(|mark| mark.limit.is_own()).map(|mark| mark.to_string()).collect();
    told.extend(suspected(gate, caller).map(|(suspicion, _)| suspicion.to_string()));
    told.extend(candidate.without_tools().then(|| WITHOUT_TOOLS.to_owned()));
    (!told.is_empty()).then(|| told.join("; "))
}

/// Whether a body is events.
pub(crate) fn is_events(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

const MAX_OUTPUT_TOKENS: HeaderName = HeaderName::from_static("x-tollgate-max-output-tokens");
const WITHOUT_TOOLS: &str = "the limit on this agent is used up: answered without tools";
const WARNING: HeaderName = HeaderName::from_static("x-tollgate-warning");
const SOURCE: HeaderName = HeaderName::from_static("x-tollgate-source");
