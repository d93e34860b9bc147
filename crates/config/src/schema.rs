//! The JSON Schema of the configuration, for editors: what the reader knows, in the same words.
//!
//! The reader is what decides; the schema helps while writing. Each section says the same keys as
//! the reader's table, in any order, which a test compares, so that neither forgets the other.

use serde_json::{Map, Value, json};

use crate::reader::Keys;
use crate::{file, groups, identity, keys, models, providers, routing, tiers};

/// The schema, in JSON Schema 2020-12.
pub fn schema() -> Value {
    let mut defs: Map<String, Value> =
        sections().iter().map(|section| (section.name.to_owned(), section.schema())).collect();
    defs.insert("limit".to_owned(), limit());
    if let Some(price) = defs.get_mut("price") {
        need_each_other(price);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://tollgate.dev/tollgate.schema.json",
        "title": "tollgate.yaml",
        "description": "The configuration. `tollgate check FILE` says what it comes to.",
        "$ref": "#/$defs/file",
        "$defs": defs,
    })
}

/// One section: its name here, the reader's table, what must be there, and a line for each key.
struct Section {
    name: &'static str,
    keys: &'static Keys,
    required: &'static [&'static str],
    fields: Vec<Said>,
}

/// A key, what it is for, and what it takes.
type Said = (&'static str, &'static str, Value);

impl Section {
    fn schema(&self) -> Value {
        let describe = |&key: &&'static str| {
            let (_, what, shape) = self.fields.iter().find(|(name, ..)| *name == key)?;
            let mut shape = shape.clone();
            shape["description"] = (*what).into();
            Some((key.to_owned(), shape))
        };
        let mut schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": self.keys.known.iter().filter_map(describe).collect::<Map<_, _>>(),
        });
        if !self.required.is_empty() {
            schema["required"] = self.required.into();
        }
        schema
    }
}

fn sections() -> Vec<Section> {
    let section = |name, keys, required, fields| Section { name, keys, required, fields };
    vec![
        section("file", &file::FILE_KEYS, &["providers", "models", "tiers"], file_fields()),
        section("tls", &file::TLS_KEYS, &["cert", "key"], tls_fields()),
        section("alerts", &file::ALERT_KEYS, &["webhook"], alert_fields()),
        section("timeouts", &file::TIMEOUT_KEYS, &[], timeout_fields()),
        section("provider", &providers::KEYS, &[], provider_fields()),
        section("model", &models::MODEL_KEYS, &["serve"], model_fields()),
        section("route", &models::ROUTE_KEYS, &["to"], route_fields()),
        section("retry", &routing::RETRY_KEYS, &[], retry_fields()),
        section("breaker", &routing::BREAKER_KEYS, &[], breaker_fields()),
        section("cache", &routing::CACHE_KEYS, &[], cache_fields()),
        section("price", &models::PRICE_KEYS, &[], price_fields()),
        section("tier", &tiers::TIER_KEYS, &["models"], tier_fields()),
        section("guardrails", &tiers::GUARDRAIL_KEYS, &[], guardrail_fields()),
        section("key", &keys::KEY_KEYS, &["name", "tier"], key_fields()),
        section("group", &groups::GROUP_KEYS, &[], group_fields()),
        section("sessions", &groups::SESSION_KEYS, &[], session_fields()),
        section("runaway", &groups::RUNAWAY_KEYS, &[], runaway_fields()),
        section("issuer", &identity::JWT_KEYS, &["issuer", "audience", "jwks"], issuer_fields()),
        section("subjects", &identity::SUBJECT_KEYS, &[], subject_fields()),
    ]
}

fn file_fields() -> Vec<Said> {
    vec![
        ("listen", "What applications call.", text(&["127.0.0.1:8080", "0.0.0.0:8080"])),
        ("admin", "Metrics and the admin API.", text(&["127.0.0.1:9090"])),
        ("alerts", "Where operators are told what cannot wait.", refers("alerts")),
        (
            "admin_token",
            "What opens the admin plane; absent, one is made and kept beside `data`.",
            secret("${TOLLGATE_ADMIN_TOKEN}"),
        ),
        (
            "data",
            "Where the meters are kept; \":memory:\" forgets them at a restart.",
            text(&["./tollgate.db", ":memory:"]),
        ),
        ("tls", "The certificate of the data plane; absent, plain HTTP.", refers("tls")),
        (
            "max_body",
            "The largest request body.",
            pattern("^[0-9]+(B|KB|kB|KiB|MB|MiB|GB|GiB)$", "32MB"),
        ),
        ("timeouts", "How long anything may take.", refers("timeouts")),
        ("min_output_tokens", "An answer that could have fewer tokens is refused.", tokens("16")),
        ("providers", "The accounts, by a name of your own.", map_of("provider")),
        ("models", "The names that callers use.", map_of("model")),
        (
            "prices",
            "Dollars for a million tokens or a thousand searches, by provider/model.",
            map_of("price"),
        ),
        (
            "unpriced",
            "The price of a model without one; absent, refused where a money limit applies.",
            refers("price"),
        ),
        ("tiers", "What callers may do; `anonymous` is who has no key.", map_of("tier")),
        ("limits", "The limits on everybody together.", limits()),
        (
            "guardrails",
            "The default; a tier, a key or a model can only be stricter.",
            refers("guardrails"),
        ),
        ("keys", "Who calls; more through `tollgate keys`.", list_of(&refers("key"))),
        ("teams", "Limits and models of teams.", map_of("group")),
        ("projects", "Limits and models of projects.", map_of("group")),
        ("orgs", "Limits and models of organisations.", map_of("group")),
        ("sessions", "Conversations, and agents that run away.", refers("sessions")),
        (
            "identity_headers",
            "In which headers trusted proxies say who is asking.",
            refers("subjects"),
        ),
        ("jwt", "Issuers whose JWTs are believed.", list_of(&refers("issuer"))),
        (
            "trusted_proxies",
            "The networks whose word on addresses and identities is taken.",
            list_of(&text(&["10.0.0.0/8"])),
        ),
        ("retry", "When a request that failed is tried again.", refers("retry")),
        ("breaker", "When a route is left alone.", refers("breaker")),
        ("cache", "Which answers are kept, to be given again; absent, none.", refers("cache")),
    ]
}

fn tls_fields() -> Vec<Said> {
    vec![
        ("cert", "The chain in PEM, the server's own certificate first.", text(&["cert.pem"])),
        ("key", "The private key in PEM.", text(&["key.pem"])),
    ]
}

fn alert_fields() -> Vec<Said> {
    vec![
        ("webhook", "What is called: an https URL.", text(&["https://hooks.example.com/T0"])),
        ("secret", "What the calls are signed with.", secret("${ALERT_SECRET}")),
        ("allow_private", "Whether that may be a private address.", boolean()),
        ("format", "JSON as Slack shows it, or plain text.", one_of(&["slack", "plain"])),
    ]
}

fn timeout_fields() -> Vec<Said> {
    vec![
        ("header", "For the caller to send a request's headers.", duration("10s")),
        ("body", "For the caller to send a request's body.", duration("30s")),
        ("first_byte", "For the provider to begin its answer.", duration("120s")),
        ("idle", "Between two parts of a body that is under way.", duration("60s")),
    ]
}

fn provider_fields() -> Vec<Said> {
    let kinds = one_of(&["openai", "anthropic", "cohere", "gemini", "azure-openai"]);
    let caps = one_of(&["max_tokens", "max_completion_tokens"]);
    vec![
        ("kind", "The protocol it speaks; known for the well-known names.", kinds),
        ("base_url", "Where it is.", text(&["http://127.0.0.1:8000/v1"])),
        ("api_key", "The account's key.", secret("${OPENAI_API_KEY}")),
        (
            "api_version",
            "The version of Azure's API; its addresses under /openai/v1 have none.",
            text(&["2024-10-21"]),
        ),
        (
            "on_disconnect",
            "What becomes of an abandoned answer. `cancel`: it is closed, and what flowed is paid. \
             `drain`: the rest is read, for at most 60 s, and paid.",
            one_of(&["cancel", "drain"]),
        ),
        ("include_usage", "False where a server rejects `stream_options`.", boolean()),
        ("output_cap_field", "The field in which chat completions have their cap.", caps),
        ("limits", "What the provider allows the account.", limits()),
    ]
}

fn model_fields() -> Vec<Said> {
    let route = json!({"anyOf": [pattern("^[^/]+/.+$", "openai/gpt-4o"), refers("route")]});
    let prefer = one_of(&["headroom", "cheapest", "fastest", "listed"]);
    vec![
        ("serve", "Where it is served.", list_of(&route)),
        (
            "fallback",
            "The models that stand in for it when none of its routes serves a request, in order.",
            list_of(&text(&["gpt-4o-mini"])),
        ),
        (
            "prefer",
            "Which of the routes with room is tried first; headroom where not said.",
            prefer,
        ),
        ("limits", "The limits on requests that it serves.", limits()),
        ("guardrails", "Besides the caller's own.", refers("guardrails")),
    ]
}

fn route_fields() -> Vec<Said> {
    let weight = json!({"type": "integer", "minimum": 1, "maximum": 1000, "examples": [3]});
    vec![
        ("to", "An account and its model.", pattern("^[^/]+/.+$", "openai/gpt-4o")),
        ("weight", "Its share of the traffic, against the other routes' shares.", weight),
    ]
}

fn retry_fields() -> Vec<Said> {
    let attempts = json!({"type": "integer", "minimum": 1, "maximum": 20, "examples": [5]});
    vec![
        ("attempts", "How often a request is tried at most, each time by every route.", attempts),
        (
            "base",
            "The most that is waited before the second; doubled each time.",
            duration("100ms"),
        ),
        ("cap", "The most that is waited before any.", duration("30s")),
        ("budget", "How many retries there may be, as a share of requests.", percent("10%")),
    ]
}

fn breaker_fields() -> Vec<Said> {
    let failures = json!({"type": "integer", "minimum": 1, "maximum": 1000, "examples": [5]});
    vec![
        ("failures", "A route is left alone after so many failures in a row,", failures),
        ("error_rate", "or when so many of its requests fail,", percent("50%")),
        ("cooldown", "for so long at first.", duration("5s")),
        (
            "safe_remaining",
            "What is kept of an account's own limits for the critical.",
            percent("5%"),
        ),
    ]
}

fn cache_fields() -> Vec<Said> {
    vec![
        (
            "use",
            "When a kept answer is given again: when no provider answers; or also, for embeddings \
             and temperature 0, always.",
            one_of(&["stale-if-error", "always", "never"]),
        ),
        ("scope", "Whose answers a caller is given.", one_of(&["team", "user", "key", "org"])),
        ("ttl", "How long an answer is good.", duration("1h")),
        ("size", "How much is kept.", text(&["256MB"])),
    ]
}

fn price_fields() -> Vec<Said> {
    vec![
        ("input", "A million input tokens.", dollars("2.50")),
        ("output", "A million output tokens.", dollars("10")),
        ("cached_input", "A million input tokens that were in the cache.", dollars("1.25")),
        ("cache_write", "A million tokens written to the cache.", dollars("3.75")),
        ("cache_write_hour", "The same for an hour.", dollars("6")),
        (
            "search",
            "A thousand searches: what is ranked is paid by these alone, and by tokens without.",
            dollars("2"),
        ),
    ]
}

/// Prices of tokens need both `input` and `output`; a price of searches may stand alone.
fn need_each_other(price: &mut Value) {
    price["minProperties"] = 1.into();
    price["dependentRequired"] = json!({
        "input": ["output"],
        "output": ["input"],
        "cached_input": ["input", "output"],
        "cache_write": ["input", "output"],
        "cache_write_hour": ["input", "output"],
    });
}

fn tier_fields() -> Vec<Said> {
    vec![
        (
            "models",
            "What its callers may use; `*` stands for anything.",
            list_of(&text(&["gpt-4o*"])),
        ),
        ("limits", "The limits on its callers.", limits()),
        (
            "priority",
            "Whether its callers go first.",
            one_of(&["critical", "high", "normal", "low"]),
        ),
        ("guardrails", "Stricter than the general ones.", refers("guardrails")),
    ]
}

fn guardrail_fields() -> Vec<Said> {
    let tools = ["search", "web_search", "type:code_interpreter", "mcp:https://example.com/*"];
    vec![
        ("max_input_tokens", "A longer prompt is refused.", tokens("32k")),
        ("max_output_tokens", "A higher cap is lowered to this.", tokens("4k")),
        (
            "tools",
            "The only tools that may be offered to a model; absent, any. A name is a function's or \
             a known hosted type's; also function:NAME, type:TYPE, mcp, mcp:URL, mcp:LABEL, \
             connector:ID.",
            list_of(&text(&tools)),
        ),
        ("on_forbidden_tool", "What happens to another.", one_of(&["reject", "strip"])),
        (
            "fields",
            "The only fields that a body may have, besides the model, the input and stream. The \
             tier `anonymous` has a list of its own where nothing is said.",
            list_of(&text(&["temperature", "tools"])),
        ),
    ]
}

fn key_fields() -> Vec<Said> {
    vec![
        ("name", "Your name for it.", pattern("^[A-Za-z0-9._-]{1,64}$", "web")),
        (
            "hash",
            "As `tollgate keys create` prints it; or `secret`.",
            pattern("^sha256:[0-9a-fA-F]{64}$", &format!("sha256:{}", "0f".repeat(32))),
        ),
        ("secret", "The secret itself, 16 characters or more.", secret("${WEB_KEY}")),
        ("tier", "Its tier.", text(&["pro"])),
        ("team", "The team that it belongs to.", text(&["acme"])),
        ("user", "The user that it stands for.", text(&["ana"])),
        ("project", "The project that it belongs to.", text(&["website"])),
        ("org", "The organisation that it belongs to.", text(&["acme"])),
        ("limits", "Limits of its own, besides the tier's.", limits()),
        ("models", "A list of its own, within the tier's.", list_of(&text(&["gpt-4o-mini"]))),
        ("guardrails", "Of its own, stricter than the tier's.", refers("guardrails")),
        ("trust_user", "Whether its caller may say which end user it acts for.", boolean()),
    ]
}

fn group_fields() -> Vec<Said> {
    vec![
        ("limits", "The limits on its members.", limits()),
        ("models", "What they may use, within their tier's.", list_of(&text(&["gpt-4o*"]))),
    ]
}

fn session_fields() -> Vec<Said> {
    vec![
        ("idle", "After this long a session is over.", duration("30m")),
        (
            "per_key_per_hour",
            "How many sessions a key may open in an hour.",
            json!({"type": "integer", "minimum": 1, "examples": [1000]}),
        ),
        ("runaway", "What a session looks like that runs away.", refers("runaway")),
    ]
}

fn runaway_fields() -> Vec<Said> {
    let times = json!({"type": "integer", "minimum": 2, "maximum": 32, "examples": [5]});
    vec![
        ("same_call", "So many equal tool calls in a row.", times),
        ("faster", "So many times faster than usual.", pattern("^[0-9]+x$", "10x")),
        ("then", "What happens to it.", one_of(&["report", "slow", "stop"])),
    ]
}

fn issuer_fields() -> Vec<Said> {
    let audience = text(&["tollgate"]);
    vec![
        ("issuer", "As its JWTs name it.", text(&["https://id.example.com"])),
        (
            "audience",
            "The audience that they must name; one or several.",
            json!({"anyOf": [audience, list_of(&audience)]}),
        ),
        (
            "jwks",
            "Where its keys are: an https URL, or a file.",
            text(&["https://id.example.com/jwks.json"]),
        ),
        ("allow_private", "Whether that may be a private address.", boolean()),
        ("claims", "Which claim says what.", refers("subjects")),
        ("tier", "The tier of those whose JWT names none.", text(&["free"])),
    ]
}

fn subject_fields() -> Vec<Said> {
    let named = |key, what| (key, what, text(&[key]));
    vec![
        named("user", "What says the user."),
        named("team", "What says the team."),
        named("project", "What says the project."),
        named("org", "What says the organisation."),
        named("tier", "What says the tier."),
    ]
}

/// A sentence; the reader knows its grammar.
fn limit() -> Value {
    json!({
        "type": "string",
        "description": "amount unit [per period] [per subject] [options]",
        "pattern": "^\\$?[0-9]",
        "examples": [
            "20 requests per minute per user",
            "10k tokens per day per ip",
            "100 tokens per second, burst 10k, per user",
            "3 streams at once per user",
            "$25 per month per team, warn at 80%",
            "500k tokens per day per user, then downgrade to gpt-4o-mini",
            "10 tool calls per session, then answer without tools",
            "10k tokens per day per user, shadow",
        ],
    })
}

fn limits() -> Value {
    list_of(&json!({"$ref": "#/$defs/limit"}))
}

fn text(examples: &[&str]) -> Value {
    json!({"type": "string", "minLength": 1, "examples": examples})
}

fn pattern(pattern: &str, example: &str) -> Value {
    json!({"type": "string", "pattern": pattern, "examples": [example]})
}

fn secret(example: &str) -> Value {
    text(&[example, "${file:/run/secrets/NAME}"])
}

fn duration(example: &str) -> Value {
    pattern("^[0-9]+(ms|s|m|h)$", example)
}

fn percent(example: &str) -> Value {
    pattern("^(100|[0-9]{1,2})%$", example)
}

/// YAML reads `4096` as a number and `32k` as text.
fn tokens(example: &str) -> Value {
    json!({"type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9][0-9_,.]*[kM]?$",
           "examples": [example]})
}

fn dollars(example: &str) -> Value {
    json!({"type": ["number", "string"], "minimum": 0, "pattern": "^\\$?[0-9]+(\\.[0-9]{1,6})?$",
           "examples": [example]})
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}

fn one_of(words: &[&str]) -> Value {
    json!({"enum": words})
}

fn list_of(item: &Value) -> Value {
    json!({"type": "array", "items": item})
}

fn refers(section: &str) -> Value {
    json!({"$ref": format!("#/$defs/{section}")})
}

fn map_of(section: &str) -> Value {
    json!({"type": "object", "additionalProperties": refers(section)})
}

#[cfg(test)]
mod tests;
