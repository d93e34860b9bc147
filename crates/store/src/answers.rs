//! Answers that were given before, to be given again: an embedded store with bounds.
//!
//! An answer is found by its request and its scope together, and by nothing else. Both are hashes,
//! made by whoever knows what they stand for; the request's should have the scope in it as well, so
//! that a mistake in one of them crosses no border. What is put is written behind the request by a
//! thread of its own, whole or not at all, and found once it is committed; where the queue is full
//! it is dropped, and counted. The answers stored first go first, since being read writes nothing.
//! A miss costs one look into memory, a hit one read of a row. When it is wrong: as a record of
//! anything, since any of it may be gone at any time.

mod file;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate_units::{Span, Timestamp, Tokens};

use self::file::File;
use crate::clock::Clock;
use crate::journal::{OpenError, Trouble};
use crate::memory::lock;
use crate::scribe::Scribe;

/// The longest body that is kept, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How many times its `ttl` an answer may be old and still be found: fresh for an hour, it serves
/// through an outage of a day.
pub const STALE_TIMES: u64 = 24;

/// What a row counts for besides what stands in it: its key, its place in the index, its page.
const ROW_BYTES: usize = 256;

/// How many answers may wait to be written, and how many bytes.
const QUEUE_LEN_MAX: usize = 1024;
const QUEUE_BYTES_MAX: usize = 16 << 20;

/// After so many bytes a transaction ends, for which a look-up may have to wait.
const GROUP_BYTES: usize = 1 << 20;

/// How often what is over is looked for where nothing is written.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

const _: () = assert!(QUEUE_BYTES_MAX > 2 * ANSWER_BYTES_MAX);

/// Answers by request and scope.
#[derive(Debug)]
pub struct Answers {
    books: Arc<Books>,
    scribe: Scribe<Row>,
}

/// How much is kept, and for how long it is as good as new.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnswerBounds {
    /// All answers together, in bytes: bodies, names, and 256 for each. The file is a bit larger.
    pub bytes_max: u64,
    /// How long an answer is fresh. It is found for [`STALE_TIMES`] as long.
    pub ttl: Span,
}

impl AnswerBounds {
    /// From this age on an answer is not found.
    const fn gone_after(self) -> Span {
        Span::from_millis(self.ttl.as_millis().saturating_mul(STALE_TIMES))
    }
}

/// What an answer is found by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AnswerKey {
    /// A hash of whoever may share it: a team, as a rule.
    pub scope: u128,
    /// A hash of the scope and of the form that all requests of one meaning have.
    pub request: [u8; 32],
}

impl AnswerKey {
    /// What tells most keys apart in little memory. That of two keys is the same with a chance of
    /// one in 2⁶⁴; then a look-up reads a row that is not there, or misses one that is.
    fn mark(&self) -> u64 {
        let request = self.request.first_chunk().copied().map(u64::from_be_bytes);
        let scope = (self.scope ^ (self.scope >> 64)) & u128::from(u64::MAX);
        request.unwrap_or_default() ^ u64::try_from(scope).unwrap_or_default()
    }
}

/// An answer with status 200.
#[derive(Clone, Eq, PartialEq)]
pub struct Kept {
    /// Its `content-type`.
    pub content_type: String,
    /// The body; of a stream all of its events.
    pub body: Vec<u8>,
    /// The model that answered.
    pub model: String,
    /// What it used of input when it was made.
    pub input: Tokens,
    /// What it used of output when it was made.
    pub output: Tokens,
}

impl Kept {
    /// What it counts for, in bytes.
    fn weight(&self) -> usize {
        let names = self.content_type.len().saturating_add(self.model.len());
        self.body.len().saturating_add(names).saturating_add(ROW_BYTES)
    }
}

/// What was said to a caller is for no log.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { content_type, body, model, input, output } = self;
        let bytes = body.len();
        write!(f, "Kept({bytes} bytes of {content_type} by {model}, {input:?} + {output:?})")
    }
}

/// An answer that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The answer.
    pub kept: Kept,
    /// How long ago it was put.
    pub age: Span,
    /// Whether it is younger than the `ttl`; else it is stale, and for when nothing else is left.
    pub is_fresh: bool,
}

#[derive(Debug)]
struct Books {
    clock: Clock,
    bounds: AnswerBounds,
    /// The marks of what is committed.
    marks: Mutex<HashSet<u64>>,
    file: Mutex<File>,
    queued_bytes: AtomicUsize,
    unwritten: AtomicUsize,
    dropped: AtomicU64,
}

/// An answer on its way to the file, or out of it.
#[derive(Debug)]
struct Row {
    key: AnswerKey,
    kept: Kept,
    stored: Timestamp,
}

/// What a transaction did to what there is, in the order in which it did it.
#[derive(Clone, Copy, Debug)]
enum Changed {
    Added(AnswerKey),
    Gone(AnswerKey),
}

impl Answers {
    /// Opens or makes the file at `path`, and holds it until it is closed or dropped. What there is
    /// too much of by these bounds is forgotten at once; the file keeps its size.
    ///
    /// # Errors
    /// When the file is damaged, another's, in use or cannot be written; see [`OpenError`].
    pub fn open(path: &Path, bounds: AnswerBounds, clock: Clock) -> Result<Self, OpenError> {
        Self::over(File::open(path)?, bounds, clock)
    }

    /// Answers that are forgotten with the process.
    ///
    /// # Errors
    /// When there is no memory or no thread for it.
    pub fn in_memory(bounds: AnswerBounds, clock: Clock) -> Result<Self, OpenError> {
        Self::over(File::in_memory()?, bounds, clock)
    }

    fn over(file: File, bounds: AnswerBounds, clock: Clock) -> Result<Self, OpenError> {
        let path = file.path().to_owned();
        let unusable = |detail: String| OpenError::Unusable { path: path.clone(), detail };
        let marks = file.keys()?.iter().map(AnswerKey::mark).collect();
        let books = Arc::new(Books {
            clock,
            bounds,
            marks: Mutex::new(marks),
            file: Mutex::new(file),
            queued_bytes: AtomicUsize::new(0),
            unwritten: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        });
        books.write(&[]).map_err(|trouble| unusable(trouble.to_string()))?;
        let work = Arc::clone(&books);
        let scribe = Scribe::new("tollgate-answers", QUEUE_LEN_MAX, move |rows| run(&work, rows))
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self { books, scribe })
    }

    /// Keeps an answer, instead of an earlier one to the same. Never waits for the disk. What is
    /// longer than [`ANSWER_BYTES_MAX`], or than all may be together, is not kept.
    pub fn put(&self, key: AnswerKey, kept: Kept) {
        let (books, weight) = (&self.books, kept.weight());
        if kept.body.len() > ANSWER_BYTES_MAX || weight as u64 > books.bounds.bytes_max {
            return;
        }
        let row = Row { key, kept, stored: books.clock.now() };
        let queued = books.queued_bytes.fetch_add(weight, Ordering::Relaxed);
        books.unwritten.fetch_add(1, Ordering::Release);
        let fits = queued.saturating_add(weight) <= QUEUE_BYTES_MAX;
        if !(fits && self.scribe.takes(row)) {
            books.dropped.fetch_add(1, Ordering::Relaxed);
            books.left_queue(1, weight);
        }
    }

    /// The answer to a request in a scope, if there is one that is not too old. Where there is none
    /// this reads nothing, as a rule; else it reads from the disk and may wait for a write, so it
    /// belongs on a thread that may block. Whoever gets an error has no answer.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, key: AnswerKey) -> Result<Option<Found>, Trouble> {
        if !self.may_have(key) {
            return Ok(None);
        }
        let now = self.books.clock.now();
        let Some((kept, stored)) = lock(&self.books.file).find(key)? else {
            return Ok(None);
        };
        let (age, bounds) = (now.since(stored), self.books.bounds);
        // What is of the future, after a clock was set back, has an age that nobody knows.
        if stored > now || age >= bounds.gone_after() {
            return Ok(None);
        }
        Ok(Some(Found { kept, age, is_fresh: age < bounds.ttl }))
    }

    /// Whether to look is worth it: `false` means that there is none. Looks into memory only.
    pub fn may_have(&self, key: AnswerKey) -> bool {
        lock(&self.books.marks).contains(&key.mark())
    }

    /// What all answers count for by now, in bytes; at most the bound.
    pub fn bytes(&self) -> u64 {
        lock(&self.books.file).bytes()
    }

    /// How many answers there are.
    pub fn count(&self) -> usize {
        lock(&self.books.marks).len()
    }

    /// How many answers are not kept since the start because the queue was full or the disk did not
    /// take them.
    pub fn dropped(&self) -> u64 {
        self.books.dropped.load(Ordering::Relaxed)
    }

    /// How many wait to be written.
    pub fn unwritten(&self) -> usize {
        self.books.unwritten.load(Ordering::Acquire)
    }

    /// A clean stop: what waits is written, and the log is folded away. What is put later is
    /// dropped.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn close(&self) -> Result<(), Trouble> {
        self.scribe.close()
    }
}

impl Books {
    fn left_queue(&self, rows: usize, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.unwritten.fetch_sub(rows, Ordering::Release);
    }

    /// Writes one group, and forgets what is over or too much.
    fn write(&self, rows: &[Row]) -> Result<(), Trouble> {
        let changes = lock(&self.file).write(rows, self.bounds, self.clock.now())?;
        let mut marks = lock(&self.marks);
        for change in changes {
            match change {
                Changed::Added(key) => marks.insert(key.mark()),
                Changed::Gone(key) => marks.remove(&key.mark()),
            };
        }
        Ok(())
    }

    /// The same for what came off the queue: what cannot be written is given up.
    fn write_queued(&self, rows: &[Row], is_failing: &mut bool) {
        match self.write(rows) {
            Ok(()) => {
                if std::mem::take(is_failing) {
                    tracing::info!("answers can be kept again");
                }
            }
            Err(trouble) => {
                self.dropped.fetch_add(rows.len() as u64, Ordering::Relaxed);
                if !std::mem::replace(is_failing, true) {
                    tracing::error!(%trouble, "answers cannot be kept");
                }
            }
        }
        let weight = rows.iter().map(|row| row.kept.weight()).sum();
        self.left_queue(rows.len(), weight);
    }
}

fn run(books: &Books, rows: &Receiver<Row>) -> Result<(), Trouble> {
    let mut is_failing = false;
    loop {
        let mut group = match rows.recv_timeout(SWEEP_EVERY) {
            Ok(first) => vec![first],
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return lock(&books.file).fold(),
        };
        let mut bytes = group.first().map_or(GROUP_BYTES, |row| row.kept.weight());
        while bytes < GROUP_BYTES
            && let Ok(row) = rows.try_recv()
        {
            bytes = bytes.saturating_add(row.kept.weight());
            group.push(row);
        }
        books.write_queued(&group, &mut is_failing);
    }
}

#[cfg(test)]
mod tests;
