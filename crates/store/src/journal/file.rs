//! The journal's file: one SQLite database, one table of meters, one of facts about itself.
//!
//! Write-ahead log, so that a commit is one append that survives a killed process without any
//! sync; a commit is synced when it is asked to be. Rows are numbered as the cells are: new
//! subjects come side by side, fifteen to a page, where their ids would be strewn over the whole
//! file (131,000 rows a second against 27,000). When it is wrong: where any of our databases is
//! (`database.rs`).

use std::path::{Path, PathBuf};

use rusqlite::params;
use tollgate_limits::MeterId;
use tollgate_units::Timestamp;

use super::error::{OpenError, Trouble};
use crate::database::{Database, Kind, trouble};
use crate::shelf::Row;

/// "toll".
const KIND: Kind = Kind { application: 0x746f_6c6c, schema: 1, settings: SETTINGS, tables: TABLES };

/// Small pages, because a meter that changed costs one in the log; folding the log back each four
/// megabytes, because larger folds make a commit wait longer.
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
    CREATE TABLE meters (cell INTEGER PRIMARY KEY, id BLOB NOT NULL, state BLOB NOT NULL) STRICT;
";

const PUT: &str = "INSERT INTO meters (cell, id, state) VALUES (?1, ?2, ?3)
    ON CONFLICT (cell) DO UPDATE SET id = excluded.id, state = excluded.state";
const REMOVE: &str = "DELETE FROM meters WHERE cell = ?1";

/// The open file.
#[derive(Debug)]
pub(crate) struct File {
    database: Database,
    synced: bool,
}

impl File {
    /// Opens or makes the file at `path`, and holds it until it is dropped.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(path, &KIND)?, synced: true })
    }

    /// What the clock said when the file was written last.
    pub(crate) fn last_reading(&self) -> Result<Option<Timestamp>, OpenError> {
        let millis: Option<i64> = self.database.fact("clock")?;
        Ok(millis.map(|millis| Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))))
    }

    /// Where the log is that is to be synced.
    pub(crate) fn log(&self) -> PathBuf {
        let mut log = self.database.path.clone().into_os_string();
        log.push("-wal");
        log.into()
    }

    /// A file that was moved or removed still takes writes, which no restart would find.
    pub(crate) fn still_there(&self) -> Result<(), Trouble> {
        self.database.still_there()
    }

    /// Hands every row to `each`, in the order of the cells; it says what is wrong with one that
    /// it cannot take.
    pub(crate) fn load(
        &self,
        mut each: impl FnMut(Row) -> Result<(), String>,
    ) -> Result<(), OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(self.database.path.clone(), &error);
        let select = "SELECT cell, id, state FROM meters ORDER BY cell";
        let mut select = self.database.connection.prepare(select).map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cell: u32 = row.get(0).map_err(failed)?;
            let id: [u8; 16] = row.get(1).map_err(failed)?;
            let state: Vec<u8> = row.get(2).map_err(failed)?;
            let id = MeterId::new(u128::from_be_bytes(id));
            each(Row { cell, id, state }).map_err(|detail| OpenError::Corrupt {
                path: self.database.path.clone(),
                detail,
            })?;
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
            self.database
                .connection
                .pragma_update(None, "synchronous", level)
                .map_err(trouble("begin"))?;
            self.synced = synced;
        }
        self.database.connection.execute_batch("BEGIN IMMEDIATE").map_err(trouble("begin"))
    }

    /// Writes a meter, whatever was in its cell before.
    pub(crate) fn put(&self, row: &Row) -> Result<(), Trouble> {
        self.database.run(PUT, params![row.cell, row.id.get().to_be_bytes(), row.state])
    }

    /// Removes what was in a cell.
    pub(crate) fn remove(&self, cell: u32) -> Result<(), Trouble> {
        self.database.run(REMOVE, [cell])
    }

    /// Commits the group, with what the clock says.
    pub(crate) fn commit(&self, reading: Timestamp) -> Result<(), Trouble> {
        let millis = i64::try_from(reading.as_millis()).unwrap_or(i64::MAX);
        self.database.note("clock", millis).map_err(trouble("write"))?;
        let op = if self.synced { "sync" } else { "commit" };
        self.database.connection.execute_batch("COMMIT").map_err(trouble(op))
    }

    /// Gives the group up, if there is one.
    pub(crate) fn roll_back(&self) {
        self.database.roll_back();
    }

    /// Folds the log into the database, so that a clean stop leaves one file.
    pub(crate) fn fold(&self) -> Result<(), Trouble> {
        self.database.fold()
    }

    #[cfg(test)]
    pub(crate) fn connection(&self) -> &rusqlite::Connection {
        &self.database.connection
    }
}
