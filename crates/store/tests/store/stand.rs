//! A stand for the tests: a store on a clock that a hand moves, and charges in few words.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tollgate_limits::{Charge, Charges, Demand, MeterId, Rule, Stretch};
use tollgate_store::{Clock, ClockHand, Memory};
use tollgate_units::{Amount, Span, Timestamp};

/// The start of a day, and of a minute.
pub(crate) const MIDNIGHT: Timestamp = Timestamp::from_millis(20_000 * 86_400_000);
pub(crate) const MINUTE: Span = Span::from_secs(60);
pub(crate) const DAY: Span = Span::from_secs(86_400);

/// A store, the hand of its clock, and where its journal is, if it has one.
pub(crate) struct Stand {
    pub(crate) store: Arc<Memory>,
    pub(crate) hand: ClockHand,
    _directory: Option<Directory>,
}

impl Stand {
    pub(crate) fn forgetful() -> Self {
        let (clock, hand) = Clock::manual(MIDNIGHT);
        Self { store: Memory::new(clock), hand, _directory: None }
    }

    pub(crate) fn journaled() -> Self {
        let directory = Directory::new();
        let (clock, hand) = Clock::manual(MIDNIGHT);
        let store = open(&directory.file(), clock);
        Self { store, hand, _directory: Some(directory) }
    }
}

/// Opens a journal whose events nobody needs.
pub(crate) fn open(path: &Path, clock: Clock) -> Arc<Memory> {
    Memory::open(path, clock, |_| ()).unwrap()
}

/// A directory of its own, removed when it is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tollgate-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("meters.db")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Spread over all bits, as hashes are.
pub(crate) fn meter(number: u64) -> MeterId {
    let mixed = |number: u64| {
        let mut bits = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    };
    MeterId::new(u128::from(mixed(number)) << 64 | u128::from(mixed(!number)))
}

pub(crate) fn charge(number: u64, rule: Rule, amount: u64) -> Charge {
    Charge { meter: meter(number), rule, demand: Demand::exactly(Amount::new(amount)) }
}

pub(crate) fn charges(list: impl Into<Vec<Charge>>) -> Charges {
    Charges::new(list.into(), Stretch::exactly(0)).unwrap()
}

pub(crate) fn one(number: u64, rule: Rule, amount: u64) -> Charges {
    charges([charge(number, rule, amount)])
}

pub(crate) fn per_day(most: u64) -> Rule {
    let turns = [MIDNIGHT, MIDNIGHT.plus(DAY), MIDNIGHT.plus(DAY).plus(DAY)];
    Rule::Calendar { most: Amount::new(most), turns }
}

pub(crate) fn per_minute(most: u64) -> Rule {
    Rule::Sliding { most: Amount::new(most), window: MINUTE }
}

pub(crate) fn at_once(most: u64) -> Rule {
    Rule::AtOnce { most: Amount::new(most), lease: Span::MAX }
}

pub(crate) fn bucket(burst: u64, per_second: u64) -> Rule {
    let units = Amount::new(per_second);
    Rule::Bucket { burst: Amount::new(burst), units, period: Span::from_secs(1) }
}

pub(crate) fn total(most: u64) -> Rule {
    Rule::Total { most: Amount::new(most), idle: MINUTE }
}

/// What a meter has left under a rule.
pub(crate) fn left(store: &Memory, number: u64, rule: Rule) -> u64 {
    let (_, standings) = store.peek(&one(number, rule, 0)).unwrap();
    standings[0].left.get()
}
