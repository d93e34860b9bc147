//! Where identity, prices and limits meet: who may do what, which ways are open, what each costs.
//!
//! `Settings` come from the configuration; a [`Policy`] is made of them and never changes. A
//! request goes `identify ▸ consider ▸ plan`: a [`Caller`], then [`Options`], then a [`Plan`] whose
//! candidates carry charges for `limits`. Everything here is pure: time, counts and address are
//! arguments, so the gateway, `explain` and shadow limits decide with the same functions.

mod access;
mod calendar;
mod consider;
mod guardrail;
mod limit;
mod plan;
mod policy;
mod principal;
mod refusal;
mod report;
mod search;
mod sentence;
mod settings;

pub use calendar::{Turns, Zone, turns};
pub use consider::{Need, Options};
pub use limit::{CalendarPeriod, Limit, Measure, SubjectKind, Unit};
pub use plan::{Bound, Candidate, Ended, Plan, Pricing};
pub use policy::{ANONYMOUS, BoundLimit, Deployment, Policy};
pub use principal::{Caller, KeyEntry, Subject};
pub use refusal::{AmountInJson, Limitation, Refusal, in_words};
pub use report::{Shown, Watched, rfc3339};
pub use search::{Next, Search};
pub use sentence::{Mistake, parse};
pub use settings::{
    Guardrails, KeyDigest, KeySettings, ModelSettings, OnDisconnect, OnForbiddenTool,
    ProviderSettings, Route, Settings, TierSettings,
};
