//! Owners of what is stored, over a restart and over a kill.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use tollgate_store::{Clock, OpenError, Owners};
use tollgate_units::Tokens;

use crate::stand::*;

#[test]
fn a_restart_keeps_owners_and_leaves_one_file() {
    let directory = Directory::new();
    let file = directory.path().join("owners.db");
    let owners = Owners::open(&file, Clock::manual(MIDNIGHT).0).unwrap();
    owners.record(7, 1, Tokens::new(3));
    owners.close().unwrap();
    drop(owners);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    let owners = Owners::open(&file, Clock::manual(MIDNIGHT).0).unwrap();
    assert_eq!(owners.owned(7, 1).unwrap(), Some(Tokens::new(3)));
    assert_eq!(owners.owned(7, 2).unwrap(), None);
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let directory = Directory::new();
    drop(open(&directory.file(), Clock::manual(MIDNIGHT).0));
    let foreign = Owners::open(&directory.file(), Clock::manual(MIDNIGHT).0).unwrap_err();
    assert!(matches!(foreign, OpenError::Foreign { .. }), "{foreign}");
}

/// What was written before the kill is known after it, as its owner's and nobody else's.
#[test]
fn a_killed_gateway_forgets_no_owner_but_the_latest() {
    let directory = Directory::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owners::the_child_that_is_killed", "--nocapture"])
        .env(CHILD, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.len() < 300 {
        let line = lines.next().expect("it goes on until it is killed").unwrap();
        if let Some(number) = line.strip_prefix("told ") {
            told.push(number.parse::<u128>().unwrap());
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let owners = Owners::open(&directory.path().join("owners.db"), Clock::system()).unwrap();
    let mut kept = 0;
    for thing in &told {
        kept += usize::from(owners.owned(*thing, thing % 3).unwrap().is_some());
        assert!(owners.owned(*thing, thing % 3 + 1).unwrap().is_none(), "thing {thing}");
    }
    assert!(kept + UNWRITTEN_MAX >= told.len(), "{kept} of {} kept", told.len());
}

/// How many the child lets wait to be written before it tells of another.
const UNWRITTEN_MAX: usize = 50;
const CHILD: &str = "TOLLGATE_KILLED_OWNERS";

#[test]
fn the_child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let owners = Owners::open(&Path::new(&path).join("owners.db"), Clock::system()).unwrap();
    for thing in 0.. {
        owners.record(thing, thing % 3, Tokens::ZERO);
        while owners.unwritten() > UNWRITTEN_MAX {
            std::thread::yield_now();
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "told {thing}").unwrap();
        out.flush().unwrap();
    }
}
