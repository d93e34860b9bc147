//! How the routes to providers stand, for people and for metrics: breakers, what was learned of the
//! providers' own limits, and what is on its way.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tollgate_routing::{BreakerState, Call, Counted, PoolRow, Route, Shut, Why};
use tollgate_units::{Span, Timestamp};
use tollgate_wire::rfc3339;

use crate::gate::Gateway;
use crate::routes::Known;
use crate::telemetry::Breaker;

/// One model at one account, as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct RouteStanding {
    /// The account.
    pub provider: String,
    /// The provider's own name for the model.
    pub model: String,
    /// `closed`, `open`, `half_open` or `ramping`.
    pub breaker: &'static str,
    /// When a probe is let through, where nothing else is.
    pub probes_at: Option<String>,
    /// The share of requests that pass while traffic comes back, in a hundredth.
    pub ramp_percent: Option<u32>,
    /// Until when the provider has refused.
    pub refused_until: Option<String>,
    /// Why until then.
    pub refused_why: Option<&'static str>,
    /// Requests on their way.
    pub in_flight: u32,
    /// How many there may be; nothing before the provider has pushed back.
    pub concurrency: Option<u32>,
    /// The usual time to the first token of a stream, in milliseconds.
    pub first_token_ms: Option<u64>,
    /// What the provider's own limits have left, the least of them, in thousandths.
    pub headroom_permille: u32,
    /// The provider's own limits, as it has told them.
    pub limits: Vec<ProviderLimit>,
}

/// One of a provider's own limits, as the provider tells it.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderLimit {
    /// The provider's name for it.
    pub name: String,
    /// `requests`, `tokens`, `input_tokens` or `output_tokens`.
    pub unit: &'static str,
    /// Its amount.
    pub amount: Option<u64>,
    /// What was left of it when the provider last said so.
    pub remaining: Option<u64>,
    /// When it said that all of it is back.
    pub resets_at: Option<String>,
    /// Its window, in milliseconds, said or inferred.
    pub window_ms: u64,
    /// What is left of it now by the gateway's own count, in thousandths.
    pub headroom_permille: u32,
}

impl Gateway {
    /// Every route that has been asked, in order of account and model.
    pub fn providers(&self) -> Vec<RouteStanding> {
        let now = self.clock().now();
        self.routes.all().iter().map(|known| standing(known, now)).collect()
    }

    /// Has the metrics say how the routes stand now.
    pub(crate) fn measure_routes(&self) {
        let now = self.clock().now();
        let mut breakers: BTreeMap<Arc<str>, Breaker> = BTreeMap::new();
        let mut left: BTreeMap<Arc<str>, BTreeMap<&'static str, u64>> = BTreeMap::new();
        for known in self.routes.all() {
            let provider = &known.name.provider;
            known.look(|route| {
                let state = match route.outlook(&Call::default(), now).state {
                    BreakerState::Closed => Breaker::Closed,
                    BreakerState::HalfOpen | BreakerState::Ramping { .. } => Breaker::Recovering,
                    BreakerState::Open { .. } => Breaker::Open,
                };
                let worst = breakers.entry(provider.clone()).or_insert(state);
                *worst = state.max(*worst);
                for pool in route.pools(now) {
                    let of = left.entry(provider.clone()).or_default();
                    if let Some(remaining) = pool.remaining {
                        let least = of.entry(unit(pool.counts)).or_insert(remaining);
                        *least = remaining.min(*least);
                    }
                }
            });
        }
        for (provider, state) in breakers {
            let left: Vec<_> = left.remove(&provider).into_iter().flatten().collect();
            self.metrics.upstream_stands(&provider, state, &left);
        }
    }
}

fn standing(known: &Known, now: Timestamp) -> RouteStanding {
    known.look(|route: &Route| {
        let outlook = route.outlook(&Call::default(), now);
        let (breaker, probes_at, ramp_percent) = match outlook.state {
            BreakerState::Closed => ("closed", None, None),
            BreakerState::Open { until } => ("open", Some(rfc3339(until)), None),
            BreakerState::HalfOpen => ("half_open", None, None),
            BreakerState::Ramping { percent } => ("ramping", None, Some(percent)),
        };
        let next_probe =
            outlook.shut.and_then(|shut| shut.next_probe).or_else(|| route.next_check(now));
        RouteStanding {
            provider: known.name.provider.to_string(),
            model: known.name.model.to_string(),
            breaker,
            probes_at: probes_at.or(next_probe.map(rfc3339)),
            ramp_percent,
            refused_until: outlook.shut.and_then(refused_until),
            refused_why: outlook.shut.map(|shut| why(shut.why)),
            in_flight: outlook.in_flight,
            concurrency: outlook.concurrency,
            first_token_ms: outlook.first_token.map(Span::as_millis),
            headroom_permille: outlook.headroom_permille,
            limits: route.pools(now).map(|pool| limit(&pool)).collect(),
        }
    })
}

fn limit(pool: &PoolRow<'_>) -> ProviderLimit {
    ProviderLimit {
        name: pool.name.to_owned(),
        unit: unit(pool.counts),
        amount: pool.limit,
        remaining: pool.remaining,
        resets_at: pool.reset_at.map(rfc3339),
        window_ms: pool.window.as_millis(),
        headroom_permille: pool.headroom_permille,
    }
}

/// Where only a probe will tell, nobody knows until when.
fn refused_until(shut: Shut) -> Option<String> {
    (shut.until < Timestamp::MAX).then(|| rfc3339(shut.until))
}

const fn unit(counts: Counted) -> &'static str {
    match counts {
        Counted::InputTokens => "input_tokens",
        Counted::OutputTokens => "output_tokens",
        Counted::Requests => "requests",
        Counted::Tokens => "tokens",
    }
}

const fn why(why: Why) -> &'static str {
    match why {
        Why::Checked => "the provider said so; checked every minute, because it is long",
        Why::Doubled => "it refused again right after the last wait: longer than it says",
        Why::Exhausted => {
            "the account is empty or badly configured; a probe now and then will tell"
        }
        Why::Predicted => "it did not say how long: what its limits let expect",
        Why::Promised => "the provider said so",
        Why::Unbelieved => "it said more than a day: taken as if it had said nothing",
    }
}
