//! The reading of bodies: one check for every protocol, then each protocol's own fields.
//!
//! A body is checked whole and then its top level is walked once. What the protocols share is here:
//! the ask in the making, one field at a time, what functions look like, and what refers to
//! something stored.

pub(crate) mod chosen;
pub(crate) mod draft;
pub(crate) mod field;
pub(crate) mod hidden;
pub(crate) mod shape;
pub(crate) mod stored;

use tollgate_units::Tokens;

pub(crate) use self::draft::Draft;
use crate::walk::{Path, Value};
use crate::{
    Ask, Destination, Malformed, Place, Protocol, anthropic, cohere, gemini, openai, strict,
};

/// Under these names stands what is free: schemas, what a tool is called with, the variables and
/// headers that somebody chose. Whatever a name in it is like, it refers to nothing and offers
/// nothing.
const FREE: &[&str] = &[
    "$defs",
    "arguments",
    "definitions",
    "env",
    "headers",
    "input_schema",
    "json_schema",
    "parameters",
    "properties",
    "schema",
];

/// What else an edit needs to know of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seams {
    /// Just inside the body's opening brace. A body that was read has members.
    pub(crate) first: usize,
    /// Whether the path names the model, so that the body need not.
    pub(crate) model_in_path: bool,
    pub(crate) stream_options: StreamOptions,
    pub(crate) thinking: Option<Thinking>,
    pub(crate) generation: Generation,
}

/// What a body says of Gemini's `generationConfig`, in which the cap stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Generation {
    /// Nothing.
    Absent,
    /// `null`, at this place.
    Null(Place),
    /// An object, whose members begin at `first`.
    Said { first: usize, is_empty: bool },
}

/// The part of the output that the caller sets aside for thinking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thinking {
    pub(crate) tokens: Tokens,
    /// The fewest that the provider takes.
    pub(crate) least: Tokens,
    /// Where the number stands.
    pub(crate) place: Place,
    /// The object it stands in.
    pub(crate) whole: Place,
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
pub fn read(to: impl Into<Destination>, body: &[u8]) -> Result<Ask, Malformed> {
    strict::check(body)?;
    let root = Value::root(body);
    let to = to.into();
    let protocol = to.endpoint.protocol();
    let mut draft = Draft::new(to, root);
    let (governed, top): (_, Field) = match protocol {
        Protocol::Anthropic => (anthropic::GOVERNED, anthropic::top),
        Protocol::Cohere => (cohere::GOVERNED, cohere::top),
        Protocol::Gemini => {
            gemini::read(&mut draft, root)?;
            return draft.finish(root);
        }
        Protocol::OpenAi => (openai::GOVERNED, openai::top),
    };
    field::members(root, &Path::ROOT, (governed, "an object"), |key, value, path| {
        draft.add_field(key, value, path)?;
        top(&mut draft, key, value, path)
    })?;
    draft.finish(root)
}

/// Reads one field of the top level.
type Field = fn(&mut Draft, &str, Value<'_>, &Path<'_>) -> Result<(), Malformed>;
