//! How far the meters of a provider are believed that would leave its account alone for long.

use tollgate_routing::{Call, Closed, Counted, Need, Observed, Refill};
use tollgate_units::Span;

use crate::world::{CALL, ONE, World, at, seen, success, throttled};

const MINUTE: u64 = 60_000;
const YEAR: u64 = 8760 * 60 * MINUTE;

/// Nothing is left of a hundred requests, for so long.
fn empty(for_millis: u64) -> Observed<'static> {
    Observed {
        window: None,
        remaining: Some(0),
        reset_at: Some(at(for_millis)),
        ..seen("requests", Counted::Requests, Refill::AtReset, 100)
    }
}

/// An answer told of a reset a year ahead, and nothing was sent ever after.
#[test]
fn an_account_that_is_left_alone_for_long_is_asked_once_a_minute() {
    for refill in [Refill::AtReset, Refill::Continuous] {
        let mut world = World::new();
        // Of a bucket, a window must be said: one of a year is not guessed.
        let window = (refill == Refill::Continuous).then(|| Span::from_millis(YEAR));
        let seen = Observed { refill, window, ..empty(YEAR) };
        world.learns(&[seen]);
        for minute in 1..5 {
            assert!(matches!(world.ask(), Err(Closed::Full { .. })), "{refill:?}");
            let next_check = world.route.next_check(world.now());
            assert_eq!(next_check, Some(at(minute * MINUTE)), "{refill:?}");
            world.now = minute * MINUTE - 1;
            assert!(world.ask().is_err(), "{refill:?}");
            world.now = minute * MINUTE;
            // The caller's own mistake says nothing of the meter.
            world.refused_with(&[seen]);
        }
    }
}

#[test]
fn what_is_left_alone_for_a_minute_at_most_is_not_asked_before() {
    let mut world = World::new();
    let (window, refill) = (Some(Span::from_secs(600)), Refill::Continuous);
    world.learns(&[Observed { window, refill, ..empty(10 * MINUTE) }]);
    // One of a hundred comes back every six seconds, and five are kept.
    assert_eq!(world.wait(), Some(42_000));
    assert_eq!(world.route.next_check(world.now()), None);
}

#[test]
fn a_meter_that_is_belied_is_not_believed_until_it_tells_of_room_or_refuses() {
    let mut world = World::new();
    world.learns(&[empty(YEAR)]);
    world.now = MINUTE;
    world.learns(&[empty(YEAR)]);
    for _ in 0..9 {
        world.now += 1;
        world.learns(&[empty(YEAR)]);
    }
    let refuses = World { route: world.route.clone(), now: world.now };
    // It makes sense again, and is empty then.
    let some = Observed { remaining: Some(50), ..empty(YEAR) };
    world.learns(&[some]);
    world.learns(&[empty(YEAR)]);
    assert!(world.wait() > Some(MINUTE));
    let mut world = refuses;
    world.call(throttled(Some(Span::from_secs(1))));
    world.now += 2000;
    assert!(world.wait() > Some(MINUTE), "who refuses counts");
}

#[test]
fn a_meter_that_tells_of_room_opens_by_that() {
    let mut world = World::new();
    let (window, refill) = (Some(Span::from_millis(YEAR)), Refill::Continuous);
    let empty = Observed { window, refill, ..empty(YEAR) };
    world.learns(&[empty]);
    world.now = MINUTE;
    world.learns(&[Observed { remaining: Some(60), ..empty }]);
    let passes = (0..100).filter(|_| world.ask().is_ok()).count();
    assert!((50..=56).contains(&passes), "{passes}: and no further");
}

#[test]
fn what_is_kept_for_critical_requests_is_not_spent_on_checks() {
    let mut world = World::new();
    world.learns(&[Observed { remaining: Some(4), ..empty(YEAR) }]);
    for minute in 1..10 {
        world.now = minute * MINUTE;
        assert!(matches!(world.ask(), Err(Closed::Full { .. })));
    }
    let critical = Call { is_critical: true, ..CALL };
    assert!(world.route.ask(&critical, world.now(), 0).is_ok());
}

#[test]
fn a_request_larger_than_the_limit_is_sent_once_a_minute_and_served_it_fits() {
    let mut world = World::new();
    let tokens = seen("tokens", Counted::Tokens, Refill::Continuous, 100);
    let tokens = Observed { remaining: Some(100), ..tokens };
    world.learns(&[tokens]);
    let large = Call { need: Need { tokens: 101, ..ONE }, ..CALL };
    world.now = MINUTE;
    let refused = world.route.ask(&large, world.now(), 0).expect("a minute has passed");
    world.route.ended(refused, tollgate_routing::Ended::Ignored, world.now());
    assert_eq!(world.route.ask(&large, world.now(), 0).err(), Some(Closed::Never));
    // Others still go, which tell the same.
    world.learns(&[tokens]);
    world.now = 2 * MINUTE;
    let mut served = world.route.ask(&large, world.now(), 0).expect("another minute");
    assert!(!tokens.is_belied_by(&ONE) && tokens.is_belied_by(&large.need));
    world.route.heard(&mut served, &[], world.now());
    world.route.ended(served, success(), world.now());
    assert!(world.route.ask(&large, world.now(), 0).is_ok());
    assert!(matches!(world.route.ask(&large, world.now(), 0), Err(Closed::Full { .. })));
    world.now = 3 * MINUTE;
    assert!(world.route.ask(&large, world.now(), 0).is_ok(), "once all of it is back");
}
