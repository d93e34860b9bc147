//! Learned output sizes: what a model's answers usually come to.
//!
//! A histogram with four steps to the octave, so any size is known to a fifth of itself in 320
//! bytes, and halved whenever it is full, so that old answers fade. It serves estimates for people
//! (what a refused or downgraded request would have cost), never a bound: half of all answers are
//! longer than the median.

use tollgate_units::Tokens;

/// The output sizes of one model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sizes {
    counts: [u16; STEPS],
    total: u16,
}

impl Sizes {
    /// Of a model that has answered nothing yet.
    pub const fn new() -> Self {
        Self { counts: [0; STEPS], total: 0 }
    }

    /// An answer had this many output tokens.
    pub fn learn(&mut self, output: Tokens) {
        if self.total >= TOTAL_MAX {
            self.fade();
        }
        self.counts[step_of(output.get())] += 1;
        self.total += 1;
    }

    /// The size that half of the recent answers do not exceed, to within a fifth; none before the
    /// first answer.
    pub fn median(&self) -> Option<Tokens> {
        let half = self.total.div_ceil(2);
        let mut below = 0;
        let reaches_half = |count: &u16| {
            below += count;
            below >= half
        };
        let step = self.counts.iter().position(reaches_half).filter(|_| self.total > 0)?;
        Some(Tokens::new(top_of(step)))
    }

    fn fade(&mut self) {
        // Rounded up, so that a size seen rarely is not forgotten at once.
        self.counts = self.counts.map(|count| count.div_ceil(2));
        self.total = self.counts.iter().sum();
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::new()
    }
}

/// The step that holds `size`: its own below eight, then four to the octave.
fn step_of(size: u64) -> usize {
    let step = if size < 8 {
        size
    } else {
        let octave = u64::from(size.ilog2());
        4 * (octave - 1) + ((size >> (octave - 2)) & 3)
    };
    usize::try_from(step).unwrap_or(STEPS - 1).min(STEPS - 1)
}

/// The largest size that `step` holds.
fn top_of(step: usize) -> u64 {
    let step = step as u64;
    if step < 8 {
        return step;
    }
    let (octave, quarter) = (step / 4 + 1, step % 4);
    ((quarter + 5) << (octave - 2)) - 1
}

/// Sizes up to 2^39; whatever is above counts as that.
const STEPS: usize = 156;
/// After so many answers the older ones count half.
const TOTAL_MAX: u16 = 1024;

const _: () = assert!(TOTAL_MAX as usize + STEPS < u16::MAX as usize);
const _: () = assert!((TOTAL_MAX / 2) as usize + STEPS < TOTAL_MAX as usize);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn before_the_first_answer_there_is_no_median() {
        assert_eq!(Sizes::new().median(), None);
        let mut sizes = Sizes::new();
        sizes.learn(Tokens::ZERO);
        assert_eq!(sizes.median(), Some(Tokens::ZERO));
    }

    #[test]
    fn new_habits_replace_old_ones() {
        let mut sizes = Sizes::new();
        let mut learn = |size, times| {
            for _ in 0..times {
                sizes.learn(Tokens::new(size));
            }
            sizes.median().map_or(0, Tokens::get)
        };
        assert!((2000..2400).contains(&learn(2000, 100_000)));
        assert!((100..125).contains(&learn(100, 2_000)));
    }

    proptest! {
        #[test]
        fn the_median_is_that_of_the_sorted_answers_to_a_fifth(
            mut answers in proptest::collection::vec(0..200_000_u64, 1..1000),
        ) {
            let mut sizes = Sizes::new();
            for size in &answers {
                sizes.learn(Tokens::new(*size));
            }
            answers.sort_unstable();
            let exact = answers[(answers.len() - 1) / 2];
            let median = sizes.median().map_or(0, Tokens::get);
            prop_assert!(exact <= median && median <= exact + exact / 4, "{median} for {exact}");
        }

        #[test]
        fn every_size_is_within_its_step(size in 0..1_u64 << 39) {
            let step = step_of(size);
            prop_assert!(size <= top_of(step));
            prop_assert!(step == 0 || top_of(step - 1) < size);
        }

        #[test]
        fn no_size_and_no_number_of_answers_is_too_large(
            answers in proptest::collection::vec(any::<u64>(), 1..3000),
        ) {
            let mut sizes = Sizes::new();
            for size in answers {
                sizes.learn(Tokens::new(size));
            }
            prop_assert!(sizes.median().is_some());
            prop_assert!(sizes.total <= TOTAL_MAX);
        }
    }
}
