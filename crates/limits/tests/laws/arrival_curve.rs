//! No meter ever admits more than its rule promises, and none refuses without need.

use proptest::prelude::*;
use tollgate_limits::{Charge, Charges, Rule, Stretch, Wait, peek};

use crate::oracle::judge;
use crate::world::{
    Entry, Step, World, amount, any_rule, demand, exactly, firm, history, meter_id, ms, rules, step,
};

proptest! {
    #![proptest_config(crate::world::cases(300))]

    /// Refunds, voids and debts included; the stretch that is chosen is the largest.
    #[test]
    fn every_decision_is_the_oracles(rules in rules(), history in history(15)) {
        let mut world = World::new(rules);
        for step in &history {
            let Step::Reserve(asks, stretch) = step else {
                world.play(step);
                continue;
            };
            let charges = world.charges(asks, *stretch);
            let (before, Stretch { least, most }) = (world.log.clone(), *stretch);
            match world.reserve(&charges) {
                Ok(chosen) => {
                    let after = std::mem::replace(&mut world.log, before);
                    prop_assert!((least..=most).contains(&chosen));
                    prop_assert_eq!(refusers(&world, &charges, chosen), Vec::<usize>::new(), "promise broken");
                    prop_assert!(chosen == most || !admits(&world, &charges, chosen + 1));
                    world.log = after;
                }
                Err(denied) => {
                    let short: Vec<usize> = denied.short.iter().map(|s| s.charge).collect();
                    for at in refusers(&world, &charges, least) {
                        prop_assert!(short.contains(&at), "charge {} is not named", at);
                    }
                    prop_assert!(!admits(&world, &charges, least), "refused without need");
                    for at in short {
                        let charge = charges.get(at).copied().into_iter().collect();
                        let alone = Charges::new(charge, *stretch).unwrap();
                        prop_assert!(!admits(&world, &alone, least), "charge {} is named", at);
                    }
                }
            }
        }
    }

    /// Where nothing is overrun, what is settled keeps the promise in every window there is.
    #[test]
    fn settled_streams_keep_their_curve(
        rule in any_rule(),
        history in prop::collection::vec(step(0), 1..150),
    ) {
        let mut world = World::new(vec![rule]);
        for step in &history {
            world.play(step);
        }
        let log: Vec<&Entry> = world.log.iter().filter(|e| e.settled > 0).collect();
        let most = rule.most().get();
        for (first, start) in log.iter().enumerate() {
            let mut sum = 0;
            for end in &log[first..] {
                let length = end.at - start.at;
                sum += end.settled;
                match rule {
                    Rule::Bucket { units, period, .. } => {
                        let period = period.as_millis();
                        prop_assert!(sum * period <= most * period + length * units.get());
                    }
                    Rule::Sliding { window, .. } if length <= window.as_millis() => {
                        prop_assert!(sum <= most);
                    }
                    Rule::Fixed { window, .. } => {
                        let window = window.as_millis();
                        prop_assert!(start.at / window != end.at / window || sum <= most);
                    }
                    Rule::AtOnce { .. } | Rule::Calendar { .. } | Rule::Sliding { .. }
                    | Rule::Total { .. } => {}
                }
            }
        }
    }

    /// On the same meters, an added limit never admits a request that is refused without it.
    #[test]
    fn adding_a_limit_never_admits_more(rules in rules(), history in history(15)) {
        let mut world = World::new(rules);
        for step in &history {
            if let Step::Reserve(asks, stretch) = step {
                let all = world.charges(asks, *stretch);
                let fewer = world.charges(&asks[..asks.len() - 1], *stretch);
                let [all, fewer] = [all, fewer].map(|c| peek(&world.shelf, &c, world.now));
                match (all, fewer) {
                    (Ok((all, _)), Ok((fewer, _))) => prop_assert!(all <= fewer),
                    (Ok(_), Err(_)) => prop_assert!(false, "admitted because of a further limit"),
                    (Err(_), _) => {}
                }
            }
            world.play(step);
        }
    }

    /// Two halves that pass would have passed as one, and the other way round.
    #[test]
    fn splitting_a_charge_changes_nothing(
        rule in any_rule(),
        history in history(15),
        halves in [0_u64..12, 0_u64..12],
    ) {
        let mut world = World::new(vec![rule]);
        for step in &history {
            world.play(step);
        }
        let charge = |units| {
            firm(vec![exactly(0, crate::world::turned(rule, world.now), units)])
        };
        let [one, other, whole] = [halves[0], halves[1], halves[0] + halves[1]].map(charge);
        let whole = peek(&world.shelf, &whole, world.now).is_ok();
        let split = world.reserve(&one).is_ok() && world.reserve(&other).is_ok();
        prop_assert_eq!(whole, split);
    }

    /// The decision finds by division what stepping through all stretches finds.
    #[test]
    fn the_stretch_is_the_largest_that_fits(
        parts in (0_u128..500, 0_u128..60, 0_u32..9),
        (most, least, more) in (0_u64..300, 0_u64..40, 0_u64..40),
    ) {
        let (fixed, each, per) = parts;
        let demand = demand(fixed, each, per);
        let rule = Rule::Sliding { most: amount(most), window: crate::world::span(1000) };
        let stretch = Stretch { least, most: least + more };
        let list = vec![Charge { meter: meter_id(0), rule, demand }];
        let charges = Charges::new(list, stretch).unwrap();
        let slow = (least..=least + more).rev().find(|x| {
            (fixed + each * u128::from(*x)).div_ceil(u128::from(per.max(1))) <= u128::from(most)
        });
        let shelf = crate::world::Meters::default();
        prop_assert_eq!(peek(&shelf, &charges, ms(5)).ok().map(|(x, _)| x), slow);
    }
}

#[test]
fn numbers_at_their_ends_refuse_and_never_wrap() {
    let huge = demand(u128::MAX, u128::MAX, 1);
    assert_eq!(huge.at(u64::MAX), amount(u64::MAX));
    let rules = [
        Rule::Bucket { burst: amount(u64::MAX), units: amount(1), period: crate::world::span(1) },
        Rule::Sliding { most: amount(u64::MAX), window: crate::world::span(u64::MAX) },
        Rule::Fixed { most: amount(u64::MAX), window: crate::world::span(u64::MAX) },
        Rule::Total { most: amount(u64::MAX), idle: crate::world::span(u64::MAX) },
        Rule::AtOnce { most: amount(u64::MAX), lease: crate::world::span(u64::MAX) },
    ];
    for rule in rules {
        let mut world = World::new(vec![rule]);
        let charge = Charge { meter: meter_id(0), rule, demand: huge };
        let denied = world.reserve(&firm(vec![charge])).expect_err("larger than any limit");
        assert_eq!(denied.wait(), Wait::Never, "{rule:?}");
        assert!(world.reserve(&firm(vec![exactly(0, rule, u64::MAX)])).is_ok(), "{rule:?}");
        assert!(world.reserve(&firm(vec![exactly(0, rule, 1)])).is_err(), "{rule:?}");
        world.settle(0, &[u64::MAX]);
        assert!(world.shelf.books.balance());
    }
}

/// The positions whose promise the request at this stretch would break.
fn refusers(world: &World, charges: &Charges, stretch: u64) -> Vec<usize> {
    let broken = |charge: &Charge| {
        let asked = charge.demand.asked(stretch).get();
        judge(world, charge.meter, &charge.rule, asked).must_refuse
    };
    charges.iter().enumerate().filter(|(_, c)| broken(c)).map(|(at, _)| at).collect()
}

/// Whether the request at this stretch has to pass.
fn admits(world: &World, charges: &Charges, stretch: u64) -> bool {
    charges.iter().all(|charge| {
        let asked = charge.demand.asked(stretch).get();
        judge(world, charge.meter, &charge.rule, asked).must_admit
    })
}
