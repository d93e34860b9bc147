//! What is still known after a stop, and which files are refused.

use std::fs;
use std::path::Path;

use tollgate_store::{Clock, Memory, OpenError, Registry};
use tollgate_units::{Amount, Span};

use crate::stand::*;

#[test]
fn after_a_clean_stop_everything_is_as_it_was() {
    let directory = Directory::new();
    let rules = [per_day(1000), per_minute(1000), bucket(1000, 1), total(1000)];
    let (clock, hand) = Clock::manual(MIDNIGHT);
    let store = open(&directory.file(), clock);
    for turn in 0..300_u64 {
        let rule = rules[usize::try_from(turn % 4).unwrap()];
        let number = turn % 20;
        let held = store.reserve(one(number, rule, 10 + turn % 7)).unwrap();
        hand.advance(Span::from_millis(turn % 90));
        if turn % 3 == 0 {
            drop(held);
        } else {
            held.settle(&[Amount::new(turn % 19)]);
        }
    }
    let now = store.clock().now();
    let standings = |store: &Memory| {
        (0..20_u64)
            .map(|number| {
                let rule = rules[usize::try_from(number % 4).unwrap()];
                store.peek(&one(number, rule, 0)).unwrap().1[0]
            })
            .collect::<Vec<_>>()
    };
    let before = standings(&store);
    store.close().unwrap();
    store.close().unwrap();
    assert!(!directory.path().join("meters.db-wal").exists(), "one file is left");
    drop(store);

    let (clock, hand) = Clock::manual(now);
    let store = open(&directory.file(), clock);
    assert_eq!(standings(&store), before);
    hand.advance(MINUTE);
    hand.advance(MINUTE);
    assert_eq!(left(&store, 1, per_minute(1000)), 1000);
    assert_ne!(left(&store, 0, per_day(1000)), 1000);
}

#[test]
fn only_its_owner_may_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt;

    let directory = Directory::new();
    let (clock, _hand) = Clock::manual(MIDNIGHT);
    let store = open(&directory.file(), clock);
    store.reserve(one(0, per_day(100), 30)).unwrap().settle(&[Amount::new(30)]);
    store.close().unwrap();
    drop(store);
    let registry = Registry::open(&directory.path().join("keys.db")).unwrap();
    let mut seen = 0;
    for file in fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
        seen += 1;
    }
    assert!(seen >= 2, "{seen} files");
    drop(registry);
}

#[test]
fn what_was_reset_stays_reset() {
    let directory = Directory::new();
    let (clock, _hand) = Clock::manual(MIDNIGHT);
    let store = open(&directory.file(), clock.clone());
    let rules = [per_day(100), bucket(100, 1)];
    for (number, rule) in (0..).zip(rules) {
        store.reserve(one(number, rule, 30)).unwrap().settle(&[Amount::new(30)]);
    }
    // Written once as it was, so that the reset has a row to write over.
    store.close().unwrap();
    drop(store);
    let store = open(&directory.file(), clock.clone());
    for (number, rule) in (0..).zip(rules) {
        assert_eq!(left(&store, number, rule), 70);
        assert_eq!(store.reset(&charge(number, rule, 0)), Amount::new(30));
    }
    drop(store);
    let store = open(&directory.file(), clock);
    for (number, rule) in (0..).zip(rules) {
        assert_eq!(left(&store, number, rule), 100);
    }
}

#[test]
fn a_store_that_is_dropped_writes_everything_too() {
    let directory = Directory::new();
    let (clock, _hand) = Clock::manual(MIDNIGHT);
    let store = open(&directory.file(), clock.clone());
    store.reserve(one(1, per_day(100), 30)).unwrap().settle(&[Amount::new(30)]);
    drop(store);
    let store = open(&directory.file(), clock);
    assert_eq!(left(&store, 1, per_day(100)), 70);
}

#[test]
fn what_was_in_flight_counts_as_spent_and_slots_are_free() {
    let directory = Directory::new();
    let (clock, _hand) = Clock::manual(MIDNIGHT);
    let store = open(&directory.file(), clock.clone());
    let list = charges([charge(1, per_day(100), 30), charge(2, at_once(1), 1)]);
    let held = store.reserve(list).unwrap();
    store.close().unwrap();
    // It ends after the stop: in this process it comes back, on disk it stays spent.
    drop(held);
    assert_eq!(left(&store, 1, per_day(100)), 100);
    drop(store);
    let store = open(&directory.file(), clock);
    let (_, standings) = store.peek(&one(1, per_day(100), 0)).unwrap();
    assert_eq!((standings[0].used, standings[0].held), (Amount::new(30), Amount::ZERO));
    assert_eq!(left(&store, 2, at_once(1)), 1);
    assert_eq!(store.meters(), 1);
}

#[test]
fn the_clock_goes_on_where_the_journal_left_it() {
    let directory = Directory::new();
    let (clock, hand) = Clock::manual(MIDNIGHT);
    let store = open(&directory.file(), clock);
    hand.advance(DAY);
    store.reserve(one(1, per_minute(100), 30)).unwrap().settle(&[Amount::new(30)]);
    drop(store);
    // The machine came up with its wall an hour back: the window is not given twice.
    let (clock, _hand) = Clock::manual(MIDNIGHT.plus(DAY).minus(Span::from_secs(3600)));
    let store = open(&directory.file(), clock);
    assert_eq!(store.clock().now(), MIDNIGHT.plus(DAY));
    assert_eq!(left(&store, 1, per_minute(100)), 70);
    drop(store);
    // More than a day back: then it was the journal that was wrong.
    let (clock, hand) = Clock::manual(MIDNIGHT.minus(Span::from_millis(1)));
    let store = open(&directory.file(), clock);
    assert_eq!(store.clock().now(), MIDNIGHT.minus(Span::from_millis(1)));
    assert!(store.reserve(one(1, per_minute(100), 71)).is_err());
    hand.advance(MINUTE);
    hand.advance(Span::from_secs(1));
    assert_eq!(left(&store, 1, per_minute(100)), 100, "locked out for no longer than a window");
}

#[test]
fn what_has_ended_meanwhile_is_not_brought_back() {
    let directory = Directory::new();
    let (clock, hand) = Clock::manual(MIDNIGHT);
    let store = open(&directory.file(), clock.clone());
    for number in 0..500 {
        let list = charges([charge(number, per_minute(1), 1), charge(1000 + number, total(1), 1)]);
        store.reserve(list).unwrap().settle(&[Amount::ONE; 2]);
    }
    store.reserve(one(2000, per_day(1), 1)).unwrap().settle(&[Amount::ONE]);
    drop(store);
    hand.advance(MINUTE);
    hand.advance(MINUTE);
    let store = open(&directory.file(), clock);
    assert_eq!(store.meters(), 1);
    drop(store);
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    let rows: i64 =
        connection.query_row("SELECT count(*) FROM meters", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1, "nor is it left in the file");
}

#[test]
fn a_file_in_use_is_refused_and_not_harmed() {
    let directory = Directory::new();
    let (clock, _hand) = Clock::manual(MIDNIGHT);
    let store = open(&directory.file(), clock.clone());
    let held = store.reserve(one(1, per_day(100), 30)).unwrap();
    let error = refused(&directory.file(), &clock);
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().ends_with("meters.db is in use by another tollgate"), "{error}");
    held.settle(&[Amount::new(30)]);
    store.close().unwrap();
    assert_eq!(left(&open(&directory.file(), clock), 1, per_day(100)), 70);
}

/// Makes a file at this path that is not to be trusted.
type Spoil<'s> = &'s dyn Fn(&Path);

#[test]
fn files_that_cannot_be_trusted_are_refused_with_the_reason() {
    let directory = Directory::new();
    let (clock, _hand) = Clock::manual(MIDNIGHT);
    let table: [(&str, Spoil, &str); 8] = [
        ("text", &|path| fs::write(path, "not a database\n").unwrap(), "is damaged (file is not"),
        ("cut", &|path| cut_short(path), "is damaged ("),
        ("scribbled", &|path| scribble(path), "is damaged ("),
        ("unused", &|path| scribble_where_nothing_is(path), "is damaged ("),
        ("foreign", &|path| sql(path, "CREATE TABLE notes (text)"), "belongs to another program"),
        (
            "newer",
            &|path| {
                filled(path);
                sql(path, "UPDATE meta SET value = 2 WHERE name = 'schema'");
            },
            "was written by a newer tollgate (schema 2, this one knows 1)",
        ),
        (
            "row",
            &|path| {
                filled(path);
                sql(path, "UPDATE meters SET state = x'ff'");
            },
            "is damaged (a saved meter of unknown kind 0xff)",
        ),
        (
            "id",
            &|path| {
                filled(path);
                sql(path, "INSERT INTO meters VALUES (5000, x'0102', x'12')");
            },
            "is damaged (Conversion error",
        ),
    ];
    for (name, spoil, words) in table {
        let path = directory.path().join(name);
        spoil(&path);
        let before = fs::read(&path).unwrap();
        let error = refused(&path, &clock).to_string();
        assert!(error.contains(words), "{name}: {error}");
        assert!(error.contains(name), "{name}: {error}");
        assert!(fs::read(&path).unwrap() == before, "{name}: was changed");
    }
}

#[test]
fn places_where_no_file_can_be_are_refused() {
    let directory = Directory::new();
    let (clock, _hand) = Clock::manual(MIDNIGHT);
    for path in [directory.path().to_owned(), directory.path().join("no/such/place.db"), "".into()]
    {
        let error = refused(&path, &clock);
        assert!(matches!(error, OpenError::Unusable { .. }), "{error:?}");
        assert!(error.to_string().contains("cannot be opened for writing: "), "{error}");
    }
}

fn refused(path: &Path, clock: &Clock) -> OpenError {
    Memory::open(path, clock.clone(), |_| ()).unwrap_err()
}

/// A journal with a thousand meters, closed.
fn filled(path: &Path) {
    let (clock, _hand) = Clock::manual(MIDNIGHT);
    let store = open(path, clock);
    for number in 0..1000 {
        store.reserve(one(number, per_day(9), 1)).unwrap().settle(&[Amount::ONE]);
    }
    store.close().unwrap();
}

fn cut_short(path: &Path) {
    filled(path);
    let whole = fs::read(path).unwrap();
    fs::write(path, &whole[..whole.len() / 2]).unwrap();
}

/// Overwrites the middle of the last page.
fn scribble(path: &Path) {
    filled(path);
    let mut bytes = fs::read(path).unwrap();
    let page = bytes.len() - 1024;
    bytes[page..page + 64].fill(0x5a);
    fs::write(path, bytes).unwrap();
}

/// Spoils a page that is not in use: no row tells, the flush that takes it would.
fn scribble_where_nothing_is(path: &Path) {
    filled(path);
    sql(path, "DELETE FROM meters");
    let mut bytes = fs::read(path).unwrap();
    // The header names the size of a page at 16, the first that is free at 32.
    let size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let number = u32::from_be_bytes([bytes[32], bytes[33], bytes[34], bytes[35]]);
    let page = (usize::try_from(number).unwrap() - 1) * size;
    bytes[page..page + 8].fill(0xff);
    fs::write(path, bytes).unwrap();
}

fn sql(path: &Path, statement: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statement).unwrap();
}
