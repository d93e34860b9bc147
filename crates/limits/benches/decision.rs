//! What a decision costs: reserved and settled at once, over a plain hash map, beside governor.
//!
//! governor decides one limit and knows no settlement; it is the yardstick for one limit because
//! it is what people would use. Requests are made beforehand: making them is the policy's part.
//! The time moves on by a millisecond every hundred decisions, so that slots come and go.

use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::num::NonZeroU32;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use governor::{Quota, RateLimiter};
use hashbrown::HashMap;
use tollgate_limits::{
    Books, Charge, Charges, Demand, Meter, MeterId, ReservationId, Rule, Shelf, Stretch, reserve,
    settle,
};
use tollgate_units::{Amount, Span, Timestamp};

const SUBJECTS: u64 = 1_000_000;
/// Made before the clock starts, and still in the cache when it does, as the policy's are.
const AT_A_TIME: BatchSize = BatchSize::NumIterations(32);
const MINUTE: Span = Span::from_secs(60);
const PLENTY: Amount = Amount::new(1 << 50);

/// A meter's identity is a hash already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, half: u64) {
        self.0 ^= half;
    }
}

#[derive(Default)]
struct Meters {
    map: HashMap<MeterId, Meter, BuildHasherDefault<Identity>>,
    books: Books,
    now: u64,
    decisions: u64,
}

impl Shelf for Meters {
    fn look(&self, id: MeterId) -> Option<&Meter> {
        self.map.get(&id)
    }

    fn touch(&mut self, id: MeterId, _rule: &Rule) -> &mut Meter {
        self.map.entry(id).or_default()
    }

    fn find(&mut self, id: MeterId, _rule: &Rule) -> Option<&mut Meter> {
        self.map.get_mut(&id)
    }

    fn books(&mut self) -> &mut Books {
        &mut self.books
    }
}

impl Meters {
    /// One request: everything is reserved, then settled with a little less than was reserved.
    fn decide(&mut self, charges: &Charges, used: &[Amount]) {
        self.decisions += 1;
        self.now += u64::from(self.decisions.is_multiple_of(100));
        let now = Timestamp::from_millis(1_800_000_000_000 + self.now);
        let id = ReservationId::new(self.decisions);
        if let Ok(held) = black_box(reserve(self, charges, id, now)) {
            black_box(settle(self, held.marks, used, now));
        }
    }
}

/// Spreads small numbers over all 128 bits, as a hash does.
fn meter(number: u64) -> MeterId {
    let mix = |seed: u64| {
        let mut bits = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    };
    MeterId::new(u128::from(mix(number)) << 64 | u128::from(mix(!number)))
}

fn sliding(number: u64, units: u64) -> Charge {
    let rule = Rule::Sliding { most: PLENTY, window: MINUTE };
    Charge { meter: meter(number), rule, demand: Demand::exactly(Amount::new(units)) }
}

fn one_limit(number: u64) -> Charges {
    of(vec![sliding(number, 1)])
}

/// Requests and tokens a minute of the user, tokens a day and a bucket of the key, streams at once
/// and dollars a month of the team; the output is as long as there is room for.
fn six_limits(user: u64, key: u64, team: u64) -> Charges {
    let day = Timestamp::from_millis(1_799_971_200_000);
    let turns = [0, 1, 2].map(|days| day.plus(Span::from_secs(days * 86_400)));
    let tokens = Demand { each: 1, ..Demand::exactly(Amount::new(700)) };
    let charge = |number, rule, demand| Charge { meter: meter(number), rule, demand };
    of(vec![
        sliding(4 * user, 1),
        charge(4 * user + 1, Rule::Sliding { most: PLENTY, window: MINUTE }, tokens),
        charge(4 * key + 2, Rule::Calendar { most: PLENTY, turns }, tokens),
        charge(
            4 * key + 3,
            Rule::Bucket { burst: PLENTY, units: Amount::new(100_000), period: MINUTE },
            tokens,
        ),
        charge(
            4 * team,
            Rule::AtOnce { most: PLENTY, lease: Span::MAX },
            Demand::exactly(Amount::ONE),
        ),
        charge(
            4 * team + 1,
            Rule::Calendar { most: PLENTY, turns },
            Demand { fixed: 1_750_000, each: 10_000, per: 1_000, room: Amount::ZERO },
        ),
    ])
}

fn of(list: Vec<Charge>) -> Charges {
    match Charges::new(list, Stretch { least: 16, most: 4_096 }) {
        Ok(charges) => charges,
        Err(error) => unreachable!("{error}"),
    }
}

/// Numbers up to `below`, all over it.
fn anyone(seed: Option<u64>, below: u64) -> u64 {
    let spread = meter(seed.unwrap_or_default()).get() % u128::from(below);
    u64::try_from(spread).unwrap_or_default()
}

fn one(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one_limit");
    let used = [Amount::ONE];
    let mut meters = Meters::default();
    let hot = one_limit(0);
    for _ in 0..200 {
        meters.now += 300; // so that every sub-slot of the minute is in use
        meters.decide(&hot, &used);
    }
    group.bench_function("hot_key", |bench| bench.iter(|| meters.decide(&hot, &used)));

    let mut meters = Meters::default();
    for number in 0..SUBJECTS {
        meters.decide(&one_limit(number), &used);
    }
    let mut seeds = 0..;
    let mut request = || one_limit(anyone(seeds.next(), SUBJECTS));
    group.bench_function("random_of_a_million", |bench| {
        bench.iter_batched_ref(&mut request, |asked| meters.decide(asked, &used), AT_A_TIME);
    });
    group.finish();
}

fn governor(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("governor");
    let quota = Quota::per_minute(NonZeroU32::MAX);
    let limiter = RateLimiter::hashmap(quota);
    for number in 0..SUBJECTS {
        black_box(limiter.check_key(&meter(number)).is_ok());
    }
    let hot = meter(0);
    group.bench_function("hot_key", |bench| {
        bench.iter(|| limiter.check_key(&hot).is_ok());
    });
    let mut seeds = 0..;
    let mut key = || meter(anyone(seeds.next(), SUBJECTS));
    group.bench_function("random_of_a_million", |bench| {
        bench.iter_batched_ref(&mut key, |key| limiter.check_key(key).is_ok(), AT_A_TIME);
    });
    group.finish();
}

fn six(criterion: &mut Criterion) {
    let (keys, teams) = (SUBJECTS / 10, SUBJECTS / 100);
    let users = SUBJECTS - keys - teams;
    // Key k and team t take numbers behind the users', so that no two subjects share a meter.
    let request = |user, key, team| six_limits(user, users + key, users + keys + team);
    let used = [1, 1_000, 1_000, 1_000, 1, 4_750].map(Amount::new);
    let mut meters = Meters::default();
    for user in 0..users {
        meters.decide(&request(user, user % keys, user % teams), &used);
    }
    let live = meters.map.len();
    let mut seeds = 0..;
    let mut any = || {
        let mut anyone = |below| anyone(seeds.next(), below);
        request(anyone(users), anyone(keys), anyone(teams))
    };
    let mut group = criterion.benchmark_group("six_limits_of_three_subjects");
    group.bench_function(format!("among_{live}_meters"), |bench| {
        bench.iter_batched_ref(&mut any, |asked| meters.decide(asked, &used), AT_A_TIME);
    });
    let alone = request(7, 7, 7);
    group.bench_function("hot", |bench| bench.iter(|| meters.decide(&alone, &used)));
    group.finish();
}

criterion_group!(decision, one, governor, six);
criterion_main!(decision);
