//! What may be asked: which paths there are, and the protocol that each of them speaks.

use http::{HeaderMap, HeaderName};
use tollgate_units::Tokens;

use crate::{CapField, Place};

/// How callers and providers speak to each other.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Protocol {
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's chat completions, responses and what belongs to them.
    OpenAi,
}

impl Protocol {
    /// Its name, as configurations call a provider's kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }

    /// The protocol of a request: that of its path, or where no endpoint is there, the one whose
    /// headers it carries.
    pub fn of_request(path: &str, headers: &HeaderMap) -> Self {
        match Endpoint::of_path(path) {
            Some(endpoint) => endpoint.protocol(),
            None if headers.contains_key("anthropic-version") => Self::Anthropic,
            None if path.starts_with("/v1/messages") => Self::Anthropic,
            None => Self::OpenAi,
        }
    }

    /// The header in which its official clients look for the id of a request.
    pub const fn request_id(self) -> HeaderName {
        match self {
            Self::Anthropic => HeaderName::from_static("request-id"),
            Self::OpenAi => HeaderName::from_static("x-request-id"),
        }
    }
}

/// What is asked of a provider, by path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Endpoint {
    /// `/v1/chat/completions`
    ChatCompletions,
    /// `/v1/completions`
    Completions,
    /// `/v1/messages/count_tokens`
    CountTokens,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/messages`
    Messages,
    /// `/v1/moderations`
    Moderations,
    /// `/v1/responses`
    Responses,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 7] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::CountTokens,
        Self::Embeddings,
        Self::Messages,
        Self::Moderations,
        Self::Responses,
    ];

    /// The endpoint at a path of the data plane, as `/v1/chat/completions`.
    pub fn of_path(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v1")?;
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == rest)
    }

    /// The path under a provider's base URL, as `/chat/completions`.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::CountTokens => "/messages/count_tokens",
            Self::Embeddings => "/embeddings",
            Self::Messages => "/messages",
            Self::Moderations => "/moderations",
            Self::Responses => "/responses",
        }
    }

    /// The protocol it belongs to.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::CountTokens | Self::Messages => Protocol::Anthropic,
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Moderations
            | Self::Responses => Protocol::OpenAi,
        }
    }

    /// Whether the model generates output tokens, so that a cap means something.
    pub const fn generates(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions | Self::Messages | Self::Responses)
    }

    /// The field that carries the input.
    pub const fn input(self) -> &'static str {
        match self {
            Self::ChatCompletions | Self::CountTokens | Self::Messages => "messages",
            Self::Completions => "prompt",
            Self::Embeddings | Self::Moderations | Self::Responses => "input",
        }
    }

    /// Whether a field is one without which there is no request, or that only says how the answer
    /// is sent.
    pub fn cannot_lack(self, field: &str) -> bool {
        let is_cap = self.needs_cap() && field == CapField::MaxTokens.name();
        field == self.input() || matches!(field, "model" | "stream") || is_cap
    }

    /// Whether a request must say how much output it may have.
    pub(crate) fn needs_cap(self) -> bool {
        self == Self::Messages
    }

    /// What an absent output cap means. Completions stop at 16 tokens by themselves.
    pub(crate) fn default_cap(self) -> Option<Tokens> {
        (self == Self::Completions).then_some(Tokens::new(16))
    }

    /// The model of a request that names none, where the protocol has a default.
    pub(crate) fn default_model(self) -> Option<(String, Place)> {
        let name = "omni-moderation-latest".to_owned();
        (self == Self::Moderations).then_some((name, Place::default()))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_speaks_the_protocol_of_its_path_or_else_of_its_headers() {
        let plain = HeaderMap::new();
        let mut versioned = HeaderMap::new();
        versioned.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        let table = [
            ("/v1/messages", &plain, Protocol::Anthropic),
            ("/v1/messages/count_tokens", &plain, Protocol::Anthropic),
            ("/v1/messages/batches", &plain, Protocol::Anthropic),
            ("/v1/chat/completions", &versioned, Protocol::OpenAi),
            ("/v1/models", &versioned, Protocol::Anthropic),
            ("/v1/models", &plain, Protocol::OpenAi),
            ("/v1/files", &plain, Protocol::OpenAi),
        ];
        for (path, headers, protocol) in table {
            assert_eq!(Protocol::of_request(path, headers), protocol, "{path}");
        }
    }
}
