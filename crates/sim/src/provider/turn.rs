//! One answer with everything decided: how many tokens, why they end, what usage says.
//!
//! The formats (`chat`, `cohere`, `completions`, `gemini` and so on) only write it down, whole
//! or as events; so a streamed answer and a whole one cannot disagree. Members come in alphabetical
//! order where OpenAI has another: nobody may rely on either.

use bytes::Bytes;
use serde_json::{Value, json};
use tollgate_units::Tokens;

use super::asked::{Asked, Endpoint, Keeping};
use super::fault::Fault;
use super::kept::begun;
use super::paths::Form;
use super::script::Act;
use super::{chat, cohere, completions, gemini, lists, messages, responses};

/// What is generated for one request.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) answers: u64,
    pub(super) cached: u64,
    /// Tokens of each answer, visible or not.
    pub(super) each: u64,
    pub(super) endpoint: Endpoint,
    pub(super) finish: Finish,
    pub(super) inputs: u64,
    pub(super) form: Form,
    pub(super) makes: Makes,
    pub(super) model: String,
    pub(super) number: u64,
    pub(super) prompt: u64,
    /// How many tokens of each answer nobody sees.
    pub(super) reasoning: u64,
    /// How many searches are billed.
    pub(super) searches: u64,
    /// Names of the functions called instead of words.
    pub(super) tools: Vec<String>,
    pub(super) usage: bool,
    pub(super) usage_in_stream: bool,
    pub(super) wants_base64: bool,
    /// How much of the prompt was written to a cache, and how much of that for an hour.
    pub(super) written: u64,
    pub(super) written_hour: u64,
}

/// What an answer makes besides words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Makes {
    /// Everything that may be stored.
    Everything,
    /// Nothing.
    Words,
    /// A response that is worked on later: only its beginning is told.
    Work,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Finish {
    Length,
    Stop,
    ToolCalls,
}

impl Finish {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Stop => "stop",
            Self::ToolCalls => "tool_calls",
        }
    }
}

/// A piece of a stream: one or more whole events.
pub(super) struct Event {
    pub(super) bytes: Bytes,
    pub(super) tells_usage: bool,
    pub(super) tokens: u64,
}

/// The events of one stream, made as they are wanted.
pub(super) type Events = Box<dyn Iterator<Item = Event> + Send>;

impl Event {
    pub(super) fn new(text: String) -> Self {
        Self { bytes: Bytes::from(text), tells_usage: false, tokens: 0 }
    }

    pub(super) fn of(text: String, tokens: u64) -> Self {
        Self { tokens, ..Self::new(text) }
    }

    pub(super) fn telling_usage(self) -> Self {
        Self { tells_usage: true, ..self }
    }
}

impl Turn {
    pub(super) fn new(asked: &Asked, act: &Act, prompt: Tokens) -> Self {
        let calls = if asked.tools.is_empty() { 0 } else { act.tool_calls };
        let tools = asked.tools.iter().cycle().zip(0..calls).map(|(name, _)| name.clone());
        let generates = !matches!(
            asked.endpoint,
            Endpoint::CountContent
                | Endpoint::CountTokens
                | Endpoint::Embed
                | Endpoint::Embeddings
                | Endpoint::Moderations
                | Endpoint::Rerank
        );
        let wanted = if generates { act.tokens.get() } else { 0 };
        let each = asked.cap.map_or(wanted, |cap| wanted.min(cap.get()));
        let finish = match (each < wanted, calls) {
            (true, _) => Finish::Length,
            (false, 0) => Finish::Stop,
            (false, _) => Finish::ToolCalls,
        };
        let cached = act.cached_tokens.min(prompt);
        let hour = act.written_hour_tokens;
        let written = act.written_tokens.plus(hour).min(prompt.less(cached));
        let in_background = asked.keeping == Keeping::Background;
        let makes = match (act.stores, in_background && asked.endpoint == Endpoint::Responses) {
            (_, true) => Makes::Work,
            (true, false) => Makes::Everything,
            (false, false) => Makes::Words,
        };
        Self {
            answers: asked.answers,
            cached: cached.get(),
            each,
            endpoint: asked.endpoint,
            finish,
            inputs: asked.inputs,
            form: asked.form,
            makes,
            model: asked.model.clone(),
            number: asked.number,
            prompt: prompt.get(),
            reasoning: act.reasoning_tokens.get().min(each),
            searches: asked.searches,
            tools: tools.collect(),
            usage: act.fault != Some(Fault::NoUsage),
            usage_in_stream: asked.usage_asked && act.fault != Some(Fault::NoUsage),
            wants_base64: asked.wants_base64,
            written: written.get(),
            written_hour: hour.min(written).get(),
        }
    }

    /// How many tokens of each answer can be seen.
    pub(super) fn visible(&self) -> u64 {
        self.each - self.reasoning
    }

    /// Tokens of all answers.
    pub(super) fn output(&self) -> u64 {
        self.each.saturating_mul(self.answers)
    }

    /// The whole answer.
    pub(super) fn whole(&self) -> Bytes {
        let whole = self.whole_in_json();
        let body = if self.makes == Makes::Work { begun(&whole, "queued") } else { whole };
        Bytes::from(body.to_string())
    }

    /// The whole answer, however it is told.
    pub(super) fn whole_in_json(&self) -> Value {
        match self.endpoint {
            Endpoint::Chat => cohere::chat(self),
            Endpoint::ChatCompletions => chat::whole(self),
            Endpoint::Completions => completions::whole(self),
            Endpoint::CountContent => gemini::count(self),
            Endpoint::CountTokens => messages::count(self),
            Endpoint::Embed => cohere::embed(self),
            Endpoint::Embeddings => lists::embeddings(self),
            Endpoint::GenerateContent | Endpoint::StreamGenerateContent => gemini::whole(self),
            Endpoint::Messages => messages::whole(self),
            Endpoint::Moderations => lists::moderations(self),
            Endpoint::Rerank => cohere::rerank(self),
            Endpoint::Responses => responses::whole(self),
        }
    }

    /// Whether it makes everything that may be stored.
    pub(super) fn stores(&self) -> bool {
        self.makes == Makes::Everything
    }

    /// The id of something that it makes.
    pub(super) fn made(&self, kind: &str) -> String {
        format!("{kind}_sim{:06}", self.number)
    }

    /// The answer as events, where the endpoint has them.
    pub(super) fn events(&self) -> Option<Events> {
        match self.endpoint {
            Endpoint::Chat => Some(cohere::events(self)),
            Endpoint::ChatCompletions => Some(chat::events(self)),
            Endpoint::Completions => Some(completions::events(self)),
            Endpoint::StreamGenerateContent => Some(gemini::events(self)),
            Endpoint::CountContent
            | Endpoint::CountTokens
            | Endpoint::Embed
            | Endpoint::Embeddings
            | Endpoint::GenerateContent
            | Endpoint::Moderations
            | Endpoint::Rerank => None,
            Endpoint::Messages => Some(messages::events(self)),
            Endpoint::Responses => Some(responses::events(self)),
        }
    }

    /// The event that says that something went wrong.
    pub(super) fn error_event(&self) -> Event {
        match self.endpoint {
            Endpoint::Chat => cohere::error_event(),
            Endpoint::Messages => messages::error_event(),
            Endpoint::StreamGenerateContent => gemini::error_event(self.form),
            Endpoint::Responses => responses::error_event(),
            _ => Event::new(format!(
                "data: {}\n\n",
                super::fault::error(super::fault::SERVER, "server_error", None)
            )),
        }
    }

    /// Usage in the shape of chat and legacy completions.
    pub(super) fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.output(),
            "total_tokens": self.prompt.saturating_add(self.output()),
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning.saturating_mul(self.answers),
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        })
    }
}

/// When everything was generated, for ever: recorded answers do not change from run to run.
pub(super) const CREATED: u64 = 1_767_225_600;

/// What every called function is called with.
pub(super) const ARGUMENTS: &str = r#"{"query":"toll gate"}"#;
