//! What a route sends never exceeds what the provider allows, and waits are told truly.

use proptest::prelude::*;
use tollgate_routing::{Call, Counted, Ended, Need, Observed, Pass, Refill, Route, RouteSettings};
use tollgate_units::{Span, Timestamp};

use crate::world::{START, at, seen, success};

const WINDOW: u64 = 60_000;

/// What happens next: time passes, and then somebody asks, or a call ends.
#[derive(Clone, Debug)]
struct Step {
    gap: u64,
    what: u8,
    tokens: u64,
    is_critical: bool,
    patience: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u64..2500, 0_u8..8, 1_u64..400, prop::bool::weighted(0.2), 0_u64..20_000);
    let step = step.prop_map(|(gap, what, tokens, is_critical, patience)| Step {
        // Often nothing passes, so that requests come in crowds.
        gap: if gap < 1800 { 0 } else { gap },
        what,
        tokens,
        is_critical,
        patience,
    });
    prop::collection::vec(step, 1..250)
}

/// Plays the steps and returns what was sent: when, and how many tokens.
fn play(steps: &[Step], pools: &[Observed<'_>]) -> Vec<(u64, u64)> {
    let mut route = Route::new(RouteSettings::default());
    let mut now = 0;
    let mut first = route.ask(&Call::default(), at(now), 0).expect("nothing is known");
    route.heard(&mut first, pools, at(now));
    route.ended(first, success(), at(now));
    let mut held: Vec<(Pass, u64)> = Vec::new();
    let mut sent = Vec::new();
    for step in steps {
        now += step.gap;
        let need = Need { requests: 1, tokens: step.tokens, ..Need::default() };
        match step.what {
            // A call that was not due yet is not made after all.
            0 => {
                let waiting = held.iter().position(|(pass, _)| pass.starts_at > at(now));
                if let Some(waiting) = waiting {
                    let (pass, _) = held.swap_remove(waiting);
                    route.ended(pass, Ended::Unsent, at(now));
                }
            }
            1 => {
                let due = held.iter().position(|(pass, _)| pass.starts_at <= at(now));
                if let Some(due) = due {
                    let (pass, tokens) = held.swap_remove(due);
                    sent.push((pass.starts_at.as_millis() - START, tokens));
                    route.ended(pass, success(), at(now));
                }
            }
            _ => {
                let patience = Span::from_millis(step.patience);
                let call = Call { need, is_critical: step.is_critical, patience };
                if let Ok(pass) = route.ask(&call, at(now), 0) {
                    held.push((pass, step.tokens));
                }
            }
        }
    }
    sent.extend(held.iter().map(|(pass, tokens)| (pass.starts_at.as_millis() - START, *tokens)));
    sent.sort_unstable();
    sent
}

/// The most that any interval had beyond a bucket of `limit` that refills in a window, in parts of
/// a unit.
fn excess(sent: &[(u64, u64)], limit: u64) -> u64 {
    let (mut gone, mut last, mut worst) = (0_u64, 0, 0);
    for (time, units) in sent {
        gone = gone.saturating_sub((time - last) * limit) + units * WINDOW;
        last = *time;
        worst = worst.max(gone.saturating_sub(limit * WINDOW));
    }
    worst
}

fn units(sent: &[(u64, u64)]) -> Vec<(u64, u64)> {
    sent.iter().map(|(time, _)| (*time, 1)).collect()
}

/// The most in any window that begins at `offset` after a whole one.
fn fullest(sent: &[(u64, u64)], offset: u64, length: u64) -> u64 {
    let mut windows = std::collections::BTreeMap::<u64, u64>::new();
    for (time, units) in sent {
        *windows.entry((time + length - offset) / length).or_default() += units;
    }
    windows.into_values().max().unwrap_or(0)
}

fn full(name: &str, counts: Counted, refill: Refill, limit: u64) -> Observed<'_> {
    Observed { remaining: Some(limit), ..seen(name, counts, refill, limit) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_interval_has_more_than_the_providers_bucket(steps in steps()) {
        let pools = [
            full("requests", Counted::Requests, Refill::Continuous, 40),
            full("tokens", Counted::Tokens, Refill::Continuous, 3000),
        ];
        let sent = play(&steps, &pools);
        prop_assert_eq!(excess(&sent, 3000), 0, "tokens: {:?}", sent);
        prop_assert_eq!(excess(&units(&sent), 40), 0, "requests: {:?}", sent);
    }

    #[test]
    fn no_window_has_more_than_its_limit_when_its_end_is_known(
        steps in steps(), ends in 1_u64..WINDOW,
    ) {
        let said = |seen| Observed { reset_at: Some(at(ends)), ..seen };
        let pools = [
            said(full("requests", Counted::Requests, Refill::AtReset, 40)),
            said(full("tokens", Counted::Tokens, Refill::AtReset, 3000)),
        ];
        let sent = play(&steps, &pools);
        prop_assert!(fullest(&sent, ends, WINDOW) <= 3000, "tokens: {:?}", sent);
        prop_assert!(fullest(&units(&sent), ends, WINDOW) <= 40, "requests: {:?}", sent);
    }

    #[test]
    fn no_window_has_more_than_its_limit_wherever_it_begins(
        steps in steps(), offset in 0_u64..WINDOW,
    ) {
        let pools = [
            full("requests", Counted::Requests, Refill::AtReset, 40),
            full("tokens", Counted::Tokens, Refill::AtReset, 6000),
        ];
        let sent = play(&steps, &pools);
        prop_assert!(fullest(&sent, offset, WINDOW) <= 6000, "tokens: {:?}", sent);
        prop_assert!(fullest(&units(&sent), offset, WINDOW) <= 40, "requests: {:?}", sent);
    }

    /// What waits is true: the outlook's start is the start, and starts never step back for what
    /// is not critical.
    #[test]
    fn the_outlook_is_no_lie_and_nobody_is_overtaken(steps in steps()) {
        let mut route = Route::new(RouteSettings::default());
        let mut first = route.ask(&Call::default(), at(0), 0).expect("nothing is known");
        let pool = full("tokens", Counted::Tokens, Refill::Continuous, 3000);
        route.heard(&mut first, &[pool], at(0));
        route.ended(first, success(), at(0));
        let (mut now, mut last) = (0, Timestamp::EPOCH);
        for step in steps {
            now += step.gap;
            let need = Need { requests: 1, tokens: step.tokens, ..Need::default() };
            let patience = Span::from_millis(step.patience);
            let call = Call { need, is_critical: false, patience };
            let room_at = route.outlook(&call, at(now)).room_at.expect("some time");
            match route.ask(&call, at(now), 0) {
                Ok(pass) => {
                    prop_assert_eq!(pass.starts_at, room_at);
                    prop_assert!(pass.starts_at >= last);
                    last = pass.starts_at;
                    route.ended(pass, success(), at(now));
                }
                Err(_) => prop_assert!(room_at > at(now).plus(patience)),
            }
        }
    }
}
