//! What is rebooked keeps the promise too: seen from inside, where it is known which part of a
//! reservation was moved to the present and which stayed where it was.

extern crate std;

use alloc::vec::Vec;
use std::collections::BTreeMap;

use proptest::prelude::*;
use tollgate_units::Span;

use super::*;
use crate::Demand;

const METER: MeterId = MeterId::new(1);

#[derive(Clone, Debug, Default)]
struct Meters {
    meters: BTreeMap<MeterId, Meter>,
    books: Books,
}

impl Shelf for Meters {
    fn look(&self, id: MeterId) -> Option<&Meter> {
        self.meters.get(&id)
    }

    fn touch(&mut self, id: MeterId, _rule: &Rule) -> &mut Meter {
        self.meters.entry(id).or_default()
    }

    fn books(&mut self) -> &mut Books {
        &mut self.books
    }
}

/// A reservation on one meter, and the parts that make it up: when, and how much.
struct Open {
    marks: Marks,
    moved_at: u64,
    /// What was left behind when the rest was moved.
    stayed: Vec<(u64, u64)>,
}

impl Open {
    /// The parts, if `used` of it all was used: what stayed behind was used first.
    fn parts(&self, used: u64) -> Vec<(u64, u64)> {
        let stayed: u64 = self.stayed.iter().map(|part| part.1).sum();
        let mut parts = self.stayed.clone();
        parts.push((self.moved_at, used.saturating_sub(stayed)));
        parts
    }
}

fn charges(rule: Rule, units: u64) -> Charges {
    let demand = Demand::exactly(Amount::new(units));
    let list = alloc::vec![Charge { meter: METER, rule, demand }];
    let Ok(charges) = Charges::new(list, Stretch::exactly(0)) else { unreachable!("one charge") };
    charges
}

fn rule() -> impl Strategy<Value = Rule> {
    let most = (1_u64..40).prop_map(Amount::new);
    let span = (1_u64..400).prop_map(Span::from_millis);
    (most, span, 1_u64..9, any::<bool>()).prop_map(|(most, span, units, sliding)| {
        if sliding {
            Rule::Sliding { most, window: span }
        } else {
            Rule::Bucket { burst: most, units: Amount::new(units), period: span }
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn what_is_rebooked_keeps_the_curve(
        rule in rule(),
        history in prop::collection::vec((0_u8..6, 0_u64..60, 0_u64..30, 0_usize..8), 1..100),
    ) {
        let (mut shelf, mut now) = (Meters::default(), 10_000);
        let (mut open, mut settled): (Vec<Open>, Vec<(u64, u64)>) = Default::default();
        for (number, (what, pass, units, which)) in history.into_iter().enumerate() {
            now += pass;
            let at = Timestamp::from_millis(now);
            let asked = charges(rule, units);
            if what < 2 {
                let id = ReservationId::new(number as u64);
                if let Ok(held) = reserve(&mut shelf, &asked, id, at) {
                    open.push(Open { marks: held.marks, moved_at: now, stayed: Vec::new() });
                }
            } else if let Some(which) = which.checked_rem(open.len()) {
                if what < 5 {
                    rebooked(&mut shelf, &mut open[which], &asked, now);
                } else {
                    let ending = open.swap_remove(which);
                    let used = units.min(ending.marks.reserved(0).get());
                    settled.extend(ending.parts(used));
                    settle(&mut shelf, ending.marks, &[Amount::new(used)], at);
                }
            }
            prop_assert!(shelf.books.balance());
        }
        for open in &open {
            settled.extend(open.parts(open.marks.reserved(0).get()));
        }
        keeps(rule, settled)?;
    }
}

fn rebooked(shelf: &mut Meters, open: &mut Open, asked: &Charges, now: u64) {
    let before = (open.marks.reserved(0), open.marks.list[0].own.get());
    if rebook(shelf, &mut open.marks, asked, Timestamp::from_millis(now)).is_err() {
        return;
    }
    let after = open.marks.reserved(0);
    if after > before.0 {
        let moved = open.marks.list[0].own.less(after.less(before.0));
        open.stayed.push((open.moved_at, before.1 - moved.get()));
        open.moved_at = now;
    }
}

fn keeps(rule: Rule, mut settled: Vec<(u64, u64)>) -> Result<(), TestCaseError> {
    settled.sort_unstable();
    for (first, start) in settled.iter().enumerate() {
        let mut sum = 0;
        for end in &settled[first..] {
            sum += end.1;
            let length = end.0 - start.0;
            match rule {
                Rule::Bucket { burst, units, period } => {
                    let promise = burst.get() * period.as_millis() + length * units.get();
                    prop_assert!(sum * period.as_millis() <= promise);
                }
                Rule::Sliding { most, window } if length <= window.as_millis() => {
                    prop_assert!(sum <= most.get(), "{sum} in {length} ms");
                }
                Rule::AtOnce { .. }
                | Rule::Calendar { .. }
                | Rule::Fixed { .. }
                | Rule::Sliding { .. }
                | Rule::Total { .. } => {}
            }
        }
    }
    Ok(())
}
