//! Civil days, ISO weeks and months as instants: what a calendar limit turns by.
//!
//! The decision core knows only instants, so the time-zone database is asked here, and the answer
//! is remembered until it has passed. Windows are defined by where they *begin*: a window is over
//! when the next begins. So the 23- and the 25-hour day, a midnight that does not exist, one that
//! exists twice, and a whole day that a country left out need no case of their own.
//!
//! The database is the one compiled in, never the machine's: the same configuration turns at the
//! same instants everywhere. That makes it wrong where a country has changed its rules since this
//! version was built; a newer version is the remedy.

use std::sync::{Mutex, PoisonError};

use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use tollgate_units::Timestamp;

use crate::limit::CalendarPeriod;
use crate::sentence::Mistake;

/// A time zone by its IANA name.
#[derive(Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// Coordinated Universal Time: the zone of a limit that names none.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The zone called `name` in the IANA database, in whatever case it is written.
    pub fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Self::utc());
        }
        let rules = TimeZoneDatabase::bundled().get(name).ok()?;
        let name = rules.iana_name()?.to_owned();
        Some(Self { name, rules })
    }

    /// The zone that was probably meant by `name`: the same city, or nearly the same letters.
    pub fn nearest(name: &str) -> Option<String> {
        let database = TimeZoneDatabase::bundled();
        let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
        let city = |known: &&String| {
            known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name))
        };
        let same_city = names.iter().find(city).cloned();
        same_city.or_else(|| Mistake::nearest(name, names.iter().map(String::as_str)))
    }

    /// The zone's name in the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is UTC, which a sentence need not say.
    pub fn is_utc(&self) -> bool {
        self.name == "UTC"
    }
}

impl PartialEq for Zone {
    /// By name: the rules come from one database.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl core::fmt::Debug for Zone {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

/// The turns of one calendar, remembered until they pass: the database is asked once a window.
#[derive(Debug)]
pub struct Turns {
    period: CalendarPeriod,
    zone: Zone,
    known: Mutex<[Timestamp; 3]>,
}

impl Turns {
    /// Nothing is computed before the first question.
    pub fn new(period: CalendarPeriod, zone: Zone) -> Self {
        Self { period, zone, known: Mutex::new([Timestamp::MAX; 3]) }
    }

    /// As [`turns`] at `now`.
    pub fn at(&self, now: Timestamp) -> [Timestamp; 3] {
        // Three instants are written under the lock, whole or not at all: poison means nothing.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now < known[0] || now >= known[1] {
            *known = turns(self.period, &self.zone, now);
        }
        *known
    }
}

/// Where the window around `now` begins, where it ends, and where the one after it ends.
///
/// Beyond the year 9999 there is one window that never ends: such a clock is broken, and a limit
/// under it refuses sooner rather than later.
pub fn turns(period: CalendarPeriod, zone: &Zone, now: Timestamp) -> [Timestamp; 3] {
    reckon(period, &zone.rules, now).unwrap_or([Timestamp::EPOCH, Timestamp::MAX, Timestamp::MAX])
}

fn reckon(period: CalendarPeriod, zone: &TimeZone, now: Timestamp) -> Option<[Timestamp; 3]> {
    let instant = jiff::Timestamp::from_millisecond(i64::try_from(now.as_millis()).ok()?).ok()?;
    let date = first_date(period, zone.to_datetime(instant).date())?;
    let mut window = Start { date, begins: begin_of(zone, date)? };
    let mut next = window.following(period, zone)?;
    // Where clocks go back over midnight, the date shown is yesterday's though today has begun.
    while next.begins <= now {
        window = next;
        next = window.following(period, zone)?;
    }
    Some([window.begins, next.begins, next.following(period, zone)?.begins])
}

/// The first date of a window, and the instant at which it begins.
struct Start {
    date: Date,
    begins: Timestamp,
}

impl Start {
    /// The next window that exists: a date that was left out begins when its successor does.
    fn following(&self, period: CalendarPeriod, zone: &TimeZone) -> Option<Self> {
        let mut date = self.date;
        loop {
            date = match period {
                CalendarPeriod::Day => date.tomorrow().ok()?,
                CalendarPeriod::Week => date.checked_add(1.week()).ok()?,
                CalendarPeriod::Month => date.checked_add(1.month()).ok()?,
            };
            let begins = begin_of(zone, date)?;
            if begins > self.begins {
                return Some(Self { date, begins });
            }
        }
    }
}

/// The first date of the window that `date` is in.
fn first_date(period: CalendarPeriod, date: Date) -> Option<Date> {
    match period {
        CalendarPeriod::Day => Some(date),
        CalendarPeriod::Week => {
            let since_monday = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(since_monday.days()).ok()
        }
        CalendarPeriod::Month => Some(date.first_of_month()),
    }
}

/// The first instant at which clocks in `zone` show `date`, or a later one.
fn begin_of(zone: &TimeZone, date: Date) -> Option<Timestamp> {
    // Of two midnights the first; of none, the instant of the change that left it out.
    let midnight = zone.to_ambiguous_zoned(date.to_datetime(Time::midnight()));
    let first = midnight.compatible().ok()?.timestamp();
    Some(Timestamp::from_millis(u64::try_from(first.as_millisecond()).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
