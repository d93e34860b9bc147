use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const SETTINGS: BreakerSettings = BreakerSettings {
    failures: 5,
    error_percent: 50,
    least: 20,
    window: Span::from_secs(10),
    cooldown: Span::from_secs(5),
};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

/// A breaker and its time.
struct World {
    breaker: Breaker,
    now: u64,
}

impl World {
    fn new() -> Self {
        Self { breaker: Breaker::new(SETTINGS), now: 0 }
    }

    fn call(&mut self, outcome: Outcome) -> Option<Change> {
        let permit = self.breaker.may_pass(at(self.now), 0).expect("passes");
        self.breaker.ended(permit, outcome, at(self.now))
    }

    fn state(&self) -> BreakerState {
        self.breaker.state(at(self.now))
    }

    fn open() -> Self {
        let mut world = Self::new();
        for _ in 0..5 {
            world.call(Outcome::Failure);
        }
        world
    }

    fn half_open() -> Self {
        let mut world = Self::open();
        world.now = 5000;
        world.call(Outcome::Ignored);
        world
    }

    fn ramping() -> Self {
        let mut world = Self::half_open();
        for _ in 0..PROBES {
            world.call(Outcome::Success);
        }
        world
    }
}

const CLOSED: BreakerState = BreakerState::Closed;
const HALF_OPEN: BreakerState = BreakerState::HalfOpen;

fn open_until(millis: u64) -> BreakerState {
    BreakerState::Open { until: at(millis) }
}

/// What may happen to a breaker.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// So many calls end so.
    Calls(u32, Outcome),
    /// A call is let through and never made.
    Abandoned,
    /// The answer to a call of the state before comes now.
    Late(Outcome),
    /// Time passes.
    Passes(u64),
}

type Row = (fn() -> World, Event, BreakerState, Option<Change>);

/// Every state × every event: the state after, and what an operator hears of.
#[test]
fn every_state_answers_every_event() {
    use Event::{Abandoned, Calls, Late, Passes};
    use Outcome::{Failure, Ignored, Success};
    let ten = BreakerState::Ramping { percent: 10 };
    let opened = |millis| Some(Change::Opened { until: at(millis) });
    let closed: fn() -> World = World::new;
    let table: Vec<Row> = vec![
        (closed, Calls(1, Success), CLOSED, None),
        (closed, Calls(4, Failure), CLOSED, None),
        (closed, Calls(5, Failure), open_until(5000), opened(5000)),
        (closed, Calls(50, Ignored), CLOSED, None),
        (closed, Abandoned, CLOSED, None),
        (closed, Passes(60_000), CLOSED, None),
        (World::open, Late(Success), open_until(5000), None),
        (World::open, Late(Failure), open_until(5000), None),
        (World::open, Late(Ignored), open_until(5000), None),
        (World::open, Passes(4999), open_until(5000), None),
        (World::open, Passes(5000), HALF_OPEN, None),
        (World::half_open, Calls(2, Success), HALF_OPEN, None),
        (World::half_open, Calls(3, Success), ten, Some(Change::Recovering)),
        (World::half_open, Calls(1, Failure), open_until(15_000), opened(15_000)),
        (World::half_open, Calls(9, Ignored), HALF_OPEN, None),
        (World::half_open, Abandoned, HALF_OPEN, None),
        (World::half_open, Late(Failure), HALF_OPEN, None),
        (World::half_open, Passes(60_000), HALF_OPEN, None),
        (World::ramping, Calls(30, Success), ten, None),
        (World::ramping, Calls(4, Failure), ten, None),
        (World::ramping, Calls(5, Failure), open_until(15_000), opened(15_000)),
        (World::ramping, Calls(9, Ignored), ten, None),
        (World::ramping, Abandoned, ten, None),
        (World::ramping, Late(Failure), ten, None),
        (World::ramping, Passes(2500), BreakerState::Ramping { percent: 55 }, None),
        (World::ramping, Passes(4999), BreakerState::Ramping { percent: 99 }, None),
        (World::ramping, Passes(5000), CLOSED, None),
    ];
    for (row, (start, event, state, change)) in table.into_iter().enumerate() {
        let mut world = start();
        let mut heard = None;
        match event {
            Calls(times, outcome) => {
                for _ in 0..times {
                    heard = world.call(outcome).or(heard);
                }
            }
            Abandoned => {
                let permit = world.breaker.may_pass(at(world.now), 0).expect("passes");
                world.breaker.abandoned(permit);
            }
            Late(outcome) => {
                let generation = world.breaker.generation - 1;
                let permit = Permit { generation, is_proved: false, is_probe: true };
                heard = world.breaker.ended(permit, outcome, at(world.now));
            }
            Passes(millis) => world.now += millis,
        }
        assert_eq!((world.state(), heard), (state, change), "row {row}: {event:?}");
    }
}

#[test]
fn one_probe_at_a_time_and_a_lost_one_gives_its_place_back() {
    let mut world = World::half_open();
    let probe = world.breaker.may_pass(at(world.now), 0).expect("the first");
    assert!(probe.is_probe);
    assert_eq!(world.breaker.may_pass(at(world.now), 0), Err(at(world.now + 100)));
    world.breaker.abandoned(probe);
    let probe = world.breaker.may_pass(at(world.now), 0).expect("the place is free again");
    assert!(world.breaker.may_pass(at(world.now), 0).is_err());
    world.breaker.ended(probe, Outcome::Ignored, at(world.now));
    assert!(world.breaker.may_pass(at(world.now), 0).is_ok());
}

#[test]
fn the_share_of_failures_opens_only_with_enough_calls() {
    let mut world = World::new();
    for call in 1..20 {
        let outcome = if call % 2 == 0 { Outcome::Failure } else { Outcome::Success };
        assert_eq!(world.call(outcome), None, "call {call}");
    }
    assert!(matches!(world.call(Outcome::Failure), Some(Change::Opened { .. })));

    let mut world = World::new();
    for call in 0..100 {
        world.now += 400;
        let outcome = if call % 20 < 4 { Outcome::Failure } else { Outcome::Success };
        assert_eq!(world.call(outcome), None, "a fifth is not a half, call {call}");
    }
}

#[test]
fn what_failed_long_ago_does_not_count() {
    let mut world = World::new();
    for _ in 0..6 {
        for _ in 0..3 {
            world.call(Outcome::Failure);
        }
        world.call(Outcome::Success);
        world.now += 20_000;
    }
    assert_eq!(world.state(), CLOSED);
}

#[test]
fn the_cooldown_doubles_while_probes_fail_and_is_short_again_after_a_recovery() {
    let mut world = World::open();
    let mut cooldowns = Vec::new();
    for _ in 0..6 {
        let BreakerState::Open { until } = world.state() else { panic!("open") };
        cooldowns.push(until.since(at(world.now)).as_millis());
        world.now += until.since(at(world.now)).as_millis();
        world.call(Outcome::Failure);
    }
    assert_eq!(cooldowns, [5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
    world.now += 60_000;
    for _ in 0..PROBES {
        world.call(Outcome::Success);
    }
    world.now += 59_999;
    assert_eq!(world.call(Outcome::Success), None, "the ramp takes as long as the last cooldown");
    world.now += 1;
    assert_eq!(world.call(Outcome::Success), Some(Change::Closed));
    for _ in 0..4 {
        world.call(Outcome::Failure);
    }
    let until = at(world.now + 5000);
    assert_eq!(world.call(Outcome::Failure), Some(Change::Opened { until }));
}

#[test]
fn the_die_decides_while_traffic_comes_back() {
    let mut world = World::ramping();
    world.now += 2500;
    for (die, passes) in [(0, true), (54, true), (55, false), (99, false), (154, true)] {
        assert_eq!(world.breaker.may_pass(at(world.now), die).is_ok(), passes, "{die}");
    }
}

#[test]
fn who_waited_longer_passes_sooner_and_in_the_end_surely() {
    let most = Span::from_secs(5);
    let passing = |held: u64, percent: u64| {
        let casts = (0..100_u64).map(|die| loaded(die * 7919, Span::from_millis(held), most));
        casts.filter(|die| die % 100 < percent).count()
    };
    assert_eq!([0, 2500, 4500, 5000].map(|held| passing(held, 10)), [10, 20, 100, 100]);
    assert_eq!([0, 2500, 5000, 9000].map(|held| passing(held, 55)), [55, 100, 100, 100]);
    assert_eq!(loaded(99, Span::ZERO, Span::ZERO), 0);
}

proptest! {
    /// Nothing passes while it is open, and never two probes at once, whatever happens.
    #[test]
    fn nothing_passes_while_open_and_probes_go_one_by_one(
        steps in prop::collection::vec((0_u8..5, 0_u64..3000, any::<u64>()), 1..400),
    ) {
        let mut world = World::new();
        let mut flying: Vec<(Permit, u64)> = Vec::new();
        for (step, gap, die) in steps {
            world.now += gap;
            let now = at(world.now);
            if step < 3 {
                let state = world.state();
                if let Ok(permit) = world.breaker.may_pass(now, die) {
                    let is_open = matches!(state, BreakerState::Open { .. });
                    prop_assert!(!is_open);
                    prop_assert_eq!(permit.is_probe, state == HALF_OPEN);
                    let generation = permit.generation;
                    let probing = flying.iter().any(|(other, _)| {
                        other.is_probe && other.generation == generation
                    });
                    prop_assert!(!(permit.is_probe && probing));
                    flying.push((permit, die));
                }
            } else if !flying.is_empty() {
                let index = usize::try_from(die).unwrap_or(0) % flying.len();
                let (permit, die) = flying.swap_remove(index);
                match die % 4 {
                    0 => world.breaker.abandoned(permit),
                    1 => drop(world.breaker.ended(permit, Outcome::Success, now)),
                    _ => drop(world.breaker.ended(permit, Outcome::Failure, now)),
                }
            }
        }
    }
}

#[test]
fn a_probe_that_is_being_answered_need_not_end_before_the_next() {
    let mut world = World::half_open();
    for _ in 1..PROBES {
        let mut stream = world.breaker.may_pass(at(world.now), 0).expect("passes");
        assert_eq!(world.breaker.proved(&mut stream, at(world.now)), None);
        assert_eq!(world.breaker.proved(&mut stream, at(world.now)), None, "counts once");
    }
    let mut last = world.breaker.may_pass(at(world.now), 0).expect("passes");
    assert_eq!(world.breaker.proved(&mut last, at(world.now)), Some(Change::Recovering));
    // Its good end says nothing new; a bad one would open the breaker again.
    assert_eq!(world.breaker.ended(last, Outcome::Success, at(world.now)), None);
}

/// Answers that broke off after their first byte counted as a success and a failure each: they were
/// never so many in a row, and never more than half.
#[test]
fn a_stream_that_breaks_after_it_began_is_a_failure_and_no_success() {
    let mut world = World::new();
    for call in 1..=SETTINGS.failures {
        let mut stream = world.breaker.may_pass(at(0), 0).expect("passes");
        assert_eq!(world.breaker.proved(&mut stream, at(0)), None);
        let change = world.breaker.ended(stream, Outcome::Failure, at(0));
        assert_eq!(change.is_some(), call == SETTINGS.failures, "call {call}");
    }
    assert!(matches!(world.state(), BreakerState::Open { .. }), "{:?}", world.state());
}
