//! The wait that is announced is never a lie: then it fits, one millisecond earlier it does not.

use proptest::prelude::*;
use tollgate_limits::{Charge, Charges, Denied, Rule, Wait, peek};
use tollgate_units::{Span, Timestamp};

use crate::world::{Meters, Step, World, history, rules};

const TICK: Span = Span::from_millis(1);

proptest! {
    #![proptest_config(crate::world::cases(200))]

    #[test]
    fn the_announced_wait_is_never_a_lie(rules in rules(), history in history(25)) {
        let mut world = World::new(rules);
        for step in &history {
            let Step::Reserve(asks, stretch) = step else {
                world.play(step);
                continue;
            };
            let charges = world.charges(asks, *stretch);
            let Err(denied) = world.reserve(&charges) else { continue };
            for short in &denied.short {
                let Some(charge) = charges.get(short.charge) else { unreachable!() };
                prop_assert_eq!(short.asked, charge.demand.asked(stretch.least));
                if !promises(charge) {
                    let second = world.now.plus(Span::from_secs(1));
                    let never = short.asked > charge.rule.most();
                    let said = if never { Wait::Never } else { Wait::Until(second) };
                    prop_assert_eq!(short.wait, said);
                    continue;
                }
                let alone = Charges::new(vec![*charge], *stretch).unwrap();
                is_true(&world.shelf, &alone, short.wait, world.now);
            }
            if denied.short.iter().all(|s| charges.get(s.charge).is_some_and(promises)) {
                is_true(&world.shelf, &charges, denied.wait(), world.now);
            }
        }
    }

    /// A rebooking that is refused says when it would pass.
    #[test]
    fn the_wait_of_a_rebooking_is_no_lie_either(
        rules in rules(),
        history in crate::world::history_with_rebooking(25),
    ) {
        let mut world = World::new(rules);
        for step in &history {
            if let Step::Rebook(which, asks, stretch) = step {
                let charges = world.charges(asks, *stretch);
                let (now, mut shelf) = (world.now, world.shelf.clone());
                let Some(open) = crate::world::pick(&mut world.open, *which) else { continue };
                let mut at = |now| {
                    tollgate_limits::rebook(&mut shelf, &mut open.marks, &charges, now)
                };
                let Err(Denied { short, standings }) = at(now) else { break };
                let wait = Denied { short: short.clone(), standings }.wait();
                if short.iter().all(|s| charges.get(s.charge).is_some_and(promises)) {
                    match wait {
                        Wait::Never => prop_assert!(at(now.plus(Span::from_secs(9_999))).is_err()),
                        Wait::Until(then) => {
                            prop_assert!(at(then.minus(TICK)).is_err());
                            prop_assert!(at(then).is_ok());
                        }
                    }
                }
                break;
            }
            world.play(step);
        }
    }
}

fn is_true(shelf: &Meters, charges: &Charges, wait: Wait, now: Timestamp) {
    let fits = |at| peek(shelf, charges, at).is_ok();
    match wait {
        Wait::Never => assert!(!fits(now.plus(Span::from_secs(9_999)))),
        Wait::Until(then) => {
            assert!(then > now);
            assert!(!fits(then.minus(TICK)), "it fits earlier than {then:?}");
            assert!(fits(then), "it does not fit at {then:?}");
        }
    }
}

/// An at-once limit cannot know when a holder ends.
fn promises(charge: &Charge) -> bool {
    !matches!(charge.rule, Rule::AtOnce { .. })
}
