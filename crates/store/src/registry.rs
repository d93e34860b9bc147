//! What operators change while the gateway runs, on disk: issued keys, raised limits, and who did
//! what.
//!
//! A file of its own beside the journal's: the journal is written forty times a second under a lock
//! that nobody else can have, and it may be thrown away without losing anybody's key. A change and
//! its line in the audit log are one transaction that is synced before it is told, so nothing is in
//! force that no restart finds, and nothing was done that nobody can look up. Secrets are not in
//! here: a key is the SHA-256 of one. When it is wrong: every change waits for the disk, so a
//! registry that is written a thousand times a second wants another design.

mod rows;

use std::path::Path;
use std::sync::Mutex;

use rusqlite::params;
use tollgate_units::{Amount, Timestamp};

use crate::database::{Database, Kind, integer, trouble};
use crate::journal::{OpenError, Trouble};
use crate::memory::lock;
use rows::{AUDIT_COLUMNS, KEY_COLUMNS, RAISE_COLUMNS, list};

/// "tolk".
const KIND: Kind = Kind { application: 0x746f_6c6b, schema: 1, settings: SETTINGS, tables: TABLES };

const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
";

/// What was done cannot be rewritten, not even by a mistake in this program.
const TABLES: &str = "
    CREATE TABLE keys (
        name TEXT PRIMARY KEY, digest BLOB NOT NULL, previous BLOB, previous_until INTEGER,
        hint TEXT NOT NULL, tier TEXT NOT NULL, team TEXT, user TEXT, project TEXT, org TEXT,
        limits TEXT, models TEXT, trust_user INTEGER NOT NULL, created_at INTEGER NOT NULL,
        expires_at INTEGER, revoked_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE raises (
        meter BLOB PRIMARY KEY, amount INTEGER NOT NULL, until INTEGER NOT NULL,
        sentence TEXT NOT NULL, subject TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT, token TEXT NOT NULL,
        remote TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, details TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
    CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
";

/// A key that was issued while the gateway ran, and whose it is. Never the secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuedKey {
    /// The operator's name for it; no two keys ever share one, revoked ones included.
    pub name: String,
    /// The SHA-256 of its secret.
    pub digest: [u8; 32],
    /// The digest that it had before it was rotated, and until when that one is still taken.
    pub previous: Option<([u8; 32], Timestamp)>,
    /// The beginning of the secret, by which people recognise it; too short to guess the rest.
    pub hint: String,
    /// Its tier.
    pub tier: String,
    /// The team it belongs to.
    pub team: Option<String>,
    /// The user it stands for.
    pub user: Option<String>,
    /// The project it belongs to.
    pub project: Option<String>,
    /// The organisation it belongs to.
    pub org: Option<String>,
    /// Its own limits, as sentences; none holds a line end.
    pub limits: Vec<String>,
    /// Its own model list; none holds a line end.
    pub models: Option<Vec<String>>,
    /// Whether its caller may say which end user it acts for.
    pub trust_user: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is not taken any more.
    pub expires_at: Option<Timestamp>,
    /// Since when it is not taken any more.
    pub revoked_at: Option<Timestamp>,
}

impl IssuedKey {
    /// The digests by which it is found: its own, and the one it had before.
    pub fn digests(&self) -> impl Iterator<Item = [u8; 32]> + use<> {
        [Some(self.digest), self.previous.map(|(digest, _)| digest)].into_iter().flatten()
    }
}

/// Another amount for one meter, for a while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Raise {
    /// Whose state.
    pub meter: u128,
    /// The amount meanwhile.
    pub amount: Amount,
    /// From when the limit's own amount counts again.
    pub until: Timestamp,
    /// The limit in the operator's words.
    pub sentence: String,
    /// Whom the meter counts: `user:ana`. Without a line end.
    pub subject: String,
    /// Whose that name is, where it is not everybody's: `org:o1`.
    pub owner: Option<String>,
}

/// What an operator changes.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// Nothing in here: a reset changes a meter.
    Elsewhere,
    /// A key, made or changed.
    Key(&'a IssuedKey),
    /// A limit has its own amount again.
    Lower(u128),
    /// Limits are raised.
    Raise(&'a [Raise]),
}

/// A line of the audit log, to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who, where they said so.
    pub actor: Option<String>,
    /// The fingerprint of the token that opened the admin plane.
    pub token: String,
    /// The address that it came from.
    pub remote: String,
    /// What was done, in one word: `key.create`.
    pub action: String,
    /// To what: a key's name, or a subject.
    pub target: String,
    /// What was before and what is after, as JSON; no secret.
    pub details: String,
}

/// A line of the audit log, as it stands there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audited {
    /// Its number: later ones are greater.
    pub seq: u64,
    /// What it says.
    pub entry: Entry,
}

/// The registry, open.
#[derive(Debug)]
pub struct Registry {
    database: Mutex<Database>,
}

impl Registry {
    /// Opens or makes the file at `path`, and holds it until it is dropped.
    ///
    /// # Errors
    /// When the file cannot be trusted to remember; see [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { database: Mutex::new(Database::open(path, &KIND)?) })
    }

    /// One that is gone with the process.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn in_memory() -> Result<Self, OpenError> {
        Ok(Self { database: Mutex::new(Database::in_memory(&KIND)?) })
    }

    /// Every key, by name.
    ///
    /// # Errors
    /// When the file cannot be read, or holds what no version of this program wrote.
    pub fn keys(&self) -> Result<Vec<IssuedKey>, OpenError> {
        let select = format!("SELECT {KEY_COLUMNS} FROM keys ORDER BY name");
        self.load(&select, rows::key)
    }

    /// Every raise that lasts beyond `now`.
    ///
    /// # Errors
    /// As [`Registry::keys`].
    pub fn raises(&self, now: Timestamp) -> Result<Vec<Raise>, OpenError> {
        let select = format!(
            "SELECT {RAISE_COLUMNS} FROM raises WHERE until > {} ORDER BY until",
            integer(now.as_millis())
        );
        self.load(&select, rows::raise)
    }

    /// Makes `change` with its line in the audit log, both or neither, on disk when this returns.
    /// The number of the line.
    ///
    /// # Errors
    /// When the disk does not take it; then nothing has changed.
    pub fn write(&self, change: Change<'_>, entry: &Entry) -> Result<u64, Trouble> {
        lock(&self.database).transact("sync", |database| put(database, change, entry))
    }

    /// Up to `most` lines of the audit log before the one numbered `before`, the latest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn audit(&self, before: Option<u64>, most: usize) -> Result<Vec<Audited>, Trouble> {
        let database = lock(&self.database);
        let select =
            format!("SELECT {AUDIT_COLUMNS} FROM audit WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2");
        let before = before.map_or(i64::MAX, integer);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let failed = trouble("read");
        let mut select = database.connection.prepare_cached(&select).map_err(&failed)?;
        let lines = select.query_map(params![before, most], rows::audited).map_err(&failed)?;
        lines.collect::<Result<_, _>>().map_err(&failed)
    }

    /// A clean stop: the log is folded away, so that one file is left.
    ///
    /// # Errors
    /// When the disk does not take it; nothing is lost by that.
    pub fn close(&self) -> Result<(), Trouble> {
        lock(&self.database).fold()
    }

    fn load<T>(
        &self,
        select: &str,
        read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, OpenError> {
        let database = lock(&self.database);
        let failed = |error: rusqlite::Error| OpenError::of(database.path.clone(), &error);
        let mut select = database.connection.prepare(select).map_err(failed)?;
        let rows = select.query_map([], |row| read(row)).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }
}

/// Puts down a change and its line in the audit log. The number of the line.
fn put(database: &Database, change: Change<'_>, entry: &Entry) -> Result<u64, Trouble> {
    match change {
        Change::Elsewhere => {}
        Change::Key(key) => put_key(database, key)?,
        Change::Lower(meter) => {
            database.run("DELETE FROM raises WHERE meter = ?1", [meter.to_be_bytes()])?;
        }
        Change::Raise(raises) => {
            // What is over is of no use to anybody; the audit log keeps that it was.
            let over = "DELETE FROM raises WHERE until <= ?1";
            database.run(over, [integer(entry.at.as_millis())])?;
            raises.iter().try_for_each(|raise| put_raise(database, raise))?;
        }
    }
    let insert = "INSERT INTO audit (at, actor, token, remote, action, target, details)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let Entry { at, actor, token, remote, action, target, details } = entry;
    let at = integer(at.as_millis());
    database.run(insert, params![at, actor, token, remote, action, target, details])?;
    let seq = database.connection.last_insert_rowid();
    Ok(u64::try_from(seq).unwrap_or_default())
}

fn put_key(database: &Database, key: &IssuedKey) -> Result<(), Trouble> {
    let put = format!(
        "INSERT OR REPLACE INTO keys ({KEY_COLUMNS})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    );
    let millis = |at: Option<Timestamp>| at.map(|at| integer(at.as_millis()));
    let values = params![
        key.name,
        key.digest,
        key.previous.map(|(digest, _)| digest),
        millis(key.previous.map(|(_, until)| until)),
        key.hint,
        key.tier,
        key.team,
        key.user,
        key.project,
        key.org,
        list(Some(&key.limits)),
        list(key.models.as_ref()),
        key.trust_user,
        millis(Some(key.created_at)),
        millis(key.expires_at),
        millis(key.revoked_at),
    ];
    database.run(&put, values)
}

fn put_raise(database: &Database, raise: &Raise) -> Result<(), Trouble> {
    let put =
        format!("INSERT OR REPLACE INTO raises ({RAISE_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)");
    let Raise { meter, amount, until, sentence, subject, owner } = raise;
    let whose = owner.iter().fold(subject.clone(), |subject, owner| format!("{subject}\n{owner}"));
    let (amount, until) = (integer(amount.get()), integer(until.as_millis()));
    database.run(&put, params![meter.to_be_bytes(), amount, until, sentence, whose])
}
