//! What a provider's answer that is no success means: a refusal of the request itself, which the
//! caller is told with the account's names taken out, or a fault of somebody else.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tollgate_routing::{Closed, Ended, WAIT_BELIEVED_MAX};
use tollgate_units::{Span, Timestamp};
use tollgate_wire::{
    Judgement, Notice, NoticeKind, Report, error_inside, judge, report, without_account,
};

use crate::gate::{Gateway, Live};
use crate::headers::is_identity;
use crate::identify::Inbound;
use crate::respond::is_events;
use crate::telemetry::Outcome;
use crate::upstream::{Cause, Deeply, SendError};

/// Why a route did not serve a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It failed.
    Failed,
    /// It failed, and may have worked on the request before.
    BrokeOff,
    /// The same, and it said for how long to leave it alone.
    GaveUp(Span),
    /// The account may not do this: the operator's business, and nothing that time heals.
    Forbidden,
    /// The account is out of quota or badly configured: the operator's business.
    Operator,
    /// It is busy with this account's other work.
    Throttled(Option<Span>),
    /// It has too much to do, whoever asks.
    Overloaded(Option<Span>),
    /// It said nothing in time.
    TimedOut,
    /// The request alone is larger than what the provider allows the account.
    TooLarge,
    /// It was not asked: what the provider allows the account is used up until then.
    Full(Timestamp),
    /// It was not asked: it is left alone until then.
    Shut(Timestamp),
}

/// An answer that is no success, and what it says.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    pub(crate) report: Report,
    /// What the caller is told, where the request itself is at fault.
    told: Response<Bytes>,
}

impl Judged {
    /// What the caller is told.
    ///
    /// # Errors
    /// The request is not at fault.
    pub(crate) fn passed(self) -> Result<Response<Bytes>, Fault> {
        match self.judgement {
            Judgement::CallerFault => Ok(self.told),
            Judgement::Throttled { retry_after } => Err(Fault::Throttled(retry_after)),
            // One request may be forbidden where the next is not: some moderate with it.
            Judgement::OperatorFault if self.told.status() == StatusCode::FORBIDDEN => {
                Err(Fault::Forbidden)
            }
            Judgement::Exhausted | Judgement::NoQuota | Judgement::OperatorFault => {
                Err(Fault::Operator)
            }
            Judgement::TooLarge => Err(Fault::TooLarge),
            Judgement::Failed { overloaded: true } => {
                Err(Fault::Overloaded(self.report.retry_after))
            }
            Judgement::Answered | Judgement::Failed { overloaded: false } => Err(self.failed()),
        }
    }

    /// It failed. Who says then when to come back is left alone for that long, as if it had said
    /// that it has too much to do (RFC 9110, section 10.2.3).
    fn failed(&self) -> Fault {
        let (status, said) = (self.told.status(), self.report.retry_after);
        match said.filter(|_| status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT) {
            Some(wait) if is_of_a_proxy(status) => Fault::GaveUp(wait),
            None if is_of_a_proxy(status) => Fault::BrokeOff,
            Some(_) => Fault::Overloaded(said),
            None => Fault::Failed,
        }
    }
}

/// Judges `response`, which is no success, and tells the operator of what is the operator's.
pub(crate) async fn judged(
    (gate, live): (&Gateway, &Live),
    (account, provider): (usize, &str),
    response: Response<Incoming>,
) -> Judged {
    let (parts, body) = response.into_parts();
    // Whoever could take the request instead does not wait for a slow excuse.
    let patience = Duration::from_millis(live.bounds.idle.as_millis()).min(EXPLAINED_IN);
    let body = tokio::time::timeout(patience, explanation(body)).await.unwrap_or_default();
    let mut judged = said((gate, live), (account, provider), (parts.status, &parts.headers), &body);
    let readable = judged.judgement == Judgement::CallerFault && is_identity(&parts.headers);
    *judged.told.body_mut() =
        if readable { without_account(&body, &live.upstreams.key(account)) } else { Bytes::new() };
    judged
}

/// What an error says that comes with this status and this head; the caller is told nothing of its
/// body.
fn said(
    (gate, live): (&Gateway, &Live),
    (account, provider): (usize, &str),
    (status, headers): (StatusCode, &HeaderMap),
    body: &[u8],
) -> Judged {
    let now = gate.clock().now();
    let dialect = live.upstreams.dialect(account);
    let judgement = judge(dialect, status, headers, body, now);
    tell_operator((gate, live), provider, status, judgement);
    let mut told = Response::new(Bytes::new());
    *told.status_mut() = status;
    *told.headers_mut() = crate::headers::returnable(headers);
    Judged { judgement, report: report(dialect, status, headers, body, now), told }
}

/// The same of `response`, which calls itself a success and is none, and whose body begins with
/// `first`. Where the request itself is at fault, the caller is told it as it came.
pub(crate) async fn judged_inside(
    (gate, live): (&Gateway, &Live),
    (account, provider): (usize, &str),
    response: Response<Incoming>,
    first: Option<Bytes>,
) -> Judged {
    let (parts, body) = response.into_parts();
    let mut read = BytesMut::from(first.unwrap_or_default());
    if !read.is_empty() {
        let patience = Duration::from_millis(live.bounds.idle.as_millis()).min(EXPLAINED_IN);
        let rest = tokio::time::timeout(patience, explanation(body)).await.unwrap_or_default();
        read.extend_from_slice(&rest);
    }
    let (status, error) = error_inside(is_events(&parts.headers), &read);
    let mut judged = said((gate, live), (account, provider), (status, &parts.headers), &error);
    if judged.judgement == Judgement::CallerFault {
        *judged.told.status_mut() = parts.status;
        *judged.told.body_mut() = without_account(&read, &live.upstreams.key(account));
    }
    judged
}

/// Behind a route that works, a provider that does not would be seen by nobody.
fn tell_operator(
    (gate, live): (&Gateway, &Live),
    provider: &str,
    status: StatusCode,
    judgement: Judgement,
) {
    match judgement {
        Judgement::Answered | Judgement::CallerFault => {}
        Judgement::Exhausted | Judgement::NoQuota | Judgement::OperatorFault => {
            tracing::error!(%status, provider, ?judgement, "the provider refuses this account");
            let (webhook, now) = (live.webhook.as_ref(), gate.clock().now());
            // Who was sent before a reload says nothing of the account that is asked now, and would
            // keep its alert from being told.
            if std::ptr::eq(Arc::as_ptr(&gate.live()), live) {
                gate.alerts.account(provider, status, webhook, now);
            }
        }
        Judgement::Failed { .. } | Judgement::Throttled { .. } | Judgement::TooLarge => {
            tracing::warn!(%status, provider, ?judgement, "the provider did not serve a request");
        }
    }
}

/// The provider's hosts and addresses are for the log, not for callers.
pub(crate) fn failed_below(provider: &str, cause: &Cause) -> Fault {
    let why = Deeply(cause).to_string();
    tracing::warn!(why, provider, "the provider cannot be reached");
    Fault::Failed
}

/// What a call that was not answered means.
pub(crate) fn unanswered(provider: &str, error: &SendError) -> Fault {
    match error {
        SendError::Connect(cause) => failed_below(provider, cause),
        SendError::Reset(cause) => {
            let _logged = failed_below(provider, cause);
            Fault::BrokeOff
        }
        SendError::TimedOut => Fault::TimedOut,
    }
}

/// Whether whoever stands before the provider gave up, while the provider may work on: 408, 502
/// and 504 (RFC 9110, section 15), and 520 to 524, which are Cloudflare's.
fn is_of_a_proxy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 502 | 504 | 520..=524)
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
const EXPLAINED_IN: Duration = Duration::from_secs(2);

impl From<Closed> for Fault {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Full { room_at } => Self::Full(room_at),
            Closed::Never => Self::TooLarge,
            Closed::Open { until } => Self::Shut(until),
        }
    }
}

impl Fault {
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::BrokeOff
            | Self::Failed
            | Self::Forbidden
            | Self::Full(_)
            | Self::GaveUp(_)
            | Self::Operator
            | Self::Overloaded(_)
            | Self::Shut(_)
            | Self::Throttled(_)
            | Self::TooLarge => Outcome::Failed,
            Self::TimedOut => Outcome::TimedOut,
        }
    }

    /// What it says of the provider's health and limits; nothing where it was not asked.
    pub(crate) const fn ended(self) -> Ended {
        match self {
            Self::BrokeOff | Self::Failed | Self::TimedOut => Ended::Failed,
            Self::Full(_) | Self::Shut(_) => Ended::Unsent,
            Self::GaveUp(wait) => Ended::Throttled { retry_after: Some(wait), overloaded: true },
            Self::Operator => Ended::Exhausted,
            Self::Overloaded(retry_after) => Ended::Throttled { retry_after, overloaded: true },
            Self::Throttled(retry_after) => Ended::Throttled { retry_after, overloaded: false },
            Self::Forbidden | Self::TooLarge => Ended::Ignored,
        }
    }

    /// Whether the same may go well at the same place later.
    pub(crate) const fn passes(self) -> bool {
        match self {
            Self::BrokeOff
            | Self::Failed
            | Self::Full(_)
            | Self::GaveUp(_)
            | Self::Overloaded(_)
            | Self::Shut(_)
            | Self::Throttled(_)
            | Self::TimedOut => true,
            Self::Forbidden | Self::Operator | Self::TooLarge => false,
        }
    }

    /// Whether it was asked and may have worked on the request.
    pub(crate) const fn may_have_worked(self) -> bool {
        matches!(self, Self::BrokeOff | Self::GaveUp(_) | Self::TimedOut)
    }

    /// How often the routes may be gone through once more after it, where a provider may have
    /// worked on the request, and may bill for it: a connection that breaks is often a stale one,
    /// and who needed too long would again.
    pub(crate) const fn repeats_max(self) -> Option<u32> {
        match self {
            Self::BrokeOff | Self::GaveUp(_) => Some(2),
            Self::TimedOut => Some(0),
            _ => None,
        }
    }

    /// Whether the route was asked at all.
    pub(crate) const fn was_asked(self) -> bool {
        !matches!(self, Self::Full(_) | Self::Shut(_))
    }

    /// Of two, the one that a caller can do more about: to wait, before to give up.
    pub(crate) fn or_better(self, other: Self) -> Self {
        let rank = |fault: Self| match fault {
            Self::Full(_) | Self::Throttled(_) => 4,
            Self::Overloaded(_) | Self::Shut(_) => 3,
            Self::BrokeOff | Self::Failed | Self::GaveUp(_) | Self::TimedOut => 2,
            Self::TooLarge => 1,
            Self::Forbidden | Self::Operator => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// What the caller is told; `wait` is how long until some route may have room.
    pub(crate) fn notice(self, inbound: &Inbound, wait: Option<Span>) -> Notice {
        let (kind, message, wait) = match self {
            Self::BrokeOff | Self::Failed | Self::GaveUp(_) => {
                (NoticeKind::UpstreamError, "The provider failed to answer.".to_owned(), None)
            }
            Self::Forbidden | Self::Operator => (
                NoticeKind::UpstreamUnavailable,
                "The provider does not serve this gateway's account now. The operator has been \
                 told; retrying does not help."
                    .to_owned(),
                None,
            ),
            Self::Throttled(said) => (
                NoticeKind::LimitExceeded,
                "The provider has no room for this gateway's account at the moment.".to_owned(),
                believable(wait.or(said)),
            ),
            Self::Full(_) => (
                NoticeKind::LimitExceeded,
                "What the provider allows this gateway's account is used up at the moment."
                    .to_owned(),
                believable(wait),
            ),
            Self::Overloaded(_) | Self::Shut(_) => (
                NoticeKind::UpstreamUnavailable,
                "The provider is in trouble, and is left alone for a moment.".to_owned(),
                Some(wait.unwrap_or(RETRY)),
            ),
            Self::TimedOut => (
                NoticeKind::UpstreamTimeout,
                "The provider did not begin to answer in time.".to_owned(),
                None,
            ),
            Self::TooLarge => (
                NoticeKind::LimitSpent,
                "The request alone is larger than what the provider allows this gateway's account: \
                 it never fits. Send a shorter prompt, or ask for a shorter answer."
                    .to_owned(),
                None,
            ),
        };
        // Whoever could be held for a moment was.
        let least = if kind == NoticeKind::UpstreamUnavailable { RETRY } else { RETRY_LEAST };
        let mut notice = inbound.notice(kind, message);
        notice.retry_after = wait.map(|wait| wait.max(least));
        notice
    }
}

/// The wait that is told where a provider's meters let expect `wait`: nothing where that is more
/// than a day, which no provider is believed.
fn believable(wait: Option<Span>) -> Option<Span> {
    wait.or(Some(RETRY)).filter(|wait| *wait <= WAIT_BELIEVED_MAX)
}

/// What is announced where nobody knows for how long, and at least of a route that is in trouble.
const RETRY: Span = Span::from_secs(1);
const RETRY_LEAST: Span = Span::from_millis(1);
