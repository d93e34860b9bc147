//! A limit with its owner, ready to be charged: its meters' identity, its rule at a time, and what
//! it is called to those who may not know its numbers.

use std::sync::Arc;

use tollgate_units::{Amount, Span, Timestamp};
use tollgate_wire::{QuotaPolicy, QuotaUnit};

use crate::limit::grouped;
use crate::settings::SessionSettings;
use crate::spans::window_in_words;
use crate::subject::{Subject, fingerprint};
use crate::{CalendarPeriod, Exceed, Limit, Measure, SubjectKind, Turns, Unit};

/// A limit with its owner, ready to be charged.
#[derive(Debug)]
pub struct BoundLimit {
    pub(crate) limit: Limit,
    /// The limit in the operator's words.
    pub(crate) sentence: Arc<str>,
    /// How it is listed in `RateLimit-Policy`; nothing for money, which the draft cannot count.
    quota: Option<QuotaPolicy>,
    /// Whether it belongs to one key or one team, and so counts nobody beyond the caller's own.
    pub(crate) is_of_its_own: bool,
    /// Whether it is what a provider allows an account, and so refuses a route and not a request.
    pub(crate) is_of_an_account: bool,
    /// Whether it is one of the gateway's, which no caller is told of before it refuses.
    pub(crate) is_built_in: bool,
    /// Whose it is, as `team:acme`; nothing for everybody's, and where its owner's name is not in
    /// its meters.
    owner: Option<Arc<str>>,
    /// Whose it is, what it counts and how, hashed.
    identity: u128,
    /// The same where it counts one caller alone.
    identity_for_one: u128,
    turns: Option<Arc<Turns>>,
    /// How long the life of a subject goes on after its last charge, where the subject is a
    /// session.
    idle: Span,
}

impl BoundLimit {
    pub(crate) fn new(limit: Limit, owner: &Owner<'_>, sessions: &SessionSettings) -> Arc<Self> {
        Arc::new(Self::made(limit, owner, sessions))
    }

    fn made(limit: Limit, owner: &Owner<'_>, sessions: &SessionSettings) -> Self {
        let sentence: Arc<str> = limit.to_string().into();
        let of = |name: &str| fingerprint(&[owner.kind(), name, &limit.identity()]);
        let (identity, identity_for_one) = (of(owner.name()), of(owner.name_for_one()));
        let name = Some(owner.name_for(&limit)).filter(|name| !name.is_empty());
        let owned_by = name.map(|name| format!("{}:{name}", owner.kind()).into());
        let turns = match &limit.measure {
            Measure::Calendar { period, zone } => Some(Arc::new(Turns::new(*period, zone.clone()))),
            Measure::AtOnce
            | Measure::Bucket { .. }
            | Measure::Fixed { .. }
            | Measure::Sliding { .. }
            | Measure::Total => None,
        };
        let is_of_its_own = matches!(owner, Owner::Key(_) | Owner::Team(_));
        let is_of_an_account = matches!(owner, Owner::Account(_));
        let of_a_session = limit.subjects.contains(&SubjectKind::Session);
        let idle = if of_a_session { sessions.idle } else { Span::MAX };
        let quota = quota_of(&limit, &sentence);
        let is_built_in = false;
        Self {
            limit,
            sentence,
            quota,
            is_of_its_own,
            is_of_an_account,
            is_built_in,
            owner: owned_by,
            identity,
            identity_for_one,
            turns,
            idle,
        }
    }

    /// The same limit, with the same meters, of another amount: as `limit` says.
    pub(crate) fn of(&self, limit: Limit) -> Self {
        let sentence: Arc<str> = limit.to_string().into();
        let quota = quota_of(&limit, &sentence);
        let (owner, turns) = (self.owner.clone(), self.turns.clone());
        Self { limit, sentence, quota, owner, turns, ..*self }
    }

    /// A limit of the gateway's own, called `sentence`.
    fn built_in(limit: Limit, sentence: String, sessions: &SessionSettings) -> Arc<Self> {
        let made = Self::made(limit, &Owner::Everybody, sessions);
        Arc::new(Self { sentence: sentence.into(), is_built_in: true, quota: None, ..made })
    }

    /// Failed authentication is itself limited: 60 a minute from one address, after which the
    /// answer is a 429. A key of 256 random bits cannot be guessed; this keeps a broken client from
    /// being a load.
    pub(crate) fn failed_logins() -> Arc<Self> {
        let window = Span::from_secs(60);
        let limit = requests("failed authentication", 60, window, SubjectKind::Ip);
        Self::built_in(limit, "failed authentication".to_owned(), &SessionSettings::default())
    }

    /// How many sessions a key may open: whoever names a new one with each request would escape
    /// every limit on sessions.
    pub(crate) fn sessions_opened(sessions: &SessionSettings) -> Arc<Self> {
        let most = sessions.per_key_per_hour;
        let limit = requests("new sessions", most, Span::from_secs(60 * 60), SubjectKind::Key);
        let sentence = format!("{} new sessions per hour per key", grouped(most));
        Self::built_in(limit, sentence, sessions)
    }

    /// What tells a session that goes on from one that begins: its meter lives as long as it does.
    pub(crate) fn session_lives(sessions: &SessionSettings) -> Arc<Self> {
        let limit = Limit {
            measure: Measure::Total,
            ..requests("session", u64::MAX, Span::ZERO, SubjectKind::Session)
        };
        Self::built_in(limit, "session".to_owned(), sessions)
    }

    /// Whether requests that `model` serves are neither counted nor refused by this limit: it sends
    /// them there.
    pub(crate) fn spares(&self, model: &str) -> bool {
        matches!(&self.limit.exceed, Exceed::Downgrade(target) if target == model)
    }

    /// How it is listed in `RateLimit-Policy`; nothing for money, which the draft cannot count.
    pub const fn quota(&self) -> Option<&QuotaPolicy> {
        self.quota.as_ref()
    }

    /// The limit in the operator's words.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Whose it is, as `team:acme`; nothing for everybody's, and where its owner's name is not in
    /// its meters.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Whom it counts, of `subjects` that it divides among: else whose it is. Nothing for
    /// everybody together.
    pub(crate) fn whom(&self, subjects: &[Subject]) -> Option<String> {
        let words: Vec<_> = subjects.iter().map(ToString::to_string).collect();
        if words.is_empty() { self.owner().map(str::to_owned) } else { Some(words.join(" and ")) }
    }

    /// The headers that it counts by, in lower case.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &str> {
        self.limit.subjects.iter().filter_map(|kind| match kind {
            SubjectKind::Header(name) => Some(&**name),
            _ => None,
        })
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
            let whom = match self.owner() {
                _ if !whom.is_empty() => format!("per {}", whom.join(" and ")),
                // Whoever is told of a tier's limit is in it.
                Some(owner) if !owner.starts_with("tier:") => owner.replacen(':', " ", 1),
                Some(_) | None => "everybody".to_owned(),
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
                Measure::Fixed { window } | Measure::Sliding { window } => {
                    format!("{} per {}, {whom}", self.limit.unit, window_in_words(*window))
                }
                Measure::Bucket { .. } | Measure::Total => format!("{}, {whom}", self.limit.unit),
            }
        })
    }

    pub(crate) fn rule(&self, now: Timestamp) -> tollgate_limits::Rule {
        let turns = self.turns.as_ref().map_or([Timestamp::EPOCH; 3], |turns| turns.at(now));
        self.limit.rule(turns, self.idle)
    }

    /// The meter of this limit for `subjects`: the limit's identity and each subject's, stirred
    /// together in order. All are uniform 128-bit values that nobody can choose.
    pub(crate) fn meter(&self, subjects: &[Subject]) -> tollgate_limits::MeterId {
        let counts_one = subjects.iter().any(|subject| is_one_caller(&subject.kind));
        let own = if counts_one { self.identity_for_one } else { self.identity };
        let stirred = |id: u128, subject: &Subject| id.rotate_left(31).wrapping_add(subject.id());
        tollgate_limits::MeterId::new(subjects.iter().fold(own, stirred))
    }
}

fn quota_of(limit: &Limit, sentence: &str) -> Option<QuotaPolicy> {
    let most = limit.most().get();
    quota_unit(limit).map(|unit| QuotaPolicy::new(sentence, most, limit.fills_in(), unit))
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
pub(crate) enum Owner<'a> {
    Account(&'a str),
    Everybody,
    Key(&'a str),
    Model(&'a str),
    Org(&'a str),
    Project(&'a str),
    Team(&'a str),
    Tier(&'a str),
}

impl Owner<'_> {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "provider",
            Self::Everybody => "everybody",
            Self::Key(_) => "key",
            Self::Model(_) => "model",
            Self::Org(_) => "org",
            Self::Project(_) => "project",
            Self::Team(_) => "team",
            Self::Tier(_) => "tier",
        }
    }

    const fn name(&self) -> &str {
        match self {
            Self::Everybody => "",
            Self::Account(name)
            | Self::Key(name)
            | Self::Model(name)
            | Self::Org(name)
            | Self::Project(name)
            | Self::Team(name)
            | Self::Tier(name) => name,
        }
    }

    /// The name as far as it is in the meters of `limit`.
    fn name_for(&self, limit: &Limit) -> &str {
        let counts_one = limit.subjects.iter().any(is_one_caller);
        if counts_one { self.name_for_one() } else { self.name() }
    }

    /// A tier's name is left out of the identity of meters that count one caller, whatever the
    /// limit divides by, so that a caller who changes tier carries what is used along. Meters that
    /// count many together stay apart.
    const fn name_for_one(&self) -> &str {
        match self {
            Self::Tier(_) => "",
            _ => self.name(),
        }
    }
}

const fn is_one_caller(kind: &SubjectKind) -> bool {
    matches!(kind, SubjectKind::Ip | SubjectKind::Key | SubjectKind::Session | SubjectKind::User)
}

/// `limits` of one owner, ready to be charged.
pub(crate) fn bind(
    limits: Vec<Limit>,
    owner: &Owner<'_>,
    sessions: &SessionSettings,
) -> Vec<Arc<BoundLimit>> {
    limits.into_iter().map(|limit| BoundLimit::new(limit, owner, sessions)).collect()
}

/// At most `most` requests in every window, for each subject of one kind.
fn requests(name: &str, most: u64, window: Span, subject: SubjectKind) -> Limit {
    Limit {
        name: Some(name.to_owned()),
        unit: Unit::Requests,
        amount: Amount::new(most),
        measure: Measure::Sliding { window },
        subjects: vec![subject],
        exceed: Exceed::Reject,
        warn: None,
        shadow: false,
    }
}
