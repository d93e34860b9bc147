//! Syncs the log on a thread of its own, so that no flush waits for the disk.
//!
//! A commit of SQLite's that syncs takes as long as the disk likes, a third of a second on a busy
//! one, and what is admitted meanwhile would be lost to a kill. So commits only write, and this
//! thread syncs the same log behind them: what was committed before it was asked is on disk when
//! it answers. When it is wrong: folding the log back into the database syncs within a commit
//! still, once every four megabytes.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use super::error::Trouble;

/// The thread, and whether it is at work.
#[derive(Debug)]
pub(crate) struct Syncer {
    orders: SyncSender<()>,
    outcomes: Receiver<io::Result<()>>,
    is_busy: bool,
}

impl Syncer {
    /// Syncs the file at this path whenever it is asked to.
    pub(crate) fn of(log: &Path) -> io::Result<Self> {
        let log = std::fs::File::open(log)?;
        Self::start(move || log.sync_data())
    }

    pub(crate) fn start(sync: impl Fn() -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (orders, ordered) = sync_channel(1);
        let (done, outcomes) = sync_channel(1);
        let work = move || {
            while ordered.recv().is_ok() && done.send(sync()).is_ok() {}
        };
        std::thread::Builder::new().name("tollgate-sync".to_owned()).spawn(work)?;
        Ok(Self { orders, outcomes, is_busy: false })
    }

    /// Asks for a sync of what is committed by now. Whether it was free to begin one.
    pub(crate) fn ask(&mut self) -> bool {
        if self.is_busy {
            return false;
        }
        // Should the thread have ended, the answer says so.
        self.orders.send(()).ok();
        self.is_busy = true;
        true
    }

    /// How the sync went that was asked for, if it has ended.
    pub(crate) fn outcome(&mut self) -> Option<Result<(), Trouble>> {
        if !self.is_busy {
            return None;
        }
        match self.outcomes.try_recv() {
            Ok(outcome) => Some(self.ended(outcome)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(self.ended(Err(gone()))),
        }
    }

    /// As `outcome`, once it has ended.
    pub(crate) fn wait(&mut self) -> Option<Result<(), Trouble>> {
        if !self.is_busy {
            return None;
        }
        let outcome = self.outcomes.recv().unwrap_or_else(|_| Err(gone()));
        Some(self.ended(outcome))
    }

    fn ended(&mut self, outcome: io::Result<()>) -> Result<(), Trouble> {
        self.is_busy = false;
        outcome.map_err(|error| Trouble { op: "sync", message: error.to_string() })
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that syncs has ended")
}
