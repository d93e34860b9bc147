//! How an attempt failed, and what follows from it: whether it may be tried again, when, and what
//! it says of the provider's health.
//!
//! What providers say is read by `tollgate-wire`, so a 429 that is an empty account, a plan without
//! the model, or a request that never fits is told from one that ends by waiting.

use http::{HeaderMap, StatusCode};
use tollgate_routing::Outcome;
use tollgate_units::Span;
use tollgate_wire::{Dialect, Judgement, judge, report};

use crate::clock;

/// What an attempt came to that did not succeed, with whatever the caller keeps of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failure<E> {
    /// The caller's own: an error, or the answer that was refused.
    pub cause: E,
    /// What follows from it.
    pub kind: FailureKind,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailureKind {
    /// The request itself is refused, and would be again: 400, 404, 422 and their kin.
    CallerFault,
    /// Waiting does not help: the account is spent (`insufficient_quota`), its plan has none of
    /// this (a limit of 0), the request is larger than the limit, or the key is wrong.
    Final,
    /// The provider is in trouble, or was not reached: connection, timeout, 408, 5xx, 529.
    Failed {
        /// When it says to come back.
        retry_after: Option<Span>,
    },
    /// The account is over a rate limit: 429.
    Throttled {
        /// When the provider says to come back.
        retry_after: Option<Span>,
    },
}

impl<E> Failure<E> {
    /// The provider was not reached, or broke off.
    pub fn failed(cause: E) -> Self {
        Self { cause, kind: FailureKind::Failed { retry_after: None } }
    }

    /// Nothing that trying again would change.
    pub fn last(cause: E) -> Self {
        Self { cause, kind: FailureKind::Final }
    }
}

impl FailureKind {
    /// What the answer of a provider that speaks `dialect` means; nothing when it succeeded.
    ///
    /// The body matters: `insufficient_quota` and "request too large" stand nowhere else. An empty
    /// one is judged by status and headers alone.
    pub fn of_answer(
        dialect: &Dialect,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Self> {
        let now = clock::wall();
        Some(match judge(dialect, status, headers, body, now) {
            Judgement::Answered => return None,
            Judgement::CallerFault => Self::CallerFault,
            Judgement::Exhausted
            | Judgement::NoQuota
            | Judgement::OperatorFault
            | Judgement::TooLarge => Self::Final,
            judgement @ (Judgement::Failed { .. } | Judgement::Throttled { .. }) => {
                let report = report(dialect, status, headers, body, now);
                match judgement {
                    _ if report.is_final => Self::Final,
                    Judgement::Throttled { retry_after } => Self::Throttled { retry_after },
                    _ => Self::Failed { retry_after: report.retry_after },
                }
            }
        })
    }

    /// Whether another attempt may fare better.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::CallerFault | Self::Final => false,
            Self::Failed { .. } | Self::Throttled { .. } => true,
        }
    }

    /// When the provider said to come back.
    pub const fn retry_after(self) -> Option<Span> {
        match self {
            Self::CallerFault | Self::Final => None,
            Self::Failed { retry_after } | Self::Throttled { retry_after } => retry_after,
        }
    }

    /// Only what did not answer says that it is ill: a quota that refused, and a request that was
    /// wrong, say nothing.
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Failed { .. } => Outcome::Failure,
            Self::CallerFault | Self::Final | Self::Throttled { .. } => Outcome::Ignored,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tollgate_wire::dialect_of;

    use super::*;

    fn of(
        status: u16,
        header: Option<(&'static str, &'static str)>,
        body: &str,
    ) -> Option<FailureKind> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let status = StatusCode::from_u16(status).unwrap();
        FailureKind::of_answer(
            dialect_of("openai", "api.openai.com"),
            status,
            &headers,
            body.as_bytes(),
        )
    }

    #[test]
    fn what_is_tried_again_and_what_never_is() {
        use FailureKind::{CallerFault, Failed, Final, Throttled};
        let code = |code: &str| format!(r#"{{"error": {{"message": "no", "code": "{code}"}}}}"#);
        let says = |words: &str| format!(r#"{{"error": {{"message": "{words}"}}}}"#);
        let two = Some(Span::from_secs(2));
        let (throttled, failed) = (Throttled { retry_after: None }, Failed { retry_after: None });
        let table = [
            (200, None, String::new(), None),
            (400, None, String::new(), Some(CallerFault)),
            (401, None, String::new(), Some(Final)),
            (402, None, String::new(), Some(Final)),
            (403, None, String::new(), Some(Final)),
            (404, None, String::new(), Some(CallerFault)),
            (408, None, String::new(), Some(failed)),
            (422, None, String::new(), Some(CallerFault)),
            (429, None, String::new(), Some(throttled)),
            (429, Some(("retry-after", "2")), String::new(), Some(Throttled { retry_after: two })),
            (
                429,
                Some(("retry-after-ms", "2000")),
                String::new(),
                Some(Throttled { retry_after: two }),
            ),
            (429, Some(("retry-after", "-2")), String::new(), Some(throttled)),
            (429, Some(("retry-after", "2")), code("insufficient_quota"), Some(Final)),
            (429, None, says("Request too large for gpt-4o"), Some(Final)),
            (429, None, says("Rate limit reached. Limit: 0, Requested: 5"), Some(Final)),
            (429, Some(("x-ratelimit-limit-requests", "0")), String::new(), Some(Final)),
            (500, None, String::new(), Some(failed)),
            (502, None, String::new(), Some(failed)),
            (503, Some(("retry-after", "2")), String::new(), Some(Failed { retry_after: two })),
            (504, None, String::new(), Some(failed)),
            (529, None, String::new(), Some(failed)),
            (429, Some(("x-should-retry", "false")), String::new(), Some(Final)),
            (500, Some(("x-should-retry", "false")), String::new(), Some(Final)),
            (500, Some(("x-should-retry", "true")), String::new(), Some(failed)),
        ];
        for (status, header, body, expected) in table {
            assert_eq!(of(status, header, &body), expected, "{status} {header:?} {body}");
            let again = matches!(expected, Some(Failed { .. } | Throttled { .. }));
            assert_eq!(expected.is_some_and(FailureKind::is_retryable), again);
        }
    }

    #[test]
    fn only_what_did_not_answer_is_held_against_the_provider() {
        let table = [
            (FailureKind::CallerFault, Outcome::Ignored),
            (FailureKind::Failed { retry_after: None }, Outcome::Failure),
            (FailureKind::Final, Outcome::Ignored),
            (FailureKind::Throttled { retry_after: None }, Outcome::Ignored),
        ];
        for (kind, outcome) in table {
            assert_eq!(kind.outcome(), outcome, "{kind:?}");
        }
    }
}
