//! What a request used, by Gemini's word. The prompt's count includes what came from a cache, the
//! answer's leaves out the thoughts, and what tools have brought is counted apart. In a stream each
//! piece says all of it so far.

use serde_json::Value;

use crate::Usage;
use crate::usage::{first, is_beyond};
use crate::walk::{self, Kind};

/// What a `usageMetadata` object says; nothing if it counts nothing.
pub(crate) fn of_counts(counts: &Value) -> Option<Usage> {
    let said = |name| first(counts, &[name]);
    let (prompt, answer) = (said("promptTokenCount"), said("candidatesTokenCount"));
    let thoughts = said("thoughtsTokenCount");
    let total = said("totalTokenCount");
    if [prompt, answer, thoughts, total].iter().all(Option::is_none) || is_beyond(counts) {
        return None;
    }
    let prompt = prompt.unwrap_or_default();
    let input = prompt.plus(said("toolUsePromptTokenCount").unwrap_or_default());
    let reasoning = thoughts.unwrap_or_default();
    let output = answer.unwrap_or_default().plus(reasoning);
    let tier = counts.get("serviceTier").and_then(Value::as_str);
    Some(Usage {
        input,
        cached_input: said("cachedContentTokenCount").unwrap_or_default().min(input),
        output: output.max(total.unwrap_or_default().less(input)),
        reasoning,
        service_tier: tier.map(str::to_ascii_lowercase),
        ..Usage::default()
    })
}

/// The last word of an answer that may be a list of pieces, and may have broken off. What a model
/// calls a function with may have members of the same name, so only those of a piece itself count.
pub(crate) fn of_answer(body: &[u8]) -> Option<Usage> {
    let root = walk::Value::root(body);
    let single = (root.kind() != Kind::Array).then_some(root);
    let said = single.into_iter().chain(root.items()).filter_map(|piece| {
        let counts = piece.member("usageMetadata")?;
        of_counts(&serde_json::from_slice(counts.raw()).ok()?)
    });
    said.last()
}

/// The same at the end of a piece of which the rest is gone: it comes after what was generated.
pub(crate) fn at_end(tail: &[u8]) -> Option<Usage> {
    const KEY: &[u8] = b"\"usageMetadata\"";
    let at = memchr::memmem::rfind(tail, KEY)?;
    let rest = tail.get(at.saturating_add(KEY.len())..)?;
    let counts = rest.trim_ascii_start().strip_prefix(b":")?;
    let mut values = serde_json::Deserializer::from_slice(counts).into_iter::<Value>();
    of_counts(&values.next()?.ok()?)
}
