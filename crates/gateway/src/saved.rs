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
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    until: HashMap<(u128, u64), Timestamp>,
    /// When those that had lifted were last let go.
    swept: Timestamp,
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
        let refusal = (meter, digest(body));
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.until.len() >= COUNTED_MAX && now >= counted.swept.plus(SWEEP_EVERY) {
            counted.swept = now;
            counted.until.retain(|_, until| *until > now);
        }
        let known = counted.until.get(&refusal).is_some_and(|until| *until > now);
        if !known && counted.until.len() < COUNTED_MAX {
            counted.until.insert(refusal, until);
        }
        !known
    }
}

/// FNV-1a over the length, the beginning and the end of the body: a refusal costs the same however
/// long it is. Two requests that differ only in between look like a retry, in a statistic.
fn digest(body: &[u8]) -> u64 {
    let head = body.get(..body.len().min(DIGESTED)).unwrap_or_default();
    let tail = body.get(body.len().saturating_sub(DIGESTED)..).unwrap_or_default();
    let length = body.len().to_le_bytes();
    length.iter().chain(head).chain(tail).fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Bytes of a body's beginning and end.
const DIGESTED: usize = 1024;
const SWEEP_EVERY: Span = Span::from_secs(1);

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
