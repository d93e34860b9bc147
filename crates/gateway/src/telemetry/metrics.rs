//! The metrics, typed, named as the documentation names them, and free of look-ups while serving.
//!
//! A family finds a metric by hashing its labels under a lock, for each of a dozen numbers of a
//! request. Here the numbers of one route (model, provider, tier) are found together, once a
//! request, without allocating; closed sets are arrays. Money is counted in whole nano-dollars and
//! becomes a fraction only when it is shown.
//! When this is wrong: names accumulate over reloads; after [`ROUTES_MAX`] routes new ones are
//! counted as `other`.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet, text},
    metrics::{
        MetricType, TypedMetric, counter::Counter, family::Family, gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Metric, Registry},
};
use tollgate_units::{NanoUsd, Tokens};
use tollgate_wire::Usage;

use super::labels::{
    CostLabels, Direction, Ending, EndingLabels, EstimateLabels, Kind, LessenedLabels, Name,
    OpLabels, Outcome, RefusalLabels, RequestLabels, RetryLabels, Route, RunawayLabels,
    SavedLabels, ShadowLabels, StoreOp, TokenLabels,
};
use super::upstreams::{Breaker, Cached, Upstreams};

/// What [`Metrics::render`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every metric of the gateway. Shared behind an `Arc`; all methods take `&self`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    upstreams: Upstreams,
    other: Name,
    routes: ArcSwap<HashMap<Route, Arc<RouteMetrics>>>,
    overhead: Histogram,
    upstream: Histogram,
    first_token: Histogram,
    output_token: Histogram,
    reserved_over_actual: Histogram,
    store_took: [Histogram; StoreOp::ALL.len()],
    store_failed: [Counter; StoreOp::ALL.len()],
    settlements: [Counter; Ending::ALL.len()],
    debt_tokens: Counter,
    keys_fetched: Counter,
    keys_failed: Counter,
    held: Gauge,
    meters: Gauge,
}

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

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tollgate");
        let families = Families::new(&mut registry);
        let upstreams = Upstreams::new(&mut registry);
        let reg = &mut registry;
        Self {
            overhead: timer(reg, "overhead", "Time in the gateway itself", OVERHEAD),
            upstream: timer(reg, "upstream", "Time from sending to the end of the answer", LONG),
            first_token: timer(reg, "time_to_first_token", "From sending to the first token", LONG),
            output_token: timer(reg, "time_per_output_token", "Between two output tokens", SHORT),
            reserved_over_actual: registered(
                reg,
                "reserved_over_actual_ratio",
                "Tokens reserved, over tokens used",
                Histogram::new(RESERVED),
            ),
            debt_tokens: registered(
                reg,
                "debt_tokens",
                "Tokens used beyond what was reserved",
                Counter::default(),
            ),
            keys_fetched: registered(
                reg,
                "jwks_fetches",
                "Key sets of issuers that were fetched",
                Counter::default(),
            ),
            keys_failed: registered(
                reg,
                "jwks_errors",
                "Key sets of issuers that could not be fetched",
                Counter::default(),
            ),
            held: registered(
                reg,
                "reservations_held",
                "Reservations not yet settled",
                Gauge::default(),
            ),
            meters: registered(reg, "meters", "Meters in memory", Gauge::default()),
            store_took: StoreOp::ALL
                .map(|op| families.store_took.get_or_create_owned(&OpLabels { op })),
            store_failed: StoreOp::ALL
                .map(|op| families.store_failed.get_or_create_owned(&OpLabels { op })),
            settlements: Ending::ALL
                .map(|kind| families.settlements.get_or_create_owned(&EndingLabels { kind })),
            other: Name::from("other"),
            routes: ArcSwap::default(),
            families,
            upstreams,
            registry,
        }
    }

    /// A kept answer was looked for.
    pub(crate) fn cached(&self, how: Cached) {
        self.upstreams.cached(how);
    }

    /// So many headers about a provider's own limits could not be read.
    pub(crate) fn headers_malformed(&self, provider: &Name, count: u32) {
        self.upstreams.malformed(provider, count);
    }

    /// A provider served again after a refusal, so many milliseconds after it was expected to.
    pub(crate) fn reset_error(&self, provider: &Name, millis: i64) {
        #[expect(clippy::cast_precision_loss, reason = "shown to people; exact up to 2^53")]
        self.upstreams.reset_error(provider, millis as f64 / 1000.0);
    }

    /// How a provider's breakers and limits stand now.
    pub(crate) fn upstream_stands(
        &self,
        provider: &Name,
        breaker: Breaker,
        remaining: &[(&'static str, u64)],
    ) {
        self.upstreams.breaker(provider, breaker);
        for (unit, left) in remaining {
            self.upstreams.remaining(provider, unit, *left);
        }
    }

    /// The label of what nobody configured.
    pub fn other(&self) -> &Name {
        &self.other
    }

    /// The numbers of one route, made when it is first asked for. Look it up once a request.
    pub fn route(&self, model: &Name, provider: &Name, tier: &Name) -> Arc<RouteMetrics> {
        let (model, provider, tier) = (model.clone(), provider.clone(), tier.clone());
        let route = Route { model, provider, tier };
        let known = self.routes.load();
        if let Some(found) = known.get(&route) {
            return Arc::clone(found);
        }
        if known.len() < ROUTES_MAX {
            return self.add(&route);
        }
        let other = || self.other.clone();
        self.add(&Route { model: other(), provider: other(), tier: other() })
    }

    /// A request was refused by the gateway: for want of which unit (`none` where it is not about
    /// one), and why.
    pub fn refused(&self, unit: &'static str, tier: &Name, reason: &'static str) {
        let labels = RefusalLabels { unit, tier: tier.clone(), reason };
        self.families.refusals.get_or_create(&labels).inc();
    }

    /// A request went to `provider` after another one had failed, and came to this there.
    pub fn retried(&self, provider: &Name, outcome: Outcome) {
        let labels = RetryLabels { provider: provider.clone(), outcome };
        self.families.retries.get_or_create(&labels).inc();
    }

    /// What a refusal saved the operator.
    pub fn saved(&self, reason: &'static str, amount: NanoUsd) {
        self.families.saved.get_or_create(&SavedLabels { reason }).add(amount);
    }

    /// The policy that is only watched has decided so on a request of `tier`.
    pub fn shadowed(&self, tier: &Name, outcome: &'static str, reason: &'static str) {
        let labels = ShadowLabels { tier: tier.clone(), outcome, reason };
        self.families.shadowed.get_or_create(&labels).inc();
    }

    /// A request got less than it asked for, because a limit was used up: `downgraded` to another
    /// model, or answered `without_tools`.
    pub fn lessened(&self, tier: &Name, action: &'static str) {
        let labels = LessenedLabels { tier: tier.clone(), action };
        self.families.lessened.get_or_create(&labels).inc();
    }

    /// An agent was found to have run away, and this is done about it.
    pub fn runaway(&self, kind: &'static str, action: &'static str) {
        self.families.runaways.get_or_create(&RunawayLabels { kind, action }).inc();
    }

    /// The time that one request spent in the gateway itself.
    pub fn overhead(&self, took: Duration) {
        self.overhead.observe(took.as_secs_f64());
    }

    /// The time from sending a request to the end of its answer.
    pub fn upstream(&self, took: Duration) {
        self.upstream.observe(took.as_secs_f64());
    }

    /// The time from sending a request to the first token of its answer.
    pub fn first_token(&self, took: Duration) {
        self.first_token.observe(took.as_secs_f64());
    }

    /// The time that `tokens` output tokens took after the first one. None of them says nothing.
    pub fn output_tokens(&self, tokens: Tokens, took: Duration) {
        if tokens > Tokens::ZERO {
            self.output_token.observe(took.as_secs_f64() / as_float(tokens.get()));
        }
    }

    /// What was reserved for a request, and what it used. Nothing used says nothing.
    pub fn reserved(&self, reserved: Tokens, used: Tokens) {
        if let Some(ratio) = ratio(reserved, used) {
            self.reserved_over_actual.observe(ratio);
        }
    }

    /// The store did this, and took so long.
    pub fn store_took(&self, op: StoreOp, took: Duration) {
        self.store_took[op as usize].observe(took.as_secs_f64());
    }

    /// The store could not do this.
    pub fn store_failed(&self, op: StoreOp) {
        self.store_failed[op as usize].inc();
    }

    /// A reservation ended.
    pub fn ended(&self, how: Ending) {
        self.settlements[how as usize].inc();
    }

    /// This many tokens became debt.
    pub fn debt(&self, tokens: Tokens) {
        self.debt_tokens.inc_by(tokens.get());
    }

    /// An issuer's keys were asked for, and came or did not.
    pub fn keys_fetched(&self, came: bool) {
        let counter = if came { &self.keys_fetched } else { &self.keys_failed };
        counter.inc();
    }

    /// How the books stand; said before each `render`, because a gauge is only ever now.
    pub fn stands(&self, reservations_held: u64, meters: usize) {
        self.held.set(i64::try_from(reservations_held).unwrap_or(i64::MAX));
        self.meters.set(i64::try_from(meters).unwrap_or(i64::MAX));
    }

    /// All metrics as text, in the format named by [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut page = String::new();
        if let Err(error) = text::encode(&mut page, &self.registry) {
            // Writing to a string does not fail; a half page without its end mark is not scraped.
            tracing::error!(%error, "the metrics cannot be written");
        }
        page
    }

    fn add(&self, route: &Route) -> Arc<RouteMetrics> {
        let fresh = Arc::new(self.families.route(route));
        self.routes.rcu(|known| {
            let mut more = HashMap::clone(known);
            // Who comes second shares the first one's counters anyway: families know the labels.
            more.entry(route.clone()).or_insert_with(|| Arc::clone(&fresh));
            more
        });
        fresh
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
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

/// Whatever has labels. Clones share the metrics, and one clone of each is in the registry.
#[derive(Debug)]
struct Families {
    requests: Family<RequestLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    retries: Family<RetryLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<CostLabels, Dollars>,
    saved: Family<SavedLabels, Dollars>,
    lessened: Family<LessenedLabels, Counter>,
    runaways: Family<RunawayLabels, Counter>,
    shadowed: Family<ShadowLabels, Counter>,
    estimate_error: Family<EstimateLabels, Histogram, fn() -> Histogram>,
    store_took: Family<OpLabels, Histogram, fn() -> Histogram>,
    store_failed: Family<OpLabels, Counter>,
    settlements: Family<EndingLabels, Counter>,
}

impl Families {
    /// `_total` is written by the encoder, so no counter has it in its name here.
    fn new(reg: &mut Registry) -> Self {
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

    fn route(&self, route: &Route) -> RouteMetrics {
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

/// Money that only grows: whole nano-dollars within, dollars on the page.
#[derive(Clone, Debug, Default)]
struct Dollars(Arc<AtomicU64>);

impl Dollars {
    fn add(&self, amount: NanoUsd) {
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

/// Puts a clone into the registry, which shares its state, and keeps the original.
fn registered<M: Metric + Clone>(reg: &mut Registry, name: &str, help: &str, metric: M) -> M {
    reg.register(name, help, metric.clone());
    metric
}

fn timer<const N: usize>(
    reg: &mut Registry,
    name: &str,
    help: &str,
    buckets: [f64; N],
) -> Histogram {
    registered(reg, &format!("{name}_seconds"), help, Histogram::new(buckets))
}

fn ratio(over: Tokens, under: Tokens) -> Option<f64> {
    (under > Tokens::ZERO).then(|| as_float(over.get()) / as_float(under.get()))
}

#[expect(clippy::cast_precision_loss, reason = "shown to people; exact up to 2^53")]
fn as_float(count: u64) -> f64 {
    count as f64
}

/// More routes than anybody configures; each is about twenty time series.
const ROUTES_MAX: usize = 4096;

const OVERHEAD: [f64; 13] =
    [5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.5];
const LONG: [f64; 13] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0];
const SHORT: [f64; 11] = [1e-3, 2e-3, 5e-3, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5];
const RESERVED: [f64; 11] = [1.0, 1.05, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 25.0, 100.0, 1000.0];
const ESTIMATE: [f64; 13] =
    [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0, 1.01, 1.05, 1.1, 1.5];
const STORE: [f64; 11] = [1e-6, 2e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 0.025, 0.1];

#[cfg(test)]
mod tests;
