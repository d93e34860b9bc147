//! What is counted of the side that faces the providers.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{
    counter::Counter, family::Family, gauge::Gauge, histogram::Histogram,
};
use prometheus_client::registry::Registry;

use super::labels::Name;
use super::metrics::registered;

/// The families, by provider.
#[derive(Debug)]
pub(super) struct Upstreams {
    breakers: Family<ProviderLabels, Gauge>,
    cache: Family<CacheLabels, Counter>,
    malformed: Family<ProviderLabels, Counter>,
    remaining: Family<RemainingLabels, Gauge>,
    reset_error: Family<ProviderLabels, Histogram>,
}

/// How the worst breaker of a provider stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Breaker {
    /// Everything passes.
    Closed,
    /// Some of it does.
    Recovering,
    /// Nothing does.
    Open,
}

/// How a kept answer was looked for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Cached {
    /// Found, as good as new.
    Hit,
    /// There is none.
    Miss,
    /// Found, old, and better than nothing.
    Stale,
}

impl Cached {
    /// The word for it in the header and in the metric.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CacheLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ProviderLabels {
    provider: Name,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RemainingLabels {
    provider: Name,
    unit: &'static str,
}

impl Upstreams {
    pub(super) fn new(reg: &mut Registry) -> Self {
        Self {
            breakers: registered(
                reg,
                "breaker_state",
                "The worst breaker of the provider: 0 closed, 1 recovering, 2 open",
                Family::default(),
            ),
            cache: registered(
                reg,
                "cache",
                "Requests whose answer may be given again: hit, stale or miss",
                Family::default(),
            ),
            remaining: registered(
                reg,
                "upstream_remaining",
                "What the provider's own limits have left, the least of them",
                Family::default(),
            ),
            reset_error: registered(
                reg,
                "reset_error_seconds",
                "When the provider served again after a refusal, less when it was expected to",
                Family::new_with_constructor(|| Histogram::new(ERROR)),
            ),
            malformed: registered(
                reg,
                "limit_headers_malformed",
                "Headers about the provider's own limits that could not be read",
                Family::default(),
            ),
        }
    }

    pub(super) fn cached(&self, how: Cached) {
        self.cache.get_or_create_owned(&CacheLabels { outcome: how.label() }).inc();
    }

    pub(super) fn malformed(&self, provider: &Name, count: u32) {
        let labels = ProviderLabels { provider: provider.clone() };
        self.malformed.get_or_create_owned(&labels).inc_by(u64::from(count));
    }

    pub(super) fn reset_error(&self, provider: &Name, seconds: f64) {
        let labels = ProviderLabels { provider: provider.clone() };
        self.reset_error.get_or_create_owned(&labels).observe(seconds);
    }

    pub(super) fn breaker(&self, provider: &Name, state: Breaker) {
        let labels = ProviderLabels { provider: provider.clone() };
        let state = match state {
            Breaker::Closed => 0,
            Breaker::Recovering => 1,
            Breaker::Open => 2,
        };
        self.breakers.get_or_create_owned(&labels).set(state);
    }

    pub(super) fn remaining(&self, provider: &Name, unit: &'static str, left: u64) {
        let labels = RemainingLabels { provider: provider.clone(), unit };
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        self.remaining.get_or_create_owned(&labels).set(left);
    }
}

/// Seconds; below zero, the provider was back sooner than it said.
const ERROR: [f64; 12] = [-60.0, -10.0, -1.0, -0.1, 0.0, 0.1, 0.5, 1.0, 2.0, 10.0, 60.0, 600.0];
