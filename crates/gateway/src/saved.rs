//! What refusals saved: the money that requests which were not made would have cost.
//!
//! A client that retries within the wait it was told would make one request look like many, so a
//! refusal of the same body by the same meter counts once until that wait is over.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tollgate_units::{Span, Timestamp};

/// Which refusals have been counted, and until when they stand for their retries.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    counted: Mutex<HashMap<(u128, u64), Timestamp>>,
}

impl Saved {
    /// Whether this refusal counts: it is not a retry of one that did.
    pub(crate) fn counts(
        &self,
        meter: u128,
        body: &[u8],
        wait: Option<Span>,
        now: Timestamp,
    ) -> bool {
        let until = now.plus(wait.unwrap_or(NEVER_STANDS));
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= COUNTED_MAX {
            counted.retain(|_, until| *until > now);
        }
        let known = counted.get(&(meter, digest(body))).is_some_and(|until| *until > now);
        if !known && counted.len() < COUNTED_MAX {
            counted.insert((meter, digest(body)), until);
        }
        !known
    }
}

/// FNV-1a over the body. A collision makes one refusal in 2⁶⁴ look like a retry, in a statistic.
fn digest(body: &[u8]) -> u64 {
    body.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// How long a refusal that never lifts stands for its retries.
const NEVER_STANDS: Span = Span::from_secs(3600);
/// Past this many, refusals that are still waiting are not remembered, and their retries count.
const COUNTED_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_within_the_announced_wait_counts_once() {
        let saved = Saved::default();
        let at = Timestamp::from_millis;
        let wait = Some(Span::from_millis(100));
        assert!(saved.counts(1, b"body", wait, at(0)));
        assert!(!saved.counts(1, b"body", wait, at(99)));
        assert!(saved.counts(1, b"other", wait, at(50)), "another request");
        assert!(saved.counts(2, b"body", wait, at(50)), "another limit");
        assert!(saved.counts(1, b"body", wait, at(100)), "after the wait");
    }
}
