//! Where identity, prices and limits meet: who may do what, which ways are open, what each costs.
//!
//! `Settings` come from the configuration; a [`Policy`] is made of them and never changes. A
//! request goes `identify ▸ consider ▸ plan`: a [`Caller`], then [`Options`], then a [`Plan`] whose
//! candidates carry charges for `limits`. Everything here is pure: time, counts and address are
//! arguments, so the gateway, `explain` and shadow limits decide with the same functions.

mod access;
mod allowlist;
mod bound;
mod calendar;
mod charge;
mod claims;
mod consider;
mod deployment;
mod guardrail;
mod limit;
mod limitation;
mod network;
mod plan;
mod policy;
mod pricing;
mod principal;
mod raises;
mod refusal;
mod report;
mod search;
mod sentence;
mod settings;
mod settled;
mod spans;
mod stored;
mod subject;
mod warning;

pub use access::matches;
pub use bound::BoundLimit;
pub use calendar::{Turns, Zone, turns};
pub use claims::{ProxySays, claimable};
pub use consider::{Need, Options};
pub use deployment::Deployment;
pub use guardrail::ANONYMOUS_FIELDS;
pub use limit::{CalendarPeriod, Exceed, Limit, Measure, SubjectKind, Unit};
pub use limitation::{AmountInJson, Limitation};
pub use network::{IdentityHeaders, Network, Proxies};
pub use plan::{Candidate, Moment, Plan};
pub use policy::{ANONYMOUS, Policy};
pub use pricing::Pricing;
pub use principal::{Caller, KeyEntry, Session};
pub use raises::{Raised, Raises, amount_of};
pub use refusal::Refusal;
pub use report::{Shown, Watched, instant};
pub use search::{Next, Search};
pub use sentence::{Mistake, parse};
pub use settings::{
    BreakerSettings, CacheScope, CacheSettings, CacheUse, GroupSettings, Guardrails, KeyDigest,
    KeySettings, ModelSettings, OnDisconnect, OnForbiddenTool, OnRunaway, Prefer, Priority,
    ProviderSettings, RetrySettings, Route, RoutingSettings, RunawaySettings, SessionSettings,
    Settings, TierSettings,
};
pub use settled::{Bound, Ended};
pub use spans::in_words;
pub use stored::thing;
pub use subject::{Subject, Vouched};
pub use warning::Warning;
