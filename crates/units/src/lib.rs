//! The words everything in Tollgate is said in: timestamps, spans, tokens, money, amounts.
//!
//! Each number carries its unit in its type, and its arithmetic lives here, once: saturating where
//! a bound is the honest answer, rounded against the caller where a fraction would be lost.
//! These types hold no policy and no logic beyond that; a limit never learns which unit it counts.
#![no_std]

mod amount;
mod money;
mod searches;
mod time;
mod tokens;

pub use amount::Amount;
pub use money::{MicroUsdPerMillion, MicroUsdPerThousand, NanoUsd, PicoUsd};
pub use searches::Searches;
pub use time::{Span, Timestamp};
pub use tokens::Tokens;
