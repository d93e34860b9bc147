//! The registry, over each kind there is: one that forgets, and one in a file, whose process may be
//! killed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tollgate_store::{Change, Clock, Entry, IssuedKey, OpenError, Raise, Registry};
use tollgate_units::{Amount, Timestamp};

use crate::stand::*;

macro_rules! conformance {
    ($($claim:ident),* $(,)?) => {
        mod forgetful {
            $(#[test] fn $claim() {
                super::$claim(&tollgate_store::Registry::in_memory().unwrap());
            })*
        }
        mod kept {
            $(#[test] fn $claim() {
                let directory = crate::stand::Directory::new();
                super::$claim(&super::Registry::open(&super::file(&directory)).unwrap());
            })*
        }
    };
}

conformance!(
    a_change_and_its_line_are_one,
    a_key_comes_back_as_it_was_written,
    a_raise_is_there_until_it_is_over_or_taken_back,
    the_audit_log_is_read_backwards_a_page_at_a_time,
);

fn file(directory: &Directory) -> PathBuf {
    directory.path().join("registry.db")
}

fn key(name: &str) -> IssuedKey {
    IssuedKey {
        name: name.to_owned(),
        digest: [7; 32],
        previous: None,
        hint: "tgk_0707".to_owned(),
        tier: "pro".to_owned(),
        team: None,
        user: None,
        project: None,
        org: None,
        limits: Vec::new(),
        models: None,
        trust_user: false,
        created_at: MIDNIGHT,
        expires_at: None,
        revoked_at: None,
    }
}

fn entry(target: &str, at: Timestamp) -> Entry {
    Entry {
        at,
        actor: None,
        token: "00112233".to_owned(),
        remote: "127.0.0.1:4711".to_owned(),
        action: "key.create".to_owned(),
        target: target.to_owned(),
        details: "{}".to_owned(),
    }
}

fn a_key_comes_back_as_it_was_written(registry: &Registry) {
    let plain = key("plain");
    let full = IssuedKey {
        previous: Some(([8; 32], MIDNIGHT.plus(MINUTE))),
        team: Some("acme".to_owned()),
        user: Some("ana".to_owned()),
        project: Some("it's".to_owned()),
        org: Some("\u{1f512}".to_owned()),
        limits: vec!["5 requests per minute".to_owned(), "$1 per day".to_owned()],
        models: Some(Vec::new()),
        trust_user: true,
        expires_at: Some(MIDNIGHT.plus(DAY)),
        revoked_at: Some(Timestamp::from_millis(1)),
        ..key("full")
    };
    for key in [&plain, &full] {
        registry.write(Change::Key(key), &entry(&key.name, MIDNIGHT)).unwrap();
    }
    assert_eq!(registry.keys().unwrap(), [full, plain.clone()]);
    let changed = IssuedKey { tier: "free".to_owned(), ..plain };
    registry.write(Change::Key(&changed), &entry("plain", MIDNIGHT)).unwrap();
    assert_eq!(registry.keys().unwrap().pop(), Some(changed));
}

fn a_change_and_its_line_are_one(registry: &Registry) {
    assert_eq!(registry.write(Change::Key(&key("a")), &entry("a", MIDNIGHT)), Ok(1));
    assert_eq!(registry.write(Change::Elsewhere, &entry("b", MIDNIGHT)), Ok(2));
    let lines = registry.audit(None, 10).unwrap();
    let targets: Vec<_> = lines.iter().map(|line| &*line.entry.target).collect();
    assert_eq!(targets, ["b", "a"]);
    assert_eq!(lines[1].entry, entry("a", MIDNIGHT));
    assert_eq!(registry.keys().unwrap().len(), 1);
}

fn a_raise_is_there_until_it_is_over_or_taken_back(registry: &Registry) {
    let raise = |meter, span| Raise {
        meter,
        amount: Amount::new(50_000),
        until: MIDNIGHT.plus(span),
        sentence: "10k tokens per day per user".to_owned(),
        subject: "user:ana".to_owned(),
        owner: (meter == 1).then(|| "org:o1".to_owned()),
    };
    let (short, long) = (raise(u128::MAX, MINUTE), raise(1, DAY));
    let both = [short.clone(), long.clone()];
    registry.write(Change::Raise(&both), &entry("user:ana", MIDNIGHT)).unwrap();
    assert_eq!(registry.raises(MIDNIGHT).unwrap(), both);
    let over = MIDNIGHT.plus(MINUTE);
    assert_eq!(registry.raises(over).unwrap(), std::slice::from_ref(&long));
    let again = [raise(2, DAY)];
    registry.write(Change::Raise(&again), &entry("user:ana", over)).unwrap();
    let kept: Vec<_> = registry.raises(MIDNIGHT).unwrap().iter().map(|one| one.meter).collect();
    assert_eq!(kept, [1, 2], "what is over has gone");
    registry.write(Change::Lower(long.meter), &entry("user:ana", over)).unwrap();
    assert_eq!(registry.raises(MIDNIGHT).unwrap(), again);
}

fn the_audit_log_is_read_backwards_a_page_at_a_time(registry: &Registry) {
    for number in 0..25 {
        registry.write(Change::Elsewhere, &entry(&number.to_string(), MIDNIGHT)).unwrap();
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = registry.audit(before, 10).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        seen.extend(page.iter().map(|line| line.seq));
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
}

#[test]
fn a_registry_is_there_after_a_restart_and_held_by_one_process() {
    let directory = Directory::new();
    let registry = Registry::open(&file(&directory)).unwrap();
    registry.write(Change::Key(&key("web")), &entry("web", MIDNIGHT)).unwrap();
    let second = Registry::open(&file(&directory)).unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    registry.close().unwrap();
    drop(registry);
    let registry = Registry::open(&file(&directory)).unwrap();
    assert_eq!(registry.keys().unwrap(), [key("web")]);
    assert_eq!(registry.audit(None, 10).unwrap().len(), 1);
}

#[test]
fn what_was_done_cannot_be_rewritten() {
    let directory = Directory::new();
    let registry = Registry::open(&file(&directory)).unwrap();
    registry.write(Change::Elsewhere, &entry("web", MIDNIGHT)).unwrap();
    drop(registry);
    let database = rusqlite::Connection::open(file(&directory)).unwrap();
    for statement in ["DELETE FROM audit", "UPDATE audit SET target = 'other'"] {
        let refused = database.execute(statement, []).unwrap_err().to_string();
        assert!(refused.contains("only added to"), "{refused}");
    }
}

#[test]
fn a_file_that_is_not_a_registry_is_refused_and_stays_as_it_is() {
    let directory = Directory::new();
    drop(open(&directory.file(), Clock::manual(MIDNIGHT).0));
    let journal = Registry::open(&directory.file()).unwrap_err();
    assert!(matches!(journal, OpenError::Foreign { .. }), "{journal}");
    std::fs::write(file(&directory), "no database ".repeat(1000)).unwrap();
    let garbage = Registry::open(&file(&directory)).unwrap_err();
    assert!(matches!(garbage, OpenError::Corrupt { .. }), "{garbage}");
    std::fs::remove_file(file(&directory)).unwrap();
    drop(Registry::open(&file(&directory)).unwrap());
    let database = rusqlite::Connection::open(file(&directory)).unwrap();
    database.execute("UPDATE meta SET value = 99 WHERE name = 'schema'", []).unwrap();
    drop(database);
    let newer = Registry::open(&file(&directory)).unwrap_err();
    assert!(matches!(newer, OpenError::Newer { schema: 99, .. }), "{newer}");
}

/// Every change that was told is there after SIGKILL, with exactly one line each; the journal
/// beside it opens too.
#[test]
fn a_killed_gateway_keeps_every_change_that_was_told() {
    for kill in 0..4 {
        let directory = Directory::new();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "registry::the_child_that_is_killed", "--nocapture"])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        while told < 15 + 7 * kill {
            let line = lines.next().expect("it goes on until it is killed").unwrap();
            told += usize::from(line.starts_with("told "));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open(&directory.file(), Clock::system());
        let registry = Registry::open(&file(&directory)).unwrap();
        let keys = registry.keys().unwrap();
        assert!(keys.len() >= told, "{told} told, {} kept", keys.len());
        let lines = registry.audit(None, 1000).unwrap();
        assert_eq!(lines.len(), keys.len(), "kill {kill}");
        drop(store);
    }
}

const CHILD: &str = "TOLLGATE_KILLED_REGISTRY";

#[test]
fn the_child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let path = Path::new(&path);
    let store = open(&path.join("meters.db"), Clock::system());
    let registry = Registry::open(&path.join("registry.db")).unwrap();
    for number in 0.. {
        let name = format!("key-{number:06}");
        registry.write(Change::Key(&key(&name)), &entry(&name, store.clock().now())).unwrap();
        store.reserve(one(number, per_minute(9), 1)).unwrap().settle(&[Amount::ONE]);
        let mut out = std::io::stdout().lock();
        writeln!(out, "told {number}").unwrap();
        out.flush().unwrap();
    }
}
