//! From a meter's id to its cell: 2,048 small hash tables of cell numbers.
//!
//! An id is a hash already, so its bits are the hash: no hasher, and nobody outside chooses them.
//! Small tables, because one that doubles moves all that it holds at once under the lock: of
//! three million entries a single table would make everyone wait a tenth of a second. An entry
//! is four bytes; its id stands in the cell. When it is wrong: ids that are not spread evenly
//! make one of the tables large.

use hashbrown::HashTable;
use tollgate_limits::MeterId;

/// How many bits of an id choose the table.
const PART_BITS: u32 = 11;

/// The tables; which cell has which id is asked of whoever keeps the cells.
#[derive(Debug)]
pub(crate) struct Index {
    parts: Box<[HashTable<u32>]>,
    len: usize,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { parts: (0..1 << PART_BITS).map(|_| HashTable::new()).collect(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn find(&self, id: MeterId, id_of: impl Fn(u32) -> MeterId) -> Option<u32> {
        self.parts[part(id)].find(hash(id), |&cell| id_of(cell) == id).copied()
    }

    /// Notes that `id`, which is not there yet, is in `cell`.
    pub(crate) fn insert(&mut self, id: MeterId, cell: u32, id_of: impl Fn(u32) -> MeterId) {
        self.parts[part(id)].insert_unique(hash(id), cell, |&cell| hash(id_of(cell)));
        self.len += 1;
    }

    /// Forgets `id`, which is in `cell`.
    pub(crate) fn remove(&mut self, id: MeterId, cell: u32) {
        if let Ok(entry) = self.parts[part(id)].find_entry(hash(id), |&other| other == cell) {
            entry.remove();
            self.len -= 1;
        }
    }
}

fn part(id: MeterId) -> usize {
    (id.get() >> (u128::BITS - PART_BITS)) as usize
}

/// The lower half; the part is chosen by the upper.
#[expect(clippy::cast_possible_truncation, reason = "the half that is meant")]
fn hash(id: MeterId) -> u64 {
    id.get() as u64
}
