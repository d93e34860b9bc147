//! Where a flight goes: the next route, the next model that stands in, and again from the first;
//! and whether anybody still waits for it.

use std::iter;

use bytes::Bytes;
use tokio::time::Instant;
use tollgate_policy::Ended;
use tollgate_units::Timestamp;
use tollgate_wire::{Keeping, StoredKind};

use super::{Flight, reserved};
use crate::admit::Asking;
use crate::attempt::Attempt;
use crate::fault::Fault;
use crate::gate::moment;
use crate::unattended::Attendance;

impl Flight {
    /// The attempt failed where nothing is owed; the next candidate takes over, if there is one.
    pub(crate) fn try_next(&mut self) -> bool {
        let Some(admitted) = &mut self.admitted else {
            return false;
        };
        let moved = admitted.next_candidate(&self.gate);
        admitted.known(Ended::Unsent);
        if let Some(in_shadow) = &mut self.in_shadow {
            in_shadow.known(Ended::Unsent);
        }
        moved
    }

    /// Goes over to the next model that stands in, if there is one that has room.
    pub(crate) async fn fall_back(&mut self, body: &Bytes) -> bool {
        self.know_models();
        while let Some(model) = self.models.get(self.model.saturating_add(1)).cloned() {
            self.model = self.model.saturating_add(1);
            if self.go_over_to(&model, body).await {
                return true;
            }
        }
        false
    }

    /// Begins again from the model that it was admitted for.
    pub(crate) async fn start_over(&mut self, body: &Bytes) -> bool {
        self.know_models();
        self.model = 0;
        let Some(model) = self.models.first().cloned() else {
            return false;
        };
        self.go_over_to(&model, body).await || self.fall_back(body).await
    }

    /// Who may serve it is asked of the plan that it was admitted by, before another takes over.
    fn know_models(&mut self) {
        if let (true, Some(admitted)) = (self.models.is_empty(), &self.admitted) {
            let plan = &admitted.plan;
            self.models = iter::once(plan.model()).chain(plan.stand_ins()).cloned().collect();
        }
    }

    /// Has `model` serve it from now on: counted, planned and rebooked anew, under the limits and
    /// the list of models that the caller has.
    async fn go_over_to(&mut self, model: &str, body: &Bytes) -> bool {
        let gate = self.gate.clone();
        let options = self.admitted.as_ref().and_then(|admitted| admitted.plan.stood_in(model));
        let Some(options) = options else {
            return false;
        };
        let Ok(weight) = gate.scales.weigh(&options, body).await else {
            return false;
        };
        let moment = moment(&gate.meters, &options);
        let Ok(mut plan) = options.plan(weight.counts, moment) else {
            return false;
        };
        gate.arrange(&self.live, &mut plan);
        let asking = Asking { meters: &gate.meters, metrics: Some(&gate.metrics) };
        let Some(admitted) = &mut self.admitted else {
            return false;
        };
        if !admitted.go_over(asking, plan) {
            return false;
        }
        admitted.known(Ended::Unsent);
        let (weight, reserved) = reserved(admitted, weight);
        gate.sums.rebooked(self.reserved, reserved);
        (self.weight, self.reserved) = (weight, reserved);
        true
    }

    /// Takes a place at the route of the candidate that holds the reservation; `die` decides while
    /// traffic comes back there.
    pub(crate) fn place(&self, die: u64) -> Result<Attempt, Fault> {
        let Some(admitted) = &self.admitted else {
            return Err(Fault::Failed);
        };
        let way = (&*admitted.plan, admitted.candidate());
        self.gate.attempt(&self.live, way, admitted.output(), die)
    }

    /// When one of the routes to the model that is asked may have room.
    pub(crate) fn room_at(&self, now: Timestamp) -> Option<Timestamp> {
        let admitted = self.admitted.as_ref()?;
        let plan = &admitted.plan;
        let look = |candidate| self.gate.outlook(&self.live, plan, candidate, now).room_at;
        plan.candidates().iter().filter_map(look).min()
    }

    /// Whether an answer that nobody waits for is read to its end.
    pub(crate) fn is_drained(&self) -> bool {
        self.admitted.as_ref().is_some_and(|admitted| admitted.candidate().deployment().drains())
    }

    /// Whether an answer to it may have to be read to its end.
    pub(crate) fn may_be_drained(&self) -> bool {
        self.live.policy.drains()
    }

    /// From now on it is known whether somebody waits for it.
    pub(crate) fn attended(&mut self) -> Attendance {
        self.attendance.insert(Attendance::default()).clone()
    }

    /// Whether its caller is gone.
    pub(crate) fn is_unattended(&self) -> bool {
        self.attendance.as_ref().is_some_and(Attendance::is_over)
    }

    /// Until when its answer is read, whose caller is gone.
    pub(crate) fn drained_until(&mut self) -> Instant {
        self.attendance.get_or_insert_default().drained_until()
    }

    /// No provider is at work on it any more.
    pub(crate) fn rests(&self) {
        if let Some(attendance) = &self.attendance {
            attendance.works(false);
        }
    }

    /// Whether it does no harm when a provider works on it twice: what goes on when nobody listens,
    /// or is added to what the provider stores, would be there twice.
    pub(crate) fn may_be_repeated(&self) -> bool {
        let Some(admitted) = &self.admitted else {
            return false;
        };
        let ask = admitted.plan.ask();
        let added = |one: &tollgate_wire::Reference| one.stored.kind == StoredKind::Conversation;
        ask.keeping != Keeping::Background && !ask.refers.iter().any(added)
    }
}
