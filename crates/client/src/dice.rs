//! Where jitter comes from: a generator that differs in each process, or one that tests repeat.
//!
//! `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA
//! 2014). It spreads callers in time and would be wrong for anything secret.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Uniform integers.
#[derive(Debug)]
pub(crate) struct Dice {
    state: AtomicU64,
}

impl Dice {
    /// Other integers in each process: the standard library's hash maps are seeded by the system.
    pub(crate) fn fresh() -> Self {
        Self::seeded(RandomState::new().hash_one("jitter"))
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// The next integer; every one is equally likely.
    pub(crate) fn roll(&self) -> u64 {
        let state = self.state.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ (state >> 31)
    }
}

/// The golden ratio in 64 bits.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs for seed 1234567, as in the generator's reference tests.
    #[test]
    fn the_dice_are_those_of_the_paper() {
        let dice = Dice::seeded(1_234_567);
        let first = [dice.roll(), dice.roll(), dice.roll()];
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn two_clients_do_not_come_back_together() {
        assert_ne!(Dice::fresh().roll(), Dice::fresh().roll());
    }
}
