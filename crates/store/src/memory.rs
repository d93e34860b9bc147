//! Meters in this process: one short lock over all of them, and a journal if they are to last.
//!
//! One lock, because a request is charged on several meters at once and all of them must be
//! looked at before any is written; a decision is well under a microsecond, so two million a
//! second pass one after the other, and shards wait until a measurement asks for them. A panic
//! under the lock does not stop the gate: the decisions look before they write, and what they
//! write are integers, so the value under a poisoned lock is taken as it is. When it is wrong:
//! several gateways that should count together each count alone.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tollgate_limits::{
    Books, Charge, Charges, Denied, Marks, ReservationId, Settlement, Standing, peek, rebook,
    reserve, reset, settle, void,
};
use tollgate_units::Amount;

use crate::clock::Clock;
use crate::journal::{CloseError, Journal, JournalEvent, OpenError};
use crate::reservation::Reservation;
use crate::shelf::Shelf;

/// All meters of this process, and the journal that remembers them.
#[derive(Debug)]
pub struct Memory {
    shelf: Arc<Mutex<Shelf>>,
    clock: Clock,
    next_id: AtomicU64,
    journal: Mutex<Option<Journal>>,
}

impl Memory {
    /// Meters that forget everything when the process ends.
    pub fn new(clock: Clock) -> Arc<Self> {
        Self::of(Arc::new(Mutex::new(Shelf::forgetful())), clock, None)
    }

    /// Meters that are journaled to the file at `path`, with what it remembers. What happens to
    /// the journal is told to `report`, on the journal's thread: it must not panic, nor hold
    /// this store.
    ///
    /// # Errors
    /// When the file cannot be trusted to remember; see [`OpenError`].
    pub fn open(
        path: &Path,
        clock: Clock,
        report: impl Fn(JournalEvent) + Send + 'static,
    ) -> Result<Arc<Self>, OpenError> {
        let shelf = Arc::new(Mutex::new(Shelf::journaled()));
        let journal = Journal::open(path, &clock, &shelf, report)?;
        Ok(Self::of(shelf, clock, Some(journal)))
    }

    /// Takes the charges from every meter that they name, or from none.
    ///
    /// # Errors
    /// Every limit that refused, by its position in the charges.
    pub fn reserve(self: &Arc<Self>, charges: Charges) -> Result<Reservation, Denied> {
        let id = ReservationId::new(self.next_id.fetch_add(1, Relaxed));
        let now = self.clock.now();
        let mut meters = lock(&self.shelf);
        let now = meters.begin(&charges, now);
        let held = reserve(&mut *meters, &charges, id, now)?;
        drop(meters);
        Ok(Reservation {
            store: Arc::clone(self),
            charges,
            marks: Some(held.marks),
            stretch: held.stretch,
            standings: held.standings,
            known: None,
        })
    }

    /// What `reserve` would say, and how the meters stand; takes nothing.
    ///
    /// # Errors
    /// Every limit that would refuse, by its position in the charges.
    pub fn peek(&self, charges: &Charges) -> Result<(u64, Vec<Standing>), Denied> {
        let now = self.clock.now();
        let meters = lock(&self.shelf);
        peek(&*meters, charges, meters.at(now))
    }

    /// Forgets what is used of a charge's meter, and keeps what is held. How much that was.
    pub fn reset(&self, charge: &Charge) -> Amount {
        let now = self.clock.now();
        let mut meters = lock(&self.shelf);
        let now = meters.end(now);
        reset(&mut *meters, charge.meter, &charge.rule, now)
    }

    /// What was reserved, settled, voided and is held, since this process started.
    pub fn books(&self) -> Books {
        lock(&self.shelf).balance()
    }

    /// How many meters there are.
    pub fn meters(&self) -> usize {
        lock(&self.shelf).len()
    }

    /// The clock that decides.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A clean stop: everything is written and synced, and the file let go; a restart knows
    /// exactly what was known here. Reservations that end later do so in memory only, so let
    /// them end before. Done again, it says the same; blocks for as long as the disk does.
    ///
    /// # Errors
    /// When the last flush failed. The journal goes on trying until this is called again.
    pub fn close(&self) -> Result<(), CloseError> {
        let mut journal = lock(&self.journal);
        let Some(open) = journal.take() else {
            return Ok(());
        };
        open.close().map_err(|(error, still_open)| {
            *journal = still_open;
            error
        })
    }

    pub(crate) fn rebook(&self, held: &mut Reservation, charges: Charges) -> Result<(), Denied> {
        let Some(marks) = held.marks.as_mut() else {
            return Ok(());
        };
        let now = self.clock.now();
        let mut meters = lock(&self.shelf);
        let now = meters.begin(&charges, now);
        let rebooked = rebook(&mut *meters, marks, &charges, now)?;
        drop(meters);
        let meters = charges.iter().map(|charge| charge.meter);
        if !held.charges.iter().map(|charge| charge.meter).eq(meters) {
            held.known = None;
        }
        held.stretch = rebooked.stretch;
        held.standings = rebooked.standings;
        held.charges = charges;
        Ok(())
    }

    pub(crate) fn settle(&self, marks: Marks, used: &[Amount]) -> Settlement {
        let now = self.clock.now();
        let mut meters = lock(&self.shelf);
        let now = meters.end(now);
        settle(&mut *meters, marks, used, now)
    }

    pub(crate) fn void(&self, marks: Marks) {
        let now = self.clock.now();
        let mut meters = lock(&self.shelf);
        let now = meters.end(now);
        void(&mut *meters, marks, now);
    }

    fn of(shelf: Arc<Mutex<Shelf>>, clock: Clock, journal: Option<Journal>) -> Arc<Self> {
        // A million a millisecond: no two lives of a gateway give the same id twice.
        let next_id = AtomicU64::new(clock.now().as_millis() << 20);
        Arc::new(Self { shelf, clock, next_id, journal: Mutex::new(journal) })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the meters were dropped, and their journal is not complete");
        }
    }
}

/// Locks, whatever happened to those who held it before; see the top of this file.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
