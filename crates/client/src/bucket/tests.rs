//! The bucket against the arrival curve, and against a bucket of the plainest kind.

use proptest::prelude::*;

use super::*;

/// A bucket as the textbooks draw it, counted in thousandths of a unit.
struct Plain {
    left: u64,
    full: u64,
    refill: u64,
    at: u64,
}

impl Plain {
    fn take(&mut self, cost: u64, now: u64) -> bool {
        self.left = self.full.min(self.left + (now - self.at) * self.refill);
        self.at = now;
        let fits = cost * 1000 <= self.left;
        self.left -= if fits { cost * 1000 } else { 0 };
        fits
    }
}

fn bucket(capacity: u64, burst: u64, refill: u64) -> Limiter {
    let [capacity, burst, refill] = [capacity, burst, refill].map(Amount::new);
    Limiter::new(BucketConfig { capacity, refill, burst })
}

proptest! {
    #[test]
    fn no_interval_takes_more_than_the_arrival_curve_and_every_decision_is_the_plain_buckets(
        capacity in 1_u64..150,
        burst in 0_u64..40,
        refill in 1_u64..30,
        steps in prop::collection::vec((0_u64..1500, 1_u64..60), 1..120),
    ) {
        let mut bucket = bucket(capacity, burst, refill);
        let full = (capacity + burst) * 1000;
        let mut plain = Plain { left: full, full, refill, at: 0 };
        let mut taken: Vec<(u64, u64)> = Vec::new();
        let mut now = 0;
        for (gap, cost) in steps {
            now += gap;
            let got = bucket.take(Amount::new(cost), Timestamp::from_millis(now));
            prop_assert_eq!(got.is_ok(), plain.take(cost, now), "at {} for {}", now, cost);
            if let Ok(marks) = got {
                bucket.settle(marks, Amount::new(cost), Timestamp::from_millis(now));
                taken.push((now, cost));
            }
        }
        for (first, &(from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for &(to, cost) in taken.iter().skip(first) {
                sum += cost;
                prop_assert!(sum * 1000 <= full + refill * (to - from), "{}..{}", from, to);
            }
        }
    }

    #[test]
    fn the_announced_wait_fits_and_a_millisecond_less_does_not(
        spent in prop::collection::vec(1_u64..60, 1..20),
        cost in 1_u64..=120,
    ) {
        let mut bucket = bucket(100, 20, 10);
        let start = Timestamp::from_millis(5000);
        for spent in spent {
            drop(bucket.take(Amount::new(spent), start));
        }
        let Wait::Until(at) = bucket.room_at(Amount::new(cost), start) else {
            return Err(TestCaseError::fail("it fits into an empty bucket"));
        };
        if at > start {
            let early = at.minus(Span::from_millis(1));
            prop_assert_eq!(bucket.take(Amount::new(cost), early).err(), Some(Wait::Until(at)));
        }
        prop_assert!(bucket.take(Amount::new(cost), at).is_ok());
    }

    #[test]
    fn what_was_not_used_is_there_again_and_the_books_balance(
        cost in 1_u64..=120,
        used in 0_u64..200,
    ) {
        let mut bucket = bucket(100, 20, 10);
        let now = Timestamp::from_millis(5000);
        let marks = bucket.take(Amount::new(cost), now).map_err(|_| TestCaseError::fail("room"))?;
        bucket.settle(marks, Amount::new(used), now);
        prop_assert_eq!(bucket.standing(now).left.get(), 120_u64.saturating_sub(used));
        prop_assert!(bucket.shelf.books.balance());
    }
}

#[test]
fn more_than_capacity_and_burst_together_never_fits() {
    let mut bucket = bucket(100, 20, 10);
    let now = Timestamp::EPOCH;
    assert_eq!(bucket.take(Amount::new(121), now).err(), Some(Wait::Never));
    assert_eq!(bucket.room_at(Amount::new(121), now), Wait::Never);
    assert!(bucket.take(Amount::new(120), now).is_ok());
}

/// A thread may read the clock, sleep for seconds, and only then come to the lock.
#[test]
fn who_comes_with_an_old_time_refills_nothing() {
    let mut bucket = bucket(100, 20, 10);
    let [old, now] = [5000, 10_000].map(Timestamp::from_millis);
    assert!(bucket.take(Amount::new(120), now).is_ok());
    assert!(bucket.take(Amount::ONE, old).is_err());
    let at = now.plus(Span::from_millis(100));
    assert_eq!(bucket.room_at(Amount::ONE, now), Wait::Until(at));
}
