//! What is known of every route to a provider: when it has room, and which to take first.
//!
//! A [`Route`] is one model at one account. It is asked before a request is sent, hears what the
//! answer reports, and is told how the call ended; from that it knows the provider's own meters
//! ([`Observed`]), how many requests at once it bears, and whether it is healthy ([`Breaker`]).
//! [`order`] puts routes in the order to try; [`Backoff`] and [`RetryBudget`] say when to try again
//! and whether. Time and dice come in as arguments, numbers are integers.
//!
//! Read `route.rs`, `pool.rs`, `promise.rs`, in this order.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod backoff;
mod breaker;
mod concurrency;
mod learned;
mod level;
mod need;
mod observed;
mod order;
mod outlook;
mod pool;
mod promise;
mod retry_budget;
mod route;
mod tally;
mod window;

pub use backoff::Backoff;
pub use breaker::{
    Breaker, BreakerSettings, BreakerState, COOLDOWN_MAX, Change, Outcome, PROBES, Permit,
    RAMP_PERCENT_MIN, loaded,
};
pub use learned::{PLANNED_MAX, POOLS_MAX};
pub use need::{Counted, Need};
pub use observed::{Observed, Refill};
pub use order::{Choice, Prefer, Room, order};
pub use outlook::{Outlook, PoolRow};
pub use promise::{EXHAUSTED_MAX, Shut, WAIT_BELIEVED_MAX, WAIT_CHECKED, WAIT_MIN, Why};
pub use retry_budget::{RESERVE, RetryBudget};
pub use route::{Call, Closed, Ended, News, Pass, Route, RouteSettings};
