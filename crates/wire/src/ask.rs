//! What a request asks for: the little of its body that decisions are made on.
//!
//! Everything in here was read strictly, once; nothing downstream looks at the JSON again, and the
//! provider cannot read it differently. Places point into the body that was read, and into no
//! other.

use tollgate_units::{Searches, Tokens};

use crate::read::Seams;
use crate::walk::{Path, Value};
use crate::{Billed, Endpoint, Malformed, Place, Prompt, Protocol, Reference, Streamed};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Of which endpoint.
    pub endpoint: Endpoint,
    /// Of which model, by the caller's name for it. A moderation that names none has the provider's
    /// default.
    pub model: String,
    /// Where the model stands, quotes included; empty where the body names none.
    pub model_place: Place,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// How it is streamed.
    pub streamed: Streamed,
    /// How many answers are generated at most: `max(n, best_of)` for each prompt; at least 1.
    pub answers: u64,
    /// How many tokens one answer may have: the least cap that is present, else the protocol's own
    /// where it has one (completions: 16). None: the caller left it open.
    pub cap: Option<Tokens>,
    /// Every output cap that is present, `null` ones included.
    pub caps: Vec<Cap>,
    /// Whether the caller itself asked for usage at the end of the stream.
    pub usage_asked: bool,
    /// Every tool that is offered to the model, in the order of the body.
    pub tools: Vec<Tool>,
    /// The tools that the request wants called, whether they are offered or not.
    pub chosen: Vec<Tool>,
    /// The fields of the top level that ask for something: `null` and `false` do not.
    pub fields: Vec<String>,
    /// Where the input stands.
    pub prompt: Prompt,
    /// How many searches it is billed at most, where it asks for what is sold by the search.
    pub searches: Option<Searches>,
    /// What plain token prices do not cover.
    pub extras: Vec<Extra>,
    /// Whether something of the input is to stay in the provider's cache for an hour.
    pub cached_for_an_hour: bool,
    /// The caller's own word for its user.
    pub user: Option<String>,
    /// The newer field for the same.
    pub safety_identifier: Option<String>,
    /// The conversation that the protocol itself says the request belongs to.
    pub session: Option<String>,
    /// What it refers to of what providers store at their accounts: each once, at most 64.
    pub refers: Vec<Reference>,
    /// What becomes of the answer at the provider.
    pub keeping: Keeping,
    pub(crate) seams: Seams,
}

impl Ask {
    /// What is paid for at most, where that may be something else than tokens.
    pub fn billed_at_most(&self) -> Option<Billed> {
        self.searches.map(Billed::Searches)
    }

    /// The end user that the body names, and the field that does.
    ///
    /// # Errors
    ///
    /// Two fields name two of them.
    pub fn end_user(&self) -> Result<Option<(&'static str, &str)>, Malformed> {
        match (&self.user, &self.safety_identifier) {
            (Some(user), Some(other)) if user != other => Err(Malformed::two_users()),
            (_, Some(user)) => Ok(Some(("safety_identifier", user))),
            (user, None) => {
                let field = match self.endpoint.protocol() {
                    Protocol::Anthropic => "metadata.user_id",
                    Protocol::Cohere | Protocol::Gemini | Protocol::OpenAi => "user",
                };
                Ok(user.as_deref().map(|user| (field, user)))
            }
        }
    }
}

/// What becomes of an answer at the provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keeping {
    /// It is kept, and worked on while nobody listens.
    Background,
    /// It is kept where its protocol keeps answers.
    Kept,
    /// It is not kept: `store: false`.
    NotKept,
}

/// An output cap in a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cap {
    /// Which field.
    pub field: CapField,
    /// How much; none for `null`, which caps nothing.
    pub value: Option<Tokens>,
    /// Where the value stands.
    pub value_place: Place,
}

/// A field that caps the output.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CapField {
    /// `max_completion_tokens`: chat completions of OpenAI itself.
    MaxCompletionTokens,
    /// `max_output_tokens`: responses.
    MaxOutputTokens,
    /// `max_tokens`: completions, messages, and chat completions elsewhere.
    MaxTokens,
}

impl CapField {
    /// The field's name in JSON and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::MaxTokens => "max_tokens",
        }
    }
}

/// A tool that a request offers to the model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tool {
    /// Which list it stands in.
    pub list: ToolList,
    /// Its name, where its kind has names; for `mcp` the server's label.
    pub name: Option<String>,
    /// `function`, `custom`, or the kind of a hosted tool such as `web_search`, without the date
    /// that its version is known by.
    pub kind: String,
    /// For `mcp`: which server, where the request says so. What only refers to a server by its
    /// label has none.
    pub server: Option<Server>,
    /// Where it stands.
    pub place: Place,
    /// The same for people: `tools[2].tools[0]`.
    pub path: String,
}

impl Tool {
    pub(crate) fn new(list: ToolList, kind: &str, value: Value<'_>, path: &Path<'_>) -> Self {
        let (place, path) = (value.place(), path.to_string());
        Self { list, name: None, kind: kind.to_owned(), server: None, place, path }
    }

    #[must_use]
    pub(crate) fn named(self, name: Option<String>) -> Self {
        Self { name, ..self }
    }

    #[must_use]
    pub(crate) fn on(self, server: Server) -> Self {
        Self { server: Some(server), ..self }
    }
}

/// An MCP server, as a request tells the provider to find it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Server {
    /// Its address.
    pub url: Option<String>,
    /// Which of the provider's own connectors it is: `connector_gmail`.
    pub connector: Option<String>,
}

/// A list of tools in a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ToolList {
    /// A field of the body that is a hosted tool by itself, such as `web_search_options`.
    Field,
    /// The older `functions`.
    Functions,
    /// Somewhere inside the input, or inside another tool: cannot be taken out.
    Inside,
    /// `mcp_servers`: each a source of tools.
    Servers,
    /// `tools`, the tools inside a namespace, and those that input items bring.
    Tools,
}

/// Something that plain token prices do not cover.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Extra {
    /// A tool that the provider runs, by its kind.
    HostedTool(String),
    /// Something other than text and images in or out: `audio`.
    Modality(String),
    /// A predicted output: rejected tokens of it are billed as output.
    Prediction,
    /// A service tier other than the usual.
    ServiceTier(String),
}
