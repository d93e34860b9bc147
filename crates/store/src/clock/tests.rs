//! Laws of the clock, on a clock that a hand moves.

use super::*;

const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Span = Span::from_secs(3600);

fn millis(millis: u64) -> Span {
    Span::from_millis(millis)
}

#[test]
fn a_manual_clock_stands_until_its_hand_moves_it() {
    let (clock, hand) = Clock::manual(NOON);
    assert_eq!(clock.now(), NOON);
    assert_eq!(clock.now(), NOON);
    for passed in [1, 2, 63, 64, 65, 1000, 86_400_000] {
        let before = clock.now();
        hand.advance(millis(passed));
        assert_eq!(clock.now(), before.plus(millis(passed)));
    }
}

#[test]
fn a_wall_that_steps_back_slows_the_clock_and_never_turns_it() {
    let (clock, hand) = Clock::manual(NOON);
    hand.set_wall(NOON.minus(HOUR));
    let mut before = clock.now();
    assert_eq!(before, NOON);
    // 64 s pass: 63 s are counted, a second less than on the monotonic clock.
    for _ in 0..640 {
        hand.advance(millis(100));
        let now = clock.now();
        assert!(now >= before && now <= before.plus(millis(100)), "{before:?} then {now:?}");
        before = now;
    }
    assert_eq!(before, NOON.plus(Span::from_secs(63)));
}

#[test]
fn a_look_that_comes_late_turns_nothing_back() {
    let (clock, hand) = Clock::manual(NOON);
    hand.set_wall(NOON.minus(HOUR));
    hand.advance(Span::from_secs(64));
    let looking = clock.inner.looked_at.lock().unwrap();
    let before = clock.now();
    assert_eq!(before, NOON.plus(Span::from_secs(64)), "another thread is about to look");
    drop(looking);
    // It takes a whole second off what was handed out already.
    for passed in 0..1000 {
        assert_eq!(clock.now(), before, "{passed} ms later");
        hand.advance(millis(1));
    }
    hand.advance(millis(200));
    assert!(clock.now() > before);
}

#[test]
fn a_clock_that_is_ahead_meets_the_wall_and_then_keeps_its_pace() {
    let (clock, hand) = Clock::manual(NOON);
    hand.set_wall(NOON.minus(Span::from_secs(1)));
    hand.advance(Span::from_secs(64));
    assert_eq!(clock.now(), NOON.plus(Span::from_secs(63)));
    hand.advance(Span::from_secs(64));
    assert_eq!(clock.now(), NOON.plus(Span::from_secs(127)));
}

#[test]
fn a_wall_that_jumps_ahead_is_adopted_at_the_next_look() {
    let (clock, hand) = Clock::manual(NOON);
    hand.set_wall(NOON.plus(HOUR));
    hand.advance(millis(63));
    assert_eq!(clock.now(), NOON.plus(millis(63)), "nobody looked yet");
    hand.advance(millis(1));
    assert_eq!(clock.now(), NOON.plus(HOUR).plus(LOOK_EVERY));
}

#[test]
fn a_restart_goes_on_from_the_last_reading_unless_it_is_a_day_ahead() {
    let day = Span::from_secs(86_400);
    let table = [
        (NOON.minus(HOUR), true, NOON),
        (NOON, true, NOON),
        (NOON.plus(HOUR), true, NOON.plus(HOUR)),
        (NOON.plus(day), true, NOON.plus(day)),
        (NOON.plus(day).plus(millis(1)), false, NOON),
        (Timestamp::MAX, false, NOON),
    ];
    for (last, believed, now) in table {
        let (clock, _hand) = Clock::manual(NOON);
        assert_eq!(clock.resume(last), believed, "{last:?}");
        assert_eq!(clock.now(), now, "{last:?}");
    }
}

#[test]
fn a_resumed_clock_that_is_ahead_runs_slower_too() {
    let (clock, hand) = Clock::manual(NOON);
    assert!(clock.resume(NOON.plus(HOUR)));
    hand.advance(Span::from_secs(64));
    assert_eq!(clock.now(), NOON.plus(HOUR).plus(Span::from_secs(63)));
}

#[test]
fn no_thread_reads_an_earlier_time_than_another_read_before() {
    let (clock, hand) = Clock::manual(NOON);
    let handed_out = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let before = handed_out.load(std::sync::atomic::Ordering::SeqCst);
                    let now = clock.now().as_millis();
                    assert!(now >= before, "{before} then {now}");
                    handed_out.fetch_max(now, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            for step in 0..2000_u64 {
                hand.advance(millis(7));
                // Now ahead, now behind, by up to a minute.
                let wild = (step * 7919) % 120_000;
                hand.set_wall(NOON.plus(millis(wild)));
            }
        });
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is compared with what it reads")]
fn the_system_clock_tells_the_time_of_the_wall() {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = u128::from(Clock::system().now().as_millis());
    // An hour of grace: this is about the unit and the epoch, not about the machine's pace.
    assert!(now.abs_diff(wall) < 3_600_000, "{now} {wall}");
}
