//! The headers of one answer that may tell of limits, picked out in one pass.
//!
//! A dialect names a dozen headers or more, and most answers carry six of them. Looking each up by
//! its hash costs more than comparing it with the few that are there.

use http::{HeaderMap, HeaderValue};

/// The headers that may tell of limits, in the order of the answer.
#[derive(Debug)]
pub struct Told<'h> {
    headers: Vec<(&'h str, &'h HeaderValue)>,
}

impl<'h> Told<'h> {
    /// Picks them out of an answer's headers.
    pub(crate) fn of(headers: &'h HeaderMap) -> Self {
        let all = headers.iter().map(|(name, value)| (name.as_str(), value));
        Self { headers: all.filter(|(name, _)| may_tell(name)).take(TOLD_MAX).collect() }
    }

    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// The first one called `name`.
    pub(crate) fn first(&self, name: &str) -> Option<&'h HeaderValue> {
        self.all(name).next()
    }

    /// Every one called `name`, in order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &'h HeaderValue> {
        self.headers.iter().filter(move |(each, _)| *each == name).map(|(_, value)| *value)
    }
}

/// More than any provider sends.
const TOLD_MAX: usize = 64;

/// Whether headers of this name are looked for at all.
pub(crate) fn may_tell(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

const PREFIXES: &[&str] = &[
    "anthropic-",
    "ratelimit",
    "retry-after",
    "x-codex-",
    "x-endpoint-",
    "x-ms-retry-after",
    "x-ratelimit",
    "x-should-retry",
    "x-tokenlimit-",
    "x-trial-",
];
