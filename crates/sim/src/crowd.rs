//! The crowd: callers with habits, who meet the limits that gateways are bought for.
//!
//! Who sends what and when follows from the seed alone; what the crowd hears back only makes
//! those who listen wait. So [`Crowd`] is pure and a test can read its whole minute, while
//! [`drive`] sends it over real sockets. The habits are caricatures: the traces are for figures.

mod drive;
mod habit;

use bytes::Bytes;
use tollgate_units::{Span, Tokens};

use crate::dice::Dice;

pub use drive::drive;

use habit::Habit;

/// One caller of the crowd.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Person {
    /// The name, which is also the name of the key, where there is one.
    pub name: &'static str,
    /// The tier, as the demo's configuration has it.
    pub tier: &'static str,
    /// What the person does, in a few words.
    pub habit: &'static str,
}

impl Person {
    /// The name of the key that it calls with.
    pub fn key(&self) -> Option<&'static str> {
        (self.tier != ANONYMOUS).then_some(self.name)
    }
}

const ANONYMOUS: &str = "anonymous";

/// One request that a person wants to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// When, after the start.
    pub at: Span,
    /// The body, for `/v1/chat/completions`.
    pub body: Bytes,
    /// About how long the prompt is.
    pub input: Tokens,
    /// The model it names.
    pub model: &'static str,
    /// How long the answer would be, were there no cap.
    pub output: Tokens,
    /// Who: a position in [`Crowd::people`].
    pub person: usize,
    /// Whether the answer is to be streamed.
    pub stream: bool,
}

/// What came of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// How long until the first byte of the answer's body.
    pub first_byte: Option<Span>,
    /// About how long the prompt was.
    pub input: Tokens,
    /// The model it named.
    pub model: &'static str,
    /// How long the answer would have been, were there no cap.
    pub output: Tokens,
    /// Who: a position in [`Crowd::people`].
    pub person: usize,
    /// When it was sent, after the start.
    pub sent_at: Span,
    /// Whether the answer was to be streamed.
    pub stream: bool,
    /// How long it took.
    pub total: Span,
}

/// How a call ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ending {
    /// With an answer, and this usage.
    Answered {
        /// Tokens of the prompt.
        input: Tokens,
        /// Tokens of the answer.
        output: Tokens,
    },
    /// With a 5xx of this status, or without any answer.
    Failed(Option<u16>),
    /// With a refusal.
    Refused(Refused),
}

/// What a refusal said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refused {
    /// The error's code.
    pub code: String,
    /// The limits that refused, in the operator's words.
    pub limits: Vec<String>,
    /// Whether a client is told to try again.
    pub should_retry: Option<bool>,
    /// The status.
    pub status: u16,
    /// How long to wait.
    pub wait: Option<Span>,
}

impl Refused {
    /// What refused, in a few words: the first limit named, or else the code.
    pub fn reason(&self) -> &str {
        self.limits.first().map_or(self.code.as_str(), String::as_str)
    }
}

/// The callers, and what each will do next.
#[derive(Clone, Debug)]
pub struct Crowd {
    lasts: Span,
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    dice: Dice,
    /// When the next call is due; `None` when there is none any more.
    due: Option<Span>,
    habit: Habit,
    person: Person,
    quiet_until: Span,
}

impl Member {
    fn wakes_at(&self) -> Option<Span> {
        self.due.map(|due| due.max(self.quiet_until))
    }
}

impl Crowd {
    /// The demo's crowd, which sends for as long as `lasts`.
    pub fn new(seed: u64, lasts: Span) -> Self {
        let members =
            habit::cast(seed).into_iter().zip(1_u64..).map(|((person, habit), number)| {
                let due = habit.starts_at();
                let dice = Dice::of(seed, number);
                Member { dice, due, habit, person, quiet_until: Span::ZERO }
            });
        Self { lasts, members: members.collect() }
    }

    /// Everybody, in the order that calls and outcomes number them.
    pub fn people(&self) -> impl ExactSizeIterator<Item = Person> {
        self.members.iter().map(|member| member.person)
    }

    /// When the next call is due; `None` when nobody will call again.
    pub fn due(&self) -> Option<Span> {
        self.next_member().map(|(_, at)| at)
    }

    /// The next call, in order of time. Whoever waits longer than the demo lasts calls no more.
    pub fn next_call(&mut self) -> Option<Call> {
        let (number, at) = self.next_member()?;
        let member = self.members.get_mut(number)?;
        let request = member.habit.next(&mut member.dice);
        member.due = request.next_in.map(|span| at.plus(span));
        Some(Call {
            at,
            body: Bytes::from(request.body.to_string()),
            input: request.input,
            model: request.model,
            output: request.output,
            person: number,
            stream: request.stream,
        })
    }

    /// Tells a person what came of its call; who listens waits as long as it was told.
    pub fn heard(&mut self, outcome: &Outcome) {
        let Ending::Refused(refused) = &outcome.ending else {
            return;
        };
        let Some(member) = self.members.get_mut(outcome.person) else {
            return;
        };
        let Some(patience) = member.habit.patience() else {
            return;
        };
        // The official clients give up where they are told to, and wait where waiting helps; then
        // somebody looks at the error for a while and presses the button again.
        let told = refused.wait.filter(|_| refused.should_retry != Some(false));
        let until = outcome.sent_at.plus(outcome.total).plus(told.unwrap_or(patience));
        member.quiet_until = member.quiet_until.max(until);
    }

    /// Who calls next, and when: the earliest; of several, the first in order.
    fn next_member(&self) -> Option<(usize, Span)> {
        let waking = self.members.iter().enumerate();
        let waking = waking.filter_map(|(number, member)| Some((number, member.wakes_at()?)));
        waking.filter(|&(_, at)| at < self.lasts).min_by_key(|&(_, at)| at)
    }
}

#[cfg(test)]
mod tests;
