//! A plan is data: the ways to serve a request, in order, each with its charges and its edits.
//!
//! The gateway walks a plan over the network, `explain` prints it, shadow limits are a second list
//! of charges beside it. A charge has a position and no name; a candidate knows which limit stands
//! at each position, so that a refusal can be told in the operator's words.

use std::sync::Arc;

use tollgate_limits::{Charge, Charges, Denied, Stretch};
use tollgate_tokens::Counts;
use tollgate_units::{Timestamp, Tokens};
use tollgate_wire::{Ask, CapEdit, CapField, Edits, Endpoint};

use crate::allowlist::Strip;
use crate::bound::BoundLimit;
use crate::charge::Weighed;
use crate::consider::{Options, counts_tokens};
use crate::deployment::{Deployment, Model};
use crate::principal::Caller;
use crate::refusal::Refusal;
use crate::settings::Prefer;
use crate::subject::fingerprint;
use crate::{Exceed, Unit};

/// The ways to serve one request, in the order to try them.
#[derive(Debug)]
pub struct Plan {
    pub(crate) caller: Caller,
    pub(crate) ask: Ask,
    pub(crate) model: Arc<Model>,
    pub(crate) counts: Counts,
    strip: Strip,
    homes: Vec<Arc<str>>,
    now: Timestamp,
    pub(crate) output: OutputBound,
    pub(crate) candidates: Vec<Candidate>,
}

/// One way to serve a request.
#[derive(Debug)]
pub struct Candidate {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) charges: Charges,
    /// The limit at each position of `charges`.
    pub(crate) limits: Vec<Arc<BoundLimit>>,
    /// Limits that are watched and not enforced, each decided on its own.
    pub(crate) shadows: Vec<(Arc<BoundLimit>, Charge)>,
    /// Whether the model may call no tool: the way out of limits on an agent.
    pub(crate) without_tools: bool,
}

/// What a plan needs to know of the moment it is made in.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// What time it is.
    pub now: Timestamp,
    /// Whether the request is the first of its session.
    pub opens_session: bool,
}

/// How many output tokens each answer may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputBound {
    /// What the caller asked for, if anything.
    pub(crate) named: Option<Tokens>,
    /// The least and the most that may be decided.
    pub(crate) stretch: Stretch,
    /// Whether anybody relies on it: a limit that is enforced, or a guardrail.
    pub(crate) binds: bool,
}

impl Options {
    /// The ways to serve the request, with what each would be charged.
    ///
    /// # Errors
    /// A prompt over the guardrail, and something without a price under a money limit, if that is
    /// so on every route.
    pub fn plan(self, counts: Counts, moment: Moment) -> Result<Plan, Refusal> {
        // Whoever counts a prompt may find that it is too long.
        if let Some(most) = self.guardrails.max_input_tokens
            && counts.input > most
            && !self.ask.endpoint.only_counts()
        {
            let field = self.ask.endpoint.input();
            let elsewhere = self.ask.prompt.elsewhere;
            return Err(Refusal::InputTooLong { counted: counts.input, most, field, elsewhere });
        }
        // Nothing may be reached that nobody has looked up.
        if let Some(unlooked) = self.unlooked() {
            return Err(Refusal::NotStored(unlooked));
        }
        let output = self.output_bound();
        let context = Weighed { options: &self, counts, output, moment };
        let bends = |bound: &Arc<BoundLimit>| bound.limit.exceed == Exceed::AnswerWithoutTools;
        let ways = if self.limits().any(bends) { &[false, true][..] } else { &[false] };
        let (mut candidates, mut unusable) = (Vec::new(), None);
        for (&without_tools, route) in
            ways.iter().flat_map(|way| self.model.routes.iter().map(move |route| (way, route)))
        {
            if !self.is_home(route) {
                continue;
            }
            match context.candidate(route, without_tools) {
                Ok(candidate) => candidates.push(candidate),
                // One route without a price does not close the others.
                Err(refusal) => unusable = unusable.or(Some(refusal)),
            }
        }
        if let Some(refusal) = unusable.filter(|_| candidates.is_empty()) {
            return Err(refusal);
        }
        let Self { caller, ask, model, strip, homes, .. } = self;
        let now = moment.now;
        Ok(Plan { caller, ask, model, counts, strip, homes, now, output, candidates })
    }

    pub(crate) fn output_bound(&self) -> OutputBound {
        let charges = |bound: &Arc<BoundLimit>| {
            let unit = bound.limit.unit;
            let enforced = !bound.limit.shadow && unit != Unit::InputTokens;
            enforced && counts_tokens(unit, self.ask.endpoint)
        };
        let guarded = self.guardrails.max_output_tokens;
        let mut of_accounts = self.model.routes.iter().flat_map(|route| &route.account.limits);
        let binds = guarded.is_some() || self.limits().any(charges) || of_accounts.any(charges);
        let model_max = self.model.routes.iter().filter_map(|route| route.max_output).min();
        if !self.ask.endpoint.generates() {
            let stretch = Stretch { least: 0, most: 0 };
            return OutputBound { named: None, stretch, binds: false };
        }
        let ceiling = guarded.into_iter().chain(model_max).min();
        let stretch = if let Some(cap) = self.ask.cap {
            let exact = ceiling.map_or(cap, |most| cap.min(most)).get();
            Stretch { least: exact, most: exact }
        } else {
            let most = ceiling.unwrap_or(UNKNOWN_MODEL_OUTPUT).get();
            Stretch { least: self.caller.policy.min_output.get().min(most), most }
        };
        OutputBound { named: self.ask.cap, stretch, binds }
    }
}

/// What is bounded for a model of unknown size when the caller names no cap. It is written into the
/// request, so it is a bound and not a guess; a guardrail or a price entry with a maximum says
/// more.
const UNKNOWN_MODEL_OUTPUT: Tokens = Tokens::new(4096);

impl Plan {
    /// The ways to serve the request, in order. Never empty for a configured model.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// What is asked.
    pub const fn ask(&self) -> &Ask {
        &self.ask
    }

    /// When the plan was made.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The prompt's tokens, and how they were counted.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The model that the caller named, where a limit had it served by another.
    pub fn downgraded_from(&self) -> Option<&str> {
        (*self.model.name != *self.ask.model).then_some(&*self.ask.model)
    }

    /// The same request for the model that a limit among those that refused `candidate` names.
    /// Everything about it is decided anew, but where it has to be served. Nothing where no limit
    /// names one, or the caller may not use it so.
    pub fn downgraded(&self, candidate: &Candidate, denied: &Denied) -> Option<Options> {
        let refusing = denied.short.iter().filter_map(|short| candidate.limits.get(short.charge));
        let target = refusing.into_iter().find_map(|bound| match &bound.limit.exceed {
            Exceed::Downgrade(model) => Some(model),
            Exceed::AnswerWithoutTools | Exceed::Reject => None,
        })?;
        let options = self.caller.consider_as(target, self.ask.clone()).ok()?;
        Some(Options { homes: self.homes.clone(), ..options })
    }

    /// The same request for a model that stands in for this one, called `name`: its routes failed
    /// or have no room. Everything about it is decided anew, but where it has to be served. Nothing
    /// where the caller may not use it so.
    pub fn stood_in(&self, name: &str) -> Option<Options> {
        let options = self.caller.consider_as(name, self.ask.clone()).ok()?;
        Some(Options { homes: self.homes.clone(), ..options })
    }

    /// The models that stand in for the one that is planned for, in order.
    pub fn stand_ins(&self) -> &[Arc<str>] {
        &self.model.fallback
    }

    /// How strongly the caller's session belongs to `candidate`'s route, so that what a provider
    /// has cached of it is found again; zero for a caller in no session. The highest of many is
    /// the session's own route, and stays so while others come and go (rendezvous hashing, Thaler
    /// and Ravishankar 1998).
    pub fn affinity(&self, candidate: &Candidate) -> u64 {
        let Some(session) = self.caller.in_session() else {
            return 0;
        };
        let deployment = &candidate.deployment;
        let session = session.id().to_string();
        let hash = fingerprint(&[&session, deployment.provider(), &deployment.model]);
        u64::try_from(hash & u128::from(u64::MAX)).unwrap_or(0).max(1)
    }

    /// Whether something that the caller sent is taken out on the way.
    pub fn is_stripped(&self) -> bool {
        !self.strip.tools.is_empty() || self.strip.choices
    }

    /// The name of the model that is planned for.
    pub fn model(&self) -> &Arc<str> {
        &self.model.name
    }

    /// How the first among the candidates with room is chosen.
    pub fn prefer(&self) -> Prefer {
        self.model.prefer
    }

    /// Puts the candidates in another order: `order` has their places, each once. Those that
    /// answer without tools stay behind the others.
    pub fn arrange(&mut self, order: &[usize]) {
        let mut taken: Vec<_> = self.candidates.drain(..).map(Some).collect();
        let named = order.iter().filter_map(|&at| taken.get_mut(at)?.take());
        let mut arranged: Vec<_> = named.collect();
        arranged.extend(taken.into_iter().flatten());
        arranged.sort_by_key(Candidate::without_tools);
        self.candidates = arranged;
    }

    /// Who asks.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The model's name for a metric's label; nothing for a name that nobody configured.
    pub fn model_label(&self) -> Option<&Arc<str>> {
        self.model.configured.then_some(&self.model.name)
    }

    /// The output cap that was set or lowered for `candidate`, once `output` tokens an answer were
    /// decided; nothing where the request stays as the caller wrote it.
    pub fn cap_set(&self, candidate: &Candidate, output: Tokens) -> Option<Tokens> {
        if !self.ask.endpoint.generates() {
            return None;
        }
        let is_below = match (self.output.named, candidate.deployment.max_output) {
            (Some(named), _) => output < named,
            (None, Some(most)) => output < most,
            // What a model of unknown size is bounded by is what is written.
            (None, None) => self.output.binds,
        };
        is_below.then_some(output)
    }

    /// Whether the caller's cap stands only in a field that `candidate` need not know.
    fn hides_cap(&self, candidate: &Candidate) -> bool {
        let field = cap_field(self.ask.endpoint, &candidate.deployment);
        let named = |cap: &tollgate_wire::Cap| cap.value.is_some();
        field == CapField::MaxTokens
            && self.ask.caps.iter().any(named)
            && !self.ask.caps.iter().any(|cap| named(cap) && cap.field == field)
    }

    /// Whether the gateway asks `candidate` for usage at the end of a stream of its own accord.
    pub fn asks_usage(&self, candidate: &Candidate) -> bool {
        let ask = &self.ask;
        ask.stream
            && ask.endpoint.tells_usage_when_asked()
            && candidate.deployment.reports_usage()
            && !ask.usage_asked
    }

    /// What changes in the body on its way to `candidate`, once `output` tokens an answer were
    /// decided.
    pub fn edits<'a>(&'a self, candidate: &'a Candidate, output: Tokens) -> Edits<'a> {
        let deployment = &candidate.deployment;
        let ask = &self.ask;
        Edits {
            model: (*deployment.model != *ask.model).then_some(&*deployment.model),
            cap: (self.hides_cap(candidate) || self.cap_set(candidate, output).is_some()).then(
                || CapEdit { at_most: output, write: Some(cap_field(ask.endpoint, deployment)) },
            ),
            ask_usage: self.asks_usage(candidate),
            drop_tools: self.strip.tools.clone(),
            drop_choices: self.strip.choices,
            no_tools: candidate.without_tools,
        }
    }
}

impl Candidate {
    /// Where it is served.
    pub const fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
    }

    /// Whether nothing but what the provider allows its account refused: another account, or
    /// another model, may have room.
    pub fn is_full(&self, denied: &Denied) -> bool {
        let mut refusing = denied.short.iter().filter_map(|short| self.limits.get(short.charge));
        refusing.all(|bound| bound.is_of_an_account)
    }

    /// What it is charged.
    pub const fn charges(&self) -> &Charges {
        &self.charges
    }

    /// Whether any of its limits has a mark to warn at.
    pub fn may_warn(&self) -> bool {
        self.limits.iter().any(|bound| bound.limit.warn.is_some())
    }

    /// Whether the model may call no tool here.
    pub const fn without_tools(&self) -> bool {
        self.without_tools
    }

    /// The limits that are charged, by position.
    pub fn limits(&self) -> &[Arc<BoundLimit>] {
        &self.limits
    }

    /// The limits that are watched and not enforced, each with its charge.
    pub fn shadows(&self) -> &[(Arc<BoundLimit>, Charge)] {
        &self.shadows
    }
}

fn cap_field(endpoint: Endpoint, deployment: &Deployment) -> CapField {
    match endpoint {
        Endpoint::ChatCompletions => deployment.chat_cap_field(),
        Endpoint::GenerateContent | Endpoint::Responses | Endpoint::StreamGenerateContent => {
            CapField::MaxOutputTokens
        }
        Endpoint::Chat
        | Endpoint::Completions
        | Endpoint::CountContent
        | Endpoint::CountTokens
        | Endpoint::Embed
        | Endpoint::Embeddings
        | Endpoint::Messages
        | Endpoint::Moderations
        | Endpoint::Rerank => CapField::MaxTokens,
    }
}
