//! What a request used, by Cohere's word: `tokens` are what the model was given and has made, the
//! prompt that Cohere adds of its own included; `billed_units` are what is paid for. Chat says both
//! in `usage`, the others in `meta`, and some say only what is paid for: searches, where something
//! is ranked.

use serde_json::Value;
use tollgate_units::{Searches, Tokens};

use crate::usage::{Billed, SENSIBLE_MAX, Usage, is_beyond};

/// What `usage` or `meta` says; nothing if it speaks of no tokens.
pub(crate) fn of_counts(counts: &Value) -> Option<Usage> {
    let said = |owner, name| number(counts.get(owner)?.get(name)?).map(Tokens::new);
    let (input, output) = (said("tokens", "input_tokens"), said("tokens", "output_tokens"));
    let paid = [said(UNITS, "input_tokens"), said(UNITS, "output_tokens")];
    let whole = |said: Option<Tokens>, paid: Option<Tokens>| said.or(paid).unwrap_or_default();
    let is_silent = [input, output].into_iter().chain(paid).all(|said| said.is_none());
    if is_silent || is_beyond(counts) {
        return None;
    }
    let billed = paid.iter().any(Option::is_some).then(|| {
        let [input, output] = paid.map(Option::unwrap_or_default);
        Billed::Tokens { input, output }
    });
    let [paid_input, paid_output] = paid;
    let input = whole(input, paid_input);
    let cached = counts.get("cached_tokens").and_then(number).map(Tokens::new).unwrap_or_default();
    Some(Usage {
        input,
        cached_input: cached.min(input),
        output: whole(output, paid_output),
        billed,
        ..Usage::default()
    })
}

/// The searches that `meta` says are paid for.
pub(crate) fn searches(meta: &Value) -> Option<Searches> {
    let units = meta.get(UNITS)?.get("search_units").and_then(number)?;
    (units <= SEARCHES_MAX).then_some(Searches::new(units))
}

/// More than any request can come to: a thousand documents in pieces are some hundred. A report of
/// more is none, and what was reserved is booked.
const SEARCHES_MAX: u64 = 100_000;

const UNITS: &str = "billed_units";

/// A count. Cohere's own description of its API has them all as floating-point numbers.
fn number(value: &Value) -> Option<u64> {
    let written = value.as_number()?.to_string();
    let digits = written.strip_suffix(".0").unwrap_or(&written);
    digits.parse().ok().filter(|number| *number <= SENSIBLE_MAX)
}
