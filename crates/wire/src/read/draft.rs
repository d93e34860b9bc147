//! An ask in the making, and the fields that several endpoints share.

use tollgate_units::Tokens;

use super::field::{self, members};
use super::{Generation, Seams, StreamOptions, Thinking};
use crate::cohere::ranking::Ranking;
use crate::destination::NAME_BYTES_MAX;
use crate::walk::{Kind, Path, Value};
use crate::{
    Ask, Cap, CapField, Destination, Endpoint, Extra, Keeping, Malformed, Place, Prompt, Protocol,
    Reference, StoredKind, Streamed, Tool, anthropic,
};

mod input;

/// What is known of a request so far.
pub(crate) struct Draft {
    pub(crate) endpoint: Endpoint,
    model: Option<(String, Place)>,
    streamed: Streamed,
    stream: bool,
    usage_asked: bool,
    answers: u64,
    caps: Vec<Cap>,
    user: Option<String>,
    safety_identifier: Option<String>,
    session: Option<String>,
    seams: Seams,
    /// How many prompts are answered.
    pub(crate) prompts: u64,
    /// Whether the field that carries the input was there.
    pub(crate) has_input: bool,
    pub(crate) tools: Vec<Tool>,
    chosen: Vec<Tool>,
    fields: Vec<String>,
    pub(crate) prompt: Prompt,
    /// What is ranked, where something is.
    pub(crate) ranking: Ranking,
    extras: Vec<Extra>,
    refers: Vec<Reference>,
    /// Where the body says that it wants work in the background.
    background: Option<Place>,
    keeping: Keeping,
}

impl Draft {
    pub(crate) fn new(to: Destination, root: Value<'_>) -> Self {
        let first = root.place().start.saturating_add(1);
        let Destination { endpoint, model, streamed } = to;
        let model_in_path = model.is_some();
        Self {
            endpoint,
            model: model.map(|name| (name, Place::default())),
            streamed,
            stream: endpoint == Endpoint::StreamGenerateContent,
            usage_asked: false,
            answers: 1,
            caps: Vec::new(),
            user: None,
            safety_identifier: None,
            session: None,
            seams: Seams {
                first,
                model_in_path,
                stream_options: StreamOptions::Absent,
                thinking: None,
                generation: Generation::Absent,
            },
            prompts: 1,
            has_input: false,
            tools: Vec::new(),
            chosen: Vec::new(),
            fields: Vec::new(),
            prompt: Prompt::default(),
            ranking: Ranking::default(),
            extras: Vec::new(),
            refers: Vec::new(),
            background: None,
            keeping: Keeping::Kept,
        }
    }

    pub(crate) fn finish(self, root: Value<'_>) -> Result<Ask, Malformed> {
        let input = self.endpoint.input();
        if !self.has_input {
            return Err(Malformed::missing(root, &Path::ROOT, input, "the input"));
        }
        let (model, model_place) = self
            .model
            .or_else(|| self.endpoint.default_model())
            .ok_or_else(|| Malformed::missing(root, &Path::ROOT, "model", "the name of a model"))?;
        let generates = self.endpoint.generates();
        let for_an_hour = self.endpoint.protocol() == Protocol::Anthropic
            && anthropic::is_cached_for_an_hour(root);
        let cap = least(&self.caps).or_else(|| self.endpoint.default_cap());
        if cap.is_none() && self.endpoint.needs_cap() {
            let expected = "how many tokens the answer may have";
            return Err(Malformed::missing(root, &Path::ROOT, "max_tokens", expected));
        }
        let keeping = match (self.background, self.keeping) {
            (Some(value), Keeping::NotKept) => return Err(unfindable(root, value)),
            (Some(_), Keeping::Background | Keeping::Kept) => Keeping::Background,
            (None, keeping) => keeping,
        };
        Ok(Ask {
            endpoint: self.endpoint,
            model,
            model_place,
            stream: self.stream && generates,
            streamed: self.streamed,
            answers: if generates { self.answers.saturating_mul(self.prompts) } else { 1 },
            cap,
            caps: self.caps,
            usage_asked: self.usage_asked,
            tools: self.tools,
            chosen: self.chosen,
            fields: self.fields,
            prompt: self.prompt,
            searches: (self.endpoint == Endpoint::Rerank).then(|| self.ranking.searches()),
            extras: self.extras,
            cached_for_an_hour: for_an_hour,
            user: self.user,
            safety_identifier: self.safety_identifier,
            session: self.session,
            refers: self.refers,
            keeping,
            seams: self.seams,
        })
    }

    /// `model`
    pub(crate) fn model(&mut self, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
        let null = value.is_null();
        if let Some((named, place)) = self.model.as_mut().filter(|_| self.seams.model_in_path) {
            let text = value.text();
            let said = text
                .strip_prefix("models/")
                .filter(|_| self.endpoint.protocol() == Protocol::Gemini);
            let same = value.kind() == Kind::String && said.unwrap_or(&text) == named.as_str();
            let expected = "the model that the path names, or nothing";
            *place = value.place();
            return if same || null {
                Ok(())
            } else {
                Err(Malformed::wrong(value, path, expected))
            };
        }
        self.model = match self.endpoint.default_model() {
            Some((name, _)) if null => Some((name, value.place())),
            _ if value.kind() == Kind::String && value.place().len() > 2 => {
                let name = value.text();
                if name.len() > NAME_BYTES_MAX {
                    let expected = "the name of a model, at most 256 bytes";
                    return Err(Malformed::wrong(value, path, expected));
                }
                Some((name.into_owned(), value.place()))
            }
            _ => return Err(Malformed::wrong(value, path, "the name of a model")),
        };
        Ok(())
    }

    /// `stream`
    pub(crate) fn stream(&mut self, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
        self.stream = field::flag(value, path)?;
        Ok(())
    }

    /// `stream_options`
    pub(crate) fn stream_options(
        &mut self,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        if value.is_null() {
            self.seams.stream_options = StreamOptions::Null(value.place());
            return Ok(());
        }
        let mut found = None;
        let mut empty = true;
        members(value, path, (&["include_usage"], "an object"), |key, value, path| {
            empty = false;
            if key == "include_usage" {
                self.usage_asked = field::flag(value, path)?;
                found = Some(value.place());
            }
            Ok(())
        })?;
        let first = value.place().start.saturating_add(1);
        self.seams.stream_options = match found {
            Some(place) => StreamOptions::Said(place),
            None => StreamOptions::Silent { first, empty },
        };
        Ok(())
    }

    /// `user`
    pub(crate) fn user(&mut self, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
        self.user = field::string(value, path)?.map(std::borrow::Cow::into_owned);
        Ok(())
    }

    /// `metadata.user_id`. Claude Code writes its conversation behind the user:
    /// `user_…_session_…`, or both into an object of its own.
    pub(crate) fn user_and_session(
        &mut self,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        self.user(value, path)?;
        let Some(text) = self.user.as_deref() else {
            return Ok(());
        };
        if let Some((user, session)) = text.rsplit_once("_session_") {
            self.session = Some(session.to_owned());
            self.user = Some(user.to_owned());
        } else if let Ok(said) = serde_json::from_str::<DeviceAndSession>(text) {
            self.session = Some(said.session_id);
            self.user = Some(said.device_id);
        }
        Ok(())
    }

    /// `safety_identifier`
    pub(crate) fn safety_identifier(
        &mut self,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        self.safety_identifier = field::string(value, path)?.map(std::borrow::Cow::into_owned);
        Ok(())
    }

    /// `background`
    pub(crate) fn background(
        &mut self,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        self.background = field::flag(value, path)?.then(|| value.place());
        Ok(())
    }

    /// `store`, where answers are kept unless it says otherwise.
    pub(crate) fn store(&mut self, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
        if self.endpoint == Endpoint::Responses && !value.is_null() {
            let keeps = field::flag(value, path)?;
            self.keeping = if keeps { Keeping::Kept } else { Keeping::NotKept };
        }
        Ok(())
    }

    /// Notes a reference to something stored. A conversation is what its requests belong to.
    pub(crate) fn add_reference(
        &mut self,
        reference: Reference,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        if self.refers.iter().any(|known| known.stored == reference.stored) {
            return Ok(());
        }
        if self.refers.len() >= REFERENCES_MAX {
            let expected = format!("at most {REFERENCES_MAX} ids of stored things in a request");
            return Err(Malformed::wrong(value, path, &expected));
        }
        if reference.stored.kind == StoredKind::Conversation {
            self.session = Some(reference.stored.id.clone());
        }
        self.refers.push(reference);
        Ok(())
    }

    /// `service_tier`
    pub(crate) fn tier(&mut self, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
        let protocol = self.endpoint.protocol();
        match (field::string(value, path)?.as_deref(), protocol) {
            (None | Some("auto"), _)
            | (Some("default"), Protocol::OpenAi)
            | (Some("standard_only"), Protocol::Anthropic) => {}
            (Some(tier), _) => self.add_extra(Extra::ServiceTier(tier.to_owned())),
        }
        Ok(())
    }

    /// `n` and `best_of`: the larger one decides.
    pub(crate) fn answers(&mut self, value: Value<'_>, path: &Path<'_>) -> Result<(), Malformed> {
        self.answers = self.answers.max(field::whole(value, path)?.unwrap_or(1));
        Ok(())
    }

    /// A field that caps the output.
    pub(crate) fn cap(
        &mut self,
        cap: CapField,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        let most = field::whole(value, path)?.map(Tokens::new);
        self.caps.push(Cap { field: cap, value: most, value_place: value.place() });
        Ok(())
    }

    /// Tokens of the output that are for thinking: `budget` within `thinking`.
    pub(crate) fn thinks(&mut self, thinking: Value<'_>, budget: Value<'_>) {
        let tokens = field::digits(budget.raw()).map(Tokens::new).unwrap_or_default();
        let (place, whole) = (budget.place(), thinking.place());
        let is_anthropic = self.endpoint.protocol() == Protocol::Anthropic;
        let least = if is_anthropic { THINKING_LEAST } else { Tokens::new(1) };
        self.seams.thinking = Some(Thinking { tokens, least, place, whole });
    }

    /// `generationConfig`
    pub(crate) fn generation(&mut self, said: Generation) {
        self.seams.generation = said;
    }

    /// `modalities`
    pub(crate) fn modalities(
        &mut self,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        if value.is_null() {
            return Ok(());
        }
        field::items(value, path, "a list of modalities", |item, path| {
            let modality = field::string(item, path)?.unwrap_or_default();
            if modality != "text" {
                self.add_extra(Extra::Modality(modality.into_owned()));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Notes an extra. One is enough to refuse a request by, and a few to say why, so a body full
    /// of them costs no more than its length.
    pub(crate) fn add_extra(&mut self, extra: Extra) {
        if self.extras.len() < EXTRAS_MAX && !self.extras.contains(&extra) {
            self.extras.push(extra);
        }
    }

    /// Notes a field of the top level, unless what it says is nothing.
    pub(crate) fn add_field(
        &mut self,
        key: &str,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        if matches!(value.kind(), Kind::Null | Kind::Bool(false)) {
            return Ok(());
        }
        if self.fields.len() >= FIELDS_MAX {
            let expected = format!("at most {FIELDS_MAX} fields in a request");
            return Err(Malformed::wrong(value, path, &expected));
        }
        self.fields.push(key.to_owned());
        Ok(())
    }

    /// Notes a tool that is to be called.
    pub(crate) fn add_chosen(
        &mut self,
        tool: Tool,
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        if self.chosen.len() >= TOOLS_MAX {
            let expected = format!("at most {TOOLS_MAX} tools to choose from");
            return Err(Malformed::wrong(value, path, &expected));
        }
        self.chosen.push(tool);
        Ok(())
    }

    /// Notes a tool.
    pub(crate) fn add_tool(
        &mut self,
        tool: Tool,
        list: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        if self.tools.len() >= TOOLS_MAX {
            let expected = format!("at most {TOOLS_MAX} tools in a request");
            return Err(Malformed::wrong(list, path, &expected));
        }
        self.tools.push(tool);
        Ok(())
    }
}

/// What nobody keeps cannot be asked for later, and so not metered to its end.
fn unfindable(root: Value<'_>, background: Place) -> Malformed {
    let why = "with `store: false` nobody could ask how it ended; leave one of the two out";
    let mut refused = Malformed::unsupported(root, &Path::ROOT.key("background"), why);
    refused.offset = Some(background.start);
    refused
}

const EXTRAS_MAX: usize = 8;
/// The least budget for thinking that Anthropic takes.
const THINKING_LEAST: Tokens = Tokens::new(1024);
/// No protocol has a fifth as many.
const FIELDS_MAX: usize = 256;
/// Each is looked up. Long conversations with many files have some dozens.
const REFERENCES_MAX: usize = 64;
/// OpenAI takes 128; agents with many servers and providers with larger models take more.
const TOOLS_MAX: usize = 1024;

fn least(caps: &[Cap]) -> Option<Tokens> {
    caps.iter().filter_map(|cap| cap.value).min()
}

/// What newer versions of Claude Code write into `metadata.user_id`.
#[derive(serde::Deserialize)]
struct DeviceAndSession {
    device_id: String,
    session_id: String,
}
