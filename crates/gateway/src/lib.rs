//! The data plane: pipeline, upstream client, relay.
//!
//! A request goes `identify ▸ read ▸ consider ▸ weigh ▸ plan ▸ admit ▸ send`, one line each in
//! `pipeline.rs`; `relay` and `settle` are the body of its answer. Whatever was taken is in a value
//! that gives it back when it is dropped, because every `await` is a place where a request may
//! vanish. Decisions are made in the pure crates; what is here moves bytes and keeps time.

mod admit;
mod alerts;
mod answer;
mod attempt;
mod background;
mod begin;
mod bell;
mod claims;
pub mod crew;
mod door;
mod downgrade;
mod explain;
mod fault;
pub mod fetch;
mod flight;
mod gate;
pub mod headers;
mod identify;
mod issued;
mod issuers;
mod models;
mod need;
mod pipeline;
mod providers;
mod read;
mod relay;
mod repeats;
mod respond;
mod room;
mod routes;
mod runaway;
mod saved;
mod scales;
mod send;
pub mod server;
mod sessions;
mod shadow;
mod standings;
mod stopped;
mod stored;
pub mod tasks;
pub mod telemetry;
pub mod tls;
mod totals;
mod unattended;
pub mod upstream;
mod whose;

pub use alerts::{Format as AlertFormat, Webhook};
pub use answer::Outgoing;
pub use explain::{Explanation, Verdict};
pub use gate::{Bounds, Gateway, Live, Parts};
pub use identify::foreign;
pub use issued::{Desk, Issued, KEYS_MAX, KeyState, RAISES_MAX};
pub use issuers::Issuers;
pub use models::{Row, shown};
pub use providers::{ProviderLimit, RouteStanding};
pub use relay::{BrokenOff, Relay};
pub use shadow::Shadow;
pub use standings::{Found, Holder, Standings};
pub use totals::Totals;
pub use upstream::Upstreams;
pub use whose::{Asker, Unnamed, Whose};
