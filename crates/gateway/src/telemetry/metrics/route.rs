//! The numbers of one route, found together and counted without a look-up.

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
use tollgate_units::{NanoUsd, Tokens};
use tollgate_wire::Usage;

use super::as_float;
use super::families::{Dollars, Families};
use crate::telemetry::labels::{
    CostLabels, Direction, EstimateLabels, Kind, Outcome, RequestLabels, Route, TokenLabels,
};

/// The numbers of one route. Kept for the length of a request; counting is an atomic addition.
#[derive(Debug)]
pub struct RouteMetrics {
    requests: [Counter; Outcome::ALL.len()],
    input: InputCounters,
    output: OutputCounters,
    cost: Dollars,
    input_error: Histogram,
    output_error: Histogram,
}

#[derive(Debug)]
struct InputCounters {
    cache_write: Counter,
    cached: Counter,
    text: Counter,
}

#[derive(Debug)]
struct OutputCounters {
    reasoning: Counter,
    text: Counter,
}

impl Families {
    /// The numbers of one route among these.
    pub(super) fn route(&self, route: &Route) -> RouteMetrics {
        let Route { model, provider, tier } = route.clone();
        let tokens = |direction, kind| {
            let labels = TokenLabels { model: model.clone(), direction, kind };
            self.tokens.get_or_create_owned(&labels)
        };
        let error = |direction| {
            let labels = EstimateLabels { model: model.clone(), direction };
            self.estimate_error.get_or_create_owned(&labels)
        };
        RouteMetrics {
            requests: Outcome::ALL.map(|outcome| {
                let (model, provider, tier) = (model.clone(), provider.clone(), tier.clone());
                let labels = RequestLabels { model, provider, tier, outcome };
                self.requests.get_or_create_owned(&labels)
            }),
            input: InputCounters {
                cache_write: tokens(Direction::Input, Kind::CacheWrite),
                cached: tokens(Direction::Input, Kind::Cached),
                text: tokens(Direction::Input, Kind::Text),
            },
            output: OutputCounters {
                reasoning: tokens(Direction::Output, Kind::Reasoning),
                text: tokens(Direction::Output, Kind::Text),
            },
            input_error: error(Direction::Input),
            output_error: error(Direction::Output),
            cost: self.cost.get_or_create_owned(&CostLabels { model: model.clone(), provider }),
        }
    }
}

impl RouteMetrics {
    /// A request on this route ended so.
    pub fn ended(&self, outcome: Outcome) {
        self.requests[outcome as usize].inc();
    }

    /// A request used so many tokens.
    pub fn used(&self, usage: &Usage) {
        let text = usage.input.less(usage.cached_input).less(usage.cache_write);
        self.input.cached.inc_by(usage.cached_input.get());
        self.input.cache_write.inc_by(usage.cache_write.get());
        self.input.text.inc_by(text.get());
        self.output.reasoning.inc_by(usage.reasoning.get());
        self.output.text.inc_by(usage.output.less(usage.reasoning).get());
    }

    /// A request cost so much.
    pub fn cost(&self, amount: NanoUsd) {
        self.cost.add(amount);
    }

    /// What was estimated, and what it was. An estimate of nothing says nothing.
    pub fn estimated(&self, direction: Direction, estimated: Tokens, actual: Tokens) {
        let Some(ratio) = ratio(actual, estimated) else {
            return;
        };
        match direction {
            Direction::Input => self.input_error.observe(ratio),
            Direction::Output => self.output_error.observe(ratio),
        }
    }
}

/// One number over another, where there is something to divide by.
pub(super) fn ratio(over: Tokens, under: Tokens) -> Option<f64> {
    (under > Tokens::ZERO).then(|| as_float(over.get()) / as_float(under.get()))
}
