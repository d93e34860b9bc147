//! What a request may do at all, before anything is counted: the cheap refusals come first.

use std::sync::Arc;

use tollgate_limits::{Charge, Charges, Demand, Stretch};
use tollgate_units::{Amount, Timestamp};
use tollgate_wire::{Ask, Endpoint};

use crate::allowlist::Strip;
use crate::bound::BoundLimit;
use crate::deployment::{Deployment, Model};
use crate::principal::Caller;
use crate::refusal::Refusal;
use crate::settings::Guardrails;
use crate::{SubjectKind, Unit};

/// A request that may be made, and the ways that are open to it; not yet weighed.
#[derive(Debug)]
pub struct Options {
    pub(crate) caller: Caller,
    pub(crate) ask: Ask,
    pub(crate) model: Arc<Model>,
    pub(crate) guardrails: Guardrails,
    pub(crate) strip: Strip,
    /// The accounts where everything is that the request refers to, once that was looked up.
    pub(crate) homes: Vec<Arc<str>>,
}

/// How well a prompt must be counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// Not at all: no limit and no guardrail looks at tokens or money.
    Nothing,
    /// Only against a guardrail: an upper bound will do where it is low enough.
    AtMost(tollgate_units::Tokens),
    /// As exactly as the model allows: token or money limits apply.
    Exact,
}

impl Caller {
    /// Whether the caller may make this request, and how it may be served.
    ///
    /// # Errors
    /// A model that does not exist, is not on the caller's list, or is served in another protocol,
    /// and a tool or a field off the allowlist.
    pub fn consider(&self, ask: Ask) -> Result<Options, Refusal> {
        let model = ask.model.clone();
        self.consider_as(&model, ask)
    }

    /// Whether the caller may have this request served by the model called `name`.
    pub(crate) fn consider_as(&self, name: &str, ask: Ask) -> Result<Options, Refusal> {
        // A model off the list and a model that does not exist are told apart only for models the
        // operator has named: nobody can probe a provider's catalogue through the gate.
        let allowed = self.may_use(name);
        let model = match self.policy.model(name) {
            Some(model) if allowed => model,
            Some(model) if model.configured => {
                let allowed = self.models().into_iter().map(str::to_owned).collect();
                return Err(Refusal::ModelNotAllowed { model: name.to_owned(), allowed });
            }
            Some(_) | None => return Err(Refusal::ModelNotFound { model: name.to_owned() }),
        };
        let protocol = ask.endpoint.protocol();
        let Some(model) = model.speaking(protocol) else {
            let other = model.routes.first().map_or(protocol, |route| route.protocol());
            return Err(Refusal::ModelElsewhere { model: name.to_owned(), protocol: other });
        };
        let guardrails = self.guardrails().and(&model.guardrails);
        let strip = guardrails.look_at(&ask)?;
        let homes = Vec::new();
        Ok(Options { caller: self.clone(), ask, model, guardrails, strip, homes })
    }
}

impl Options {
    /// The limits that apply: the caller's and the model's, less those that send requests to this
    /// very model.
    pub(crate) fn limits(&self) -> impl Iterator<Item = &Arc<BoundLimit>> {
        let all = self.caller.limits().iter().chain(&self.model.limits);
        all.filter(|bound| !bound.spares(&self.model.name))
    }

    /// The limits that apply where `deployment` serves the request: its account's too.
    pub(crate) fn limits_at<'a>(
        &'a self,
        deployment: &'a Deployment,
    ) -> impl Iterator<Item = &'a Arc<BoundLimit>> {
        self.limits().chain(&deployment.account.limits)
    }

    /// How well the prompt must be counted.
    pub fn need(&self) -> Need {
        let weighs = |bound: &Arc<BoundLimit>| counts_tokens(bound.limit.unit, self.ask.endpoint);
        let of_accounts = self.model.routes.iter().flat_map(|route| &route.account.limits);
        if self.limits().chain(of_accounts).any(weighs) {
            return Need::Exact;
        }
        self.guardrails.max_input_tokens.map_or(Need::Nothing, Need::AtMost)
    }

    /// A look at the meter that lives as long as the caller's session; nothing where no limit
    /// counts sessions, or the caller names none.
    pub fn session(&self) -> Option<Charges> {
        let session = self.caller.session.as_ref().filter(|_| self.counts_sessions())?;
        let lives = &self.caller.policy().sessions.lives;
        let charge = Charge {
            meter: lives.meter(core::slice::from_ref(session.subject())),
            rule: lives.rule(Timestamp::EPOCH),
            demand: Demand::exactly(Amount::ZERO),
        };
        Charges::new(vec![charge], Stretch::exactly(0)).ok()
    }

    /// Whether some limit counts sessions, and the caller is in one.
    pub(crate) fn counts_sessions(&self) -> bool {
        let counts = |bound: &Arc<BoundLimit>| bound.limit.subjects.contains(&SubjectKind::Session);
        self.caller.session.is_some() && self.limits().any(counts)
    }

    /// What is asked.
    pub const fn ask(&self) -> &Ask {
        &self.ask
    }

    /// The model that would serve it, by the name that callers use.
    pub fn model(&self) -> &Arc<str> {
        &self.model.name
    }

    /// The provider's own name for the model that would be tried first: its tokenizer counts.
    pub fn counted_as(&self) -> &str {
        self.model.routes.first().map_or(&*self.ask.model, |route| route.model())
    }
}

/// Whether a limit on `unit` asks how many tokens a request to `endpoint` has. Moderations report
/// no usage and generate nothing, and counting tokens is free: they are counted as requests.
pub(crate) fn counts_tokens(unit: Unit, endpoint: Endpoint) -> bool {
    match unit {
        Unit::Cost | Unit::InputTokens | Unit::OutputTokens | Unit::Tokens => {
            !endpoint.only_counts() && endpoint != Endpoint::Moderations
        }
        Unit::Concurrency | Unit::Requests | Unit::Steps | Unit::Streams | Unit::ToolCalls => false,
    }
}
