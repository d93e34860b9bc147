//! What a refusal promised, and how far it is believed.

use tollgate_routing::{Closed, Ended, Why};
use tollgate_units::{Span, Timestamp};

use crate::world::{World, at, success, throttled};

const DAY: u64 = 86_400_000;

/// What was said, how long is waited, and why. `None` is no promise, or one that cannot be read.
#[test]
fn a_promise_is_obeyed_as_far_as_it_can_be_believed() {
    let table = [
        (None, 1000, Why::Predicted),
        (Some(0), 1000, Why::Predicted),
        (Some(1), 1, Why::Promised),
        (Some(2000), 2000, Why::Promised),
        (Some(60_000), 60_000, Why::Promised),
        (Some(60_001), 60_001, Why::Checked),
        (Some(DAY), DAY, Why::Checked),
        (Some(DAY + 1), 1000, Why::Unbelieved),
        (Some(365 * DAY), 1000, Why::Unbelieved),
    ];
    for (said, waited, why) in table {
        let mut world = World::new();
        world.call(throttled(said.map(Span::from_millis)));
        let shut = world.route.outlook(&crate::world::CALL, world.now()).shut.expect("is shut");
        assert_eq!((shut.until, shut.why), (at(waited), why), "{said:?}");
        assert!(matches!(world.ask(), Err(Closed::Full { .. })), "{said:?}");
        world.now = waited - 1;
        if waited <= 60_000 {
            assert!(world.ask().is_err(), "{said:?}: a moment early");
        }
        world.now = waited + 100;
        assert!(world.ask().is_ok(), "{said:?}: the promise has passed");
    }
}

#[test]
fn a_limit_that_is_used_up_is_no_trouble_of_the_provider_and_too_much_to_do_is() {
    let wait = Some(Span::from_secs(5));
    for overloaded in [false, true] {
        let mut world = World::new();
        world.call(Ended::Throttled { retry_after: wait, overloaded });
        let expected = if overloaded {
            Closed::Open { until: at(5000) }
        } else {
            Closed::Full { room_at: at(5000) }
        };
        assert_eq!(world.ask().err(), Some(expected));
    }
}

#[test]
fn what_proves_too_short_is_doubled() {
    let mut world = World::new();
    let mut waits = Vec::new();
    for _ in 0..8 {
        world.call(throttled(Some(Span::from_secs(2))));
        waits.push(world.wait().expect("some time") / 1000);
        world.now += world.wait().expect("some time");
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
    world.call(success());
    world.now += 1000;
    world.call(throttled(Some(Span::from_secs(2))));
    assert_eq!(world.wait(), Some(2000), "a success ends the row");
    world.now += 62_000;
    world.call(throttled(Some(Span::from_secs(2))));
    assert_eq!(world.wait(), Some(2000), "and so does a minute");
}

#[test]
fn refusals_of_one_volley_are_one_refusal() {
    let mut world = World::new();
    let volley: Vec<_> = (0..6).map(|_| world.ask().expect("nothing is known")).collect();
    for pass in volley {
        world.now += 50;
        world.route.ended(pass, throttled(None), world.now());
    }
    let shut = world.route.outlook(&crate::world::CALL, world.now()).shut.expect("is shut");
    assert_eq!((shut.until, shut.why), (at(1050), Why::Predicted));
}

#[test]
fn a_longer_promise_of_the_same_volley_is_kept_and_a_shorter_is_not() {
    let mut world = World::new();
    let volley: Vec<_> = (0..3).map(|_| world.ask().expect("nothing is known")).collect();
    for (pass, secs) in volley.into_iter().zip([3, 9, 1]) {
        world.route.ended(pass, throttled(Some(Span::from_secs(secs))), world.now());
    }
    assert_eq!(world.wait(), Some(9000));
}

#[test]
fn a_promise_of_more_than_a_minute_is_checked_once_a_minute() {
    let mut world = World::new();
    world.call(throttled(Some(Span::from_secs(3600))));
    world.now = 59_999;
    assert!(world.ask().is_err());
    world.now = 60_000;
    let probe = world.ask().expect("a probe");
    assert!(world.ask().is_err(), "one at a time");
    world.route.ended(probe, throttled(Some(Span::from_secs(3540))), world.now());
    world.now = 119_999;
    assert!(world.ask().is_err());
    world.now = 120_000;
    let probe = world.ask().expect("the next probe");
    let news = world.route.ended(probe, success(), world.now());
    assert_eq!(news.reset_error_ms, Some(120_000 - 3_600_000), "the promise was far too long");
    world.now += 100;
    assert!(world.ask().is_ok(), "the lie is over");
}

#[test]
fn a_lost_probe_gives_its_place_back() {
    for ended in [Ended::Unsent, Ended::Ignored, Ended::Failed] {
        let mut world = World::new();
        world.call(throttled(Some(Span::from_secs(3600))));
        world.now = 60_000;
        world.call(ended);
        world.now += 1000;
        assert!(world.ask().is_ok(), "{ended:?}");
    }
}

#[test]
fn the_first_success_after_a_refusal_says_how_true_the_promise_was() {
    let mut world = World::new();
    let early = world.ask().expect("nothing is known");
    world.call(throttled(Some(Span::from_secs(2))));
    world.now = 300;
    let news = world.route.ended(early, success(), world.now());
    assert_eq!(news.reset_error_ms, None, "it was sent before the refusal");
    world.now = 2000;
    let pass = world.ask().expect("the promise has passed");
    world.now = 2400;
    assert_eq!(world.route.ended(pass, success(), world.now()).reset_error_ms, Some(400));
    assert_eq!(world.call(success()).reset_error_ms, None, "only the first");
}

#[test]
fn an_empty_account_is_tried_after_a_minute_and_then_ever_more_rarely() {
    let mut world = World::new();
    world.call(Ended::Exhausted);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let Err(Closed::Open { until }) = world.ask() else { unreachable!("it is shut") };
        waits.push(until.since(world.now()).as_millis() / 60_000);
        world.now += until.since(world.now()).as_millis();
        let probe = world.ask().expect("a probe");
        assert!(world.ask().is_err(), "one at a time");
        world.route.ended(probe, Ended::Exhausted, world.now());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    world.now += 3_600_000;
    world.call(success());
    assert!(world.ask().is_ok(), "filled up again");
    let shut = world.route.outlook(&crate::world::CALL, world.now()).shut;
    assert_eq!(shut, None);
    assert!(Timestamp::MAX > world.now());
}

/// A route that bears more than a few at once: a refusal came while forty were in flight.
fn crowded() -> World {
    let mut world = World::new();
    let mut passes: Vec<_> = (0..40).map(|_| world.ask().expect("nothing is known")).collect();
    let refused = passes.pop().expect("forty");
    world.route.ended(refused, Ended::Throttled { retry_after: None, overloaded: true }, at(0));
    for pass in passes {
        world.route.ended(pass, success(), at(0));
    }
    let outlook = world.route.outlook(&crate::world::CALL, at(0));
    assert_eq!((outlook.concurrency, outlook.in_flight), (Some(36), 0));
    world
}

#[test]
fn after_a_promise_requests_come_back_one_by_one_and_not_as_a_stampede() {
    let mut world = crowded();
    world.call(throttled(Some(Span::from_secs(2))));
    let patient = tollgate_routing::Call { patience: Span::from_secs(60), ..crate::world::CALL };
    let mut last = None;
    for _ in 0..20 {
        let pass = world.route.ask(&patient, world.now(), 0).expect("waits");
        assert!(pass.starts_at >= at(2000));
        if let Some(last) = last {
            assert!(pass.starts_at >= Timestamp::plus(last, Span::from_millis(100)));
        }
        last = Some(pass.starts_at);
        drop(pass);
    }
}

#[test]
fn a_planned_start_moves_when_the_provider_refuses_meanwhile() {
    let mut world = crowded();
    world.call(throttled(Some(Span::from_secs(1))));
    let patient = tollgate_routing::Call { patience: Span::from_secs(60), ..crate::world::CALL };
    world.now = 1000;
    let first = world.ask().expect("the promise has passed");
    let mut second = world.route.ask(&patient, world.now(), 0).expect("waits");
    let mut third = world.route.ask(&patient, world.now(), 0).expect("waits");
    world.now = 1050;
    world.route.ended(first, throttled(Some(Span::from_secs(5))), world.now());
    world.now = 1100;
    assert_eq!(world.route.due(&mut second, world.now()), at(6050));
    assert_eq!(world.route.due(&mut third, world.now()), at(6150));
    world.now = 6050;
    assert_eq!(world.route.due(&mut second, world.now()), at(6050), "and then it stays");
    world.route.ended(second, success(), world.now());
    world.route.ended(third, Ended::Unsent, world.now());
    assert_eq!(world.route.outlook(&patient, world.now()).in_flight, 0);
}
