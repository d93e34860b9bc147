//! The OpenAI protocol: which endpoints there are, and the reading of their bodies.
//!
//! A body is checked whole, then its top level is walked once and each field goes to whoever knows
//! it. Fields that decide something are known at every endpoint, also where the protocol does not
//! have them, because servers that speak it are generous about that. Fields that nobody knows pass
//! through untouched; if they could carry input, they are counted as if they did.

mod chat;
mod completions;
pub(crate) mod dialect;
mod draft;
mod embeddings;
mod field;
mod image_part;
mod moderations;
mod responses;
mod stored;
mod tools;

use tollgate_units::Tokens;

use self::draft::Draft;
use crate::walk::{Path, Value};
use crate::{Ask, CapField, Malformed, Place, strict};

/// What is asked of a provider, by path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Endpoint {
    /// `/v1/chat/completions`
    ChatCompletions,
    /// `/v1/completions`
    Completions,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/moderations`
    Moderations,
    /// `/v1/responses`
    Responses,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 5] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
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
            Self::Embeddings => "/embeddings",
            Self::Moderations => "/moderations",
            Self::Responses => "/responses",
        }
    }

    /// Whether the model generates output tokens, so that a cap means something.
    pub const fn generates(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions | Self::Responses)
    }

    /// The field that carries the input.
    pub const fn input(self) -> &'static str {
        match self {
            Self::ChatCompletions => "messages",
            Self::Completions => "prompt",
            Self::Embeddings | Self::Moderations | Self::Responses => "input",
        }
    }

    /// What an absent output cap means. Completions stop at 16 tokens by themselves.
    fn default_cap(self) -> Option<Tokens> {
        (self == Self::Completions).then_some(Tokens::new(16))
    }

    /// The model of a request that names none, where the protocol has a default.
    fn default_model(self) -> Option<(String, Place)> {
        let name = "omni-moderation-latest".to_owned();
        (self == Self::Moderations).then_some((name, Place::default()))
    }
}

/// What else an edit needs to know of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seams {
    /// Just inside the body's opening brace. A body that was read has members.
    pub(crate) first: usize,
    pub(crate) stream_options: StreamOptions,
}

/// What a body says about the end of its stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StreamOptions {
    /// Nothing.
    Absent,
    /// `null`, at this place.
    Null(Place),
    /// `include_usage` has a value at this place.
    Said(Place),
    /// Options without `include_usage`; they begin at `first`.
    Silent { first: usize, empty: bool },
}

/// Reads a request strictly: what the provider could read differently is refused.
///
/// # Errors
///
/// Says what is wrong, where, and what would be right.
pub fn read(endpoint: Endpoint, body: &[u8]) -> Result<Ask, Malformed> {
    strict::check(body)?;
    let root = Value::root(body);
    let mut draft = Draft::new(endpoint, root);
    field::members(root, &Path::ROOT, (GOVERNED, "an object"), |key, value, path| {
        top(&mut draft, key, value, path)
    })?;
    draft.finish(root)
}

/// The fields that decide something here; in another case they are refused.
const GOVERNED: &[&str] = &[
    "agent_id",
    "background",
    "best_of",
    "cachedContent",
    "cached_content",
    "container",
    "conversation",
    "data_sources",
    "fallbacks",
    "function_call",
    "functions",
    "input",
    "instructions",
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_tokens",
    "messages",
    "modalities",
    "model",
    "models",
    "n",
    "n_predict",
    "parallel_tool_calls",
    "plugins",
    "prediction",
    "previous_response_id",
    "prompt",
    "response_format",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "suffix",
    "text",
    "tool_choice",
    "tools",
    "user",
    "web_search_options",
];

/// Fields that never reach the model as input.
const UNCOUNTED: &[&str] = &[
    "audio",
    "encoding_format",
    "function_call",
    "include",
    "logit_bias",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "reasoning_effort",
    "safety_identifier",
    "stop",
    "tool_choice",
    "truncation",
    "verbosity",
];

/// One field of the top level.
fn top(draft: &mut Draft, key: &str, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    stored::refuse_field(draft.endpoint, key, value, path)?;
    match key {
        "model" => draft.model(value, path),
        "stream" => draft.stream(value, path),
        "stream_options" => draft.stream_options(value, path),
        "user" => draft.user(value, path),
        "service_tier" => draft.tier(value, path),
        "n" | "best_of" => draft.answers(value, path),
        _ => special(draft, key, value, path),
    }
}

/// A field that belongs to an endpoint.
fn special(
    draft: &mut Draft,
    key: &str,
    value: Value<'_>,
    path: &Path<'_>,
) -> Result<(), Malformed> {
    use Endpoint as At;
    match (draft.endpoint, key) {
        (At::ChatCompletions, "max_completion_tokens") => {
            draft.cap(CapField::MaxCompletionTokens, value, path)
        }
        (At::ChatCompletions | At::Completions, "max_tokens") => {
            draft.cap(CapField::MaxTokens, value, path)
        }
        (At::Responses, "max_output_tokens") => draft.cap(CapField::MaxOutputTokens, value, path),
        (At::ChatCompletions, "messages") => chat::messages(draft, value, path),
        (At::Completions, "prompt") => completions::prompt(draft, value, path),
        (At::Completions, "suffix") => draft.counted(value, path),
        (At::Embeddings, "input") => embeddings::input(draft, value, path),
        (At::Moderations, "input") => moderations::input(draft, value, path),
        (At::Responses, "input") => responses::input(draft, value, path),
        (At::Responses, "instructions") => responses::instructions(draft, value, path),
        _ if draft.endpoint.generates() => tools::field(draft, key, value, path),
        _ => other(draft, key, value, path),
    }
}

/// A field that decides nothing. One that nobody knows may still name what the account stores.
fn other(draft: &mut Draft, key: &str, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
    if !UNCOUNTED.contains(&key) {
        if !GOVERNED.contains(&key) {
            stored::refuse_at(key, value, path)?;
        }
        draft.unknown(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
