//! Dice: seeded random numbers, so that a run can be repeated.
//!
//! `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014) in a few lines: the same seed gives the same
//! throws on every machine and in every version of every dependency, which a crate's "small rng"
//! does not promise. It is wrong wherever somebody gains by guessing: nothing here is secret.

/// A source of numbers that looks random and repeats exactly.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The dice of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The dice of one thing among many: the same for the same pair, unlike for another `number`.
    pub const fn of(seed: u64, number: u64) -> Self {
        Self { state: mixed(seed ^ mixed(number.wrapping_add(GOLDEN))) }
    }

    /// The next 64 bits.
    pub const fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mixed(self.state)
    }

    /// A number below `end`, or zero when `end` is zero. Uneven by less than `end / 2^64`.
    pub const fn below(&mut self, end: u64) -> u64 {
        let wide = self.roll() as u128 * end as u128;
        high_half(wide)
    }

    /// A number from `least` to `most`, both included.
    pub const fn between(&mut self, least: u64, most: u64) -> u64 {
        least.saturating_add(self.below(most.saturating_sub(least).saturating_add(1)))
    }

    /// Yes, `share` times in a thousand.
    pub const fn in_thousand(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }
}

/// Callers drawn so that the `n`-th most frequent one comes 1/n as often as the first.
#[derive(Clone, Debug)]
pub struct Zipf {
    /// Running sums of weights; the last is the whole.
    sums: Vec<u64>,
}

impl Zipf {
    /// A draw among `callers` callers (at most [`CALLERS_MAX`]), numbered from zero.
    pub fn new(callers: usize) -> Self {
        let mut sum = 0_u64;
        let ranks = 1..=callers.clamp(1, CALLERS_MAX) as u64;
        let sums = ranks.map(|rank| {
            sum += WEIGHT / rank;
            sum
        });
        Self { sums: sums.collect() }
    }

    /// The number of the next caller.
    pub fn draw(&self, dice: &mut Dice) -> usize {
        let whole = self.sums.last().copied().unwrap_or(1);
        let at = dice.below(whole);
        self.sums.partition_point(|&sum| sum <= at)
    }
}

/// The most callers that a draw can be among.
pub const CALLERS_MAX: usize = 1_000_000;

/// The weight of the most frequent caller: large, so that the millionth still has one.
const WEIGHT: u64 = 1 << 32;

/// The odd number nearest 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

const fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

const fn high_half(wide: u128) -> u64 {
    (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_throws_are_those_of_the_published_generator() {
        // The first values of SplitMix64 for the seed 1234567, as its reference code prints them.
        let mut dice = Dice::new(1_234_567);
        let throws = [dice.roll(), dice.roll(), dice.roll()];
        let published =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(throws, published);
    }

    #[test]
    fn a_number_stays_within_its_bounds() {
        let mut dice = Dice::new(1);
        for _ in 0..1000 {
            let number = dice.between(3, 7);
            assert!((3..=7).contains(&number), "{number} with seed 1");
        }
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.between(5, 5), 5);
    }

    #[test]
    fn the_second_caller_comes_half_as_often_as_the_first() {
        let zipf = Zipf::new(100);
        let mut dice = Dice::new(7);
        let mut counts = vec![0_u32; 100];
        for _ in 0..100_000 {
            counts[zipf.draw(&mut dice)] += 1;
        }
        let (first, second) = (counts[0], counts[1]);
        assert!(first.abs_diff(2 * second) < first / 10, "{first} and {second} with seed 7");
        assert!(counts[99] > 0, "the last caller comes too, with seed 7");
    }
}
