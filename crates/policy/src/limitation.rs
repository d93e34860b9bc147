//! What is told of limits that have no room: which of them binds, whom it counts, and when it will.
//!
//! What others use of a shared limit is not the caller's business, so such a limit is named without
//! its numbers.

use tollgate_limits::{Denied, Short, Standing, Wait};
use tollgate_units::{Amount, NanoUsd, Span, Timestamp};
use tollgate_wire::{Limited, Notice, NoticeKind};

use crate::bound::BoundLimit;
use crate::charge::Request;
use crate::plan::{Candidate, Plan};
use crate::refusal::{ELSEWHERE, Refusal};
use crate::spans::{in_words, window_in_words};
use crate::{Measure, SubjectKind, Unit};

/// Limits that had no room, and the one that binds: the one with the longest wait.
#[derive(Debug)]
pub struct Limitation {
    /// Whether waiting helps, within a day and by the passing of time.
    kind: NoticeKind,
    message: String,
    limited: Limited,
    wait: Wait,
    unit: Unit,
    meter: u128,
}

impl Limitation {
    /// When the request would fit, if nothing else came.
    pub const fn wait(&self) -> Wait {
        self.wait
    }

    /// What the binding limit counts: a metric's label.
    pub const fn unit_label(&self) -> &'static str {
        self.unit.label()
    }

    /// The binding meter: refusals of the same request by the same meter are retries of each other.
    pub const fn meter(&self) -> u128 {
        self.meter
    }
}

impl Limitation {
    pub(crate) fn notice(self, request_id: String, jitter: Span) -> Notice {
        let mut limited = self.limited;
        limited.retry_after = limited.wait.map(|wait| wait.plus(jitter));
        Notice {
            kind: self.kind,
            message: self.message,
            param: None,
            retry_after: limited.retry_after,
            jitter: Span::ZERO,
            limited: Some(limited),
            request_id,
        }
    }
}

impl Plan {
    /// The refusal of `candidate` by the limits named in `denied`, at `now`.
    pub fn refusal(&self, candidate: &Candidate, denied: &Denied, now: Timestamp) -> Refusal {
        // Of equal waits the first stands: the key's and the tier's limits come before everybody's.
        let binding = denied.short.iter().rev().max_by_key(|short| short.wait);
        let found = binding.and_then(|short| {
            let limit = candidate.limits().get(short.charge)?;
            let charge = candidate.charges().iter().nth(short.charge)?;
            let standing = *denied.standings.get(short.charge)?;
            Some((short, limit, charge.meter, standing))
        });
        let Some((short, limit, meter, standing)) = found else {
            return Refusal::TooManyLimits;
        };
        let names = denied.short.iter().filter_map(|short| candidate.limits().get(short.charge));
        let refused_by = names.map(|limit| limit.name_for_caller()).collect();
        let subject = self.subject_of(limit, candidate);
        let (subject, elsewhere) = (subject.as_deref(), self.ask.prompt.elsewhere);
        let telling = Telling { limit, standing, short, subject, elsewhere, now };
        Refusal::Limited(Box::new(Limitation {
            kind: telling.kind(),
            message: telling.message(),
            limited: telling.limited(self.caller.tier_name(), refused_by),
            wait: short.wait,
            unit: limit.limit.unit,
            meter: meter.get(),
        }))
    }

    pub(crate) fn subject_of(&self, limit: &BoundLimit, candidate: &Candidate) -> Option<String> {
        let request =
            Request { caller: &self.caller, model: &self.model, endpoint: self.ask.endpoint };
        let subjects = request.subjects(limit, Some(candidate.deployment()));
        limit.whom(&subjects)
    }
}

impl BoundLimit {
    /// Whether the limit counts nobody beyond the caller's own key, user, team, session or address.
    pub fn is_own(&self) -> bool {
        let of_the_caller = self.limit.subjects.iter().any(|kind| {
            matches!(
                kind,
                SubjectKind::Ip
                    | SubjectKind::Key
                    | SubjectKind::Session
                    | SubjectKind::Team
                    | SubjectKind::User
            )
        });
        of_the_caller || self.is_of_its_own
    }

    /// What the limit is called to a caller: the operator's sentence, or for a limit that is shared
    /// with others its kind without the amount.
    pub fn name_for_caller(&self) -> String {
        if self.is_own() { self.sentence().to_owned() } else { self.public_name() }
    }

    /// Whether the meter comes back as a whole at an instant that can be named.
    pub fn resets(&self) -> bool {
        !matches!(self.limit.measure, Measure::AtOnce | Measure::Total)
    }

    /// An amount of this limit's unit in JSON: a number, or for money a decimal string.
    pub fn amount_in_json(&self, amount: Amount) -> AmountInJson {
        match self.limit.unit {
            Unit::Cost => AmountInJson::Money(NanoUsd::new(amount.get())),
            Unit::Concurrency
            | Unit::InputTokens
            | Unit::OutputTokens
            | Unit::Requests
            | Unit::Steps
            | Unit::Streams
            | Unit::Tokens
            | Unit::ToolCalls => AmountInJson::Count(amount.get()),
        }
    }
}

/// An amount as JSON shows it.
#[derive(Clone, Copy, Debug)]
pub enum AmountInJson {
    /// A number.
    Count(u64),
    /// A decimal string of dollars.
    Money(NanoUsd),
}

/// What is told of the limit that binds.
struct Telling<'a> {
    limit: &'a BoundLimit,
    standing: Standing,
    short: &'a Short,
    subject: Option<&'a str>,
    /// Whether a document is part of the prompt that the body only says the way to.
    elsewhere: bool,
    now: Timestamp,
}

impl Telling<'_> {
    /// A limit that comes back within a day by waiting is a rate; a calendar, a total, a window of
    /// a day or longer and a request that can never fit are a quota that is spent.
    fn kind(&self) -> NoticeKind {
        let spent = self.wait().is_none()
            || match &self.limit.limit.measure {
                Measure::Calendar { .. } | Measure::Total => true,
                Measure::Fixed { window } | Measure::Sliding { window } => *window >= DAY,
                Measure::AtOnce | Measure::Bucket { .. } => false,
            };
        if spent { NoticeKind::LimitSpent } else { NoticeKind::LimitExceeded }
    }

    fn wait(&self) -> Option<Span> {
        match self.short.wait {
            Wait::Never => None,
            Wait::Until(at) => Some(at.since(self.now)),
        }
    }

    fn message(&self) -> String {
        let limit = self.limit;
        let show = |amount| limit.limit.show_amount(amount);
        let name = limit.name_for_caller();
        let is_too_large = self.short.asked > limit.limit.most();
        let advice = match self.wait() {
            Some(wait) => format!("Try again in {}.", in_words(wait)),
            None if is_too_large && self.elsewhere && self.is_of_size() => {
                format!("Waiting does not help. {ELSEWHERE}")
            }
            None if is_too_large && self.is_of_size() => {
                "Waiting does not help: send a shorter prompt, or ask for fewer output tokens."
                    .to_owned()
            }
            None => "It does not come back by waiting: ask the operator for more.".to_owned(),
        };
        if !limit.is_own() {
            return format!(
                "The limit \"{name}\", which is shared with others, has no room. {advice}"
            );
        }
        let whom = self.subject.map(|of| format!(" for {}", of.replace(':', " ")));
        let whom = whom.unwrap_or_default();
        let most = show(limit.limit.most());
        let asked = show(self.short.asked);
        if is_too_large {
            return format!(
                "Limit \"{name}\" can never admit this request{whom}: it needs {asked}, and the \
                 limit is {most}. {advice}"
            );
        }
        let taken = self.standing.used.plus(self.standing.held);
        let when = match &limit.limit.measure {
            Measure::AtOnce => "at once".to_owned(),
            Measure::Bucket { .. } => "of the burst".to_owned(),
            Measure::Calendar { .. } | Measure::Fixed { .. } => "in this window".to_owned(),
            Measure::Sliding { window } => {
                format!("in the last {}", window_in_words(*window))
            }
            Measure::Total => "in all".to_owned(),
        };
        if taken >= limit.limit.most() {
            return format!(
                "Limit \"{name}\" is used up{whom}: {} of {most} {when}. {advice}",
                show(taken)
            );
        }
        format!(
            "Limit \"{name}\" has no room for this request{whom}: {} of {most} are taken {when}, \
             and it needs {asked}. {advice}",
            show(taken)
        )
    }

    /// Whether a smaller request would ask for less.
    fn is_of_size(&self) -> bool {
        matches!(
            self.limit.limit.unit,
            Unit::Cost | Unit::InputTokens | Unit::OutputTokens | Unit::Tokens
        )
    }

    fn limited(&self, tier: &str, refused_by: Vec<String>) -> Limited {
        let limit = self.limit;
        let own = limit.is_own();
        let json = |amount| match limit.amount_in_json(amount) {
            AmountInJson::Count(count) => count.into(),
            AmountInJson::Money(money) => money.to_string().trim_start_matches('$').into(),
        };
        Limited {
            limit: limit.name_for_caller(),
            tier: tier.to_owned(),
            subject: own.then(|| self.subject.map(str::to_owned)).flatten(),
            unit: limit.limit.unit.label().to_owned(),
            amount: own.then(|| json(limit.limit.most())),
            used: own.then(|| json(self.standing.used)),
            held: own.then(|| json(self.standing.held)),
            requested: json(self.short.asked),
            wait: self.wait(),
            retry_after: None,
            refused_by,
            about_tokens: self.is_of_size(),
        }
    }
}

const DAY: Span = Span::from_secs(24 * 60 * 60);
