//! The store's double entry: what went in equals what came out and what is still held.
//!
//! Two equations must hold after any history, and a store can check them at any time. Amounts of
//! different units are added up together: that says nothing of the units, and everything of the
//! bookkeeping.

/// Sums over all reservations that a store has seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Books {
    /// How many reservations were made.
    pub reserved_count: u64,
    /// How many were settled.
    pub settled_count: u64,
    /// How many were voided.
    pub voided_count: u64,
    /// How many were forgotten by their holder.
    pub expired_count: u64,
    /// How many have not ended yet.
    pub held_count: u64,
    /// What reservations took when they were made.
    pub reserved: u128,
    /// What rebooking took besides.
    pub extended: u128,
    /// What settlements took besides, because more was used than was reserved.
    pub debt: u128,
    /// What was used, as settlements said.
    pub used: u128,
    /// What was not used and came back.
    pub refunded: u128,
    /// What was not used and could not come back: its window had passed, or it had drained. A
    /// bucket's fractions of a unit are counted here, though they did come back.
    pub forfeited: u128,
    /// What is reserved and has not ended yet.
    pub held: u128,
}

impl Books {
    /// By count: reserved = settled + voided + expired + held. By amount:
    /// reserved + extended + debt = used + refunded + forfeited + held.
    pub fn balance(&self) -> bool {
        let ended = [self.settled_count, self.voided_count, self.expired_count, self.held_count];
        let into = [self.reserved, self.extended, self.debt];
        let out = [self.used, self.refunded, self.forfeited, self.held];
        self.reserved_count == ended.iter().sum() && into.iter().sum::<u128>() == out.iter().sum()
    }

    pub(crate) fn open(&mut self) {
        self.reserved_count += 1;
        self.held_count += 1;
    }

    pub(crate) fn close(&mut self, ending: Ending) {
        self.held_count -= 1;
        match ending {
            Ending::Expired => self.expired_count += 1,
            Ending::Settled => self.settled_count += 1,
            Ending::Voided => self.voided_count += 1,
        }
    }
}

/// How a reservation ends; each ends in exactly one of these.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    Expired,
    Settled,
    Voided,
}
