//! Why a request is refused, in the operator's words, and what the caller can do about it.
//!
//! A refusal knows nothing of HTTP: `wire` turns the notice made here into an answer in the
//! caller's protocol.

use tollgate_units::{Span, Tokens};
use tollgate_wire::{Malformed, Notice, NoticeKind, Protocol, Reference, StoredKind};

use crate::limit::grouped;
use crate::limitation::Limitation;

/// Why a request is not made.
#[derive(Debug)]
pub enum Refusal {
    /// No key where one is needed, or one that is not known.
    Credential,
    /// The prompt is over `max_input_tokens`.
    InputTooLong {
        /// The field that carries the prompt.
        field: &'static str,
        /// What was counted.
        counted: Tokens,
        /// What is allowed.
        most: Tokens,
        /// Whether a document is part of it that the body only says the way to.
        elsewhere: bool,
    },
    /// Limits have no room.
    Limited(Box<Limitation>),
    /// The body is not a request of its endpoint.
    Malformed(Malformed),
    /// A model that no route serves in the protocol it was asked in.
    ModelElsewhere {
        /// The model.
        model: String,
        /// The protocol that it is served in.
        protocol: Protocol,
    },
    /// A configured model that is not on this caller's list.
    ModelNotAllowed {
        /// The model.
        model: String,
        /// What is on the list.
        allowed: Vec<String>,
    },
    /// No such model.
    ModelNotFound {
        /// The model.
        model: String,
    },
    /// A money limit applies to something that has no price.
    NotPriced {
        /// What has none, where that is not the model: something that the request asks for.
        what: Option<String>,
        /// The model.
        model: String,
        /// The money limit.
        limit: String,
    },
    /// A field off the list of those that may be sent.
    Field {
        /// The field.
        name: String,
        /// The list.
        allowed: Vec<String>,
    },
    /// It refers to something stored that is not its caller's.
    NotStored(Reference),
    /// A tool off the allowlist.
    Tool {
        /// The tool, as the allowlist would name it.
        name: String,
        /// Where in the body it stands: `tools[2].tools[0]`.
        path: String,
        /// The allowlist.
        allowed: Vec<String>,
    },
    /// More limits apply than one decision can hold: refused, never let through.
    TooManyLimits,
}

impl Refusal {
    /// The reason in one word: a metric's label.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Credential => "key",
            Self::InputTooLong { .. } => "input",
            Self::Limited(_) => "limit",
            Self::Malformed(_) => "malformed",
            Self::ModelElsewhere { .. }
            | Self::ModelNotAllowed { .. }
            | Self::ModelNotFound { .. } => "model",
            Self::NotPriced { .. } => "price",
            Self::Field { .. } => "field",
            Self::NotStored(_) => "stored",
            Self::Tool { .. } => "tool",
            Self::TooManyLimits => "internal",
        }
    }

    /// What is told to the caller. `jitter` is added to the wait that is announced in headers, so
    /// that a crowd does not return at once.
    pub fn notice(self, request_id: String, jitter: Span) -> Notice {
        let plain = |kind, message, param: Option<&str>| Notice {
            kind,
            message,
            param: param.map(str::to_owned),
            limited: None,
            retry_after: None,
            jitter: Span::ZERO,
            request_id: request_id.clone(),
        };
        match self {
            Self::Credential => plain(
                NoticeKind::InvalidKey,
                "The key is missing, unknown, expired or revoked. Send a valid key as \
                 \"Authorization: Bearer KEY\"."
                    .to_owned(),
                None,
            ),
            Self::InputTooLong { counted, most, field, elsewhere } => {
                let advice = if elsewhere { ELSEWHERE } else { "Shorten it." };
                let (counted, most) = (grouped(counted.get()), grouped(most.get()));
                let message = format!(
                    "The prompt has {counted} tokens; at most {most} are allowed here. {advice}"
                );
                plain(NoticeKind::ContextLength, message, Some(field))
            }
            Self::Limited(limitation) => limitation.notice(request_id, jitter),
            Self::Malformed(malformed) => {
                let param = malformed.param.as_deref();
                plain(NoticeKind::InvalidRequest, malformed.message, param)
            }
            Self::ModelElsewhere { model, protocol } => {
                plain(NoticeKind::ModelNotFound, elsewhere(&model, protocol), Some("model"))
            }
            Self::ModelNotAllowed { model, allowed } => plain(
                NoticeKind::ModelNotAllowed,
                format!("The model \"{model}\" is not on your list. {}", choice(&allowed)),
                Some("model"),
            ),
            Self::ModelNotFound { model } => plain(
                NoticeKind::ModelNotFound,
                format!("There is no model \"{model}\" here. GET /v1/models lists what there is."),
                Some("model"),
            ),
            Self::NotPriced { what, model, limit } => plain(
                NoticeKind::NotPriced,
                not_priced(what.as_deref(), &model, &limit),
                Some("model"),
            ),
            Self::Field { name, allowed } => {
                let name = brief(&name);
                plain(NoticeKind::FieldNotAllowed, field_off(&name, &allowed), Some(&name))
            }
            Self::Tool { name, path, allowed } => {
                plain(NoticeKind::ToolNotAllowed, tool_off(&name, &path, &allowed), Some(&path))
            }
            Self::NotStored(at) => plain(not_found(&at).0, not_found(&at).1, Some(&at.param)),
            Self::TooManyLimits => plain(
                NoticeKind::Internal,
                "More limits apply to this request than can be decided at once.".to_owned(),
                None,
            ),
        }
    }
}

/// What is told of a prompt with a document of unknown length.
pub(crate) const ELSEWHERE: &str = "A document that it only says the way to, by an address or a \
     file's id, counts as all that the model reads at once: send its content instead.";

fn not_priced(what: Option<&str>, model: &str, limit: &str) -> String {
    match what {
        None => format!(
            "The model \"{model}\" has no price, and the limit \"{limit}\" counts money. Ask the \
             operator to add a price."
        ),
        Some(what) => format!(
            "The {what} of this request to \"{model}\" costs money that cannot be bounded before \
             it is spent, and the limit \"{limit}\" counts money. Leave it out, or ask the \
             operator for a tier without a money limit."
        ),
    }
}

fn field_off(name: &str, allowed: &[String]) -> String {
    format!("The field \"{name}\" is not allowed here; leave it out. {}", choice(allowed))
}

fn tool_off(name: &str, path: &str, allowed: &[String]) -> String {
    let name = brief(name);
    let own = |entry: &String| if entry == "*" { OWN.to_owned() } else { entry.clone() };
    let allowed: Vec<_> = allowed.iter().map(own).collect();
    format!("The tool \"{name}\" at {path} is not allowed here. {}", choice(&allowed))
}

/// As the provider says it of what it does not have.
fn not_found(Reference { stored, .. }: &Reference) -> (NoticeKind, String) {
    let (kind, name) = if stored.kind == StoredKind::Response {
        (NoticeKind::PreviousResponseNotFound, "Previous response")
    } else {
        (NoticeKind::StoredNotFound, stored.kind.name())
    };
    (kind, format!("{name} with id '{}' not found.", stored.id))
}

/// Where a model is served that was asked for in another protocol than its own.
fn elsewhere(model: &str, protocol: Protocol) -> String {
    let (name, version, path) = (protocol.title(), protocol.version(), protocol.usual().path());
    format!(
        "The model \"{model}\" is not served in this protocol. It is served in the {name} \
         protocol: POST {version}{path}."
    )
}

fn choice(allowed: &[String]) -> String {
    if allowed.is_empty() {
        "Nothing is allowed.".to_owned()
    } else {
        format!("Allowed: {}.", allowed.join(", "))
    }
}

/// A caller's own word can be long; a message is not the place for all of it.
fn brief(name: &str) -> String {
    name.chars().take(WORD_SHOWN_MAX).collect()
}

/// What the pattern for any name allows.
const OWN: &str = "functions of your own";
const WORD_SHOWN_MAX: usize = 64;
