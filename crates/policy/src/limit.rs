//! One limit, as the operator wrote it and the policy trusts it.
//!
//! A limit knows its unit, its subject and its sentence; the decision core sees only the
//! [`Rule`] that [`Limit::rule`] makes of it. `Display` writes the canonical sentence, which
//! [`crate::parse`] reads back as the same limit: what a refusal quotes can be pasted into the
//! configuration.

use core::fmt;

use tollgate_limits::Rule;
use tollgate_units::{Amount, NanoUsd, Span, Timestamp};

use crate::calendar::Zone;

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Unit {
    /// Requests in flight.
    Concurrency,
    /// US dollars, in nano-dollars.
    Cost,
    /// Everything the model was given.
    InputTokens,
    /// Everything it produced, reasoning included.
    OutputTokens,
    /// HTTP requests.
    Requests,
    /// Model calls of one session.
    Steps,
    /// Streamed answers that are open.
    Streams,
    /// Input and output together.
    Tokens,
    /// Tools that models asked to be called.
    ToolCalls,
}

impl Unit {
    /// The name in JSON and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Cost => "cost",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Requests => "requests",
            Self::Steps => "steps",
            Self::Streams => "streams",
            Self::Tokens => "tokens",
            Self::ToolCalls => "tool_calls",
        }
    }

    /// The noun of a sentence, for one and for many. Money is written with a `$` and needs none.
    const fn noun(self) -> (&'static str, &'static str) {
        match self {
            Self::Concurrency | Self::Requests => ("request", "requests"),
            Self::Cost => ("", ""),
            Self::InputTokens => ("input token", "input tokens"),
            Self::OutputTokens => ("output token", "output tokens"),
            Self::Steps => ("step", "steps"),
            Self::Streams => ("stream", "streams"),
            Self::Tokens => ("token", "tokens"),
            Self::ToolCalls => ("tool call", "tool calls"),
        }
    }
}

impl fmt::Display for Unit {
    /// As people say it: `input tokens`, `requests at once`, `cost`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Concurrency => "requests at once",
            Self::Cost => "cost",
            counted => counted.noun().1,
        })
    }
}

/// Whom a limit divides among.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SubjectKind {
    /// The value of a request header.
    Header(String),
    /// The peer's address; IPv6 by /64.
    Ip,
    /// The key that was presented.
    Key,
    /// The model that was asked for.
    Model,
    /// The organisation of the key.
    Org,
    /// The path of the request.
    Path,
    /// The project of the key.
    Project,
    /// The account that serves the request.
    Provider,
    /// One conversation.
    Session,
    /// The team of the key.
    Team,
    /// The tier that the caller is in.
    Tier,
    /// The person.
    User,
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header(name) => return write!(f, "header:{name}"),
            Self::Ip => "ip",
            Self::Key => "key",
            Self::Model => "model",
            Self::Org => "org",
            Self::Path => "path",
            Self::Project => "project",
            Self::Provider => "provider",
            Self::Session => "session",
            Self::Team => "team",
            Self::Tier => "tier",
            Self::User => "user",
        })
    }
}

/// The civil periods that a calendar limit can have.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CalendarPeriod {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
    /// An ISO week, from Monday.
    Week,
}

impl fmt::Display for CalendarPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Week => "week",
        })
    }
}

/// How a limit counts, before it is known what time it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Measure {
    /// At most the amount at any instant.
    AtOnce,
    /// The amount flows in every `period`; `burst` may be saved up.
    Bucket {
        /// In which the amount flows in.
        period: Span,
        /// How much can be saved up.
        burst: Amount,
    },
    /// At most the amount in each civil day, week or month.
    Calendar {
        /// Which.
        period: CalendarPeriod,
        /// Where it begins and ends.
        zone: Zone,
    },
    /// At most the amount in each window, aligned to the Unix epoch.
    Fixed {
        /// The length of a window.
        window: Span,
    },
    /// At most the amount in every interval of this length.
    Sliding {
        /// The length of the interval.
        window: Span,
    },
    /// At most the amount, ever.
    Total,
}

/// One sentence of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    /// The operator's name for it, which tells it from others like it.
    pub name: Option<String>,
    /// What is counted.
    pub unit: Unit,
    /// How much; nano-dollars where the unit is cost.
    pub amount: Amount,
    /// How it is counted.
    pub measure: Measure,
    /// Whom it divides among, sorted, each once. Nobody: everybody together.
    pub subjects: Vec<SubjectKind>,
    /// What happens when it is exceeded.
    pub exceed: Exceed,
    /// At what percentage of the amount somebody is warned; 1 to 100.
    pub warn: Option<u8>,
    /// Decided and recorded, never enforced.
    pub shadow: bool,
}

/// What happens to a request that a limit has no room for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Exceed {
    /// It is served, and no tool can be called: an agent may finish its sentence.
    AnswerWithoutTools,
    /// It is decided again for another model, which this limit neither counts nor refuses.
    Downgrade(String),
    /// It is refused.
    Reject,
}

impl Limit {
    /// What makes this limit the same one after a change of its amount. Within one owner no two
    /// limits may share it; a name tells two apart that otherwise would.
    ///
    /// A named limit that comes to count otherwise is another one: what its meter holds could not
    /// be read by the new rule.
    pub fn identity(&self) -> String {
        let rule = match self.measure {
            Measure::AtOnce => "held",
            Measure::Bucket { .. } => "bucket",
            Measure::Calendar { .. } => "calendar",
            Measure::Fixed { .. } => "fixed",
            Measure::Sliding { .. } => "sliding",
            Measure::Total => "total",
        };
        let mut identity = format!("{}, {rule} {}", self.unit.label(), self.measure);
        for kind in &self.subjects {
            identity.push_str(", ");
            identity.push_str(&kind.to_string());
        }
        if let Some(name) = &self.name {
            identity.push_str(", named ");
            identity.push_str(name);
        }
        identity
    }

    /// The rule for the decision core. `turns` are those of the limit's calendar, and matter to
    /// no other measure; `idle` ends the life of a total's subject.
    pub fn rule(&self, turns: [Timestamp; 3], idle: Span) -> Rule {
        let most = self.amount;
        match self.measure {
            Measure::AtOnce => Rule::AtOnce { most, lease: Span::MAX },
            Measure::Bucket { period, burst } => Rule::Bucket { burst, units: most, period },
            Measure::Calendar { .. } => Rule::Calendar { most, turns },
            Measure::Fixed { window } => Rule::Fixed { most, window },
            Measure::Sliding { window } => Rule::Sliding { most, window },
            Measure::Total => Rule::Total { most, idle },
        }
    }

    /// The most that one moment can hold: a bucket's burst, else the amount.
    pub const fn most(&self) -> Amount {
        match &self.measure {
            Measure::Bucket { burst, .. } => *burst,
            Measure::AtOnce
            | Measure::Calendar { .. }
            | Measure::Fixed { .. }
            | Measure::Sliding { .. }
            | Measure::Total => self.amount,
        }
    }

    /// In what time [`Limit::most`] comes back at most: a bucket's burst at its rate, else the
    /// window.
    pub fn fills_in(&self) -> Option<Span> {
        let Measure::Bucket { period, burst } = &self.measure else {
            return self.window();
        };
        let ticks = u128::from(burst.get()) * u128::from(period.as_millis());
        let millis = ticks.checked_div(u128::from(self.amount.get()))?;
        Some(Span::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    /// Whether it counts callers, each by something that all of them have in the end.
    pub fn counts_callers(&self) -> bool {
        self.subjects.iter().any(|kind| match kind {
            SubjectKind::Header(_)
            | SubjectKind::Ip
            | SubjectKind::Key
            | SubjectKind::Org
            | SubjectKind::Project
            | SubjectKind::Session
            | SubjectKind::Team
            | SubjectKind::User => true,
            SubjectKind::Model | SubjectKind::Path | SubjectKind::Provider | SubjectKind::Tier => {
                false
            }
        })
    }

    /// The length of the window, nominal for calendars. At once and total have none.
    pub fn window(&self) -> Option<Span> {
        match &self.measure {
            Measure::AtOnce | Measure::Total => None,
            Measure::Bucket { period: window, .. }
            | Measure::Fixed { window }
            | Measure::Sliding { window } => Some(*window),
            Measure::Calendar { period, .. } => Some(Span::from_secs(match period {
                CalendarPeriod::Day => DAY_SECS,
                CalendarPeriod::Week => WEEK_SECS,
                CalendarPeriod::Month => 31 * DAY_SECS,
            })),
        }
    }

    /// `amount` of this limit's unit as people write it: `10,000`, `$25.00`.
    pub fn show_amount(&self, amount: Amount) -> String {
        if self.unit == Unit::Cost {
            NanoUsd::new(amount.get()).to_string()
        } else {
            grouped(amount.get())
        }
    }

    /// As in a sentence: short where nothing is lost by it (`10k`, `1.5M`, `$500`).
    fn short_amount(&self, amount: Amount) -> String {
        let units = amount.get();
        if self.unit == Unit::Cost {
            let dollars = units / NANOS_PER_DOLLAR;
            if units.is_multiple_of(NANOS_PER_DOLLAR) {
                return format!("${}", grouped(dollars));
            }
            return NanoUsd::new(units).to_string();
        }
        if units >= 1_000_000 && units.is_multiple_of(100_000) {
            return match units / 100_000 % 10 {
                0 => format!("{}M", grouped(units / 1_000_000)),
                tenth => format!("{}.{tenth}M", grouped(units / 1_000_000)),
            };
        }
        if units >= 10_000 && units.is_multiple_of(1_000) {
            return format!("{}k", grouped(units / 1_000));
        }
        grouped(units)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short_amount(self.amount))?;
        if self.unit != Unit::Cost {
            let (one, many) = self.unit.noun();
            write!(f, " {}", if self.amount == Amount::ONE { one } else { many })?;
        }
        if self.measure != Measure::Total {
            write!(f, " {}", self.measure)?;
        }
        if let Measure::Bucket { burst, .. } = self.measure {
            write!(f, ", burst {}", self.short_amount(burst))?;
            f.write_str(if self.subjects.is_empty() { "" } else { "," })?;
        }
        for (at, kind) in self.subjects.iter().enumerate() {
            write!(f, " {} {kind}", if at == 0 { "per" } else { "and" })?;
        }
        if let Some(name) = &self.name {
            write!(f, ", named {name}")?;
        }
        match &self.exceed {
            Exceed::AnswerWithoutTools => f.write_str(", then answer without tools")?,
            Exceed::Downgrade(model) => write!(f, ", then downgrade to {model}")?,
            Exceed::Reject => {}
        }
        if let Some(percent) = self.warn {
            write!(f, ", warn at {percent}%")?;
        }
        if self.shadow { f.write_str(", shadow") } else { Ok(()) }
    }
}

impl fmt::Display for Measure {
    /// The words that choose this measure; a burst is an amount and not among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce => f.write_str("at once"),
            Self::Bucket { period, .. } => write!(f, "per {}", Length(*period)),
            Self::Calendar { period, zone } if zone.is_utc() => write!(f, "per {period}"),
            Self::Calendar { period, zone } => write!(f, "per {period} in {}", zone.name()),
            Self::Fixed { window } => write!(f, "per fixed {}", Length(*window)),
            Self::Sliding { window } if is_civil(*window) => {
                write!(f, "per rolling {}", Length(*window))
            }
            Self::Sliding { window } => write!(f, "per {}", Length(*window)),
            Self::Total => f.write_str("in total"),
        }
    }
}

/// Whether the bare word for this length means a calendar window.
fn is_civil(window: Span) -> bool {
    window == Span::from_secs(DAY_SECS) || window == Span::from_secs(WEEK_SECS)
}

/// A length of time in the largest unit that leaves no remainder.
struct Length(Span);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs_ceil();
        let fits = |(_, unit): &&(&str, u64)| secs >= *unit && secs.is_multiple_of(*unit);
        let (word, unit) = *LENGTHS.iter().find(fits).unwrap_or(&("second", 1));
        match secs / unit {
            1 => f.write_str(word),
            many => write!(f, "{many} {word}s"),
        }
    }
}

/// Thousands with commas.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const NANOS_PER_DOLLAR: u64 = 1_000_000_000;
pub(crate) const DAY_SECS: u64 = 24 * 60 * 60;
pub(crate) const WEEK_SECS: u64 = 7 * DAY_SECS;
const LENGTHS: [(&str, u64); 5] =
    [("week", WEEK_SECS), ("day", DAY_SECS), ("hour", 3600), ("minute", 60), ("second", 1)];

#[cfg(test)]
mod tests;
