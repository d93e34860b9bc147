//! A gateway is killed in the middle of its work, and started again.
//!
//! The child is this test binary once more: it admits as fast as it can, writes down each
//! admission and each flush with the time, and leaves some in flight. It is killed with SIGKILL,
//! which no destructor sees. Two things must hold. What was admitted before the last flush but
//! one was told is counted, always: the last one began after that. And what was admitted 100 ms
//! before the kill is counted, where the machine lets the child run: on one that does not give
//! its threads their turn for so long, nobody can promise it, so most of the kills must keep it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tollgate_limits::Rule;
use tollgate_store::{Clock, JournalEvent, Memory};
use tollgate_units::{Amount, Span};

use crate::stand::*;

const CHILD: &str = "TOLLGATE_KILLED_CHILD";
const METERS: u64 = 50;
const KILLS: usize = 8;
const FORGIVEN: Duration = Duration::from_millis(100);

#[test]
fn a_killed_gateway_forgets_nothing_older_than_a_hundred_milliseconds() {
    let mut kept = 0;
    for kill in 0..KILLS {
        let directory = Directory::new();
        let life = kill_after(&directory.file(), 1500 + 450 * kill);
        let store = open(&directory.file(), Clock::system());
        let mut keeps = true;
        for number in 0..METERS {
            let counted = FULL - left(&store, number, rule());
            let told = life.admitted(number, life.flushed);
            let most = life.admitted(number, u128::MAX) + 1;
            assert!(
                (told..=most).contains(&counted),
                "kill {kill}, meter {number}: {counted} counted, {told} told, {most} at most"
            );
            keeps &= life.admitted(number, life.killed - FORGIVEN.as_micros()) <= counted;
        }
        assert!(life.flushed > 0, "kill {kill}: too early to say anything");
        kept += usize::from(keeps);
    }
    assert!(kept * 2 > KILLS, "only {kept} of {KILLS} lost no more than {FORGIVEN:?}");
}

/// What the child told of its life; all times in microseconds since the epoch.
struct Life {
    /// Which meter, and when.
    admissions: Vec<(u64, u128)>,
    /// When the last flush but one was told.
    flushed: u128,
    killed: u128,
}

impl Life {
    fn admitted(&self, number: u64, by: u128) -> u64 {
        let mine = self.admissions.iter().filter(|(meter, at)| *meter == number && *at <= by);
        mine.count() as u64
    }
}

/// Lets the child admit so many, kills it, and returns what it told.
fn kill_after(path: &Path, admissions: usize) -> Life {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::the_child_that_is_killed", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.len() < admissions {
        told.extend(line(&lines.next().expect("the child goes on until it is killed")));
    }
    let killed = since_epoch();
    child.kill().unwrap();
    child.wait().unwrap();
    told.extend(lines.filter_map(|text| line(&text)));
    let flushes = told.iter().filter(|(meter, _)| *meter == FLUSH).map(|(_, at)| *at);
    let last_but_one = flushes.rev().nth(1).unwrap_or(0);
    told.retain(|(meter, _)| *meter != FLUSH);
    Life { admissions: told, flushed: last_but_one, killed }
}

/// `told <meter> <microseconds>`, among what the test harness prints.
fn line(text: &std::io::Result<String>) -> Option<(u64, u128)> {
    let mut words = text.as_ref().ok()?.split(' ');
    if words.next() != Some("told") {
        return None;
    }
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Does nothing unless the test above has started it.
#[test]
fn the_child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let report = |event| {
        if matches!(event, JournalEvent::Flushed { .. }) {
            tell(FLUSH);
        }
    };
    let store = Memory::open(Path::new(&path), Clock::system(), report).unwrap();
    let mut in_flight = VecDeque::new();
    for turn in 0_u64.. {
        let held = store.reserve(one(turn % METERS, rule(), 1)).unwrap();
        tell(turn % METERS);
        in_flight.push_back(held);
        if in_flight.len() > 20 {
            in_flight.pop_front().unwrap().settle(&[Amount::ONE]);
        }
        // About five thousand a second, so that some hundred milliseconds are seen.
        std::thread::park_timeout(Duration::from_micros(100));
    }
}

/// Instead of a meter's number: a flush.
const FLUSH: u64 = 1 << 32;

fn tell(what: u64) {
    writeln!(std::io::stdout(), "told {what} {}", since_epoch()).unwrap();
}

const FULL: u64 = 1 << 40;

fn rule() -> Rule {
    Rule::Total { most: Amount::new(FULL), idle: Span::from_secs(3600) }
}

#[expect(clippy::disallowed_methods, reason = "two processes compare their times")]
fn since_epoch() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()
}
