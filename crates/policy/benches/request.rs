//! What it costs to know who asks, what that caller may do, and what it would be charged: identity,
//! guardrails and plan of an ordinary request with tools. The promise is 10 µs at the median.
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up should stop")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tollgate_policy::{
    ANONYMOUS_FIELDS, Guardrails, KeyDigest, KeySettings, ModelSettings, Moment, OnDisconnect,
    Policy, Prefer, Priority, ProviderSettings, Route, Settings, TierSettings, parse,
};
use tollgate_tokens::{Counts, How};
use tollgate_units::{Timestamp, Tokens};
use tollgate_wire::{Endpoint, Protocol, read};

const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const MOMENT: Moment =
    Moment { now: Timestamp::from_millis(1_795_330_800_000), opens_session: false };
/// As many as a large installation keeps in its file.
const KEYS: usize = 1000;

fn guardrails() -> Guardrails {
    let named = (0..12).map(|at| format!("tool_{at}"));
    let more = ["find_*", "web_search", "mcp:https://mcp.example.com/*", "connector:gmail"];
    Guardrails {
        max_input_tokens: Some(Tokens::new(32_000)),
        max_output_tokens: Some(Tokens::new(4_000)),
        tools: Some(named.chain(more.map(str::to_owned)).collect()),
        on_forbidden_tool: None,
        fields: Some(ANONYMOUS_FIELDS.iter().map(|&field| field.to_owned()).collect()),
    }
}

fn policy() -> Arc<Policy> {
    let provider = ProviderSettings {
        name: "openai".to_owned(),
        protocol: Protocol::OpenAi,
        is_openai: true,
        include_usage: true,
        output_cap_field: None,
        on_disconnect: OnDisconnect::Cancel,
        limits: Vec::new(),
    };
    let (provider_name, model_name) = ("openai".to_owned(), "gpt-4o-mini".to_owned());
    let route = Route { provider: provider_name, model: model_name, weight: 1 };
    let model = ModelSettings {
        name: "gpt-4o-mini".to_owned(),
        serve: vec![route],
        prefer: Prefer::default(),
        fallback: Vec::new(),
        limits: Vec::new(),
        guardrails: Guardrails::default(),
    };
    let limits = [
        "60 requests per minute per user",
        "500k tokens per day per user",
        "$25 per month per team",
        "3 streams at once per user",
    ];
    let tier = TierSettings {
        name: "pro".to_owned(),
        models: vec!["gpt-4o*".to_owned()],
        limits: limits.iter().map(|limit| parse(limit).unwrap()).collect(),
        guardrails: Guardrails::default(),
        priority: Priority::default(),
    };
    let key = |at: usize| KeySettings {
        name: format!("key-{at}"),
        digest: KeyDigest::of(&secret(at)),
        tier: "pro".to_owned(),
        team: Some("acme".to_owned()),
        user: None,
        project: None,
        org: None,
        limits: Vec::new(),
        models: None,
        guardrails: Guardrails::default(),
        trust_user: false,
    };
    Policy::new(Settings {
        providers: vec![provider],
        models: vec![model],
        tiers: vec![tier],
        keys: (0..KEYS).map(key).collect(),
        guardrails: guardrails(),
        min_output_tokens: Tokens::new(16),
        ..Settings::default()
    })
}

fn secret(at: usize) -> String {
    format!("tgk_{at:040}")
}

/// A chat that streams, with four tools that are on the list.
fn body() -> String {
    let tool = |at: usize| {
        format!(r#"{{"type":"function","function":{{"name":"tool_{at}","parameters":{{}}}}}}"#)
    };
    let tools: Vec<String> = (8..12).map(tool).collect();
    format!(
        r#"{{"model":"gpt-4o-mini","stream":true,"temperature":0.7,"tool_choice":"auto",
        "tools":[{}],"messages":[{{"role":"user","content":"Why is the sky blue?"}}]}}"#,
        tools.join(",")
    )
}

fn requests(criterion: &mut Criterion) {
    let (policy, body, secret) = (policy(), body(), secret(KEYS / 2));
    let counts = || Counts { input: Tokens::new(120), how: How::Exact };
    let asked = || read(Endpoint::ChatCompletions, body.as_bytes()).unwrap();
    criterion.bench_function("identify", |bencher| {
        bencher.iter(|| policy.identify(black_box(Some(&*secret)), IP).unwrap());
    });
    let caller = policy.identify(Some(&*secret), IP).unwrap();
    criterion.bench_function("guardrails", |bencher| {
        bencher.iter_batched(asked, |ask| caller.consider(ask).unwrap(), BatchSize::SmallInput);
    });
    criterion.bench_function("identify, guardrails, plan", |bencher| {
        let decide = |ask| {
            let caller = policy.identify(black_box(Some(&*secret)), IP).unwrap();
            caller.consider(ask).unwrap().plan(counts(), MOMENT).unwrap()
        };
        bencher.iter_batched(asked, decide, BatchSize::SmallInput);
    });
    criterion.bench_function("read, identify, guardrails, plan", |bencher| {
        bencher.iter(|| {
            let ask = read(Endpoint::ChatCompletions, black_box(body.as_bytes())).unwrap();
            let caller = policy.identify(black_box(Some(&*secret)), IP).unwrap();
            caller.consider(ask).unwrap().plan(counts(), MOMENT).unwrap()
        });
    });
}

criterion_group!(benches, requests);
criterion_main!(benches);
