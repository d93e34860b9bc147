//! The file of answers: one table, written in transactions and read by primary key.
//!
//! Rows are numbered in the order in which they were stored, so the first of them are the oldest.
//! What is known of the file beside it (how many bytes, which keys) changes when a transaction has
//! been committed and not before. When it is wrong: it never gives room back to the system; a
//! smaller bound is met by what stands in the file and not by its size.

use std::path::Path;

use rusqlite::{OptionalExtension, params};
use tollgate_units::{Timestamp, Tokens};

use super::{AnswerBounds, AnswerKey, Changed, Kept, Row};
use crate::database::{Database, Kind, integer, trouble};
use crate::journal::{OpenError, Trouble};

/// "tola".
const KIND: Kind = Kind { application: 0x746f_6c61, schema: 1, settings: SETTINGS, tables: TABLES };

/// A commit outlives the process; after a power cut the latest may be missing, which costs nothing
/// but the requests. The log grows to some 16 MB before it is folded, since bodies are large.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 4096;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
";

/// The body stands last: what stands before it is read without it.
const TABLES: &str = "
    CREATE TABLE answers (
        scope BLOB NOT NULL, request BLOB NOT NULL, stored INTEGER NOT NULL,
        bytes INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
        model TEXT NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (scope, request)
    ) STRICT;
";

const FIND: &str = "SELECT stored, input, output, model, content_type, body FROM answers
    WHERE scope = ?1 AND request = ?2";

const PUT: &str = "INSERT INTO answers
    (scope, request, stored, bytes, input, output, model, content_type, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const REPLACED: &str = "DELETE FROM answers WHERE scope = ?1 AND request = ?2
    RETURNING scope, request, bytes";

const OLDEST: &str = "DELETE FROM answers WHERE rowid = (SELECT min(rowid) FROM answers)
    RETURNING scope, request, bytes";

/// The oldest, if it is over: there is no later one that is over before it.
const OVER: &str = "DELETE FROM answers WHERE rowid = (SELECT min(rowid) FROM answers)
    AND ?1 - stored >= ?2 RETURNING scope, request, bytes";

/// How many that are over are forgotten in one transaction.
const SWEEP: usize = 64;

/// The file, and what all in it counts for.
#[derive(Debug)]
pub(super) struct File {
    database: Database,
    bytes: u64,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::over(Database::open(path, &KIND)?)
    }

    pub(super) fn in_memory() -> Result<Self, OpenError> {
        Self::over(Database::in_memory(&KIND)?)
    }

    fn over(database: Database) -> Result<Self, OpenError> {
        let sum = "SELECT coalesce(sum(bytes), 0) FROM answers";
        let bytes = database
            .connection
            .query_row(sum, [], |row| row.get(0).map(whole))
            .map_err(|error| OpenError::of(database.path.clone(), &error))?;
        Ok(Self { database, bytes })
    }

    pub(super) fn path(&self) -> &Path {
        &self.database.path
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The keys of all answers.
    pub(super) fn keys(&self) -> Result<Vec<AnswerKey>, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(self.database.path.clone(), &error);
        let keys = "SELECT scope, request FROM answers";
        let mut keys = self.database.connection.prepare(keys).map_err(failed)?;
        let keys = keys.query_map([], key).map_err(failed)?;
        keys.collect::<Result<_, _>>().map_err(failed)
    }

    /// An answer, and when it was stored.
    pub(super) fn find(&self, key: AnswerKey) -> Result<Option<(Kept, Timestamp)>, Trouble> {
        let failed = trouble("read");
        let mut find = self.database.connection.prepare_cached(FIND).map_err(&failed)?;
        let row = find.query_row(params![key.scope.to_be_bytes(), key.request], |row| {
            let stored = Timestamp::from_millis(whole(row.get(0)?));
            let (input, output) = (whole(row.get(1)?), whole(row.get(2)?));
            let (input, output) = (Tokens::new(input), Tokens::new(output));
            let (model, content_type, body) = (row.get(3)?, row.get(4)?, row.get(5)?);
            Ok((Kept { content_type, body, model, input, output }, stored))
        });
        row.optional().map_err(failed)
    }

    /// Forgets what is over at `now`, writes `rows`, and forgets the oldest until the rest fits:
    /// all of it, or nothing and an error.
    pub(super) fn write(
        &mut self,
        rows: &[Row],
        bounds: AnswerBounds,
        now: Timestamp,
    ) -> Result<Vec<Changed>, Trouble> {
        let mut draft = Draft { database: &self.database, bytes: self.bytes, changes: Vec::new() };
        self.database.transact("commit", |_| draft.write(rows, bounds, now))?;
        let Draft { bytes, changes, .. } = draft;
        self.bytes = bytes;
        Ok(changes)
    }

    /// Folds the log away.
    pub(super) fn fold(&self) -> Result<(), Trouble> {
        self.database.fold()
    }
}

/// What is known beside the file, as it will be once the transaction is committed.
struct Draft<'d> {
    database: &'d Database,
    bytes: u64,
    changes: Vec<Changed>,
}

impl Draft<'_> {
    fn write(&mut self, rows: &[Row], bounds: AnswerBounds, now: Timestamp) -> Result<(), Trouble> {
        let over = params![integer(now.as_millis()), integer(bounds.gone_after().as_millis())];
        for _ in 0..SWEEP {
            if !self.forget(OVER, over)? {
                break;
            }
        }
        for row in rows {
            self.put(row)?;
        }
        while self.bytes > bounds.bytes_max && self.forget(OLDEST, params![])? {}
        Ok(())
    }

    fn put(&mut self, row: &Row) -> Result<(), Trouble> {
        let Row { key, kept, stored } = row;
        let (scope, request, weight) = (key.scope.to_be_bytes(), key.request, kept.weight() as u64);
        self.forget(REPLACED, params![scope, request])?;
        let stored = integer(stored.as_millis());
        let (input, output) = (integer(kept.input.get()), integer(kept.output.get()));
        let Kept { content_type, body, model, .. } = kept;
        let bytes = integer(weight);
        let values =
            params![scope, request, stored, bytes, input, output, model, content_type, body];
        self.database.run(PUT, values)?;
        self.bytes = self.bytes.saturating_add(weight);
        self.changes.push(Changed::Added(*key));
        Ok(())
    }

    /// Runs a statement that forgets one row. Whether there was one.
    fn forget(&mut self, which: &str, values: &[&dyn rusqlite::ToSql]) -> Result<bool, Trouble> {
        let failed = trouble("write");
        let mut forget = self.database.connection.prepare_cached(which).map_err(&failed)?;
        let gone = forget.query_row(values, |row| Ok((key(row)?, whole(row.get(2)?))));
        let Some((key, bytes)) = gone.optional().map_err(failed)? else {
            return Ok(false);
        };
        self.bytes = self.bytes.saturating_sub(bytes);
        self.changes.push(Changed::Gone(key));
        Ok(true)
    }
}

/// The key in the first two columns.
fn key(row: &rusqlite::Row<'_>) -> Result<AnswerKey, rusqlite::Error> {
    Ok(AnswerKey { scope: u128::from_be_bytes(row.get(0)?), request: row.get(1)? })
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
