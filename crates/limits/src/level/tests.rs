//! The level against the published rule, and against the arrival curve.

use alloc::vec;
use alloc::vec::Vec;

use tollgate_units::{Amount, Span, Timestamp};

use super::*;

/// GCRA with reservations as published: a theoretical arrival time, and all that was ever given
/// back. Time is scaled by the units of the rate, so that it is exact.
#[derive(Default)]
struct Gcra {
    arrival: i128,
    given_back: i128,
}

/// A reservation of it: its cost, where it ends in the queue, what had been given back before.
struct Hold {
    cost: i128,
    end: i128,
    given_back: i128,
}

impl Gcra {
    fn reserve(&mut self, cost: i128, rate: Rate, now: i128) -> Option<Hold> {
        let [burst, units, period] = numbers(rate);
        let next = self.arrival.max(now * units) + cost * period;
        if cost > burst || next > now * units + burst * period {
            return None;
        }
        self.arrival = next;
        Some(Hold { cost, end: next, given_back: self.given_back })
    }

    /// What comes back, in ticks.
    fn settle(&mut self, hold: &Hold, used: i128, rate: Rate, now: i128) -> i128 {
        let [_, units, period] = numbers(rate);
        let now = now * units;
        if used > hold.cost {
            self.arrival = self.arrival.max(now) + (used - hold.cost) * period;
            return 0;
        }
        let shifted = hold.end - (self.given_back - hold.given_back);
        let unused = (hold.cost - used) * period;
        let credit = unused.min((shifted - now).max(0)).min((self.arrival - now).max(0));
        self.arrival -= credit;
        self.given_back += credit;
        credit
    }
}

#[test]
fn the_level_gives_back_exactly_what_the_published_rule_gives_back() {
    let mut refunds = 0;
    for seed in 1..=5_000 {
        refunds += one_history(seed);
    }
    assert!(refunds > 20_000, "only {refunds} refunds were compared");
}

/// Plays one history on both, with debts in every other. Returns how often something came back.
fn one_history(seed: u64) -> u32 {
    let mut dice = Dice::new(seed);
    let rate = Rate {
        burst: Amount::new(1 + dice.roll(40)),
        units: Amount::new(1 + dice.roll(9)),
        period: Span::from_millis(1 + dice.roll(50)),
    };
    let (mut ours, mut theirs) = (Level::born(Timestamp::EPOCH), Gcra::default());
    let mut open: Vec<(Amount, Depth, Hold, u64)> = vec![];
    let mut settled: Vec<(u64, u64)> = vec![];
    let (mut now, mut refunds) = (0, 0);
    for _ in 0..60 {
        now += dice.roll(2 * rate.period.as_millis() + 2);
        let at = Timestamp::from_millis(now);
        if dice.roll(5) < 3 {
            let cost = Amount::new(1 + dice.roll(rate.burst.get() + 2));
            let hold = theirs.reserve(wide(cost), rate, i128::from(now));
            assert_eq!(cost <= ours.left(rate, at), hold.is_some(), "seed {seed}");
            if let Some(hold) = hold {
                open.push((cost, ours.take(rate, Load::held(cost), at), hold, now));
            } else if let Wait::Until(then) = ours.wait(rate, cost, at) {
                let early = Timestamp::from_millis(then.as_millis() - 1);
                assert!(cost <= ours.left(rate, then), "seed {seed}: the wait was a lie");
                assert!(cost > ours.left(rate, early), "seed {seed}: the wait was too long");
            }
        } else if !open.is_empty() {
            let which = usize::try_from(dice.roll(open.len() as u64)).unwrap_or_default();
            let (cost, depth, hold, reserved_at) = open.swap_remove(which);
            let overrun = seed.is_multiple_of(2) && dice.roll(4) == 0;
            let used = if overrun { cost.get() + dice.roll(9) } else { dice.roll(cost.get() + 1) };
            let credit = theirs.settle(&hold, i128::from(used), rate, i128::from(now));
            let unused = cost.less(Amount::new(used));
            let before = ours.drained(rate, at);
            ours.give_back(rate, depth, Load { amount: unused, held: cost }, at);
            let back = before.less(ours.drained(rate, at));
            assert_eq!(back.0, credit.unsigned_abs(), "seed {seed}");
            refunds += u32::from(credit > 0);
            ours.take(rate, Load::debt(Amount::new(used).less(cost)), at);
            settled.push((reserved_at, used));
        }
    }
    settled.extend(open.into_iter().map(|(cost, _, _, at)| (at, cost.get())));
    if seed % 2 == 1 {
        curve_holds(settled, rate, seed);
    }
    refunds
}

/// burst + rate × t, in every window there is.
fn curve_holds(mut settled: Vec<(u64, u64)>, rate: Rate, seed: u64) {
    let [burst, units, period] = numbers(rate);
    settled.sort_unstable();
    for (first, start) in settled.iter().enumerate() {
        let mut sum = 0;
        for end in settled.iter().skip(first) {
            sum += i128::from(end.1) * period;
            let promise = burst * period + i128::from(end.0 - start.0) * units;
            assert!(sum <= promise, "seed {seed}: {sum} > {promise} ticks");
        }
    }
}

fn numbers(rate: Rate) -> [i128; 3] {
    [wide(rate.burst), wide(rate.units), i128::from(rate.period.as_millis())]
}

fn wide(amount: Amount) -> i128 {
    i128::from(amount.get())
}

/// Xorshift: the same history for the same seed.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for _ in 0..4 {
            dice.roll(2);
        }
        dice
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}
