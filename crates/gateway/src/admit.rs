//! Room: walk the plan until every limit of one candidate has been charged.

use std::sync::Arc;
use std::time::Instant;

use tollgate_limits::{Charges, Denied, Stretch, Wait};
use tollgate_policy::{BoundLimit, Candidate, Ended, Next, Options, Plan, Search, Unit};
use tollgate_store::{Memory, Reservation};
use tollgate_units::{Timestamp, Tokens};

use crate::gate::Gateway;
use crate::telemetry::{Metrics, StoreOp};

/// A request that holds what it may use, on every meter at once. Dropped, it gives back what it is
/// not known to have used.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) plan: Box<Plan>,
    pub(crate) held: Reservation,
    /// What limits that are only watched have admitted, by position in the candidate that was
    /// admitted.
    pub(crate) shadows: Vec<Option<Reservation>>,
    watched: usize,
    search: Search,
    at: usize,
}

/// Why there is no room, with the plan that was walked.
#[derive(Debug)]
pub(crate) struct NoRoom {
    pub(crate) plan: Box<Plan>,
    /// Which candidate would have room first, and what its limits said; nothing for a model that is
    /// served nowhere.
    pub(crate) denied: Option<(usize, Denied)>,
}

/// The meters that are asked, and what is counted of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) meters: &'a Arc<Memory>,
    /// Nothing for a policy that is only watched, whose decisions are counted as a whole.
    pub(crate) metrics: Option<&'a Metrics>,
}

impl NoRoom {
    /// What the first limit that refused counts: a metric's label.
    pub(crate) fn unit(&self) -> &'static str {
        let first = self.denied.as_ref().and_then(|(at, denied)| {
            let candidate = self.plan.candidates().get(*at)?;
            candidate.limits().get(denied.short.first()?.charge)
        });
        first.map_or("model", |limit| limit.limit().unit.label())
    }

    /// Whether nothing but what providers allow their accounts refused.
    pub(crate) fn is_of_accounts(&self) -> bool {
        self.denied.as_ref().is_some_and(|(at, denied)| {
            self.plan.candidates().get(*at).is_some_and(|candidate| candidate.is_full(denied))
        })
    }

    /// When there is room.
    pub(crate) fn room_at(&self) -> Option<Timestamp> {
        match self.denied.as_ref()?.1.wait() {
            Wait::Never => None,
            Wait::Until(at) => Some(at),
        }
    }

    /// The same request for the model that a limit that refused names.
    pub(crate) fn downgraded(&self) -> Option<Options> {
        let (at, denied) = self.denied.as_ref()?;
        self.plan.downgraded(self.plan.candidates().get(*at)?, denied)
    }

    /// Of two that refused the same request, the one that would have room first.
    pub(crate) fn or_sooner(self, other: Self) -> Self {
        let wait = |of: &Self| of.denied.as_ref().map_or(Wait::Never, |(_, denied)| denied.wait());
        if wait(&other) < wait(&self) { other } else { self }
    }
}

/// Reserves the first candidate that fits; if none does, what was said to the one that would first.
pub(crate) fn admit(asking: Asking<'_>, plan: Plan) -> Result<Admitted, NoRoom> {
    let First { plan, at, search, found: held } = first(plan, |candidate| {
        let since = Instant::now();
        let decided = asking.meters.reserve(candidate.charges().clone());
        if let Some(metrics) = asking.metrics {
            metrics.store_took(StoreOp::Reserve, since.elapsed());
        }
        decided
    })?;
    let admitted = plan.candidates().get(at);
    let shadows = admitted
        .map(|candidate| watch(asking, &plan, candidate, held.stretch()))
        .unwrap_or_default();
    Ok(Admitted { plan, held, shadows, watched: at, search, at })
}

/// The first candidate that was found to fit.
pub(crate) struct First<T> {
    pub(crate) plan: Box<Plan>,
    pub(crate) at: usize,
    pub(crate) search: Search,
    pub(crate) found: T,
}

/// Walks over a plan's candidates to the first that `fits`.
pub(crate) fn first<T>(
    plan: Plan,
    mut fits: impl FnMut(&Candidate) -> Result<T, Denied>,
) -> Result<First<T>, NoRoom> {
    let plan = Box::new(plan);
    let mut search = Search::new(plan.candidates().len());
    loop {
        let at = match search.step() {
            Next::Try(at) => at,
            Next::Refuse(at, denied) => return Err(NoRoom { plan, denied: Some((at, denied)) }),
            Next::Failed => return Err(NoRoom { plan, denied: None }),
        };
        match plan.candidates().get(at).map(&mut fits) {
            Some(Ok(found)) => return Ok(First { plan, at, search, found }),
            Some(Err(denied)) => search.denied(denied),
            None => return Err(NoRoom { plan, denied: None }),
        }
    }
}

/// Shadow limits are decided each on its own, once the request is admitted by those that count;
/// they are charged what they would admit, and what they would refuse is counted.
fn watch(
    asking: Asking<'_>,
    plan: &Plan,
    candidate: &Candidate,
    output: u64,
) -> Vec<Option<Reservation>> {
    let decided = candidate.shadows().iter().map(|(limit, charge)| {
        let stretch = Stretch { least: output, most: output };
        let charges = Charges::new(vec![*charge], stretch).ok()?;
        let held = asking.meters.reserve(charges).ok();
        if let (None, Some(metrics)) = (&held, asking.metrics) {
            let tier = plan.caller().tier_name();
            metrics.refused(limit.limit().unit.label(), tier, "shadow");
        }
        held
    });
    decided.collect()
}

impl Admitted {
    /// The candidate being served.
    pub(crate) fn candidate(&self) -> &Candidate {
        #[expect(clippy::indexing_slicing, reason = "`at` came from a walk over this list")]
        &self.plan.candidates()[self.at]
    }

    /// How it was admitted, in one word: what the log says.
    pub(crate) fn decision(&self) -> &'static str {
        self.lessened().unwrap_or("admitted")
    }

    /// What it gets less than it asked for, because a limit was used up: a metric's label.
    pub(crate) fn lessened(&self) -> Option<&'static str> {
        match () {
            () if self.plan.downgraded_from().is_some() => Some("downgraded"),
            () if self.candidate().without_tools() => Some("without_tools"),
            () => None,
        }
    }

    /// How many output tokens each answer may have.
    pub(crate) fn output(&self) -> Tokens {
        Tokens::new(self.held.stretch())
    }

    /// From here on, dropping the value settles to what `ended` says.
    pub(crate) fn known(&mut self, ended: Ended<'_>) {
        let used = self.used(ended);
        self.held.known(used);
        for at in 0..self.shadows.len() {
            let used = self.used_in_shadow(at, ended);
            if let Some(Some(held)) = self.shadows.get_mut(at) {
                held.known(vec![used]);
            }
        }
    }

    /// The candidate failed before the first byte. The next one takes over the reservation, never
    /// charged twice; without one, or without room for it, nothing is left to try.
    pub(crate) fn next_candidate(&mut self, gate: &Gateway) -> bool {
        self.search.failed();
        while let Next::Try(at) = self.search.step() {
            let Some(candidate) = self.plan.candidates().get(at) else {
                return false;
            };
            // What was admitted with its tools is served with them, wherever that is.
            if candidate.without_tools() != self.candidate().without_tools() {
                self.search.failed();
                continue;
            }
            let since = Instant::now();
            let rebooked = self.held.rebook(candidate.charges().clone());
            gate.metrics.store_took(StoreOp::Rebook, since.elapsed());
            match rebooked {
                Ok(()) => {
                    self.at = at;
                    return true;
                }
                Err(denied) => self.search.denied(denied),
            }
        }
        false
    }

    /// Goes over to another plan for the same request. What is held is rebooked, never charged
    /// twice; where none of the new candidates has room, everything stays as it was.
    pub(crate) fn go_over(&mut self, asking: Asking<'_>, plan: Plan) -> bool {
        let moved = first(plan, |candidate| self.held.rebook(candidate.charges().clone()));
        let Ok(First { plan, at, search, found: () }) = moved else {
            return false;
        };
        for shadow in self.shadows.drain(..).flatten() {
            shadow.void();
        }
        if let Some(candidate) = plan.candidates().get(at) {
            self.shadows = watch(asking, &plan, candidate, self.held.stretch());
        }
        (self.plan, self.search, self.at, self.watched) = (plan, search, at, at);
        true
    }

    /// The provider's connection is closed while its work goes on: an open stream no more, it frees
    /// the slot of one.
    pub(crate) fn closed(&mut self) {
        let is_stream = |bound: Option<&Arc<BoundLimit>>| {
            bound.is_some_and(|bound| bound.limit().unit == Unit::Streams)
        };
        let limits = self.candidate().limits().to_vec();
        if limits.iter().any(|bound| is_stream(Some(bound))) {
            self.held.release(|at| is_stream(limits.get(at)));
        }
        let watched = self.plan.candidates().get(self.watched).map(Candidate::shadows);
        for ((bound, _), held) in watched.unwrap_or_default().iter().zip(&mut self.shadows) {
            if let Some(held) = held.as_mut().filter(|_| is_stream(Some(bound))) {
                held.release(|_| true);
            }
        }
    }

    /// Which candidate is being served.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Books the truth, and hands the plan on. Nothing is settled where nothing was used: then all
    /// of it is void.
    pub(crate) fn settle(
        self,
        ended: Ended<'_>,
    ) -> (Box<Plan>, Option<tollgate_limits::Settlement>) {
        if let Ended::Unsent = ended {
            self.held.void();
            self.shadows.into_iter().flatten().for_each(Reservation::void);
            return (self.plan, None);
        }
        let used = self.used(ended);
        let in_shadow: Vec<_> =
            (0..self.shadows.len()).map(|at| self.used_in_shadow(at, ended)).collect();
        for (held, used) in self.shadows.into_iter().zip(in_shadow) {
            if let Some(held) = held {
                held.settle(&[used]);
            }
        }
        (self.plan, Some(self.held.settle(&used)))
    }

    fn used(&self, ended: Ended<'_>) -> Vec<tollgate_units::Amount> {
        self.candidate().used(ended, |at| self.held.reserved(at))
    }

    fn used_in_shadow(&self, at: usize, ended: Ended<'_>) -> tollgate_units::Amount {
        let reserved = self.shadows.get(at).and_then(Option::as_ref).map(|held| held.reserved(0));
        let watched = self.plan.candidates().get(self.watched);
        watched.map_or_else(Default::default, |watched| {
            watched.used_in_shadow(at, ended, reserved.unwrap_or_default())
        })
    }
}
