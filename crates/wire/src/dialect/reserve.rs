//! What a request is charged against a provider's limits on tokens, by the provider's own rule:
//! before it runs, and when its usage is known.

use tollgate_units::Tokens;

use crate::Usage;
use crate::limits::Counted;

/// What a request is charged against limits on tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReserveRule {
    /// Nothing before, what was used afterwards.
    Afterwards,
    /// The input before, corrected when it is known; output as it was made. Reads of a cache do
    /// not count.
    InputThenOutput,
    /// The input before; nothing else ever.
    InputOnly,
    /// The larger of the output cap and a quarter of the characters; it stays at that.
    LargerOfCapAndCharacters,
    /// The prompt, and the output cap for every answer; it stays at that.
    PromptAndCap,
    /// The same, but afterwards what was used counts, without reads of a cache.
    PromptAndCapThenUncached,
    /// Tokens are not limited.
    Unlimited,
}

/// What a request weighs before it runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Weighed {
    /// How many characters of text the prompt has.
    pub characters: u64,
    /// How many tokens the prompt has.
    pub prompt: Tokens,
    /// The part of `prompt` that is expected to come from a cache.
    pub cached: Tokens,
    /// How many tokens one answer may have; where nothing is asked for, the model's own maximum.
    pub cap: Tokens,
    /// How many answers are generated.
    pub answers: u64,
}

impl ReserveRule {
    /// What counts against a limit that `counts` so, before the request runs.
    pub fn before(self, counts: Counted, request: &Weighed) -> Tokens {
        let uncached = request.prompt.less(request.cached);
        let caps = request.cap.times(request.answers.max(1));
        let parts = match self {
            Self::Afterwards | Self::Unlimited => Parts::default(),
            Self::InputOnly => Parts { input: request.prompt, output: Tokens::ZERO },
            Self::InputThenOutput => Parts { input: uncached, output: Tokens::ZERO },
            Self::LargerOfCapAndCharacters => return larger(counts, request),
            Self::PromptAndCap => Parts { input: request.prompt, output: caps },
            Self::PromptAndCapThenUncached => Parts { input: uncached, output: caps },
        };
        parts.of(counts)
    }

    /// What counts in the end, when `usage` is known and `before` was charged.
    pub fn after(self, counts: Counted, before: Tokens, usage: &Usage) -> Tokens {
        let uncached = usage.input.less(usage.cached_input);
        let parts = match self {
            Self::LargerOfCapAndCharacters | Self::PromptAndCap => return before,
            Self::Unlimited => Parts::default(),
            Self::Afterwards => Parts { input: usage.input, output: usage.output },
            Self::InputOnly => Parts { input: usage.input, output: Tokens::ZERO },
            Self::InputThenOutput | Self::PromptAndCapThenUncached => {
                Parts { input: uncached, output: usage.output }
            }
        };
        parts.of(counts)
    }
}

#[derive(Default)]
struct Parts {
    input: Tokens,
    output: Tokens,
}

impl Parts {
    const fn of(&self, counts: Counted) -> Tokens {
        match counts {
            Counted::InputTokens => self.input,
            Counted::OutputTokens => self.output,
            Counted::Tokens => self.input.plus(self.output),
            Counted::Other | Counted::Requests => Tokens::ZERO,
        }
    }
}

/// OpenAI's: a token for four characters, or the output cap where that is more.
fn larger(counts: Counted, request: &Weighed) -> Tokens {
    let estimate = Tokens::new(request.characters.div_ceil(4));
    match counts {
        Counted::InputTokens => estimate,
        Counted::OutputTokens => request.cap,
        Counted::Tokens => estimate.max(request.cap),
        Counted::Other | Counted::Requests => Tokens::ZERO,
    }
}
