//! The client's clock: milliseconds since it was made, by tokio's monotonic clock.
//!
//! Nothing here outlives the process, so no wall is needed, and a paused runtime owns the time of
//! its tests. Only a `Retry-After` that is a date is compared with the wall.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use tollgate_units::{Span, Timestamp};

/// Milliseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    /// Rounded down, so nothing that was announced for an instant is early.
    pub(crate) fn now(self) -> Timestamp {
        Timestamp::from_millis(millis(self.origin.elapsed()))
    }

    /// Returns at `at`, or later by as much as the runtime's timer is late.
    pub(crate) async fn sleep_until(self, at: Timestamp) {
        match self.origin.checked_add(Duration::from_millis(at.as_millis())) {
            Some(instant) => tokio::time::sleep_until(instant).await,
            None => std::future::pending().await,
        }
    }
}

/// What the wall shows.
pub(crate) fn wall() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "dates in answers are dates of the wall")]
    let now = SystemTime::now();
    Timestamp::from_millis(millis(now.duration_since(UNIX_EPOCH).unwrap_or_default()))
}

pub(crate) fn duration(span: Span) -> Duration {
    Duration::from_millis(span.as_millis())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
