//! Both sides of every request, written down outside the gateway; and what follows of its limits.
//!
//! The gateway reserved a request at some instant between its sending and its arrival at the
//! provider. So, at every instant, what was sent within the last window and has arrived was surely
//! reserved within that window, and each such request weighs at least what it has used by then, or
//! its whole bound while it runs. That sum is never above the limit, whatever the scheduler does:
//! the check needs no tolerance but the millisecond that the gateway's clock rounds away.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is known of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) caller: usize,
    pub(crate) fate: Fate,
    /// Why it was lost.
    pub(crate) lost: Option<String>,
    pub(crate) sent: Duration,
    /// When the provider had it.
    pub(crate) received: Option<Duration>,
    /// When the provider had answered it.
    pub(crate) ended: Option<Duration>,
    /// Input by the true count, and the cap that the provider was sent.
    pub(crate) bound: u64,
    /// Output tokens that the provider was asked for at most.
    pub(crate) cap: u64,
    /// Input and output as the provider reported them.
    pub(crate) used: u64,
    pub(crate) output: u64,
}

/// What the caller got.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Fate {
    /// A whole answer.
    Answered,
    /// Neither: nothing, a part, another status.
    #[default]
    Lost,
    /// A 429.
    Refused {
        /// Whether everybody's limit was among those that refused.
        by_everyone: bool,
    },
}

/// The records of one replay, by the number of the row.
pub(crate) struct Ledger {
    records: Mutex<Vec<Record>>,
    started: Instant,
}

impl Ledger {
    pub(crate) fn new(callers: impl Iterator<Item = usize>) -> Self {
        let records = callers.map(|caller| Record { caller, ..Record::default() });
        Self { records: Mutex::new(records.collect()), started: Instant::now() }
    }

    /// Since this ledger was opened.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Changes a record.
    pub(crate) fn note(&self, number: usize, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.records().get_mut(number) {
            change(record);
        }
    }

    /// Everything so far.
    pub(crate) fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// What it surely weighs at `now` in a limit of tokens; what was used beyond the bound is debt
    /// and stands elsewhere.
    pub(crate) fn weighs(&self, now: Duration) -> u64 {
        match self.ended {
            Some(ended) if ended <= now => self.used.min(self.bound),
            _ => self.bound,
        }
    }

    /// What was used beyond what was reserved.
    pub(crate) fn debt(&self) -> u64 {
        self.used.saturating_sub(self.bound)
    }
}

/// The most that ever stood in a window together, of `records` that reached the provider.
pub(crate) fn peak(
    records: &[&Record],
    window: Duration,
    weighs: impl Fn(&Record, Duration) -> u64,
) -> u64 {
    let mut arrived: Vec<_> = records.iter().filter(|record| record.received.is_some()).collect();
    arrived.sort_by_key(|record| record.received);
    let mut most = 0;
    for (at, last) in arrived.iter().enumerate() {
        let now = last.received.unwrap_or_default();
        let since = (now + TICK).saturating_sub(window);
        let is_open = now + TICK < window;
        let recent = arrived[..=at].iter().rev().take_while(|one| {
            // Nothing is received before it is sent, so from here on everything is older.
            is_open || one.received > Some(since)
        });
        let inside = recent.filter(|one| is_open || one.sent > since);
        most = most.max(inside.map(|one| weighs(one, now)).sum());
    }
    most
}

/// What the gateway's clock rounds away.
const TICK: Duration = Duration::from_millis(1);
