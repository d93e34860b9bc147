//! What operators are told of a flight at its end: metrics, the access log, limits that passed
//! their mark, and agents that run away.

use std::time::Duration;

use http::{Method, StatusCode};
use tollgate_policy::Plan;
use tollgate_units::{NanoUsd, Tokens};
use tollgate_wire::Usage;

use super::{Flight, span};
use crate::admit::Admitted;
use crate::alerts;
use crate::runaway::Heard;
use crate::telemetry::{AccessLine, Direction, Outcome};

impl Flight {
    /// Tells operators of limits that have passed their mark, by what is settled now.
    pub(super) fn warn(&self, plan: &Plan, at: usize) {
        let Some(candidate) = plan.candidates().get(at) else {
            return;
        };
        let looked = self.gate.meters.peek(candidate.charges());
        let standings = looked.map_or_else(|full| full.standings, |(_, standings)| standings);
        let (now, webhook) = (self.gate.clock().now(), self.live.webhook.as_ref());
        for warning in plan.warnings(candidate, &standings) {
            self.gate.alerts.warn(&warning, plan.caller(), webhook, now);
        }
    }

    /// Looks whether the agent whose session this is has run away.
    pub(super) fn watch_agent(&self, admitted: &Admitted, tokens: Tokens) {
        let caller = admitted.plan.caller();
        let policy = caller.policy();
        let (Some(session), Some(settings)) = (caller.in_session(), policy.runaway()) else {
            return;
        };
        let (now, idle) = (self.gate.clock().now(), policy.session_idle());
        let heard = Heard { calls: &self.calls, tokens, now, idle };
        if let Some(suspicion) = self.gate.runaways.hear(session, heard, settings) {
            let (key, tier) = (caller.key_name(), caller.tier_name());
            let request_id = &self.request_id;
            tracing::warn!(%suspicion, key, %tier, %session, request_id, "an agent runs away");
            self.gate.metrics.runaway(suspicion.label(), settings.then.label());
            alerts::tell_runaway(&suspicion, caller, self.live.webhook.as_ref(), now);
        }
    }

    pub(super) fn count_metrics(
        &self,
        admitted: &Admitted,
        usage: Option<&Usage>,
        cost: Option<NanoUsd>,
        outcome: Outcome,
    ) {
        let metrics = &self.gate.metrics;
        let plan = &admitted.plan;
        let deployment = admitted.candidate().deployment();
        let model = plan.model_label().unwrap_or(metrics.other());
        let tier = plan.caller().tier_name();
        let route = metrics.route(model, deployment.provider(), tier);
        route.ended(outcome);
        if let Some(action) = admitted.lessened() {
            metrics.lessened(tier, action);
        }
        metrics.overhead(self.overhead());
        let times = &self.times;
        if let Some(sent) = times.sent {
            metrics.upstream(sent.elapsed());
        }
        if let Some(first) = self.since_sent(times.first_token) {
            metrics.first_token(first);
        }
        let Some(usage) = usage else {
            return;
        };
        route.used(usage);
        if let Some(cost) = cost {
            route.cost(cost);
        }
        if usage.estimated {
            return;
        }
        route.estimated(Direction::Input, self.weight.counts.input, usage.input);
        route.estimated(Direction::Output, self.output_reserved(), usage.output);
        let used = usage.input.plus(usage.output);
        metrics.reserved(self.reserved, used);
        metrics.debt(used.less(self.reserved));
        if let (true, Some(first)) = (plan.ask().stream, times.first_token) {
            metrics.output_tokens(usage.output.less(Tokens::new(1)), first.elapsed());
        }
    }

    pub(super) fn log(
        &self,
        admitted: &Admitted,
        (usage, cost): (Option<&Usage>, Option<NanoUsd>),
        outcome: Outcome,
        status: StatusCode,
    ) {
        if !AccessLine::is_wanted() {
            return;
        }
        let plan = &admitted.plan;
        let deployment = admitted.candidate().deployment();
        let served = format!("{}/{}", deployment.provider(), deployment.model());
        let times = &self.times;
        let line = AccessLine {
            request_id: &self.request_id,
            method: &Method::POST,
            path: &format!("/v1{}", self.path),
            status,
            outcome,
            decision: admitted.decision(),
            tier: Some(plan.caller().tier_name()),
            key: plan.caller().key_name(),
            model: Some(&plan.ask().model),
            deployment: Some(&served),
            input_tokens: usage.map(|usage| usage.input),
            output_tokens: usage.map(|usage| usage.output),
            reserved_tokens: Some(self.reserved),
            estimated: usage.is_some_and(|usage| usage.estimated),
            cost,
            overhead_us: u64::try_from(self.overhead().as_micros()).unwrap_or(u64::MAX),
            upstream: times.sent.map(|sent| span(sent.elapsed())),
            first_token: self.since_sent(times.first_token).map(span),
            duration: span(times.since.elapsed()),
        };
        line.write();
    }

    /// The gateway's own time before the request goes out: what a caller could notice.
    fn overhead(&self) -> Duration {
        self.times.sent.unwrap_or(self.times.admitted).duration_since(self.times.since)
    }
}
