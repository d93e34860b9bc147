//! A meter that says nothing any more may be thrown away: nobody can tell, not even its refunds.

use proptest::prelude::*;
use tollgate_limits::{Meter, Rule};
use tollgate_units::Timestamp;

use crate::world::{
    Step, World, amount, exactly, firm, history_with_rebooking, meter_id, rules, span,
};

proptest! {
    #![proptest_config(crate::world::cases(300))]

    #[test]
    fn dropping_idle_meters_changes_no_decision(
        rules in rules(),
        history in history_with_rebooking(20),
    ) {
        let mut kept = World::new(rules.clone());
        let mut swept = World::new(rules.clone());
        for step in &history {
            swept.shelf.sweep(swept.now);
            if let Step::Reserve(asks, stretch) = step {
                let charges = kept.charges(asks, *stretch);
                prop_assert_eq!(kept.reserve(&charges), swept.reserve(&charges));
            } else {
                kept.play(step);
                swept.play(step);
            }
            prop_assert_eq!(kept.shelf.books, swept.shelf.books);
            for (at, rule) in rules.iter().enumerate() {
                let rule = crate::world::turned(*rule, kept.now);
                let [kept, swept] = [&kept, &swept].map(|world| {
                    let none = Meter::default();
                    let meter = world.shelf.meters.get(&meter_id(at)).unwrap_or(&none);
                    meter.standing(&rule, world.now)
                });
                prop_assert_eq!(kept, swept);
            }
        }
    }

    #[test]
    fn from_when_it_ends_a_meter_says_nothing(
        rules in rules(),
        history in history_with_rebooking(20),
    ) {
        let mut world = World::new(rules.clone());
        for step in &history {
            world.play(step);
        }
        for (at, rule) in rules.iter().enumerate() {
            let Some(meter) = world.shelf.meters.get(&meter_id(at)) else { continue };
            let (end, rule) = (meter.ends_at(), crate::world::turned(*rule, world.now));
            if end == Timestamp::MAX {
                continue;
            }
            let left = |at| meter.standing(&rule, at).left;
            prop_assert_eq!(left(end), rule.most());
            if end > world.now && rule.most() > amount(0) {
                prop_assert!(left(end.minus(span(1))) < rule.most());
            }
        }
    }
}

#[test]
fn a_meter_takes_no_refund_of_its_former_life() {
    let rules = [
        Rule::Bucket { burst: amount(10), units: amount(1), period: span(1) },
        Rule::Total { most: amount(10), idle: span(10) },
        Rule::Sliding { most: amount(10), window: span(10) },
        Rule::Fixed { most: amount(10), window: span(10) },
    ];
    for rule in rules {
        let mut world = World::new(vec![rule]);
        let charges = firm(vec![exactly(0, rule, 10)]);
        world.reserve(&charges).expect("it is empty");
        world.pass(20);
        world.shelf.sweep(world.now);
        assert!(world.shelf.meters.is_empty(), "{rule:?} is idle");
        world.reserve(&charges).expect("it is empty again");
        // The first is voided only now: what it took has long come back.
        let first = world.open.swap_remove(0);
        tollgate_limits::void(&mut world.shelf, first.marks, world.now);
        assert_eq!(world.shelf.books.forfeited, 10, "{rule:?}");
        assert!(world.reserve(&firm(vec![exactly(0, rule, 1)])).is_err(), "{rule:?}");
    }
}
