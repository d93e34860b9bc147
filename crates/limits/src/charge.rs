//! What one request asks of the meters: the narrow waist between policy and the decision.
//!
//! Before it are keys, tiers, prices, tokenizers and time zones; after it are integers. A charge
//! has no name: a refusal speaks of positions, and whoever made the list knows what they are
//! called. Wrong here would be anything that knows a unit, a subject or a protocol.

use alloc::vec::Vec;
use core::fmt;

use tollgate_units::Amount;

use crate::Rule;

/// The most charges one request may bring: every limit of every owner, with room to spare.
pub const CHARGES_MAX: usize = 64;

/// Which meter: the identity of a limit and its subject, hashed.
///
/// It says nothing of the amount, so changing 20 to 30 a minute keeps what is used.
// Two halves instead of one `u128`: the same bits at half the alignment keep a store's cell small.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MeterId {
    high: u64,
    low: u64,
}

impl MeterId {
    /// The meter that these bits name.
    pub const fn new(bits: u128) -> Self {
        let [high, low] = halves(bits);
        Self { high, low }
    }

    /// The bits it was made of.
    pub const fn get(self) -> u128 {
        ((self.high as u128) << 64) | self.low as u128
    }
}

/// Which reservation: unique in one store for as long as any of its meters lives.
///
/// It is the slot of an at-once charge.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReservationId(u64);

impl ReservationId {
    /// The reservation of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What a charge asks for at stretch `x`: `ceil((fixed + each × x) / per)`.
///
/// Requests are `exactly(1)`. Tokens have `fixed` = input, `each` = n, `per` = 1. Money has
/// pico-dollars in `fixed` and `each`, and `per` = 1000, so the one rounding to nano-dollars
/// happens here, upwards. Tool calls are known only `afterwards()`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Demand {
    /// Needed whatever the stretch.
    pub fixed: u128,
    /// Needed for each unit of the stretch.
    pub each: u128,
    /// How many of these make one unit of the meter; zero is read as one.
    pub per: u32,
    /// How much must have room, should that be more than is taken.
    pub room: Amount,
}

impl Demand {
    /// The same amount at every stretch.
    pub const fn exactly(amount: Amount) -> Self {
        Self { fixed: amount.get() as u128, each: 0, per: 1, room: Amount::ZERO }
    }

    /// What is known only when it has been used: it takes nothing beforehand, and is refused once
    /// there is no room for one.
    pub const fn afterwards() -> Self {
        Self { room: Amount::ONE, ..Self::exactly(Amount::ZERO) }
    }

    /// What must have room at this stretch.
    pub fn asked(&self, stretch: u64) -> Amount {
        self.at(stretch).max(self.room)
    }

    /// The amount at this stretch, rounded up; more than any limit holds saturates.
    pub fn at(&self, stretch: u64) -> Amount {
        let wanted = self.fixed.saturating_add(self.each.saturating_mul(u128::from(stretch)));
        Amount::new(u64::try_from(wanted.div_ceil(self.per())).unwrap_or(u64::MAX))
    }

    /// The largest stretch at which no more than `left` is asked for, or none when there is none.
    pub(crate) fn reach(&self, left: Amount) -> Option<u64> {
        if left < self.room {
            return None;
        }
        let units = u128::from(left.get()) * self.per();
        let flexible = units.checked_sub(self.fixed)?;
        let reach = flexible.checked_div(self.each).unwrap_or(u128::MAX);
        Some(u64::try_from(reach).unwrap_or(u64::MAX))
    }

    fn per(&self) -> u128 {
        u128::from(self.per.max(1))
    }
}

/// One meter, the rule it counts by, and what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charge {
    /// Whose state.
    pub meter: MeterId,
    /// How it counts, and how much it may hold.
    pub rule: Rule,
    /// How much is asked.
    pub demand: Demand,
}

/// How far the flexible part of a request may go: output tokens an answer, when the caller named
/// no cap. The decision takes the largest that fits everywhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stretch {
    /// With less than this the request is refused.
    pub least: u64,
    /// More than this is not wanted.
    pub most: u64,
}

impl Stretch {
    /// A request that does not bend.
    pub const fn exactly(stretch: u64) -> Self {
        Self { least: stretch, most: stretch }
    }
}

/// All charges of one request, in the caller's order: meters are unique, the number is bounded.
#[derive(Clone, Debug, PartialEq)]
pub struct Charges {
    list: Vec<Charge>,
    stretch: Stretch,
}

impl Charges {
    /// Checks once what the decision relies on.
    ///
    /// # Errors
    ///
    /// When there are more than [`CHARGES_MAX`], when two name the same meter, or when the least
    /// stretch exceeds the most.
    pub fn new(list: Vec<Charge>, stretch: Stretch) -> Result<Self, ChargesError> {
        if list.len() > CHARGES_MAX {
            return Err(ChargesError::TooMany { count: list.len() });
        }
        if stretch.least > stretch.most {
            return Err(ChargesError::Stretch);
        }
        // At most 64 charges: comparing all pairs is cheaper than anything that allocates.
        for (second, charge) in list.iter().enumerate() {
            if let Some(first) = list.iter().take(second).position(|c| c.meter == charge.meter) {
                return Err(ChargesError::Twice { first, second });
            }
        }
        Ok(Self { list, stretch })
    }

    /// The charges in order.
    pub fn iter(&self) -> core::slice::Iter<'_, Charge> {
        self.list.iter()
    }

    /// The charge at this position.
    pub fn get(&self, position: usize) -> Option<&Charge> {
        self.list.get(position)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing is asked of any meter.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How far the request may bend.
    pub const fn stretch(&self) -> Stretch {
        self.stretch
    }
}

impl<'c> IntoIterator for &'c Charges {
    type Item = &'c Charge;
    type IntoIter = core::slice::Iter<'c, Charge>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Why a list of charges cannot be decided on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChargesError {
    /// The least stretch exceeds the most.
    Stretch,
    /// More than [`CHARGES_MAX`].
    TooMany {
        /// How many came.
        count: usize,
    },
    /// Two charges name the same meter.
    Twice {
        /// The position of the first.
        first: usize,
        /// The position of the second.
        second: usize,
    },
}

impl fmt::Display for ChargesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stretch => f.write_str("the least stretch exceeds the most"),
            Self::TooMany { count } => write!(f, "{count} charges, at most {CHARGES_MAX}"),
            Self::Twice { first, second } => {
                write!(f, "charges {first} and {second} name the same meter")
            }
        }
    }
}

impl core::error::Error for ChargesError {}

#[expect(clippy::cast_possible_truncation, reason = "each half is meant to be 64 bits")]
const fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}
