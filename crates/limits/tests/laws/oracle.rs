//! What each rule promises, said as slowly as possible: from the whole log, for every window.
//!
//! Two bounds: `must_refuse` is the promise (admitting would break it), `must_admit` is that
//! nothing else is ever refused. Between them lies what a rule is free to do: a sliding window may
//! give a unit back up to a sixtieth late, a bucket need not give everything back, and the debt of
//! a stream that is older than its turns ends about when its day does.

use tollgate_limits::{MeterId, Rule};
use tollgate_units::Timestamp;

use crate::world::{Entry, World, ms, span, turns};

pub(crate) struct Verdict {
    pub(crate) must_refuse: bool,
    pub(crate) must_admit: bool,
}

/// What may be done with `amount` on this meter, now.
pub(crate) fn judge(world: &World, meter: MeterId, rule: &Rule, amount: u64) -> Verdict {
    let log: Vec<&Entry> = world.log.iter().filter(|entry| entry.meter == meter).collect();
    let now = world.now.as_millis();
    let settled = |e: &Entry| e.settled;
    let reserved = |e: &Entry| e.reserved;
    let fits = |spent: u64| spent + amount <= rule.most().get();
    let exact = |counts: &dyn Fn(&Entry) -> bool| {
        let spent = log.iter().filter(|e| counts(e)).map(|e| e.settled).sum();
        Verdict { must_refuse: !fits(spent), must_admit: fits(spent) }
    };
    if amount == 0 {
        return Verdict { must_refuse: false, must_admit: true };
    }
    match *rule {
        Rule::AtOnce { .. } => exact(&|e| e.live),
        Rule::Bucket { burst, units, period } => {
            let rate = [burst.get(), units.get(), period.as_millis()];
            Verdict {
                must_refuse: !curve_holds(&log, settled, rate, amount, now),
                must_admit: curve_holds(&log, reserved, rate, amount, now),
            }
        }
        Rule::Calendar { .. } => {
            let [start, _, _] = turns(world.now);
            let since = |start: Timestamp, stale: bool| {
                let counts = |e: &&&Entry| ms(e.at) >= start && e.stale == stale;
                log.iter().filter(counts).map(|e| e.settled).sum::<u64>()
            };
            let day = since(start, false);
            Verdict {
                must_refuse: !fits(day),
                must_admit: fits(day + since(start.minus(span(250)), true)),
            }
        }
        Rule::Fixed { window, .. } => {
            exact(&|e| e.at / window.as_millis() == now / window.as_millis())
        }
        Rule::Sliding { window, .. } => {
            let window = window.as_millis();
            let since =
                |age: u64| log.iter().filter(|e| e.at + age >= now).map(|e| e.settled).sum::<u64>();
            Verdict {
                must_refuse: !fits(since(window)),
                // It comes back after W and a sixtieth at the latest.
                must_admit: fits(since(window + window.div_ceil(60) - 1)),
            }
        }
        Rule::Total { idle, .. } => {
            let start = life(&log, idle.as_millis(), now);
            exact(&|e| e.at >= start)
        }
    }
}

/// Whether burst + rate × t holds in every interval that ends with `amount` now.
fn curve_holds(
    log: &[&Entry],
    of: impl Fn(&Entry) -> u64,
    [burst, units, period]: [u64; 3],
    amount: u64,
    now: u64,
) -> bool {
    let starts = log.iter().map(|e| e.at).chain([now]);
    starts.into_iter().all(|start| {
        let sum: u64 = log.iter().filter(|e| e.at >= start).map(|e| of(e)).sum();
        (sum + amount) * period <= burst * period + units * (now - start)
    })
}

/// When the present life of a total began: after the last quiet as long as `idle`.
fn life(log: &[&Entry], idle: u64, now: u64) -> u64 {
    let mut touches: Vec<u64> = log.iter().map(|e| e.at).collect();
    touches.sort_unstable();
    let mut start = 0;
    for pair in touches.windows(2) {
        if pair[0] + idle <= pair[1] {
            start = pair[1];
        }
    }
    match touches.last() {
        Some(&last) if last + idle <= now => now,
        Some(_) | None => start,
    }
}
