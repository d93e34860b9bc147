//! Without a file: the provider whose key is in the environment, on this machine, under a policy
//! that is small enough to be harmless.
//!
//! No key is asked for, because only this machine can call; the limits are what one person trying
//! things out does not notice and a runaway loop does.

use secrecy::SecretString;
use tollgate_policy::{
    ANONYMOUS, Guardrails, Limit, ModelSettings, OnDisconnect, ProviderSettings, Route, Settings,
    TierSettings,
};

use crate::file::{ADMIN, DATA, LISTEN, MAX_BODY, MIN_OUTPUT_TOKENS, TIMEOUTS};
use crate::providers::{UpstreamConfig, WELL_KNOWN};
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
/// Keys of providers that this version does not speak to.
const IGNORED: [&str; 2] = ["ANTHROPIC_API_KEY", "COHERE_API_KEY"];

/// The configuration of a gateway without a file, where the environment has a key for it.
///
/// Variables that are set for providers this version does not speak to are in
/// [`Source::BuiltIn`], so that whoever starts the gateway can say so.
pub fn built_in(env: &impl Fn(&str) -> Option<String>) -> Option<Config> {
    let is_set = |name: &&str| env(name).is_some_and(|value| !value.trim().is_empty());
    let key = env("OPENAI_API_KEY").filter(|key| !key.trim().is_empty())?;
    let (name, base_url) = WELL_KNOWN.first()?;
    let ignored = IGNORED.iter().filter(|name| is_set(name)).map(|&name| name.to_owned());
    let upstream = UpstreamConfig {
        name: (*name).to_owned(),
        base_url: (*base_url).to_owned(),
        api_key: Some(SecretString::from(key.trim().to_owned())),
    };
    Some(Config {
        listen: LISTEN,
        admin: ADMIN,
        admin_token: None,
        data: Data::File(DATA.into()),
        tls: None,
        max_body: MAX_BODY,
        timeouts: TIMEOUTS,
        upstreams: vec![upstream],
        settings: settings(name),
        source: Source::BuiltIn { ignored: ignored.collect() },
    })
}

fn settings(provider: &str) -> Settings {
    let names: Vec<String> = MODELS.iter().map(|&name| name.to_owned()).collect();
    let model = |name: &String| ModelSettings {
        name: name.clone(),
        serve: vec![Route { provider: provider.to_owned(), model: name.clone() }],
        limits: Vec::new(),
        guardrails: Guardrails::default(),
    };
    Settings {
        providers: vec![ProviderSettings {
            name: provider.to_owned(),
            is_openai: true,
            include_usage: true,
            output_cap_field: None,
            on_disconnect: OnDisconnect::Cancel,
        }],
        models: names.iter().map(model).collect(),
        tiers: vec![TierSettings {
            name: ANONYMOUS.to_owned(),
            models: names,
            limits: LIMITS.iter().filter_map(|text| limit(text)).collect(),
            guardrails: Guardrails::default(),
        }],
        min_output_tokens: MIN_OUTPUT_TOKENS,
        ..Settings::default()
    }
}

/// The sentence's limit; a test sees to it that each of ours is one.
fn limit(text: &str) -> Option<Limit> {
    tollgate_policy::parse(text).ok()
}
