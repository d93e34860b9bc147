//! The rows of the registry, as they are read: what does not fit is damage, and said so.
//!
//! Lists are lines of one text. When it is wrong: an item that holds a line end would come back as
//! two, so whoever makes keys must not let one in.

use rusqlite::Row;
use tollgate_units::{Amount, Timestamp};

use super::{Audited, Entry, IssuedKey, Raise};

pub(super) const KEY_COLUMNS: &str = "name, digest, previous, previous_until, hint, tier, team, \
     user, project, org, limits, models, trust_user, created_at, expires_at, revoked_at";
pub(super) const RAISE_COLUMNS: &str = "meter, amount, until, sentence, subject";
pub(super) const AUDIT_COLUMNS: &str = "seq, at, actor, token, remote, action, target, details";

/// A list as SQLite keeps it.
pub(super) fn list(items: Option<&Vec<String>>) -> Option<String> {
    items.map(|items| items.join("\n"))
}

pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<IssuedKey> {
    let previous: Option<[u8; 32]> = row.get(2)?;
    let limits: Option<String> = row.get(10)?;
    let models: Option<String> = row.get(11)?;
    Ok(IssuedKey {
        name: row.get(0)?,
        digest: row.get(1)?,
        previous: previous.zip(instant(row.get(3)?)),
        hint: row.get(4)?,
        tier: row.get(5)?,
        team: row.get(6)?,
        user: row.get(7)?,
        project: row.get(8)?,
        org: row.get(9)?,
        limits: limits.as_deref().map(lines).unwrap_or_default(),
        models: models.as_deref().map(lines),
        trust_user: row.get(12)?,
        created_at: instant(row.get(13)?).unwrap_or_default(),
        expires_at: instant(row.get(14)?),
        revoked_at: instant(row.get(15)?),
    })
}

/// The subject's column has the owner in a second line.
pub(super) fn raise(row: &Row<'_>) -> rusqlite::Result<Raise> {
    let whose: String = row.get(4)?;
    let (subject, owner) = match whose.split_once('\n') {
        Some((subject, owner)) => (subject, Some(owner)),
        None => (&*whose, None),
    };
    Ok(Raise {
        meter: u128::from_be_bytes(row.get(0)?),
        amount: Amount::new(unsigned(row.get(1)?)),
        until: instant(row.get(2)?).unwrap_or_default(),
        sentence: row.get(3)?,
        subject: subject.to_owned(),
        owner: owner.map(str::to_owned),
    })
}

pub(super) fn audited(row: &Row<'_>) -> rusqlite::Result<Audited> {
    let entry = Entry {
        at: instant(row.get(1)?).unwrap_or_default(),
        actor: row.get(2)?,
        token: row.get(3)?,
        remote: row.get(4)?,
        action: row.get(5)?,
        target: row.get(6)?,
        details: row.get(7)?,
    };
    Ok(Audited { seq: unsigned(row.get(0)?), entry })
}

fn instant(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(|millis| Timestamp::from_millis(unsigned(millis)))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn lines(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { text.split('\n').map(str::to_owned).collect() }
}
