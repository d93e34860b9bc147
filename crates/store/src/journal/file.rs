//! The journal's file: one SQLite database, one table of meters, one of facts about itself.
//!
//! Write-ahead log, so that a commit is one append that survives a killed process without any
//! sync; a commit is synced when it is asked to be. The lock is exclusive and held from the first
//! statement on, so that a second process is told at once instead of counting beside the first.
//! Rows are numbered as the cells are: new subjects come side by side, fifteen to a page, where
//! their ids would be strewn over the whole file (131,000 rows a second against 27,000).
//! When it is wrong: on a network file system, where neither locks nor syncs can be relied on.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, params};
use tollgate_limits::MeterId;
use tollgate_units::Timestamp;

use super::error::{OpenError, Trouble};
use crate::shelf::Row;

/// The version of the tables below.
pub(crate) const SCHEMA: i64 = 1;

/// "toll": what tells this file from another program's database.
const APPLICATION: i64 = 0x746f_6c6c;

const VERSION: &str = concat!("tollgate ", env!("CARGO_PKG_VERSION"));

/// How long to wait for a former process that is just ending.
const BUSY_MS: u32 = 200;

/// Before anything is read. With this lock, SQLite makes no shared-memory file for readers that
/// can never come.
const LOCKING: &str = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON;";

/// Once the file is known to be ours. Small pages, because a meter that changed costs one in the
/// log; folding the log back each four megabytes, because larger folds make a commit wait longer.
/// `fullfsync` is what makes a sync one on macOS.
const SETTINGS: &str = "
    PRAGMA page_size = 1024;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA cache_size = -8000;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
";

const TABLES: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
    CREATE TABLE meters (cell INTEGER PRIMARY KEY, id BLOB NOT NULL, state BLOB NOT NULL) STRICT;
";

const PUT: &str = "INSERT INTO meters (cell, id, state) VALUES (?1, ?2, ?3)
    ON CONFLICT (cell) DO UPDATE SET id = excluded.id, state = excluded.state";
const REMOVE: &str = "DELETE FROM meters WHERE cell = ?1";
const NOTE: &str = "INSERT INTO meta (name, value) VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// The open file.
#[derive(Debug)]
pub(crate) struct File {
    connection: Connection,
    path: PathBuf,
    identity: Option<Identity>,
    synced: bool,
}

impl File {
    /// Opens or makes the file at `path`, and holds it until it is dropped.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        // Absolute, because SQLite takes `:memory:` and the empty name for something else.
        let path = std::path::absolute(path).map_err(|error| OpenError::Unusable {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        let failed = |error: rusqlite::Error| OpenError::of(path.clone(), &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection
            .busy_timeout(std::time::Duration::from_millis(BUSY_MS.into()))
            .map_err(failed)?;
        connection.execute_batch(LOCKING).map_err(failed)?;
        let mut file = Self { connection, path: path.clone(), identity: None, synced: true };
        // Only looked at so far: a file that is not ours stays as it is.
        let is_new = file.recognise()?;
        file.connection.execute_batch(SETTINGS).map_err(failed)?;
        file.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        if is_new {
            file.found().map_err(failed)?;
        }
        // Something is written at once, and synced: so the log is there from now on, its name in
        // its directory too, and a disk that is full or read-only stops the start.
        file.note("opened_by", VERSION).map_err(failed)?;
        file.connection.execute_batch("COMMIT").map_err(failed)?;
        file.identity = Identity::of(&path);
        Ok(file)
    }

    /// What the clock said when the file was written last.
    pub(crate) fn last_reading(&self) -> Result<Option<Timestamp>, OpenError> {
        let millis: Option<i64> = self.fact("clock")?;
        Ok(millis.map(|millis| Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))))
    }

    /// Where the log is that is to be synced.
    pub(crate) fn log(&self) -> PathBuf {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        log.into()
    }

    /// A file that was moved or removed still takes writes, which no restart would find.
    pub(crate) fn still_there(&self) -> Result<(), Trouble> {
        if Identity::of(&self.path) == self.identity {
            return Ok(());
        }
        let message = format!("{} was moved, removed or replaced", self.path.display());
        Err(Trouble { op: "find", message })
    }

    /// Hands every row to `each`, in the order of the cells; it says what is wrong with one that
    /// it cannot take.
    pub(crate) fn load(
        &self,
        mut each: impl FnMut(Row) -> Result<(), String>,
    ) -> Result<(), OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(self.path.clone(), &error);
        let select = "SELECT cell, id, state FROM meters ORDER BY cell";
        let mut select = self.connection.prepare(select).map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cell: u32 = row.get(0).map_err(failed)?;
            let id: [u8; 16] = row.get(1).map_err(failed)?;
            let state: Vec<u8> = row.get(2).map_err(failed)?;
            let id = MeterId::new(u128::from_be_bytes(id));
            each(Row { cell, id, state })
                .map_err(|detail| OpenError::Corrupt { path: self.path.clone(), detail })?;
        }
        Ok(())
    }

    /// Begins a group of changes; `synced`, its commit waits until the disk has it and everything
    /// that was committed before.
    pub(crate) fn begin(&mut self, synced: bool) -> Result<(), Trouble> {
        if synced {
            self.still_there()?;
        }
        if self.synced != synced {
            let level = if synced { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level).map_err(trouble("begin"))?;
            self.synced = synced;
        }
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(trouble("begin"))
    }

    /// Writes a meter, whatever was in its cell before.
    pub(crate) fn put(&self, row: &Row) -> Result<(), Trouble> {
        self.run(PUT, params![row.cell, row.id.get().to_be_bytes(), row.state])
    }

    /// Removes what was in a cell.
    pub(crate) fn remove(&self, cell: u32) -> Result<(), Trouble> {
        self.run(REMOVE, [cell])
    }

    /// Commits the group, with what the clock says.
    pub(crate) fn commit(&self, reading: Timestamp) -> Result<(), Trouble> {
        let millis = i64::try_from(reading.as_millis()).unwrap_or(i64::MAX);
        self.run(NOTE, params!["clock", millis])?;
        let op = if self.synced { "sync" } else { "commit" };
        self.connection.execute_batch("COMMIT").map_err(trouble(op))
    }

    /// Gives the group up, if there is one.
    pub(crate) fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // Should this fail too, the next `begin` does, and says so.
            self.connection.execute_batch("ROLLBACK").ok();
        }
    }

    /// Folds the log into the database, so that a clean stop leaves one file.
    pub(crate) fn fold(&self) -> Result<(), Trouble> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(trouble("close"))
    }

    #[cfg(test)]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether the file is empty; if not, sees that it is ours and whole.
    fn recognise(&self) -> Result<bool, OpenError> {
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
        if application != APPLICATION {
            return Err(OpenError::Foreign { path: self.path.clone() });
        }
        let schema: i64 = self.fact("schema")?.unwrap_or(0);
        if schema > SCHEMA {
            return Err(OpenError::Newer { path: self.path.clone(), schema });
        }
        self.inspect()?;
        Ok(false)
    }

    fn found(&self) -> Result<(), rusqlite::Error> {
        self.connection.pragma_update(None, "application_id", APPLICATION)?;
        self.connection.execute_batch(TABLES)?;
        self.note("schema", SCHEMA)?;
        self.note("created_by", VERSION)
    }

    fn note(&self, name: &str, value: impl rusqlite::ToSql) -> Result<(), rusqlite::Error> {
        self.connection.execute(NOTE, params![name, value]).map(|_| ())
    }

    /// A damaged page is better found now than by the flush that needs it. Reads the whole file
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

    fn fact<T: rusqlite::types::FromSql>(&self, name: &str) -> Result<Option<T>, OpenError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(|error| OpenError::of(self.path.clone(), &error))
    }

    fn run(&self, statement: &str, values: impl Params) -> Result<(), Trouble> {
        let mut statement = self.connection.prepare_cached(statement).map_err(trouble("write"))?;
        statement.execute(values).map(|_| ()).map_err(trouble("write"))
    }
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

fn trouble(op: &'static str) -> impl Fn(rusqlite::Error) -> Trouble {
    move |error| Trouble { op, message: error.to_string() }
}
