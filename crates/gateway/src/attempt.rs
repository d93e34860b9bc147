//! The place that a request takes at a route: in which order routes are tried, the wait for its
//! turn, and what is learned of the provider by it.
//!
//! The decisions are `routing`'s; here are the clock, the dice, and who is told of what is new. An
//! [`Attempt`] that is dropped has learned nothing of the provider, and gives its place back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tollgate_policy::{Candidate, Plan, Prefer, Priority};
use tollgate_routing as routing;
use tollgate_routing::{
    Call, Choice, Ended, Need, News, Observed, Outlook, Pass, Room, Why, order,
};
use tollgate_units::{Span, Timestamp, Tokens};
use tollgate_wire::{Report, Usage};

use crate::fault::Fault;
use crate::gate::{Gateway, Live};
use crate::need::{counted, need};
use crate::routes::{Known, Name};

/// A place at a route, from before a request is sent until it has ended there.
#[derive(Debug)]
pub(crate) struct Attempt {
    gate: Arc<Gateway>,
    live: Arc<Live>,
    known: Arc<Known>,
    upstream: usize,
    need: Need,
    pass: Option<Pass>,
    was_sent: bool,
}

impl Gateway {
    /// Puts the candidates of `plan` in the order to try them, by what is known of their routes.
    pub(crate) fn arrange(&self, live: &Live, plan: &mut Plan) {
        if plan.candidates().len() < 2 {
            return;
        }
        let now = self.clock().now();
        let choices: Vec<_> =
            plan.candidates().iter().map(|one| self.choice(live, plan, one, now)).collect();
        let order = order(&choices, preferred(plan.prefer()), self.die());
        plan.arrange(&order);
    }

    fn choice(&self, live: &Live, plan: &Plan, candidate: &Candidate, now: Timestamp) -> Choice {
        let deployment = candidate.deployment();
        let output = Tokens::new(candidate.charges().stretch().least);
        let outlook = self.outlook(live, plan, candidate, now);
        let room = match outlook.room_at {
            Some(at) if at <= now => Room::Now,
            Some(at) if at <= now.plus(PATIENCE) => Room::Soon(at.since(now)),
            Some(_) | None => Room::Closed,
        };
        let price = deployment.tariff().map_or(u64::MAX, |tariff| {
            let (input, billed) = (plan.counts().input, plan.ask().billed_at_most());
            let usage = Usage { input, output, billed, ..Usage::default() };
            tariff.cost(&usage).to_nano().get()
        });
        Choice {
            room,
            headroom_permille: outlook.headroom_permille,
            price,
            first_token: outlook.first_token,
            weight: deployment.weight(),
            affinity: plan.affinity(candidate),
            group: u32::from(candidate.without_tools()),
        }
    }

    /// What is known of `candidate`'s route, for this request.
    pub(crate) fn outlook(
        &self,
        live: &Live,
        plan: &Plan,
        candidate: &Candidate,
        now: Timestamp,
    ) -> Outlook {
        let deployment = candidate.deployment();
        let output = Tokens::new(candidate.charges().stretch().least);
        let need = need(live.upstreams.dialect(deployment.upstream()), plan, output);
        let call = call(plan, need);
        self.routes.to(deployment, now).look(|route| route.outlook(&call, now))
    }

    /// Takes a place at the route of `candidate`, where each answer has at most `output` tokens.
    /// `die` decides while traffic comes back.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn attempt(
        self: &Arc<Self>,
        live: &Arc<Live>,
        (plan, candidate): (&Plan, &Candidate),
        output: Tokens,
        die: u64,
    ) -> Result<Attempt, Fault> {
        let deployment = candidate.deployment();
        let upstream = deployment.upstream();
        let need = need(live.upstreams.dialect(upstream), plan, output);
        let now = self.clock().now();
        let known = self.routes.to(deployment, now);
        let call = call(plan, need);
        let pass = place(&known, &call, now, die)?;
        let (gate, live, pass) = (self.clone(), live.clone(), Some(pass));
        Ok(Attempt { gate, live, known, upstream, need, pass, was_sent: false })
    }
}

/// Takes a place. An account that is empty or badly configured is the operator's, whoever asks.
fn place(known: &Known, call: &Call, now: Timestamp, die: u64) -> Result<Pass, Fault> {
    let mut route = known.route();
    route.ask(call, now, die).map_err(|closed| {
        let shut = route.outlook(call, now).shut;
        let is_exhausted = shut.is_some_and(|shut| shut.why == Why::Exhausted);
        if is_exhausted { Fault::Operator } else { closed.into() }
    })
}

fn call(plan: &Plan, need: Need) -> Call {
    let is_critical = plan.caller().priority() == Priority::Critical;
    Call { need, is_critical, patience: PATIENCE }
}

fn preferred(prefer: Prefer) -> routing::Prefer {
    match prefer {
        Prefer::Headroom => routing::Prefer::Headroom,
        Prefer::Cheapest => routing::Prefer::Cheapest,
        Prefer::Fastest => routing::Prefer::Fastest,
        Prefer::Listed => routing::Prefer::Listed,
    }
}

impl Attempt {
    /// Waits for its turn at the provider: what the provider's own limits have room for goes out
    /// evenly, and not all at once.
    ///
    /// # Errors
    /// The provider has refused others meanwhile, and the turn has moved out of reach: when there
    /// is room.
    pub(crate) async fn turn(&mut self) -> Result<(), Timestamp> {
        let Some(mut starts_at) = self.pass.as_ref().map(|pass| pass.starts_at) else {
            return Ok(());
        };
        let mut now = self.gate.clock().now();
        let last = now.plus(PATIENCE);
        while starts_at > now {
            if starts_at > last {
                return Err(starts_at);
            }
            let wait = starts_at.since(now);
            tokio::time::sleep(std::time::Duration::from_millis(wait.as_millis())).await;
            now = self.gate.clock().now();
            if now < starts_at {
                // The clock stands still, and so do the provider's limits.
                return Err(starts_at);
            }
            if let Some(pass) = &mut self.pass {
                starts_at = self.known.route().due(pass, now);
            }
        }
        Ok(())
    }

    /// Where it is.
    pub(crate) fn route(&self) -> &Name {
        &self.known.name
    }

    /// It is on its way: from now on whoever drops it leaves the provider with it.
    pub(crate) const fn sent(&mut self) {
        self.was_sent = true;
    }

    /// The head of the answer is there, and reports this of the provider's limits. What it says on
    /// top of an answer, `is_served`, cannot be less than that answer.
    pub(crate) fn heard(&mut self, report: &Report, is_served: bool) {
        let now = self.gate.clock().now();
        let mut observed: Vec<Observed<'_>> =
            report.limits.iter().filter_map(|limit| observed(limit, now)).collect();
        let told = observed.len();
        observed.retain(|seen| !is_served || !seen.is_belied_by(&self.need));
        let belied = u32::try_from(told - observed.len()).unwrap_or(u32::MAX);
        let senseless = report.malformed.saturating_add(belied);
        if senseless > 0 {
            let provider = &self.known.name.provider;
            tracing::debug!(%provider, count = senseless, "limit headers make no sense");
            self.gate.metrics.headers_malformed(provider, senseless);
        }
        if let Some(pass) = &mut self.pass {
            self.known.route().heard(pass, &observed, now);
        }
    }

    /// It was answered, and used this.
    pub(crate) fn answered(self, usage: &Usage) {
        let dialect = self.live.upstreams.dialect(self.upstream);
        let counted = counted(dialect, &self.need, usage);
        let (afterwards, back) = (counted.less(&self.need), self.need.less(&counted));
        let prompt_tokens = usage.input.get();
        self.end(Ended::Success { first_token: None, prompt_tokens, afterwards, back });
    }

    /// The answer flows; of a stream, the first token came so long after it was sent.
    pub(crate) fn flows(&mut self, first_token: Option<Span>, prompt: Tokens) {
        let now = self.gate.clock().now();
        let Some(pass) = &mut self.pass else {
            return;
        };
        let news = self.known.route().flows(pass, first_token, prompt.get(), now);
        self.tell(news, now);
    }

    /// It ended so.
    pub(crate) fn end(mut self, ended: Ended) {
        self.finish(ended);
    }

    fn finish(&mut self, ended: Ended) {
        let Some(pass) = self.pass.take() else {
            return;
        };
        let now = self.gate.clock().now();
        let news = self.known.route().ended(pass, ended, now);
        self.tell(news, now);
    }

    /// Tells operators what is new.
    fn tell(&self, news: News, now: Timestamp) {
        let name = &self.known.name;
        if let Some(error) = news.reset_error_ms {
            self.gate.metrics.reset_error(&name.provider, error);
        }
        if self.known.is_over.load(Ordering::Relaxed) {
            return;
        }
        let webhook = self.live.webhook.as_ref();
        if let Some(change) = news.breaker {
            self.gate.alerts.breaker((&name.provider, &name.model), change, webhook, now);
        }
        if let Some(is_below) = news.below_safe {
            self.gate.alerts.quota((&name.provider, &name.model), is_below, webhook, now);
        }
    }
}

impl Drop for Attempt {
    /// Its caller is gone: that says nothing of the provider.
    fn drop(&mut self) {
        self.finish(if self.was_sent { Ended::Ignored } else { Ended::Unsent });
    }
}

fn observed(limit: &tollgate_wire::Reported, now: Timestamp) -> Option<Observed<'_>> {
    use tollgate_wire as wire;
    let counts = match limit.counts {
        wire::Counted::InputTokens => routing::Counted::InputTokens,
        wire::Counted::OutputTokens => routing::Counted::OutputTokens,
        wire::Counted::Requests => routing::Counted::Requests,
        wire::Counted::Tokens => routing::Counted::Tokens,
        wire::Counted::Other => return None,
    };
    let refill = match limit.refill {
        wire::Refill::AtReset => routing::Refill::AtReset,
        wire::Refill::Continuous => routing::Refill::Continuous,
    };
    (!limit.is_aside).then(|| Observed {
        name: &limit.name,
        counts,
        refill,
        window: limit.window,
        limit: limit.limit,
        remaining: limit.remaining,
        reset_at: limit.full_at(now),
        grain: limit.grain,
    })
}

/// How long a request is held back for a provider's own limits, before it is sent elsewhere or
/// refused.
const PATIENCE: Span = Span::from_secs(1);
