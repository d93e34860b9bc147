//! Where a model is served: accounts at providers, their models, and the names that callers use.

use std::sync::Arc;

use tollgate_tokens::Tariff;
use tollgate_units::Tokens;
use tollgate_wire::{CapField, Protocol};

use crate::SubjectKind;
use crate::bound::BoundLimit;
use crate::settings::{Guardrails, OnDisconnect, Prefer, ProviderSettings};
use crate::subject::Subject;

/// One account at a provider.
#[derive(Debug)]
pub(crate) struct Account {
    /// Its place among the configured providers, which is its place among the upstreams.
    pub(crate) index: usize,
    pub(crate) name: Arc<str>,
    pub(crate) settings: ProviderSettings,
    pub(crate) subject: Subject,
    /// What the provider allows it, as far as the operator says so.
    pub(crate) limits: Vec<Arc<BoundLimit>>,
}

impl Account {
    /// Whether an answer that nobody waits for is read to its end, because the provider goes on.
    pub(crate) fn drains(&self) -> bool {
        self.settings.on_disconnect == OnDisconnect::Drain
    }
}

/// One name that callers use.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: Arc<str>,
    pub(crate) subject: Subject,
    pub(crate) routes: Vec<Arc<Deployment>>,
    /// How the first of its routes is chosen.
    pub(crate) prefer: Prefer,
    /// The models that stand in for it, in order.
    pub(crate) fallback: Vec<Arc<str>>,
    /// The limits on requests that it serves.
    pub(crate) limits: Vec<Arc<BoundLimit>>,
    /// Guardrails on them, besides the caller's.
    pub(crate) guardrails: Guardrails,
    /// Whether the operator named it, so that it may stand in a metric's label.
    pub(crate) configured: bool,
}

impl Model {
    /// The same with only the routes that speak `protocol`; nothing where all of them speak another
    /// one.
    pub(crate) fn speaking(self: &Arc<Self>, protocol: Protocol) -> Option<Arc<Self>> {
        let speaks = |route: &&Arc<Deployment>| route.protocol() == protocol;
        let count = self.routes.iter().filter(speaks).count();
        if count == self.routes.len() {
            return Some(self.clone());
        }
        (count > 0).then(|| {
            Arc::new(Self {
                name: self.name.clone(),
                subject: self.subject.clone(),
                routes: self.routes.iter().filter(speaks).cloned().collect(),
                prefer: self.prefer,
                fallback: self.fallback.clone(),
                limits: self.limits.clone(),
                guardrails: self.guardrails.clone(),
                configured: self.configured,
            })
        })
    }

    /// One that stands for all of them, where it does not matter which.
    pub(crate) fn any() -> Arc<Self> {
        let name: Arc<str> = "any".into();
        let subject = Subject::new(SubjectKind::Model, "", &name);
        Arc::new(Self::unconfigured(name, subject, Vec::new()))
    }

    /// One that the operator did not name, so that nothing but its routes is known.
    pub(crate) fn unconfigured(
        name: Arc<str>,
        subject: Subject,
        routes: Vec<Arc<Deployment>>,
    ) -> Self {
        Self {
            name,
            subject,
            routes,
            prefer: Prefer::default(),
            fallback: Vec::new(),
            limits: Vec::new(),
            guardrails: Guardrails::default(),
            configured: false,
        }
    }
}

/// One model of one account.
#[derive(Debug)]
pub struct Deployment {
    pub(crate) account: Arc<Account>,
    pub(crate) model: Arc<str>,
    pub(crate) tariff: Option<Tariff>,
    pub(crate) max_output: Option<Tokens>,
    /// Its share of the traffic, against that of the model's other routes.
    pub(crate) weight: u32,
}

impl Deployment {
    /// The account's place among the upstreams.
    pub fn upstream(&self) -> usize {
        self.account.index
    }

    /// Its share of the model's traffic, against that of the other routes.
    pub const fn weight(&self) -> u32 {
        self.weight
    }

    /// The account's name.
    pub fn provider(&self) -> &Arc<str> {
        &self.account.name
    }

    /// The provider's own name for the model.
    pub const fn model(&self) -> &Arc<str> {
        &self.model
    }

    /// The protocol that its account speaks.
    pub fn protocol(&self) -> Protocol {
        self.account.settings.protocol
    }

    /// What its tokens cost, where that is known.
    pub const fn tariff(&self) -> Option<&Tariff> {
        self.tariff.as_ref()
    }

    /// Whether abandoning an answer is known to stop the bill.
    pub fn stops_billing(&self) -> bool {
        self.account.settings.on_disconnect == OnDisconnect::Cancel
    }

    /// Whether an answer that nobody waits for is read to its end, because the provider goes on.
    pub fn drains(&self) -> bool {
        self.account.drains()
    }

    /// Whether the provider may be asked for usage at the end of a stream.
    pub(crate) fn reports_usage(&self) -> bool {
        self.account.settings.include_usage
    }

    /// The field that carries an output cap on chat completions.
    pub(crate) fn chat_cap_field(&self) -> CapField {
        let usual = if self.account.settings.is_openai {
            CapField::MaxCompletionTokens
        } else {
            CapField::MaxTokens
        };
        self.account.settings.output_cap_field.unwrap_or(usual)
    }

    /// Whether this is OpenAI itself.
    pub(crate) fn is_openai(&self) -> bool {
        self.account.settings.is_openai
    }
}
