//! One SQLite file of ours: opened, locked, recognised and seen to be whole, whichever it is.
//!
//! The lock is exclusive and held from the first statement on, so that a second process is told at
//! once instead of writing beside the first; a killed process leaves none. A file that is not ours,
//! or newer than this program, stays as it is. When it is wrong: on a network file system, where
//! neither locks nor syncs can be relied on.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, params};

use crate::journal::{OpenError, Trouble};

/// What tells one of our files from the others, and what a new one is made with.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Four letters that tell this file from another program's database.
    pub(crate) application: i64,
    /// The version of the tables.
    pub(crate) schema: i64,
    /// Once the file is known to be ours.
    pub(crate) settings: &'static str,
    /// What a new file gets, `meta` apart.
    pub(crate) tables: &'static str,
}

/// An open file, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    identity: Option<Identity>,
}

const VERSION: &str = concat!("tollgate ", env!("CARGO_PKG_VERSION"));

/// How long to wait for a former process that is just ending.
const BUSY_MS: u32 = 200;

/// Before anything is read. With this lock, SQLite makes no shared-memory file for readers that
/// can never come.
const LOCKING: &str = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON;";

const META: &str = "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;";

const NOTE: &str = "INSERT INTO meta (name, value) VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

impl Database {
    /// Opens or makes the file at `path`.
    pub(crate) fn open(path: &Path, kind: &Kind) -> Result<Self, OpenError> {
        // Absolute, because SQLite takes `:memory:` and the empty name for something else.
        let path = std::path::absolute(path).map_err(|error| OpenError::Unusable {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        make_private(&path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)
            .map_err(|error| OpenError::of(path.clone(), &error))?;
        let mut database = Self { connection, path, identity: None };
        database.prepare(kind)?;
        database.identity = Identity::of(&database.path);
        Ok(database)
    }

    /// One that is gone with the process.
    pub(crate) fn in_memory(kind: &Kind) -> Result<Self, OpenError> {
        let path = PathBuf::from(":memory:");
        let connection =
            Connection::open_in_memory().map_err(|error| OpenError::of(path.clone(), &error))?;
        let database = Self { connection, path, identity: None };
        database.prepare(kind)?;
        Ok(database)
    }

    fn prepare(&self, kind: &Kind) -> Result<(), OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(self.path.clone(), &error);
        self.connection
            .busy_timeout(std::time::Duration::from_millis(BUSY_MS.into()))
            .map_err(failed)?;
        self.connection.execute_batch(LOCKING).map_err(failed)?;
        // Only looked at so far: a file that is not ours stays as it is.
        let is_new = self.recognise(kind)?;
        self.connection.execute_batch(kind.settings).map_err(failed)?;
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        if is_new {
            self.found(kind).map_err(failed)?;
        }
        // Something is written at once, and synced: so the log is there from now on, its name in
        // its directory too, and a disk that is full or read-only stops the start.
        self.note("opened_by", VERSION).map_err(failed)?;
        self.connection.execute_batch("COMMIT").map_err(failed)
    }

    /// A file that was moved or removed still takes writes, which no restart would find.
    pub(crate) fn still_there(&self) -> Result<(), Trouble> {
        if Identity::of(&self.path) == self.identity {
            return Ok(());
        }
        let message = format!("{} was moved, removed or replaced", self.path.display());
        Err(Trouble { op: "find", message })
    }

    /// A fact about the file itself.
    pub(crate) fn fact<T: rusqlite::types::FromSql>(
        &self,
        name: &str,
    ) -> Result<Option<T>, OpenError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(|error| OpenError::of(self.path.clone(), &error))
    }

    /// Writes a fact about the file itself down.
    pub(crate) fn note(
        &self,
        name: &str,
        value: impl rusqlite::ToSql,
    ) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(NOTE)?.execute(params![name, value]).map(|_| ())
    }

    /// Runs a statement that is run often.
    pub(crate) fn run(&self, statement: &str, values: impl Params) -> Result<(), Trouble> {
        let mut statement = self.connection.prepare_cached(statement).map_err(trouble("write"))?;
        statement.execute(values).map(|_| ()).map_err(trouble("write"))
    }

    /// Does `work` in one transaction, which ends with the step `end`: all of it, or nothing and an
    /// error.
    pub(crate) fn transact<T>(
        &self,
        end: &'static str,
        work: impl FnOnce(&Self) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.still_there()?;
        let run = || {
            self.connection.execute_batch("BEGIN IMMEDIATE").map_err(trouble("begin"))?;
            let done = work(self)?;
            self.connection.execute_batch("COMMIT").map_err(trouble(end))?;
            Ok(done)
        };
        let outcome = run();
        if outcome.is_err() {
            self.roll_back();
        }
        outcome
    }

    /// Folds the log into the file, so that a clean stop leaves one file.
    pub(crate) fn fold(&self) -> Result<(), Trouble> {
        let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(fold, [], |_| Ok(())).map_err(trouble("close"))
    }

    /// Gives a transaction up, if there is one.
    pub(crate) fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // Should this fail too, the next one that begins does, and says so.
            self.connection.execute_batch("ROLLBACK").ok();
        }
    }

    /// Whether the file is empty; if not, sees that it is ours and whole.
    fn recognise(&self, kind: &Kind) -> Result<bool, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(self.path.clone(), &error);
        let application: i64 = self
            .connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .map_err(failed)?;
        let tables: i64 = self
            .connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(failed)?;
        if application == 0 && tables == 0 {
            return Ok(true);
        }
        if application != kind.application {
            return Err(OpenError::Foreign { path: self.path.clone() });
        }
        let schema: i64 = self.fact("schema")?.unwrap_or(0);
        if schema > kind.schema {
            let (path, known) = (self.path.clone(), kind.schema);
            return Err(OpenError::Newer { path, schema, known });
        }
        self.inspect()?;
        Ok(false)
    }

    fn found(&self, kind: &Kind) -> Result<(), rusqlite::Error> {
        self.connection.pragma_update(None, "application_id", kind.application)?;
        self.connection.execute_batch(META)?;
        self.connection.execute_batch(kind.tables)?;
        self.note("schema", kind.schema)?;
        self.note("created_by", VERSION)
    }

    /// A damaged page is better found now than by the write that needs it. Reads the whole file
    /// once, as loading does.
    fn inspect(&self) -> Result<(), OpenError> {
        let verdict: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| OpenError::of(self.path.clone(), &error))?;
        if verdict == "ok" {
            return Ok(());
        }
        Err(OpenError::Corrupt { path: self.path.clone(), detail: verdict })
    }
}

/// Makes a file that is not there so that only its owner may read it, as then may nobody else what
/// SQLite puts beside it. What goes wrong goes wrong again when it is opened, and is told there.
fn make_private(path: &Path) {
    let mut options = std::fs::File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _made = options.write(true).create_new(true).open(path);
}

/// Which file a name stands for; where the system cannot tell, all are the same.
#[derive(Debug, Eq, PartialEq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        // Only a look by name: to open and close the file would let go of SQLite's lock.
        std::fs::metadata(path).ok().map(|found| Self(found.dev(), found.ino()))
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|_| Self(0, 0))
    }
}

/// What went wrong at the step `op`.
pub(crate) fn trouble(op: &'static str) -> impl Fn(rusqlite::Error) -> Trouble {
    move |error| Trouble { op, message: error.to_string() }
}

/// A number as SQLite keeps it; what is larger than any of its numbers is its largest.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
