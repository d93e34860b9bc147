//! Counting tokens, pricing them, and bounding what a request may use.
//!
//! Exact where the model's own vocabulary is public, by formula for what surrounds the text (chat
//! format, tools, images), by a ratio that learns for every other model; money in whole numbers
//! from the price table to the cost. Everything here is pure: text and counts in, numbers out.
//! A count is wrong where a provider counts what the request does not show: stored prompts, hosted
//! tools, files. Those are marked by `wire`, and the difference is settled as debt or refund.

mod count;
mod encoding;
mod image;
mod name;
mod overhead;
mod pieces;
mod price;
mod ratio;
mod runs;
mod seen;
mod sizes;
mod tariff;
mod vocabulary;

pub use count::{count_text, warm};
pub use encoding::{Encoding, encoding_of};
pub use overhead::{bound_prompt, count_prompt, text_bytes};
pub use price::{Mode, ModelFacts, PriceBook};
pub use ratio::Ratio;
pub use sizes::Sizes;
pub use tariff::{LongContext, Most, Tariff};
pub use vocabulary::is_ready;

use tollgate_units::Tokens;

/// How a count was made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum How {
    /// An upper bound from lengths alone: nothing was tokenized.
    Bound,
    /// By the model's own tokenizer; what surrounds the text by formula.
    Exact,
    /// From the length of the text, by a ratio learned from what the provider reported.
    Ratio,
}

/// How many tokens the model will be given, and how that is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counts {
    /// Everything the model is given.
    pub input: Tokens,
    /// How it was counted.
    pub how: How,
}
