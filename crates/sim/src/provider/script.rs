//! What the scripted provider does: one [`Act`] for each request.
//!
//! A script is a function from a request to an act, so a test says what it means in one closure;
//! what a single request wants differently stands in the request itself, as markers
//! (`[[tokens:500]]`), and survives any gateway in between. A seeded mixture of faults comes on
//! top, for runs where only shares matter.

use bytes::Bytes;
use tollgate_units::{MicroUsdPerMillion, PicoUsd, Span, Tokens};

use super::allowance::Allowance;
use super::asked::Asked;
use super::fault::Fault;
use super::ledger::{OnEnd, Seen};
use crate::dice::Dice;

/// How the provider answers one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Act {
    /// How much of the prompt it says was in its cache.
    pub cached_tokens: Tokens,
    /// What goes wrong, if anything.
    pub fault: Option<Fault>,
    /// How long until the head of the answer.
    pub first_byte: Span,
    /// How long between two tokens.
    pub gap: Span,
    /// Headers of its answer, as they are written: they stand in place of what the provider would
    /// say itself under these names, and a refusal then promises nothing else.
    pub headers: Vec<(&'static str, String)>,
    /// Where it stops until [`Provider::release`](super::Provider::release) is called.
    pub hold: Option<Hold>,
    /// How many bytes go out at a time; whole events otherwise.
    pub packet: Option<usize>,
    /// What it says the prompt was; counted by the script otherwise.
    pub prompt_tokens: Option<Tokens>,
    /// How many of its tokens are invisible.
    pub reasoning_tokens: Tokens,
    /// Whether it makes everything that a provider may store: a conversation, a container, files,
    /// and sound.
    pub stores: bool,
    /// How many tokens it would generate for each answer, were there no cap.
    pub tokens: Tokens,
    /// How many tools it calls instead of answering in words, where the request has any.
    pub tool_calls: u64,
    /// What it answers word for word, whatever was asked.
    pub verbatim: Option<Verbatim>,
    /// Whether work in the background fails, without saying what was used.
    pub work_fails: bool,
    /// How often work in the background is found unfinished.
    pub work_looks: u64,
    /// How much of the prompt it says was written to its cache for some minutes.
    pub written_tokens: Tokens,
    /// How much of it for an hour.
    pub written_hour_tokens: Tokens,
}

impl Default for Act {
    /// Twenty tokens, at once, nothing wrong.
    fn default() -> Self {
        Self {
            cached_tokens: Tokens::ZERO,
            fault: None,
            first_byte: Span::ZERO,
            gap: Span::ZERO,
            headers: Vec::new(),
            hold: None,
            packet: None,
            prompt_tokens: None,
            reasoning_tokens: Tokens::ZERO,
            stores: false,
            tokens: Tokens::new(20),
            tool_calls: 0,
            verbatim: None,
            work_fails: false,
            work_looks: 1,
            written_tokens: Tokens::ZERO,
            written_hour_tokens: Tokens::ZERO,
        }
    }
}

impl Act {
    /// An answer of `tokens` tokens, at once.
    pub fn tokens(tokens: u64) -> Self {
        Self { tokens: Tokens::new(tokens), ..Self::default() }
    }

    /// The same, but `fault` happens.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// This body of JSON with status 200, word for word.
    pub fn json(body: impl Into<String>) -> Self {
        Self::verbatim("application/json", body.into())
    }

    /// These events with status 200, word for word, and then a clean end.
    pub fn events(body: impl Into<String>) -> Self {
        Self::verbatim("text/event-stream", body.into())
    }

    /// This body with status 200, word for word.
    pub fn verbatim(content_type: &'static str, body: String) -> Self {
        let verbatim = Verbatim { status: 200, content_type, body, breaks: false };
        Self { verbatim: Some(verbatim), ..Self::default() }
    }

    /// The same, but its answer says this in a header.
    #[must_use]
    pub fn saying(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer that is given word for word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verbatim {
    /// Its status.
    pub status: u16,
    /// What it says its body is.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
    /// Whether the connection is reset after that, instead of coming to a clean end.
    pub breaks: bool,
}

/// Where an answer stops until it is released. No test needs to sleep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hold {
    /// In a stream, once so many tokens have gone out (a whole answer is held at its head).
    After(Tokens),
    /// Before the head of the answer.
    Head,
}

/// Faults at random: the same seed and arrival order, the same faults.
#[derive(Clone, Debug)]
pub struct Mixture {
    /// Where the dice begin.
    pub seed: u64,
    /// Each fault with its share of a thousand requests.
    pub shares: Vec<(Fault, u64)>,
}

impl Mixture {
    fn fault_of(&self, number: u64) -> Option<Fault> {
        let mut left = Dice::of(self.seed, number).below(1000);
        for (fault, share) in &self.shares {
            if left < *share {
                return Some(*fault);
            }
            left -= share;
        }
        None
    }
}

/// What a model costs, for the provider's own bill.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Price {
    /// For a million tokens of prompt.
    pub input: MicroUsdPerMillion,
    /// For a million of those that were in the cache.
    pub cached_input: MicroUsdPerMillion,
    /// For a million tokens of answer.
    pub output: MicroUsdPerMillion,
}

impl Price {
    /// What `model` costs at OpenAI, November 2026; other models cost nothing.
    pub fn of(model: &str) -> Self {
        let micros = |input, cached_input, output| Self {
            input: MicroUsdPerMillion::new(input),
            cached_input: MicroUsdPerMillion::new(cached_input),
            output: MicroUsdPerMillion::new(output),
        };
        match model {
            _ if model.starts_with("gpt-4o-mini") => micros(150_000, 75_000, 600_000),
            _ if model.starts_with("gpt-4o") => micros(2_500_000, 1_250_000, 10_000_000),
            _ => Self::default(),
        }
    }

    /// What so much costs, exactly.
    pub fn cost(&self, input: Tokens, cached: Tokens, output: Tokens) -> PicoUsd {
        let cached = cached.min(input);
        let fresh = self.input.of(input.less(cached));
        fresh.plus(self.cached_input.of(cached)).plus(self.output.of(output))
    }
}

type FromRequest<T> = Box<dyn Fn(&Asked) -> T + Send + Sync>;
type FromName<T> = Box<dyn Fn(&str) -> T + Send + Sync>;

/// Everything the provider was told to do.
pub struct Script {
    pub(super) act: FromRequest<Act>,
    pub(super) allowance: Option<Allowance>,
    pub(super) count: FromRequest<Tokens>,
    pub(super) fixed: Option<Bytes>,
    pub(super) mixture: Option<Mixture>,
    pub(super) on_end: Option<OnEnd>,
    pub(super) price: FromName<Price>,
    pub(super) remembers: bool,
}

impl Script {
    /// The same act for every request; markers in a request change it for that one.
    pub fn of(act: Act) -> Self {
        Self::by(move |_| act.clone())
    }

    /// An act for each request, as `act` decides.
    pub fn by(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        Self {
            act: Box::new(act),
            allowance: None,
            count: Box::new(|asked| Tokens::new(asked.body.len() as u64 / 4)),
            fixed: None,
            mixture: None,
            on_end: None,
            price: Box::new(Price::of),
            remembers: true,
        }
    }

    /// The same bytes of JSON for every POST, prepared once: the provider of load benchmarks.
    /// Requests are counted, but neither read nor remembered.
    pub fn fixed(body: impl Into<Bytes>) -> Self {
        Self { fixed: Some(body.into()), remembers: false, ..Self::of(Act::default()) }
    }

    /// Counts prompts with `count`, the way a real provider has its tokenizer.
    #[must_use]
    pub fn counting(self, count: impl Fn(&Asked) -> Tokens + Send + Sync + 'static) -> Self {
        Self { count: Box::new(count), ..self }
    }

    /// Keeps counters only: for long runs, where remembering each request would fill the memory.
    #[must_use]
    pub fn forgetting(self) -> Self {
        Self { remembers: false, ..self }
    }

    /// Calls `on_end` with each request once it has ended.
    #[must_use]
    pub fn on_end(self, on_end: impl Fn(&Seen) + Send + Sync + 'static) -> Self {
        Self { on_end: Some(Box::new(on_end)), ..self }
    }

    /// Bills by `price`, by the model's name.
    #[must_use]
    pub fn priced(self, price: impl Fn(&str) -> Price + Send + Sync + 'static) -> Self {
        Self { price: Box::new(price), ..self }
    }

    /// Has limits of its own, and says so in every answer.
    #[must_use]
    pub fn within(self, allowance: Allowance) -> Self {
        Self { allowance: Some(allowance), ..self }
    }

    /// Has random faults, where a request does not choose its own.
    #[must_use]
    pub fn mixed(self, mixture: Mixture) -> Self {
        Self { mixture: Some(mixture), ..self }
    }

    /// The act for this request: the script's, then the mixture's fault, then the markers.
    pub(super) fn act_for(&self, asked: &Asked) -> Act {
        let mut act = (self.act)(asked);
        if act.fault.is_none() {
            act.fault = self.mixture.as_ref().and_then(|mixture| mixture.fault_of(asked.number));
        }
        super::marker::obey(asked, &mut act);
        act
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::of(Act::default())
    }
}

impl core::fmt::Debug for Script {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Script")
            .field("allowance", &self.allowance)
            .field("fixed", &self.fixed.as_ref().map(Bytes::len))
            .field("mixture", &self.mixture)
            .field("remembers", &self.remembers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_keeps_its_shares_and_repeats() {
        let shares = vec![(Fault::Reset, 100), (Fault::Hang, 50)];
        let mixture = Mixture { seed: 3, shares };
        let faults: Vec<_> = (0..10_000).map(|number| mixture.fault_of(number)).collect();
        let share = |fault| faults.iter().filter(|&&one| one == Some(fault)).count();
        assert!((900..1100).contains(&share(Fault::Reset)), "seed 3: {}", share(Fault::Reset));
        assert!((400..600).contains(&share(Fault::Hang)), "seed 3: {}", share(Fault::Hang));
        let again: Vec<_> = (0..10_000).map(|number| mixture.fault_of(number)).collect();
        assert_eq!(faults, again);
    }

    #[test]
    fn a_bill_counts_the_cached_part_once() {
        let price = Price::of("gpt-4o-mini-2024-07-18");
        let cost = price.cost(Tokens::new(1000), Tokens::new(400), Tokens::new(10));
        assert_eq!(cost.get(), 600 * 150_000 + 400 * 75_000 + 10 * 600_000);
    }
}
