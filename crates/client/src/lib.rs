//! For programs that call a model API without a gateway: a token bucket, retries with backoff and a
//! budget, and a circuit breaker, by the same functions that decide in Tollgate.
//!
//! A [`Tollgate`] is made once for each provider account and shared by clones.
//!
//! - [`Tollgate::acquire`] waits for room in the bucket, first come, first served;
//!   [`Tollgate::try_acquire`] says at once whether there is any.
//! - [`Tollgate::call`] sends a request, and sends it again while that is safe and wanted.
//! - [`TollgateLayer`] does the same around a `tower` service of `http` requests.
//!
//! # What it promises
//!
//! - **The bucket**: in every interval of length t at most capacity + burst + refill × t units
//!   pass; by default 120 at once and 10 a second. Every attempt is charged, retries too, because
//!   the provider counts every attempt.
//! - **Retries**: at most 5 attempts; waits drawn evenly from none to 100 ms, doubled with each
//!   failure up to 30 s; what the provider says (`Retry-After` and its kin) is waited for, if that
//!   is at most a minute. Retries are at most a tenth of the traffic of ten seconds, and ten.
//! - **What is tried again**: connections that fail, 408, 429, 5xx, 529. **What never is**: any
//!   other 4xx, and a 429 that no waiting ends: `insufficient_quota`, a request that is too large,
//!   a limit of 0.
//! - **The breaker** opens after failures, refuses at once while open, lets one probe at a time
//!   through, and lets traffic grow again. A 429 and the caller's own mistakes do not move it.
//! - **Dropping** a future gives its place in line back, and everything that it has not sent.
//!   What was sent stays charged.
//!
//! Time is tokio's: a paused runtime owns the time of its tests. Limits count in this process
//! alone; programs that share an account share it by a gateway, or by a part of it each.
//!
//! It is the wrong place for limits by user, money or tokens that are not known beforehand: those
//! are the gateway's.

mod bucket;
mod call;
mod client;
mod clock;
mod config;
mod dice;
mod error;
mod failure;
mod layer;
mod written;

pub use client::{Permit, Tollgate};
pub use config::{BucketConfig, Config, ConfigError, QueueConfig, RetryConfig};
pub use error::{CallError, Refusal, Stopped};
pub use failure::{Failure, FailureKind};
pub use layer::{Demand, LayerError, TollgateLayer, TollgateService};
pub use tollgate_limits::Standing;
pub use tollgate_routing::{BreakerSettings, BreakerState};
pub use tollgate_units::{Amount, Span, Timestamp};
pub use tollgate_wire::{Dialect, dialect_of};
pub use written::YamlError;
