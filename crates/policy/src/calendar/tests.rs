//! Days of 23, 24 and 25 hours, and days that are not there.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;
use tollgate_units::Timestamp;

use super::{Turns, Zone, turns};
use crate::limit::CalendarPeriod;

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap_or_else(|| panic!("no zone {name}"))
}

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap_or_else(|err| panic!("{text}: {err}"));
    Timestamp::from_millis(u64::try_from(instant.as_millisecond()).expect("after 1970"))
}

fn shown(turns: [Timestamp; 3]) -> [String; 3] {
    turns.map(|turn| {
        let millis = i64::try_from(turn.as_millis()).expect("in range");
        jiff::Timestamp::from_millisecond(millis).expect("in range").to_string()
    })
}

/// Period, zone, now, and the three turns.
type Row = (CalendarPeriod, &'static str, &'static str, [&'static str; 3]);

const TABLE: &[Row] = &[
    (
        CalendarPeriod::Day,
        "UTC",
        "2026-11-22T12:00:00Z",
        ["2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"],
    ),
    // The first millisecond of a day belongs to it.
    (
        CalendarPeriod::Day,
        "UTC",
        "2026-11-22T00:00:00Z",
        ["2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"],
    ),
    (
        CalendarPeriod::Day,
        "UTC",
        "2026-11-21T23:59:59.999Z",
        ["2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"],
    ),
    // 23 hours, then 24.
    (
        CalendarPeriod::Day,
        "Europe/Berlin",
        "2026-03-29T10:00:00Z",
        ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"],
    ),
    // 25 hours.
    (
        CalendarPeriod::Day,
        "Europe/Berlin",
        "2026-10-25T10:00:00Z",
        ["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"],
    ),
    // February 29, and the month around it.
    (
        CalendarPeriod::Day,
        "UTC",
        "2028-02-29T10:00:00Z",
        ["2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z", "2028-03-02T00:00:00Z"],
    ),
    (
        CalendarPeriod::Month,
        "UTC",
        "2028-02-29T10:00:00Z",
        ["2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z", "2028-04-01T00:00:00Z"],
    ),
    (
        CalendarPeriod::Month,
        "Europe/Berlin",
        "2026-12-31T23:30:00Z",
        ["2026-12-31T23:00:00Z", "2027-01-31T23:00:00Z", "2027-02-28T23:00:00Z"],
    ),
    // ISO weeks begin on Monday, across a year's end too.
    (
        CalendarPeriod::Week,
        "UTC",
        "2026-11-22T12:00:00Z",
        ["2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"],
    ),
    (
        CalendarPeriod::Week,
        "UTC",
        "2027-01-01T12:00:00Z",
        ["2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z", "2027-01-11T00:00:00Z"],
    ),
    // Cairo has no midnight on 2024-04-26: clocks go from 00:00 to 01:00.
    (
        CalendarPeriod::Day,
        "Africa/Cairo",
        "2024-04-26T10:00:00Z",
        ["2024-04-25T22:00:00Z", "2024-04-26T21:00:00Z", "2024-04-27T21:00:00Z"],
    ),
    // Havana has two midnights on 2024-11-03; the day begins at the first.
    (
        CalendarPeriod::Day,
        "America/Havana",
        "2024-11-03T05:30:00Z",
        ["2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z", "2024-11-05T05:00:00Z"],
    ),
    // St. John's went back from 00:01 to 23:01: it shows yesterday, but today has begun.
    (
        CalendarPeriod::Day,
        "America/St_Johns",
        "2006-10-29T02:45:00Z",
        ["2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z", "2006-10-31T03:30:00Z"],
    ),
    // Samoa left out 2011-12-30.
    (
        CalendarPeriod::Day,
        "Pacific/Apia",
        "2011-12-30T09:00:00Z",
        ["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"],
    ),
];

#[test]
fn windows_begin_and_end_where_the_zone_says() {
    for (period, name, now, expected) in TABLE {
        let turned = turns(*period, &zone(name), at(now));
        assert_eq!(shown(turned), expected.map(str::to_owned), "{period} in {name} at {now}");
    }
}

#[test]
fn a_clock_beyond_the_calendar_has_one_window_that_never_ends() {
    let forever = [Timestamp::EPOCH, Timestamp::MAX, Timestamp::MAX];
    assert_eq!(turns(CalendarPeriod::Day, &Zone::utc(), Timestamp::MAX), forever);
    let far = Timestamp::from_millis(300_000_000_000_000);
    assert_eq!(turns(CalendarPeriod::Month, &zone("Europe/Berlin"), far), forever);
}

#[test]
fn remembered_turns_are_the_reckoned_ones() {
    let berlin = zone("Europe/Berlin");
    let known = Turns::new(CalendarPeriod::Day, berlin.clone());
    let start = at("2026-03-27T00:00:00Z").as_millis();
    // Forwards by a little under half an hour, and once back.
    let forwards = (0..400).map(|step| start + step * 1_799_993);
    for millis in forwards.chain([start]) {
        let now = Timestamp::from_millis(millis);
        assert_eq!(known.at(now), turns(CalendarPeriod::Day, &berlin, now), "{millis}");
    }
}

#[test]
fn a_zone_is_found_by_name_in_any_case_and_nearly() {
    assert_eq!(
        Zone::named("europe/berlin").map(|zone| zone.name().to_owned()).as_deref(),
        Some("Europe/Berlin")
    );
    assert!(Zone::named("utc").is_some_and(|zone| zone.is_utc()));
    assert_eq!(Zone::named("Europe/Brelin"), None);
    assert_eq!(Zone::named("CET-1CEST"), None, "a zone is a name, not a formula");
    assert_eq!(Zone::nearest("Europe/Brelin").as_deref(), Some("Europe/Berlin"));
    assert_eq!(Zone::nearest("new_york").as_deref(), Some("America/New_York"));
    assert_eq!(Zone::nearest("zzzzzzzzzz"), None);
}

#[test]
fn every_zone_of_the_database_turns() {
    let now = at("2026-11-22T12:00:00Z");
    for name in TimeZoneDatabase::bundled().available() {
        let zone = zone(&name.to_string());
        for period in [CalendarPeriod::Day, CalendarPeriod::Month, CalendarPeriod::Week] {
            let [begin, end, after] = turns(period, &zone, now);
            assert!(begin <= now && now < end && end < after, "{period} in {zone:?}");
            assert!(after < Timestamp::MAX, "{period} in {zone:?}");
        }
    }
}

proptest! {
    #[test]
    fn windows_follow_each_other_without_gap_or_overlap(
        millis in 0..4_102_444_800_000u64,
        name in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/St_Johns", "America/Havana", "Africa/Cairo",
            "Pacific/Apia", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo",
        ]),
        period in prop::sample::select(vec![
            CalendarPeriod::Day, CalendarPeriod::Month, CalendarPeriod::Week,
        ]),
    ) {
        let zone = zone(name);
        let now = Timestamp::from_millis(millis);
        let [begin, end, after] = turns(period, &zone, now);
        prop_assert!(begin <= now && now < end && end < after, "{} in {} at {}", period, name, millis);
        // Wherever in the window one asks, the answer is the same; at its end it is the next.
        prop_assert_eq!(turns(period, &zone, begin), [begin, end, after]);
        let last = Timestamp::from_millis(end.as_millis() - 1);
        prop_assert_eq!(turns(period, &zone, last), [begin, end, after]);
        prop_assert_eq!(turns(period, &zone, end)[..2].to_vec(), vec![end, after]);
    }

    #[test]
    fn a_day_shows_one_date_where_clocks_do_not_change_at_midnight(
        millis in 0..4_102_444_800_000i64,
    ) {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        let instant = jiff::Timestamp::from_millisecond(millis).expect("in range");
        let day = instant.to_zoned(berlin).start_of_day().expect("a day");
        let now = Timestamp::from_millis(u64::try_from(millis).expect("after 1970"));
        let begin = turns(CalendarPeriod::Day, &zone("Europe/Berlin"), now)[0];
        let expected = u64::try_from(day.timestamp().as_millisecond()).unwrap_or(0);
        prop_assert_eq!(begin.as_millis(), expected);
    }
}
