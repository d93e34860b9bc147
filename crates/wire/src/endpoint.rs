//! What may be asked: which paths there are, and the protocol that each of them speaks.

use http::{HeaderMap, HeaderName};
use tollgate_units::Tokens;

use crate::{CapField, Destination, Place};

/// How callers and providers speak to each other.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Protocol {
    /// Anthropic's messages.
    Anthropic,
    /// The second version of Cohere's API: chat, embed, rerank.
    Cohere,
    /// Google's Gemini API.
    Gemini,
    /// OpenAI's chat completions, responses and what belongs to them.
    OpenAi,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 4] = [Self::Anthropic, Self::Cohere, Self::Gemini, Self::OpenAi];

    /// Its name, as configurations call a provider's kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Cohere => "cohere",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Anthropic => "Anthropic",
            Self::Cohere => "Cohere",
            Self::Gemini => "Gemini",
            Self::OpenAi => "OpenAI",
        }
    }

    /// The endpoint that most requests in it go to.
    pub const fn usual(self) -> Endpoint {
        match self {
            Self::Anthropic => Endpoint::Messages,
            Self::Cohere => Endpoint::Chat,
            Self::Gemini => Endpoint::GenerateContent,
            Self::OpenAi => Endpoint::ChatCompletions,
        }
    }

    /// What all its paths begin with: the version of the API.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Anthropic | Self::OpenAi => "/v1",
            Self::Cohere => "/v2",
            Self::Gemini => "/v1beta",
        }
    }

    /// The protocol of a request: that of its path, or where no endpoint is there, the one whose
    /// headers it carries.
    pub fn of_request(path: &str, headers: &HeaderMap) -> Self {
        let is_under = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match Destination::of_path(path) {
            Some(destination) => destination.endpoint.protocol(),
            None if is_under("/v2") => Self::Cohere,
            None if is_under("/v1beta") => Self::Gemini,
            None if headers.contains_key("anthropic-version") => Self::Anthropic,
            None if path.starts_with("/v1/messages") => Self::Anthropic,
            None => Self::OpenAi,
        }
    }

    /// The header in which its official clients look for the id of a request.
    pub const fn request_id(self) -> HeaderName {
        match self {
            Self::Anthropic => HeaderName::from_static("request-id"),
            Self::Cohere => HeaderName::from_static("x-debug-trace-id"),
            Self::Gemini | Self::OpenAi => HeaderName::from_static("x-request-id"),
        }
    }
}

/// What is asked of a provider, by path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Endpoint {
    /// Cohere: `/v2/chat`
    Chat,
    /// OpenAI: `/v1/chat/completions`
    ChatCompletions,
    /// OpenAI: `/v1/completions`
    Completions,
    /// Gemini: `/v1beta/models/{model}:countTokens`
    CountContent,
    /// Anthropic: `/v1/messages/count_tokens`
    CountTokens,
    /// Cohere: `/v2/embed`
    Embed,
    /// OpenAI: `/v1/embeddings`
    Embeddings,
    /// Gemini: `/v1beta/models/{model}:generateContent`
    GenerateContent,
    /// Anthropic: `/v1/messages`
    Messages,
    /// OpenAI: `/v1/moderations`
    Moderations,
    /// Cohere: `/v2/rerank`
    Rerank,
    /// OpenAI: `/v1/responses`
    Responses,
    /// Gemini: `/v1beta/models/{model}:streamGenerateContent`
    StreamGenerateContent,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 13] = [
        Self::Chat,
        Self::ChatCompletions,
        Self::Completions,
        Self::CountContent,
        Self::CountTokens,
        Self::Embed,
        Self::Embeddings,
        Self::GenerateContent,
        Self::Messages,
        Self::Moderations,
        Self::Rerank,
        Self::Responses,
        Self::StreamGenerateContent,
    ];

    /// The path under a provider's base URL, as `/chat/completions`; `{model}` stands for a name.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat",
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::CountContent => "/models/{model}:countTokens",
            Self::CountTokens => "/messages/count_tokens",
            Self::Embed => "/embed",
            Self::Embeddings => "/embeddings",
            Self::GenerateContent => "/models/{model}:generateContent",
            Self::Messages => "/messages",
            Self::Moderations => "/moderations",
            Self::Rerank => "/rerank",
            Self::Responses => "/responses",
            Self::StreamGenerateContent => "/models/{model}:streamGenerateContent",
        }
    }

    /// The protocol it belongs to.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::CountTokens | Self::Messages => Protocol::Anthropic,
            Self::Chat | Self::Embed | Self::Rerank => Protocol::Cohere,
            Self::CountContent | Self::GenerateContent | Self::StreamGenerateContent => {
                Protocol::Gemini
            }
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Moderations
            | Self::Responses => Protocol::OpenAi,
        }
    }

    /// Whether the model generates output tokens, so that a cap means something.
    pub const fn generates(self) -> bool {
        match self {
            Self::Chat
            | Self::ChatCompletions
            | Self::Completions
            | Self::GenerateContent
            | Self::Messages
            | Self::Responses
            | Self::StreamGenerateContent => true,
            Self::CountContent
            | Self::CountTokens
            | Self::Embed
            | Self::Embeddings
            | Self::Moderations
            | Self::Rerank => false,
        }
    }

    /// Whether the tokens of a prompt are only counted, which is free.
    pub const fn only_counts(self) -> bool {
        matches!(self, Self::CountContent | Self::CountTokens)
    }

    /// Whether the caller has to ask for usage at the end of a stream, or else none is told.
    pub const fn tells_usage_when_asked(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }

    /// The field that carries the input.
    pub const fn input(self) -> &'static str {
        match self {
            Self::Chat | Self::ChatCompletions | Self::CountTokens | Self::Messages => "messages",
            Self::Completions => "prompt",
            Self::CountContent | Self::GenerateContent | Self::StreamGenerateContent => "contents",
            Self::Embed => "texts",
            Self::Embeddings | Self::Moderations | Self::Responses => "input",
            Self::Rerank => "documents",
        }
    }

    /// Whether a field is one without which there is no request, or that only says how the answer
    /// is sent.
    pub fn cannot_lack(self, field: &str) -> bool {
        let is_cap = self.needs_cap() && field == CapField::MaxTokens.name();
        let is_other = match self {
            Self::CountContent => field == "generateContentRequest",
            Self::Embed => matches!(field, "embedding_types" | "images" | "input_type" | "inputs"),
            Self::Rerank => field == "query",
            _ => false,
        };
        field == self.input() || matches!(field, "model" | "stream") || is_cap || is_other
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
