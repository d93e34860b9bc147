//! What each of the crowd does, over and over.
//!
//! Each habit is made to meet one limit of the demo's configuration within the minute, except the
//! ordinary ones, who follow a trace and should not notice that there is a gate.

use serde_json::{Value, json};
use tollgate_units::{Span, Tokens};

use super::{ANONYMOUS, Person};
use crate::dice::Dice;
use crate::traces::{Arrival, Trace, Traffic};
use crate::words::text_of;

/// What one request is to be, and how long until the next of the same person.
pub(super) struct Wanted {
    pub(super) body: Value,
    pub(super) input: Tokens,
    pub(super) model: &'static str,
    pub(super) next_in: Option<Span>,
    pub(super) output: Tokens,
    pub(super) stream: bool,
}

/// One habit, and how far it has come.
#[derive(Clone, Debug)]
pub(super) enum Habit {
    /// The same request again, its context longer by every answer.
    Agent { steps: u64 },
    /// Bursts without a key, whatever it is told.
    Bot { left: u64 },
    /// Small talk without an end.
    Chatty,
    /// A whole book in each prompt.
    Novelist,
    /// Somebody's real conversation.
    Ordinary { visits: Vec<Arrival>, next: usize },
    /// Many streams at the same time.
    Tabs { left: u64 },
}

/// Everybody, with their habits.
pub(super) fn cast(seed: u64) -> Vec<(Person, Habit)> {
    let person = |name, tier, habit| Person { name, tier, habit };
    let mut ordinary = ordinary(seed).into_iter();
    let mut visits = || Habit::Ordinary { visits: ordinary.next().unwrap_or_default(), next: 0 };
    vec![
        (person("mia", "free", "small talk without an end"), Habit::Chatty),
        (person("noel", "pro", "50,000 tokens in each prompt"), Habit::Novelist),
        (person("bot", ANONYMOUS, "bursts, never waits"), Habit::Bot { left: BURST }),
        (person("agent", "pro", "a loop with a growing context"), Habit::Agent { steps: 0 }),
        (person("tabs", "pro", "six streams at once"), Habit::Tabs { left: STREAMS }),
        (person("ana", "pro", "ordinary work"), visits()),
        (person("ben", "pro", "ordinary work"), visits()),
        (person("chloe", "pro", "ordinary work"), visits()),
    ]
}

/// A share of the conversation trace for each of the ordinary callers.
fn ordinary(seed: u64) -> Vec<Vec<Arrival>> {
    let mut dice = Dice::of(seed, 0);
    let mut shares = vec![Vec::new(); ORDINARY];
    for visit in Traffic::new(Trace::Conversation.arrivals(), ORDINARY, seed) {
        // A quarter of the trace is what three people send.
        if let Some(share) = shares.get_mut(visit.caller).filter(|_| dice.below(4) == 0) {
            share.push(visit.arrival);
        }
    }
    shares
}

impl Habit {
    /// When the first request is due.
    pub(super) fn starts_at(&self) -> Option<Span> {
        let millis = match self {
            Self::Agent { .. } => 1000,
            Self::Bot { .. } => 4000,
            Self::Chatty => 500,
            Self::Novelist => 2000,
            Self::Ordinary { visits, .. } => return visits.first().map(|visit| visit.at),
            Self::Tabs { .. } => 3000,
        };
        Some(Span::from_millis(millis))
    }

    /// How long a person waits who was told no more than no; `None` for who never listens.
    pub(super) fn patience(&self) -> Option<Span> {
        match self {
            Self::Agent { .. } => Some(Span::from_secs(2)),
            Self::Bot { .. } => None,
            Self::Chatty | Self::Novelist | Self::Ordinary { .. } | Self::Tabs { .. } => {
                Some(Span::from_secs(5))
            }
        }
    }

    /// The next request.
    pub(super) fn next(&mut self, dice: &mut Dice) -> Wanted {
        let between = |dice: &mut Dice, least, most| Span::from_millis(dice.between(least, most));
        match self {
            Self::Agent { steps } => {
                let input = 500 + *steps * 350;
                *steps += 1;
                let wanted = Wanted::new("gpt-4o", input, dice.between(40, 80)).capped(300);
                wanted.with_tools().then_in(between(dice, 700, 1100))
            }
            Self::Bot { left } => {
                let next_in = burst(left, BURST, || between(dice, 2000, 3500));
                Wanted::new("gpt-4o-mini", dice.between(20, 60), 100).then_in(next_in)
            }
            Self::Chatty => {
                let (input, output) = (dice.between(30, 120), dice.between(60, 140));
                let wanted = Wanted::new("gpt-4o-mini", input, output).streamed();
                wanted.then_in(between(dice, 700, 1300))
            }
            Self::Novelist => {
                // Every fourth time it is only a chapter.
                let input = if dice.below(4) == 0 { 12_000 } else { 50_000 };
                let wanted = Wanted::new("gpt-4o-mini", input, 200).streamed();
                wanted.then_in(between(dice, 4000, 6000))
            }
            Self::Ordinary { visits, next } => ordinary_request(visits, next, dice),
            Self::Tabs { left } => {
                let next_in = burst(left, STREAMS, || between(dice, 6000, 8000));
                Wanted::new("gpt-4o-mini", 200, 150).streamed().then_in(next_in)
            }
        }
    }
}

/// At once within a burst, and after it the pause.
fn burst(left: &mut u64, full: u64, pause: impl FnOnce() -> Span) -> Span {
    *left -= 1;
    if *left > 0 {
        return Span::ZERO;
    }
    *left = full;
    pause()
}

fn ordinary_request(visits: &[Arrival], next: &mut usize, dice: &mut Dice) -> Wanted {
    let none = Arrival { at: Span::ZERO, input: Tokens::new(1), output: Tokens::new(1) };
    let visit = visits.get(*next).copied().unwrap_or(none);
    *next += 1;
    let following = visits.get(*next).map(|following| following.at.less(visit.at));
    let model = if dice.below(4) == 0 { "gpt-4o" } else { "gpt-4o-mini" };
    let wanted = Wanted::new(model, visit.input.get(), visit.output.get());
    let wanted = if dice.below(2) == 0 { wanted.streamed() } else { wanted };
    Wanted { next_in: following, ..wanted }.capped(ORDINARY_CAP)
}

impl Wanted {
    /// A prompt of about `input` tokens to which the provider answers with `output`.
    fn new(model: &'static str, input: u64, output: u64) -> Self {
        let prompt = format!("[[tokens:{output}]]{}", text_of(Tokens::new(input)));
        let body = json!({"model": model, "messages": [{"role": "user", "content": prompt}]});
        Self {
            body,
            input: Tokens::new(input),
            model,
            next_in: None,
            output: Tokens::new(output),
            stream: false,
        }
    }

    fn and(mut self, name: &str, value: Value) -> Self {
        self.body[name] = value;
        self
    }

    fn capped(self, most: u64) -> Self {
        self.and("max_completion_tokens", most.into())
    }

    fn streamed(self) -> Self {
        let asking = self.and("stream_options", json!({"include_usage": true}));
        Self { stream: true, ..asking.and("stream", true.into()) }
    }

    fn with_tools(self) -> Self {
        let parameters = json!({"type": "object", "properties": {"query": {"type": "string"}}});
        let function =
            json!({"name": "search", "description": "Searches.", "parameters": parameters});
        self.and("tools", json!([{"type": "function", "function": function}]))
    }

    fn then_in(self, span: Span) -> Self {
        Self { next_in: Some(span), ..self }
    }
}

/// How many requests the bot sends at once.
const BURST: u64 = 6;

/// How many streams are opened at once.
const STREAMS: u64 = 6;

/// How many callers follow the trace.
const ORDINARY: usize = 3;

/// The longest answer of the conversation trace.
const ORDINARY_CAP: u64 = 1000;
