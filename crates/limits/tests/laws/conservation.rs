//! Nothing gets lost, nothing comes from nowhere, and a refusal leaves no trace.

use proptest::prelude::*;
use tollgate_limits::{
    Meter, ReservationId, Rule, SettlementKind, expire, rebook, reserve, settle,
};
use tollgate_units::{Amount, Span};

use crate::world::{
    Meters, Step, World, amount, exactly, firm, history, history_with_rebooking, ms, pick, rules,
    span, turned,
};

proptest! {
    #![proptest_config(crate::world::cases(200))]

    #[test]
    fn a_refused_request_changes_no_meter(
        rules in rules(),
        history in history_with_rebooking(20),
    ) {
        let mut world = World::new(rules);
        for step in &history {
            let before = world.shelf.clone();
            match step {
                Step::Reserve(asks, stretch) => {
                    let charges = world.charges(asks, *stretch);
                    if world.reserve(&charges).is_err() {
                        prop_assert_eq!(&world.shelf, &before);
                    }
                }
                Step::Rebook(which, asks, stretch) => {
                    let charges = world.charges(asks, *stretch);
                    let now = world.now;
                    let Some(open) = pick(&mut world.open, *which) else { continue };
                    let marks = format!("{:?}", open.marks);
                    if rebook(&mut world.shelf, &mut open.marks, &charges, now).is_ok() {
                        open.charges = charges;
                    } else {
                        prop_assert_eq!(&world.shelf, &before);
                        prop_assert_eq!(format!("{:?}", open.marks), marks);
                    }
                }
                Step::Pass(_) | Step::Settle(..) | Step::Void(_) => world.play(step),
            }
        }
    }

    #[test]
    fn the_books_balance_after_any_history(
        rules in rules(),
        history in history_with_rebooking(20),
    ) {
        let mut world = World::new(rules);
        for step in &history {
            world.play(step);
            let books = world.shelf.books;
            prop_assert!(books.balance(), "{:?}", books);
            let held: u128 = world.open.iter().map(|open| {
                (0..open.marks.len()).map(|at| u128::from(open.marks.reserved(at).get())).sum::<u128>()
            }).sum();
            prop_assert_eq!(books.held, held);
            prop_assert_eq!(books.held_count, world.open.len() as u64);
        }
        while world.void(0).is_some() {}
        prop_assert_eq!(world.shelf.books.held, 0);
        prop_assert!(world.shelf.books.balance());
    }

    /// What a meter says is held is what is reserved on it, unsettled, and still counts.
    #[test]
    fn held_is_what_is_reserved_and_still_counts(
        rules in rules(),
        history in history_with_rebooking(20),
    ) {
        let mut world = World::new(rules.clone());
        for step in &history {
            world.play(step);
            for (at, rule) in rules.iter().enumerate() {
                let id = crate::world::meter_id(at);
                let reserved: u64 = world.open.iter().map(|open| {
                    let position = open.charges.iter().position(|c| c.meter == id);
                    position.map_or(0, |p| open.marks.reserved(p).get())
                }).sum();
                let Some(meter) = world.shelf.meters.get(&id) else { continue };
                let standing = meter.standing(&turned(*rule, world.now), world.now);
                prop_assert!(standing.held.get() <= reserved);
                if let Rule::AtOnce { .. } = rule {
                    prop_assert_eq!(standing.held.get(), reserved);
                    prop_assert_eq!(standing.used, Amount::ZERO);
                }
                let sum = standing.used.plus(standing.held).plus(standing.left);
                prop_assert!(sum >= rule.most());
                prop_assert!(sum == rule.most() || standing.left == Amount::ZERO);
            }
        }
    }

    /// Voided at once, a reservation leaves no trace but for the birth of a level.
    #[test]
    fn a_void_undoes_a_reservation(rules in rules(), history in history(20), ask in crate::world::asks()) {
        let mut world = World::new(rules.clone());
        for step in &history {
            world.play(step);
        }
        let charges = world.charges(&ask, tollgate_limits::Stretch::exactly(2));
        let before = world.shelf.clone();
        let count = world.open.len();
        if world.reserve(&charges).is_ok() {
            let open = world.open.swap_remove(count);
            tollgate_limits::void(&mut world.shelf, open.marks, world.now);
        }
        for charge in &charges {
            let stand = |shelf: &Meters| {
                let none = Meter::default();
                shelf.meters.get(&charge.meter).unwrap_or(&none).standing(&charge.rule, world.now)
            };
            let (was, is) = (stand(&before), stand(&world.shelf));
            prop_assert_eq!((was.used, was.held, was.left), (is.used, is.held, is.left));
        }
    }
}

#[test]
fn a_settlement_says_what_it_was() {
    let rules = [
        Rule::Sliding { most: amount(100), window: span(60_000) },
        Rule::Bucket { burst: amount(100), units: amount(1), period: span(1000) },
        Rule::AtOnce { most: amount(100), lease: Span::MAX },
    ];
    let cases = [
        ([10, 10], SettlementKind::Exact, vec![]),
        ([10, 9], SettlementKind::Refund, vec![]),
        ([12, 9], SettlementKind::Overrun, vec![(0, amount(2))]),
        ([0, 11], SettlementKind::Overrun, vec![(1, amount(1))]),
    ];
    for ([sliding, bucket], kind, debt) in cases {
        let mut shelf = Meters::default();
        let list = rules.iter().enumerate().map(|(at, rule)| exactly(at, *rule, 10)).collect();
        let id = ReservationId::new(1);
        let held = reserve(&mut shelf, &firm(list), id, ms(5)).expect("everything is empty");
        let used = [amount(sliding), amount(bucket), amount(0)];
        let settlement = settle(&mut shelf, held.marks, &used, ms(5));
        assert_eq!((settlement.kind, settlement.debt), (kind, debt), "{used:?}");
        assert!(shelf.books.balance());
    }
}

#[test]
fn what_is_forgotten_is_spent_in_full_and_its_slot_is_free() {
    let window = Rule::Sliding { most: amount(10), window: span(60_000) };
    let at_once = Rule::AtOnce { most: amount(1), lease: Span::MAX };
    let charges = firm(vec![exactly(0, window, 10), exactly(1, at_once, 1)]);
    let mut shelf = Meters::default();
    let held = reserve(&mut shelf, &charges, ReservationId::new(1), ms(5)).expect("empty");
    expire(&mut shelf, held.marks, ms(6));
    let denied = reserve(&mut shelf, &charges, ReservationId::new(2), ms(7)).expect_err("spent");
    assert_eq!(denied.short.len(), 1);
    assert_eq!((shelf.books.expired_count, shelf.books.used), (1, 11));
    assert!(shelf.books.balance());
}

#[test]
fn a_charge_of_nothing_makes_no_meter() {
    let mut world = World::new(vec![]);
    let rule = Rule::Total { most: amount(0), idle: span(10) };
    world.reserve(&firm(vec![exactly(0, rule, 0)])).expect("nothing fits into nothing");
    assert!(world.shelf.meters.is_empty());
    world.settle(0, &[0]);
    assert!(world.shelf.meters.is_empty());
}
