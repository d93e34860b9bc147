//! What any store must do, run over each kind there is: meters that forget, and meters that are
//! journaled. A store over a network would be held against the same functions.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tollgate_limits::{Charge, Demand, Wait};
use tollgate_units::{Amount, Span};

use crate::stand::*;

macro_rules! conformance {
    ($($claim:ident),* $(,)?) => {
        mod forgetful {
            $(#[test] fn $claim() { super::$claim(&crate::stand::Stand::forgetful()); })*
        }
        mod journaled {
            $(#[test] fn $claim() { super::$claim(&crate::stand::Stand::journaled()); })*
        }
    };
}

conformance!(
    a_changed_limit_keeps_what_is_used,
    a_clock_that_jumped_and_came_back_locks_nobody_out_for_longer_than_a_window,
    a_clock_that_steps_back_admits_nothing_more,
    a_dropped_reservation_frees_its_slot_at_once,
    a_dropped_reservation_settles_what_it_knows,
    a_rebooking_forgets_what_was_known_of_other_meters,
    a_refused_rebooking_leaves_everything_as_it_was,
    a_refused_request_changes_no_meter_and_names_every_limit,
    a_reset_forgets_what_is_used_and_keeps_what_is_held,
    a_thousand_at_once_against_a_hundred_a_minute_are_a_hundred,
    peeking_takes_nothing,
    the_books_balance_after_a_crowd,
    three_at_once_are_never_four,
    two_hundred_of_five_hundred_against_ten_thousand_are_twenty,
    two_of_three_hundred_do_not_fit_into_five_hundred_a_day,
    what_is_released_comes_back_once_and_the_rest_stays_held,
    what_was_used_beyond_the_reservation_is_debt,
);

fn two_of_three_hundred_do_not_fit_into_five_hundred_a_day(stand: &Stand) {
    let first = stand.store.reserve(one(1, per_day(500), 300)).unwrap();
    assert_eq!(first.reserved(0), Amount::new(300));
    assert_eq!(first.standings()[0].left, Amount::new(200));
    let second = stand.store.reserve(one(1, per_day(500), 300)).unwrap_err();
    assert_eq!(second.wait(), Wait::Until(MIDNIGHT.plus(DAY)));
    let third = stand.store.reserve(one(2, per_day(500), 600)).unwrap_err();
    assert_eq!(third.wait(), Wait::Never);
    first.settle(&[Amount::new(300)]);
    assert!(stand.store.reserve(one(1, per_day(500), 300)).is_err());
    stand.hand.advance(DAY);
    assert!(stand.store.reserve(one(1, per_day(500), 300)).is_ok());
}

fn a_thousand_at_once_against_a_hundred_a_minute_are_a_hundred(stand: &Stand) {
    assert_eq!(crowd(stand, 1000, 1, 100), 100);
}

fn two_hundred_of_five_hundred_against_ten_thousand_are_twenty(stand: &Stand) {
    assert_eq!(crowd(stand, 200, 500, 10_000), 20);
}

/// So many threads at the same moment; how many were admitted. All use what they reserved.
fn crowd(stand: &Stand, threads: usize, amount: u64, most: u64) -> u64 {
    let admitted = AtomicU64::new(0);
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let body = || {
                barrier.wait();
                if let Ok(held) = stand.store.reserve(one(1, per_minute(most), amount)) {
                    admitted.fetch_add(1, SeqCst);
                    held.settle(&[Amount::new(amount)]);
                }
            };
            std::thread::Builder::new().stack_size(64 * 1024).spawn_scoped(scope, body).unwrap();
        }
    });
    admitted.load(SeqCst)
}

fn three_at_once_are_never_four(stand: &Stand) {
    let (inside, most, passed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let Ok(held) = stand.store.reserve(one(1, at_once(3), 1)) else {
                        continue;
                    };
                    most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, SeqCst);
                    passed.fetch_add(1, SeqCst);
                    drop(held);
                }
            });
        }
    });
    assert!(most.load(SeqCst) <= 3, "{most:?} at once");
    assert!(passed.load(SeqCst) > 0);
    assert_eq!(left(&stand.store, 1, at_once(3)), 3);
}

fn a_refused_request_changes_no_meter_and_names_every_limit(stand: &Stand) {
    let all = |requests, tokens| {
        charges([
            charge(1, per_minute(10), requests),
            charge(2, at_once(1), 1),
            charge(3, bucket(1000, 10), tokens),
            charge(4, per_day(50), requests),
        ])
    };
    let held = stand.store.reserve(all(1, 100)).unwrap();
    let before = stand.store.meters();
    let denied = stand.store.reserve(all(2, 2000)).unwrap_err();
    let named: Vec<usize> = denied.short.iter().map(|short| short.charge).collect();
    assert_eq!(named, [1, 2]);
    assert_eq!(denied.wait(), Wait::Never);
    assert_eq!(stand.store.meters(), before);
    assert_eq!(left(&stand.store, 1, per_minute(10)), 9);
    assert_eq!(left(&stand.store, 3, bucket(1000, 10)), 900);
    assert_eq!(left(&stand.store, 4, per_day(50)), 49);
    drop(held);
    // Nothing was known to be used: all of it is void.
    assert_eq!(left(&stand.store, 1, per_minute(10)), 10);
    assert_eq!(left(&stand.store, 3, bucket(1000, 10)), 1000);
    assert_eq!(stand.store.books().voided_count, 1);
}

fn a_dropped_reservation_frees_its_slot_at_once(stand: &Stand) {
    let held = stand.store.reserve(one(1, at_once(1), 1)).unwrap();
    let denied = stand.store.reserve(one(1, at_once(1), 1)).unwrap_err();
    let second = Span::from_secs(1);
    assert_eq!(denied.wait(), Wait::Until(MIDNIGHT.plus(second)));
    drop(held);
    stand.store.reserve(one(1, at_once(1), 1)).unwrap().settle(&[Amount::ONE]);
    assert_eq!(left(&stand.store, 1, at_once(1)), 1, "a settled slot is free too");
}

fn a_dropped_reservation_settles_what_it_knows(stand: &Stand) {
    let mut held = stand.store.reserve(one(1, per_day(100), 60)).unwrap();
    held.known(vec![Amount::new(5)]);
    held.known(vec![Amount::new(25)]);
    drop(held);
    assert_eq!(left(&stand.store, 1, per_day(100)), 75);
    let books = stand.store.books();
    assert_eq!((books.settled_count, books.voided_count), (1, 0));
}

fn a_refused_rebooking_leaves_everything_as_it_was(stand: &Stand) {
    let mut held = stand.store.reserve(one(1, per_day(100), 60)).unwrap();
    held.known(vec![Amount::new(10)]);
    let denied = held.rebook(one(1, per_day(100), 101)).unwrap_err();
    assert_eq!(denied.short[0].asked, Amount::new(101));
    assert_eq!(held.reserved(0), Amount::new(60));
    assert_eq!(left(&stand.store, 1, per_day(100)), 40);
    held.rebook(one(1, per_day(100), 90)).unwrap();
    assert_eq!(held.reserved(0), Amount::new(90));
    assert_eq!(left(&stand.store, 1, per_day(100)), 10);
    drop(held);
    assert_eq!(left(&stand.store, 1, per_day(100)), 90, "the same meter: still known");
}

fn a_rebooking_forgets_what_was_known_of_other_meters(stand: &Stand) {
    let mut held = stand.store.reserve(one(1, per_day(100), 60)).unwrap();
    held.known(vec![Amount::new(10)]);
    held.rebook(charges([charge(2, per_day(50), 20), charge(3, at_once(1), 1)])).unwrap();
    assert_eq!(left(&stand.store, 1, per_day(100)), 100);
    assert_eq!(left(&stand.store, 2, per_day(50)), 30);
    assert_eq!(held.charges().len(), 2);
    assert_eq!(held.standings()[0].left, Amount::new(30));
    drop(held);
    assert_eq!(left(&stand.store, 2, per_day(50)), 50);
    assert_eq!(left(&stand.store, 3, at_once(1)), 1);
}

fn what_is_released_comes_back_once_and_the_rest_stays_held(stand: &Stand) {
    let store = &stand.store;
    let afterwards = Charge { demand: Demand::afterwards(), ..charge(3, per_day(1), 0) };
    let wanted = [charge(1, per_day(100), 60), charge(2, at_once(2), 1), afterwards];
    let mut held = store.reserve(charges(wanted)).unwrap();
    held.known(vec![Amount::new(10), Amount::ONE, Amount::ZERO]);
    // Neither limit would let it in again.
    store.reserve(one(1, per_day(100), 40)).unwrap().settle(&[Amount::new(90)]);
    store.reserve(one(3, per_day(1), 1)).unwrap().settle(&[Amount::ONE]);
    held.release(|at| at == 1);
    held.release(|at| at == 1);
    assert_eq!(left(store, 2, at_once(2)), 2);
    assert_eq!((held.reserved(0), held.reserved(1)), (Amount::new(60), Amount::ZERO));
    assert_eq!(left(store, 1, per_day(160)), 10, "60 are held, 90 used");
    let others = [(); 2].map(|()| store.reserve(one(2, at_once(2), 1)).unwrap());
    drop(held);
    assert_eq!(left(store, 2, at_once(2)), 0, "nothing came back twice");
    assert_eq!(left(store, 1, per_day(160)), 60, "what was known stayed known");
    drop(others);
    let books = store.books();
    assert_eq!((books.held, books.held_count), (0, 0));
    assert!(books.balance());
}

fn what_was_used_beyond_the_reservation_is_debt(stand: &Stand) {
    let held = stand.store.reserve(one(1, per_day(100), 60)).unwrap();
    held.settle(&[Amount::new(130)]);
    assert_eq!(left(&stand.store, 1, per_day(100)), 0);
    assert_eq!(left(&stand.store, 1, per_day(150)), 20);
    assert_eq!(stand.store.books().debt, 70);
}

fn a_reset_forgets_what_is_used_and_keeps_what_is_held(stand: &Stand) {
    let rule = per_day(100);
    stand.store.reserve(one(1, rule, 60)).unwrap().settle(&[Amount::new(60)]);
    let held = stand.store.reserve(one(1, rule, 30)).unwrap();
    assert_eq!(stand.store.reset(&charge(1, rule, 0)), Amount::new(60));
    assert_eq!(left(&stand.store, 1, rule), 70);
    held.settle(&[Amount::new(20)]);
    assert_eq!(left(&stand.store, 1, rule), 80);
    assert_eq!(stand.store.reset(&charge(2, rule, 0)), Amount::ZERO, "nobody was counted there");
    assert!(stand.store.books().balance());
}

fn a_changed_limit_keeps_what_is_used(stand: &Stand) {
    for _ in 0..20 {
        stand.store.reserve(one(1, per_minute(20), 1)).unwrap().settle(&[Amount::ONE]);
    }
    assert!(stand.store.reserve(one(1, per_minute(20), 1)).is_err());
    assert_eq!(left(&stand.store, 1, per_minute(30)), 10);
    assert_eq!(left(&stand.store, 1, per_minute(20)), 0);
}

fn a_clock_that_steps_back_admits_nothing_more(stand: &Stand) {
    stand.hand.advance(Span::from_secs(3600));
    stand.store.reserve(one(1, per_minute(10), 10)).unwrap().settle(&[Amount::new(10)]);
    let before = stand.store.clock().now();
    stand.hand.set_wall(MIDNIGHT.minus(DAY));
    assert!(stand.store.reserve(one(1, per_minute(10), 1)).is_err());
    stand.hand.advance(Span::from_secs(30));
    assert!(stand.store.clock().now() >= before);
    assert!(stand.store.reserve(one(1, per_minute(10), 1)).is_err());
    // The window, its sub-slot, and a sixty-fourth of both.
    stand.hand.advance(Span::from_secs(32));
    assert!(stand.store.reserve(one(1, per_minute(10), 1)).is_ok());
}

fn a_clock_that_jumped_and_came_back_locks_nobody_out_for_longer_than_a_window(stand: &Stand) {
    stand.hand.set_wall(MIDNIGHT.plus(DAY).plus(DAY));
    stand.hand.advance(MINUTE);
    stand.store.reserve(one(1, per_minute(10), 10)).unwrap().settle(&[Amount::new(10)]);
    stand.hand.set_wall(MIDNIGHT.plus(MINUTE));
    assert!(stand.store.reserve(one(1, per_minute(10), 1)).is_err());
    stand.hand.advance(Span::from_secs(62));
    assert!(stand.store.reserve(one(1, per_minute(10), 10)).is_ok());
}

fn peeking_takes_nothing(stand: &Stand) {
    for _ in 0..3 {
        let (stretch, standings) = stand.store.peek(&one(1, per_day(100), 60)).unwrap();
        assert_eq!((stretch, standings[0].left), (0, Amount::new(100)));
    }
    assert!(stand.store.peek(&one(1, per_day(100), 101)).is_err());
    assert_eq!(stand.store.meters(), 0);
}

fn the_books_balance_after_a_crowd(stand: &Stand) {
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            scope.spawn(move || {
                for turn in 0..500_u64 {
                    let amount = 1 + (turn * 7 + thread) % 40;
                    let list = charges([
                        charge(turn % 5, per_minute(2000), amount),
                        charge(10 + thread, bucket(5000, 100), amount),
                        charge(20, at_once(3), 1),
                    ]);
                    let Ok(mut held) = stand.store.reserve(list) else {
                        continue;
                    };
                    match turn % 4 {
                        0 => drop(held),
                        1 => held.known(vec![Amount::new(amount / 2); 3]),
                        2 => drop(held.settle(&[Amount::new(amount); 3])),
                        _ => drop(held.settle(&[Amount::new(amount + 9); 3])),
                    }
                }
            });
        }
    });
    let books = stand.store.books();
    assert!(books.balance(), "{books:?}");
    assert!(books.reserved_count > 0);
    assert_eq!(books.held, 0);
    assert_eq!(left(&stand.store, 20, at_once(3)), 3);
}
