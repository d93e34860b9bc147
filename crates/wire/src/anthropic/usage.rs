//! What a message used, by the provider's word.
//!
//! Here `input_tokens` leaves out what a cache was read for and written to, and the counts of a
//! stream are said more than once: the first event has the input and a placeholder for the output,
//! later ones the whole of either. Of each field the last one that says something counts.

use serde_json::Value;
use tollgate_units::Tokens;

use crate::Usage;
use crate::usage::{first, is_beyond};

/// The counts said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    /// Whether one of them cannot be.
    is_beyond: bool,
    fresh: Option<Tokens>,
    read: Option<Tokens>,
    written: Option<Tokens>,
    written_minutes: Option<Tokens>,
    written_hour: Option<Tokens>,
    output: Option<Tokens>,
    thinking: Option<Tokens>,
    service_tier: Option<String>,
}

impl Counted {
    /// What a `usage` object says; nothing if it is none.
    pub(crate) fn of(counts: &Value) -> Option<Self> {
        counts.as_object()?;
        let is_beyond = is_beyond(counts);
        let inner = |name| counts.get(name).unwrap_or(&Value::Null);
        let written = inner("cache_creation");
        Some(Self {
            is_beyond,
            fresh: first(counts, &["input_tokens"]),
            read: first(counts, &["cache_read_input_tokens"]),
            written: first(counts, &["cache_creation_input_tokens"]),
            written_minutes: first(written, &["ephemeral_5m_input_tokens"]),
            written_hour: first(written, &["ephemeral_1h_input_tokens"]),
            output: first(counts, &["output_tokens"]),
            thinking: first(inner("output_tokens_details"), &["thinking_tokens"]),
            service_tier: inner("service_tier").as_str().map(str::to_owned),
        })
    }

    /// The same after a later event.
    pub(crate) fn then(self, later: Self) -> Self {
        // A later word on the writes as a whole is not contradicted by an earlier one on its parts.
        let parts = later.written.is_none() || later.written == self.written;
        let earlier = |part: Option<Tokens>| part.filter(|_| parts);
        Self {
            is_beyond: later.is_beyond || self.is_beyond,
            fresh: later.fresh.or(self.fresh),
            read: later.read.or(self.read),
            written: later.written.or(self.written),
            written_minutes: later.written_minutes.or(earlier(self.written_minutes)),
            written_hour: later.written_hour.or(earlier(self.written_hour)),
            output: later.output.or(self.output),
            thinking: later.thinking.or(self.thinking),
            service_tier: later.service_tier.or(self.service_tier),
        }
    }

    /// What was used; nothing if neither input nor output was told, or
    /// some count cannot be.
    pub(crate) fn usage(&self) -> Option<Usage> {
        if self.is_beyond || (self.fresh.is_none() && self.output.is_none()) {
            return None;
        }
        let hour = self.written_hour.unwrap_or_default();
        let parts = self.written_minutes.unwrap_or_default().plus(hour);
        let written = self.written.unwrap_or_default().max(parts);
        let read = self.read.unwrap_or_default();
        let output = self.output.unwrap_or_default();
        Some(Usage {
            input: self.fresh.unwrap_or_default().plus(read).plus(written),
            cached_input: read,
            cache_write: written,
            cache_write_hour: hour,
            output,
            reasoning: self.thinking.unwrap_or_default().min(output),
            service_tier: self.service_tier.clone(),
            ..Usage::default()
        })
    }
}
