//! A second policy that is only watched: what it would have decided of the requests that the policy
//! in force is asked about, on meters of its own, counted in the metrics.
//!
//! It sees a request once that was weighed, with the same counts, and is charged what it would
//! admit; what the provider then reports settles both. What the policy in force refuses was never
//! made, so it gives that back. Nobody but the metrics is told. When it is wrong: a model whose
//! tokenizer only the second policy would use is counted by the first's; and what the policy in
//! force refuses before it is weighed (a wrong key, a forbidden model) the second never sees.

use std::ops::ControlFlow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tollgate_policy::{Caller, Options, Policy};
use tollgate_store::{Clock, Memory};
use tollgate_tokens::Counts;

use crate::admit::{Admitted, Asking, admit};
use crate::downgrade::{Downgrades, Unserved};
use crate::gate::Gateway;

/// A policy that is watched beside the one in force, and its meters.
#[derive(Debug)]
pub struct Shadow {
    policy: ArcSwap<Policy>,
    meters: Arc<Memory>,
}

impl Shadow {
    /// `policy`, watched from now on; its meters are empty and forget with the process.
    pub fn new(policy: Arc<Policy>, clock: Clock) -> Self {
        Self { policy: ArcSwap::new(policy), meters: Memory::new(clock) }
    }

    /// Watches `policy` instead, on the same meters. What was watched is returned.
    pub fn replace(&self, policy: Arc<Policy>) -> Arc<Policy> {
        self.policy.swap(policy)
    }
}

/// What the policy that is watched would do with this request: it is counted, and if it would be
/// admitted, held.
pub(crate) fn watch(
    gate: &Gateway,
    caller: &Caller,
    asked: &Options,
    counts: Counts,
) -> Option<Admitted> {
    let shadow = gate.shadow.as_ref()?;
    let decided = decide(shadow, caller, asked, counts);
    let (outcome, reason) = match &decided {
        Ok(admitted) => (admitted.decision(), "none"),
        Err(reason) => ("refused", *reason),
    };
    gate.metrics.shadowed(caller.tier_name(), outcome, reason);
    decided.ok()
}

fn decide(
    shadow: &Shadow,
    caller: &Caller,
    asked: &Options,
    counts: Counts,
) -> Result<Admitted, &'static str> {
    let caller = shadow.policy.load().counterpart(caller).ok_or("key")?;
    let options = caller.consider(asked.ask().clone()).map_err(|refusal| refusal.reason())?;
    let mut way = Downgrades::from(options.at_homes_of(asked));
    let asking = Asking { meters: &shadow.meters, metrics: None };
    loop {
        match way.ask(&shadow.meters, counts, |plan| admit(asking, plan)) {
            ControlFlow::Break(Ok(admitted)) => return Ok(admitted),
            ControlFlow::Break(Err(Unserved::Refused(refusal, _))) => return Err(refusal.reason()),
            ControlFlow::Break(Err(Unserved::Full(full))) => return Err(full.unit()),
            ControlFlow::Continue(next) => way = next,
        }
    }
}
