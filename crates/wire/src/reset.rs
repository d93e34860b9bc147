//! How providers write lengths of time and instants, each read strictly in its own grammar.
//!
//! `1m` is a minute at one provider, `1` a second at another and `1788220800000` an instant at a
//! third, so a dialect says which grammar its headers are in, and nothing is guessed where it does.
//! Lengths are rounded up to milliseconds: who waits that long has waited long enough. What is in
//! no grammar, or is longer than anything a provider means, is nothing.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tollgate_units::{Span, Timestamp};

/// How a provider writes when a limit resets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResetGrammar {
    /// Any of the others, told apart by their looks: for providers that nobody knows.
    Any,
    /// Go's durations: `6m0s`, `120ms`, `8.64s`.
    GoDuration,
    /// Instants of RFC 3339, with any offset.
    Rfc3339,
    /// Seconds from now, with or without decimals.
    Seconds,
    /// Milliseconds since the Unix epoch.
    UnixMillis,
    /// Seconds since the Unix epoch.
    UnixSeconds,
}

impl ResetGrammar {
    /// The instant that `text` means to somebody who reads it at `now`.
    pub fn read(self, text: &str, now: Timestamp) -> Option<Timestamp> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        match self {
            Self::Any => any(text, now),
            Self::GoDuration => go_duration(text).map(|span| now.plus(span)),
            Self::Rfc3339 => rfc3339(text),
            Self::Seconds => decimal(text, SECOND).map(|span| now.plus(span)),
            Self::UnixMillis => epoch(text, EPOCH_MILLIS_MIN, 1),
            Self::UnixSeconds => epoch(text, EPOCH_SECONDS_MIN, 1000),
        }
    }
}

fn any(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (seconds, millis) = (ResetGrammar::UnixSeconds, ResetGrammar::UnixMillis);
    let number = millis.read(text, now).or_else(|| seconds.read(text, now));
    let number = number.or_else(|| ResetGrammar::Seconds.read(text, now));
    number.or_else(|| ResetGrammar::GoDuration.read(text, now)).or_else(|| rfc3339(text))
}

/// Nothing that means a time is longer.
const TEXT_BYTES_MAX: usize = 64;

/// Whatever is further away is no reset of a limit.
const SPAN_MAX: Span = Span::from_secs(400 * 24 * 60 * 60);

/// In 2001 and in 2001: smaller numbers are lengths of time.
const EPOCH_SECONDS_MIN: u64 = 1_000_000_000;
const EPOCH_MILLIS_MIN: u64 = 1_000_000_000_000;

/// A whole number since the epoch, in units of `millis` milliseconds.
fn epoch(text: &str, least: u64, millis: u64) -> Option<Timestamp> {
    let number = whole(text)?;
    let sane = (least..least.saturating_mul(100)).contains(&number);
    sane.then(|| Timestamp::from_millis(number.saturating_mul(millis)))
}

/// A number of digits only.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Nanoseconds in the units that durations are written in.
const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
const UNITS: &[(&str, u64)] = &[
    ("ms", MILLISECOND),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
];

/// What Go's `Duration.String` writes and `ParseDuration` reads, but no sign.
pub fn go_duration(text: &str) -> Option<Span> {
    if text == "0" {
        return Some(Span::ZERO);
    }
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut nanos = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (digits, after) = rest.split_at_checked(number)?;
        let (unit, each) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        nanos = nanos.checked_add(nanos_of(digits, *each)?)?;
        rest = after.get(unit.len()..)?;
    }
    sane(nanos)
}

/// `7.66` units of `each` nanoseconds.
fn decimal(text: &str, each: u64) -> Option<Span> {
    sane(nanos_of(text, each)?)
}

/// Seconds, with or without decimals.
pub(crate) fn seconds(text: &str) -> Option<Span> {
    decimal(text, SECOND)
}

/// Milliseconds, with or without decimals.
pub(crate) fn millis(text: &str) -> Option<Span> {
    decimal(text, MILLISECOND)
}

/// Minutes, with or without decimals.
pub(crate) fn minutes(text: &str) -> Option<Span> {
    decimal(text, 60 * SECOND)
}

fn sane(nanos: u64) -> Option<Span> {
    let span = Span::from_millis(nanos.div_ceil(MILLISECOND));
    (span <= SPAN_MAX).then_some(span)
}

/// Digits, perhaps with decimals, times `each`; a fraction of a nanosecond is a whole one.
fn nanos_of(text: &str, each: u64) -> Option<u64> {
    let (before, after) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(before) || !digits(after) {
        return None;
    }
    // Nine places are more than any clock has; what comes after them only rounds up.
    let places = after.get(..9).unwrap_or(after);
    let beyond = after.bytes().skip(9).any(|digit| digit != b'0');
    let scale = 10_u64.checked_pow(u32::try_from(places.len()).ok()?)?;
    let parts = places.parse::<u64>().ok()?.checked_add(u64::from(beyond))?;
    let fraction = u128::from(parts).checked_mul(u128::from(each))?.div_ceil(u128::from(scale));
    let whole = before.parse::<u64>().ok()?.checked_mul(each)?;
    whole.checked_add(u64::try_from(fraction).ok()?)
}

/// An instant of RFC 3339, with any offset.
pub(crate) fn rfc3339(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_millis)
}

/// A date of RFC 9110, section 5.6.7, in any of its three forms.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut words = [""; 8];
    let mut count = 0_usize;
    for word in text.split([' ', ',', '-', ':']).filter(|word| !word.is_empty()) {
        *words.get_mut(count)? = word;
        count = count.saturating_add(1);
    }
    let [_weekday, one, two, three, four, five, six, seven] = words;
    // `Nov  6 08:49:37 1994` of asctime has no zone, the others end in one.
    let (day, month, year, time) = match seven {
        "" => (two, one, six, [three, four, five]),
        "GMT" => (one, two, three, [four, five, six]),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)?.checked_add(1)?;
    let [hour, minute, second] = time.map(small);
    let date = DateTime::new(
        full_year(year)?,
        i8::try_from(month).ok()?,
        small(day)?,
        hour?,
        minute?,
        // A leap second is the last one of its minute to everybody who has none.
        second?.min(59),
        0,
    );
    let instant = TimeZone::UTC.to_timestamp(date.ok()?).ok()?;
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_millis)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn small(text: &str) -> Option<i8> {
    i8::try_from(whole(text)?).ok()
}

/// Two digits are of this century: a wait is never for a year that is gone.
fn full_year(text: &str) -> Option<i16> {
    let year = i16::try_from(whole(text)?).ok()?;
    match text.len() {
        2 => year.checked_add(2000),
        4 => Some(year),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
