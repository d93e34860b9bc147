//! Bytes out: try candidates until a provider answers. Nothing has reached the caller yet, so a
//! failure here can still be somebody else's success.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tollgate_policy::Ended;
use tollgate_units::Span;
use tollgate_wire::{
    Destination, Judgement, Notice, NoticeKind, dialect_of, edit, judge, reply, without_account,
};

use crate::flight::Flight;
use crate::gate::{Gateway, Live};
use crate::headers::{forwardable, is_identity};
use crate::identify::Inbound;
use crate::telemetry::Outcome;
use crate::upstream::{Cause, Post, SendError};

/// A provider has answered.
#[derive(Debug)]
pub(crate) enum Answered {
    /// With a body that is to be relayed; the flight goes on with it.
    Flows(Box<Flight>, Response<Incoming>),
    /// With a refusal of the request itself, which passes on.
    Refused(Response<Bytes>),
}

/// No provider answered: what the caller is told, and by whom it was not served.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) notice: Notice,
    pub(crate) headers: HeaderMap,
}

/// Why no provider answered: what the last of them said, in words for the caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It failed.
    Failed,
    /// The account is out of quota or badly configured: the operator's business.
    Operator,
    /// It is busy with this account's other work.
    Throttled(Option<Span>),
    /// It said nothing in time.
    TimedOut,
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
    loop {
        let fault = match attempt(&mut flight, headers.clone(), body).await {
            Ok(response) if response.status().is_success() => {
                return Ok(Answered::Flows(Box::new(flight), response));
            }
            Ok(response) => {
                match judged((flight.gate(), flight.live()), flight.account(), response).await {
                    Ok(mut refusal) => {
                        flight.was_turned_away();
                        flight.served(refusal.headers_mut());
                        let owed = flight.owed();
                        let spent = flight.is_spent();
                        let ended = if spent { Ended::Broken(&owed) } else { Ended::Refused };
                        flight.end(ended, Outcome::CallerFault, refusal.status());
                        return Ok(Answered::Refused(refusal));
                    }
                    Err(fault) => {
                        flight.was_turned_away();
                        fault
                    }
                }
            }
            Err(error) => match error {
                SendError::Connect(cause) | SendError::Reset(cause) => {
                    failed_below(flight.provider(), &cause)
                }
                SendError::TimedOut => Fault::TimedOut,
            },
        };
        flight.attempted(fault.outcome());
        if !flight.try_next() {
            let owed = flight.owed();
            let spent = flight.is_spent();
            let ended = if spent { Ended::Broken(&owed) } else { Ended::Unsent };
            let mut failure = Failure { notice: fault.notice(inbound), headers: HeaderMap::new() };
            flight.served(&mut failure.headers);
            flight.end(ended, fault.outcome(), reply(inbound.protocol(), &failure.notice).status);
            return Err(failure);
        }
    }
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
    let Some(path) = Destination::path_to(ask.endpoint, deployment.model(), ask.streamed) else {
        return Err(SendError::Connect("no path can hold the model's name".into()));
    };
    let upstream = deployment.upstream();
    let post = Post { method: Method::POST, path: &path, headers, body, going: &going };
    live.upstreams.send(upstream, post).await
}

/// The provider's hosts and addresses are for the log, not for callers.
pub(crate) fn failed_below(provider: &str, cause: &Cause) -> Fault {
    let mut why = cause.to_string();
    let mut below = cause.source();
    while let Some(deeper) = below {
        why = format!("{why}: {deeper}");
        below = deeper.source();
    }
    tracing::warn!(why, provider, "the provider cannot be reached");
    Fault::Failed
}

/// What a provider's answer that is no success means: a refusal of the request itself, which the
/// caller is told with the account's names taken out, or a fault of somebody else.
pub(crate) async fn judged(
    (gate, live): (&Gateway, &Live),
    (account, provider): (usize, &str),
    response: Response<Incoming>,
) -> Result<Response<Bytes>, Fault> {
    let (parts, body) = response.into_parts();
    let patience = Duration::from_millis(live.bounds.idle.as_millis());
    let body = tokio::time::timeout(patience, explanation(body)).await.unwrap_or_default();
    let now = gate.clock().now();
    match judge(dialect_of("openai", ""), parts.status, &parts.headers, &body, now) {
        Judgement::CallerFault => {
            let readable = is_identity(&parts.headers);
            let told = if readable { without_account(&body) } else { Bytes::new() };
            let told = live.upstreams.without_key(account, told);
            let mut passed = Response::new(told);
            *passed.status_mut() = parts.status;
            *passed.headers_mut() = crate::headers::returnable(&parts.headers);
            Ok(passed)
        }
        Judgement::Throttled { retry_after, .. } => {
            tell_operator(provider, parts.status);
            Err(Fault::Throttled(retry_after))
        }
        Judgement::TooLarge => {
            tell_operator(provider, parts.status);
            Err(Fault::Throttled(None))
        }
        Judgement::Exhausted | Judgement::NoQuota | Judgement::OperatorFault => {
            let status = parts.status;
            tracing::error!(%status, provider, "the provider refuses this account");
            gate.alerts.account(provider, status, live.webhook.as_ref(), now);
            Err(Fault::Operator)
        }
        Judgement::Answered | Judgement::Failed { .. } => {
            tell_operator(provider, parts.status);
            Err(Fault::Failed)
        }
    }
}

/// Behind a route that works, a provider that does not would be seen by nobody.
fn tell_operator(provider: &str, status: http::StatusCode) {
    tracing::warn!(%status, provider, "the provider did not serve a request");
}

/// The beginning of an error's body: enough to judge it, and a bound on what it may cost.
async fn explanation(mut body: Incoming) -> Bytes {
    let mut read = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > EXPLANATION_BYTES_MAX {
            break;
        }
    }
    read.freeze()
}

const EXPLANATION_BYTES_MAX: usize = 256 * 1024;

impl Fault {
    const fn outcome(self) -> Outcome {
        match self {
            Self::Failed | Self::Operator | Self::Throttled(_) => Outcome::Failed,
            Self::TimedOut => Outcome::TimedOut,
        }
    }

    pub(crate) fn notice(self, inbound: &Inbound) -> Notice {
        let (kind, message) = match self {
            Self::Failed => (NoticeKind::UpstreamError, "The provider failed to answer."),
            Self::Operator => (
                NoticeKind::UpstreamUnavailable,
                "The provider does not serve this gateway's account now. The operator has been \
                 told; retrying does not help.",
            ),
            Self::Throttled(_) => (
                NoticeKind::LimitExceeded,
                "The provider has no room for this gateway's account at the moment.",
            ),
            Self::TimedOut => {
                (NoticeKind::UpstreamTimeout, "The provider did not begin to answer in time.")
            }
        };
        let mut notice = inbound.notice(kind, message.to_owned());
        if let Self::Throttled(retry_after) = self {
            notice.retry_after = Some(retry_after.unwrap_or(THROTTLED_RETRY));
        }
        notice
    }
}

/// What is announced when a provider refuses without saying for how long.
const THROTTLED_RETRY: Span = Span::from_secs(1);
