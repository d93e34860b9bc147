//! What the operator sees of the traffic: metrics and the access log. Prompts are in neither.

mod access_log;
mod labels;
mod metrics;
mod upstreams;

pub use access_log::{AccessLine, TARGET};
pub use labels::{Direction, Ending, Name, Outcome, StoreOp};
pub use metrics::{CONTENT_TYPE, Metrics, RouteMetrics};
pub(crate) use upstreams::{Breaker, Cached};
