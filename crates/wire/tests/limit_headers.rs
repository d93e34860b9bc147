//! Headers as providers sent them, and what each of them means: `ratelimit_headers.json`.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value as Json, json};
use tollgate_units::{Span, Timestamp};
use tollgate_wire::{Calendar, Counted, DIALECTS, Dialect, Report, Reported, dialect_of, report};

const VECTORS: &str = include_str!("data/ratelimit_headers.json");

/// When a vector that names no instant is read: 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

fn dialect(provider: &str) -> &'static Dialect {
    let named = DIALECTS.iter().copied().find(|dialect| dialect.name == provider);
    let compatible = provider == "generic" || provider.starts_with("ietf-draft-");
    named.or_else(|| compatible.then(|| dialect_of("openai", ""))).unwrap()
}

fn instant(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(u64::try_from(instant.as_millisecond()).unwrap())
}

/// A vector as it is read.
struct Read<'v> {
    vector: &'v Json,
    now: Timestamp,
    report: Report,
}

fn read(vector: &Json) -> Read<'_> {
    let mut headers = HeaderMap::new();
    for (name, value) in vector["headers"].as_object().unwrap() {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
    }
    let status = vector.get("status").map_or(200, |status| status.as_u64().unwrap());
    let status = StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap();
    let body = vector.get("body").map(Json::to_string).unwrap_or_default();
    let now = vector.get("now").map_or(NOW, |now| instant(now.as_str().unwrap()));
    let dialect = dialect(vector["provider"].as_str().unwrap());
    Read { vector, now, report: report(dialect, status, &headers, body.as_bytes(), now) }
}

/// Keys that tell of a vector, not of its meaning; `body`, `now` and `status` are what is read.
const ABOUT: &[&str] =
    &["body", "headers", "id", "meaning", "note", "now", "origin", "provider", "source", "status"];

#[test]
fn every_vector_of_limit_headers_is_read_as_it_means() {
    let vectors: Vec<Json> = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.len(), 54, "a vector is lost or new");
    for vector in &vectors {
        let read = read(vector);
        for key in vector.as_object().unwrap().keys() {
            let known = ABOUT.contains(&&**key) || key == "retry_after_ms";
            assert!(known, "{}: nobody reads {key}", vector["id"]);
        }
        let waits = read.report.retry_after.map(Span::as_millis);
        assert_eq!(
            waits,
            vector.get("retry_after_ms").map(|wait| wait.as_u64().unwrap()),
            "{}",
            vector["id"]
        );
        limits_mean(&read);
    }
}

/// Each meaning is one limit of the report, in any order, and nothing else is reported.
fn limits_mean(read: &Read<'_>) {
    let id = &read.vector["id"];
    let mut reported: Vec<&Reported> = read.report.limits.iter().collect();
    for meaning in read.vector["meaning"].as_array().unwrap() {
        let meaning = meaning.as_object().unwrap();
        if meaning.contains_key("unknown") {
            assert_eq!(meaning.len(), 2, "{id}");
            continue;
        }
        let at = reported.iter().position(|limit| means(limit, meaning, read.now));
        let at = at.unwrap_or_else(|| panic!("{id}: {meaning:?} is not in {reported:?}"));
        reported.remove(at);
    }
    assert!(reported.is_empty(), "{id}: nothing means {reported:?}");
    let malformed = u32::from(id.as_str().unwrap().starts_with("bad-"));
    assert_eq!(read.report.malformed, malformed, "{id}");
}

/// Whether a limit says what `meaning` does, key by key, and no more.
fn means(limit: &Reported, meaning: &Map<String, Json>, now: Timestamp) -> bool {
    let resets_in = limit.reset_at.map(|reset| reset.since(now).as_millis());
    let said_reset = meaning.get("reset_after_ms").map(|span| span.as_u64().unwrap());
    let said_instant = meaning.get("reset_at").map(|text| instant(text.as_str().unwrap()));
    let is_reset = match said_instant {
        Some(said) => limit.reset_at == Some(said) && said_reset.is_none(),
        None => resets_in == said_reset,
    };
    let number = |key: &str| meaning.get(key).map(|number| number.as_u64().unwrap());
    let is_amount = match meaning.get("utilization") {
        Some(used) => limit.remaining == Some(10_000 - hundredths(used)),
        None => limit.limit == number("limit") && limit.remaining == number("remaining"),
    };
    is_reset && is_amount && meaning.iter().all(|(key, said)| is_so(limit, key, said, meaning))
}

/// A share in parts of ten thousand, exactly.
fn hundredths(share: &Json) -> u64 {
    let text = share.to_string();
    let decimals = text.strip_prefix("0.").unwrap();
    format!("{decimals:0<4}").parse().unwrap()
}

fn is_so(limit: &Reported, key: &str, said: &Json, meaning: &Map<String, Json>) -> bool {
    match key {
        "dimension" => dimension(limit, meaning) == said.as_str().unwrap(),
        // Compared above.
        "limit" | "remaining" | "reset_after_ms" | "reset_at" | "utilization" => true,
        "window_s" if said == "calendar-month" => limit.calendar == Some(Calendar::MonthUtc),
        "window_s" | "inferred_window_s" => {
            limit.window == Some(Span::from_secs(said.as_u64().unwrap()))
        }
        "exhausted" => limit.remaining == Some(0) && limit.limit > Some(0) && said == true,
        "not_enabled" => limit.limit == Some(0) && said == true,
        "scope" | "tier" => {
            (&*limit.name, said.as_str().unwrap())
                == match said.as_str().unwrap() {
                    "project" => ("project-tokens", "project"),
                    "trial endpoint" => ("trial-requests", "trial endpoint"),
                    "calendar month" => ("requests-month", "calendar month"),
                    "fast" => ("fast-input-tokens", "fast"),
                    other => panic!("nobody knows the scope {other}"),
                }
        }
        "policy" => json!(limit.name) == *said,
        "partition_key" => limit.partition.as_deref() == Some(said.as_str().unwrap().as_bytes()),
        "partition_key_b64" => {
            limit.partition.as_deref() == Some(&decoded(said.as_str().unwrap())[..])
        }
        other => panic!("nobody compares {other}"),
    }
}

/// What a vector calls that which is counted.
fn dimension<'l>(limit: &'l Reported, meaning: &Map<String, Json>) -> &'l str {
    match (limit.counts, &*limit.name) {
        (Counted::Tokens, "tokens_usage_based") => "tokens_usage_based",
        (Counted::InputTokens, "input-tokens-uncached") => "input-tokens-uncached",
        (Counted::InputTokens, _) => "input-tokens",
        (Counted::OutputTokens, _) => "output-tokens",
        (Counted::Requests, _) => "requests",
        (Counted::Tokens, _) => "tokens",
        // The draft has two more units, and one of them is in a vector.
        (Counted::Other, _) if meaning.contains_key("policy") => "content-bytes",
        (Counted::Other, name) => name,
    }
}

/// Base64 by the book, bit by bit; bits that fill no byte are dropped.
fn decoded(text: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = text.trim_end_matches('=').chars().map(|letter| LETTERS.find(letter).unwrap());
    let bits: Vec<usize> =
        sextets.flat_map(|sextet| (0..6).rev().map(move |bit| sextet >> bit & 1)).collect();
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte << 1 | bit);
    bits.chunks_exact(8).map(|bits| u8::try_from(byte(bits)).unwrap()).collect()
}

#[test]
fn every_vector_is_of_a_provider_that_has_its_own_dialect_or_speaks_the_standard() {
    let vectors: Vec<Json> = serde_json::from_str(VECTORS).unwrap();
    let mut providers: Vec<&str> =
        vectors.iter().map(|vector| vector["provider"].as_str().unwrap()).collect();
    providers.dedup();
    for provider in providers {
        let standard = provider == "generic" || provider.starts_with("ietf-draft-");
        let expected = if standard { "compatible" } else { provider };
        assert_eq!(dialect(provider).name, expected);
    }
}
