//! Writes what changed: takes it from the shelf in bites, puts it into the file in groups.
//!
//! No thread in here, so that tests decide when it writes. A group is bounded, so that what was
//! written early in a long flush is not lost to a kill that comes late in it. When it is wrong:
//! see the journal.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tollgate_limits::MeterId;

use super::error::Trouble;
use super::file::File;
use super::syncer::Syncer;
use super::{JournalEvent, SYNC_EVERY};
use crate::clock::Clock;
use crate::memory::lock;
use crate::shelf::{Row, Shelf};

/// How many meters are taken at a time, under the lock.
pub(crate) const BITE: usize = 128;

/// How many meters are written in one transaction.
pub(crate) const GROUP: usize = 2048;

/// How many cells are looked at for meters that have ended, at each tick: a gate that nobody
/// uses still forgets what it should.
const SWEEP: usize = 256;

pub(crate) struct Scribe {
    file: File,
    shelf: Arc<Mutex<Shelf>>,
    clock: Clock,
    report: Box<dyn Fn(JournalEvent) + Send>,
    failing: bool,
    syncer: Syncer,
    /// Something was committed since the last sync was asked for.
    unsynced: bool,
    asked_at: Instant,
    bite: Vec<Row>,
    /// What the transaction holds, to be written again should it fail.
    group: Vec<(u32, MeterId)>,
    gone: Vec<u32>,
}

impl Scribe {
    pub(crate) fn new(
        (file, syncer): (File, Syncer),
        shelf: Arc<Mutex<Shelf>>,
        clock: Clock,
        report: Box<dyn Fn(JournalEvent) + Send>,
    ) -> Self {
        Self {
            file,
            syncer,
            shelf,
            clock,
            report,
            failing: false,
            unsynced: false,
            asked_at: Instant::now(),
            bite: Vec::with_capacity(BITE),
            group: Vec::with_capacity(GROUP),
            gone: Vec::with_capacity(GROUP),
        }
    }

    /// Writes what changed, and has it synced when it is time for that. Whether all went well.
    pub(crate) fn tick(&mut self) -> bool {
        lock(&self.shelf).sweep(SWEEP, self.clock.now());
        let outcome = self.syncer.outcome();
        self.synced(outcome) && self.flush(false).is_ok()
    }

    /// Writes everything, synced, and folds the log away.
    pub(crate) fn finish(&mut self) -> Result<(), Trouble> {
        let outcome = self.syncer.wait();
        self.synced(outcome);
        self.flush(true)?;
        self.file.fold().inspect_err(|trouble| self.failed(trouble))
    }

    /// Has what was committed synced, if it is time for that by `now`.
    pub(crate) fn sync_when_due(&mut self, now: Instant) -> Result<(), Trouble> {
        if !self.unsynced || now.saturating_duration_since(self.asked_at) < SYNC_EVERY {
            return Ok(());
        }
        self.file.still_there()?;
        if self.syncer.ask() {
            self.unsynced = false;
            self.asked_at = now;
        }
        Ok(())
    }

    /// A sync has ended. What a disk has not taken it may have thrown away, so after one that
    /// failed everything is to be written again.
    fn synced(&mut self, outcome: Option<Result<(), Trouble>>) -> bool {
        let Some(Err(trouble)) = outcome else {
            return true;
        };
        self.failed(&trouble);
        lock(&self.shelf).write_everything();
        false
    }

    /// Writes as many groups as there is work when it begins: newcomers wait for the next tick,
    /// so that a flush ends under any load. With `finally`, the last of them is synced.
    fn flush(&mut self, finally: bool) -> Result<(), Trouble> {
        let began = Instant::now();
        let mut meters = 0;
        let mut left = lock(&self.shelf).unwritten();
        while left > 0 || self.failing || finally {
            let last = left <= GROUP;
            let written = self.group(finally && last);
            let due = self.sync_when_due(Instant::now());
            meters += written
                .and_then(|written| due.map(|()| written))
                .inspect_err(|trouble| self.failed(trouble))?;
            if last {
                break;
            }
            left -= GROUP;
        }
        self.succeeded(meters, began.elapsed());
        Ok(())
    }

    /// One transaction: all of it is written, or all of it is to be written again.
    fn group(&mut self, synced: bool) -> Result<usize, Trouble> {
        let outcome = self.write_group(synced);
        if outcome.is_err() {
            self.file.roll_back();
            let mut meters = lock(&self.shelf);
            for (cell, id) in self.group.drain(..) {
                meters.write_again(cell, id);
            }
            self.gone.drain(..).for_each(|cell| meters.remove_again(cell));
        }
        self.unsynced |= outcome.is_ok() && !synced;
        self.group.clear();
        self.gone.clear();
        outcome
    }

    fn write_group(&mut self, synced: bool) -> Result<usize, Trouble> {
        self.file.begin(synced)?;
        while self.group.len() < GROUP {
            lock(&self.shelf).take_unwritten(BITE, &mut self.bite);
            if self.bite.is_empty() {
                break;
            }
            // All of the bite first: should one row fail, the others are not forgotten.
            self.group.extend(self.bite.iter().map(|row| (row.cell, row.id)));
            for row in self.bite.drain(..) {
                self.file.put(&row)?;
            }
        }
        lock(&self.shelf).take_gone(GROUP, &mut self.gone);
        for cell in &self.gone {
            self.file.remove(*cell)?;
        }
        // Read after the last meter was taken: no meter is from a later time than this.
        self.file.commit(self.clock.now())?;
        Ok(self.group.len())
    }

    fn failed(&mut self, trouble: &Trouble) {
        self.failing = true;
        (self.report)(JournalEvent::Failed(trouble.clone()));
    }

    fn succeeded(&mut self, meters: usize, took: Duration) {
        if std::mem::take(&mut self.failing) {
            (self.report)(JournalEvent::Recovered);
        }
        if meters > 0 {
            (self.report)(JournalEvent::Flushed { meters, took });
        }
    }

    #[cfg(test)]
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl fmt::Debug for Scribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scribe").field("file", &self.file).finish_non_exhaustive()
    }
}
