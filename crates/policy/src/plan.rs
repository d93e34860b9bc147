//! A plan is data: the ways to serve a request, in order, each with its charges and its edits.
//!
//! The gateway walks a plan over the network, `explain` prints it, shadow limits are a second list
//! of charges beside it. A charge has a position and no name; a candidate knows which limit stands
//! at each position, so that a refusal can be told in the operator's words.

use std::sync::Arc;

use tollgate_limits::{Charge, Charges, Demand, Denied, Standing, Stretch};
use tollgate_tokens::Counts;
use tollgate_units::{Amount, MicroUsdPerMillion, NanoUsd, PicoUsd, Timestamp, Tokens};
use tollgate_wire::{Ask, CapEdit, CapField, Edits, Endpoint, Extra, Usage};

use crate::allowlist::Strip;
use crate::bound::BoundLimit;
use crate::consider::{Options, counts_tokens};
use crate::policy::{Deployment, Model};
use crate::principal::{Caller, Subject};
use crate::refusal::Refusal;
use crate::{Exceed, SubjectKind, Unit};

/// The ways to serve one request, in the order to try them.
#[derive(Debug)]
pub struct Plan {
    pub(crate) caller: Caller,
    pub(crate) ask: Ask,
    pub(crate) model: Arc<Model>,
    pub(crate) counts: Counts,
    strip: Strip,
    homes: Vec<Arc<str>>,
    output: OutputBound,
    candidates: Vec<Candidate>,
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
struct OutputBound {
    /// What the caller asked for, if anything.
    named: Option<Tokens>,
    /// The least and the most that may be decided.
    stretch: Stretch,
    /// Whether anybody relies on it: a limit that is enforced, or a guardrail.
    binds: bool,
}

/// A limit whose meter has passed the mark at which somebody is to be warned.
#[derive(Clone, Debug)]
pub struct Warning<'a> {
    /// The limit.
    pub limit: &'a BoundLimit,
    /// Whom it counts here, as `team:acme`; nothing for everybody.
    pub subject: Option<String>,
    /// Where its meter stands.
    pub standing: Standing,
    /// Which meter.
    pub meter: u128,
}

impl Warning<'_> {
    /// How much of the limit is used, in percent, rounded down.
    pub fn percent(&self) -> u64 {
        let most = u128::from(self.limit.limit.most().get());
        let used = u128::from(self.standing.used.get()) * 100;
        u64::try_from(used.checked_div(most).unwrap_or(100)).unwrap_or(u64::MAX)
    }
}

impl std::fmt::Display for Warning<'_> {
    /// As the caller is told: `83% of "$25 per month per team" is used`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}% of \"{}\" is used", self.percent(), self.limit.name_for_caller())
    }
}

/// What a request would cost where it would be tried first.
#[derive(Clone, Debug)]
pub struct Pricing {
    first: Option<Arc<Deployment>>,
    answers: u64,
    most: Tokens,
}

impl Pricing {
    /// The model that would be tried first.
    pub fn model(&self) -> Option<&str> {
        self.first.as_ref().map(|first| &**first.model())
    }

    /// What a prompt of `input` tokens would cost, with answers of the usual length. Nothing where
    /// the model has no price.
    pub fn of(&self, input: Tokens, usual: Tokens) -> NanoUsd {
        let output = usual.min(self.most).times(self.answers);
        let usage = Usage { input, output, ..Usage::default() };
        let tariff = self.first.as_ref().and_then(|first| first.tariff());
        tariff.map(|tariff| tariff.cost(&usage).to_nano()).unwrap_or_default()
    }
}

impl Options {
    /// What this request would cost, for a statistic of what refusing it saved.
    pub fn pricing(&self) -> Pricing {
        let most = Tokens::new(self.output_bound().stretch.most);
        Pricing { first: self.model.routes.first().cloned(), answers: self.ask.answers, most }
    }

    /// The ways to serve the request, with what each would be charged.
    ///
    /// # Errors
    /// A prompt over the guardrail, and something without a price under a money limit, if that is
    /// so on every route.
    pub fn plan(self, counts: Counts, moment: Moment) -> Result<Plan, Refusal> {
        // Whoever counts a prompt may find that it is too long.
        if let Some(most) = self.guardrails.max_input_tokens
            && counts.input > most
            && self.ask.endpoint != Endpoint::CountTokens
        {
            let field = self.ask.endpoint.input();
            return Err(Refusal::InputTooLong { counted: counts.input, most, field });
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
        Ok(Plan { caller, ask, model, counts, strip, homes, output, candidates })
    }

    fn output_bound(&self) -> OutputBound {
        let charges = |bound: &Arc<BoundLimit>| {
            let unit = bound.limit.unit;
            let enforced = !bound.limit.shadow && unit != Unit::InputTokens;
            enforced && counts_tokens(unit, self.ask.endpoint)
        };
        let guarded = self.guardrails.max_output_tokens;
        let binds = guarded.is_some() || self.limits().any(charges);
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

/// A request with its prompt counted: what charges are made from.
struct Weighed<'a> {
    options: &'a Options,
    counts: Counts,
    output: OutputBound,
    moment: Moment,
}

impl Weighed<'_> {
    fn candidate(
        &self,
        deployment: &Arc<Deployment>,
        without_tools: bool,
    ) -> Result<Candidate, Refusal> {
        let (mut list, mut limits, mut shadows) = (Vec::new(), Vec::new(), Vec::new());
        for bound in self.options.limits() {
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
        let meter = bound.meter(subjects.iter().map(Subject::id));
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
            Unit::Cost if ask.endpoint == Endpoint::CountTokens => Ok(None),
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
        let unpriced = |what: String| Refusal::NotPriced {
            what,
            model: self.options.ask.model.clone(),
            limit: bound.public_name(),
        };
        if let Some(extra) = self.options.ask.extras.first() {
            return Err(unpriced(named(extra)));
        }
        let tariff = deployment.tariff.as_ref().ok_or_else(|| unpriced("model".to_owned()))?;
        Ok(tariff.bound(self.counts.input, self.options.ask.cached_for_an_hour))
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

impl Plan {
    /// The ways to serve the request, in order. Never empty for a configured model.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// What is asked.
    pub const fn ask(&self) -> &Ask {
        &self.ask
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
        let reports =
            matches!(self.ask.endpoint, Endpoint::ChatCompletions | Endpoint::Completions);
        let ask = &self.ask;
        ask.stream && reports && candidate.deployment.reports_usage() && !ask.usage_asked
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

    /// The limits on `candidate` that have passed their mark, where their meters stand so.
    pub fn warnings<'a>(
        &'a self,
        candidate: &'a Candidate,
        standings: &'a [Standing],
    ) -> impl Iterator<Item = Warning<'a>> {
        let rows = candidate.limits.iter().zip(candidate.charges.iter()).zip(standings);
        rows.filter_map(|((limit, charge), &standing)| {
            let mark = u64::from(limit.limit.warn?);
            let meter = charge.meter.get();
            let mut warning = Warning { limit, subject: None, standing, meter };
            (warning.percent() >= mark).then(|| {
                warning.subject = self.subject_of(limit, candidate);
                warning
            })
        })
    }

    /// What this request would cost, for a statistic of what refusing it saved.
    pub fn pricing(&self) -> Pricing {
        let first = self.candidates.first().map(|first| first.deployment.clone());
        let most = Tokens::new(self.output.stretch.most);
        Pricing { first, answers: self.ask.answers, most }
    }
}

impl Candidate {
    /// Where it is served.
    pub const fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
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
        Endpoint::Responses => CapField::MaxOutputTokens,
        Endpoint::Completions
        | Endpoint::CountTokens
        | Endpoint::Embeddings
        | Endpoint::Messages
        | Endpoint::Moderations => CapField::MaxTokens,
    }
}
