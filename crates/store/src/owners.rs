//! Whose it is, what providers store at their accounts: responses, conversations, files.
//!
//! Every tenant shares the account, so what one of them has made there is nobody else's. A thing
//! and its owner are 128 bits each, hashed by whoever knows what they stand for. What is recorded
//! counts at once and is written behind the request, some twenty times a second; a kill loses the
//! last of it, and what is lost belongs to nobody: the safe side. The first owner stays, so nobody
//! takes over what is another's by having its id repeated. What nobody has used for thirty days is
//! forgotten, as providers do. A file of its own beside the registry's: changes of the registry
//! wait for the disk, and these must not. When it is wrong: a look-up is a read of one page or
//! two from a disk, on the thread that asks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};
use tollgate_units::{Span, Timestamp, Tokens};

use crate::clock::Clock;
use crate::database::{Database, Kind, integer, trouble};
use crate::journal::{OpenError, Trouble};
use crate::memory::lock;
use crate::scribe::Scribe;

/// How much may wait to be written. What comes beyond it belongs to nobody.
pub const PENDING_MAX: usize = 65_536;

/// How long something is somebody's after it was last used.
const KEPT: Span = Span::from_secs(30 * 24 * 60 * 60);

/// What was used less than this ago is not written again for it.
const RENEWED_AFTER: Span = Span::from_secs(24 * 60 * 60);

const FLUSH_EVERY: Duration = Duration::from_millis(50);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// How many are written in one transaction, for which a look-up may have to wait.
const GROUP: usize = 1024;

const SWEEP_EVERY: Duration = Duration::from_secs(1);
const SWEEP: usize = 256;

/// "tolo".
const KIND: Kind = Kind { application: 0x746f_6c6f, schema: 1, settings: SETTINGS, tables: TABLES };

/// A commit outlives the process and not the machine's power; see above what a loss means.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
";

const TABLES: &str = "
    CREATE TABLE owners (
        thing BLOB PRIMARY KEY, owner BLOB NOT NULL, tokens INTEGER NOT NULL,
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX owners_by_end ON owners (until);
";

const PUT: &str = "INSERT INTO owners (thing, owner, tokens, until) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (thing) DO UPDATE SET owner = excluded.owner, until = excluded.until,
        tokens = iif(owner = excluded.owner, max(tokens, excluded.tokens), excluded.tokens)
    WHERE owner = excluded.owner OR until <= ?5";

const LOOK: &str = "SELECT owner, tokens, until FROM owners WHERE thing = ?1";

const FORGET: &str = "DELETE FROM owners WHERE thing IN
    (SELECT thing FROM owners WHERE until <= ?1 ORDER BY until LIMIT ?2)";

/// Who owns what.
#[derive(Debug)]
pub struct Owners {
    books: Arc<Books>,
    /// It is given nothing, and looks by itself.
    scribe: Scribe<Infallible>,
}

#[derive(Debug)]
struct Books {
    clock: Clock,
    pending: Mutex<Pending>,
    database: Mutex<Database>,
}

/// What is recorded and not yet committed.
#[derive(Debug, Default)]
struct Pending {
    fresh: HashMap<u128, Row>,
    /// In the transaction that runs.
    writing: HashMap<u128, Row>,
    /// Whether something was lost since it was last told.
    overflowed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    owner: u128,
    tokens: Tokens,
    until: Timestamp,
}

impl Owners {
    /// Opens or makes the file at `path`, and holds it until it is closed or dropped.
    ///
    /// # Errors
    /// When the file cannot be trusted to remember; see [`OpenError`].
    pub fn open(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        Self::over(Database::open(path, &KIND)?, clock)
    }

    /// Owners that are forgotten with the process.
    ///
    /// # Errors
    /// When there is no memory or no thread for it.
    pub fn in_memory(clock: Clock) -> Result<Self, OpenError> {
        Self::over(Database::in_memory(&KIND)?, clock)
    }

    fn over(database: Database, clock: Clock) -> Result<Self, OpenError> {
        let path = database.path.clone();
        let (pending, database) = (Mutex::default(), Mutex::new(database));
        let books = Arc::new(Books { clock, pending, database });
        let work = Arc::clone(&books);
        let scribe = Scribe::new("tollgate-owners", 1, move |orders| run(&work, orders))
            .map_err(|error| OpenError::Unusable { path, detail: error.to_string() })?;
        Ok(Self { books, scribe })
    }

    /// `thing` is `owner`'s from now on, unless it is somebody else's already; as part of a prompt
    /// it comes to `tokens`, as far as that is known. Never waits for the disk.
    pub fn record(&self, thing: u128, owner: u128, tokens: Tokens) {
        let until = self.books.clock.now().plus(KEPT);
        lock(&self.books.pending).put(thing, Row { owner, tokens, until });
    }

    /// What `thing` comes to as part of a prompt, if it is `owner`'s; nothing if it is somebody
    /// else's, or nobody's. Being used keeps it from being forgotten. Reads from the disk.
    ///
    /// # Errors
    /// When the file cannot be read. Nothing is known then.
    pub fn owned(&self, thing: u128, owner: u128) -> Result<Option<Tokens>, Trouble> {
        let now = self.books.clock.now();
        // In this order: what is committed in between has not been missed.
        let pending = lock(&self.books.pending).find(thing);
        let written = lock(&self.books.database).find(thing)?;
        let lives = |row: &Row| row.until > now;
        // The first owner stays, and the file has the first.
        let written = written.filter(lives);
        let Some(row) = written.or(pending.filter(lives)).filter(|row| row.owner == owner) else {
            return Ok(None);
        };
        let of_pending = pending.filter(|pending| pending.owner == owner);
        let tokens = of_pending.map_or(row.tokens, |pending| row.tokens.max(pending.tokens));
        if row.until.since(now) < KEPT.less(RENEWED_AFTER) {
            self.record(thing, owner, tokens);
        }
        Ok(Some(tokens))
    }

    /// How much is recorded and not yet written.
    pub fn unwritten(&self) -> usize {
        lock(&self.books.pending).len()
    }

    /// A clean stop: everything is written, and the log is folded away. What is recorded later is
    /// not written any more.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn close(&self) -> Result<(), Trouble> {
        self.scribe.close()
    }
}

impl Pending {
    fn len(&self) -> usize {
        self.fresh.len().saturating_add(self.writing.len())
    }

    fn find(&self, thing: u128) -> Option<Row> {
        self.fresh.get(&thing).or_else(|| self.writing.get(&thing)).copied()
    }

    fn put(&mut self, thing: u128, row: Row) {
        let before = self.find(thing);
        if before.is_some_and(|before| before.owner != row.owner) {
            return;
        }
        if self.len() >= PENDING_MAX && before.is_none() {
            if !std::mem::replace(&mut self.overflowed, true) {
                tracing::error!("too much is stored at once: some of it will belong to nobody");
            }
            return;
        }
        let tokens = before.map_or(row.tokens, |before| before.tokens.max(row.tokens));
        self.fresh.insert(thing, Row { tokens, ..row });
    }

    /// The next transaction's.
    fn take(&mut self) -> Vec<(u128, Row)> {
        self.overflowed = false;
        let things: Vec<_> = self.fresh.keys().take(GROUP).copied().collect();
        for thing in things {
            if let Some(row) = self.fresh.remove(&thing) {
                self.writing.insert(thing, row);
            }
        }
        self.writing.iter().map(|(thing, row)| (*thing, *row)).collect()
    }
}

impl Database {
    fn find(&self, thing: u128) -> Result<Option<Row>, Trouble> {
        let failed = trouble("read");
        let mut look = self.connection.prepare_cached(LOOK).map_err(&failed)?;
        let row = look.query_row([thing.to_be_bytes()], |row| {
            let whole = |at| row.get(at).map(|value: i64| u64::try_from(value).unwrap_or_default());
            Ok(Row {
                owner: u128::from_be_bytes(row.get(0)?),
                tokens: Tokens::new(whole(1)?),
                until: Timestamp::from_millis(whole(2)?),
            })
        });
        row.optional().map_err(failed)
    }
}

impl Books {
    /// Writes one group. Whether there was more than that to write.
    fn flush(&self) -> Result<bool, Trouble> {
        let rows = lock(&self.pending).take();
        if rows.is_empty() {
            return Ok(false);
        }
        lock(&self.database).transact("commit", |database| self.write(database, &rows))?;
        let mut pending = lock(&self.pending);
        pending.writing.clear();
        Ok(!pending.fresh.is_empty())
    }

    fn write(&self, database: &Database, rows: &[(u128, Row)]) -> Result<(), Trouble> {
        let now = integer(self.clock.now().as_millis());
        for (thing, Row { owner, tokens, until }) in rows {
            let (thing, owner) = (thing.to_be_bytes(), owner.to_be_bytes());
            let (tokens, until) = (integer(tokens.get()), integer(until.as_millis()));
            database.run(PUT, params![thing, owner, tokens, until, now])?;
        }
        Ok(())
    }

    /// Forgets some of what nobody has used for long.
    fn sweep(&self) -> Result<(), Trouble> {
        let now = integer(self.clock.now().as_millis());
        let most = i64::try_from(SWEEP).unwrap_or(i64::MAX);
        lock(&self.database).run(FORGET, params![now, most])
    }

    /// Writes everything, and folds the log away.
    fn finish(&self) -> Result<(), Trouble> {
        while self.flush()? {}
        lock(&self.database).fold()
    }
}

fn run(books: &Books, orders: &Receiver<Infallible>) -> Result<(), Trouble> {
    let (mut pause, mut swept, mut failing) = (FLUSH_EVERY, Instant::now(), false);
    while let Err(RecvTimeoutError::Timeout) = orders.recv_timeout(pause) {
        let mut outcome = Ok(true);
        while let Ok(true) = outcome {
            outcome = books.flush();
        }
        let outcome = outcome.and_then(|_| {
            if swept.elapsed() < SWEEP_EVERY {
                return Ok(());
            }
            swept = Instant::now();
            books.sweep()
        });
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("owners of what is stored can be written again");
                }
                pause = FLUSH_EVERY;
            }
            Err(trouble) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%trouble, "owners of what is stored cannot be written");
                }
                pause = (pause * 2).min(RETRY_AFTER_MAX);
            }
        }
    }
    books.finish()
}

#[cfg(test)]
mod tests;
