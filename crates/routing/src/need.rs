//! What a request takes from a provider's meters, by what they count.
//!
//! Only what the provider counts up front stands in it, by the provider's own rule; what it counts
//! afterwards comes when the answer has ended.

/// What a provider's meter counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counted {
    /// Tokens of prompts.
    InputTokens,
    /// Tokens of answers.
    OutputTokens,
    /// Requests.
    Requests,
    /// Tokens of both.
    Tokens,
}

/// An amount of each thing that is counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Need {
    /// Requests.
    pub requests: u64,
    /// Tokens of prompt and answer together.
    pub tokens: u64,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

impl Need {
    /// How much of it a meter of that kind counts.
    pub const fn of(&self, counts: Counted) -> u64 {
        match counts {
            Counted::InputTokens => self.input_tokens,
            Counted::OutputTokens => self.output_tokens,
            Counted::Requests => self.requests,
            Counted::Tokens => self.tokens,
        }
    }

    /// Both together, saturating.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens.saturating_add(other.tokens),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
        }
    }

    /// Of each thing the smaller amount.
    #[must_use]
    pub(crate) fn or_less(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.min(other.requests),
            tokens: self.tokens.min(other.tokens),
            input_tokens: self.input_tokens.min(other.input_tokens),
            output_tokens: self.output_tokens.min(other.output_tokens),
        }
    }

    /// What is left of it after `other`, or nothing.
    #[must_use]
    pub const fn less(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            tokens: self.tokens.saturating_sub(other.tokens),
            input_tokens: self.input_tokens.saturating_sub(other.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(other.output_tokens),
        }
    }
}
