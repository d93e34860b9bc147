//! How long to wait before the next attempt: exponential backoff with full jitter.
//!
//! Any instant between none and the ceiling is equally likely, so that callers who failed together
//! do not come back together (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
//! 2015). It would be wrong where the other side said when to come back: that promise goes first.

use tollgate_units::Span;

/// A growing ceiling of waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// The ceiling after the first failed attempt.
    pub base: Span,
    /// What the ceiling never exceeds.
    pub cap: Span,
}

impl Backoff {
    /// What to wait after `failed_attempts`, drawn by `die`, which is uniform over all integers.
    pub fn wait(&self, failed_attempts: u32, die: u64) -> Span {
        let ceiling = self.ceiling(failed_attempts).as_millis();
        let drawn = (u128::from(die) * (u128::from(ceiling) + 1)) >> 64;
        Span::from_millis(u64::try_from(drawn).unwrap_or(ceiling))
    }

    /// The longest wait after `failed_attempts`: base × 2^(attempts − 1), at most the cap.
    pub fn ceiling(&self, failed_attempts: u32) -> Span {
        let Some(doublings) = failed_attempts.checked_sub(1) else {
            return Span::ZERO;
        };
        doubled(self.base, doublings).min(self.cap)
    }
}

/// `span` doubled so many times, saturating.
pub(crate) fn doubled(span: Span, times: u32) -> Span {
    let factor = 1_u64.checked_shl(times).unwrap_or(u64::MAX);
    Span::from_millis(span.as_millis().saturating_mul(factor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff { base: Span::from_millis(100), cap: Span::from_secs(30) };

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let ceilings = [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
        for (attempts, millis) in (0_u32..).zip(ceilings) {
            assert_eq!(BACKOFF.ceiling(attempts), Span::from_millis(millis), "{attempts}");
        }
        assert_eq!(BACKOFF.ceiling(u32::MAX), BACKOFF.cap);
    }

    #[test]
    fn the_die_reaches_both_ends() {
        assert_eq!(BACKOFF.wait(3, 0), Span::ZERO);
        assert_eq!(BACKOFF.wait(3, u64::MAX), Span::from_millis(400));
        assert_eq!(BACKOFF.wait(3, u64::MAX / 2), Span::from_millis(200));
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_its_ceiling(
            base in 0_u64..100_000,
            cap in 0_u64..1_000_000,
            attempts in any::<u32>(),
            die in any::<u64>(),
        ) {
            let backoff = Backoff { base: Span::from_millis(base), cap: Span::from_millis(cap) };
            let wait = backoff.wait(attempts, die);
            prop_assert!(wait <= backoff.ceiling(attempts));
            prop_assert!(wait <= backoff.cap);
        }
    }
}
