//! Reports that are late or tell less than they seem to, and plans that change.

use tollgate_routing::{Call, Counted, Ended, Need, Observed, Refill};
use tollgate_units::Span;

use crate::world::{CALL, ONE, World, at, seen, success};

const PATIENT: Call = Call { patience: Span::from_secs(600), ..CALL };

fn tokens(refill: Refill, limit: u64, remaining: u64) -> Observed<'static> {
    let seen = seen("tokens", Counted::Tokens, refill, limit);
    Observed { remaining: Some(remaining), reset_at: Some(at(60_000)), ..seen }
}

fn of_tokens(tokens: u64) -> Call {
    Call { need: Need { requests: 1, tokens, ..Need::default() }, ..PATIENT }
}

fn headroom(world: &World) -> u32 {
    world.route.outlook(&CALL, world.now()).headroom_permille
}

#[test]
fn what_came_back_while_a_report_was_on_its_way_stays_back() {
    let mut world = World::new();
    world.learns(&[tokens(Refill::Continuous, 1000, 500)]);
    let mut slow = world.ask().expect("has room");
    world.now = 24_000;
    assert_eq!(headroom(&world), 880);
    world.route.heard(&mut slow, &[tokens(Refill::Continuous, 1000, 490)], world.now());
    assert_eq!(headroom(&world), 880);
}

#[test]
fn what_has_come_back_by_itself_is_not_given_back_again() {
    let mut world = World::new();
    world.learns(&[tokens(Refill::Continuous, 1000, 1000)]);
    let never_sent = world.route.ask(&of_tokens(500), at(0), 0).expect("has room");
    world.now = 60_000;
    let other = world.route.ask(&of_tokens(400), world.now(), 0).expect("has room");
    world.route.ended(other, success(), world.now());
    assert_eq!(headroom(&world), 600);
    world.route.ended(never_sent, Ended::Unsent, world.now());
    assert_eq!(headroom(&world), 600);
}

#[test]
fn a_meter_that_shows_nothing_left_may_be_in_debt() {
    let mut world = World::new();
    let output = seen("output-tokens", Counted::OutputTokens, Refill::Continuous, 6000);
    world.learns(&[Observed { remaining: Some(6000), ..output }]);
    let afterwards = Need { output_tokens: 9000, ..Need::default() };
    world.call(Ended::Success {
        first_token: None,
        prompt_tokens: 10,
        afterwards,
        back: Need::default(),
    });
    let call = Call { need: Need { output_tokens: 1, ..ONE }, is_critical: true, ..CALL };
    let before = world.route.outlook(&call, world.now()).room_at;
    world.learns(&[Observed { remaining: Some(0), ..output }]);
    assert_eq!(world.route.outlook(&call, world.now()).room_at, before);
    world.learns(&[Observed { remaining: Some(3000), ..output }]);
    assert_eq!(world.route.outlook(&call, world.now()).room_at, Some(at(0)));
}

/// Of 200 tokens left, 10 may have been counted already and 10 are asked for. The share kept back
/// is 300 at first, and 180 when three fifths of the window are left.
#[test]
fn the_share_kept_back_shrinks_with_the_window() {
    let mut world = World::new();
    world.learns(&[tokens(Refill::AtReset, 6000, 200)]);
    assert_eq!(world.wait(), Some(24_000));
    let critical = Call { is_critical: true, ..CALL };
    assert_eq!(world.route.outlook(&critical, world.now()).room_at, Some(at(0)));
}

#[test]
fn a_window_whose_use_is_forgotten_counts_as_used_up() {
    let mut world = World::new();
    world.learns(&[tokens(Refill::AtReset, 6000, 6000)]);
    let mut passes: Vec<_> =
        (0..18).map(|_| world.route.ask(&of_tokens(1000), at(0), 0).expect("waits")).collect();
    let last = passes.last().map(|pass| pass.starts_at);
    assert!(last > Some(at(120_000)), "two windows ahead: {last:?}");
    world.now = 59_000;
    while let Some(pass) = passes.pop() {
        let is_sent = pass.starts_at <= world.now();
        let ended = if is_sent { success() } else { Ended::Unsent };
        world.route.ended(pass, ended, world.now());
    }
    let room_at = world.route.outlook(&of_tokens(1), world.now()).room_at;
    assert_eq!(room_at, Some(at(60_000)));
}

#[test]
fn not_even_a_request_that_needs_nothing_of_the_full_meter_overtakes() {
    let mut world = World::new();
    world.learns(&[tokens(Refill::Continuous, 6000, 400)]);
    let first = world.route.ask(&of_tokens(1000), at(0), 0).expect("waits");
    assert!(first.starts_at > at(0));
    let second = world.route.ask(&of_tokens(0), at(0), 0).expect("waits");
    assert_eq!(second.starts_at, first.starts_at);
}

/// OpenAI counts a request that it refuses; nobody counts its tokens, and Azure not even it.
#[test]
fn what_a_refused_request_counts_for_depends_on_the_provider() {
    let requests = |refill| Observed {
        remaining: Some(100),
        ..seen("requests", Counted::Requests, refill, 100)
    };
    let table = [(Refill::Continuous, 980), (Refill::AtReset, 990)];
    for (refill, left) in table {
        let mut world = World::new();
        world.learns(&[requests(refill)]);
        // One is in doubt since the report.
        assert_eq!(headroom(&world), 990, "{refill:?}");
        world.call(Ended::Throttled { retry_after: None, overloaded: false });
        assert_eq!(headroom(&world), left, "{refill:?}");
    }
    let mut world = World::new();
    world.learns(&[tokens(Refill::Continuous, 1000, 1000)]);
    world.call(Ended::Throttled { retry_after: None, overloaded: false });
    assert_eq!(headroom(&world), 990);
}

#[test]
fn what_a_provider_counts_no_more_is_given_back_at_the_end() {
    let mut world = World::new();
    world.learns(&[tokens(Refill::Continuous, 1000, 1000)]);
    let pass = world.route.ask(&of_tokens(500), at(0), 0).expect("has room");
    assert_eq!(headroom(&world), 490);
    let back = Need { tokens: 300, ..Need::default() };
    let (first_token, prompt_tokens, afterwards) = (None, 10, Need::default());
    let ended = Ended::Success { first_token, prompt_tokens, afterwards, back };
    world.route.ended(pass, ended, at(0));
    assert_eq!(headroom(&world), 790);
}
