//! The policy in force: settings with everything worked out that does not depend on a request.
//!
//! A policy never changes. A reload makes another one and swaps the pointer; meters stay where they
//! are, because nothing here is part of their identity but the names of limits and subjects.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use tollgate_tokens::PriceBook;
use tollgate_units::{Span, Tokens};
use tollgate_wire::Protocol;

use crate::SubjectKind;
use crate::bound::{BoundLimit, Owner, bind};
use crate::claims::ProxySays;
use crate::deployment::{Account, Deployment, Model};
use crate::guardrail::ANONYMOUS_FIELDS;
use crate::network::Proxies;
use crate::principal::{Caller, KeyEntry};
use crate::settings::{
    GroupSettings, Guardrails, KeyDigest, KeySettings, ModelSettings, Priority, ProviderSettings,
    RunawaySettings, SessionSettings, Settings, TierSettings,
};
use crate::subject::{KeySubjects, Subject, Vouched};

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
    tiers_by_name: HashMap<Arc<str>, TierId>,
    anonymous: Option<TierId>,
    groups: Groups,
    keys: Vec<Arc<KeyEntry>>,
    keys_by_name: HashMap<String, Arc<KeyEntry>>,
    by_digest: HashMap<[u8; 32], Arc<KeyEntry>>,
    proxies: Proxies,
    /// The headers that limits of models count by, whoever the caller is.
    model_headers: BTreeSet<String>,
    prices: PriceBook,
    drains: bool,
    pub(crate) min_output: Tokens,
    pub(crate) failed_logins: Arc<BoundLimit>,
    pub(crate) sessions: Sessions,
}

/// How sessions are told apart and counted.
#[derive(Debug)]
pub(crate) struct Sessions {
    settings: SessionSettings,
    /// Charged by each request of a session.
    pub(crate) lives: Arc<BoundLimit>,
    /// Charged by the first.
    pub(crate) opened: Arc<BoundLimit>,
}

/// What teams, projects and organisations may do, by name.
#[derive(Debug, Default)]
struct Groups {
    teams: HashMap<String, Group>,
    projects: HashMap<String, Group>,
    orgs: HashMap<String, Group>,
}

/// What the callers of one team, project or organisation may do together.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) limits: Vec<Arc<BoundLimit>>,
    pub(crate) models: Option<Arc<[String]>>,
}

impl Groups {
    /// Those of this team, project and organisation that say something.
    fn of(&self, [team, project, org]: [Option<&str>; 3]) -> impl Iterator<Item = &Group> {
        [(&self.teams, team), (&self.projects, project), (&self.orgs, org)]
            .into_iter()
            .filter_map(|(groups, name)| groups.get(name?))
    }
}

/// A group of callers.
#[derive(Debug)]
pub(crate) struct Tier {
    pub(crate) name: Arc<str>,
    pub(crate) subject: Subject,
    pub(crate) models: Vec<String>,
    pub(crate) guardrails: Guardrails,
    pub(crate) limits: Arc<[Arc<BoundLimit>]>,
    pub(crate) priority: Priority,
}

impl Policy {
    /// The policy that `settings` describe. They have been validated: a name that leads nowhere is
    /// a mistake that the configuration has already reported, and is passed over here.
    pub fn new(settings: Settings) -> Arc<Self> {
        let prices = PriceBook::built_in().with(settings.prices, settings.unpriced);
        let sessions = &settings.sessions;
        let providers = accounts(settings.providers, sessions);
        let everybody: Vec<_> = bind(settings.limits, &Owner::Everybody, sessions);
        let tiers: Vec<_> = settings
            .tiers
            .into_iter()
            .map(|tier| Tier::new(tier, &settings.guardrails, &everybody, sessions))
            .collect();
        let named = tiers.iter().enumerate().map(|(at, tier)| (tier.name.clone(), TierId(at)));
        let tiers_by_name: HashMap<_, _> = named.collect();
        let models = settings.models.into_iter().map(|model| {
            let name = model.name.clone();
            (name, Arc::new(model_of(model, &providers, &prices, sessions)))
        });
        let models: HashMap<String, Arc<Model>> = models.collect();
        let of_models = models.values().flat_map(|model| &model.limits);
        let mut policy = Self {
            model_headers: of_models.flat_map(|bound| bound.headers()).map(str::to_owned).collect(),
            models,
            anonymous: tiers_by_name.get(ANONYMOUS).copied(),
            groups: Groups {
                teams: groups(settings.teams, |name| Owner::Team(name), sessions),
                projects: groups(settings.projects, |name| Owner::Project(name), sessions),
                orgs: groups(settings.orgs, |name| Owner::Org(name), sessions),
            },
            failed_logins: BoundLimit::failed_logins(),
            sessions: Sessions {
                settings: *sessions,
                lives: BoundLimit::session_lives(sessions),
                opened: BoundLimit::sessions_opened(sessions),
            },
            min_output: settings.min_output_tokens,
            keys: Vec::new(),
            keys_by_name: HashMap::new(),
            by_digest: HashMap::new(),
            drains: providers.iter().any(|account| account.drains()),
            proxies: settings.proxies,
            providers,
            tiers,
            tiers_by_name,
            prices,
        };
        policy.keys = settings.keys.into_iter().filter_map(|key| policy.entry(key)).collect();
        let by_digest =
            policy.keys.iter().map(|key| (*key.settings.digest.as_bytes(), key.clone()));
        policy.by_digest = by_digest.collect();
        let by_name = policy.keys.iter().map(|key| (key.settings.name.clone(), key.clone()));
        policy.keys_by_name = by_name.collect();
        Arc::new(policy)
    }

    /// Who presents `credential` from `ip`; nothing for a key that is not known, and for no key
    /// where one is required. The secret is hashed before anything is compared.
    pub fn identify(self: &Arc<Self>, credential: Option<&str>, ip: IpAddr) -> Option<Caller> {
        let Some(secret) = credential else {
            return self.anonymous(ip);
        };
        let entry = self.holder(&KeyDigest::of(secret))?;
        Some(self.caller(entry, ip))
    }

    /// The listed key whose secret has this digest.
    pub fn holder(&self, digest: &KeyDigest) -> Option<Arc<KeyEntry>> {
        let entry = self.by_digest.get(digest.as_bytes())?;
        (entry.settings.digest == *digest).then(|| entry.clone())
    }

    /// A caller without a key, where such are admitted.
    pub fn anonymous(self: &Arc<Self>, ip: IpAddr) -> Option<Caller> {
        let tier = self.anonymous?;
        Some(Caller::new(self.clone(), None, tier, ip))
    }

    /// A caller of each tier that nobody is: whoever asks for limits that count no caller of their
    /// own finds them there.
    pub fn nobodies(self: &Arc<Self>, ip: IpAddr) -> impl Iterator<Item = Caller> {
        let tiers = 0..self.tiers.len();
        tiers.map(move |tier| Caller::new(self.clone(), None, TierId(tier), ip))
    }

    /// A caller without a key, in the tier called `tier`, if there is one.
    pub fn in_tier(self: &Arc<Self>, tier: &str, ip: IpAddr) -> Option<Caller> {
        Some(Caller::new(self.clone(), None, self.tier_id(tier)?, ip))
    }

    /// Whether there is a provider whose answers are read to their end when nobody waits.
    pub const fn drains(&self) -> bool {
        self.drains
    }

    /// The peers that may say who is asking.
    pub const fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    pub(crate) const fn model_headers(&self) -> &BTreeSet<String> {
        &self.model_headers
    }

    /// What the groups may do that a trusted proxy names.
    pub(crate) fn groups_of(&self, says: &ProxySays<'_>) -> impl Iterator<Item = &Group> {
        self.groups.of([says.team, says.project, says.org])
    }

    /// The caller that `entry`, which must be of this policy, makes.
    pub fn caller(self: &Arc<Self>, entry: Arc<KeyEntry>, ip: IpAddr) -> Caller {
        let tier = entry.tier;
        Caller::new(self.clone(), Some(entry), tier, ip)
    }

    /// The caller that the key called `name` makes.
    pub fn caller_of(self: &Arc<Self>, name: &str, ip: IpAddr) -> Option<Caller> {
        Some(self.caller(self.keys_by_name.get(name)?.clone(), ip))
    }

    /// What follows from a key that the configuration does not list; nothing where its tier is not
    /// one of this policy's.
    pub fn entry(&self, settings: KeySettings) -> Option<Arc<KeyEntry>> {
        let id = self.tier_id(&settings.tier)?;
        let subjects = KeySubjects::of(&settings);
        Some(Arc::new(self.entry_in(id, settings, subjects)))
    }

    /// What follows from a JWT whose digest is `digest`; nothing where its tier is not one of this
    /// policy's.
    pub fn vouched(&self, by: &Vouched<'_>, digest: KeyDigest) -> Option<Arc<KeyEntry>> {
        let id = self.tier_id(by.tier)?;
        let owned = |name: Option<&str>| name.map(str::to_owned);
        let settings = KeySettings {
            name: by.issuer.to_owned(),
            digest,
            tier: by.tier.to_owned(),
            team: owned(by.team),
            user: owned(by.user),
            project: owned(by.project),
            org: owned(by.org),
            limits: Vec::new(),
            models: None,
            guardrails: Guardrails::default(),
            trust_user: false,
        };
        Some(Arc::new(self.entry_in(id, settings, KeySubjects::vouched(by))))
    }

    fn tier_id(&self, name: &str) -> Option<TierId> {
        self.tiers_by_name.get(name).copied()
    }

    /// The same caller under this policy, if it would be let in: with its key as this policy lists
    /// it, or, where the key was issued or is a JWT, as it is.
    pub fn counterpart(self: &Arc<Self>, caller: &Caller) -> Option<Caller> {
        let key = match &caller.key {
            None => None,
            Some(entry) if caller.policy.holder(&entry.settings.digest).is_some() => {
                Some(self.holder(&entry.settings.digest)?)
            }
            Some(entry) => {
                let id = self.tier_id(&entry.settings.tier)?;
                let (settings, subjects) = (entry.settings.clone(), entry.subjects.clone());
                Some(Arc::new(self.entry_in(id, settings, subjects)))
            }
        };
        let tier = match &key {
            Some(key) => key.tier,
            None => self.tier_id(caller.tier_name())?,
        };
        Some(Caller::new(self.clone(), key, tier, caller.ip).saying_as(caller))
    }

    fn entry_in(&self, id: TierId, mut settings: KeySettings, subjects: KeySubjects) -> KeyEntry {
        let tier = self.tier(id);
        let limits = settings.limits.clone();
        let own = bind(limits, &Owner::Key(&settings.name), &self.sessions.settings);
        let named = [&settings.team, &settings.project, &settings.org];
        let groups: Vec<_> = self.groups.of(named.map(|name| name.as_deref())).collect();
        let limits = if own.is_empty() && groups.is_empty() {
            // Most keys: a hundred thousand of them share what their tier has.
            tier.limits.clone()
        } else {
            let of_groups = groups.iter().flat_map(|group| group.limits.iter().cloned());
            own.into_iter().chain(of_groups).chain(tier.limits.iter().cloned()).collect()
        };
        let lists = groups.iter().filter_map(|group| group.models.clone());
        let lists = settings.models.take().map(Arc::from).into_iter().chain(lists).collect();
        KeyEntry {
            tier: id,
            limits,
            lists,
            guardrails: tier.guardrails.and(&settings.guardrails),
            subjects,
            settings,
        }
    }

    /// Whether a key of that name is listed.
    pub fn lists(&self, name: &str) -> bool {
        self.keys_by_name.contains_key(name)
    }

    /// Whether there is a tier of that name.
    pub fn has_tier(&self, name: &str) -> bool {
        self.tiers_by_name.contains_key(name)
    }

    /// The names of the tiers, in the operator's order.
    pub fn tier_names(&self) -> impl Iterator<Item = &str> {
        self.tiers.iter().map(|tier| &*tier.name)
    }

    /// The keys, in the operator's order.
    pub fn keys(&self) -> impl Iterator<Item = &KeyEntry> {
        self.keys.iter().map(AsRef::as_ref)
    }

    pub(crate) fn tier(&self, id: TierId) -> &Tier {
        #[expect(clippy::indexing_slicing, reason = "ids are made from this list alone")]
        &self.tiers[id.0]
    }

    /// What a runaway is, where anybody looks for one.
    pub fn runaway(&self) -> Option<&RunawaySettings> {
        self.sessions.settings.runaway.as_ref()
    }

    /// A session that was quiet for so long has ended.
    pub fn session_idle(&self) -> Span {
        self.sessions.settings.idle
    }

    /// The names that callers use for models, in no order.
    pub fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// The protocol of the first route of the model called `name`.
    pub fn protocol_of(&self, name: &str) -> Option<Protocol> {
        self.model(name)?.routes.first().map(|route| route.protocol())
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
        let subject = Subject::new(SubjectKind::Model, "", name);
        let route = Arc::new(deployment(account.clone(), (model, 1), &self.prices));
        Some(Arc::new(Model::unconfigured(name.into(), subject, vec![route])))
    }
}

impl Tier {
    fn new(
        tier: TierSettings,
        default: &Guardrails,
        everybody: &[Arc<BoundLimit>],
        sessions: &SessionSettings,
    ) -> Self {
        let guardrails = guardrails_of(&tier, default);
        let own = bind(tier.limits, &Owner::Tier(&tier.name), sessions);
        Self {
            subject: Subject::new(SubjectKind::Tier, "", &tier.name),
            limits: own.into_iter().chain(everybody.iter().cloned()).collect(),
            guardrails,
            priority: tier.priority,
            models: tier.models,
            name: tier.name.into(),
        }
    }
}

/// Allows the caller's own functions, whatever they are called, and nothing that a provider runs.
const ANY_FUNCTION: &str = "*";

/// The tier's guardrails and everybody's. Where neither says which fields may be sent or which
/// tools be brought, callers without a key have the ordinary fields and functions of their own.
fn guardrails_of(tier: &TierSettings, default: &Guardrails) -> Guardrails {
    let mut guardrails = default.and(&tier.guardrails);
    let listed = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    if tier.name == ANONYMOUS && guardrails.fields.is_none() {
        guardrails.fields = Some(listed(ANONYMOUS_FIELDS));
    }
    if tier.name == ANONYMOUS && guardrails.tools.is_none() {
        guardrails.tools = Some(listed(&[ANY_FUNCTION]));
    }
    guardrails
}

fn accounts(providers: Vec<ProviderSettings>, sessions: &SessionSettings) -> Vec<Arc<Account>> {
    let account = |(index, mut settings): (usize, ProviderSettings)| {
        let limits = std::mem::take(&mut settings.limits);
        let limits = bind(limits, &Owner::Account(&settings.name), sessions);
        let subject = Subject::new(SubjectKind::Provider, "", &settings.name);
        Arc::new(Account { index, name: settings.name.as_str().into(), settings, subject, limits })
    };
    providers.into_iter().enumerate().map(account).collect()
}

fn groups(
    settings: Vec<GroupSettings>,
    owner: for<'a> fn(&'a str) -> Owner<'a>,
    sessions: &SessionSettings,
) -> HashMap<String, Group> {
    let group = |group: GroupSettings| {
        let limits = bind(group.limits, &owner(&group.name), sessions);
        (group.name, Group { limits, models: group.models.map(Arc::from) })
    };
    settings.into_iter().map(group).collect()
}

fn model_of(
    settings: ModelSettings,
    accounts: &[Arc<Account>],
    prices: &PriceBook,
    sessions: &SessionSettings,
) -> Model {
    let routes = settings.serve.into_iter().filter_map(|route| {
        let account = accounts.iter().find(|account| account.settings.name == route.provider)?;
        Some(Arc::new(deployment(account.clone(), (&route.model, route.weight), prices)))
    });
    Model {
        routes: routes.collect(),
        subject: Subject::new(SubjectKind::Model, "", &settings.name),
        limits: bind(settings.limits, &Owner::Model(&settings.name), sessions),
        guardrails: settings.guardrails,
        prefer: settings.prefer,
        fallback: settings.fallback.into_iter().map(Arc::from).collect(),
        name: settings.name.into(),
        configured: true,
    }
}

fn deployment(
    account: Arc<Account>,
    (model, weight): (&str, u32),
    prices: &PriceBook,
) -> Deployment {
    Deployment {
        weight,
        tariff: prices.tariff(&account.settings.name, model).cloned(),
        max_output: prices.facts(model).and_then(|facts| facts.max_output),
        model: model.into(),
        account,
    }
}
