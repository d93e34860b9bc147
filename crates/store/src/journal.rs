//! What is counted, on disk: one thread that writes what changed, in groups, off the hot path.
//!
//! ```text
//! every 25 ms   what changed since, in one transaction: survives a killed process
//! every 500 ms  the log is synced, on a second thread: survives a power cut
//! close         everything, synced, folded into one file: exact
//! ```
//!
//! A meter is written as it stands, so a hot one is written once a group however often it was
//! charged. The lock over the meters is held for [`BITE`] of them at a time, never over I/O.
//! A flush that fails leaves everything to be written and is tried again, at most a second
//! later; meanwhile the meters in memory decide as ever. When it is wrong: a machine that needs
//! longer than 75 ms to write a group makes a killed process forget that much more.

mod error;
mod file;
mod scribe;
mod syncer;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tollgate_limits::Meter;

pub use error::{CloseError, OpenError, Trouble};

use crate::clock::Clock;
use crate::memory::lock;
use crate::shelf::Shelf;
use file::File;
use scribe::Scribe;
use syncer::Syncer;

/// How often what changed is written.
pub const FLUSH_EVERY: Duration = Duration::from_millis(25);

/// How often what was written is synced.
pub const SYNC_EVERY: Duration = Duration::from_millis(500);

/// The longest pause before a flush that failed is tried again.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);

/// What happened to the journal, for the log and the metrics. Told on the journal's own thread.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum JournalEvent {
    /// A flush failed; nothing is forgotten, and it will be tried again.
    Failed(Trouble),
    /// What changed was written.
    Flushed {
        /// How many meters.
        meters: usize,
        /// How long it took.
        took: Duration,
    },
    /// The first flush that worked after one or more that failed; a `Flushed` follows.
    Recovered,
}

/// The journal's thread, and the way to end it.
#[derive(Debug)]
pub(crate) struct Journal {
    closing: SyncSender<SyncSender<Result<(), CloseError>>>,
    thread: JoinHandle<()>,
}

impl Journal {
    /// Opens the file, sets the clock and fills the shelf from it, and starts the thread.
    pub(crate) fn open(
        path: &Path,
        clock: &Clock,
        shelf: &Arc<Mutex<Shelf>>,
        report: impl Fn(JournalEvent) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let file = File::open(path)?;
        if let Some(last) = file.last_reading()?
            && !clock.resume(last)
        {
            tracing::warn!(
                journal_ms = last.as_millis(),
                clock_ms = clock.now().as_millis(),
                "the journal was written more than a day ahead of this machine's clock, which is \
                 believed instead"
            );
        }
        restore(&file, clock, shelf)?;
        let failed = |error: std::io::Error| OpenError::Unusable {
            path: path.to_owned(),
            detail: error.to_string(),
        };
        let syncer = Syncer::of(&file.log()).map_err(failed)?;
        let report = Box::new(report);
        let scribe = Scribe::new((file, syncer), Arc::clone(shelf), clock.clone(), report);
        let (closing, orders) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("tollgate-journal".to_owned())
            .spawn(move || run(scribe, &orders))
            .map_err(failed)?;
        Ok(Self { closing, thread })
    }

    /// Writes everything, syncs it and ends the thread; when that fails, it goes on trying.
    pub(crate) fn close(self) -> Result<(), (CloseError, Option<Self>)> {
        let (reply, outcome) = sync_channel(1);
        if self.closing.send(reply).is_err() {
            return Err((CloseError::Gone, None));
        }
        match outcome.recv() {
            Ok(Ok(())) => {
                // Waits until the file is let go, so that the next to open it can.
                self.thread.join().map_err(|_| (CloseError::Gone, None))
            }
            Ok(Err(error)) => Err((error, Some(self))),
            Err(_) => Err((CloseError::Gone, None)),
        }
    }
}

/// Fills the shelf from the file; what has ended by now stays out, and is removed there too.
fn restore(file: &File, clock: &Clock, shelf: &Mutex<Shelf>) -> Result<(), OpenError> {
    let mut shelf = lock(shelf);
    let now = clock.now();
    file.load(|row| {
        let meter = Meter::restored(&row.state).map_err(|error| error.to_string())?;
        shelf.restore(row.cell, row.id, meter, now);
        Ok(())
    })
}

fn run(mut scribe: Scribe, orders: &std::sync::mpsc::Receiver<SyncSender<Result<(), CloseError>>>) {
    let mut began = Instant::now();
    let mut pause = FLUSH_EVERY;
    loop {
        match orders.recv_timeout(pause.saturating_sub(began.elapsed())) {
            Ok(reply) => {
                let outcome = scribe.finish().map_err(CloseError::Failed);
                let done = outcome.is_ok();
                // Who asked waits for it; should they have gone, the file tells them.
                reply.send(outcome).ok();
                if done {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                began = Instant::now();
                // The pause doubles while the file cannot be written.
                pause = if scribe.tick() { FLUSH_EVERY } else { (pause * 2).min(RETRY_AFTER_MAX) };
            }
            Err(RecvTimeoutError::Disconnected) => {
                // Everybody has gone without a clean stop that worked: the last try.
                scribe.finish().ok();
                return;
            }
        }
    }
}
