//! What would happen to a request now, limit by limit, with nothing charged. The same functions
//! decide as on the way of a request.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tollgate_limits::{Denied, Short, Standing, Wait};
use tollgate_policy::{Caller, Candidate, Next, Plan, Refusal, Search};
use tollgate_units::{Span, Timestamp, Tokens};
use tollgate_wire::Endpoint;

use crate::admit::NoRoom;
use crate::gate::{Gateway, moment};
use crate::models::shown;
use crate::scales::Busy;
use crate::stored::own;

/// What would happen to a request.
#[derive(Debug, Default, Serialize)]
pub struct Explanation {
    /// Whether it would be admitted.
    pub admitted: bool,
    /// What the caller would be told, if not.
    pub refusal: Option<String>,
    /// The caller's tier.
    pub tier: String,
    /// Who would serve it, or would have room for it first.
    pub deployment: Option<String>,
    /// The model that was asked for, where a limit has another serve the request.
    pub downgraded_from: Option<String>,
    /// Whether the model may call no tool, because the limits on an agent are used up.
    pub without_tools: bool,
    /// The prompt's tokens.
    pub input_tokens: Option<u64>,
    /// How they were counted: `bound`, `exact` or `ratio`.
    pub counted: Option<String>,
    /// How many output tokens each answer could have.
    pub output_tokens_max: Option<u64>,
    /// What each limit says.
    pub limits: Vec<Verdict>,
}

/// What one limit says to a request.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The limit in the operator's words.
    pub limit: String,
    /// Whether it is only watched.
    pub shadow: bool,
    /// `room`, `wait` or `never`.
    pub verdict: &'static str,
    /// What the request asks of it.
    pub requested: serde_json::Value,
    /// How much it allows.
    pub amount: serde_json::Value,
    /// What is used and settled.
    pub used: serde_json::Value,
    /// What is reserved and not yet settled.
    pub held: serde_json::Value,
    /// How long until the request fits, if nothing else comes.
    pub wait_ms: Option<u64>,
}

/// Who is said to ask.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// The key's name; nothing for an anonymous caller.
    pub key: Option<String>,
    /// The address; loopback where none is said.
    pub ip: Option<IpAddr>,
    /// The session.
    pub session: Option<String>,
}

impl Gateway {
    /// What would happen to `body`, sent by `asker`, now. Nothing when there is no such caller.
    pub async fn explain(
        self: &Arc<Self>,
        asker: &Asker,
        endpoint: Endpoint,
        body: &Bytes,
    ) -> Option<Explanation> {
        let caller = self.caller_asking(asker)?;
        let tier = caller.tier_name().to_string();
        let told = |refusal: Refusal| Explanation {
            tier: tier.clone(),
            refusal: Some(refusal.notice(String::new(), Span::ZERO).message),
            ..Explanation::default()
        };
        let busy = || Explanation {
            refusal: Some("Too many long prompts are being read. Try again.".to_owned()),
            tier: tier.clone(),
            ..Explanation::default()
        };
        let ask = match self.scales.read(endpoint, body).await {
            Ok(Ok(ask)) => ask,
            Ok(Err(malformed)) => return Some(told(Refusal::Malformed(malformed))),
            Err(Busy) => return Some(busy()),
        };
        let mut options = match caller.consider(ask) {
            Ok(options) => options,
            Err(refusal) => return Some(told(refusal)),
        };
        options = match own(self, options).await {
            Ok(options) => options,
            Err(not_owned) => {
                let refusal = Some(not_owned.message());
                return Some(Explanation { refusal, tier, ..Explanation::default() });
            }
        };
        let mut refused: Option<(NoRoom, Timestamp)> = None;
        loop {
            let Ok(weight) = self.scales.weigh(&options, body).await else {
                return Some(busy());
            };
            let moment = moment(&self.meters, &options);
            let plan = match (options.plan(weight.counts, moment), refused) {
                (Ok(plan), before) => {
                    refused = before;
                    plan
                }
                (Err(refusal), None) => return Some(told(refusal)),
                (Err(_), Some((full, now))) => return Some(self.explain_refusal(&full, now)),
            };
            let denied = match self.walk(&plan) {
                Next::Try(at) => return Some(self.explain_way(&plan, at, moment.now)),
                Next::Refuse(at, denied) => Some((at, denied)),
                Next::Failed => None,
            };
            let full = NoRoom { plan: Box::new(plan), denied };
            let next = full.downgraded();
            let full = match refused {
                Some((before, _)) => before.or_sooner(full),
                None => full,
            };
            match next {
                Some(next) => options = next,
                None => return Some(self.explain_refusal(&full, moment.now)),
            }
            refused = Some((full, moment.now));
        }
    }

    fn caller_asking(&self, asker: &Asker) -> Option<Caller> {
        let caller = self.caller_called(asker.key.as_deref(), asker.ip)?;
        Some(match &asker.session {
            Some(name) => {
                let session = caller.session(name);
                caller.within(session)
            }
            None => caller,
        })
    }

    /// The walk over a plan's candidates that admission makes, with nothing taken.
    fn walk(&self, plan: &Plan) -> Next {
        let mut search = Search::new(plan.candidates().len());
        loop {
            match search.step() {
                Next::Try(at) => {
                    let Some(candidate) = plan.candidates().get(at) else {
                        return Next::Failed;
                    };
                    match self.meters.peek(candidate.charges()) {
                        Ok(_) => return Next::Try(at),
                        Err(denied) => search.denied(denied),
                    }
                }
                ended @ (Next::Refuse(..) | Next::Failed) => return ended,
            }
        }
    }

    fn explain_refusal(&self, full: &NoRoom, now: Timestamp) -> Explanation {
        let told = full.denied.as_ref();
        let told = told.and_then(|(at, denied)| Some((full.plan.candidates().get(*at)?, denied)));
        let Some((candidate, denied)) = told else {
            let tier = full.plan.caller().tier_name().to_string();
            return Explanation { tier, ..Explanation::default() };
        };
        let stretch = candidate.charges().stretch().least;
        let look = Look { plan: &full.plan, candidate, stretch, now };
        let refusal = full.plan.refusal(candidate, denied, now);
        let message = refusal.notice(String::new(), Span::ZERO).message;
        Explanation {
            refusal: Some(message),
            ..look.explanation(self, &denied.standings, Some(denied))
        }
    }

    fn explain_way(&self, plan: &Plan, at: usize, now: Timestamp) -> Explanation {
        let candidate = plan.candidates().get(at);
        let looked = candidate.and_then(|candidate| {
            let (stretch, standings) = self.meters.peek(candidate.charges()).ok()?;
            Some((candidate, stretch, standings))
        });
        let Some((candidate, stretch, standings)) = looked else {
            return Explanation::default();
        };
        let look = Look { plan, candidate, stretch, now };
        Explanation { admitted: true, ..look.explanation(self, &standings, None) }
    }
}

/// A candidate that is looked at and not taken.
struct Look<'a> {
    plan: &'a Plan,
    candidate: &'a Candidate,
    stretch: u64,
    now: Timestamp,
}

impl Look<'_> {
    fn explanation(
        &self,
        gate: &Gateway,
        standings: &[Standing],
        denied: Option<&Denied>,
    ) -> Explanation {
        let (plan, deployment) = (self.plan, self.candidate.deployment());
        let mut limits = self.enforced(standings, denied);
        limits.extend(self.watched(gate));
        Explanation {
            tier: plan.caller().tier_name().to_string(),
            deployment: Some(format!("{}/{}", deployment.provider(), deployment.model())),
            downgraded_from: plan.downgraded_from().map(str::to_owned),
            without_tools: self.candidate.without_tools(),
            input_tokens: Some(plan.counts().input.get()),
            counted: Some(format!("{:?}", plan.counts().how).to_ascii_lowercase()),
            output_tokens_max: Some(Tokens::new(self.stretch).get()),
            limits,
            ..Explanation::default()
        }
    }

    fn enforced(&self, standings: &[Standing], denied: Option<&Denied>) -> Vec<Verdict> {
        let charges = self.candidate.charges().iter();
        let rows = self.candidate.limits().iter().zip(charges).zip(standings).enumerate();
        let rows = rows.map(|(at, ((limit, charge), standing))| {
            let short = denied.and_then(|no| no.short.iter().find(|short| short.charge == at));
            self.verdict(limit, charge.demand.at(self.stretch), *standing, short)
        });
        rows.collect()
    }

    fn watched(&self, gate: &Gateway) -> Vec<Verdict> {
        let rows = self.candidate.shadows().iter().filter_map(|(limit, charge)| {
            let stretch = tollgate_limits::Stretch { least: self.stretch, most: self.stretch };
            let charges = tollgate_limits::Charges::new(vec![*charge], stretch).ok()?;
            let asked = charge.demand.at(self.stretch);
            Some(match gate.meters.peek(&charges) {
                Ok((_, standings)) => self.verdict(limit, asked, *standings.first()?, None),
                Err(no) => self.verdict(limit, asked, *no.standings.first()?, no.short.first()),
            })
        });
        rows.collect()
    }

    fn verdict(
        &self,
        limit: &tollgate_policy::BoundLimit,
        asked: tollgate_units::Amount,
        standing: Standing,
        short: Option<&Short>,
    ) -> Verdict {
        let wait = short.map(|short| short.wait);
        Verdict {
            limit: limit.sentence().to_owned(),
            shadow: limit.limit().shadow,
            verdict: match wait {
                None => "room",
                Some(Wait::Until(_)) => "wait",
                Some(Wait::Never) => "never",
            },
            requested: shown(limit, asked),
            amount: shown(limit, limit.limit().most()),
            used: shown(limit, standing.used),
            held: shown(limit, standing.held),
            wait_ms: match wait {
                Some(Wait::Until(at)) => Some(at.since(self.now).as_millis()),
                Some(Wait::Never) | None => None,
            },
        }
    }
}
