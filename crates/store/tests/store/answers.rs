//! Answers that were given before, over a restart, a kill and a damaged file.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use tollgate_store::{AnswerBounds, AnswerKey, Answers, Clock, Kept, OpenError};
use tollgate_units::{Span, Tokens};

use crate::stand::*;

const BOUNDS: AnswerBounds = AnswerBounds { bytes_max: 64 << 20, ttl: Span::from_secs(3600) };

fn open_answers(path: &Path, bounds: AnswerBounds, clock: Clock) -> Result<Answers, OpenError> {
    Answers::open(&path.join("answers.db"), bounds, clock)
}

fn key(number: u64) -> AnswerKey {
    let mut request = [0; 32];
    // Spread, as hashes are.
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    request[..8].copy_from_slice(&spread.to_be_bytes());
    AnswerKey { scope: u128::from(number % 3), request }
}

/// An answer whose body says in every part which it is; some have more than a page, some have many.
fn kept(number: u64) -> Kept {
    let body = number.to_be_bytes().repeat(usize::try_from(number * 37 % 4000).unwrap() + 1);
    let content_type = "text/event-stream".to_owned();
    let (input, output) = (Tokens::new(number), Tokens::new(1));
    Kept { content_type, body, model: format!("model-{number}"), input, output }
}

fn put(answers: &Answers, number: u64) {
    answers.put(key(number), kept(number));
}

#[test]
fn a_restart_keeps_answers_and_their_age_and_leaves_one_private_file() {
    let directory = Directory::new();
    let answers = open_answers(directory.path(), BOUNDS, Clock::manual(MIDNIGHT).0).unwrap();
    put(&answers, 5);
    put(&answers, 6);
    answers.close().unwrap();
    let bytes = answers.bytes();
    drop(answers);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(directory.path().join("answers.db")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
    let later = Clock::manual(MIDNIGHT.plus(DAY.less(MINUTE))).0;
    let answers = open_answers(directory.path(), BOUNDS, later).unwrap();
    let found = answers.get(key(5)).unwrap().unwrap();
    assert_eq!((found.kept, found.age), (kept(5), DAY.less(MINUTE)));
    assert!(!found.is_fresh);
    assert_eq!((answers.count(), answers.bytes()), (2, bytes));
    assert_eq!(answers.get(AnswerKey { scope: 77, ..key(5) }).unwrap(), None);
    drop(answers);
    // A clock that was set back says nothing of how old they are.
    let earlier = Clock::manual(MIDNIGHT.minus(MINUTE)).0;
    let answers = open_answers(directory.path(), BOUNDS, earlier).unwrap();
    assert_eq!(answers.get(key(5)).unwrap(), None);
}

#[test]
fn a_smaller_bound_holds_from_the_start_and_takes_the_oldest() {
    let directory = Directory::new();
    let answers = open_answers(directory.path(), BOUNDS, Clock::manual(MIDNIGHT).0).unwrap();
    (0..50).for_each(|number| put(&answers, number));
    answers.close().unwrap();
    drop(answers);
    let bounds = AnswerBounds { bytes_max: 50_000, ..BOUNDS };
    let answers = open_answers(directory.path(), bounds, Clock::manual(MIDNIGHT).0).unwrap();
    assert!(answers.bytes() <= 50_000, "{}", answers.bytes());
    let found: Vec<bool> = (0..50).map(|at| answers.get(key(at)).unwrap().is_some()).collect();
    let first = found.iter().position(|found| *found).unwrap();
    assert!(first > 0 && found[first..].iter().all(|found| *found), "{found:?}");
    assert_eq!(answers.count(), 50 - first);
}

#[test]
fn a_damaged_file_and_one_of_another_kind_are_refused() {
    let directory = Directory::new();
    let path = directory.path().join("answers.db");
    std::fs::write(&path, b"SQLite format 3\0 and then something else".repeat(200)).unwrap();
    let clock = || Clock::manual(MIDNIGHT).0;
    let damaged = open_answers(directory.path(), BOUNDS, clock()).unwrap_err();
    assert!(matches!(damaged, OpenError::Corrupt { .. }), "{damaged}");
    drop(open(&directory.file(), clock()));
    let foreign = Answers::open(&directory.file(), BOUNDS, clock()).unwrap_err();
    assert!(matches!(foreign, OpenError::Foreign { .. }), "{foreign}");
}

/// Whatever is there after a kill is whole, and what was committed before it is there.
#[test]
fn a_killed_gateway_leaves_no_torn_answer() {
    let directory = Directory::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "answers::the_child_that_is_killed", "--nocapture"])
        .env(CHILD, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = 0;
    while told < 300 {
        let line = lines.next().expect("it goes on until it is killed").unwrap();
        if let Some(number) = line.strip_prefix("told ") {
            told = number.parse::<u64>().unwrap();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let answers = open_answers(directory.path(), BOUNDS, Clock::system()).unwrap();
    let found = (0..=told + 100).filter_map(|number| {
        let found = answers.get(key(number)).unwrap()?;
        assert_eq!(found.kept, kept(number), "answer {number}");
        Some(number)
    });
    let found = found.count() as u64;
    assert!(found + UNWRITTEN_MAX >= told, "{found} of {told} kept");
}

/// How many the child lets wait to be written before it tells of another.
const UNWRITTEN_MAX: u64 = 20;
const CHILD: &str = "TOLLGATE_KILLED_ANSWERS";

#[test]
fn the_child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let answers = open_answers(Path::new(&path), BOUNDS, Clock::system()).unwrap();
    for number in 0.. {
        put(&answers, number);
        while answers.unwritten() as u64 > UNWRITTEN_MAX {
            std::thread::yield_now();
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "told {number}").unwrap();
        out.flush().unwrap();
    }
}
