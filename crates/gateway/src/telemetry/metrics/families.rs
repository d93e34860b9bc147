//! Whatever has labels: what is counted by tier, reason, outcome and the like.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{
    MetricType, TypedMetric, counter::Counter, family::Family, histogram::Histogram,
};
use prometheus_client::registry::Registry;
use tollgate_units::NanoUsd;

use super::{as_float, registered};
use crate::telemetry::labels::{
    CostLabels, EndingLabels, EstimateLabels, LessenedLabels, OpLabels, RefusalLabels,
    RequestLabels, RetryLabels, RunawayLabels, SavedLabels, ShadowLabels, TokenLabels,
};

/// Whatever has labels. Clones share the metrics, and one clone of each is in the registry.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) refusals: Family<RefusalLabels, Counter>,
    pub(super) retries: Family<RetryLabels, Counter>,
    pub(super) tokens: Family<TokenLabels, Counter>,
    pub(super) cost: Family<CostLabels, Dollars>,
    pub(super) saved: Family<SavedLabels, Dollars>,
    pub(super) lessened: Family<LessenedLabels, Counter>,
    pub(super) runaways: Family<RunawayLabels, Counter>,
    pub(super) shadowed: Family<ShadowLabels, Counter>,
    pub(super) estimate_error: Family<EstimateLabels, Histogram, fn() -> Histogram>,
    pub(super) store_took: Family<OpLabels, Histogram, fn() -> Histogram>,
    pub(super) store_failed: Family<OpLabels, Counter>,
    pub(super) settlements: Family<EndingLabels, Counter>,
}

impl Families {
    /// `_total` is written by the encoder, so no counter has it in its name here.
    pub(super) fn new(reg: &mut Registry) -> Self {
        let errors: fn() -> Histogram = || Histogram::new(ESTIMATE);
        let store: fn() -> Histogram = || Histogram::new(STORE);
        Self {
            requests: registered(reg, "requests", "Requests that ended", Family::default()),
            refusals: registered(reg, "refusals", "Requests refused", Family::default()),
            retries: registered(reg, "retries", "Requests sent again", Family::default()),
            tokens: registered(reg, "tokens", "Tokens used", Family::default()),
            cost: registered(reg, "cost_usd", "Cost in US dollars", Family::default()),
            shadowed: registered(
                reg,
                "shadow_decisions",
                "What the policy that is only watched decided",
                Family::default(),
            ),
            lessened: registered(
                reg,
                "lessened",
                "Requests that got less than they asked for, because a limit was used up",
                Family::default(),
            ),
            runaways: registered(
                reg,
                "runaway_sessions",
                "Sessions of agents that ran away",
                Family::default(),
            ),
            saved: registered(reg, "saved_usd", "Dollars that refusals saved", Family::default()),
            estimate_error: registered(
                reg,
                "estimate_error_ratio",
                "Tokens used, over tokens estimated",
                Family::new_with_constructor(errors),
            ),
            store_took: registered(
                reg,
                "store_seconds",
                "Time in the store of meters",
                Family::new_with_constructor(store),
            ),
            store_failed: registered(reg, "store_errors", "Failures there", Family::default()),
            settlements: registered(reg, "settlements", "Ends of reservations", Family::default()),
        }
    }
}

/// Money that only grows: whole nano-dollars within, dollars on the page.
#[derive(Clone, Debug, Default)]
pub(super) struct Dollars(Arc<AtomicU64>);

impl Dollars {
    pub(super) fn add(&self, amount: NanoUsd) {
        self.0.fetch_add(amount.get(), Ordering::Relaxed);
    }
}

impl TypedMetric for Dollars {
    const TYPE: MetricType = MetricType::Counter;
}

impl EncodeMetric for Dollars {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let dollars = as_float(self.0.load(Ordering::Relaxed)) / 1e9;
        encoder.encode_counter::<NoLabelSet, f64, u64>(&dollars, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

const ESTIMATE: [f64; 13] =
    [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0, 1.01, 1.05, 1.1, 1.5];
const STORE: [f64; 11] = [1e-6, 2e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 0.025, 0.1];
