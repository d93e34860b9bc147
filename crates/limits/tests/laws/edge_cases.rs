//! What gateways get wrong, case by case.

use tollgate_limits::{
    Charge, Charges, ChargesError, Demand, Rule, SettlementKind, Standing, Stretch, Wait, peek,
    rebook,
};
use tollgate_units::{Amount, Span, Timestamp};

use crate::world::{World, amount, demand, exactly, firm, meter_id, ms, span};

const HOUR: u64 = 3_600_000;
const MINUTE: Span = Span::from_secs(60);
const FIRST: usize = 0;

fn hours(hours: u64) -> Timestamp {
    ms(hours * HOUR)
}

fn at(now: Timestamp) -> World {
    let mut world = World::new(vec![]);
    world.now = now;
    world
}

#[test]
fn two_of_300_against_500_a_day() {
    let day = Rule::Calendar { most: amount(500), turns: [hours(0), hours(24), hours(48)] };
    let mut world = at(hours(9));
    world.reserve(&firm(vec![exactly(0, day, 300)])).expect("the first passes");
    let denied = world.reserve(&firm(vec![exactly(0, day, 300)])).expect_err("the second does not");
    assert_eq!(denied.wait(), Wait::Until(hours(24)));
    let denied = world.reserve(&firm(vec![exactly(0, day, 600)])).expect_err("this never can");
    assert_eq!(denied.wait(), Wait::Never);
}

#[test]
fn a_thousand_at_once_against_a_hundred_a_minute() {
    let rule = Rule::Sliding { most: amount(100), window: MINUTE };
    let mut world = at(hours(9));
    let passed = (0..1000).filter(|_| world.reserve(&firm(vec![exactly(0, rule, 1)])).is_ok());
    assert_eq!(passed.count(), 100);
}

#[test]
fn two_hundred_of_500_tokens_against_10_000_a_minute() {
    let rule = Rule::Sliding { most: amount(10_000), window: MINUTE };
    let mut world = at(hours(9));
    let mut passed = 0;
    for turn in 0..200 {
        passed += u64::from(world.reserve(&firm(vec![exactly(0, rule, 500)])).is_ok());
        if turn % 3 == 0 {
            world.settle(FIRST, &[500]);
        }
    }
    assert_eq!(passed, 20);
}

#[test]
fn a_refusal_by_one_limit_leaves_every_other_meter_as_it_was() {
    let streams = Rule::AtOnce { most: amount(1), lease: Span::MAX };
    let requests = Rule::Sliding { most: amount(9), window: MINUTE };
    let charges = firm(vec![exactly(0, requests, 1), exactly(1, streams, 1)]);
    let mut world = at(hours(9));
    world.reserve(&charges).expect("the first stream");
    let before = world.shelf.clone();
    for _ in 0..100 {
        let denied = world.reserve(&charges).expect_err("one stream at a time");
        assert_eq!(denied.short.iter().map(|s| s.charge).collect::<Vec<_>>(), [1]);
        assert_eq!(denied.wait(), Wait::Until(hours(9).plus(Span::from_secs(1))));
        assert_eq!(denied.standings[0].held, Amount::ONE);
    }
    assert_eq!(world.shelf, before);
    world.settle(FIRST, &[1, 0]);
    world.reserve(&charges).expect("the stream has ended");
}

#[test]
fn every_limit_that_refuses_is_named_and_the_wait_is_the_longest() {
    let minute = Rule::Fixed { most: amount(1), window: MINUTE };
    let hour = Rule::Fixed { most: amount(1), window: Span::from_secs(3600) };
    let day = Rule::Fixed { most: amount(9), window: Span::from_secs(86_400) };
    let charges = firm(vec![exactly(0, hour, 1), exactly(1, day, 1), exactly(2, minute, 1)]);
    let mut world = at(hours(9));
    world.reserve(&charges).expect("all are empty");
    let denied = world.reserve(&charges).expect_err("two are full");
    assert_eq!(denied.short.iter().map(|s| s.charge).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(denied.wait(), Wait::Until(hours(10)));
    assert_eq!(denied.standings.len(), 3);
}

#[test]
fn a_limit_of_zero_and_more_than_a_limit_holds_are_never() {
    let rules = |most| {
        let most = amount(most);
        [
            Rule::AtOnce { most, lease: Span::MAX },
            Rule::Bucket { burst: most, units: amount(5), period: MINUTE },
            Rule::Calendar { most, turns: [hours(0), hours(24), hours(48)] },
            Rule::Fixed { most, window: MINUTE },
            Rule::Sliding { most, window: MINUTE },
            Rule::Total { most, idle: MINUTE },
        ]
    };
    for (most, asked) in [(0, 1), (7, 8), (7, u64::MAX)] {
        for rule in rules(most) {
            let mut world = at(hours(9));
            let denied = world.reserve(&firm(vec![exactly(0, rule, asked)])).expect_err("never");
            assert_eq!(denied.wait(), Wait::Never, "{rule:?}");
            world.reserve(&firm(vec![exactly(0, rule, most)])).expect("all of it fits");
            world.reserve(&firm(vec![exactly(0, rule, 0)])).expect("nothing always fits");
            let denied = world.reserve(&firm(vec![exactly(0, rule, asked)])).expect_err("never");
            assert_eq!(denied.wait(), Wait::Never, "{rule:?}");
        }
    }
    // A bucket that nothing drains is a limit for life.
    let rule = Rule::Bucket { burst: amount(2), units: amount(0), period: MINUTE };
    let mut world = at(hours(9));
    world.reserve(&firm(vec![exactly(0, rule, 2)])).expect("it is empty");
    let denied = world.reserve(&firm(vec![exactly(0, rule, 1)])).expect_err("it is full");
    assert_eq!(denied.wait(), Wait::Never);
}

/// `least` decides whether, `most` how far: a small limit can be spent to its end.
#[test]
fn a_request_without_a_cap_gets_what_is_left() {
    let tokens = Rule::Sliding { most: amount(10_000), window: MINUTE };
    let cost = Rule::Sliding { most: amount(1_000_000), window: MINUTE };
    // Two answers to 3,000 tokens of input, at 2,500 and 10,000 pico-dollars a token.
    let list = vec![
        Charge { meter: meter_id(0), rule: tokens, demand: demand(3_000, 2, 1) },
        Charge { meter: meter_id(1), rule: cost, demand: demand(7_500_000, 20_000, 1_000) },
    ];
    let charges = Charges::new(list, Stretch { least: 16, most: 4_096 }).expect("two meters");
    let mut world = at(hours(9));
    assert_eq!(world.reserve(&charges), Ok(3_500));
    assert_eq!(world.open[0].marks.reserved(0), amount(10_000));
    assert_eq!(world.open[0].marks.reserved(1), amount(77_500));
    let denied = world.reserve(&charges).expect_err("no token is left");
    assert_eq!(denied.short[0].asked, amount(3_032));
    world.settle(FIRST, &[6_969, 0]);
    assert!(world.reserve(&charges).is_err(), "15 tokens an answer are too few");
    world.void(FIRST);
}

#[test]
fn days_of_23_and_25_hours_are_as_long_as_they_are() {
    // Berlin: 29 March 2026 has 23 hours, 25 October has 25.
    let spring = [hours(23), hours(23 + 23), hours(23 + 23 + 24)];
    let autumn = [hours(22), hours(22 + 25), hours(22 + 25 + 24)];
    for turns in [spring, autumn] {
        let day = Rule::Calendar { most: amount(5), turns };
        let five = firm(vec![exactly(0, day, 5)]);
        let mut world = at(turns[0]);
        let (_, unused) = peek(&world.shelf, &five, world.now).expect("the day is new");
        assert_eq!(unused[0].resets_at, turns[1], "a day turns whether it was used or not");
        world.reserve(&five).expect("the day is new");
        world.now = turns[1].minus(span(1));
        let denied = world.reserve(&five).expect_err("the day is not over");
        assert_eq!(denied.wait(), Wait::Until(turns[1]));
        assert_eq!(denied.standings[0].resets_at, turns[1]);
        world.now = turns[1];
        world.reserve(&five).expect("the next day, by the same turns");
        let denied = world.reserve(&five).expect_err("it is spent too");
        assert_eq!(denied.wait(), Wait::Until(turns[2]));
    }
}

/// The plan was made before the last turn, the decision comes after it: the promise holds.
#[test]
fn stale_turns_go_on_at_the_longer_length() {
    let stale = Rule::Calendar { most: amount(5), turns: [hours(0), hours(24), hours(47)] };
    let fresh = Rule::Calendar { most: amount(5), turns: [hours(47), hours(71), hours(95)] };
    let mut world = at(hours(50));
    world.reserve(&firm(vec![exactly(0, stale, 3)])).expect("a new window");
    world.reserve(&firm(vec![exactly(0, fresh, 2)])).expect("it is the same window");
    assert!(world.reserve(&firm(vec![exactly(0, stale, 1)])).is_err());
    world.now = hours(71);
    world.reserve(&firm(vec![exactly(0, fresh, 5)])).expect("and it ends with it");
}

#[test]
fn a_stream_across_midnight_owes_the_new_day_and_gives_back_to_the_old() {
    let turns = [hours(0), hours(24), hours(48)];
    let day = Rule::Calendar { most: amount(100), turns };
    for (used, left) in [(60, 100), (80, 100), (95, 85)] {
        let mut world = at(hours(24).minus(span(5)));
        world.reserve(&firm(vec![exactly(0, day, 80)])).expect("it is empty");
        world.now = hours(24).plus(span(5));
        let new_day = firm(vec![exactly(0, day, 0)]);
        world.settle(FIRST, &[used]);
        let (_, standings) = peek(&world.shelf, &new_day, world.now).expect("nothing fits");
        assert_eq!(standings[0].left, amount(left), "used {used} of 80");
        assert_eq!(world.shelf.books.refunded, 0);
    }
}

#[test]
fn debt_is_never_forgiven_and_nothing_passes_until_it_is_gone() {
    let bucket = Rule::Bucket { burst: amount(10), units: amount(1), period: span(1_000) };
    let mut world = at(hours(9));
    world.reserve(&firm(vec![exactly(0, bucket, 10)])).expect("it is empty");
    world.settle(FIRST, &[25]);
    let denied = world.reserve(&firm(vec![exactly(0, bucket, 1)])).expect_err("in debt");
    assert_eq!(denied.wait(), Wait::Until(hours(9).plus(Span::from_secs(16))));
    let full = Standing {
        used: amount(25),
        held: amount(0),
        left: amount(0),
        resets_at: hours(9).plus(Span::from_secs(25)),
    };
    assert_eq!(denied.standings, [full]);
}

#[test]
fn a_total_ends_after_quiet_and_only_then() {
    let total = Rule::Total { most: amount(10), idle: MINUTE };
    let mut world = at(hours(9));
    for _ in 0..10 {
        world.reserve(&firm(vec![exactly(0, total, 1)])).expect("ten in all");
        world.pass(59_999);
        // A request that calls no tool keeps the session awake all the same.
        world.reserve(&firm(vec![exactly(0, total, 0)])).expect("nothing always fits");
        world.pass(59_999);
    }
    assert!(world.reserve(&firm(vec![exactly(0, total, 1)])).is_err());
    world.pass(1);
    world.reserve(&firm(vec![exactly(0, total, 10)])).expect("a minute of quiet");
}

/// A fallback holds other meters and other amounts: nothing is charged twice.
#[test]
fn a_fallback_is_rebooked_and_never_charged_twice() {
    let requests = Rule::Sliding { most: amount(1), window: MINUTE };
    let cost = Rule::Sliding { most: amount(100), window: MINUTE };
    let streams = Rule::AtOnce { most: amount(1), lease: Span::MAX };
    let first = firm(vec![exactly(0, requests, 1), exactly(1, cost, 60), exactly(2, streams, 1)]);
    let second = firm(vec![exactly(2, streams, 1), exactly(3, cost, 30), exactly(0, requests, 1)]);
    let third = firm(vec![exactly(0, requests, 1), exactly(1, cost, 101), exactly(3, cost, 10)]);
    let mut world = at(hours(9));
    world.reserve(&first).expect("everything is empty");
    world.pass(1_500);
    let now = world.now;
    let Some(open) = world.open.first_mut() else { unreachable!("it is open") };
    rebook(&mut world.shelf, &mut open.marks, &second, now).expect("other meters");
    let before = (world.shelf.clone(), format!("{:?}", open.marks));
    let denied = rebook(&mut world.shelf, &mut open.marks, &third, now).expect_err("too much");
    assert_eq!(
        denied.short.iter().map(|s| (s.charge, s.wait)).collect::<Vec<_>>(),
        [(1, Wait::Never)]
    );
    assert_eq!((world.shelf.clone(), format!("{:?}", open.marks)), before);
    // A holder waits in vain for its own stream to end.
    let two = firm(vec![exactly(2, streams, 2)]);
    let denied = rebook(&mut world.shelf, &mut open.marks, &two, now).expect_err("one at once");
    assert_eq!(denied.wait(), Wait::Never);
    let books = world.shelf.books;
    assert_eq!((books.reserved, books.extended, books.refunded, books.held), (62, 30, 60, 32));
    // One request is still one request, and in its own slot: it comes back a minute after the
    // end of the second in which it was made.
    let denied = world.reserve(&firm(vec![exactly(0, requests, 1)])).expect_err("one a minute");
    assert_eq!(denied.wait(), Wait::Until(hours(9).plus(Span::from_secs(61))));
    world.reserve(&firm(vec![exactly(1, cost, 100)])).expect("the first model's cost came back");
}

/// A slice more for a stream: what has drained stays paid, what has not moves with it.
#[test]
fn an_extension_takes_only_what_is_more() {
    let bucket = Rule::Bucket { burst: amount(10), units: amount(1), period: span(1_000) };
    let mut world = at(hours(9));
    world.reserve(&firm(vec![exactly(0, bucket, 10)])).expect("it is empty");
    world.pass(4_500);
    let now = world.now;
    let Some(open) = world.open.first_mut() else { unreachable!("it is open") };
    let [too_much, more] = [15, 14].map(|units| firm(vec![exactly(0, bucket, units)]));
    let denied = rebook(&mut world.shelf, &mut open.marks, &too_much, now).expect_err("4.5 left");
    assert_eq!(denied.wait(), Wait::Until(now.plus(span(500))));
    let rebooked = rebook(&mut world.shelf, &mut open.marks, &more, now).expect("4 more fit");
    assert_eq!(rebooked.standings[0].held, amount(9));
    assert_eq!(rebooked.standings[0].left, Amount::ZERO);
    // 14 are held, 5 of them not drained and movable: with the 4 they can come back, no more.
    world.void(FIRST);
    assert_eq!((world.shelf.books.refunded, world.shelf.books.forfeited), (9, 5));
}

/// Tool calls: nothing is held for the one that may come, and what came counts from then on.
#[test]
fn what_is_known_afterwards_is_refused_only_once_there_is_no_room_for_one() {
    let rule = Rule::Total { most: amount(3), idle: MINUTE };
    let mut world = at(hours(9));
    let call = || firm(vec![Charge { meter: meter_id(0), rule, demand: Demand::afterwards() }]);
    for used in [2, 2] {
        world.reserve(&call()).expect("there is room for one");
        world.reserve(&call()).expect("and for one beside it: nothing is held");
        let settled = world.settle(FIRST, &[used]).expect("it was open");
        assert_eq!(settled.kind, SettlementKind::Exact, "used afterwards is no overrun");
        world.void(FIRST);
    }
    let denied = world.reserve(&call()).expect_err("4 of 3 are used");
    assert_eq!(denied.short[0].asked, amount(1));
    assert_eq!(denied.wait(), Wait::Until(hours(9).plus(MINUTE)));
}

#[test]
fn charges_are_checked_once() {
    let rule = Rule::Sliding { most: amount(1), window: MINUTE };
    let charge = |number| exactly(number, rule, 1);
    let new = |list, stretch| Charges::new(list, stretch).map(|charges| charges.len());
    let firm = Stretch::exactly(0);
    assert_eq!(new((0..64).map(charge).collect(), firm), Ok(64));
    let many = ChargesError::TooMany { count: 65 };
    assert_eq!(new((0..65).map(charge).collect(), firm), Err(many));
    let twice = ChargesError::Twice { first: 1, second: 3 };
    assert_eq!(new([0, 1, 2, 1].map(charge).to_vec(), firm), Err(twice));
    let backwards = Stretch { least: 2, most: 1 };
    assert_eq!(new(vec![charge(0)], backwards), Err(ChargesError::Stretch));
}
