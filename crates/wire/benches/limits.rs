//! What reading an answer's limits costs, which every answer pays, and judging an error.
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up should stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, StatusCode};
use tollgate_units::Timestamp;
use tollgate_wire::{dialect_of, judge, report};

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// What stands in an answer besides limits.
const OTHERS: &[(&str, &str)] = &[
    ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
    ("server", "cloudflare"),
    ("cf-ray", "8f0000000000-FRA"),
    ("x-request-id", "req_0123456789abcdef"),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
];

const OPENAI: &[(&str, &str)] = &[
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-limit-tokens", "200000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "199984"),
    ("x-ratelimit-reset-requests", "8.64s"),
    ("x-ratelimit-reset-tokens", "4ms"),
];

const ANTHROPIC: &[(&str, &str)] = &[
    ("anthropic-ratelimit-requests-limit", "1000"),
    ("anthropic-ratelimit-requests-remaining", "999"),
    ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:01Z"),
    ("anthropic-ratelimit-input-tokens-limit", "2000000"),
    ("anthropic-ratelimit-input-tokens-remaining", "1999000"),
    ("anthropic-ratelimit-input-tokens-reset", "2026-01-01T00:00:01Z"),
    ("anthropic-ratelimit-output-tokens-limit", "400000"),
    ("anthropic-ratelimit-output-tokens-remaining", "400000"),
    ("anthropic-ratelimit-output-tokens-reset", "2026-01-01T00:00:00Z"),
];

const STANDARD: &[(&str, &str)] = &[
    ("ratelimit-policy", "\"burst\";q=100;w=60,\"daily\";q=1000;w=86400"),
    ("ratelimit", "\"burst\";r=50;t=30,\"daily\";r=900;t=3600"),
];

const REFUSED: &str = r#"{"error":{"message":"Rate limit reached for gpt-4o-mini in organization
 on tokens per min (TPM): Limit 200000, Used 195869, Requested 4412. Please try again in 84ms.",
 "type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;

fn headers(limits: &[(&str, &str)]) -> HeaderMap {
    let all = OTHERS.iter().chain(limits);
    all.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn reports(criterion: &mut Criterion) {
    let cases = [
        ("OpenAI", dialect_of("openai", "api.openai.com"), headers(OPENAI)),
        ("Anthropic", dialect_of("anthropic", ""), headers(ANTHROPIC)),
        ("the standard", dialect_of("openai", "localhost"), headers(STANDARD)),
        ("nobody", dialect_of("openai", "localhost"), headers(&[])),
    ];
    for (name, dialect, headers) in &cases {
        criterion.bench_function(&format!("report of {name}"), |bencher| {
            bencher.iter(|| report(dialect, StatusCode::OK, black_box(headers), b"", NOW));
        });
    }
    let (_, openai, headers) = &cases[0];
    criterion.bench_function("judge a refusal", |bencher| {
        let body = black_box(REFUSED.as_bytes());
        bencher.iter(|| judge(openai, StatusCode::TOO_MANY_REQUESTS, headers, body, NOW));
    });
}

criterion_group!(benches, reports);
criterion_main!(benches);
