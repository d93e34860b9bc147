//! A clock that steps back never admits more; one that jumped forward and came back locks nobody
//! out for longer than one window.

use proptest::prelude::*;
use tollgate_limits::{Rule, peek};
use tollgate_units::{Span, Timestamp};

use crate::world::{Step, World, amount, exactly, firm, history_with_rebooking, ms, rules, span};

const DAY: u64 = 86_400_000;

proptest! {
    #![proptest_config(crate::world::cases(150))]

    #[test]
    fn an_earlier_look_never_admits_more(
        rules in rules(),
        history in history_with_rebooking(20),
        back in 0_u64..500,
    ) {
        let mut world = World::new(rules);
        for step in &history {
            if let Step::Reserve(asks, stretch) = step {
                let charges = world.charges(asks, *stretch);
                let look = |at| peek(&world.shelf, &charges, at).ok().map(|(x, _)| x);
                let (now, earlier) = (look(world.now), look(world.now.minus(span(back))));
                prop_assert!(earlier <= now, "{:?} ms earlier: {:?} > {:?}", back, earlier, now);
            }
            world.play(step);
        }
    }

    /// The clock goes back and forth; nothing ever overflows, and the books balance.
    #[test]
    fn no_clock_breaks_the_books(
        rules in rules(),
        history in history_with_rebooking(20),
        clocks in prop::collection::vec(prop_oneof![0_u64..20_000, any::<u64>()], 80),
    ) {
        let mut world = World::new(rules.clone());
        for (step, clock) in history.iter().zip(clocks) {
            // Days of this world are counted from the epoch, so calendars stay within reach.
            let far = rules.iter().any(|rule| matches!(rule, Rule::Calendar { .. }));
            world.now = ms(if far { clock % 20_000 } else { clock });
            world.play(step);
            prop_assert!(world.shelf.books.balance());
        }
    }
}

/// Every rule, filled up while the clock was forty days ahead.
#[test]
fn a_clock_that_came_back_locks_nobody_out_for_longer_than_a_window() {
    let now = ms(1_000 * DAY + 12_345);
    let today = [ms(1_000 * DAY), ms(1_001 * DAY), ms(1_002 * DAY)];
    let window = span(DAY);
    let rules = [
        (Rule::Bucket { burst: amount(10), units: amount(10), period: window }, span(2 * DAY)),
        (Rule::Calendar { most: amount(10), turns: today }, window),
        (Rule::Fixed { most: amount(10), window }, window),
        (Rule::Sliding { most: amount(10), window }, window.plus(span(DAY / 60))),
        (Rule::Total { most: amount(10), idle: window }, window),
    ];
    for (rule, longest) in rules {
        let mut world = World::new(vec![]);
        world.now = now.plus(span(40 * DAY));
        world.reserve(&firm(vec![exactly(0, rule, 10)])).expect("it is empty");
        world.now = now;
        let one = firm(vec![exactly(0, rule, 1)]);
        let denied = world.reserve(&one).expect_err("what was charged still counts");
        assert!(denied.wait() <= tollgate_limits::Wait::Until(now.plus(longest)), "{rule:?}");
        world.now = now.plus(span(DAY / 2));
        assert!(world.reserve(&one).is_err(), "{rule:?} still counts half a window later");
        world.now = now.plus(longest);
        world.reserve(&firm(vec![exactly(0, rule, 10)])).expect("a window has passed");
    }
}

/// A slot that is made late counts until its own end, not until that of the one made before it.
#[test]
fn slots_end_in_the_order_of_their_ends() {
    let rule = Rule::Sliding { most: amount(10), window: span(6_000) };
    let mut world = World::new(vec![]);
    for now in [10_000, 10_200, 10_150] {
        world.now = ms(now);
        world.reserve(&firm(vec![exactly(0, rule, 1)])).expect("there is room");
    }
    let left = |at| {
        let (_, standings) = peek(&world.shelf, &firm(vec![exactly(0, rule, 0)]), ms(at))
            .expect("nothing always fits");
        standings[0].left.get()
    };
    // The slot of 10,200 was ahead of the clock that came back: it ends a window after that.
    let ends = [(16_099, 7), (16_100, 8), (16_199, 8), (16_200, 9), (16_249, 9), (16_250, 10)];
    for (at, then) in ends {
        assert_eq!(left(at), then, "at {at}");
    }
}

/// The same millisecond drains once, however often a clock that is not quite steady shows it.
#[test]
fn a_level_does_not_drain_twice() {
    let rule = Rule::Bucket { burst: amount(100), units: amount(1), period: span(1) };
    let mut world = World::new(vec![]);
    let one = firm(vec![exactly(0, rule, 1)]);
    let mut admitted = 0;
    for turn in 0..1_000 {
        world.now = ms(5_000 + turn % 2);
        admitted += usize::from(world.reserve(&one).is_ok());
    }
    assert_eq!(admitted, 101);
}

#[test]
fn the_last_instant_is_an_instant_like_any_other() {
    let last = Timestamp::MAX;
    let rules = [
        Rule::AtOnce { most: amount(1), lease: Span::MAX },
        Rule::Bucket { burst: amount(1), units: amount(1), period: span(9) },
        Rule::Calendar { most: amount(1), turns: [last; 3] },
        Rule::Fixed { most: amount(1), window: span(9) },
        Rule::Sliding { most: amount(1), window: span(9) },
        Rule::Total { most: amount(1), idle: span(9) },
    ];
    for rule in rules {
        for now in [ms(0), last.minus(span(1)), last] {
            let mut world = World::new(vec![]);
            world.now = now;
            world.reserve(&firm(vec![exactly(0, rule, 1)])).expect("it is empty");
            world.settle(0, &[3]);
            assert!(world.shelf.books.balance());
        }
    }
}
