//! Meters in chunks of cells, so that growing copies nothing and a number finds a cell.
//!
//! A free cell keeps the number of the next free one in place of its id. Chunks are never given
//! back: what was needed once is needed again. When it is wrong: after a flood of subjects that
//! never returns, the cells it filled stay allocated (their meters do not).

use tollgate_limits::{Meter, MeterId};

/// Cells in a chunk.
const CHUNK: u32 = 1024;

/// All cells.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    chunks: Vec<Vec<Cell>>,
    /// How many cells there are, free ones included.
    len: u32,
    free: Option<u32>,
}

#[derive(Debug)]
struct Cell {
    id: MeterId,
    meter: Option<Meter>,
}

// A million subjects of three limits are 168 MB of these.
const _: () = assert!(size_of::<Cell>() <= 56);

impl Cells {
    /// How many cells there are, free ones included.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The id of a cell that is not free.
    pub(crate) fn id(&self, cell: u32) -> MeterId {
        self.cell(cell).id
    }

    pub(crate) fn meter(&self, cell: u32) -> Option<&Meter> {
        self.cell(cell).meter.as_ref()
    }

    /// The meter of a cell that is not free.
    pub(crate) fn meter_mut(&mut self, cell: u32) -> &mut Meter {
        let (chunk, at) = place(cell);
        self.chunks[chunk][at].meter.get_or_insert_default()
    }

    /// Takes a free cell, or makes one.
    pub(crate) fn insert(&mut self, id: MeterId, meter: Meter) -> u32 {
        let filled = Cell { id, meter: Some(meter) };
        if let Some(cell) = self.free {
            let (chunk, at) = place(cell);
            self.free = u32::try_from(self.chunks[chunk][at].id.get()).ok();
            self.chunks[chunk][at] = filled;
            return cell;
        }
        self.push(filled)
    }

    /// Makes the cell of this number, which is not there yet, and those before it.
    pub(crate) fn insert_at(&mut self, cell: u32, id: MeterId, meter: Meter) {
        while self.len < cell {
            let empty = self.empty();
            self.free = Some(self.push(empty));
        }
        self.push(Cell { id, meter: Some(meter) });
    }

    /// Empties a cell.
    pub(crate) fn remove(&mut self, cell: u32) {
        let (chunk, at) = place(cell);
        self.chunks[chunk][at] = self.empty();
        self.free = Some(cell);
    }

    /// A free cell, before the others that are.
    fn empty(&self) -> Cell {
        Cell { id: MeterId::new(self.free.map_or(u128::MAX, u128::from)), meter: None }
    }

    fn push(&mut self, cell: Cell) -> u32 {
        let (chunk, _) = place(self.len);
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK as usize));
        }
        self.chunks[chunk].push(cell);
        self.len += 1;
        self.len - 1
    }

    fn cell(&self, cell: u32) -> &Cell {
        let (chunk, at) = place(cell);
        &self.chunks[chunk][at]
    }
}

fn place(cell: u32) -> (usize, usize) {
    ((cell / CHUNK) as usize, (cell % CHUNK) as usize)
}
