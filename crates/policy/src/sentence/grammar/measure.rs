//! Which measure a sentence's items make, and which of them contradict each other.

use tollgate_units::{Amount, Span};

use super::super::Mistake;
use super::super::amount::Quantity;
use super::{Items, Pace, PaceKind, Period, Said};
use crate::calendar::Zone;
use crate::limit::{CalendarPeriod, DAY_SECS, Measure, SubjectKind, Unit, WEEK_SECS};

/// The measure, and the unit that it makes of the noun: requests at once are concurrency.
pub(super) fn of(
    unit: Unit,
    amount: Quantity,
    items: &Items,
    end: usize,
) -> Result<(Unit, Measure), Mistake> {
    if let Some(at_once) = &items.at_once {
        return held(unit, at_once, items);
    }
    if unit == Unit::Streams {
        let at = items.pace.as_ref().map_or(end..end, |pace| pace.at.clone());
        let what = "expected \"at once\": streams are counted while they are open";
        return Err(Mistake::new(at, what));
    }
    let Some(pace) = &items.pace else {
        return total(unit, items, end);
    };
    if let Some(burst) = &items.burst {
        return Ok((unit, bucket(unit, amount, items, pace, burst)?));
    }
    if let Some(period) = civil(pace.what) {
        let zone = items.zone.as_ref().map_or_else(Zone::utc, |zone| zone.what.clone());
        return Ok((unit, Measure::Calendar { period, zone }));
    }
    no_zone(items)?;
    let window = length(pace)?;
    match pace.what.kind {
        PaceKind::Fixed => Ok((unit, Measure::Fixed { window })),
        PaceKind::Rolling | PaceKind::Unsaid => Ok((unit, Measure::Sliding { window })),
    }
}

fn held(unit: Unit, at_once: &Said<()>, items: &Items) -> Result<(Unit, Measure), Mistake> {
    if let Some(pace) = &items.pace {
        let what = "a limit \"at once\" has no period";
        return Err(Mistake::new(pace.at.clone(), what));
    }
    if let Some(burst) = &items.burst {
        return Err(Mistake::new(burst.at.clone(), "a limit \"at once\" has no burst"));
    }
    no_zone(items)?;
    match unit {
        Unit::Requests => Ok((Unit::Concurrency, Measure::AtOnce)),
        Unit::Streams => Ok((unit, Measure::AtOnce)),
        _ => {
            let what = "only requests and streams are counted at once; expected a period";
            Err(Mistake::new(at_once.at.clone(), what))
        }
    }
}

/// A total is for the life of its subject, so the subject must have one.
fn total(unit: Unit, items: &Items, end: usize) -> Result<(Unit, Measure), Mistake> {
    if let Some(burst) = &items.burst {
        return Err(Mistake::new(burst.at.clone(), "a burst needs a period to flow back in"));
    }
    no_zone(items)?;
    let address = items.subjects.iter().any(|said| said.what == SubjectKind::Ip);
    if address {
        let what = "expected a period: a total for an address would never end";
        return Err(Mistake::new(end..end, what));
    }
    Ok((unit, Measure::Total))
}

fn bucket(
    unit: Unit,
    amount: Quantity,
    items: &Items,
    pace: &Said<Pace>,
    burst: &Said<Quantity>,
) -> Result<Measure, Mistake> {
    no_zone_beside_burst(items)?;
    if pace.what.kind != PaceKind::Unsaid {
        let what = "a limit with a burst neither rolls nor is fixed; expected a plain period";
        return Err(Mistake::new(pace.at.clone(), what));
    }
    let burst = match (unit == Unit::Cost, burst.what) {
        (true, Quantity::Nanos(units)) | (false, Quantity::Count(units)) => Amount::new(units),
        (true, Quantity::Count(_)) => {
            let what = "expected a burst in dollars, as the limit is";
            return Err(Mistake::new(burst.at.clone(), what));
        }
        (false, Quantity::Nanos(_)) => {
            let what = "expected a burst without \"$\", as the limit is";
            return Err(Mistake::new(burst.at.clone(), what));
        }
    };
    if matches!(amount, Quantity::Count(0) | Quantity::Nanos(0)) {
        let what = "nothing flows back at this rate; expected a limit above zero, or no burst";
        return Err(Mistake::new(pace.at.clone(), what));
    }
    Ok(Measure::Bucket { period: length(pace)?, burst })
}

/// The civil period, where one is said: without a number, and neither rolling nor fixed.
fn civil(pace: Pace) -> Option<CalendarPeriod> {
    if pace.count.is_some() || pace.kind != PaceKind::Unsaid {
        return None;
    }
    match pace.period {
        Period::Day => Some(CalendarPeriod::Day),
        Period::Month => Some(CalendarPeriod::Month),
        Period::Week => Some(CalendarPeriod::Week),
        Period::Hour | Period::Minute | Period::Second => None,
    }
}

/// The length in milliseconds; a month has none.
fn length(pace: &Said<Pace>) -> Result<Span, Mistake> {
    let secs = match pace.what.period {
        Period::Second => 1,
        Period::Minute => 60,
        Period::Hour => 60 * 60,
        Period::Day => DAY_SECS,
        Period::Week => WEEK_SECS,
        Period::Month => {
            let what = "a month has no fixed length; expected \"per month\" or a number of days";
            return Err(Mistake::new(pace.at.clone(), what));
        }
    };
    let secs = pace.what.count.unwrap_or(1).checked_mul(secs).filter(|secs| *secs <= SECS_MAX);
    let too_long = || Mistake::new(pace.at.clone(), "expected a period of at most 366 days");
    secs.map(Span::from_secs).ok_or_else(too_long)
}

fn no_zone(items: &Items) -> Result<(), Mistake> {
    zone_is_out_of_place(items, "a time zone goes with a calendar day, week or month only")
}

fn no_zone_beside_burst(items: &Items) -> Result<(), Mistake> {
    zone_is_out_of_place(items, "a limit with a burst follows no calendar; expected no time zone")
}

fn zone_is_out_of_place(items: &Items, what: &str) -> Result<(), Mistake> {
    match &items.zone {
        Some(zone) => Err(Mistake::new(zone.at.clone(), what)),
        None => Ok(()),
    }
}

/// A leap year: whatever is longer is not a rate.
const SECS_MAX: u64 = 366 * DAY_SECS;
