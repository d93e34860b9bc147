//! The metrics, typed, named as the documentation names them, and free of look-ups while serving.
//!
//! A family finds a metric by hashing its labels under a lock, for each of a dozen numbers of a
//! request. Here the numbers of one route (model, provider, tier) are found together, once a
//! request, without allocating; closed sets are arrays. Money is counted in whole nano-dollars and
//! becomes a fraction only when it is shown.
//! When this is wrong: names accumulate over reloads; after [`ROUTES_MAX`] routes new ones are
//! counted as `other`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};
use tollgate_units::{NanoUsd, Tokens};

use super::labels::{
    Ending, EndingLabels, LessenedLabels, Name, OpLabels, Outcome, RefusalLabels, RetryLabels,
    Route, RunawayLabels, SavedLabels, ShadowLabels, StoreOp,
};
use super::upstreams::{Breaker, Cached, Upstreams};

mod families;
mod route;

use families::Families;
use route::ratio;

pub use route::RouteMetrics;

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

/// Puts a clone into the registry, which shares its state, and keeps the original.
pub(super) fn registered<M: Metric + Clone>(
    reg: &mut Registry,
    name: &str,
    help: &str,
    metric: M,
) -> M {
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

#[cfg(test)]
mod tests;
