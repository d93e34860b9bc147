//! What a request used, by Cohere's word: `tokens` are what the model was given and has made, the
//! prompt that Cohere adds of its own included; `billed_units` are what is paid for. Chat says both
//! in `usage`, the others in `meta`, and some say only what is paid for.

use serde_json::Value;
use tollgate_units::Tokens;

use crate::usage::{Billed, Usage};

/// What `usage` or `meta` says; nothing if it speaks of no tokens.
pub(crate) fn of_counts(counts: &Value) -> Option<Usage> {
    let said = |owner: &str, name: &str| number(counts.get(owner)?.get(name)?);
    let (input, output) = (said("tokens", "input_tokens"), said("tokens", "output_tokens"));
    let paid = [said(UNITS, "input_tokens"), said(UNITS, "output_tokens")];
    let billed = paid.iter().any(Option::is_some).then(|| {
        let [input, output] = paid.map(Option::unwrap_or_default);
        Billed { input, output }
    });
    let whole = |said: Option<Tokens>, paid: Option<Tokens>| said.or(paid).unwrap_or_default();
    if [input, output].into_iter().chain(paid).all(|said| said.is_none()) {
        return None;
    }
    let input = whole(input, billed.map(|billed| billed.input));
    let cached = counts.get("cached_tokens").and_then(number).unwrap_or_default();
    Some(Usage {
        input,
        cached_input: cached.min(input),
        output: whole(output, billed.map(|billed| billed.output)),
        billed,
        ..Usage::default()
    })
}

const UNITS: &str = "billed_units";

/// A count. Cohere's own description of its API has them all as floating-point numbers.
fn number(value: &Value) -> Option<Tokens> {
    let written = value.as_number()?.to_string();
    let digits = written.strip_suffix(".0").unwrap_or(&written);
    let number = digits.parse::<u64>().ok().filter(|number| *number <= crate::usage::SENSIBLE_MAX);
    number.map(Tokens::new)
}
