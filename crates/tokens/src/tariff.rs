//! What a model's tokens or searches cost: prices, and the two questions asked of them.
//!
//! Afterwards [`Tariff::cost`] is exact. Beforehand [`Tariff::bound`] is the most that any usage of
//! that input can cost, because nobody knows yet what a cache will hold. Both are whole
//! pico-dollars; the one rounding is `PicoUsd::to_nano`, at the very end. They are wrong where a
//! provider charges for more than those (hosted tools, other service tiers): such a request has no
//! price, and whoever asks must know that before.

use tollgate_units::{MicroUsdPerMillion, MicroUsdPerThousand, PicoUsd, Searches, Tokens};
use tollgate_wire::{Ask, Billed, Usage};

/// The prices of one model at one provider.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tariff {
    /// Input that was neither read from nor written to a cache.
    pub input: MicroUsdPerMillion,
    /// Input read from a cache. Absent: it costs what input costs.
    pub cached_input: Option<MicroUsdPerMillion>,
    /// Input written to a cache. Absent: it costs what input costs.
    pub cache_write: Option<MicroUsdPerMillion>,
    /// Input written to a cache for an hour. Absent: it costs what the shorter time does.
    pub cache_write_hour: Option<MicroUsdPerMillion>,
    /// Output, reasoning included.
    pub output: MicroUsdPerMillion,
    /// Searches: what is ranked is paid by these and by no token. Absent: it is paid by its tokens.
    pub search: Option<MicroUsdPerThousand>,
    /// Other prices for the whole of a request whose input is long.
    pub long_context: Option<LongContext>,
}

/// Prices that hold for the whole of a request once its input is longer than a threshold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LongContext {
    /// Input of more than this many tokens is long.
    pub above: Tokens,
    /// Input that was neither read from nor written to a cache.
    pub input: MicroUsdPerMillion,
    /// Input read from a cache. Absent: it costs what input costs.
    pub cached_input: Option<MicroUsdPerMillion>,
    /// Input written to a cache. Absent: it costs what input costs.
    pub cache_write: Option<MicroUsdPerMillion>,
    /// Input written to a cache for an hour. Absent: it costs what the shorter time does.
    pub cache_write_hour: Option<MicroUsdPerMillion>,
    /// Output, reasoning included.
    pub output: MicroUsdPerMillion,
}

impl Tariff {
    /// What `usage` cost, exactly; where the provider says what it bills, that alone. A part cannot
    /// be larger than the whole: cache counts beyond the input are a provider's mistake, and nobody
    /// pays for it.
    pub fn cost(&self, usage: &Usage) -> PicoUsd {
        let prices = self.prices(usage.input);
        match (usage.billed, self.search) {
            (Some(Billed::Searches(searches)), Some(search)) => return search.of(searches),
            (Some(Billed::Tokens { input, output }), _) => {
                return prices.input.of(input).plus(prices.output.of(output));
            }
            (Some(Billed::Searches(_)), None) | (None, _) => {}
        }
        let cached = usage.cached_input.min(usage.input);
        let rest = usage.input.less(cached);
        let written = usage.cache_write.min(rest);
        let hour = usage.cache_write_hour.min(written);
        prices
            .input
            .of(rest.less(written))
            .plus(prices.cached_input.of(cached))
            .plus(prices.cache_write.of(written.less(hour)))
            .plus(prices.cache_write_hour.of(hour))
            .plus(prices.output.of(usage.output))
    }

    /// The most that a prompt can cost, and the most that each token of output can.
    ///
    /// Never below [`Tariff::cost`] of a usage with this input, of which no more is billed.
    pub fn bound(&self, most: Most) -> (PicoUsd, MicroUsdPerMillion) {
        if let (Some(searches), Some(search)) = (most.searches, self.search) {
            return (search.of(searches), MicroUsdPerMillion::default());
        }
        let prices = self.prices(most.input);
        let dearest = prices.input.max(prices.cached_input).max(prices.cache_write);
        let for_an_hour = most.cached_for_an_hour;
        let dearest = if for_an_hour { dearest.max(prices.cache_write_hour) } else { dearest };
        (dearest.of(most.input), prices.output)
    }

    /// Whether tokens have a price: not where nothing but searches has one.
    pub fn sells_tokens(&self) -> bool {
        let none = MicroUsdPerMillion::default();
        self.search.is_none() || self.input > none || self.output > none
    }

    /// The prices in force for a request with `input` tokens.
    fn prices(&self, input: Tokens) -> Prices {
        match &self.long_context {
            Some(long) if input > long.above => Prices {
                input: long.input,
                cached_input: long.cached_input.unwrap_or(long.input),
                cache_write: long.cache_write.unwrap_or(long.input),
                cache_write_hour: long.cache_write_hour.or(long.cache_write).unwrap_or(long.input),
                output: long.output,
            },
            Some(_) | None => Prices {
                input: self.input,
                cached_input: self.cached_input.unwrap_or(self.input),
                cache_write: self.cache_write.unwrap_or(self.input),
                cache_write_hour: self.cache_write_hour.or(self.cache_write).unwrap_or(self.input),
                output: self.output,
            },
        }
    }
}

/// The most that is to be paid for of a prompt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Most {
    /// Its tokens.
    pub input: Tokens,
    /// Whether some of them may be written to a cache for an hour.
    pub cached_for_an_hour: bool,
    /// Its searches, where it asks for what is sold by the search.
    pub searches: Option<Searches>,
}

impl Most {
    /// Of a request whose prompt has at most `input` tokens: what is reserved for it, and what it
    /// is settled by where nothing better is known.
    pub const fn of(input: Tokens, ask: &Ask) -> Self {
        Self { input, cached_for_an_hour: ask.cached_for_an_hour, searches: ask.searches }
    }
}

/// The prices, none absent.
struct Prices {
    input: MicroUsdPerMillion,
    cached_input: MicroUsdPerMillion,
    cache_write: MicroUsdPerMillion,
    cache_write_hour: MicroUsdPerMillion,
    output: MicroUsdPerMillion,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(input: u64, cached_input: u64, cache_write: u64, output: u64) -> Usage {
        Usage {
            input: Tokens::new(input),
            cached_input: Tokens::new(cached_input),
            cache_write: Tokens::new(cache_write),
            output: Tokens::new(output),
            ..Usage::default()
        }
    }

    fn tariff(prices: [u64; 4]) -> Tariff {
        let [input, cached_input, cache_write, output] = prices.map(MicroUsdPerMillion::new);
        Tariff {
            input,
            cached_input: Some(cached_input),
            cache_write: Some(cache_write),
            output,
            ..Tariff::default()
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let tariff = tariff([2_000_000, 200_000, 2_500_000, 10_000_000]);
        // 500 at $2, 400 at $0.20, 100 at $2.50, 10 at $10 for a million.
        let expected = 500 * 2_000_000 + 400 * 200_000 + 100 * 2_500_000 + 10 * 10_000_000;
        assert_eq!(tariff.cost(&usage(1000, 400, 100, 10)), PicoUsd::new(expected));
    }

    #[test]
    fn what_a_provider_bills_apart_from_what_was_used_is_what_it_costs() {
        let tariff = tariff([2_000_000, 200_000, 2_500_000, 10_000_000]);
        let billed = Billed::Tokens { input: Tokens::new(5), output: Tokens::new(26) };
        let usage = Usage { billed: Some(billed), ..usage(71, 60, 0, 30) };
        assert_eq!(tariff.cost(&usage), PicoUsd::new(5 * 2_000_000 + 26 * 10_000_000));
    }

    #[test]
    fn what_is_ranked_costs_its_searches_or_its_tokens_where_those_have_no_price() {
        let by_token = tariff([2_000_000, 200_000, 2_500_000, 10_000_000]);
        // $2.50 for a thousand.
        let search = Some(MicroUsdPerThousand::new(2_500_000));
        let both = Tariff { search, ..by_token.clone() };
        let ranked =
            Usage { billed: Some(Billed::Searches(Searches::new(3))), ..usage(1000, 0, 0, 0) };
        assert_eq!(both.cost(&ranked), PicoUsd::new(3 * 2_500_000_000));
        assert_eq!(by_token.cost(&ranked), PicoUsd::new(1000 * 2_000_000));
        assert_eq!(both.cost(&usage(1000, 0, 0, 0)), PicoUsd::new(1000 * 2_000_000));
        let only = Tariff { search, ..Tariff::default() };
        let sells = [&by_token, &both, &only, &Tariff::default()].map(Tariff::sells_tokens);
        assert_eq!(sells, [true, true, false, true]);
    }

    #[test]
    fn an_hour_in_the_cache_costs_more_than_minutes_where_it_has_a_price() {
        let minutes = tariff([2_000_000, 200_000, 2_500_000, 10_000_000]);
        let hour = Tariff {
            cache_write_hour: Some(MicroUsdPerMillion::new(4_000_000)),
            ..minutes.clone()
        };
        let usage = Usage { cache_write_hour: Tokens::new(40), ..usage(100, 0, 100, 0) };
        assert_eq!(minutes.cost(&usage), PicoUsd::new(100 * 2_500_000));
        assert_eq!(hour.cost(&usage), PicoUsd::new(60 * 2_500_000 + 40 * 4_000_000));
    }

    #[test]
    fn without_a_cache_price_cached_input_costs_what_input_costs() {
        let tariff = Tariff {
            input: MicroUsdPerMillion::new(3),
            output: MicroUsdPerMillion::new(5),
            ..Tariff::default()
        };
        assert_eq!(tariff.cost(&usage(10, 4, 6, 2)), PicoUsd::new(40));
    }

    #[test]
    fn one_token_above_the_threshold_prices_the_whole_request_anew() {
        let tariff = Tariff {
            long_context: Some(LongContext {
                above: Tokens::new(200_000),
                input: MicroUsdPerMillion::new(2_500_000),
                output: MicroUsdPerMillion::new(15_000_000),
                ..LongContext::default()
            }),
            ..tariff([1_250_000, 125_000, 1_250_000, 10_000_000])
        };
        let at = tariff.cost(&usage(200_000, 0, 0, 1));
        assert_eq!(at, PicoUsd::new(200_000 * 1_250_000 + 10_000_000));
        let above = tariff.cost(&usage(200_001, 200_001, 0, 1));
        assert_eq!(above, PicoUsd::new(200_001 * 2_500_000 + 15_000_000));
    }

    fn any_tariff() -> impl Strategy<Value = Tariff> {
        let price = || (0..=u64::MAX).prop_map(MicroUsdPerMillion::new);
        let perhaps = || proptest::option::of(price());
        let prices = || (price(), perhaps(), perhaps(), perhaps(), price());
        let long =
            (0..2_000_u64, prices()).prop_map(|(above, (input, cached, write, hour, output))| {
                LongContext {
                    above: Tokens::new(above),
                    input,
                    cached_input: cached,
                    cache_write: write,
                    cache_write_hour: hour,
                    output,
                }
            });
        let search = proptest::option::of((0..=u64::MAX).prop_map(MicroUsdPerThousand::new));
        (prices(), search, proptest::option::of(long)).prop_map(|(prices, search, long_context)| {
            let (input, cached_input, cache_write, cache_write_hour, output) = prices;
            Tariff {
                input,
                cached_input,
                cache_write,
                cache_write_hour,
                output,
                search,
                long_context,
            }
        })
    }

    proptest! {
        #[test]
        fn no_usage_costs_more_than_the_bound_for_its_input(
            tariff in any_tariff(),
            input in 0..4_000_u64,
            cached in 0..5_000_u64,
            written in 0..5_000_u64,
            hour in 0..5_000_u64,
            output in 0..5_000_u64,
            (billed, most) in (0..=u64::MAX).prop_flat_map(|most| (0..=most, Just(most))),
        ) {
            let input = Tokens::new(input);
            let usage = usage(input.get(), cached, written, output);
            let long = Usage { cache_write_hour: Tokens::new(hour), ..usage.clone() };
            let billed = Some(Billed::Searches(Searches::new(billed)));
            let ranked = Usage { billed, ..usage.clone() };
            let most_ranked = Some(Searches::new(most));
            let of_tokens = Most { input, ..Most::default() };
            for (usage, most) in [
                (usage, of_tokens),
                (long, Most { cached_for_an_hour: true, ..of_tokens }),
                (ranked, Most { searches: most_ranked, ..of_tokens }),
            ] {
                let (at_worst, each) = tariff.bound(most);
                let bound = at_worst.plus(each.of(Tokens::new(output)));
                prop_assert!(tariff.cost(&usage) <= bound);
            }
        }

        #[test]
        fn the_bound_is_reached_by_some_usage(tariff in any_tariff(), input in 0..4_000_u64) {
            let kinds = [(0, 0), (input, 0), (0, input)];
            let usages = kinds.map(|(cached, written)| usage(input, cached, written, 0));
            let dearest = usages.iter().map(|usage| tariff.cost(usage)).max();
            let most = Most { input: Tokens::new(input), ..Most::default() };
            prop_assert_eq!(dearest, Some(tariff.bound(most).0));
        }
    }
}
