//! What a request asks of the provider: as much as a server has to understand of it.
//!
//! It is read loosely on purpose, by another parser than the gateway's: where both understand a
//! request differently, a test that compares their books shows it.

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use tollgate_units::Tokens;

use super::cohere;
use super::fault::{INVALID, in_tongue};
use super::paths::{Form, Place};

/// The paths that generate, count or rank.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Endpoint {
    /// `/v2/chat`
    Chat,
    /// `/v1/chat/completions`
    ChatCompletions,
    /// `/v1/completions`
    Completions,
    /// `/v1beta/models/{model}:countTokens`
    CountContent,
    /// `/v1/messages/count_tokens`
    CountTokens,
    /// `/v2/embed`
    Embed,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1beta/models/{model}:generateContent`
    GenerateContent,
    /// `/v1/messages`
    Messages,
    /// `/v1/moderations`
    Moderations,
    /// `/v2/rerank`
    Rerank,
    /// `/v1/responses`
    Responses,
    /// `/v1beta/models/{model}:streamGenerateContent`
    StreamGenerateContent,
}

/// How a provider speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tongue {
    Anthropic,
    Cohere,
    Gemini,
    OpenAi,
}

impl Endpoint {
    /// The endpoint at `path`, where no model is in it.
    pub fn of_path(path: &str) -> Option<Self> {
        [
            Self::Chat,
            Self::ChatCompletions,
            Self::Completions,
            Self::CountTokens,
            Self::Embed,
            Self::Embeddings,
            Self::Messages,
            Self::Moderations,
            Self::Rerank,
            Self::Responses,
        ]
        .into_iter()
        .find(|endpoint| endpoint.path() == path)
    }

    /// Where it is; `{model}` stands for a name.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v2/chat",
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::CountContent => "/v1beta/models/{model}:countTokens",
            Self::CountTokens => "/v1/messages/count_tokens",
            Self::Embed => "/v2/embed",
            Self::Embeddings => "/v1/embeddings",
            Self::GenerateContent => "/v1beta/models/{model}:generateContent",
            Self::Messages => "/v1/messages",
            Self::Moderations => "/v1/moderations",
            Self::Rerank => "/v2/rerank",
            Self::Responses => "/v1/responses",
            Self::StreamGenerateContent => "/v1beta/models/{model}:streamGenerateContent",
        }
    }

    pub(super) const fn tongue(self) -> Tongue {
        match self {
            Self::CountTokens | Self::Messages => Tongue::Anthropic,
            Self::Chat | Self::Embed | Self::Rerank => Tongue::Cohere,
            Self::CountContent | Self::GenerateContent | Self::StreamGenerateContent => {
                Tongue::Gemini
            }
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Moderations
            | Self::Responses => Tongue::OpenAi,
        }
    }
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keeping {
    /// It is kept, and worked on while nobody listens.
    Background,
    /// It is kept where answers are.
    Kept,
    /// It is gone when it was told.
    NotKept,
}

/// One request, as the provider understood it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How many answers it wants: `n` (or `best_of`) times the number of prompts.
    pub answers: u64,
    /// The body, as it came.
    pub body: Bytes,
    /// The least of the output caps in it.
    pub cap: Option<Tokens>,
    /// Where it came to.
    pub endpoint: Endpoint,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// How many inputs there are, for endpoints that answer each.
    pub inputs: u64,
    /// What becomes of the answer.
    pub keeping: Keeping,
    /// The model's name.
    pub model: String,
    /// The how-manieth request this is, from zero.
    pub number: u64,
    /// How many searches a ranking is, as Cohere bills them.
    pub(super) searches: u64,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The names of the functions that may be called: none where the request chooses so.
    pub tools: Vec<String>,
    /// How a stream comes.
    pub(super) form: Form,
    /// Whether the stream is to end with usage.
    pub usage_asked: bool,
    /// The end user that it names.
    pub user: Option<String>,
    /// Whether vectors are wanted as base64.
    pub(super) wants_base64: bool,
}

/// A request that the provider does not understand: the body of its 400.
#[derive(Debug)]
pub(super) struct NotUnderstood(pub(super) String);

impl Asked {
    pub(super) fn read(
        place: Place,
        headers: HeaderMap,
        body: Bytes,
        number: u64,
    ) -> Result<Self, NotUnderstood> {
        let Place { endpoint, model: in_path, form } = place;
        let tongue = endpoint.tongue();
        let refuse = |message: &str| refuse(tongue, message);
        let fields: Fields = serde_json::from_slice(&body)
            .map_err(|mistake| refuse(&format!("We could not parse your JSON body: {mistake}")))?;
        let model = in_path.or(fields.model.clone());
        let model = model.ok_or_else(|| refuse("you must provide a model parameter"))?;
        let cap = fields.cap();
        if cap == Some(Tokens::ZERO) {
            return Err(refuse("Invalid value: integer below minimum value 1."));
        }
        if tongue == Tongue::Anthropic && !headers.contains_key("anthropic-version") {
            return Err(refuse("anthropic-version: header is required"));
        }
        if endpoint == Endpoint::Messages && cap.is_none() {
            return Err(refuse("max_tokens: Field required"));
        }
        let streams = endpoint == Endpoint::StreamGenerateContent;
        let stream = streams || fields.stream.unwrap_or(false);
        if fields.stream_options.is_some() && !stream {
            return Err(refuse(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            ));
        }
        Ok(Self {
            answers: fields.answers(),
            keeping: fields.keeping(),
            cap: cap.or((endpoint == Endpoint::Completions).then_some(COMPLETION_CAP)),
            endpoint,
            headers,
            inputs: fields.inputs(),
            form,
            model,
            number,
            searches: fields.searches(),
            stream,
            tools: fields.tool_names(),
            usage_asked: fields.stream_options.is_some_and(|options| options.include_usage),
            user: fields.user.or(fields.metadata.and_then(|metadata| metadata.user_id)),
            wants_base64: fields.encoding_format.as_deref() == Some("base64"),
            body,
        })
    }
}

/// What the legacy endpoint generates at most when nothing is said.
const COMPLETION_CAP: Tokens = Tokens::new(16);

#[derive(Deserialize)]
struct Fields {
    /// What Gemini's clients may write in two ways.
    #[serde(alias = "generation_config", rename = "generationConfig")]
    generation_config: Option<GenerationConfig>,
    #[serde(alias = "tool_config", rename = "toolConfig")]
    tool_config: Option<Value>,
    documents: Option<Vec<Value>>,
    max_tokens_per_doc: Option<u64>,
    query: Option<Value>,
    images: Option<Vec<Value>>,
    inputs: Option<Vec<Value>>,
    texts: Option<Vec<Value>>,
    background: Option<bool>,
    best_of: Option<u64>,
    encoding_format: Option<String>,
    functions: Option<Vec<Function>>,
    input: Option<Value>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    max_tokens: Option<u64>,
    metadata: Option<Metadata>,
    model: Option<String>,
    n: Option<u64>,
    prompt: Option<Value>,
    store: Option<bool>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    function_call: Option<Value>,
    tool_choice: Option<Value>,
    tools: Option<Vec<Tool>>,
    user: Option<String>,
}

#[derive(Deserialize)]
struct GenerationConfig {
    #[serde(alias = "candidate_count", rename = "candidateCount")]
    candidate_count: Option<u64>,
    #[serde(alias = "max_output_tokens", rename = "maxOutputTokens")]
    max_output_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Metadata {
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Tool {
    /// Chat completions have the name in here, responses beside it.
    function: Option<Function>,
    /// Gemini has many in one.
    #[serde(alias = "function_declarations", rename = "functionDeclarations")]
    function_declarations: Option<Vec<Function>>,
    name: Option<String>,
}

impl Fields {
    fn keeping(&self) -> Keeping {
        match (self.store, self.background) {
            (Some(false), _) => Keeping::NotKept,
            (_, Some(true)) => Keeping::Background,
            _ => Keeping::Kept,
        }
    }

    fn cap(&self) -> Option<Tokens> {
        let config = self.generation_config.as_ref();
        let in_config = config.and_then(|config| config.max_output_tokens);
        let caps = [self.max_completion_tokens, self.max_output_tokens, self.max_tokens, in_config];
        caps.into_iter().flatten().min().map(Tokens::new)
    }

    fn answers(&self) -> u64 {
        let config = self.generation_config.as_ref();
        let candidates = config.and_then(|config| config.candidate_count);
        let most = [self.n, self.best_of, candidates].into_iter().flatten().max();
        let each = most.unwrap_or(1).clamp(1, ANSWERS_MAX);
        each.saturating_mul(several(self.prompt.as_ref())).min(ANSWERS_MAX)
    }

    /// How many inputs there are: each has an answer of its own.
    fn inputs(&self) -> u64 {
        let lists = [&self.documents, &self.images, &self.inputs, &self.texts];
        let listed = lists.into_iter().flatten().map(|list| list.len() as u64).max();
        listed.unwrap_or_else(|| several(self.input.as_ref()))
    }

    fn searches(&self) -> u64 {
        let documents = self.documents.iter().flatten();
        cohere::searches(self.query.as_ref(), documents, self.max_tokens_per_doc)
    }

    fn tool_names(&self) -> Vec<String> {
        // A word of OpenAI's and Cohere's, an object of that type in Anthropic's, a mode of
        // Gemini's.
        let is_none = |choice: &Value| {
            let calling = ["functionCallingConfig", "function_calling_config"];
            let is_mode = calling.iter().any(|name| choice[*name]["mode"] == "NONE");
            choice == "none" || choice == "NONE" || choice["type"] == "none" || is_mode
        };
        if [&self.tool_choice, &self.function_call, &self.tool_config]
            .into_iter()
            .flatten()
            .any(is_none)
        {
            return Vec::new();
        }
        let tools = self.tools.iter().flatten().flat_map(|tool| {
            let own = tool.function.as_ref().and_then(|function| function.name.clone());
            let declared = tool.function_declarations.iter().flatten();
            let declared = declared.filter_map(|function| function.name.clone());
            own.or(tool.name.clone()).into_iter().chain(declared)
        });
        let functions =
            self.functions.iter().flatten().filter_map(|function| function.name.clone());
        tools.chain(functions).collect()
    }
}

/// More answers than anybody asks for.
const ANSWERS_MAX: u64 = 2048;

/// How many prompts a `prompt` or `input` holds: a list of token ids is one, a list of others many.
fn several(value: Option<&Value>) -> u64 {
    match value {
        Some(Value::Array(items)) if items.iter().any(|item| !item.is_number()) => {
            items.len() as u64
        }
        _ => 1,
    }
}

fn refuse(tongue: Tongue, message: &str) -> NotUnderstood {
    NotUnderstood(in_tongue(tongue, 400, INVALID, message).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(endpoint: Endpoint, body: &'static str) -> Result<Asked, NotUnderstood> {
        let place = Place { endpoint, model: None, form: Form::Events };
        Asked::read(place, HeaderMap::new(), Bytes::from_static(body.as_bytes()), 0)
    }

    #[test]
    fn the_least_cap_counts() {
        let body = r#"{"model":"m","max_tokens":50,"max_completion_tokens":20,"n":3}"#;
        let asked = read(Endpoint::ChatCompletions, body).unwrap();
        assert_eq!((asked.cap, asked.answers), (Some(Tokens::new(20)), 3));
    }

    #[test]
    fn every_prompt_is_an_answer_and_token_ids_are_one() {
        let counts = [
            (r#"{"model":"m","prompt":"a"}"#, 1),
            (r#"{"model":"m","prompt":["a","b"]}"#, 2),
            (r#"{"model":"m","prompt":[1,2,3]}"#, 1),
            (r#"{"model":"m","prompt":[[1],[2]],"n":2}"#, 4),
        ];
        for (body, answers) in counts {
            let asked = read(Endpoint::Completions, body).unwrap();
            assert_eq!((asked.answers, asked.cap), (answers, Some(Tokens::new(16))), "{body}");
        }
    }

    #[test]
    fn what_openai_refuses_is_refused() {
        let bodies = [
            "{",
            r#"{"messages":[]}"#,
            r#"{"model":"m","max_tokens":0}"#,
            r#"{"model":"m","stream_options":{"include_usage":true}}"#,
        ];
        for body in bodies {
            assert!(read(Endpoint::ChatCompletions, body).is_err(), "{body}");
        }
    }
}
