//! Where the decision core finds its meters: cells, their index, and three sets of cells beside
//! them: those with something to write, those whose meter has a row in the journal's file, and
//! those whose row is of a meter that was dropped.
//!
//! ```text
//! touched --> unwritten --taken--> stored --ended--> gone --removed, or written over--> (none)
//! ```
//!
//! A meter that says nothing any more is dropped by whoever comes by: each reservation looks at
//! [`SWEEP`] cells for each of its charges, in a circle. So what has ended is at most about as
//! much as what lives, no decision does more than its share, and nothing ever stops for a walk
//! over all. When it is wrong: without any decision nothing is dropped; it is in nobody's way.

mod bits;
mod cells;
mod index;
#[cfg(test)]
mod tests;

use tollgate_limits::{Books, Charges, Meter, MeterId, Rule};
use tollgate_units::Timestamp;

use bits::Bits;
use cells::Cells;
use index::Index;

/// How many cells a reservation looks at for each of its charges.
const SWEEP: usize = 2;

/// How many cells may lie empty below a row of the file, beside as many as there are meters; one
/// further up is moved down.
const GAP_MAX: u32 = 65_536;

/// All meters of this process.
#[derive(Debug)]
pub(crate) struct Shelf {
    cells: Cells,
    index: Index,
    books: Books,
    journaled: bool,
    /// What the journal has not written as it stands.
    unwritten: Bits,
    /// Whose meter the file has a row for.
    stored: Bits,
    /// Whose row in the file is of a meter that was dropped, and is to be removed.
    gone: Bits,
    write_from: u32,
    sweep_from: u32,
    /// The latest time that anything was decided at.
    latest: Timestamp,
}

/// A meter as it stands, to be written, or as it was.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) cell: u32,
    pub(crate) id: MeterId,
    pub(crate) state: Vec<u8>,
}

impl Shelf {
    /// A shelf that nobody writes down.
    pub(crate) fn forgetful() -> Self {
        Self::new(false)
    }

    /// A shelf that notes what changes.
    pub(crate) fn journaled() -> Self {
        Self::new(true)
    }

    fn new(journaled: bool) -> Self {
        Self {
            cells: Cells::default(),
            index: Index::new(),
            books: Books::default(),
            journaled,
            unwritten: Bits::default(),
            stored: Bits::default(),
            gone: Bits::default(),
            write_from: 0,
            sweep_from: 0,
            latest: Timestamp::EPOCH,
        }
    }

    /// How many meters there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn balance(&self) -> Books {
        self.books
    }

    /// The time to decide at. Two threads may read the clock in one order and come here in the
    /// other; under the lock there is one order.
    pub(crate) fn at(&self, now: Timestamp) -> Timestamp {
        self.latest.max(now)
    }

    /// Begins a decision: brings its meters near, and does its share of sweeping.
    pub(crate) fn begin(&mut self, charges: &Charges, now: Timestamp) -> Timestamp {
        self.bring_near(charges);
        let now = self.end(now);
        self.sweep(charges.len() * SWEEP, now);
        now
    }

    /// Begins the ending of a reservation, which makes no meters and so sweeps none.
    pub(crate) fn end(&mut self, now: Timestamp) -> Timestamp {
        self.latest = self.at(now);
        self.latest
    }

    /// Finds all meters before any is decided on. Among a million, each is a walk through memory
    /// that is in no cache; in a row of nothing else the processor takes these walks together.
    fn bring_near(&self, charges: &Charges) {
        let cells = charges.iter().filter_map(|charge| self.cell_of(charge.meter));
        std::hint::black_box(cells.max());
    }

    /// Looks at the next so many cells, and drops the meters that say nothing any more.
    pub(crate) fn sweep(&mut self, looks: usize, now: Timestamp) {
        for _ in 0..looks.min(self.cells.len() as usize) {
            let cell = self.sweep_from;
            self.sweep_from = (cell + 1) % self.cells.len();
            if self.cells.meter(cell).is_some_and(|meter| meter.ends_at() <= now) {
                self.remove(cell);
            }
        }
    }

    /// Puts a meter back that the file has, in the order of the cells. What has ended stays out,
    /// and its row is removed.
    pub(crate) fn restore(&mut self, cell: u32, id: MeterId, meter: Meter, now: Timestamp) {
        let former = self.cell_of(id);
        let is_later = former
            .and_then(|former| self.cells.meter(former))
            .is_none_or(|former| former.ends_at() < meter.ends_at());
        if meter.ends_at() <= now || !is_later {
            self.gone.insert(cell);
            return;
        }
        // A row that was to be removed when the process was killed: the one that lasts counts.
        if let Some(former) = former {
            self.remove(former);
        }
        let in_place = cell >= self.cells.len() && cell - self.cells.len() <= self.gap_max();
        if in_place {
            self.cells.insert_at(cell, id, meter);
            self.list(id, cell);
            self.stored.insert(cell);
        } else {
            self.gone.insert(cell);
            let below = self.insert(id, meter);
            self.unwritten.insert(below);
        }
    }

    /// How much the journal has to do: meters to write, or rows to remove, whichever is more.
    pub(crate) fn unwritten(&self) -> usize {
        self.unwritten.len().max(self.gone.len())
    }

    /// Takes up to `most` meters that are to be written, going around so that none waits long.
    pub(crate) fn take_unwritten(&mut self, most: usize, rows: &mut Vec<Row>) {
        while rows.len() < most {
            let Some(cell) = self.unwritten.next_around(self.write_from) else {
                return;
            };
            self.unwritten.remove(cell);
            self.write_from = cell + 1;
            if let Some(meter) = self.cells.meter(cell) {
                rows.push(Row { cell, id: self.cells.id(cell), state: meter.saved() });
                self.stored.insert(cell);
                self.gone.remove(cell);
            }
        }
    }

    /// The writing of what was taken failed: unless it was dropped since, it is to be written.
    pub(crate) fn write_again(&mut self, cell: u32, id: MeterId) {
        if self.cells.meter(cell).is_some() && self.cells.id(cell) == id {
            self.unwritten.insert(cell);
        }
    }

    /// What was written may be lost: all of it is to be written again.
    pub(crate) fn write_everything(&mut self) {
        self.unwritten.insert_all(&self.stored);
    }

    /// Takes up to `most` cells whose rows are to be removed.
    pub(crate) fn take_gone(&mut self, most: usize, cells: &mut Vec<u32>) {
        while cells.len() < most {
            let Some(cell) = self.gone.next_around(0) else {
                return;
            };
            self.gone.remove(cell);
            cells.push(cell);
        }
    }

    /// The removal of what was taken failed.
    pub(crate) fn remove_again(&mut self, cell: u32) {
        self.gone.insert(cell);
    }

    fn cell_of(&self, id: MeterId) -> Option<u32> {
        self.index.find(id, |cell| self.cells.id(cell))
    }

    fn insert(&mut self, id: MeterId, meter: Meter) -> u32 {
        let cell = self.cells.insert(id, meter);
        self.list(id, cell);
        cell
    }

    fn list(&mut self, id: MeterId, cell: u32) {
        let cells = &self.cells;
        self.index.insert(id, cell, |cell| cells.id(cell));
    }

    fn remove(&mut self, cell: u32) {
        self.index.remove(self.cells.id(cell), cell);
        self.cells.remove(cell);
        self.unwritten.remove(cell);
        if self.stored.has(cell) {
            self.stored.remove(cell);
            self.gone.insert(cell);
        }
    }

    /// A meter that is about to change.
    fn write(&mut self, cell: u32, rule: &Rule) -> &mut Meter {
        // The slots of at-once limits die with the process that holds them.
        if self.journaled && !matches!(rule, Rule::AtOnce { .. }) {
            self.unwritten.insert(cell);
        }
        self.cells.meter_mut(cell)
    }

    fn gap_max(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX).saturating_add(GAP_MAX)
    }
}

impl tollgate_limits::Shelf for Shelf {
    fn look(&self, id: MeterId) -> Option<&Meter> {
        self.cells.meter(self.cell_of(id)?)
    }

    fn touch(&mut self, id: MeterId, rule: &Rule) -> &mut Meter {
        let found = self.cell_of(id);
        let cell = found.unwrap_or_else(|| self.insert(id, Meter::default()));
        self.write(cell, rule)
    }

    fn find(&mut self, id: MeterId, rule: &Rule) -> Option<&mut Meter> {
        let cell = self.cell_of(id)?;
        Some(self.write(cell, rule))
    }

    fn books(&mut self) -> &mut Books {
        &mut self.books
    }
}
