//! What an error's body says of limits: Google's details, and sentences for people.

use std::borrow::Cow;

use serde_json::Value as Json;
use tollgate_units::{Span, Timestamp};

use super::{AMOUNT_MAX, Counted, DAY, LIMITS_MAX, MINUTE, RETRY_AFTER_MAX, Refill, Report};
use super::{Reported, reset};
use crate::dialect::Calendar;
use crate::judge::explained::Explained;

/// Adds what the body says. What the headers say of the wait is more exact than any sentence, and
/// a limit for the day outlasts whatever wait is told beside it.
pub(super) fn read(explained: &Explained, now: Timestamp, report: &mut Report) {
    let told = told_delay(explained);
    let violations = explained.details("google.rpc.QuotaFailure");
    let violations = violations.filter_map(|detail| detail.get("violations")?.as_array());
    let mut until_reset = None;
    for violation in violations.flatten().take(LIMITS_MAX) {
        let limit = limit_of_violation(violation, told, now);
        if limit.calendar.is_some() {
            until_reset = limit.reset_at.map(|reset| reset.since(now));
        }
        report.add(limit);
    }
    let told = told.filter(|span| *span <= RETRY_AFTER_MAX && !span.is_zero());
    let said = || told.or_else(|| said_in(explained.message()));
    report.retry_after = until_reset.or(report.retry_after).or_else(said);
}

/// Google's `RetryInfo`.
fn told_delay(explained: &Explained) -> Option<Span> {
    let mut infos = explained.details("google.rpc.RetryInfo");
    infos.find_map(|detail| reset::go_duration(detail.get("retryDelay")?.as_str()?))
}

/// One of the quotas that a request ran into at Google. A quota for the day is over at midnight in
/// California, whatever delay is told beside it.
fn limit_of_violation(violation: &Json, told: Option<Span>, now: Timestamp) -> Reported {
    let said = |name: &str| violation.get(name).and_then(Json::as_str).unwrap_or_default();
    let (id, metric) = (said("quotaId"), said("quotaMetric"));
    let is_daily = id.contains("PerDay");
    let is_minutely = id.contains("PerMinute");
    let calendar = is_daily.then_some(Calendar::DayPacific);
    let counts = if id.contains("InputToken") || metric.contains("input_token") {
        Counted::InputTokens
    } else if id.contains("Token") || metric.contains("token") {
        Counted::Tokens
    } else if id.contains("Requests") || metric.contains("requests") {
        Counted::Requests
    } else {
        Counted::Other
    };
    let name = if id.is_empty() { metric } else { id };
    let at_midnight = calendar.map(|calendar| calendar.turns_after(now));
    Reported {
        name: Cow::Owned(name.chars().take(NAME_CHARS_MAX).collect()),
        counts,
        refill: Refill::AtReset,
        window: if is_daily { Some(DAY) } else { is_minutely.then_some(MINUTE) },
        calendar,
        limit: reset::whole(said("quotaValue")).filter(|number| *number <= AMOUNT_MAX),
        remaining: Some(0),
        reset_at: at_midnight.or_else(|| told.map(|span| now.plus(span))),
        grain: 1,
        is_aside: false,
        partition: None,
    }
}

const NAME_CHARS_MAX: usize = 128;

/// "Please try again in 84ms.", "Please retry after 60 seconds."
fn said_in(message: &str) -> Option<Span> {
    let after = SAYINGS.iter().find_map(|saying| {
        let at = find_ignoring_case(message, saying)?;
        message.get(at.checked_add(saying.len())?..)
    })?;
    let mut words = after.split_whitespace();
    let number = words.next()?.trim_end_matches(['.', ',', ';', ')']);
    let unit = words.next().unwrap_or_default().to_ascii_lowercase();
    let span = if number.ends_with(|letter: char| letter.is_ascii_digit()) {
        match unit.trim_end_matches(['.', ',', ';', ')']) {
            "millisecond" | "milliseconds" | "ms" => reset::millis(number),
            "minute" | "minutes" => reset::minutes(number),
            "s" | "sec" | "second" | "seconds" => reset::seconds(number),
            _ => None,
        }
    } else {
        reset::go_duration(number)
    };
    span.filter(|span| *span <= RETRY_AFTER_MAX && !span.is_zero())
}

const SAYINGS: &[&str] = &["try again in ", "retry in ", "retry after "];

/// Where `needle`, which is in lower case, first stands in `text`.
pub(crate) fn find_ignoring_case(text: &str, needle: &str) -> Option<usize> {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let text = text.get(..text.len().min(MESSAGE_BYTES_MAX))?;
    text.windows(needle.len().max(1)).position(|part| part.eq_ignore_ascii_case(needle))
}

/// What matters in a message for people stands at its beginning.
const MESSAGE_BYTES_MAX: usize = 4096;
