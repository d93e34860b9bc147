//! How much of whatever a limit counts.

/// Of whatever a limit counts; the decision core never knows which unit it is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One request, one stream, one slot.
    pub const ONE: Self = Self(1);
    /// More than any limit allows.
    pub const MAX: Self = Self(u64::MAX);

    /// `units` of whatever is counted.
    pub const fn new(units: u64) -> Self {
        Self(units)
    }

    /// How many units.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Both together, saturating: a limit that overflows refuses, it does not wrap.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of `self` after `other`, or nothing.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
