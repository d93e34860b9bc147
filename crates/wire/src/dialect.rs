//! How each provider speaks of its limits: one small file a provider, all of it data.
//!
//! A dialect says which headers tell of which limit and in what grammar, what a request is charged
//! against them before and after it ran, what the provider's errors mean, and whether it stops
//! billing when nobody listens any more. A function stands where data cannot say it.
//! It is the wrong place for what bodies ask and streams report: those are protocols.

mod anthropic;
mod azure;
mod cerebras;
mod codex;
mod cohere;
pub(crate) mod compatible;
mod fireworks;
mod gemini;
mod github;
mod groq;
mod mistral;
mod nebius;
mod openai;
mod openrouter;
mod reserve;
mod sambanova;
mod share;
mod together;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tollgate_units::{Span, Timestamp};

pub use self::reserve::{ReserveRule, Weighed};
use crate::limits::told::Told;
use crate::limits::{Counted, DAY, Refill, Report};
use crate::reset::ResetGrammar;

/// How a provider speaks of its limits.
#[derive(Debug)]
pub struct Dialect {
    /// Its name, in lower case.
    pub name: &'static str,
    /// Where it is asked, where there is one place for everybody.
    pub base_url: Option<&'static str>,
    /// What its hosts' names end in.
    pub hosts: &'static [&'static str],
    /// The headers that tell of its limits, besides those of the IETF draft, which anybody may
    /// send.
    pub limits: &'static [LimitHeaders],
    /// What else headers tell of its limits.
    pub more: Option<MoreHeaders>,
    /// What a request is charged against limits on tokens.
    pub reserve: ReserveRule,
    /// What its errors mean, where the status does not say it.
    pub errors: &'static [ErrorRule],
    /// Whether it stops generating, and billing, when a stream is broken off; none where nobody
    /// has said.
    pub stops_billing: Option<bool>,
}

/// Reads headers that a table cannot describe, at an instant, into a report.
pub type MoreHeaders = fn(&Told<'_>, Timestamp, &mut Report);

/// The headers that tell of one limit.
#[derive(Debug)]
pub struct LimitHeaders {
    /// The limit's name.
    pub name: &'static str,
    /// What it counts.
    pub counts: Counted,
    /// The header with its amount.
    pub limit: Option<&'static str>,
    /// The header with what is left.
    pub remaining: Option<&'static str>,
    /// The header with its reset, and what that is written in.
    pub reset: Option<&'static str>,
    /// What `reset` is written in.
    pub grammar: ResetGrammar,
    /// How it comes back.
    pub refill: Refill,
    /// How long its window is.
    pub windows: Windows,
    /// What `remaining` is rounded to.
    pub grain: u64,
    /// Whether it is a pool of its own, which only some requests draw on.
    pub is_aside: bool,
}

/// A limit that no header tells of: what a dialect's own start from.
const UNTOLD: LimitHeaders = LimitHeaders {
    name: "",
    counts: Counted::Other,
    limit: None,
    remaining: None,
    reset: None,
    grammar: ResetGrammar::Any,
    refill: Refill::AtReset,
    windows: Windows::Listed,
    grain: 1,
    is_aside: false,
};

/// Where the length of a limit's window is from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Windows {
    /// It turns with the calendar.
    Calendar(Calendar),
    /// A header of this name says it, in seconds.
    Header(&'static str),
    /// It follows from what is used and when that is back: a minute or a day.
    Inferred,
    /// It is always this.
    Lasting(Span),
    /// The list of limits says it, if there is one.
    Listed,
}

/// A calendar that limits turn by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Calendar {
    /// Days that begin at midnight in California, summer time included.
    DayPacific,
    /// Days that begin at midnight UTC.
    DayUtc,
    /// Months that begin on the first at midnight UTC.
    MonthUtc,
}

impl Calendar {
    /// How long it is from turn to turn, roughly: a month has thirty days.
    pub const fn length(self) -> Span {
        match self {
            Self::DayPacific | Self::DayUtc => DAY,
            Self::MonthUtc => Span::from_secs(30 * 24 * 60 * 60),
        }
    }

    /// The first turn after `now`.
    pub fn turns_after(self, now: Timestamp) -> Timestamp {
        let turn = || {
            let instant = jiff::Timestamp::from_millisecond(i64::try_from(now.as_millis()).ok()?);
            let zone = match self {
                // The rule in force since 2007, written out: no file of time zones is read here.
                Self::DayPacific => TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").ok()?,
                Self::DayUtc | Self::MonthUtc => TimeZone::UTC,
            };
            let today: Date = instant.ok()?.to_zoned(zone.clone()).date();
            let next = match self {
                Self::DayPacific | Self::DayUtc => today.tomorrow().ok()?,
                Self::MonthUtc => today.last_of_month().tomorrow().ok()?,
            };
            let start = next.to_zoned(zone).ok()?.timestamp().as_millisecond();
            u64::try_from(start).ok().map(Timestamp::from_millis)
        };
        // Beyond the end of all calendars nothing turns any more.
        turn().unwrap_or(Timestamp::MAX)
    }
}

/// What an error means that says something.
#[derive(Debug)]
pub struct ErrorRule {
    /// With which statuses it comes.
    pub at: &'static [u16],
    /// What it says.
    pub says: Says,
    /// What that means.
    pub means: Meaning,
}

/// What is looked for in an error.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// One of its codes: `code`, `type`, `status`, `reason`, or Anthropic's `error_code`.
    Code(&'static str),
    /// How its message begins, in lower case. Further on it may repeat what the caller wrote.
    Opening(&'static str),
    /// Words of its message, in lower case, where nothing of the caller's is repeated.
    Words(&'static str),
}

/// What an error means that its status alone does not say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Meaning {
    /// The account has nothing left to spend.
    Exhausted,
    /// The account's plan has none of this.
    NoQuota,
    /// The account is refused.
    OperatorFault,
    /// The provider has too much to do, whoever asks.
    Overloaded,
    /// The request alone is larger than the account's limit.
    TooLarge,
}

/// An error that says `says` at one of the statuses `at`.
const fn rule(at: &'static [u16], says: Says, means: Meaning) -> ErrorRule {
    ErrorRule { at, says, means }
}

/// Every dialect there is.
pub static DIALECTS: [&Dialect; 15] = [
    &openai::DIALECT,
    &azure::DIALECT,
    &anthropic::DIALECT,
    &cohere::DIALECT,
    &gemini::DIALECT,
    &mistral::DIALECT,
    &groq::DIALECT,
    &openrouter::DIALECT,
    &cerebras::DIALECT,
    &fireworks::DIALECT,
    &together::DIALECT,
    &nebius::DIALECT,
    &github::DIALECT,
    &sambanova::DIALECT,
    &codex::DIALECT,
];

/// The dialect of a provider of `kind`, as configurations call it, at `host` (a port may follow).
/// OpenAI's protocol is spoken by many, so there the host decides; one that nobody knows has the
/// generous dialect of all that are compatible.
pub fn dialect_of(kind: &str, host: &str) -> &'static Dialect {
    match kind {
        "anthropic" => &anthropic::DIALECT,
        "azure-openai" => &azure::DIALECT,
        "cohere" => &cohere::DIALECT,
        "gemini" => &gemini::DIALECT,
        _ => {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            let known = DIALECTS
                .iter()
                .find(|dialect| dialect.hosts.iter().any(|suffix| is_within(name, suffix)));
            known.copied().unwrap_or(&compatible::DIALECT)
        }
    }
}

/// Whether `host` is `domain` or below it.
fn is_within(host: &str, domain: &str) -> bool {
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    let Some((before, end)) = host.split_at_checked(start) else { return false };
    end.eq_ignore_ascii_case(domain) && (before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests;
