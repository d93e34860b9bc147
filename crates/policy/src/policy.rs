//! The policy in force: settings with everything worked out that does not depend on a request.
//!
//! A policy never changes. A reload makes another one and swaps the pointer; meters stay where they
//! are, because nothing here is part of their identity but the names of limits and subjects.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tollgate_tokens::{PriceBook, Tariff};
use tollgate_units::{Timestamp, Tokens};
use tollgate_wire::{CapField, QuotaPolicy, QuotaUnit};

use crate::principal::{Caller, KeyEntry, KeySubjects, Subject, fingerprint};
use crate::settings::{
    Guardrails, KeyDigest, KeySettings, ModelSettings, OnDisconnect, ProviderSettings, Settings,
    TierSettings,
};
use crate::{CalendarPeriod, Limit, Measure, SubjectKind, Turns, Unit};

/// The tier that admits callers without a key.
pub const ANONYMOUS: &str = "anonymous";

/// Which tier, by its place in the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TierId(usize);

/// Who may do what, at what price.
#[derive(Debug)]
pub struct Policy {
    providers: Vec<Arc<Account>>,
    models: HashMap<String, Arc<Model>>,
    tiers: Vec<Tier>,
    anonymous: Option<TierId>,
    keys: Vec<Arc<KeyEntry>>,
    by_digest: HashMap<[u8; 32], Arc<KeyEntry>>,
    prices: PriceBook,
    pub(crate) min_output: Tokens,
    pub(crate) failed_logins: Arc<BoundLimit>,
}

/// A limit with its owner, ready to be charged.
#[derive(Debug)]
pub struct BoundLimit {
    pub(crate) limit: Limit,
    /// The limit in the operator's words.
    pub(crate) sentence: Arc<str>,
    /// How it is listed in `RateLimit-Policy`; nothing for money, which the draft cannot count.
    quota: Option<QuotaPolicy>,
    /// Whether it belongs to one key, and so counts nobody else.
    pub(crate) is_of_one_key: bool,
    identity: u128,
    turns: Option<Turns>,
}

/// A group of callers.
#[derive(Debug)]
pub(crate) struct Tier {
    pub(crate) name: Arc<str>,
    pub(crate) subject: Subject,
    pub(crate) models: Vec<String>,
    pub(crate) guardrails: Guardrails,
    pub(crate) limits: Arc<[Arc<BoundLimit>]>,
}

/// One account at a provider.
#[derive(Debug)]
pub(crate) struct Account {
    /// Its place among the configured providers, which is its place among the upstreams.
    pub(crate) index: usize,
    pub(crate) name: Arc<str>,
    pub(crate) settings: ProviderSettings,
    pub(crate) subject: Subject,
}

/// One name that callers use.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: Arc<str>,
    pub(crate) subject: Subject,
    pub(crate) routes: Vec<Arc<Deployment>>,
    /// Whether the operator named it, so that it may stand in a metric's label.
    pub(crate) configured: bool,
}

impl Model {
    /// One that stands for all of them, where it does not matter which.
    pub(crate) fn any() -> Arc<Self> {
        let name: Arc<str> = "any".into();
        let subject = Subject::new(SubjectKind::Model, "", &name);
        Arc::new(Self { name, subject, routes: Vec::new(), configured: false })
    }
}

/// One model of one account.
#[derive(Debug)]
pub struct Deployment {
    pub(crate) account: Arc<Account>,
    pub(crate) model: Arc<str>,
    pub(crate) tariff: Option<Tariff>,
    pub(crate) max_output: Option<Tokens>,
}

impl Deployment {
    /// The account's place among the upstreams.
    pub fn upstream(&self) -> usize {
        self.account.index
    }

    /// The account's name.
    pub fn provider(&self) -> &Arc<str> {
        &self.account.name
    }

    /// The provider's own name for the model.
    pub const fn model(&self) -> &Arc<str> {
        &self.model
    }

    /// What its tokens cost, where that is known.
    pub const fn tariff(&self) -> Option<&Tariff> {
        self.tariff.as_ref()
    }

    /// Whether abandoning an answer is known to stop the bill.
    pub fn stops_billing(&self) -> bool {
        self.account.settings.on_disconnect == OnDisconnect::Cancel
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

impl BoundLimit {
    fn new(limit: Limit, owner: &Owner<'_>) -> Arc<Self> {
        let sentence: Arc<str> = limit.to_string().into();
        let identity = fingerprint(&[owner.kind(), owner.name_for(&limit), &limit.identity()]);
        let turns = match &limit.measure {
            Measure::Calendar { period, zone } => Some(Turns::new(*period, zone.clone())),
            Measure::AtOnce
            | Measure::Bucket { .. }
            | Measure::Fixed { .. }
            | Measure::Sliding { .. }
            | Measure::Total => None,
        };
        let is_of_one_key = matches!(owner, Owner::Key(_));
        let quota = quota_unit(&limit)
            .map(|unit| QuotaPolicy::new(&sentence, limit.most().get(), limit.fills_in(), unit));
        Arc::new(Self { limit, sentence, quota, is_of_one_key, identity, turns })
    }

    /// How it is listed in `RateLimit-Policy`; nothing for money, which the draft cannot count.
    pub const fn quota(&self) -> Option<&QuotaPolicy> {
        self.quota.as_ref()
    }

    /// The limit in the operator's words.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// The limit itself.
    pub const fn limit(&self) -> &Limit {
        &self.limit
    }

    /// What this limit is for everybody who is not the operator: its name, or its kind without a
    /// number.
    pub(crate) fn public_name(&self) -> String {
        self.limit.name.clone().unwrap_or_else(|| {
            let whom = self.limit.subjects.iter().map(ToString::to_string).collect::<Vec<_>>();
            let whom = if whom.is_empty() {
                "everybody".to_owned()
            } else {
                format!("per {}", whom.join(" and "))
            };
            match &self.limit.measure {
                Measure::Calendar { period, .. } => {
                    let period = match period {
                        CalendarPeriod::Day => "day",
                        CalendarPeriod::Month => "month",
                        CalendarPeriod::Week => "week",
                    };
                    format!("{} per {period}, {whom}", self.limit.unit)
                }
                Measure::AtOnce if self.limit.unit == Unit::Concurrency => {
                    format!("requests at once, {whom}")
                }
                Measure::AtOnce => format!("{} at once, {whom}", self.limit.unit),
                Measure::Bucket { .. }
                | Measure::Fixed { .. }
                | Measure::Sliding { .. }
                | Measure::Total => format!("{}, {whom}", self.limit.unit),
            }
        })
    }

    pub(crate) fn rule(&self, now: Timestamp) -> tollgate_limits::Rule {
        let turns = self.turns.as_ref().map_or([Timestamp::EPOCH; 3], |turns| turns.at(now));
        self.limit.rule(turns)
    }

    /// The meter of this limit for `subjects`: the limit's identity and each subject's, stirred
    /// together in order. All are uniform 128-bit values that nobody can choose.
    pub(crate) fn meter(&self, subjects: impl Iterator<Item = u128>) -> tollgate_limits::MeterId {
        let id =
            subjects.fold(self.identity, |id, subject| id.rotate_left(31).wrapping_add(subject));
        tollgate_limits::MeterId::new(id)
    }
}

fn quota_unit(limit: &Limit) -> Option<QuotaUnit> {
    match limit.unit {
        Unit::Requests => Some(QuotaUnit::Requests),
        Unit::InputTokens | Unit::OutputTokens | Unit::Tokens => Some(QuotaUnit::Tokens),
        Unit::Concurrency | Unit::Streams => Some(QuotaUnit::Concurrent),
        Unit::Cost | Unit::Steps | Unit::ToolCalls => None,
    }
}

/// Whose a limit is.
enum Owner<'a> {
    Everybody,
    Key(&'a str),
    Tier(&'a str),
}

impl Owner<'_> {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Key(_) => "key",
            Self::Tier(_) => "tier",
        }
    }

    const fn name(&self) -> &str {
        match self {
            Self::Everybody => "",
            Self::Key(name) | Self::Tier(name) => name,
        }
    }

    /// A tier's name is left out of the identity of limits that count one caller, so that a caller
    /// who changes tier carries what is used along. Limits that count many together stay apart.
    fn name_for(&self, limit: &Limit) -> &str {
        let counts_one = limit.subjects.iter().any(|kind| {
            matches!(
                kind,
                SubjectKind::Ip | SubjectKind::Key | SubjectKind::Session | SubjectKind::User
            )
        });
        match self {
            Self::Tier(_) if counts_one => "",
            Self::Everybody | Self::Key(_) | Self::Tier(_) => self.name(),
        }
    }
}

impl Policy {
    /// The policy that `settings` describe. They have been validated: a name that leads nowhere is
    /// a mistake that the configuration has already reported, and is passed over here.
    pub fn new(settings: Settings) -> Arc<Self> {
        let prices = PriceBook::built_in().with(settings.prices, settings.unpriced);
        let providers = accounts(settings.providers);
        let everybody: Vec<_> = bind(settings.limits, &Owner::Everybody);
        let tiers: Vec<_> = settings
            .tiers
            .into_iter()
            .map(|tier| Tier::new(tier, &settings.guardrails, &everybody))
            .collect();
        let tier_id = |name: &str| tiers.iter().position(|tier| &*tier.name == name).map(TierId);
        let keys: Vec<_> = settings
            .keys
            .into_iter()
            .filter_map(|key| {
                let tier = tier_id(&key.tier)?;
                Some(key_entry(key, tier, tiers.get(tier.0)?))
            })
            .collect();
        let by_digest = keys.iter().map(|key| (*key.settings.digest.as_bytes(), key.clone()));
        let models = settings
            .models
            .into_iter()
            .map(|model| (model.name.clone(), Arc::new(model_of(model, &providers, &prices))));
        Arc::new(Self {
            models: models.collect(),
            by_digest: by_digest.collect(),
            anonymous: tier_id(ANONYMOUS),
            failed_logins: BoundLimit::new(failed_logins(), &Owner::Everybody),
            min_output: settings.min_output_tokens,
            providers,
            tiers,
            keys,
            prices,
        })
    }

    /// Who presents `credential` from `ip`; nothing for a key that is not known, and for no key
    /// where one is required. The secret is hashed before anything is compared.
    pub fn identify(self: &Arc<Self>, credential: Option<&str>, ip: IpAddr) -> Option<Caller> {
        let Some(secret) = credential else {
            return self.anonymous(ip);
        };
        let digest = KeyDigest::of(secret);
        let entry = self.by_digest.get(digest.as_bytes())?;
        (entry.settings.digest == digest).then(|| self.caller(entry.clone(), ip))
    }

    /// A caller without a key, where such are admitted.
    pub fn anonymous(self: &Arc<Self>, ip: IpAddr) -> Option<Caller> {
        let tier = self.anonymous?;
        Some(Caller { policy: self.clone(), key: None, tier, ip })
    }

    /// The caller that `entry`, which must be of this policy, makes.
    pub fn caller(self: &Arc<Self>, entry: Arc<KeyEntry>, ip: IpAddr) -> Caller {
        Caller { policy: self.clone(), tier: entry.tier, key: Some(entry), ip }
    }

    /// The caller that the key called `name` makes.
    pub fn caller_of(self: &Arc<Self>, name: &str, ip: IpAddr) -> Option<Caller> {
        let entry = self.keys.iter().find(|key| key.settings.name == name)?;
        Some(self.caller(entry.clone(), ip))
    }

    /// What follows from a key that the configuration does not list; nothing where its tier is not
    /// one of this policy's.
    pub fn entry(&self, settings: KeySettings) -> Option<Arc<KeyEntry>> {
        let id = self.tiers.iter().position(|tier| *tier.name == *settings.tier).map(TierId)?;
        Some(key_entry(settings, id, self.tier(id)))
    }

    /// The keys, in the operator's order.
    pub fn keys(&self) -> impl Iterator<Item = &KeyEntry> {
        self.keys.iter().map(AsRef::as_ref)
    }

    pub(crate) fn tier(&self, id: TierId) -> &Tier {
        #[expect(clippy::indexing_slicing, reason = "ids are made from this list alone")]
        &self.tiers[id.0]
    }

    /// The names that callers use for models, in no order.
    pub(crate) fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// `name` for a metric's label; nothing for a name that nobody configured.
    pub fn model_label(&self, name: &str) -> Option<Arc<str>> {
        self.models.get(name).map(|model| model.name.clone())
    }

    /// The model called `name`: one under `models`, or `provider/model` of a configured provider.
    pub(crate) fn model(&self, name: &str) -> Option<Arc<Model>> {
        if let Some(model) = self.models.get(name) {
            return Some(model.clone());
        }
        let (provider, model) = name.split_once('/')?;
        let account = self.providers.iter().find(|account| account.settings.name == provider)?;
        Some(Arc::new(Model {
            name: name.into(),
            subject: Subject::new(SubjectKind::Model, "", name),
            routes: vec![Arc::new(deployment(account.clone(), model, &self.prices))],
            configured: false,
        }))
    }
}

impl Tier {
    fn new(tier: TierSettings, default: &Guardrails, everybody: &[Arc<BoundLimit>]) -> Self {
        let own = bind(tier.limits, &Owner::Tier(&tier.name));
        Self {
            subject: Subject::new(SubjectKind::Tier, "", &tier.name),
            limits: own.into_iter().chain(everybody.iter().cloned()).collect(),
            guardrails: default.and(&tier.guardrails),
            models: tier.models,
            name: tier.name.into(),
        }
    }
}

fn bind(limits: Vec<Limit>, owner: &Owner<'_>) -> Vec<Arc<BoundLimit>> {
    limits.into_iter().map(|limit| BoundLimit::new(limit, owner)).collect()
}

fn accounts(providers: Vec<ProviderSettings>) -> Vec<Arc<Account>> {
    let account = |(index, settings): (usize, ProviderSettings)| {
        let subject = Subject::new(SubjectKind::Provider, "", &settings.name);
        Arc::new(Account { index, name: settings.name.as_str().into(), settings, subject })
    };
    providers.into_iter().enumerate().map(account).collect()
}

fn key_entry(mut settings: KeySettings, id: TierId, tier: &Tier) -> Arc<KeyEntry> {
    let own = bind(std::mem::take(&mut settings.limits), &Owner::Key(&settings.name));
    Arc::new(KeyEntry {
        tier: id,
        limits: own.into_iter().chain(tier.limits.iter().cloned()).collect(),
        guardrails: tier.guardrails.and(&settings.guardrails),
        subjects: KeySubjects::of(&settings),
        settings,
    })
}

fn model_of(settings: ModelSettings, accounts: &[Arc<Account>], prices: &PriceBook) -> Model {
    let routes = settings.serve.into_iter().filter_map(|route| {
        let account = accounts.iter().find(|account| account.settings.name == route.provider)?;
        Some(Arc::new(deployment(account.clone(), &route.model, prices)))
    });
    Model {
        routes: routes.collect(),
        subject: Subject::new(SubjectKind::Model, "", &settings.name),
        name: settings.name.into(),
        configured: true,
    }
}

fn deployment(account: Arc<Account>, model: &str, prices: &PriceBook) -> Deployment {
    Deployment {
        tariff: prices.tariff(&account.settings.name, model).cloned(),
        max_output: prices.facts(model).and_then(|facts| facts.max_output),
        model: model.into(),
        account,
    }
}

/// Failed authentication is itself limited: 60 a minute from one address, after which the answer is
/// a 429. A key of 256 random bits cannot be guessed; this keeps a broken client from being a load.
fn failed_logins() -> Limit {
    Limit {
        name: Some("failed authentication".to_owned()),
        unit: crate::Unit::Requests,
        amount: tollgate_units::Amount::new(60),
        measure: Measure::Sliding { window: tollgate_units::Span::from_secs(60) },
        subjects: vec![SubjectKind::Ip],
        shadow: false,
    }
}
