//! Whose things are, before and after they are written, and when they stop being anybody's.

use super::*;
use crate::clock::ClockHand;

const ANA: u128 = 1;
const BOB: u128 = 2;
const DAY: Span = RENEWED_AFTER;

fn owners() -> (Owners, ClockHand) {
    let (clock, hand) = Clock::manual(Timestamp::from_millis(1_795_330_800_000));
    (Owners::in_memory(clock).unwrap(), hand)
}

/// Waits until everything recorded so far is in the table.
fn written(owners: &Owners) {
    while owners.unwritten() > 0 {
        std::thread::yield_now();
    }
}

fn owned(owners: &Owners, thing: u128, owner: u128) -> Option<u64> {
    owners.owned(thing, owner).unwrap().map(Tokens::get)
}

#[test]
fn what_is_recorded_is_its_owners_at_once_and_once_written_and_nobody_elses() {
    let (owners, _hand) = owners();
    owners.record(7, ANA, Tokens::new(5));
    for _ in 0..2 {
        assert_eq!(owned(&owners, 7, ANA), Some(5));
        assert_eq!(owned(&owners, 7, BOB), None);
        assert_eq!(owned(&owners, 8, ANA), None);
        written(&owners);
    }
}

#[test]
fn the_first_owner_stays_wherever_the_second_comes() {
    let (owners, _hand) = owners();
    for _ in 0..2 {
        owners.record(7, ANA, Tokens::ZERO);
        owners.record(7, BOB, Tokens::ZERO);
        assert_eq!((owned(&owners, 7, ANA), owned(&owners, 7, BOB)), (Some(0), None));
        written(&owners);
        owners.record(7, BOB, Tokens::ZERO);
        assert_eq!((owned(&owners, 7, ANA), owned(&owners, 7, BOB)), (Some(0), None));
        written(&owners);
        assert_eq!((owned(&owners, 7, ANA), owned(&owners, 7, BOB)), (Some(0), None));
    }
}

#[test]
fn what_nobody_uses_for_thirty_days_is_nobodys_and_what_is_used_stays() {
    let (owners, hand) = owners();
    owners.record(7, ANA, Tokens::new(5));
    owners.record(8, ANA, Tokens::ZERO);
    written(&owners);
    for _ in 0..4 {
        hand.advance(Span::from_millis(DAY.as_millis() * 10));
        assert_eq!(owned(&owners, 7, ANA), Some(5));
        written(&owners);
    }
    assert_eq!(owned(&owners, 8, ANA), None);
    owners.record(8, BOB, Tokens::new(1));
    assert_eq!(owned(&owners, 8, BOB), Some(1));
    written(&owners);
    assert_eq!(owned(&owners, 8, BOB), Some(1));
}

#[test]
fn what_is_over_is_swept_a_bounded_number_at_a_time() {
    let (owners, hand) = owners();
    for thing in 0..600 {
        owners.record(thing, ANA, Tokens::ZERO);
    }
    written(&owners);
    let left = || {
        let database = lock(&owners.books.database);
        let count = "SELECT count(*) FROM owners";
        database.connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    owners.books.sweep().unwrap();
    assert_eq!(left(), 600);
    hand.advance(KEPT);
    owners.books.sweep().unwrap();
    assert!((1..=600 - 256).contains(&left()));
}

#[test]
fn tokens_grow_with_what_is_learned_later() {
    let (owners, _hand) = owners();
    owners.record(7, ANA, Tokens::ZERO);
    written(&owners);
    owners.record(7, ANA, Tokens::new(120));
    assert_eq!(owned(&owners, 7, ANA), Some(120));
    written(&owners);
    assert_eq!(owned(&owners, 7, ANA), Some(120));
}

#[test]
fn what_comes_beyond_the_bound_belongs_to_nobody() {
    let mut pending = Pending::default();
    let until = Timestamp::from_millis(9);
    for thing in 0..=PENDING_MAX as u128 {
        pending.put(thing, Row { owner: ANA, tokens: Tokens::ZERO, until });
    }
    assert_eq!(pending.len(), PENDING_MAX);
    assert!(pending.find(PENDING_MAX as u128).is_none());
    assert_eq!(pending.take().len(), GROUP);
    assert_eq!(pending.len(), PENDING_MAX);
}
