//! Why a journal does not open or close, in words an operator can act on.
//!
//! What SQLite says is kept as the detail: it names the page or the system call. These never
//! travel to a caller. When it is wrong: a file in use on a network file system may be told as
//! unusable, since locks there are a matter of luck.

use std::fmt;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the journal cannot be opened; a store that cannot remember does not start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OpenError {
    /// The file is damaged, or no database at all.
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What SQLite, or a row, says.
        detail: String,
    },
    /// A database, but another program's.
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// Another process has it open.
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// Written by a version of this program that is newer than this one.
    Newer {
        /// Which file.
        path: PathBuf,
        /// The version of its schema.
        schema: i64,
        /// The latest that this version knows.
        known: i64,
    },
    /// It cannot be made, read or written: a directory that is not there, rights, a full disk.
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
}

/// Why a clean stop was not clean: what was counted since the last flush that worked is not on
/// disk. The journal goes on trying until it is closed again or dropped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CloseError {
    /// The last flush failed.
    Failed(Trouble),
    /// The journal's thread has ended before.
    Gone,
}

/// What went wrong with the journal's file, and at which step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// The step, as a metric label: `begin`, `write`, `commit`, `sync`, `close`, `find`.
    pub op: &'static str,
    /// What SQLite or the system says.
    pub message: String,
}

impl OpenError {
    pub(crate) fn of(path: PathBuf, error: &rusqlite::Error) -> Self {
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, detail }
            }
            // Everything else SQLite reports is about reaching the file; what is not SQLite's
            // (a column of another type, a row that is missing) is about what stands in it.
            Some(_) => Self::Unusable { path, detail },
            None => Self::Corrupt { path, detail },
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { path, detail } => write!(
                f,
                "{} is damaged ({detail}); move it and its -wal file away to start again without \
                 what it holds, or bring back a copy",
                path.display()
            ),
            Self::Foreign { path } => {
                write!(f, "{} belongs to another program; name another file", path.display())
            }
            Self::InUse { path } => write!(f, "{} is in use by another tollgate", path.display()),
            Self::Newer { path, schema, known } => write!(
                f,
                "{} was written by a newer tollgate (schema {schema}, this one knows {known}); \
                 start that version, or name another file",
                path.display(),
            ),
            Self::Unusable { path, detail } => {
                write!(f, "{} cannot be opened for writing: {detail}", path.display())
            }
        }
    }
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(trouble) => write!(f, "the last flush of the journal failed: {trouble}"),
            Self::Gone => write!(f, "the journal's thread has ended before it was closed"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.op)
    }
}

impl std::error::Error for OpenError {}
impl std::error::Error for CloseError {}
impl std::error::Error for Trouble {}
