//! What a decision costs among a million live subjects, beside governor on as many keys.
//!
//! `cargo bench -p tollgate-store`. The decision charges six meters, two limits of each of three
//! subjects drawn at random, and is settled at once; governor checks six keys drawn the same way.
//! They do not do the same: governor's six checks are six decisions, each of which spends.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use governor::{Quota, RateLimiter};
use tollgate_limits::{Charge, Charges, Demand, MeterId, Rule, Stretch};
use tollgate_store::{Clock, Memory};
use tollgate_units::{Amount, Span, Timestamp};

const SUBJECTS: u64 = 1_000_000;

/// Few at a time, so that charges are in the cache when they are decided on, as in a gateway.
const BATCH: BatchSize = BatchSize::NumIterations(64);

fn a_decision_among_a_million(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a million live subjects");
    let store = filled(SUBJECTS);
    let mut dice = Dice(7);
    group.bench_function("six limits, reserved and settled", |bencher| {
        bencher.iter_batched(
            || six(&mut dice),
            |charges| {
                if let Ok(held) = store.reserve(charges) {
                    black_box(held.settle(&[Amount::ONE; 6]));
                }
            },
            BATCH,
        );
    });
    group.bench_function("six limits, peeked at", |bencher| {
        bencher.iter_batched(
            || six(&mut dice),
            |charges| black_box(store.peek(&charges)).is_ok(),
            BATCH,
        );
    });
    let governor = RateLimiter::hashmap(Quota::per_minute(NonZeroU32::MAX));
    for subject in 0..SUBJECTS {
        for limit in 0..2 {
            governor.check_key(&meter(subject, limit).get()).ok();
        }
    }
    group.bench_function("governor, six keys", |bencher| {
        bencher.iter_batched(
            || six(&mut dice),
            |charges| {
                charges
                    .iter()
                    .filter(|charge| governor.check_key(&charge.meter.get()).is_ok())
                    .count()
            },
            BATCH,
        );
    });
    group.finish();
}

fn the_clock(criterion: &mut Criterion) {
    let clock = Clock::system();
    criterion.bench_function("the clock is read", |bencher| bencher.iter(|| clock.now()));
}

/// A store in which every subject has used something of both its limits.
fn filled(subjects: u64) -> Arc<Memory> {
    let store = Memory::new(Clock::system());
    for subject in 0..subjects {
        let list = (0..2).map(|limit| charge(subject, limit)).collect();
        if let Some(held) = charges(list).and_then(|charges| store.reserve(charges).ok()) {
            held.settle(&[Amount::ONE; 2]);
        }
    }
    store
}

fn six(dice: &mut Dice) -> Charges {
    let mut list = Vec::with_capacity(6);
    for _ in 0..3 {
        let subject = dice.roll(SUBJECTS);
        list.extend((0..2).map(|limit| charge(subject, limit)));
    }
    // The same subject twice in one draw: once in 300,000 draws, and then the next draw it is.
    charges(list).unwrap_or_else(|| six(dice))
}

fn charges(list: Vec<Charge>) -> Option<Charges> {
    Charges::new(list, Stretch::exactly(0)).ok()
}

fn charge(subject: u64, limit: u64) -> Charge {
    let most = Amount::new(1 << 40);
    let rule = if limit == 0 {
        Rule::Sliding { most, window: Span::from_secs(3600) }
    } else {
        Rule::Calendar { most, turns: [Timestamp::EPOCH, year(3000), year(4000)] }
    };
    Charge { meter: meter(subject, limit), rule, demand: Demand::exactly(Amount::ONE) }
}

const fn year(year: u64) -> Timestamp {
    Timestamp::from_millis((year - 1970) * 365 * 86_400_000)
}

/// Spread over all bits, as hashes are.
fn meter(subject: u64, limit: u64) -> MeterId {
    let mut dice = Dice(subject * 2 + limit + 1);
    let (upper, lower) = (dice.roll(u64::MAX), dice.roll(u64::MAX));
    MeterId::new(u128::from(upper) << 64 | u128::from(lower))
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % sides
    }
}

criterion_group!(benches, a_decision_among_a_million, the_clock);
criterion_main!(benches);
