//! What would happen to a request now, limit by limit, with nothing charged. The same functions
//! decide as on the way of a request.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tollgate_limits::{Denied, Short, Standing, Wait};
use tollgate_policy::{Caller, Candidate, OnRunaway, Plan, Refusal};
use tollgate_units::{Amount, Span, Tokens};
use tollgate_wire::Destination;

use crate::admit::{First, NoRoom, first};
use crate::downgrade::{Downgrades, Unserved};
use crate::gate::Gateway;
use crate::issued::KeyState;
use crate::models::shown;
use crate::runaway::suspected;
use crate::scales::Busy;
use crate::stopped::BUSY;
use crate::stored::{NotOwned, own};
use crate::whose::{Asker, Unnamed};

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

impl Gateway {
    /// What would happen to `body`, sent by `asker`, now.
    ///
    /// # Errors
    /// There is no such caller.
    pub async fn explain(
        self: &Arc<Self>,
        asker: &Asker,
        to: impl Into<Destination>,
        body: &Bytes,
    ) -> Result<Explanation, Unnamed> {
        if let Some(refused) = self.refused_key(asker) {
            return Ok(refused);
        }
        let caller = self.asking(asker)?;
        let tier = caller.tier_name().to_string();
        let foreseen = self.foresee(caller, asker.session.as_deref(), (to.into(), body)).await;
        Ok(foreseen.unwrap_or_else(|refusal| Explanation {
            tier,
            refusal: Some(refusal),
            ..Explanation::default()
        }))
    }

    /// What is told of an issued key that nobody is let in with.
    fn refused_key(&self, asker: &Asker) -> Option<Explanation> {
        let name = asker.key.as_deref().filter(|_| asker.issuer.is_none())?;
        // Of two of a name the configuration's is asked about.
        let key = self.issued().key(name).filter(|_| !self.live().policy.lists(name))?;
        let why = match self.state_of(&key, self.clock().now()) {
            KeyState::Expired => "this one has expired",
            KeyState::Revoked => "this one is revoked",
            KeyState::TierMissing => "this one's tier is not in the configuration",
            KeyState::Active | KeyState::NameInConfiguration => return None,
        };
        let told = Refusal::Credential.notice(String::new(), Span::ZERO).message;
        let refusal = Some(format!("{told} ({why})"));
        Some(Explanation { tier: key.tier, refusal, ..Explanation::default() })
    }

    /// The stages of a request, with nothing taken; what is told where it stops before any limit
    /// is asked.
    async fn foresee(
        self: &Arc<Self>,
        caller: Caller,
        session: Option<&str>,
        (to, body): (Destination, &Bytes),
    ) -> Result<Explanation, String> {
        let told = |refusal: Refusal| refusal.notice(String::new(), Span::ZERO).message;
        let malformed = |malformed| told(Refusal::Malformed(malformed));
        let busy = |Busy| BUSY.to_owned();
        let ask = self.scales.read(to, body).await.map_err(busy)?.map_err(malformed)?;
        let caller = caller.speaking_for(&ask).map_err(malformed)?;
        let session = session.or(ask.session.as_deref()).map(|name| caller.session(name));
        let caller = match session {
            Some(session) => {
                let root = self.sessions.known_root(&session, self.clock().now());
                caller.within(root.unwrap_or(session))
            }
            None => caller,
        };
        if let Some((suspicion, OnRunaway::Stop)) = suspected(self, &caller) {
            return Err(suspicion.told());
        }
        let options = caller.consider(ask).map_err(told)?;
        let options = own(self, options).await.map_err(NotOwned::message)?;
        let mut way = Downgrades::from(options);
        loop {
            let weight = self.scales.weigh(way.options(), body).await.map_err(busy)?;
            match way.ask(&self.meters, weight.counts, |plan| self.look(plan)) {
                ControlFlow::Break(Ok(found)) => return Ok(found),
                ControlFlow::Break(Err(Unserved::Refused(refusal, _))) => {
                    return Err(told(refusal));
                }
                ControlFlow::Break(Err(Unserved::Full(full))) => {
                    return Ok(self.explain_refusal(&full));
                }
                ControlFlow::Continue(next) => way = next,
            }
        }
    }

    /// What would be admitted, with nothing taken.
    fn look(&self, mut plan: Plan) -> Result<Explanation, NoRoom> {
        self.arrange(&self.live(), &mut plan);
        let First { plan, at, found: (stretch, standings), .. } =
            first(plan, |candidate| self.meters.peek(candidate.charges()))?;
        let explained = plan.candidates().get(at).map(|candidate| {
            Look { plan: &plan, candidate, stretch }.explanation(self, &standings, None)
        });
        Ok(Explanation { admitted: true, ..explained.unwrap_or_default() })
    }

    fn explain_refusal(&self, full: &NoRoom) -> Explanation {
        let told = full.denied.as_ref();
        let told = told.and_then(|(at, denied)| Some((full.plan.candidates().get(*at)?, denied)));
        let Some((candidate, denied)) = told else {
            let tier = full.plan.caller().tier_name().to_string();
            return Explanation { tier, ..Explanation::default() };
        };
        let stretch = candidate.charges().stretch().least;
        let look = Look { plan: &full.plan, candidate, stretch };
        let refusal = full.plan.refusal(candidate, denied, full.plan.now());
        let message = refusal.notice(String::new(), Span::ZERO).message;
        Explanation {
            refusal: Some(message),
            ..look.explanation(self, &denied.standings, Some(denied))
        }
    }
}

/// A candidate that is looked at and not taken.
struct Look<'a> {
    plan: &'a Plan,
    candidate: &'a Candidate,
    stretch: u64,
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
        // What has no end tells sessions apart, and limits nobody.
        let rows = rows.filter(|(_, ((limit, _), _))| limit.limit().most() != Amount::MAX);
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
        asked: Amount,
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
                Some(Wait::Until(at)) => Some(at.since(self.plan.now()).as_millis()),
                Some(Wait::Never) | None => None,
            },
        }
    }
}
