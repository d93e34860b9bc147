//! What is forgotten is what was used, and nothing else.

use proptest::prelude::*;
use tollgate_limits::{Meter, ReservationId, Rule, Standing, reserve, reset, settle};
use tollgate_units::{Amount, Span};

use crate::world::{
    Meters, World, amount, exactly, firm, history_with_rebooking, meter_id, ms, rules, span, turned,
};

fn standing(world: &World, at: usize) -> Standing {
    let rule = turned(world.rules[at], world.now);
    let nothing = Meter::default();
    let meter = world.shelf.meters.get(&meter_id(at)).unwrap_or(&nothing);
    meter.standing(&rule, world.now)
}

proptest! {
    #![proptest_config(crate::world::cases(200))]

    #[test]
    fn a_reset_forgets_what_is_used_and_keeps_what_is_held(
        rules in rules(),
        before in history_with_rebooking(20),
        after in history_with_rebooking(20),
    ) {
        let mut world = World::new(rules);
        for step in &before {
            world.play(step);
        }
        let books = world.shelf.books;
        let stood: Vec<_> = (0..4).map(|at| standing(&world, at)).collect();
        let rule = turned(world.rules[0], world.now);
        let forgotten = reset(&mut world.shelf, meter_id(0), &rule, world.now);
        prop_assert_eq!(forgotten, stood[0].used);
        let stands = standing(&world, 0);
        prop_assert_eq!((stands.used, stands.held), (Amount::ZERO, stood[0].held));
        prop_assert_eq!(stands.left, rule.most().less(stands.held));
        for (at, stood) in stood.iter().enumerate().skip(1) {
            prop_assert_eq!(&standing(&world, at), stood, "meter {}", at);
        }
        prop_assert_eq!(world.shelf.books, books);
        // What is open ends as ever: nothing is lost and nothing comes from nowhere.
        for step in &after {
            world.play(step);
            prop_assert!(world.shelf.books.balance(), "{:?}", world.shelf.books);
        }
        while !world.open.is_empty() {
            world.settle(0, &[]);
        }
        prop_assert_eq!(world.shelf.books.held, 0);
        prop_assert_eq!(standing(&world, 0).held, Amount::ZERO);
    }
}

/// A reservation that is open over a reset gets back what it does not use, and no more.
#[test]
fn what_is_held_over_a_reset_settles_as_ever() {
    let table = [
        Rule::Calendar { most: amount(100), turns: [ms(0), ms(1000), ms(2000)] },
        Rule::Sliding { most: amount(100), window: span(600) },
        Rule::Total { most: amount(100), idle: Span::MAX },
        Rule::Bucket { burst: amount(100), units: amount(1), period: span(1000) },
    ];
    for rule in table {
        let mut shelf = Meters::default();
        let take = |shelf: &mut Meters, number, amount| {
            let charges = firm(vec![exactly(0, rule, amount)]);
            reserve(shelf, &charges, ReservationId::new(number), ms(5)).expect("there is room")
        };
        let spent = take(&mut shelf, 1, 60);
        settle(&mut shelf, spent.marks, &[amount(60)], ms(5));
        let held = take(&mut shelf, 2, 30);
        assert_eq!(reset(&mut shelf, meter_id(0), &rule, ms(5)), amount(60), "{rule:?}");
        let other = take(&mut shelf, 3, 70);
        settle(&mut shelf, held.marks, &[amount(30)], ms(5));
        settle(&mut shelf, other.marks, &[amount(10)], ms(5));
        let meter = shelf.meters.get(&meter_id(0)).expect("it counts");
        let standing = meter.standing(&rule, ms(5));
        assert_eq!((standing.used, standing.left), (amount(40), amount(60)), "{rule:?}");
    }
}
