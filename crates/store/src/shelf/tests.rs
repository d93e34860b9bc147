//! Laws of the shelf: nothing that counts is dropped, everything that ended is, and what the
//! journal takes is what a map beside it says.

use std::collections::BTreeMap;

use tollgate_limits::{
    Charge, Charges, Demand, ReservationId, Shelf as _, Stretch, reserve, settle, void,
};
use tollgate_units::{Amount, Span};

use super::*;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// xorshift64 (Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn meter(number: u64) -> MeterId {
    MeterId::new(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

fn rule(number: u64) -> Rule {
    let most = Amount::new(1000);
    match number % 4 {
        0 => Rule::Sliding { most, window: Span::from_secs(6) },
        1 => Rule::Bucket { burst: most, units: Amount::ONE, period: Span::from_millis(900) },
        2 => Rule::AtOnce { most, lease: Span::MAX },
        _ => Rule::Total { most, idle: Span::from_secs(9) },
    }
}

fn charges(numbers: &[u64]) -> Charges {
    let charge = |&number: &u64| Charge {
        meter: meter(number),
        rule: rule(number),
        demand: Demand::exactly(Amount::ONE),
    };
    Charges::new(numbers.iter().map(charge).collect(), Stretch::exactly(0)).unwrap()
}

fn spend(shelf: &mut Shelf, number: u64, now: Timestamp) {
    let charges = charges(&[number]);
    let now = shelf.begin(&charges, now);
    let held = reserve(shelf, &charges, ReservationId::new(now.as_millis()), now);
    settle(shelf, held.unwrap().marks, &[Amount::ONE], now);
}

/// A row of the file: whose meter, and how it stands.
type Rows = BTreeMap<u32, (MeterId, Vec<u8>)>;

/// What the file would hold: what was taken, less what was removed.
fn write(shelf: &mut Shelf, file: &mut Rows, dice: &mut Dice) {
    let (mut rows, mut gone) = (Vec::new(), Vec::new());
    shelf.take_unwritten(usize::try_from(dice.roll(40)).unwrap(), &mut rows);
    shelf.take_gone(usize::try_from(dice.roll(40)).unwrap(), &mut gone);
    // Other things happen before it is known how that ended.
    let now = shelf.latest;
    shelf.sweep(5, now);
    spend(shelf, dice.roll(300), now);
    if dice.roll(4) == 0 {
        for row in &rows {
            shelf.write_again(row.cell, row.id);
        }
        for cell in gone {
            shelf.remove_again(cell);
        }
        return;
    }
    file.extend(rows.into_iter().map(|row| (row.cell, (row.id, row.state))));
    file.retain(|cell, _| !gone.contains(cell));
}

#[test]
fn what_is_written_is_what_counts_whatever_comes_between() {
    for seed in 1..=60_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (mut shelf, mut file) = (Shelf::journaled(), Rows::new());
        let mut now = START;
        for _ in 0..800 {
            now = now.plus(Span::from_millis(dice.roll(60)));
            spend(&mut shelf, dice.roll(300), now);
            if dice.roll(9) == 0 {
                write(&mut shelf, &mut file, &mut dice);
            }
        }
        // What is left, in one piece.
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        shelf.take_unwritten(usize::MAX, &mut rows);
        shelf.take_gone(usize::MAX, &mut gone);
        file.extend(rows.into_iter().map(|row| (row.cell, (row.id, row.state))));
        file.retain(|cell, _| !gone.contains(cell));
        let rows = file.len();
        let mut file: BTreeMap<_, _> = file.into_values().collect();
        assert_eq!(file.len(), rows, "seed {seed}: a meter has two rows");
        for number in 0..300 {
            let counts = shelf.look(meter(number)).map(Meter::saved);
            let lasts = !matches!(rule(number), Rule::AtOnce { .. });
            let written = file.remove(&meter(number));
            assert_eq!(written, counts.filter(|_| lasts), "seed {seed}, meter {number}");
        }
        assert!(file.is_empty(), "seed {seed}");
    }
}

#[test]
fn sweeping_drops_what_has_ended_and_nothing_else() {
    for seed in 1..=60_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut shelf = Shelf::forgetful();
        let mut ends = BTreeMap::new();
        let mut now = START;
        for _ in 0..800 {
            now = now.plus(Span::from_millis(dice.roll(60)));
            let number = dice.roll(5000);
            spend(&mut shelf, number, now);
            let end = shelf.look(meter(number)).map_or(now, Meter::ends_at);
            ends.insert(number, end);
            let counting = ends.values().filter(|end| **end > now).count();
            assert!(shelf.len() >= counting, "seed {seed}");
        }
        for (number, _) in ends.iter().filter(|(_, end)| **end > now) {
            assert!(shelf.look(meter(*number)).is_some(), "seed {seed}, meter {number}");
        }
        shelf.sweep(usize::MAX, Timestamp::MAX.minus(Span::from_millis(1)));
        assert_eq!(shelf.len(), 0, "seed {seed}");
    }
}

#[test]
fn meters_that_come_and_go_for_ever_need_a_bounded_number_of_cells() {
    let mut shelf = Shelf::forgetful();
    let mut now = START;
    let mut most = 0;
    for number in 0..100_000_u64 {
        now = now.plus(Span::from_millis(10));
        // Four times the number: a sliding window of six seconds, 600 of them live at a time.
        spend(&mut shelf, number * 4, now);
        most = most.max(shelf.len());
    }
    assert!((600..1500).contains(&most), "{most} meters");
    assert!(shelf.cells.len() < 1500, "{} cells", shelf.cells.len());
}

#[test]
fn a_slot_that_is_held_is_never_swept() {
    let mut shelf = Shelf::forgetful();
    let held = reserve(&mut shelf, &charges(&[2]), ReservationId::new(1), START).unwrap();
    shelf.sweep(10, Timestamp::MAX.minus(Span::from_millis(1)));
    assert_eq!(shelf.len(), 1);
    void(&mut shelf, held.marks, START);
    shelf.sweep(10, START);
    assert_eq!(shelf.len(), 0);
}

#[test]
fn a_decision_that_is_late_is_made_at_the_latest_time() {
    let mut shelf = Shelf::forgetful();
    let second = Span::from_secs(1);
    assert_eq!(shelf.begin(&charges(&[1]), START.plus(second)), START.plus(second));
    assert_eq!(shelf.begin(&charges(&[1]), START), START.plus(second));
    assert_eq!(shelf.end(START), START.plus(second));
    assert_eq!(shelf.at(START), START.plus(second));
}

#[test]
fn a_shelf_is_restored_from_any_rows_and_writes_what_must_move() {
    let spent = |end: u64| {
        let mut shelf = Shelf::forgetful();
        let rule = Rule::Total { most: Amount::new(9), idle: Span::from_millis(end) };
        let charge = Charge { meter: meter(0), rule, demand: Demand::exactly(Amount::ONE) };
        let charges = Charges::new(vec![charge], Stretch::exactly(0)).unwrap();
        let held = reserve(&mut shelf, &charges, ReservationId::new(1), START).unwrap();
        settle(&mut shelf, held.marks, &[Amount::ONE], START);
        shelf.look(meter(0)).unwrap().clone()
    };
    let far = u32::MAX - 1;
    let mut shelf = Shelf::journaled();
    let rows = [(0, 10, 50), (3, 11, 5), (4, 12, 50), (7, 10, 60), (9, 12, 40), (far, 13, 50)];
    for (cell, number, end) in rows {
        shelf.restore(cell, meter(number), spent(end), START.plus(Span::from_millis(5)));
    }
    let ends = |number| shelf.look(meter(number)).map(|meter| meter.ends_at().since(START));
    let ends: Vec<_> = (10..14).map(ends).collect();
    let after = |end| Some(Span::from_millis(end));
    assert_eq!(ends, [after(60), None, after(50), after(50)]);
    assert_eq!((shelf.len(), shelf.cells.len()), (3, 8));
    let (mut rows, mut gone) = (Vec::new(), Vec::new());
    shelf.take_unwritten(10, &mut rows);
    shelf.take_gone(10, &mut gone);
    let moved: Vec<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(moved, [meter(13)], "the one that was too far up");
    gone.retain(|cell| *cell != rows[0].cell);
    assert_eq!(gone.iter().filter(|cell| [3, 9, far].contains(*cell)).count(), 3, "{gone:?}");
}
