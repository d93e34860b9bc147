//! The accounts: which kinds this version speaks, and what is known of well-known names and hosts.

use secrecy::SecretString;
use tollgate_policy::{OnDisconnect, ProviderSettings};
use tollgate_wire::CapField;

use crate::reader::{Entry, Field, Keys, Reader, Section};
use crate::values::host_of;

/// One account, as the gateway reaches it. What decisions need to know of it is in the settings.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// The operator's name for it.
    pub name: String,
    /// Where its API begins, without a slash at the end.
    pub base_url: String,
    /// What it is paid with, as a bearer token.
    pub api_key: Option<SecretString>,
}

/// Names whose address is known, all of which speak the OpenAI protocol.
pub(crate) const WELL_KNOWN: [(&str, &str); 9] = [
    ("openai", "https://api.openai.com/v1"),
    ("deepinfra", "https://api.deepinfra.com/v1/openai"),
    ("deepseek", "https://api.deepseek.com/v1"),
    ("fireworks", "https://api.fireworks.ai/inference/v1"),
    ("groq", "https://api.groq.com/openai/v1"),
    ("mistral", "https://api.mistral.ai/v1"),
    ("openrouter", "https://openrouter.ai/api/v1"),
    ("together", "https://api.together.xyz/v1"),
    ("xai", "https://api.x.ai/v1"),
];

/// Hosts that stop generating and billing when a stream is abandoned, by the matrix that
/// `OpenRouter` publishes of its providers. Whoever is not listed is not known to.
const STOP_BILLING: [&str; 6] = [
    "api.deepinfra.com",
    "api.deepseek.com",
    "api.fireworks.ai",
    "api.openai.com",
    "api.together.xyz",
    "api.x.ai",
];

/// Protocols of the documented configuration that this version does not speak; three of them are
/// well-known names too.
const KINDS_LATER: [&str; 4] = ["anthropic", "azure-openai", "cohere", "gemini"];

const KEYS: Keys = Keys {
    known: &["kind", "base_url", "api_key", "on_disconnect", "include_usage", "output_cap_field"],
    later: &["limits"],
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
    let known = WELL_KNOWN.iter().find(|(name, _)| *name == entry.name).map(|(_, url)| *url);
    kind(reader, &section, entry, known.is_some());
    let base_url = base_url(reader, &section, known);
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
    let stops = STOP_BILLING.contains(&&*host);
    let unasked = if stops { OnDisconnect::Cancel } else { OnDisconnect::Unknown };
    let settings = ProviderSettings {
        name: entry.name.to_owned(),
        is_openai: host == "api.openai.com",
        include_usage: include_usage.flatten().unwrap_or(true),
        output_cap_field: cap_field.flatten(),
        on_disconnect: asked.unwrap_or(unasked),
    };
    Some((UpstreamConfig { name: entry.name.to_owned(), base_url, api_key }, settings))
}

/// The only kind there is; a mistake where it is another, or is not said and not known.
fn kind(reader: &mut Reader<'_>, section: &Section<'_>, entry: Entry<'_>, is_known: bool) {
    let Some(field) = section.get("kind") else {
        if is_later(entry.name) {
            let here = Field { node: entry.key, context: section.owner.clone() };
            reader.mark(
                &here,
                format!("kind \"{}\" is not supported by this version yet", entry.name),
            );
        } else if !is_known {
            reader.missing(section, "kind", "\"kind: openai\"");
        }
        return;
    };
    if let Some(later) = field.node.text().filter(|text| is_later(text)) {
        let what = format!("kind \"{later}\" is not supported by this version yet");
        reader.mark(&field, what);
        return;
    }
    reader.choice(&field, &[("openai", ())]);
}

fn base_url(reader: &mut Reader<'_>, section: &Section<'_>, known: Option<&str>) -> Option<String> {
    let expected = "an http or https URL without user, query or fragment";
    let Some(field) = section.get("base_url") else {
        // A name whose kind is not spoken has been reported already.
        let is_later = section.owner.strip_prefix("provider ").is_some_and(is_later);
        if known.is_none() && !(is_later && section.get("kind").is_none()) {
            reader.missing(section, "base_url", "http://127.0.0.1:8000/v1");
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
    if field.node.text() == Some("drain") {
        reader.mark(field, "\"drain\" is not supported by this version yet");
        return None;
    }
    reader.choice(field, &[("cancel", OnDisconnect::Cancel)])
}

fn is_later(kind: &str) -> bool {
    KINDS_LATER.contains(&kind)
}
