//! One test for each thing that a route promises, and every number a provider may write.

use proptest::prelude::*;
use tollgate_routing::{
    BreakerState, Call, Change, Closed, Counted, Ended, Need, Observed, Refill, Route,
    RouteSettings,
};
use tollgate_units::{Span, Timestamp};

use crate::world::{CALL, ONE, START, World, at, seen, success, throttled};

fn requests(limit: u64, remaining: u64) -> Observed<'static> {
    let seen = seen("requests", Counted::Requests, Refill::Continuous, limit);
    Observed { remaining: Some(remaining), ..seen }
}

#[test]
fn nothing_is_known_at_first_and_everything_passes() {
    let mut world = World::new();
    let outlook = world.route.outlook(&CALL, world.now());
    assert_eq!(outlook.state, BreakerState::Closed);
    assert_eq!((outlook.room_at, outlook.headroom_permille), (Some(at(0)), 1000));
    let passes: Vec<_> = (0..1000).map(|_| world.ask()).collect();
    assert!(passes.iter().all(Result::is_ok));
    assert_eq!(world.route.outlook(&CALL, world.now()).in_flight, 1000);
}

#[test]
fn a_limit_of_zero_and_a_request_larger_than_the_limit_are_never() {
    let mut world = World::new();
    world.refused_with(&[requests(0, 0)]);
    assert_eq!(world.ask().err(), Some(Closed::Never));
    assert_eq!(world.wait(), None);
    world.now = 60_000;
    assert!(world.ask().is_ok(), "nothing else could teach that the account has some now");
    assert_eq!(world.ask().err(), Some(Closed::Never), "one a minute");

    let mut world = World::new();
    let tokens = seen("tokens", Counted::Tokens, Refill::Continuous, 100);
    world.learns(&[Observed { remaining: Some(100), ..tokens }]);
    let call = |tokens| Call { need: Need { tokens, ..ONE }, ..CALL };
    assert_eq!(world.route.ask(&call(101), at(0), 0).err(), Some(Closed::Never));
    world.now = 60_000;
    assert!(
        world.route.ask(&call(100), at(60_000), 0).is_ok(),
        "all of it at once, when it is full"
    );
}

#[test]
fn a_pool_that_counts_nothing_of_a_request_does_not_stop_it() {
    let mut world = World::new();
    world.learns(&[seen("output-tokens", Counted::OutputTokens, Refill::Continuous, 0)]);
    assert!(world.ask().is_ok());
}

#[test]
fn below_the_safe_share_only_critical_requests_pass() {
    let mut world = World::new();
    world.learns(&[requests(100, 6)]);
    // One in doubt: a provider may not have counted the request that it answered.
    let critical = Call { is_critical: true, ..CALL };
    assert!(matches!(world.ask(), Err(Closed::Full { .. })));
    for _ in 0..5 {
        let pass = world.route.ask(&critical, world.now(), 0).expect("is critical");
        assert_eq!(pass.starts_at, world.now());
    }
    assert!(world.route.ask(&critical, world.now(), 0).is_err(), "nothing is left");
}

#[test]
fn passing_the_safe_share_is_told_once_each_way() {
    let mut world = World::new();
    world.learns(&[requests(100, 20)]);
    let mut told = Vec::new();
    for millis in 0..30_000_u64 {
        world.now = millis;
        if let Ok(pass) = world.ask() {
            told.extend(world.route.ended(pass, success(), at(millis)).below_safe);
        }
    }
    assert_eq!(told, [true], "it hovers there, and that is no news");
    world.now = 200_000;
    assert_eq!(world.call(success()).below_safe, Some(false));
}

#[test]
fn a_request_that_waits_has_its_own_start_in_the_order_of_asking() {
    let mut world = World::new();
    world.learns(&[requests(60, 4)]);
    let patient = Call { patience: Span::from_secs(10), ..CALL };
    let starts: Vec<u64> = (0..5)
        .map(|_| world.route.ask(&patient, world.now(), 0).expect("waits").starts_at)
        .map(|start| start.since(at(0)).as_millis())
        .collect();
    assert_eq!(starts, [1000, 2000, 3000, 4000, 5000]);
    let hasty = Call { patience: Span::from_millis(5999), ..CALL };
    let refused = world.route.ask(&hasty, world.now(), 0).err();
    assert_eq!(refused, Some(Closed::Full { room_at: at(6000) }));
}

#[test]
fn what_was_never_sent_is_given_back() {
    let mut world = World::new();
    world.learns(&[requests(100, 50)]);
    let before = world.route.outlook(&CALL, world.now());
    for _ in 0..40 {
        world.call(Ended::Unsent);
    }
    assert_eq!(world.route.outlook(&CALL, world.now()), before);
}

#[test]
fn a_start_that_falls_away_holds_up_nobody() {
    for refill in [Refill::Continuous, Refill::AtReset] {
        let mut world = World::new();
        let requests = seen("requests", Counted::Requests, Refill::Continuous, 6000);
        let tokens = seen("tokens", Counted::Tokens, refill, 6000);
        let full = |seen: Observed<'static>| Observed { remaining: Some(6000), ..seen };
        world.learns(&[full(requests), full(tokens)]);
        let call = Call {
            need: Need { requests: 1, tokens: 900, ..Need::default() },
            patience: Span::from_secs(100),
            ..CALL
        };
        let passes: Vec<_> = (0..9)
            .map(|_| world.route.ask(&call, at(0), 0).expect("waits"))
            .filter(|pass| pass.starts_at > at(0))
            .collect();
        let first = passes.iter().map(|pass| pass.starts_at).min().expect("some wait");
        let last = passes.iter().map(|pass| pass.starts_at).max().expect("some wait");
        assert!(last > at(15_000), "{refill:?}");
        assert!(world.wait() > Some(15_000), "{refill:?}");
        for pass in passes {
            world.route.ended(pass, Ended::Unsent, at(0));
        }
        assert!(world.wait() <= Some(first.since(at(0)).as_millis()), "{refill:?}");
    }
}

#[test]
fn what_the_provider_counts_afterwards_is_charged_then_and_may_be_a_debt() {
    let mut world = World::new();
    let output = seen("output-tokens", Counted::OutputTokens, Refill::Continuous, 6000);
    world.learns(&[Observed { remaining: Some(6000), ..output }]);
    let afterwards = Need { output_tokens: 9000, ..Need::default() };
    let ended =
        Ended::Success { first_token: None, prompt_tokens: 10, afterwards, back: Need::default() };
    world.call(ended);
    assert_eq!(world.route.outlook(&CALL, world.now()).headroom_permille, 0);
    let call = Call { need: Need { output_tokens: 1, ..ONE }, is_critical: true, ..CALL };
    let room_at = world.route.outlook(&call, world.now()).room_at;
    assert_eq!(room_at, Some(at(30_010)), "half a window's debt");
}

#[test]
fn a_changed_limit_holds_at_once() {
    let mut world = World::new();
    world.learns(&[requests(100, 100)]);
    world.learns(&[requests(1000, 998)]);
    assert!(world.route.pools(world.now()).all(|row| row.limit == Some(1000)));
    let passes = (0..1000).filter(|_| world.ask().is_ok()).count();
    assert!((940..=950).contains(&passes), "{passes}");
}

#[test]
fn a_report_that_was_overtaken_changes_nothing() {
    let mut world = World::new();
    world.learns(&[requests(100, 100)]);
    let mut early = world.ask().expect("has room");
    for _ in 0..50 {
        world.call(success());
    }
    let before = world.route.outlook(&CALL, world.now()).headroom_permille;
    world.now = 1;
    world.route.heard(&mut early, &[requests(100, 98)], world.now());
    let after = world.route.outlook(&CALL, world.now()).headroom_permille;
    assert!(after.abs_diff(before) <= 2, "{before} {after}");
}

#[test]
fn what_others_used_shows_and_so_does_what_was_never_used() {
    let mut world = World::new();
    world.learns(&[requests(100, 100)]);
    world.learns(&[requests(100, 40)]);
    assert_eq!(world.route.outlook(&CALL, world.now()).headroom_permille, 400);
    world.learns(&[requests(100, 90)]);
    // The request itself is in doubt.
    assert_eq!(world.route.outlook(&CALL, world.now()).headroom_permille, 890);
}

#[test]
fn a_rounded_report_corrects_only_beyond_its_rounding() {
    let mut world = World::new();
    let tokens = seen("tokens", Counted::Tokens, Refill::Continuous, 30_000);
    let tokens = Observed { grain: 1000, ..tokens };
    world.learns(&[Observed { remaining: Some(20_000), ..tokens }]);
    let before = world.route.outlook(&CALL, world.now()).headroom_permille;
    world.learns(&[Observed { remaining: Some(20_000), ..tokens }]);
    let after = world.route.outlook(&CALL, world.now()).headroom_permille;
    assert!(after.abs_diff(before) <= 1, "{before} {after}");
    world.learns(&[Observed { remaining: Some(10_000), ..tokens }]);
    assert_eq!(world.route.outlook(&CALL, world.now()).headroom_permille, 350);
}

#[test]
fn failures_open_the_breaker_and_the_callers_own_mistakes_do_not() {
    let mut world = World::new();
    for _ in 0..100 {
        assert_eq!(world.call(Ended::Ignored).breaker, None);
    }
    for _ in 0..4 {
        assert_eq!(world.call(Ended::Failed).breaker, None);
    }
    let until = at(5000);
    assert_eq!(world.call(Ended::Failed).breaker, Some(Change::Opened { until }));
    assert_eq!(world.ask().err(), Some(Closed::Open { until }));
    assert_eq!(world.wait(), Some(5000));
    world.now = 5000;
    let probe = world.ask().expect("a probe");
    assert!(world.ask().is_err(), "one at a time");
    world.route.ended(probe, Ended::Unsent, world.now());
    assert!(world.ask().is_ok());
}

#[test]
fn an_overloaded_provider_counts_as_a_failure_and_a_quota_does_not() {
    let mut world = World::new();
    for _ in 0..5 {
        world.call(Ended::Throttled { retry_after: None, overloaded: true });
        world.now += 10;
    }
    let state = world.route.outlook(&CALL, world.now()).state;
    assert!(matches!(state, BreakerState::Open { .. }));

    let mut world = World::new();
    for _ in 0..9 {
        world.call(throttled(None));
        world.now += world.wait().expect("some time");
    }
    assert_eq!(world.route.outlook(&CALL, world.now()).state, BreakerState::Closed);
}

#[test]
fn a_refused_request_changes_nothing() {
    let mut world = World::new();
    let tokens = seen("tokens", Counted::Tokens, Refill::Continuous, 1000);
    world.learns(&[requests(100, 100), Observed { remaining: Some(30), ..tokens }]);
    let before = format!("{:?}", world.route);
    for _ in 0..10 {
        assert!(world.ask().is_err());
    }
    assert_eq!(format!("{:?}", world.route), before);
}

#[test]
fn other_settings_leave_what_is_known() {
    let mut world = World::new();
    world.learns(&[requests(100, 20)]);
    world.route.reconfigure(RouteSettings { safe_permille: 500, ..RouteSettings::default() });
    assert!(world.ask().is_err(), "half is kept now");
    world.route.reconfigure(RouteSettings { safe_permille: 0, ..RouteSettings::default() });
    assert!(world.ask().is_ok());
    assert_eq!(Route::new(RouteSettings::default()).pools(at(0)).count(), 0);
}

/// Numbers as a provider may write them: small, large, and the ends.
fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..5, 0_u64..100_000, any::<u64>(), Just(u64::MAX), Just(START)]
}

fn any_report() -> impl Strategy<Value = Observed<'static>> {
    let kinds = [Counted::InputTokens, Counted::OutputTokens, Counted::Requests, Counted::Tokens];
    let numbers = (
        prop::option::of(any_number()),
        prop::option::of(any_number()),
        prop::option::of(any_number()),
        prop::option::of(any_number()),
        any_number(),
    );
    (0_usize..20, prop::sample::select(kinds.to_vec()), any::<bool>(), numbers).prop_map(
        |(name, counts, is_bucket, (window, limit, remaining, reset, grain))| Observed {
            name: &"abcdefghijklmnopqrstuvw"[name..=name],
            counts,
            refill: if is_bucket { Refill::Continuous } else { Refill::AtReset },
            window: window.map(Span::from_millis),
            limit,
            remaining,
            reset_at: reset.map(Timestamp::from_millis),
            grain,
        },
    )
}

fn any_end() -> impl Strategy<Value = Ended> {
    let span = || prop::option::of(any_number().prop_map(Span::from_millis));
    prop_oneof![
        Just(Ended::Exhausted),
        Just(Ended::Failed),
        Just(Ended::Ignored),
        Just(Ended::Unsent),
        (span(), any::<bool>())
            .prop_map(|(retry_after, overloaded)| Ended::Throttled { retry_after, overloaded }),
        (span(), any_number(), any_number()).prop_map(|(first_token, prompt_tokens, tokens)| {
            let afterwards = Need { tokens, output_tokens: tokens, ..Need::default() };
            Ended::Success { first_token, prompt_tokens, afterwards, back: Need::default() }
        }),
    ]
}

proptest! {
    /// Release builds check for overflow in this crate, so a number from outside must not cause it.
    #[test]
    fn no_number_that_a_provider_writes_stops_the_gateway(
        steps in prop::collection::vec(
            (any_number(), any_number(), any::<bool>(), prop::collection::vec(any_report(), 0..4), any_end()),
            1..60,
        ),
    ) {
        let mut world = World::new();
        let mut held = Vec::new();
        for (gap, tokens, is_critical, reports, ended) in steps {
            world.now = world.now.saturating_add(gap % 100_000);
            let need = Need { requests: 1, tokens, input_tokens: tokens, output_tokens: 0 };
            let call = Call { need, is_critical, patience: Span::from_millis(gap) };
            let outlook = world.route.outlook(&call, world.now());
            prop_assert!(outlook.headroom_permille <= 1000);
            if let Ok(pass) = world.route.ask(&call, world.now(), gap) {
                held.push(pass);
            }
            if tokens % 2 == 0 && !held.is_empty() {
                let mut pass = held.swap_remove(0);
                world.route.due(&mut pass, world.now());
                world.route.heard(&mut pass, &reports, world.now());
                world.route.ended(pass, ended, world.now());
            }
        }
        let count = u32::try_from(held.len()).expect("few");
        prop_assert_eq!(world.route.outlook(&CALL, world.now()).in_flight, count);
        prop_assert!(world.route.pools(world.now()).count() <= tollgate_routing::POOLS_MAX);
    }
}
