//! Without a file: the providers whose keys are in the environment, on this machine, under a policy
//! that is small enough to be harmless.
//!
//! No key is asked for, because only this machine can call; the limits are what one person trying
//! things out does not notice and a runaway loop does.

use secrecy::SecretString;
use tollgate_policy::{
    ANONYMOUS, Guardrails, Limit, ModelSettings, Prefer, Priority, ProviderSettings, Route,
    RoutingSettings, Settings, TierSettings,
};
use tollgate_wire::Protocol;

use crate::file::{ADMIN, DATA, LISTEN, MAX_BODY, MIN_OUTPUT_TOKENS, TIMEOUTS};
use crate::providers::{UpstreamConfig, WELL_KNOWN, usual_on_disconnect};
use crate::values::host_of;
use crate::{Config, Data, Source};

/// What a caller on this machine may do.
pub(crate) const LIMITS: [&str; 4] = [
    "60 requests per minute per ip",
    "8 requests at once per ip",
    "200k tokens per minute per ip",
    "$10 per day",
];
/// What OpenAI serves under names that stay; a dated name is one line in a file. A test sees to it
/// that each is in the price table: a model without a price would be refused by the money limit.
pub(crate) const MODELS: [&str; 29] = [
    "gpt-3.5-turbo",
    "gpt-4",
    "gpt-4-turbo",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-5.1",
    "gpt-5.2",
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-5.4-nano",
    "gpt-5.5",
    "gpt-5.6",
    "gpt-6-astra",
    "gpt-6-luna",
    "gpt-6-sol",
    "gpt-6.1-sol",
    "gpt-6.1-terra",
    "o3",
    "o3-mini",
    "o4-mini",
    "text-embedding-3-large",
    "text-embedding-3-small",
    "text-embedding-ada-002",
];
/// The same of Anthropic; its older models have dated names, which its clients use.
pub(crate) const CLAUDE: [&str; 17] = [
    "claude-fable-5",
    "claude-fable-5-1",
    "claude-haiku-4-5",
    "claude-haiku-4-5-20251001",
    "claude-haiku-5-5",
    "claude-opus-4-5",
    "claude-opus-4-5-20251101",
    "claude-opus-4-6",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-opus-5-5",
    "claude-sonnet-4-5",
    "claude-sonnet-4-5-20250929",
    "claude-sonnet-4-6",
    "claude-sonnet-5",
    "claude-sonnet-5-5",
];
/// The same of Cohere. What ranks has no price of tokens.
pub(crate) const COMMAND: [&str; 5] = [
    "command-a-03-2025",
    "command-r-08-2024",
    "command-r-plus-08-2024",
    "command-r7b-12-2024",
    "embed-v4.0",
];
/// The same of Google.
pub(crate) const GEMINI: [&str; 8] = [
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.5-pro",
    "gemini-3.1-flash-lite",
    "gemini-3.1-pro-preview",
    "gemini-3.5-flash",
    "gemini-3.8-flash",
    "gemini-4-argon",
];
/// The providers that are served without a file: name, variable, models.
const SERVED: [(&str, &str, &[&str]); 4] = [
    ("openai", "OPENAI_API_KEY", &MODELS),
    ("anthropic", "ANTHROPIC_API_KEY", &CLAUDE),
    ("cohere", "COHERE_API_KEY", &COMMAND),
    ("gemini", "GEMINI_API_KEY", &GEMINI),
];

/// The configuration of a gateway without a file, where the environment has a key for it.
pub fn built_in(env: &impl Fn(&str) -> Option<String>) -> Option<Config> {
    let mut settings = nothing();
    let mut upstreams = Vec::new();
    for (name, variable, models) in SERVED {
        let Some(key) = env(variable).filter(|key| !key.trim().is_empty()) else {
            continue;
        };
        let (_, protocol, base_url) = WELL_KNOWN.into_iter().find(|(known, ..)| *known == name)?;
        upstreams.push(UpstreamConfig {
            name: name.to_owned(),
            protocol,
            azure: None,
            base_url: base_url.to_owned(),
            api_key: Some(SecretString::from(key.trim().to_owned())),
        });
        let host = host_of(base_url)?;
        serve(&mut settings, (name, protocol, host), models);
    }
    (!upstreams.is_empty()).then(|| Config {
        listen: LISTEN,
        admin: ADMIN,
        admin_token: None,
        data: Data::File(DATA.into()),
        tls: None,
        max_body: MAX_BODY,
        timeouts: TIMEOUTS,
        routing: RoutingSettings::default(),
        cache: None,
        alerts: None,
        upstreams,
        issuers: Vec::new(),
        settings,
        source: Source::BuiltIn,
    })
}

/// A policy that serves nothing yet.
fn nothing() -> Settings {
    Settings {
        tiers: vec![TierSettings {
            name: ANONYMOUS.to_owned(),
            models: Vec::new(),
            limits: LIMITS.iter().filter_map(|text| limit(text)).collect(),
            guardrails: Guardrails::default(),
            priority: Priority::default(),
        }],
        min_output_tokens: MIN_OUTPUT_TOKENS,
        ..Settings::default()
    }
}

/// Adds a provider and its models, for everybody.
fn serve(settings: &mut Settings, (name, protocol, host): (&str, Protocol, &str), models: &[&str]) {
    settings.providers.push(ProviderSettings {
        name: name.to_owned(),
        protocol,
        is_openai: protocol == Protocol::OpenAi,
        include_usage: true,
        output_cap_field: None,
        on_disconnect: usual_on_disconnect(host),
        limits: Vec::new(),
    });
    let names = models.iter().map(|&model| model.to_owned());
    settings.models.extend(names.clone().map(|model| ModelSettings {
        serve: vec![Route { provider: name.to_owned(), model: model.clone(), weight: 1 }],
        prefer: Prefer::default(),
        fallback: Vec::new(),
        name: model,
        limits: Vec::new(),
        guardrails: Guardrails::default(),
    }));
    for tier in &mut settings.tiers {
        tier.models.extend(names.clone());
    }
}

/// The sentence's limit; a test sees to it that each of ours is one.
fn limit(text: &str) -> Option<Limit> {
    tollgate_policy::parse(text).ok()
}
