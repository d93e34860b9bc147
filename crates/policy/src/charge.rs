//! What a request is charged where it could be served: of each limit, whom it counts there and how
//! much it is asked.

use std::sync::Arc;

use tollgate_limits::{Charge, Charges, Demand};
use tollgate_tokens::{Counts, Most};
use tollgate_units::{Amount, MicroUsdPerMillion, PicoUsd};
use tollgate_wire::{Endpoint, Extra};

use crate::bound::BoundLimit;
use crate::consider::{Options, counts_tokens};
use crate::deployment::{Deployment, Model};
use crate::plan::{Candidate, Moment, OutputBound};
use crate::principal::Caller;
use crate::refusal::Refusal;
use crate::subject::Subject;
use crate::{Exceed, SubjectKind, Unit};

/// A request with its prompt counted: what charges are made from.
pub(crate) struct Weighed<'a> {
    pub(crate) options: &'a Options,
    pub(crate) counts: Counts,
    pub(crate) output: OutputBound,
    pub(crate) moment: Moment,
}

impl Weighed<'_> {
    /// What it is charged where `deployment` serves it.
    ///
    /// # Errors
    /// It asks for something without a price under a money limit, or is under too many limits.
    pub(crate) fn candidate(
        &self,
        deployment: &Arc<Deployment>,
        without_tools: bool,
    ) -> Result<Candidate, Refusal> {
        let (mut list, mut limits, mut shadows) = (Vec::new(), Vec::new(), Vec::new());
        for bound in self.options.limits_at(deployment) {
            if without_tools && bound.limit.exceed == Exceed::AnswerWithoutTools {
                continue;
            }
            let demand = match self.demand(bound, deployment) {
                Ok(Some(demand)) => demand,
                Ok(None) => continue,
                // What cannot be priced cannot be watched either, and is no reason to refuse.
                Err(_) if bound.limit.shadow => continue,
                Err(refusal) => return Err(refusal),
            };
            let (bound, charge) = self.charge(bound, deployment, demand);
            if bound.limit.shadow {
                shadows.push((bound, charge));
            } else {
                list.push(charge);
                limits.push(bound);
            }
        }
        for bound in self.of_the_session() {
            let (bound, charge) = self.charge(bound, deployment, Demand::exactly(Amount::ONE));
            list.push(charge);
            limits.push(bound);
        }
        let charges =
            Charges::new(list, self.output.stretch).map_err(|_| Refusal::TooManyLimits)?;
        Ok(Candidate { deployment: deployment.clone(), charges, limits, shadows, without_tools })
    }

    /// What a limit is charged, and the limit as it counts there: with another amount, where an
    /// operator has given one.
    fn charge(
        &self,
        bound: &Arc<BoundLimit>,
        deployment: &Deployment,
        demand: Demand,
    ) -> (Arc<BoundLimit>, Charge) {
        let (now, subjects) = (self.moment.now, self.options.subjects(bound, deployment));
        let meter = bound.meter(&subjects);
        let bound = self.options.caller.in_force(bound, meter, now);
        let rule = bound.rule(now);
        (bound, Charge { meter, rule, demand })
    }

    /// What the session itself is counted by, where some limit counts sessions.
    fn of_the_session(&self) -> impl Iterator<Item = &Arc<BoundLimit>> {
        let sessions = &self.options.caller.policy().sessions;
        let goes_on = self.options.counts_sessions().then_some(&sessions.lives);
        let begins = goes_on.and(self.moment.opens_session.then_some(&sessions.opened));
        goes_on.into_iter().chain(begins)
    }

    /// What this request asks of a limit; nothing where the limit does not apply to it.
    fn demand(
        &self,
        bound: &BoundLimit,
        deployment: &Deployment,
    ) -> Result<Option<Demand>, Refusal> {
        let ask = &self.options.ask;
        let unit = bound.limit.unit;
        let input = u128::from(self.counts.input.get());
        let answers = u128::from(ask.answers);
        let plain = |fixed, each| Ok(Some(Demand { fixed, each, per: 1, room: Amount::ZERO }));
        match unit {
            Unit::Requests | Unit::Concurrency => Ok(Some(Demand::exactly(Amount::ONE))),
            Unit::Streams => Ok(ask.stream.then(|| Demand::exactly(Amount::ONE))),
            Unit::Steps => Ok(ask.endpoint.generates().then(|| Demand::exactly(Amount::ONE))),
            Unit::ToolCalls => {
                let offers = ask.tools.len() > self.options.strip.tools.len();
                Ok(offers.then(Demand::afterwards))
            }
            Unit::Cost if ask.endpoint.only_counts() => Ok(None),
            Unit::Cost if ask.endpoint == Endpoint::Moderations && deployment.is_openai() => {
                Ok(None)
            }
            Unit::Cost => self.price(bound, deployment).map(|(prompt, each)| {
                let each = u128::from(each.get()).saturating_mul(answers);
                Some(Demand { fixed: prompt.get(), each, per: PICOS_PER_NANO, room: Amount::ZERO })
            }),
            Unit::InputTokens | Unit::OutputTokens | Unit::Tokens
                if !counts_tokens(unit, ask.endpoint) =>
            {
                Ok(None)
            }
            Unit::InputTokens => plain(input, 0),
            Unit::OutputTokens => plain(0, answers),
            Unit::Tokens => plain(input, answers),
        }
    }

    /// The price of the prompt and of each output token, at worst.
    fn price(
        &self,
        bound: &BoundLimit,
        deployment: &Deployment,
    ) -> Result<(PicoUsd, MicroUsdPerMillion), Refusal> {
        let ask = &self.options.ask;
        let unpriced = |what| Refusal::NotPriced {
            what,
            model: ask.model.clone(),
            limit: bound.public_name(),
        };
        if let Some(extra) = ask.extras.first() {
            return Err(unpriced(Some(named(extra))));
        }
        let tariff = deployment.tariff.as_ref().ok_or_else(|| unpriced(None))?;
        if ask.searches.is_none() && !tariff.sells_tokens() {
            return Err(unpriced(None));
        }
        Ok(tariff.bound(Most::of(self.counts.input, ask)))
    }
}

/// Something without a price, as the caller would call it.
fn named(extra: &Extra) -> String {
    match extra {
        Extra::HostedTool(kind) => format!("hosted tool \"{kind}\""),
        Extra::Modality(modality) => format!("modality \"{modality}\""),
        Extra::Prediction => "predicted output".to_owned(),
        Extra::ServiceTier(tier) => format!("service tier \"{tier}\""),
    }
}

/// Costs are summed in pico-dollars and metered in nano-dollars.
const PICOS_PER_NANO: u32 = 1000;

impl Options {
    fn subjects(&self, bound: &BoundLimit, deployment: &Deployment) -> Vec<Subject> {
        let request =
            Request { caller: &self.caller, model: &self.model, endpoint: self.ask.endpoint };
        request.subjects(bound, Some(deployment))
    }
}

/// What decides whom a limit counts.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) model: &'a Model,
    pub(crate) endpoint: Endpoint,
}

impl Request<'_> {
    /// The subjects that `bound` divides among, for this request.
    pub(crate) fn subjects(
        self,
        bound: &BoundLimit,
        deployment: Option<&Deployment>,
    ) -> Vec<Subject> {
        let of = |kind: &SubjectKind| match kind {
            SubjectKind::Model => Some(self.model.subject.clone()),
            SubjectKind::Path => Some(Subject::new(SubjectKind::Path, "", self.endpoint.path())),
            SubjectKind::Provider => deployment.map(|served| served.account.subject.clone()),
            SubjectKind::Tier => Some(self.caller.tier().subject.clone()),
            SubjectKind::Header(_)
            | SubjectKind::Ip
            | SubjectKind::Key
            | SubjectKind::Org
            | SubjectKind::Project
            | SubjectKind::Session
            | SubjectKind::Team
            | SubjectKind::User => self.caller.subject(kind),
        };
        bound.limit.subjects.iter().filter_map(of).collect()
    }
}
