//! What the headers of an answer say of the provider's limits, and when to come back.
//!
//! Every answer says it, refused or not, and each provider in its own dialect. A report takes what
//! is well formed and counts what is not: a malformed value changes nothing. Everything here is
//! bounded and linear, because it runs on every answer.
//! It is the wrong place to remember anything: a report is what one answer said.

pub(crate) mod fields;
pub(crate) mod hints;
mod ietf;
pub(crate) mod told;

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};
use tollgate_units::{Span, Timestamp};

use self::told::Told;
use crate::dialect::{Calendar, Dialect, LimitHeaders, Windows};
use crate::judge::explained::Explained;
use crate::reset;

/// What a provider's limit counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Counted {
    /// Tokens that the model is given.
    InputTokens,
    /// Anything else: images, bytes, a share of a subscription.
    Other,
    /// Tokens that the model makes.
    OutputTokens,
    /// Requests.
    Requests,
    /// Tokens of both kinds.
    Tokens,
}

/// How what was used comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refill {
    /// All of it at once, when the limit resets.
    AtReset,
    /// Steadily; a reset is when all of it is back.
    Continuous,
}

/// What an answer says of one limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reported {
    /// The limit's name, by which later answers speak of it: `requests`, `tokens-month`.
    pub name: Cow<'static, str>,
    /// What it counts.
    pub counts: Counted,
    /// How it comes back.
    pub refill: Refill,
    /// How long its window is, where that is said, known or can be inferred.
    pub window: Option<Span>,
    /// The calendar that it turns by, if it does.
    pub calendar: Option<Calendar>,
    /// Its amount. Zero is no limit that is used up, but a plan that does not have it.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// When all of it is back.
    pub reset_at: Option<Timestamp>,
    /// What `remaining` is rounded to.
    pub grain: u64,
    /// Whether it is a pool of its own, which other requests than this one may draw on.
    pub is_aside: bool,
    /// Whom it divides among, in bytes that only the provider understands.
    pub partition: Option<Box<[u8]>>,
}

impl Reported {
    /// When all of it is back, as far as that can be believed: some say "now" of a limit of which
    /// nothing is left (Azure does), and mean the end of its window.
    pub fn full_at(&self, now: Timestamp) -> Option<Timestamp> {
        let reset = self.reset_at?;
        let unbelievable = self.remaining == Some(0) && reset <= now;
        if unbelievable { self.window.map(|window| now.plus(window)) } else { Some(reset) }
    }

    /// Of a share that is told instead of numbers: as a limit of this many parts.
    pub const SHARES: u64 = 10_000;
}

/// What one answer says of the provider's limits.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// The limits that it speaks of, at most [`LIMITS_MAX`].
    pub limits: Vec<Reported>,
    /// When the provider says to come back.
    pub retry_after: Option<Span>,
    /// Whether the provider says that the same must not be sent again (`x-should-retry: false`,
    /// which the official clients of OpenAI and Anthropic obey before anything else).
    pub is_final: bool,
    /// How many values could not be read.
    pub malformed: u32,
}

/// More limits than any provider tells of.
pub const LIMITS_MAX: usize = 16;

/// Reads what an answer says of the provider's limits. The body matters where it is an error.
pub fn report(
    dialect: &Dialect,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Report {
    let is_error = status.is_client_error() || status.is_server_error();
    let explained = if is_error { Explained::read(body) } else { Explained::default() };
    report_with(dialect, headers, &explained, now)
}

/// The same, of a body that has been read.
pub(crate) fn report_with(
    dialect: &Dialect,
    headers: &HeaderMap,
    explained: &Explained,
    now: Timestamp,
) -> Report {
    let mut report = Report::default();
    let told = Told::of(headers);
    if !told.is_empty() {
        report.read(dialect, &told, now);
    }
    hints::read(explained, now, &mut report);
    report
}

impl Report {
    fn read(&mut self, dialect: &Dialect, told: &Told<'_>, now: Timestamp) {
        for family in dialect.limits {
            self.family(family, told, now);
        }
        if let Some(more) = dialect.more {
            more(told, now, self);
        }
        ietf::read(told, now, self);
        self.retry_after = self.wait(told, now);
        self.is_final = told
            .first("x-should-retry")
            .is_some_and(|said| said.as_bytes().eq_ignore_ascii_case(b"false"));
    }

    /// Takes note of a limit, unless there are too many.
    pub(crate) fn add(&mut self, limit: Reported) {
        if self.limits.len() < LIMITS_MAX {
            self.limits.push(limit);
        }
    }

    /// A value that could not be read.
    pub(crate) const fn count_malformed(&mut self) {
        self.malformed = self.malformed.saturating_add(1);
    }

    /// Reads a header if it is there; counts it if it cannot be read.
    pub(crate) fn header<'h, T>(
        &mut self,
        told: &Told<'h>,
        name: Option<&str>,
        read: impl FnOnce(&'h str) -> Option<T>,
    ) -> Option<T> {
        let value = told.first(name?)?;
        let meant = value.to_str().ok().and_then(|text| read(text.trim()));
        if meant.is_none() {
            self.count_malformed();
        }
        meant
    }

    fn family(&mut self, family: &LimitHeaders, told: &Told<'_>, now: Timestamp) {
        let limit = self.header(told, family.limit, listed);
        let remaining = self.header(told, family.remaining, amount);
        let reset = self.header(told, family.reset, |text| family.grammar.read(text, now));
        let listed = limit.unwrap_or_default();
        if listed.first == Some(Amount::Unknown) || remaining == Some(Amount::Unknown) {
            // Azure writes -1 of what it does not know, and a reset that means nothing beside it.
            return;
        }
        let (limit, remaining) = (known(listed.first), known(remaining));
        if limit.is_none() && remaining.is_none() && reset.is_none() {
            return;
        }
        let (window, calendar) = match family.windows {
            Windows::Calendar(calendar) => (Some(calendar.length()), Some(calendar)),
            Windows::Header(name) => (self.header(told, Some(name), reset::seconds), None),
            Windows::Inferred => (inferred(limit, remaining, reset, now), None),
            Windows::Lasting(span) => (Some(span), None),
            Windows::Listed => (listed.window, None),
        };
        self.add(Reported {
            name: Cow::Borrowed(family.name),
            counts: family.counts,
            refill: family.refill,
            window,
            calendar,
            limit,
            remaining,
            reset_at: reset,
            grain: family.grain,
            is_aside: family.is_aside,
            partition: None,
        });
    }

    /// When to come back, as the headers say it: what is more exact wins, as in the official
    /// clients. Zero is nothing: some send it with a limit that is still spent.
    fn wait(&mut self, told: &Told<'_>, now: Timestamp) -> Option<Span> {
        const EXACT: [&str; 2] = ["retry-after-ms", "x-ms-retry-after-ms"];
        let believed = |span: &Span| *span <= RETRY_AFTER_MAX;
        let exact = EXACT.iter().find_map(|name| {
            let read = |text| reset::millis(text).filter(believed);
            self.header(told, Some(name), read).filter(|span| !span.is_zero())
        });
        let rough = self.header(told, Some("retry-after"), |text| {
            let until = || reset::http_date(text).map(|date| date.since(now));
            reset::seconds(text).or_else(until).filter(believed)
        });
        exact.or_else(|| rough.filter(|span| !span.is_zero()))
    }
}

/// Longer than this a provider does not mean it.
pub(crate) const RETRY_AFTER_MAX: Span = Span::from_secs(24 * 60 * 60);

/// A number in a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Amount {
    Known(u64),
    Unknown,
}

const fn known(amount: Option<Amount>) -> Option<u64> {
    match amount {
        Some(Amount::Known(number)) => Some(number),
        Some(Amount::Unknown) | None => None,
    }
}

/// More than any limit is: a larger number is a mistake.
pub(crate) const AMOUNT_MAX: u64 = 1 << 53;

fn amount(text: &str) -> Option<Amount> {
    if text == "-1" {
        return Some(Amount::Unknown);
    }
    reset::whole(text).filter(|number| *number <= AMOUNT_MAX).map(Amount::Known)
}

/// The first of several limits, and its window where it has one.
#[derive(Clone, Copy, Debug, Default)]
struct Listed {
    first: Option<Amount>,
    window: Option<Span>,
}

/// `100`, or in older drafts and what grew from them `100, 100;w=60, 1000;window=3600`: the limit
/// in force, and then all of them with their windows.
fn listed(text: &str) -> Option<Listed> {
    let mut members = text.split(',').map(str::trim);
    let first = amount(members.next()?.split(';').next()?.trim_end())?;
    let windows = members.take(LIMITS_MAX).filter_map(|member| {
        let (number, parameters) = member.split_once(';')?;
        let is_first = amount(number.trim_end()) == Some(first);
        let values = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        let mut windows = values.filter(|(key, _)| matches!(key.trim(), "w" | "window"));
        windows.next().filter(|_| is_first).and_then(|(_, value)| reset::seconds(value.trim()))
    });
    let window = { windows }.next();
    // A list that is none is a number with a comma in it: 30,000.
    let is_list = !text.contains(',') || window.is_some();
    is_list.then_some(Listed { first: Some(first), window })
}

/// The window in which what is used would be back when the provider says: a minute or a day.
/// The time is rounded to milliseconds, and what is remaining may be older than it.
fn inferred(
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Timestamp>,
    now: Timestamp,
) -> Option<Span> {
    let (limit, told) = (limit?, reset?.since(now).as_millis());
    let used = limit.saturating_sub(remaining?);
    if used == 0 {
        return None;
    }
    let fits = |window: &&Span| {
        let millis = u128::from(window.as_millis());
        let expected = u128::from(used).saturating_mul(millis) / u128::from(limit.max(1));
        let told = u128::from(told);
        let slack = |time: u128| time.saturating_mul(2).saturating_add(1);
        expected <= slack(told) && told <= slack(expected)
    };
    let mut windows = [MINUTE, DAY].iter().filter(fits).copied();
    // What fits both says nothing.
    windows.next().filter(|_| windows.next().is_none())
}

pub(crate) const MINUTE: Span = Span::from_secs(60);
pub(crate) const DAY: Span = Span::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests;
