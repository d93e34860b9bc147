//! The store's clock: the one authority on what time it is for every meter.
//!
//! A wall clock may step back, and a limiter that follows it admits twice; the monotonic clock
//! never steps, but its zero means nothing after a restart. So this one ticks with the monotonic
//! clock from where the wall stood, looks at the wall every [`LOOK_EVERY`] and
//!
//! ```text
//! wall ahead   --> adopts it at once           (a machine that slept, a late time server)
//! wall behind  --> runs 1/64 slower until met  (a wall that was set back)
//! ```
//!
//! A reading is one look at the monotonic clock and three atomic loads: no lock, no system call
//! where the vDSO serves it. When it is wrong: a wall that jumps far ahead and is set right again
//! leaves this clock ahead, by a second less each 64; calendar windows turn that much early.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tollgate_units::{Span, Timestamp};

#[cfg(test)]
mod tests;

/// How often the wall is looked at; between two looks only the monotonic clock counts.
pub const LOOK_EVERY: Span = Span::from_millis(64);

/// A reading that was written down before a restart is believed up to this far ahead of the wall.
pub const AHEAD_MAX: Span = Span::from_secs(24 * 60 * 60);

/// While the wall is behind, one part in so many of the time that passes is left out.
const SLOWER: u64 = 64;

/// The store's clock: cheap to clone, cheap to read, and never going back.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

/// Moves a manual clock: the time that passes, and what the wall shows.
#[derive(Clone, Debug)]
pub struct ClockHand {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    /// What to add to the monotonic clock, in microseconds: slowing by 1/64 needs more than
    /// milliseconds to be seen.
    offset: AtomicI64,
    /// The latest reading that was handed out, in milliseconds.
    latest: AtomicU64,
    /// When the wall is to be looked at next, on the monotonic clock, in microseconds.
    look_at: AtomicU64,
    /// When it was looked at last; who holds the lock is the one that looks.
    looked_at: Mutex<u64>,
}

/// Where the time comes from; both in microseconds, the wall since the Unix epoch.
#[derive(Debug)]
enum Source {
    Manual { passed: AtomicU64, wall: AtomicU64 },
    System { since: Instant },
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::of(Source::System { since: Instant::now() })
    }

    /// A clock that stands at `start` until its hand moves it.
    pub fn manual(start: Timestamp) -> (Self, ClockHand) {
        let wall = AtomicU64::new(micros(start.as_millis()));
        let clock = Self::of(Source::Manual { passed: AtomicU64::new(0), wall });
        let hand = ClockHand { inner: Arc::clone(&clock.inner) };
        (clock, hand)
    }

    /// What time it is: never earlier than any reading before it, on whatever thread.
    pub fn now(&self) -> Timestamp {
        self.inner.now()
    }

    /// Goes on from the `last` reading of a former life, unless the wall says that this was more
    /// than [`AHEAD_MAX`] wrong. Whether it was believed.
    pub(crate) fn resume(&self, last: Timestamp) -> bool {
        let inner = &self.inner;
        let wall = Timestamp::from_millis(inner.source.wall() / 1000);
        if last.since(wall) > AHEAD_MAX {
            return false;
        }
        let _looking = inner.looked_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let behind = signed(micros(last.as_millis())) - inner.reading(inner.source.passed());
        inner.offset.fetch_add(behind.max(0), Relaxed);
        true
    }

    fn of(source: Source) -> Self {
        let passed = source.passed();
        let offset = signed(source.wall()) - signed(passed);
        let inner = Inner {
            source,
            offset: AtomicI64::new(offset),
            latest: AtomicU64::new(0),
            look_at: AtomicU64::new(passed.saturating_add(micros(LOOK_EVERY.as_millis()))),
            looked_at: Mutex::new(passed),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl ClockHand {
    /// Time passes, on the monotonic clock and on the wall.
    pub fn advance(&self, span: Span) {
        if let Source::Manual { passed, wall } = &self.inner.source {
            passed.fetch_add(micros(span.as_millis()), Relaxed);
            wall.fetch_add(micros(span.as_millis()), Relaxed);
        }
    }

    /// Somebody sets the wall, forward or back; no time passes.
    pub fn set_wall(&self, to: Timestamp) {
        if let Source::Manual { wall, .. } = &self.inner.source {
            wall.store(micros(to.as_millis()), Relaxed);
        }
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        let passed = self.source.passed();
        if passed >= self.look_at.load(Relaxed) {
            self.look(passed);
        }
        let reading = u64::try_from(self.reading(passed)).unwrap_or(0) / 1000;
        let latest = self.latest.load(Relaxed);
        if reading <= latest {
            return Timestamp::from_millis(latest);
        }
        Timestamp::from_millis(self.latest.fetch_max(reading, Relaxed).max(reading))
    }

    fn reading(&self, passed: u64) -> i64 {
        signed(passed).saturating_add(self.offset.load(Relaxed))
    }

    /// Compares with the wall. One thread does; the others read on with the offset there is.
    fn look(&self, passed: u64) {
        let Some(mut looked_at) = self.looking() else {
            return;
        };
        let ahead = self.reading(passed) - signed(self.source.wall());
        let slack = signed(passed.saturating_sub(*looked_at) / SLOWER);
        self.offset.fetch_sub(ahead.min(slack), Relaxed);
        *looked_at = passed;
        self.look_at.store(passed.saturating_add(micros(LOOK_EVERY.as_millis())), Relaxed);
    }

    fn looking(&self) -> Option<MutexGuard<'_, u64>> {
        match self.looked_at.try_lock() {
            Ok(guard) => Some(guard),
            // One integer, always whole: nothing that a panic could have left half done.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Source {
    fn passed(&self) -> u64 {
        match self {
            Self::Manual { passed, .. } => passed.load(Relaxed),
            Self::System { since } => {
                u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
            }
        }
    }

    fn wall(&self) -> u64 {
        match self {
            Self::Manual { wall, .. } => wall.load(Relaxed),
            Self::System { .. } => {
                #[expect(clippy::disallowed_methods, reason = "this is the store's clock")]
                let now = SystemTime::now();
                // A wall before 1970 is behind everything; so is the epoch.
                let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
            }
        }
    }
}

const fn micros(millis: u64) -> u64 {
    millis.saturating_mul(1000)
}

/// Half the range is 292,000 years; beyond it all instants are the same one.
fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}
