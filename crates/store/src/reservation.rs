//! What one request holds on its meters, as a value that must be consumed.
//!
//! Dropped, it settles what is known to be used by then, and is void while nothing is: a request
//! that vanishes at any `await` gives back what it took and pays for what it used. When it is
//! wrong: `std::mem::forget` leaves a slot taken for as long as the process lives.

use std::sync::Arc;

use tollgate_limits::{
    Charge, Charges, Demand, Denied, Marks, Settlement, SettlementKind, Standing, Stretch,
};
use tollgate_units::Amount;

use crate::memory::Memory;

/// What one request holds on its meters.
#[derive(Debug)]
#[must_use = "a reservation ends in `settle`, or settles what it knows when dropped"]
pub struct Reservation {
    pub(crate) store: Arc<Memory>,
    pub(crate) charges: Charges,
    pub(crate) marks: Option<Marks>,
    pub(crate) stretch: u64,
    pub(crate) standings: Vec<Standing>,
    pub(crate) known: Option<Vec<Amount>>,
}

impl Reservation {
    /// What is charged, in the order it was handed in.
    pub fn charges(&self) -> &Charges {
        &self.charges
    }

    /// How each meter stood right after it was charged, by the position of the charge.
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// How far the flexible part of the request may go: what the decision chose.
    pub fn stretch(&self) -> u64 {
        self.stretch
    }

    /// How much is held for the charge at `position`; zero where there is none.
    pub fn reserved(&self, position: usize) -> Amount {
        self.marks.as_ref().map_or(Amount::ZERO, |marks| marks.reserved(position))
    }

    /// What is used by now, by position: what dropping this value would settle.
    pub fn known(&mut self, used: Vec<Amount>) {
        self.known = Some(used);
    }

    /// Holds `charges` instead: an extension, a downgrade, a fallback. Refused, everything stays
    /// as it was. What was known is forgotten unless the charges are for the same meters in the
    /// same order, for it is known by position.
    ///
    /// # Errors
    /// Every limit that refused, by its position in the new charges.
    pub fn rebook(&mut self, charges: Charges) -> Result<(), Denied> {
        let store = Arc::clone(&self.store);
        store.rebook(self, charges)
    }

    /// Gives back now what is held at each position that `is_over`; everything else stays held, and
    /// what is known stays known. What was given back is not given back again at the end.
    pub fn release(&mut self, is_over: impl Fn(usize) -> bool) {
        let stays = |(at, charge): (usize, &Charge)| {
            let held = if is_over(at) { Amount::ZERO } else { self.reserved(at) };
            Charge { demand: Demand::exactly(held), ..*charge }
        };
        let list = self.charges.iter().enumerate().map(stays).collect();
        // Neither fails: the meters are the same, and none is asked for more than it holds.
        if let Ok(charges) = Charges::new(list, Stretch::exactly(self.stretch)) {
            let _ = self.rebook(charges);
        }
    }

    /// The provider's own word: refund or debt, never a refusal.
    pub fn settle(mut self, used: &[Amount]) -> Settlement {
        match self.marks.take() {
            Some(marks) => self.store.settle(marks, used),
            // Only an ending takes the marks, and it takes the reservation too.
            None => Settlement { kind: SettlementKind::Exact, debt: Vec::new() },
        }
    }

    /// Nothing was used: everything that still can comes back, and no request is counted.
    pub fn void(mut self) {
        self.known = None;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(marks) = self.marks.take() else {
            return;
        };
        match self.known.take() {
            Some(used) => drop(self.store.settle(marks, &used)),
            None => self.store.void(marks),
        }
    }
}
