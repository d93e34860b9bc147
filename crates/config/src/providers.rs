//! The accounts: which kinds this version speaks, and what is known of well-known names and hosts.

use secrecy::SecretString;
use tollgate_policy::{Exceed, Limit, OnDisconnect, ProviderSettings, SubjectKind, Unit};
use tollgate_wire::{Azure, CapField, Dialect, Protocol, dialect_of};

use crate::reader::{Entry, Field, Keys, Reader, Section};
use crate::tiers;
use crate::values::host_of;

/// One account, as the gateway reaches it. What decisions need to know of it is in the settings.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// The operator's name for it.
    pub name: String,
    /// The protocol it speaks, which says how it is told who calls.
    pub protocol: Protocol,
    /// How it is asked, where it is one at Azure.
    pub azure: Option<Azure>,
    /// Where its API begins, without a slash at the end.
    pub base_url: String,
    /// What it is paid with.
    pub api_key: Option<SecretString>,
}

impl UpstreamConfig {
    /// How it speaks of its limits and its faults, by its protocol and its host.
    pub fn dialect(&self) -> &'static Dialect {
        let kind = if self.azure.is_some() { "azure-openai" } else { self.protocol.name() };
        dialect_of(kind, host_of(&self.base_url).unwrap_or_default())
    }
}

/// Names whose protocol and address are known.
pub(crate) const WELL_KNOWN: [(&str, Protocol, &str); 12] = [
    ("openai", Protocol::OpenAi, "https://api.openai.com/v1"),
    ("anthropic", Protocol::Anthropic, "https://api.anthropic.com/v1"),
    ("cohere", Protocol::Cohere, "https://api.cohere.com/v2"),
    ("gemini", Protocol::Gemini, "https://generativelanguage.googleapis.com/v1beta"),
    ("deepinfra", Protocol::OpenAi, "https://api.deepinfra.com/v1/openai"),
    ("deepseek", Protocol::OpenAi, "https://api.deepseek.com/v1"),
    ("fireworks", Protocol::OpenAi, "https://api.fireworks.ai/inference/v1"),
    ("groq", Protocol::OpenAi, "https://api.groq.com/openai/v1"),
    ("mistral", Protocol::OpenAi, "https://api.mistral.ai/v1"),
    ("openrouter", Protocol::OpenAi, "https://openrouter.ai/api/v1"),
    ("together", Protocol::OpenAi, "https://api.together.xyz/v1"),
    ("xai", Protocol::OpenAi, "https://api.x.ai/v1"),
];

/// Hosts that stop generating and billing when a stream is abandoned, by the matrix that
/// `OpenRouter` publishes of its providers. Whoever is not listed is not known to.
const STOP_BILLING: [&str; 7] = [
    "api.anthropic.com",
    "api.deepinfra.com",
    "api.deepseek.com",
    "api.fireworks.ai",
    "api.openai.com",
    "api.together.xyz",
    "api.x.ai",
];

/// What an operator may call an account.
const KINDS: [(&str, Kind); 5] = [
    (Protocol::OpenAi.name(), Kind::Of(Protocol::OpenAi)),
    (Protocol::Anthropic.name(), Kind::Of(Protocol::Anthropic)),
    (Protocol::Cohere.name(), Kind::Of(Protocol::Cohere)),
    (Protocol::Gemini.name(), Kind::Of(Protocol::Gemini)),
    ("azure-openai", Kind::Azure),
];

/// What an account is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// One at Azure, which speaks OpenAI's protocol on paths of its own.
    Azure,
    /// One that speaks this protocol.
    Of(Protocol),
}

impl Kind {
    const fn protocol(self) -> Protocol {
        match self {
            Self::Azure => Protocol::OpenAi,
            Self::Of(protocol) => protocol,
        }
    }
}

/// The version of Azure's classic API that is asked for where the file names none: the first that
/// has responses.
const API_VERSION: &str = "2025-04-01-preview";

pub(crate) const KEYS: Keys = Keys {
    known: &[
        "kind",
        "base_url",
        "api_key",
        "api_version",
        "on_disconnect",
        "include_usage",
        "output_cap_field",
        "limits",
    ],
    later: &[],
};

/// Reads the section `providers`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
) -> (Vec<UpstreamConfig>, Vec<ProviderSettings>) {
    let Some(field) = file.get("providers") else {
        reader.missing(file, "providers", "\"providers: {openai: {api_key: ${OPENAI_API_KEY}}}\"");
        return (Vec::new(), Vec::new());
    };
    let Some(section) = reader.map(&field, "") else {
        return (Vec::new(), Vec::new());
    };
    if section.entries().next().is_none() {
        reader.mark(&field, "expected at least one provider");
    }
    section.entries().filter_map(|entry| provider(reader, entry)).unzip()
}

fn provider(
    reader: &mut Reader<'_>,
    entry: Entry<'_>,
) -> Option<(UpstreamConfig, ProviderSettings)> {
    let owner = format!("provider {}", entry.name);
    reader.name(&Field { node: entry.key, context: owner.clone() }, "a provider's name")?;
    let field = Field { node: entry.value, context: owner.clone() };
    let mut section = reader.section(&field, &owner, &KEYS)?;
    section.at = entry.key.at.clone();
    let known = WELL_KNOWN.iter().find(|(name, ..)| *name == entry.name);
    let kind = kind(reader, &section, known.map(|(_, protocol, _)| Kind::Of(*protocol)));
    // A well-known name of another kind says nothing of where that is.
    let known = known.filter(|(_, usual, _)| kind.is_none_or(|kind| kind == Kind::Of(*usual)));
    let known = known.map(|(.., url)| *url);
    let kind = kind.unwrap_or(Kind::Of(Protocol::OpenAi));
    let protocol = kind.protocol();
    let base_url = base_url(reader, &section, (kind, known)).map(|url| versioned(url, protocol));
    let azure = azure(reader, &section, (kind, base_url.as_deref()));
    let base_url = base_url.map(|url| bare(url, kind));
    if protocol != Protocol::OpenAi {
        for key in ["include_usage", "output_cap_field"] {
            if let Some(field) = section.get(key) {
                reader.mark(&field, format!("{key} means something for the kind \"openai\" only"));
            }
        }
    }
    let api_key = section.get("api_key");
    if api_key.is_none() && known.is_some() && section.get("base_url").is_none() {
        let example = format!("${{{}_API_KEY}}", entry.name.to_ascii_uppercase());
        reader.missing(&section, "api_key", &example);
    }
    let api_key = api_key.and_then(|field| reader.secret(&field, 1));
    let include_usage = section.get("include_usage").map(|field| reader.boolean(&field));
    let cap_field = section.get("output_cap_field").map(|field| {
        let fields = [CapField::MaxTokens, CapField::MaxCompletionTokens];
        reader.choice(&field, &fields.map(|field| (field.name(), field)))
    });
    let asked = section.get("on_disconnect").and_then(|field| on_disconnect(reader, &field));
    let base_url = base_url?;
    let host = host_of(&base_url)?.to_ascii_lowercase();
    let settings = ProviderSettings {
        name: entry.name.to_owned(),
        protocol,
        is_openai: kind == Kind::Of(Protocol::OpenAi) && host == "api.openai.com",
        include_usage: include_usage.flatten().unwrap_or(true),
        output_cap_field: cap_field.flatten(),
        on_disconnect: asked.unwrap_or_else(|| usual_on_disconnect(&host)),
        limits: limits(reader, &section),
    };
    let name = entry.name.to_owned();
    Some((UpstreamConfig { name, protocol, azure, base_url, api_key }, settings))
}

/// What abandoning a stream of `host` means where nobody says.
pub(crate) fn usual_on_disconnect(host: &str) -> OnDisconnect {
    let stops = STOP_BILLING.contains(&host);
    if stops { OnDisconnect::Cancel } else { OnDisconnect::Unknown }
}

/// The official clients of these add the version themselves, so people write an address without.
fn versioned(url: String, protocol: Protocol) -> String {
    let after = url.split_once("://").map_or(&*url, |(_, after)| after);
    let has_path = after.contains('/');
    let is_added = protocol != Protocol::OpenAi && !has_path;
    if is_added { format!("{url}{}", protocol.version()) } else { url }
}

/// How an account at Azure is asked: on OpenAI's paths where its address ends so, else in a version
/// of its own.
fn azure(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    (kind, base_url): (Kind, Option<&str>),
) -> Option<Azure> {
    let field = section.get("api_version");
    let is_classic = kind == Kind::Azure && !base_url.is_some_and(|url| url.ends_with(AZURE_V1));
    if let Some(field) = field.as_ref().filter(|_| !is_classic) {
        let what = "api_version means something for the kind \"azure-openai\" only, and not under";
        reader.mark(field, format!("{what} {AZURE_V1}"));
    }
    if !is_classic {
        return (kind == Kind::Azure).then_some(Azure::V1);
    }
    let expected = "a version of Azure's API, such as 2024-10-21";
    let said = field.and_then(|field| {
        let said = reader.resolved(&field, expected)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if said.is_empty() || !said.bytes().all(is_plain) {
            reader.mark(&field, format!("expected {expected}"));
        }
        Some(said)
    });
    Some(Azure::Classic { api_version: said.unwrap_or_else(|| API_VERSION.to_owned()) })
}

/// Where the classic API begins, with or without the part that all its paths have.
fn bare(url: String, kind: Kind) -> String {
    match url.strip_suffix("/openai").filter(|_| kind == Kind::Azure) {
        Some(bare) => bare.to_owned(),
        None => url,
    }
}

/// Where the API begins that has OpenAI's own paths.
const AZURE_V1: &str = "/openai/v1";

/// What a provider's kind or else its name says; a mistake where the kind is none that is spoken,
/// or is neither said nor known.
fn kind(reader: &mut Reader<'_>, section: &Section<'_>, known: Option<Kind>) -> Option<Kind> {
    let Some(field) = section.get("kind") else {
        if known.is_none() {
            reader.missing(section, "kind", "\"kind: openai\"");
        }
        return known;
    };
    reader.choice(&field, &KINDS)
}

fn base_url(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    (kind, known): (Kind, Option<&str>),
) -> Option<String> {
    let expected = "an http or https URL without user, query or fragment";
    let Some(field) = section.get("base_url") else {
        if known.is_none() {
            let is_azure = kind == Kind::Azure;
            let azure = "https://NAME.openai.azure.com";
            let example = if is_azure { azure } else { "http://127.0.0.1:8000/v1" };
            reader.missing(section, "base_url", example);
        }
        return known.map(str::to_owned);
    };
    let url = reader.resolved(&field, expected)?;
    if host_of(&url).is_none() {
        reader.mark(&field, format!("expected {expected}"));
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn on_disconnect(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<OnDisconnect> {
    reader.choice(field, &[("cancel", OnDisconnect::Cancel), ("drain", OnDisconnect::Drain)])
}

/// What the provider allows the account: it knows neither callers nor money.
fn limits(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<Limit> {
    let limits = tiers::limits(reader, section, true);
    let said = section.get("limits").filter(|_| !limits.is_empty());
    let Some(items) = said.and_then(|field| reader.list(&field, "sentences")) else {
        return limits;
    };
    // Where one is no sentence, which is a mistake already, nobody knows which is which.
    let items = if items.len() == limits.len() { items } else { Vec::new() };
    for (limit, item) in limits.iter().zip(&items) {
        let counted = limit.subjects.iter().all(|kind| *kind == SubjectKind::Model);
        let unit = matches!(
            limit.unit,
            Unit::Concurrency
                | Unit::InputTokens
                | Unit::OutputTokens
                | Unit::Requests
                | Unit::Streams
                | Unit::Tokens
        );
        if !counted || !unit {
            let what = "a provider counts requests, tokens and streams, of the account or \
                        \"per model\"; a tier's limits count callers";
            reader.mark(item, what);
        } else if limit.exceed != Exceed::Reject {
            let what = "another route is tried by itself where an account has no room; expected \
                        no \"then\"";
            reader.mark(item, what);
        }
    }
    limits
}
