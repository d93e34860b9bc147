//! Searches, where a provider sells those and not tokens.

/// Searches as a provider bills them: a ranking of up to so many documents is one, of more it is
/// several.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Searches(u64);

impl Searches {
    /// `count` searches.
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// How many.
    pub const fn get(self) -> u64 {
        self.0
    }
}
