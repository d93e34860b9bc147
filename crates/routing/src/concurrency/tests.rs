use proptest::prelude::*;

use super::*;

/// `count` in flight, numbered from zero.
fn crowd(count: u64) -> Concurrency {
    let mut crowd = Concurrency::default();
    for _ in 0..count {
        crowd.began();
    }
    crowd
}

fn millis(millis: u64) -> Span {
    Span::from_millis(millis)
}

#[test]
fn there_is_no_bound_until_the_provider_pushes_back() {
    let mut crowd = crowd(100_000);
    assert!(!crowd.is_full());
    crowd.succeeded((3, 100_000));
    assert_eq!(crowd.limit(), None);
    crowd.pushed_back((4, 100_000));
    assert_eq!(crowd.limit(), Some(90_000));
    assert!(crowd.is_full());
}

#[test]
fn one_round_of_flights_lowers_the_bound_once() {
    let mut crowd = crowd(100);
    for number in 0..100 {
        crowd.pushed_back((number, 100));
    }
    assert_eq!(crowd.limit(), Some(90));
    crowd.pushed_back((100, 150));
    assert_eq!(crowd.limit(), Some(81));
    crowd.pushed_back((149, 150));
    assert_eq!(crowd.limit(), Some(81));
}

#[test]
fn the_bound_never_falls_below_one() {
    let mut crowd = crowd(3);
    for number in 0..50 {
        crowd.pushed_back((number, number + 1));
    }
    assert_eq!(crowd.limit(), Some(1));
    assert!(crowd.is_full());
    for _ in 0..3 {
        crowd.left();
    }
    assert!(!crowd.is_full());
}

/// One refusal that nothing explained, of a request that was alone, left one place: of ten that
/// came then, each of two seconds, two were refused.
#[test]
fn a_refusal_of_few_says_little_of_how_many_at_once() {
    let mut few = crowd(1);
    few.pushed_back((0, 1));
    assert_eq!(few.limit(), Some(4));
    for number in 1..50 {
        few.pushed_back((number, number + 1));
    }
    assert_eq!(few.limit(), Some(4), "one alone, however often");
    few.began();
    few.pushed_back((50, 51));
    assert_eq!(few.limit(), Some(3), "two of four are half of them");
}

#[test]
fn the_bound_grows_by_one_a_round_while_at_least_half_of_it_is_used() {
    let mut crowd = crowd(10);
    crowd.pushed_back((0, 10));
    assert_eq!(crowd.limit(), Some(9));
    for number in 10..19 {
        crowd.succeeded((number, 19));
    }
    assert_eq!(crowd.limit(), Some(10));
    for _ in 0..6 {
        crowd.left();
    }
    for number in 19..100 {
        crowd.succeeded((number, 100));
    }
    assert_eq!(crowd.limit(), Some(10), "four of ten say nothing of the eleventh");
}

#[test]
fn a_time_to_first_token_of_twice_the_usual_lowers_the_bound() {
    let mut crowd = crowd(40);
    for number in 0..100 {
        crowd.first_token_came(millis(300), 500, (number, number + 1));
    }
    assert_eq!(crowd.limit(), None);
    for number in 100..104 {
        crowd.first_token_came(millis(550), 500, (number, number + 1));
    }
    assert_eq!(crowd.limit(), None, "not twice");
    let mut rounds = 0;
    for number in 104..150 {
        crowd.first_token_came(millis(1500), 500, (number, number + 40));
        rounds += u32::from(crowd.limit().is_some());
    }
    assert!(rounds > 40, "noticed within a few samples: {rounds}");
    assert_eq!(crowd.limit(), Some(32), "once a round");
}

#[test]
fn a_long_prompt_is_no_sign_of_load() {
    let mut crowd = crowd(40);
    for number in 0..100 {
        crowd.first_token_came(millis(300), 1000, (number, number + 1));
    }
    for number in 100..200 {
        crowd.first_token_came(millis(3000), 40_000, (number, number + 1));
    }
    assert_eq!(crowd.limit(), None);
}

#[test]
fn a_few_samples_say_nothing() {
    let mut crowd = crowd(40);
    for (number, span) in (0..19).zip([10, 9000].into_iter().cycle()) {
        crowd.first_token_came(millis(span), 1000, (number, number + 1));
    }
    assert_eq!(crowd.limit(), None);
}

#[test]
fn the_usual_time_to_first_token_follows_slowly() {
    let mut crowd = Concurrency::default();
    assert_eq!(crowd.first_token(), None);
    crowd.first_token_came(millis(400), 10, (0, 1));
    assert_eq!(crowd.first_token(), Some(millis(400)));
    crowd.first_token_came(millis(1200), 10, (1, 2));
    assert_eq!(crowd.first_token(), Some(millis(500)));
}

#[test]
fn a_first_token_that_is_a_little_later_says_nothing_whatever_multiple_it_is() {
    let mut crowd = crowd(40);
    for number in 0..100 {
        crowd.first_token_came(millis(2), 10, (number, number + 1));
    }
    for number in 100..200 {
        crowd.first_token_came(millis(200), 10, (number, number + 1));
    }
    assert_eq!(crowd.limit(), None);
}

/// A provider that was three times as slow by day as by night was asked less and less, down to one
/// request at a time, for as long as the day lasted.
#[test]
fn a_provider_that_has_become_slower_for_good_is_taken_as_it_is() {
    let mut crowd = crowd(40);
    for number in 0..100 {
        crowd.first_token_came(millis(300), 10, (number, number + 1));
    }
    for number in 100..2000 {
        crowd.first_token_came(millis(900), 10, (number, number + 1));
        crowd.succeeded((number, number + 1));
    }
    let lowest = crowd.limit().expect("it was noticed");
    assert!(lowest >= SLOW_MIN, "{lowest}");
    for number in 2000..4000 {
        crowd.first_token_came(millis(900), 10, (number, number + 1));
        crowd.succeeded((number, number + 1));
    }
    assert!(crowd.limit() > Some(lowest), "it grows again: {:?}", crowd.limit());
}

proptest! {
    /// Against a provider that bears so many at once and answers in rounds, the bound settles
    /// around what it bears.
    #[test]
    fn the_bound_settles_around_what_the_provider_bears(bears in 1_u64..200, wants in 1_u64..400) {
        let mut crowd = Concurrency::default();
        let mut next = 0;
        for _ in 0..400 {
            let first = next;
            while !crowd.is_full() && u64::from(crowd.in_flight()) < wants {
                crowd.began();
                next += 1;
            }
            for number in first..next {
                if number - first < bears {
                    crowd.succeeded((number, next));
                } else {
                    crowd.pushed_back((number, next));
                }
                crowd.left();
            }
        }
        let limit = crowd.limit().map_or(wants, u64::from);
        if wants > bears {
            prop_assert!(limit <= bears + 2, "{limit} of {bears}");
        }
        prop_assert!(limit >= (bears.min(wants) * 8 / 10).max(1), "{limit} of {bears}");
    }
}
