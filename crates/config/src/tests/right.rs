//! Files that are right, and what they come to.

use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use tollgate_jwt::KeySource;
use tollgate_policy::{
    KeyDigest, OnDisconnect, OnForbiddenTool, Prefer, Priority, RoutingSettings,
};
use tollgate_units::{MicroUsdPerMillion, MicroUsdPerThousand, Span, Tokens};
use tollgate_wire::{Azure, Protocol};

use super::{OPENAI, REST, environment, read};
use crate::{Config, Data, Source, TlsFiles, built_in, in_words, load};

fn right(text: &str) -> Config {
    read(text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The documented example, as far as this version acts on it.
const DOCUMENTED: &str = include_str!("documented.yaml");

#[test]
fn the_documented_example_is_read() {
    let config = right(DOCUMENTED);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data, Data::File(PathBuf::from("./tollgate.db")));
    assert_eq!(config.max_body, 32_000_000);
    assert_eq!(config.timeouts.first_byte, Span::from_secs(120));
    let key = config.admin_token.as_ref().map(|token| token.expose_secret().to_owned());
    assert_eq!(key.as_deref(), Some("tg-admin-secret-0123456789"));
    assert_eq!(config.source, Source::File(PathBuf::from("tollgate.yaml")));

    let [openai, local] = &config.upstreams[..] else { panic!("{:?}", config.upstreams) };
    assert_eq!(openai.base_url, "https://api.openai.com/v1");
    assert!(openai.api_key.is_some() && local.api_key.is_none());
    assert_eq!(local.base_url, "http://127.0.0.1:8000/v1");

    let settings = &config.settings;
    assert!(settings.providers[0].is_openai && !settings.providers[1].is_openai);
    assert_eq!(settings.providers[0].on_disconnect, OnDisconnect::Cancel);
    assert_eq!(settings.providers[1].on_disconnect, OnDisconnect::Drain);
    assert_eq!(settings.providers[0].limits.len(), 2);
    assert_eq!(settings.models[0].fallback, ["gpt-4o-mini"]);
    assert_eq!(settings.models[1].serve[0].weight, 3);
    assert_eq!(settings.models[1].prefer, Prefer::Cheapest);
    assert_eq!(settings.tiers[2].priority, Priority::High);
    assert_eq!(config.routing, RoutingSettings::default());
    assert_eq!(config.cache.unwrap().bytes, 256_000_000);
    assert!(!settings.providers[1].include_usage);
    assert_eq!(settings.models[1].serve[1].provider, "local");
    let (name, tariff) = &settings.prices[0];
    assert_eq!(name, "local/llama-3");
    assert_eq!(tariff.cached_input, Some(MicroUsdPerMillion::new(50_000)));
    assert_eq!((tariff.search, tariff.sells_tokens()), (None, true));
    let (name, tariff) = &settings.prices[1];
    assert_eq!(name, "local/rerank");
    assert_eq!(tariff.search, Some(MicroUsdPerThousand::new(2_000_000)));
    assert!(!tariff.sells_tokens());
    assert_eq!(settings.unpriced.as_ref().map(|t| t.output.get()), Some(20_000_000));

    let pro = &settings.tiers[2];
    let limits: Vec<String> = pro.limits.iter().map(ToString::to_string).collect();
    assert_eq!(
        limits,
        [
            "60 requests per minute per user",
            "100 tokens per second, burst 10k, per user",
            "500k tokens per day per user",
            "$25 per month per team",
        ]
    );
    assert_eq!(pro.guardrails.max_output_tokens, Some(Tokens::new(8_000)));
    assert_eq!(settings.guardrails.tools.as_deref().map(<[_]>::len), Some(2));
    assert_eq!(settings.guardrails.on_forbidden_tool, Some(OnForbiddenTool::Reject));
    let web = &settings.keys[0];
    assert_eq!(web.digest, KeyDigest::of("tg-web-secret-0123456789"));
    assert_eq!((web.tier.as_str(), web.team.as_deref()), ("pro", Some("acme")));
    assert_eq!(web.limits.len(), 1);
    assert!(web.trust_user && !settings.keys[1].trust_user);

    let [issuer] = &config.issuers[..] else { panic!("{:?}", config.issuers) };
    assert_eq!((&*issuer.url, &*issuer.audience[0]), ("https://id.example.com", "tollgate"));
    assert_eq!(
        (issuer.claims.team.as_deref(), issuer.claims.project.as_deref()),
        (Some("team"), None)
    );
    assert!(issuer.tier.is_none());
    let proxies = &settings.proxies;
    assert!(proxies.trusts([10, 1, 2, 3].into()) && !proxies.trusts([11, 1, 2, 3].into()));
    assert_eq!(proxies.headers.names().collect::<Vec<_>>(), ["x-consumer-username"]);
}

#[test]
fn the_keys_of_an_issuer_are_read_from_a_file_beside_the_configuration() {
    let folder = std::env::temp_dir().join(format!("tollgate-config-jwks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    // The key of RFC 8037, A.2.
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    std::fs::write(folder.join("jwks.json"), format!(r#"{{"keys":[{key}]}}"#)).expect("a file");
    std::fs::write(folder.join("empty.json"), r#"{"keys":[]}"#).expect("a file");
    let path = folder.join("tollgate.yaml");
    let with = |file: &str| {
        let jwt = format!("jwt: [{{issuer: a, audience: [b, c], jwks: {file}, tier: free}}]");
        std::fs::write(&path, format!("{OPENAI}{REST}{jwt}")).expect("a file");
        load(&path, &environment)
    };
    let (right, wrong) = (with("jwks.json"), with("empty.json"));
    std::fs::remove_dir_all(&folder).expect("removed");
    let right = right.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(matches!(&right.issuers[0].keys, KeySource::Known(keys) if keys.len() == 1));
    assert_eq!((right.issuers[0].audience.len(), &*right.issuers[0].claims.user), (2, "sub"));
    let wrong = wrong.map(|_| ()).map_err(|mistakes| mistakes.to_string());
    assert!(wrong.is_err_and(|shown| shown.contains("holds no public key for RS256")));
}

#[test]
fn what_is_not_said_is_the_documented_default() {
    let config = right(&format!("{OPENAI}{REST}"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin.to_string(), "127.0.0.1:9090");
    assert_eq!(config.data, Data::File(PathBuf::from("./tollgate.db")));
    assert_eq!(config.max_body, 32_000_000);
    assert_eq!(config.settings.min_output_tokens, Tokens::new(16));
    let timeouts = config.timeouts;
    let spans = [timeouts.header, timeouts.body, timeouts.first_byte, timeouts.idle];
    assert_eq!(spans, [10, 30, 120, 60].map(Span::from_secs));
    assert!(config.admin_token.is_none() && config.tls.is_none());
}

#[test]
fn values_are_read_as_people_write_them() {
    let config = right(&format!(
        "listen: '[::1]:8443'
admin: 127.0.0.1:0
data: ':memory:'
max_body: 1MiB
min_output_tokens: 1k
timeouts: {{header: 500ms, idle: 2m}}
tls: {{cert: tls/cert.pem, key: /etc/key.pem}}
providers:
  other.one: {{kind: openai, base_url: '${{LOCAL_URL}}', on_disconnect: cancel,
              output_cap_field: max_tokens}}
  openai: {{api_key: '${{OPENAI_API_KEY}}'}}
prices:
  other.one/org/model: {{input: 0.000001, output: $15, search: $2.50}}
{REST}"
    ));
    assert_eq!(config.listen.to_string(), "[::1]:8443");
    assert_eq!(config.data, Data::Memory);
    assert_eq!(config.max_body, 1 << 20);
    assert_eq!(config.timeouts.header, Span::from_millis(500));
    assert_eq!(config.timeouts.idle, Span::from_secs(120));
    let tls = TlsFiles { cert: "tls/cert.pem".into(), key: "/etc/key.pem".into() };
    assert_eq!(config.tls, Some(tls));
    assert_eq!(config.upstreams[0].base_url, "http://127.0.0.1:8000/v1");
    assert_eq!(config.settings.providers[0].on_disconnect, OnDisconnect::Cancel);
    assert_eq!(config.settings.min_output_tokens, Tokens::new(1_000));
    assert_eq!(config.settings.prices[0].0, "other.one/org/model");
    assert_eq!(config.settings.prices[0].1.input, MicroUsdPerMillion::new(1));
    assert_eq!(config.settings.prices[0].1.output, MicroUsdPerMillion::new(15_000_000));
    let search = config.settings.prices[0].1.search;
    assert_eq!(search, Some(MicroUsdPerThousand::new(2_500_000)));
}

#[test]
fn secret_files_are_beside_the_file_and_lose_their_line_end() {
    let folder = std::env::temp_dir().join(format!("tollgate-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("openai.key"), "sk-from-a-file-0123\r\n").expect("a file");
    let path = folder.join("tollgate.yaml");
    let text = format!("providers: {{openai: {{api_key: '${{file:openai.key}}'}}}}\n{REST}");
    std::fs::write(&path, text).expect("a file");
    let config = load(&path, &environment);
    let missing = load(&folder.join("missing.yaml"), &environment);
    std::fs::remove_dir_all(&folder).expect("removed");
    let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let key = config.upstreams[0].api_key.as_ref().map(|key| key.expose_secret().to_owned());
    assert_eq!(key.as_deref(), Some("sk-from-a-file-0123"));
    let missing = missing.map(|_| ()).map_err(|mistakes| mistakes.to_string());
    assert!(missing.is_err_and(|shown| shown.contains("missing.yaml: cannot be read")));
}

#[test]
fn the_example_file_needs_a_provider_key_and_nothing_else() {
    let text = include_str!("../../../../examples/tollgate.yaml");
    let config = right(text);
    assert!(config.settings.tiers.iter().any(|tier| tier.name == "anonymous"));
    let words = in_words(&config);
    assert!(!words.contains("Warnings"), "{words}");
    // With the part that is commented out.
    let keys = text.find("# keys:").expect("the commented keys");
    let uncommented = text[keys..].lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let all: Vec<&str> = text[..keys].lines().chain(uncommented).collect();
    assert_eq!(right(&all.join("\n")).settings.keys.len(), 1);
}

#[test]
fn without_a_file_the_environment_decides() {
    assert!(built_in(&|_| None).is_none());
    assert!(built_in(&|name| (name == "OPENAI_API_KEY").then(|| " ".to_owned())).is_none());
    let config = built_in(&|_| Some("sk-secret-0123456789".to_owned())).expect("a configuration");
    assert!(config.listen.ip().is_loopback() && config.admin.ip().is_loopback());
    assert_eq!(config.source, Source::BuiltIn);
    assert_eq!(config.settings.tiers[0].limits.len(), crate::built_in::LIMITS.len());
    let prices = tollgate_tokens::PriceBook::built_in();
    let of_openai = crate::built_in::MODELS.map(|model| (model, "openai"));
    let of_anthropic = crate::built_in::CLAUDE.map(|model| (model, "anthropic"));
    let of_cohere = crate::built_in::COMMAND.map(|model| (model, "cohere"));
    let of_gemini = crate::built_in::GEMINI.map(|model| (model, "gemini"));
    let known = of_openai.into_iter().chain(of_anthropic).chain(of_cohere).chain(of_gemini);
    for (model, maker) in known {
        let provider = prices.facts(model).map(|facts| facts.provider);
        assert_eq!(provider, Some(maker), "{model}");
        assert!(prices.tariff(maker, model).is_some(), "{model}");
    }
    let only = built_in(&|name| (name == "ANTHROPIC_API_KEY").then(|| "sk-ant-0123".to_owned()));
    let only = only.expect("a configuration");
    assert_eq!(only.upstreams.len(), 1);
    assert_eq!(only.upstreams[0].base_url, "https://api.anthropic.com/v1");
    assert!(only.settings.models.iter().all(|model| model.name.starts_with("claude")));
    assert!(!in_words(&config).contains("Warnings"), "{}", in_words(&config));
}

#[test]
fn cohere_gemini_and_azure_are_kinds_and_people_leave_the_version_out() {
    let config = right(
        "providers:
  cohere: {api_key: '${OPENAI_API_KEY}'}
  gemini: {api_key: '${OPENAI_API_KEY}'}
  ranks: {kind: cohere, base_url: 'https://cohere.example.com'}
  google: {kind: gemini, base_url: 'https://google.example.com/v1beta/'}
  azure: {kind: azure-openai, base_url: 'https://a.openai.azure.com'}
  older: {kind: azure-openai, base_url: 'https://b.openai.azure.com/openai/', api_version: 2024-10-21}
  newer: {kind: azure-openai, base_url: 'https://c.openai.azure.com/openai/v1/'}
models: {m: {serve: [cohere/command-a-03-2025]}}
tiers: {free: {models: [m]}}
",
    );
    let classic = |version: &str| Some(Azure::Classic { api_version: version.to_owned() });
    let expected = [
        ("https://api.cohere.com/v2", Protocol::Cohere, None),
        ("https://generativelanguage.googleapis.com/v1beta", Protocol::Gemini, None),
        ("https://cohere.example.com/v2", Protocol::Cohere, None),
        ("https://google.example.com/v1beta", Protocol::Gemini, None),
        ("https://a.openai.azure.com", Protocol::OpenAi, classic("2025-04-01-preview")),
        ("https://b.openai.azure.com", Protocol::OpenAi, classic("2024-10-21")),
        ("https://c.openai.azure.com/openai/v1", Protocol::OpenAi, Some(Azure::V1)),
    ];
    for (upstream, (base_url, protocol, azure)) in config.upstreams.iter().zip(expected) {
        assert_eq!((&*upstream.base_url, upstream.protocol), (base_url, protocol));
        assert_eq!(upstream.azure, azure, "{base_url}");
    }
}

#[test]
fn anthropic_is_a_kind_and_a_well_known_name() {
    let config = right(
        "providers:
  anthropic: {api_key: '${OPENAI_API_KEY}'}
  proxy: {kind: anthropic, base_url: 'http://127.0.0.1:9000'}
  deep: {kind: anthropic, base_url: 'http://127.0.0.1:9000/api/v1/'}
models: {claude: {serve: [anthropic/claude-opus-5, proxy/x, deep/x]}}
tiers: {free: {models: [claude]}}
prices: {proxy/x: {input: 1, output: 2, cache_write: 1.25, cache_write_hour: 2}}
",
    );
    let urls: Vec<_> = config.upstreams.iter().map(|account| account.base_url.as_str()).collect();
    let expected = [
        "https://api.anthropic.com/v1",
        "http://127.0.0.1:9000/v1",
        "http://127.0.0.1:9000/api/v1",
    ];
    assert_eq!(urls, expected);
    assert!(config.upstreams.iter().all(|account| account.protocol == Protocol::Anthropic));
    let disconnects = config.settings.providers.iter().map(|provider| provider.on_disconnect);
    let (stops, unknown) = (OnDisconnect::Cancel, OnDisconnect::Unknown);
    assert_eq!(disconnects.collect::<Vec<_>>(), [stops, unknown, unknown]);
    let hour = config.settings.prices[0].1.cache_write_hour;
    assert_eq!(hour, Some(MicroUsdPerMillion::new(2_000_000)));
}

#[test]
fn secrets_are_never_printed() {
    let config = right(DOCUMENTED);
    let shown = format!("{config:?}\n{config:#?}\n{}", in_words(&config));
    for name in ["OPENAI_API_KEY", "WEB_KEY", "ADMIN"] {
        let secret = environment(name).expect("a variable");
        assert!(!shown.contains(&secret), "{name}");
    }
    let digest = KeyDigest::of("tg-web-secret-0123456789").to_string();
    assert!(!shown.contains(&digest));
}

#[test]
fn a_model_that_speaks_another_protocol_stands_in_for_nobody() {
    let config = right(
        "providers:
  openai: {api_key: '${OPENAI_API_KEY}'}
  anthropic: {api_key: '${OPENAI_API_KEY}'}
models:
  gpt-4o: {serve: [openai/gpt-4o]}
  mini: {serve: [openai/gpt-4o-mini]}
  claude: {serve: [anthropic/claude-opus-5]}
tiers:
  pro: {models: ['*'], limits: [500k tokens per day per key then downgrade to mini]}
  plain: {models: [gpt-4o, mini], limits: [9k tokens per day per key then downgrade to mini]}
",
    );
    let words = in_words(&config);
    let warnings = words.split("Warnings\n").nth(1).unwrap_or_default();
    let told = "  tier pro: \"500k tokens per day per key, then downgrade to mini\" cannot send \
                requests for claude to mini, which speaks another protocol\n";
    assert_eq!(warnings, told);
}

#[test]
fn a_price_that_knows_no_cache_is_warned_of_where_caches_are_usual() {
    let config = right(
        "providers:
  openai: {api_key: '${OPENAI_API_KEY}'}
  anthropic: {api_key: '${OPENAI_API_KEY}'}
models: {claude: {serve: [anthropic/claude-opus-5]}, gpt-4o: {serve: [openai/gpt-4o]}}
tiers: {pro: {models: ['*']}}
prices:
  openai/gpt-4o: {input: 1, output: 2}
  anthropic/claude-opus-5: {input: 1, output: 2, cached_input: 0.1}
",
    );
    let words = in_words(&config);
    let warnings = words.split("Warnings\n").nth(1).unwrap_or_default();
    let told = "  price of anthropic/claude-opus-5: without cache_write, that costs as much as \
                other input here\n";
    assert_eq!(warnings, told);
}

#[test]
fn check_says_what_each_caller_may_do() {
    assert_eq!(in_words(&right(DOCUMENTED)), include_str!("documented.txt"));
}

#[test]
fn check_warns_of_what_is_probably_not_meant() {
    let config = right(
        "listen: 0.0.0.0:8080
providers:
  far: {kind: openai, base_url: http://llm.example.com/v1, api_key: '${OPENAI_API_KEY}'}
models: {llama: {serve: [far/llama]}, gpt-4o: {serve: [far/gpt-4o]}}
tiers:
  anonymous:
    models: ['*']
    limits: [500 tokens per day, 0 requests per minute per ip, $0.0001 per day,
             9 requests per day per header:x-app]
",
    );
    let words = in_words(&config);
    let warnings = words.split("Warnings\n").nth(1).unwrap_or_default();
    assert_eq!(warnings, include_str!("warnings.txt"), "{warnings}");
}

#[test]
fn check_speaks_of_models_groups_and_sessions_too() {
    let config = right(
        "listen: 127.0.0.1:8080
providers:
  openai: {api_key: '${OPENAI_API_KEY}'}
  local: {kind: openai, base_url: http://127.0.0.1:8000/v1}
models:
  gpt-4o:
    serve: [openai/gpt-4o]
    limits: [9 requests at once]
    guardrails: {max_output_tokens: 2k, tools: [search, 'mcp:crm']}
  small: {serve: [local/llama]}
tiers:
  pro:
    models: [gpt-4o, small]
    limits:
      - 10 tool calls per session, then answer without tools
      - 20 steps per session
      - 1k steps per day per key
      - $25 per month per team, then downgrade to small
    guardrails: {fields: [tools, temperature], tools: ['mcp:https://crm.example.com/*', search]}
guardrails: {fields: [tools, temperature, top_p]}
teams: {acme: {limits: ['$500 per month, warn at 80%'], models: [small]}}
orgs: {umbrella: {limits: [100 requests per minute]}}
sessions: {idle: 30m, per_key_per_hour: 50, runaway: {same_call: 4, faster: 20x, then: stop}}
keys:
  - {name: web, secret: '${WEB_KEY}', tier: pro, team: acme, org: umbrella}
  - {name: odd, secret: 0123456789abcdef0, tier: pro, team: acmee, org: other}
",
    );
    let words = in_words(&config);
    assert_eq!(words, include_str!("groups.txt"), "{words}");
}

#[test]
fn entries_of_an_allowlist_that_do_not_say_what_they_let_in_are_mistakes() {
    let table = [
        ("'mcp:https://example.com*'", "expected a whole host and a path"),
        ("'mcp:*://example.com/x'", "expected a whole host and a path"),
        ("'mcp:https://a@b/*'", "expected a whole host and a path"),
        ("web_search_20250305", "\"web_search\""),
    ];
    for (entry, expected) in table {
        let text = format!("{OPENAI}{REST}guardrails: {{tools: [{entry}]}}\n");
        let mistakes = super::wrong(&text);
        assert!(mistakes.contains(expected), "{entry}: {mistakes}");
    }
}
