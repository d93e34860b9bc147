//! Why a request was not sent, or is not sent again, and when to come back.

use std::fmt;

use tollgate_units::{Amount, Span};

use crate::failure::Failure;

/// Why nothing was sent. Nothing is held and nothing was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// As many wait already as may.
    Crowded {
        /// How many that is.
        waiting: u32,
    },
    /// The bucket has no room, and waiting takes too long or was not asked for.
    Limited {
        /// When it will have, if nobody else takes it.
        retry_after: Span,
    },
    /// The provider has not answered lately and is left alone.
    Open {
        /// When to ask again.
        retry_after: Span,
    },
    /// More is asked for than the bucket ever holds.
    TooLarge {
        /// What was asked for.
        cost: Amount,
        /// What it holds at most.
        most: Amount,
    },
}

impl Refusal {
    /// When to come back: never, where nothing is said.
    pub const fn retry_after(&self) -> Option<Span> {
        match self {
            // Nobody knows when the line gets shorter.
            Self::Crowded { .. } => Some(Span::from_secs(1)),
            Self::Limited { retry_after } | Self::Open { retry_after } => Some(*retry_after),
            Self::TooLarge { .. } => None,
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallError<E> {
    /// It was sent, and its last attempt failed.
    Failed {
        /// How the last attempt failed.
        failure: Failure<E>,
        /// How many there were.
        attempts: u32,
        /// Why there was no other.
        stopped: Stopped,
    },
    /// It was never sent.
    Refused(Refusal),
}

/// Why a call is not tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stopped {
    /// Every attempt was made.
    Attempts,
    /// Retries are a share of the traffic, and that share is used up.
    Budget,
    /// Another attempt would fail alike.
    NotRetryable,
    /// The next attempt was refused.
    Refused(Refusal),
    /// The provider said to come back later than anybody waits.
    TooLong {
        /// When it said to.
        retry_after: Span,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crowded { waiting } => write!(f, "{waiting} requests wait for room already"),
            Self::Limited { retry_after } => {
                write!(f, "the bucket has no room; try again in {}", Shown(*retry_after))
            }
            Self::Open { retry_after } => {
                write!(
                    f,
                    "the provider fails and is left alone; try again in {}",
                    Shown(*retry_after)
                )
            }
            Self::TooLarge { cost, most } => {
                write!(f, "the request costs {}, and the bucket holds {}", cost.get(), most.get())
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempts => f.write_str("every attempt was made"),
            Self::Budget => f.write_str("the retry budget is empty"),
            Self::NotRetryable => f.write_str("another attempt would fail alike"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::TooLong { retry_after } => {
                write!(f, "the provider said to come back in {}", Shown(*retry_after))
            }
        }
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { failure, attempts: 1, stopped } => {
                write!(f, "the attempt failed: {}; {stopped}", failure.cause)
            }
            Self::Failed { failure, attempts, stopped } => {
                write!(f, "attempt {attempts} failed: {}; {stopped}", failure.cause)
            }
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed { failure, .. } => Some(&failure.cause),
            Self::Refused(refusal) => Some(refusal),
        }
    }
}

impl<E> From<Refusal> for CallError<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A span for people: `250 ms`, `2 s`.
struct Shown(Span);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis @ 0..1000 => write!(f, "{millis} ms"),
            _ => write!(f, "{} s", self.0.as_secs_ceil()),
        }
    }
}
