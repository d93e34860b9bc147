//! Models without a tokenizer: a ratio that learns from what providers report.
//!
//! The ratio of tokens to bytes of text differs by model and by what its callers write (4 bytes a
//! token in English prose, 2 to 3 in JSON and in Chinese). So each model's ratio is an average that
//! moves with what was reported. What is reserved adds three times the usual deviation: it should
//! rarely be low, and a little high costs the caller nothing once the answer is there. What is
//! settled, where nothing is reported, is the average. It is wrong for a caller whose text is
//! unlike everybody else's; where something is reported, the difference is settled as debt or
//! refund.

use tollgate_units::Tokens;

/// Tokens for a length of text, as learned for one model. A value: learning makes a new one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ratio {
    /// Tokens for a byte, times [`ONE`].
    mean: u32,
    /// How far from the mean reports usually are, on the same scale.
    deviation: u32,
    /// How many reports there were, up to [`STEADY`].
    reports: u32,
}

impl Ratio {
    /// What is assumed of a model that has reported nothing: a token for three bytes, give or take
    /// an eighteenth, which reserves one for every two.
    pub const fn new() -> Self {
        Self { mean: ONE / 3, deviation: ONE / 18, reports: 0 }
    }

    /// The tokens to reserve for `bytes` of text: rarely low, and never more than one a byte.
    pub fn of(self, bytes: u64) -> Tokens {
        times(self.mean.saturating_add(3 * self.deviation).clamp(1, ONE), bytes)
    }

    /// The tokens that `bytes` of text most likely are.
    pub fn usual(self, bytes: u64) -> Tokens {
        times(self.mean.clamp(1, ONE), bytes)
    }

    /// What is known after `bytes` of text were reported to be `actual` tokens.
    ///
    /// Short texts say little, because what surrounds the text outweighs it, and move it little.
    #[must_use]
    pub fn learned(self, bytes: u64, actual: Tokens) -> Self {
        if bytes < BYTES_LEAST {
            return self;
        }
        let seen = u128::from(actual.get()) * u128::from(ONE) / u128::from(bytes);
        let seen = u32::try_from(seen).unwrap_or(ONE).clamp(1, ONE);
        let reports = (self.reports + 1).min(STEADY);
        let weight = weight(bytes);
        Self {
            mean: moved(self.mean, seen, weight, reports + 1).max(1),
            deviation: moved(self.deviation, seen.abs_diff(self.mean), weight, reports + 1),
            reports,
        }
    }
}

impl Default for Ratio {
    fn default() -> Self {
        Self::new()
    }
}

/// `each`, which is at most [`ONE`], for each of `bytes`: at most as many.
fn times(each: u32, bytes: u64) -> Tokens {
    let tokens = (u128::from(bytes) * u128::from(each)).div_ceil(u128::from(ONE));
    Tokens::new(u64::try_from(tokens).unwrap_or(bytes))
}

/// How much a report counts, in parts of [`BYTES_FULL`].
fn weight(bytes: u64) -> u64 {
    bytes.min(BYTES_FULL)
}

/// `from` moved towards `to` by `weight / BYTES_FULL / slowness` of the way, rounded upwards: an
/// estimate that is a hair high stays rarely low.
fn moved(from: u32, to: u32, weight: u64, slowness: u32) -> u32 {
    let whole = BYTES_FULL * u64::from(slowness);
    let sum = u64::from(from) * (whole - weight) + u64::from(to) * weight;
    u32::try_from(sum.div_ceil(whole)).unwrap_or(ONE)
}

/// One token for a byte.
const ONE: u32 = 1 << 16;
/// After so many reports, each newer one counts the same: a sixteenth.
const STEADY: u32 = 15;
/// A text shorter than this teaches nothing.
const BYTES_LEAST: u64 = 64;
/// A text of at least this length counts fully.
const BYTES_FULL: u64 = 2048;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_model_reserves_a_token_for_every_two_bytes() {
        assert_eq!(Ratio::new().of(1000), Tokens::new(500));
        assert_eq!(Ratio::new().of(0), Tokens::ZERO);
        assert_eq!(Ratio::new().of(1), Tokens::new(1));
    }

    #[test]
    fn steady_reports_bring_the_estimate_close_and_keep_it_above() {
        let mut ratio = Ratio::new();
        for _ in 0..150 {
            ratio = ratio.learned(4000, Tokens::new(1000));
        }
        let estimate = ratio.of(4000).get();
        assert!((1000..1020).contains(&estimate), "{estimate}");
    }

    #[test]
    fn what_is_settled_is_what_texts_usually_have() {
        let mut ratio = Ratio::new();
        for round in 0..150 {
            // Between a quarter and a third of the bytes.
            ratio = ratio.learned(4000, Tokens::new(1000 + round % 4 * 111));
        }
        let settled = ratio.usual(4000).get();
        assert!((1100..1240).contains(&settled), "{settled}");
        assert!(ratio.of(4000).get() > settled + 200, "{ratio:?}");
    }

    #[test]
    fn changing_text_keeps_a_margin_over_most_reports() {
        let mut ratio = Ratio::new();
        let (mut low, rounds) = (0, 400_u64);
        for round in 0..rounds {
            // Between 3 and 4.5 bytes a token, in an order without a pattern.
            let bytes = 3000 + round * 7919 % 5000;
            let actual = bytes * 10 / (30 + round * 104_729 % 16);
            low += u64::from(round >= 20 && ratio.of(bytes).get() < actual);
            ratio = ratio.learned(bytes, Tokens::new(actual));
        }
        assert!(low * 20 <= rounds, "{low} of {rounds} estimates were low");
    }

    #[test]
    fn a_few_short_texts_move_it_less_than_one_long_text() {
        let short = Ratio::new().learned(70, Tokens::new(70));
        let long = Ratio::new().learned(7000, Tokens::new(7000));
        assert!(Ratio::new().of(10_000) < short.of(10_000));
        assert!(short.of(10_000) < long.of(10_000));
        assert_eq!(Ratio::new().learned(63, Tokens::new(63)), Ratio::new());
    }

    proptest! {
        #[test]
        fn whatever_is_reported_an_estimate_is_between_nothing_and_one_token_a_byte(
            reports in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..40),
            bytes in any::<u64>(),
        ) {
            let learn = |ratio: Ratio, (bytes, tokens)| ratio.learned(bytes, Tokens::new(tokens));
            let ratio = reports.into_iter().fold(Ratio::new(), learn);
            prop_assert!(ratio.of(bytes).get() <= bytes);
            prop_assert!(bytes == 0 || ratio.of(bytes).get() > 0);
        }

        #[test]
        fn more_text_never_needs_fewer_tokens(
            bytes in 0..1_000_000_u64,
            actual in 0..1_000_000_u64,
        ) {
            let ratio = Ratio::new().learned(100_000, Tokens::new(actual));
            prop_assert!(ratio.of(bytes) <= ratio.of(bytes + 1));
        }
    }
}
