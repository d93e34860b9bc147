//! What a reservation left behind in the meters, so that it can be corrected.
//!
//! A mark carries its rule, because settling needs to know which slot debt goes to, or how fast the
//! level drains, at a time when the policy that made the charge may be gone. One mark a charge is
//! enough: a rebooking that raises a charge moves what can still be moved to the present.

use alloc::vec::Vec;

use tollgate_units::Amount;

use crate::meter::Place;
use crate::{MeterId, ReservationId, Rule};

/// What the charges of one reservation left behind, by position. Not to be copied: it ends once.
#[derive(Debug, PartialEq)]
#[must_use = "marks end in `settle`, `void` or `expire`; dropped, they are held for ever"]
pub struct Marks {
    pub(crate) id: ReservationId,
    pub(crate) list: Vec<Mark>,
}

/// What one charge left behind.
#[derive(Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) meter: MeterId,
    pub(crate) rule: Rule,
    /// What the charge holds in all.
    pub(crate) reserved: Amount,
    /// The part of it that lies at `place`. The rest was rebooked after it had drained, or after
    /// its window had passed: it stays spent there.
    pub(crate) own: Amount,
    pub(crate) place: Place,
}

impl Marks {
    /// Whose marks they are.
    pub const fn id(&self) -> ReservationId {
        self.id
    }

    /// How many charges were made.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing was charged.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How much the charge at this position holds.
    pub fn reserved(&self, position: usize) -> Amount {
        self.list.get(position).map_or(Amount::ZERO, |mark| mark.reserved)
    }

    /// How much is held on this meter.
    pub(crate) fn held_on(list: &[Mark], meter: MeterId) -> Amount {
        let mark = list.iter().find(|mark| mark.meter == meter);
        mark.map_or(Amount::ZERO, |mark| mark.reserved)
    }
}
