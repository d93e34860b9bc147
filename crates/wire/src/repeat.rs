//! Whether an answer may be given again, and the one form of every request that it answers.
//!
//! Two bodies that mean the same have the same form, however their members are ordered, spaced and
//! escaped; whatever else differs differs in the form too. Where it is in doubt whether two bodies
//! mean the same, they do not: that costs a request, and the other way round somebody would get the
//! answer to another question. So numbers are compared as they are written (`1.0` is not `1`, which
//! typed readers tell apart, and in a tool's arguments the model sees the digits), Gemini's two
//! spellings of a field are two, and `null` is not absence. When it is wrong: the form is that of
//! what was asked, so an answer to a body that the gateway has edited in what it says (another
//! model, a lower cap, fewer tools) must not be kept under it.

use std::borrow::Cow;
use std::ops::Range;

use http::HeaderMap;

use crate::strict::NESTING_MAX;
use crate::walk::{Kind, Value, after_space, after_value};
use crate::{Ask, Endpoint, Extra, Keeping, Place, Protocol, Streamed, gemini, text};

/// When an earlier answer may be given to the same request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeat {
    /// Whenever there is one: it would be answered alike, as far as providers promise that.
    Always,
    /// When nothing else is left: it would be answered differently, and as well.
    IfError,
    /// Never: being asked has an effect of its own, or the answer holds only now.
    Never,
}

impl Repeat {
    /// That of a request.
    ///
    /// What is embedded or ranked depends on nothing but the request. What is generated does so at
    /// a temperature of zero, for one answer. What the request only says the way to may have become
    /// something else since. Never repeated: what a provider keeps or has kept, what it works on
    /// in the background, what calls tools that it runs (they act, and what they find is of the
    /// moment), sound and pictures (they are large), and sound that is asked about. Nor are counts
    /// of tokens and moderations: both are free, and a verdict should be of the moderator of today.
    pub fn of(ask: &Ask, body: &[u8]) -> Self {
        if has_effects(ask) {
            return Self::Never;
        }
        let is_alike = match ask.endpoint {
            Endpoint::CountContent | Endpoint::CountTokens | Endpoint::Moderations => {
                return Self::Never;
            }
            Endpoint::Embed | Endpoint::Embeddings | Endpoint::Rerank => true,
            Endpoint::Chat
            | Endpoint::ChatCompletions
            | Endpoint::Completions
            | Endpoint::GenerateContent
            | Endpoint::Messages
            | Endpoint::Responses
            | Endpoint::StreamGenerateContent => ask.answers == 1 && is_at_zero(ask, body),
        };
        if is_alike && is_whole(ask) { Self::Always } else { Self::IfError }
    }
}

/// Bodies longer than this have no form.
pub const FORM_BYTES_MAX: usize = 4 << 20;

/// The one form of a request and of all that mean the same, to be hashed: not JSON, and long. None
/// for a body that is too long or was never checked.
///
/// It holds the endpoint, the model by the caller's name, whether and how the answer is streamed,
/// the `headers` that switch features on, and the body less what changes no answer. Takes time in
/// proportion to the body for each level of its nesting.
pub fn normal_form(ask: &Ask, body: &[u8], headers: &HeaderMap) -> Option<Vec<u8>> {
    if body.len() > FORM_BYTES_MAX {
        return None;
    }
    let bytes = Vec::with_capacity(body.len().saturating_add(HEAD_BYTES_USUALLY));
    let mut form = Form { body, at: after_space(body, 0), bytes };
    form.put(TEXT, ask.endpoint.protocol().name().as_bytes());
    form.put(TEXT, ask.endpoint.path().as_bytes());
    form.put(TEXT, ask.model.as_bytes());
    form.put(
        TEXT,
        match (ask.stream, ask.streamed) {
            (false, _) => b"whole",
            (true, Streamed::Array) => b"array",
            (true, Streamed::Events) => b"events",
        },
    );
    for name in HEADERS {
        form.put(TEXT, name.as_bytes());
        for value in headers.get_all(*name) {
            form.put(VALUE, value.as_bytes());
        }
    }
    form.object(NESTING_MAX.checked_sub(1)?, Order::Free, |name, first| {
        changes_no_answer(ask.endpoint, name, first)
    })?;
    Some(form.bytes)
}

/// The headers that pass to providers and change what they answer. The others say who asks.
const HEADERS: &[&str] = &["anthropic-beta", "anthropic-version", "openai-beta"];

/// Room for what stands before the body.
const HEAD_BYTES_USUALLY: usize = 256;

/// Whether to answer a request does something that giving an earlier answer would not.
fn has_effects(ask: &Ask) -> bool {
    // `store` is among the fields where it is `true`; responses are kept where it is absent, and
    // nothing else is made in the background.
    let is_kept = match ask.endpoint {
        Endpoint::Responses => ask.keeping != Keeping::NotKept,
        _ => ask.fields.iter().any(|field| field == "store"),
    };
    let is_run_elsewhere = |kind: &str| !matches!(kind, "custom" | "function" | "tool");
    is_kept
        || !ask.refers.is_empty()
        || ask.tools.iter().chain(&ask.chosen).any(|tool| is_run_elsewhere(&tool.kind))
        || ask.extras.iter().any(|it| matches!(it, Extra::HostedTool(_) | Extra::Modality(_)))
}

/// Whether the body has all of the input in it. A picture whose size is not known may be one at an
/// address.
fn is_whole(ask: &Ask) -> bool {
    !ask.prompt.elsewhere && ask.prompt.images.iter().all(|image| image.size.is_some())
}

/// Whether the temperature is said to be zero. Where it is not said it is not.
fn is_at_zero(ask: &Ask, body: &[u8]) -> bool {
    let root = Value::root(body);
    let temperature = match ask.endpoint.protocol() {
        Protocol::Gemini => gemini::names::member(root, "generationConfig")
            .and_then(|config| gemini::names::member(config, "temperature")),
        Protocol::Anthropic | Protocol::Cohere | Protocol::OpenAi => root.member("temperature"),
    };
    temperature.is_some_and(|value| value.kind() == Kind::Number && is_zero(value.raw()))
}

/// Whether a number is zero however it is written: no digit before the exponent is another.
fn is_zero(number: &[u8]) -> bool {
    let mut digits = number.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    digits.all(|byte| matches!(byte, b'-' | b'.' | b'0'))
}

/// Whether a field of the top level is left out of the form, by its name and the first byte of its
/// value.
///
/// `model` and `stream` stand at the head of the form. `user`, `safety_identifier`, `metadata` and
/// `labels` tell the provider for whom it works and whom to bill inside the account;
/// `prompt_cache_key` and `prompt_cache_retention` where and how long it keeps the beginning of the
/// prompt; `store`, if not `true`, that it keeps nothing. An answer of the Responses API repeats
/// all of these, so there they stay: whoever gets the answer again should read their own.
/// `stream_options` stay everywhere, because they add events to the stream.
fn changes_no_answer(endpoint: Endpoint, name: &str, first: u8) -> bool {
    let is_head = matches!(name, "model" | "stream");
    is_head
        || match (endpoint, endpoint.protocol()) {
            (Endpoint::Responses, _) | (_, Protocol::Cohere) => false,
            (_, Protocol::Anthropic) => name == "metadata",
            (_, Protocol::Gemini) => name == "labels",
            (_, Protocol::OpenAi) => match name {
                "metadata"
                | "prompt_cache_key"
                | "prompt_cache_retention"
                | "safety_identifier"
                | "user" => true,
                "store" => first != b't',
                _ => false,
            },
        }
}

/// Whether the order of an object's members means something.
#[derive(Clone, Copy)]
enum Order {
    Free,
    /// Under `properties`: answers by a schema have their members in the order of the schema, and
    /// a model that reasons in the first of them answers better in the second.
    Meant,
}

/// What a value begins with in the form. Scalars have their length behind it, so that no value is
/// the beginning of another, and no two make a third.
const TEXT: u8 = b's';
const SCALAR: u8 = b'n';
const VALUE: u8 = b'h';

/// Instead of a length that needs more than a byte, and before it.
const LONG: u8 = u8::MAX;

/// A form in the making.
struct Form<'b> {
    body: &'b [u8],
    at: usize,
    bytes: Vec<u8>,
}

impl<'b> Form<'b> {
    fn put(&mut self, tag: u8, bytes: &[u8]) {
        self.bytes.push(tag);
        match u8::try_from(bytes.len()) {
            Ok(length) if length < LONG => self.bytes.push(length),
            _ => {
                self.bytes.push(LONG);
                self.bytes.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Goes to the next byte that is no separator.
    fn next(&mut self) -> Option<u8> {
        let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        let rest = self.body.get(self.at..)?;
        let skipped = rest.iter().position(|byte| !is_between(byte))?;
        self.at = self.at.saturating_add(skipped);
        self.body.get(self.at).copied()
    }

    /// The scalar that stands here, decoded if it is a string.
    fn scalar(&mut self) -> Cow<'b, str> {
        let place = Place::new(self.at, after_value(self.body, self.at));
        self.at = place.end;
        text(self.body, place)
    }

    fn value(&mut self, room: u8, order: Order) -> Option<()> {
        match self.next()? {
            b'{' => self.object(room.checked_sub(1)?, order, |_, _| false),
            b'[' => self.array(room.checked_sub(1)?),
            first => {
                let tag = if first == b'"' { TEXT } else { SCALAR };
                let scalar = self.scalar();
                self.put(tag, scalar.as_bytes());
                Some(())
            }
        }
    }

    fn array(&mut self, room: u8) -> Option<()> {
        self.bytes.push(b'[');
        self.at = self.at.saturating_add(1);
        while self.next()? != b']' {
            self.value(room, Order::Free)?;
        }
        self.close(b']');
        Some(())
    }

    /// An object without the members that are `left_out`.
    fn object(
        &mut self,
        room: u8,
        order: Order,
        left_out: impl Fn(&str, u8) -> bool,
    ) -> Option<()> {
        self.bytes.push(b'{');
        self.at = self.at.saturating_add(1);
        let mut members: Vec<Range<usize>> = Vec::new();
        loop {
            match self.next()? {
                b'}' => break,
                b'"' => {}
                _ => return None,
            }
            let start = self.bytes.len();
            let name = self.scalar();
            self.put(TEXT, name.as_bytes());
            let first = self.next()?;
            let inner = if name == "properties" { Order::Meant } else { Order::Free };
            self.value(room, inner)?;
            if left_out(&name, first) {
                self.bytes.truncate(start);
            } else {
                members.push(start..self.bytes.len());
            }
        }
        if let Order::Free = order {
            self.sort(members);
        }
        self.close(b'}');
        Some(())
    }

    fn close(&mut self, bracket: u8) {
        self.bytes.push(bracket);
        self.at = self.at.saturating_add(1);
    }

    /// Puts the members, which stand at the end, into the order of their names. No two have the
    /// same, so what stands behind the names is never compared.
    fn sort(&mut self, mut members: Vec<Range<usize>>) {
        let of = |member: &Range<usize>| self.bytes.get(member.clone()).unwrap_or_default();
        if members.is_sorted_by(|one, other| of(one) <= of(other)) {
            return;
        }
        let first = members.first().map_or(self.bytes.len(), |member| member.start);
        members.sort_unstable_by(|one, other| of(one).cmp(of(other)));
        let mut sorted = Vec::with_capacity(self.bytes.len().saturating_sub(first));
        for member in &members {
            sorted.extend_from_slice(of(member));
        }
        self.bytes.truncate(first);
        self.bytes.extend_from_slice(&sorted);
    }
}

#[cfg(test)]
mod tests;
