//! Exact money: whole numbers from the price list to the ledger.
//!
//! A price is whole micro-dollars per million tokens, which is the same number of pico-dollars per
//! token; or whole micro-dollars per thousand searches, which is the same number of nano-dollars
//! per search. So the cost of a request is an exact sum of pico-dollars, rounded up once, at the
//! end, to the nano-dollars that meters hold. No floating point comes near it.

use crate::{Searches, Tokens};

/// A price: micro-dollars for a million tokens, or pico-dollars for one; the number is the same.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MicroUsdPerMillion(u64);

impl MicroUsdPerMillion {
    /// A price of `micros` micro-dollars for a million tokens.
    pub const fn new(micros: u64) -> Self {
        Self(micros)
    }

    /// Micro-dollars for a million tokens, which is pico-dollars for one.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// What `tokens` cost at this price, exactly.
    pub const fn of(self, tokens: Tokens) -> PicoUsd {
        // Both factors are below 2^64, so the product is below 2^128.
        PicoUsd(self.0 as u128 * tokens.get() as u128)
    }
}

/// A price of searches: micro-dollars for a thousand, or nano-dollars for one; the number is the
/// same.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MicroUsdPerThousand(u64);

impl MicroUsdPerThousand {
    /// A price of `micros` micro-dollars for a thousand searches.
    pub const fn new(micros: u64) -> Self {
        Self(micros)
    }

    /// Micro-dollars for a thousand searches, which is nano-dollars for one.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// What `searches` cost at this price: exactly, and saturating where nobody could pay it.
    pub const fn of(self, searches: Searches) -> PicoUsd {
        // Both factors are below 2^64, so the first product is below 2^128; the second may not be.
        PicoUsd((self.0 as u128 * searches.get() as u128).saturating_mul(PICOS_PER_NANO))
    }
}

/// Pico-dollars (10⁻¹² US dollars): what prices multiply to, before the one rounding.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PicoUsd(u128);

impl PicoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `picos` pico-dollars.
    pub const fn new(picos: u128) -> Self {
        Self(picos)
    }

    /// How many pico-dollars.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Both together, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Rounded up to whole nano-dollars: against the caller, by less than one nano-dollar a
    /// request.
    pub const fn to_nano(self) -> NanoUsd {
        let nanos = self.0.div_ceil(PICOS_PER_NANO);
        if nanos > u64::MAX as u128 { NanoUsd(u64::MAX) } else { NanoUsd(low_half(nanos)) }
    }
}

/// Nano-dollars (10⁻⁹ US dollars): what meters and the ledger hold.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NanoUsd(u64);

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `nanos` nano-dollars.
    pub const fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    /// How many nano-dollars.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Both together, saturating.
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

impl core::fmt::Display for NanoUsd {
    /// Dollars with at least two and at most nine decimals: `$0.15`, `$0.0000075`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (whole, mut fraction) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let mut places = 9;
        while places > 2 && fraction % 10 == 0 {
            fraction /= 10;
            places -= 1;
        }
        write!(f, "${whole}.{fraction:0places$}")
    }
}

const PICOS_PER_NANO: u128 = 1000;

#[expect(clippy::cast_possible_truncation, reason = "the caller has compared it with u64::MAX")]
const fn low_half(wide: u128) -> u64 {
    wide as u64
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::format;

    use super::*;

    #[test]
    fn a_price_times_tokens_is_exact_and_rounded_up_once() {
        // $0.0375 for a million tokens: one token is 37,500 pico-dollars, 37.5 nano-dollars.
        let price = MicroUsdPerMillion::new(37_500);
        assert_eq!(price.of(Tokens::new(1)).to_nano(), NanoUsd::new(38));
        assert_eq!(price.of(Tokens::new(2)).to_nano(), NanoUsd::new(75));
        let sum = price.of(Tokens::new(1)).plus(price.of(Tokens::new(1)));
        assert_eq!(sum.to_nano(), NanoUsd::new(75));
    }

    #[test]
    fn a_price_of_searches_is_as_many_nano_dollars_for_one() {
        // $2.50 for a thousand searches: one is a quarter of a cent.
        let price = MicroUsdPerThousand::new(2_500_000);
        assert_eq!(price.of(Searches::new(1)), PicoUsd::new(2_500_000_000));
        assert_eq!(price.of(Searches::new(3)).to_nano(), NanoUsd::new(7_500_000));
        let all = MicroUsdPerThousand::new(u64::MAX).of(Searches::new(u64::MAX));
        assert_eq!(all.to_nano(), NanoUsd::new(u64::MAX));
    }

    #[test]
    fn dollars_read_as_people_write_them() {
        assert_eq!(format!("{}", NanoUsd::new(0)), "$0.00");
        assert_eq!(format!("{}", NanoUsd::new(150_000_000)), "$0.15");
        assert_eq!(format!("{}", NanoUsd::new(7_500)), "$0.0000075");
        assert_eq!(format!("{}", NanoUsd::new(25_000_000_000)), "$25.00");
    }

    #[test]
    fn the_largest_cost_saturates_and_never_wraps() {
        let price = MicroUsdPerMillion::new(u64::MAX);
        assert_eq!(price.of(Tokens::new(u64::MAX)).to_nano(), NanoUsd::new(u64::MAX));
    }
}
