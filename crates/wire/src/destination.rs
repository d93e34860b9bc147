//! Where a request goes: what its path and query say of the endpoint, the model and the stream.
//!
//! A path is understood or it is none of ours; the one that goes to a provider is made anew from
//! what was understood, so no spelling of it can lead anywhere else. Azure's clients put the model
//! into the path (`/openai/deployments/{model}/…`), Gemini's all do.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::{Endpoint, Protocol, azure};

/// Where a request goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Destination {
    /// What is asked.
    pub endpoint: Endpoint,
    /// The model, where the path names it.
    pub model: Option<String>,
    /// How a stream comes.
    pub streamed: Streamed,
}

/// How a stream comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Streamed {
    /// As one JSON array: Gemini's, unless the query says `alt=sse`.
    Array,
    /// As server-sent events.
    Events,
}

impl From<Endpoint> for Destination {
    fn from(endpoint: Endpoint) -> Self {
        let streamed = if endpoint == Endpoint::StreamGenerateContent {
            Streamed::Array
        } else {
            Streamed::Events
        };
        Self { endpoint, model: None, streamed }
    }
}

impl Destination {
    /// Where a path of the data plane leads, as `/v1/chat/completions`.
    pub fn of_path(path: &str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("/openai") {
            return azure::destination(rest);
        }
        if let Some(rest) = path.strip_prefix("/v1beta/models/") {
            let (model, method) = rest.rsplit_once(':')?;
            let mut named =
                Endpoint::ALL.into_iter().filter(|it| it.protocol() == Protocol::Gemini);
            let end = |it: &Endpoint| it.path().rsplit_once(':').is_some_and(|of| of.1 == method);
            let endpoint = named.find(end)?;
            return Some(Self { model: Some(decoded(model)?), ..endpoint.into() });
        }
        let fits = |it: &Endpoint| path.strip_prefix(it.protocol().version()) == Some(it.path());
        Endpoint::ALL.into_iter().find(fits).map(Self::from)
    }

    /// The same with what the query says: `alt` at Gemini. Other parameters say nothing that
    /// matters here, and none is passed on.
    #[must_use]
    pub fn with_query(self, query: Option<&str>) -> Self {
        let is_events = query.unwrap_or_default().split('&').any(|pair| pair == "alt=sse");
        Self { streamed: if is_events { Streamed::Events } else { self.streamed }, ..self }
    }

    /// The path under a provider's base URL, for the provider's own name of the model; nothing
    /// where no path can hold that name.
    pub fn path_to(
        endpoint: Endpoint,
        model: &str,
        streamed: Streamed,
    ) -> Option<Cow<'static, str>> {
        let Some((before, after)) = endpoint.path().split_once("{model}") else {
            return Some(endpoint.path().into());
        };
        let is_events = endpoint == Endpoint::StreamGenerateContent && streamed == Streamed::Events;
        let query = if is_events { "?alt=sse" } else { "" };
        Some(format!("{before}{}{after}{query}", segment(model)?).into())
    }
}

/// A name as one segment of a path (RFC 3986, 2.3): whatever means something there is escaped.
/// Nothing for the names that mean another place whatever is done to them.
pub(crate) fn segment(name: &str) -> Option<String> {
    if matches!(name, "" | "." | "..") || name.len() > NAME_BYTES_MAX {
        return None;
    }
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    Some(segment)
}

/// What a part of a path means; nothing where it is no text.
pub(crate) fn decoded(part: &str) -> Option<String> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut bytes, mut rest) = (Vec::with_capacity(part.len()), part.as_bytes());
    while let [first, tail @ ..] = rest {
        let (byte, after) = match (first, tail) {
            (b'%', [high, low, after @ ..]) => (hex(*high)? << 4 | hex(*low)?, after),
            (b'%', _) => return None,
            _ => (*first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    let name = String::from_utf8(bytes).ok()?;
    (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then_some(name)
}

/// Longer than any model's name. Names are told, logged and looked for, so they have a bound.
pub(crate) const NAME_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests;
