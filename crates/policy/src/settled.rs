//! The settlement table: what was used, and what it cost, by how a request ended.

use std::sync::Arc;

use tollgate_tokens::Most;
use tollgate_units::{Amount, NanoUsd, Tokens};
use tollgate_wire::Usage;

use crate::Unit;
use crate::bound::BoundLimit;
use crate::deployment::Deployment;
use crate::plan::Candidate;

/// How a request ended, as far as the caller's meters care.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    /// The provider answered; this is what was used.
    Answered(&'a Usage),
    /// It was sent, and then broke off: a time-out, a reset, a caller who hung up.
    Broken(&'a Usage),
    /// The provider refused the request itself (4xx): malformed requests are not free.
    Refused,
    /// It was never sent, or the provider could not serve it: everything comes back.
    Unsent,
}

/// What was reserved for a request.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// For the prompt.
    pub prompt: Most,
    /// The tokens of all answers together.
    pub output: Tokens,
}

impl Candidate {
    /// What was used of each charge, by position; `reserved` is what was taken there.
    pub fn used(&self, ended: Ended<'_>, reserved: impl Fn(usize) -> Amount) -> Vec<Amount> {
        let used = |(at, bound): (usize, &Arc<BoundLimit>)| {
            used_of(bound.limit.unit, &self.deployment, ended, reserved(at))
        };
        self.limits.iter().enumerate().map(used).collect()
    }

    /// What was used of the shadow limit at `at`; `reserved` is what it admitted.
    pub fn used_in_shadow(&self, at: usize, ended: Ended<'_>, reserved: Amount) -> Amount {
        let unit = self.shadows.get(at).map_or(Unit::Requests, |(bound, _)| bound.limit.unit);
        used_of(unit, &self.deployment, ended, reserved)
    }

    /// What a request that ended so costs here, where prices are known, as a meter of money books
    /// it; `reserved` is its bound.
    pub fn cost(&self, ended: Ended<'_>, reserved: Bound) -> Option<NanoUsd> {
        let tariff = self.deployment.tariff()?;
        let cost = match ended {
            Ended::Refused | Ended::Unsent => return None,
            Ended::Broken(_) if !self.deployment.stops_billing() => {
                let (prompt, each) = tariff.bound(reserved.prompt);
                prompt.plus(each.of(reserved.output))
            }
            Ended::Answered(usage) | Ended::Broken(usage) => tariff.cost(usage),
        };
        Some(cost.to_nano())
    }
}

/// The settlement table: what comes back and what stays, by unit and by how the request ended.
fn used_of(unit: Unit, deployment: &Deployment, ended: Ended<'_>, reserved: Amount) -> Amount {
    match (ended, unit) {
        (
            Ended::Refused | Ended::Answered(_) | Ended::Broken(_),
            Unit::Concurrency | Unit::Requests | Unit::Steps | Unit::Streams,
        ) => reserved,
        (Ended::Unsent, _)
        | (
            Ended::Refused,
            Unit::Cost | Unit::InputTokens | Unit::OutputTokens | Unit::Tokens | Unit::ToolCalls,
        ) => Amount::ZERO,
        (Ended::Answered(usage) | Ended::Broken(usage), Unit::ToolCalls) => {
            Amount::new(usage.tool_calls)
        }
        (Ended::Broken(_), Unit::Cost) if !deployment.stops_billing() => reserved,
        (Ended::Answered(usage) | Ended::Broken(usage), Unit::Cost) => {
            let cost = deployment.tariff().map(|tariff| tariff.cost(usage).to_nano());
            Amount::new(cost.unwrap_or_default().get())
        }
        (Ended::Answered(usage) | Ended::Broken(usage), Unit::InputTokens) => {
            Amount::new(usage.input.get())
        }
        (Ended::Answered(usage) | Ended::Broken(usage), Unit::OutputTokens) => {
            Amount::new(usage.output.get())
        }
        (Ended::Answered(usage) | Ended::Broken(usage), Unit::Tokens) => {
            Amount::new(usage.input.plus(usage.output).get())
        }
    }
}
