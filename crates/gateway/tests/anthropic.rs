//! Anthropic's protocol through the whole gateway: what reaches the provider, and what callers are
//! told and charged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::provider::{Hold, Rebuff};
use tollgate_sim::{Act, Fault, Script};
use tollgate_testkit::{Caller, House, Plot, message};
use tollgate_units::{Timestamp, Tokens};

/// Sunday, 2026-11-22, 07:00 in UTC.
const MORNING: Timestamp = Timestamp::from_millis(1_795_330_800_000);
const MODEL: &str = "claude-haiku-4-5";
const MESSAGES: &str = "/v1/messages";

fn anonymous(limits: &[&str]) -> String {
    let limits: Vec<_> = limits.iter().map(|limit| format!("      - {limit}\n")).collect();
    let limits = limits.concat();
    format!("tiers:\n  anonymous:\n    models: [claude-haiku-4-5, gpt-4o]\n    limits:\n{limits}")
}

async fn standing_still(limits: &[&str], act: Act) -> House {
    Plot::new(&anonymous(limits)).script(Script::of(act)).standing_still(MORNING).build().await
}

/// What is used of the limit that begins with `limit`.
async fn used(house: &House, caller: &Caller, limit: &str) -> Value {
    let rows = caller.get("/v1/limits").await.json();
    let rows = rows["limits"].as_array().unwrap().clone();
    let row = rows.iter().find(|row| row["limit"].as_str().unwrap().starts_with(limit));
    let row = row.unwrap_or_else(|| panic!("no limit {limit} in {rows:?}"));
    assert_eq!(row["held"].to_string().trim_matches('"').trim_start_matches(['0', '.']), "");
    house.settled().await;
    row["used"].clone()
}

#[tokio::test]
async fn a_refusal_has_anthropics_shape_and_headers() {
    let limits = ["1 request per minute per ip", "9k input tokens per minute per ip"];
    let house = standing_still(&limits, Act::default()).await;
    let caller = house.caller(None);
    let first = caller.post(MESSAGES, &message(MODEL, "Hello")).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    assert_eq!(first.json()["usage"]["output_tokens"], 20);
    assert_eq!(first.header("anthropic-ratelimit-requests-remaining"), "0");
    assert_eq!(first.header("anthropic-ratelimit-requests-reset"), "2026-11-22T07:01:01Z");
    assert_eq!(first.header("anthropic-ratelimit-input-tokens-limit"), "9000");
    assert_eq!(first.header("x-ratelimit-limit-requests"), "");
    assert_eq!(first.header("anthropic-organization-id"), "");

    let second = caller.post(MESSAGES, &message(MODEL, "Hello")).await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    let told = second.json();
    assert_eq!(
        (&told["type"], &told["error"]["type"]),
        (&json!("error"), &json!("rate_limit_error"))
    );
    assert_eq!(told["error"]["tollgate"]["limit"], "1 request per minute per ip");
    assert_eq!(told["request_id"], second.header("request-id"));
    assert!(
        !second.header("retry-after-ms").is_empty() && !second.header("retry-after").is_empty()
    );
    assert_eq!(second.header("anthropic-ratelimit-requests-limit"), "1");
}

#[tokio::test]
async fn a_stream_is_settled_to_the_unit_at_the_prices_of_the_cache() {
    let act = Act {
        prompt_tokens: Some(Tokens::new(1000)),
        cached_tokens: Tokens::new(400),
        written_tokens: Tokens::new(100),
        written_hour_tokens: Tokens::new(50),
        ..Act::tokens(20)
    };
    let limits = ["1M tokens per day per ip", "$10 per day per ip"];
    let house = standing_still(&limits, act).await;
    let caller = house.caller(None);
    for stream in [false, true] {
        let mut body = message(MODEL, "Hello");
        body["stream"] = stream.into();
        body["system"] = json!([
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ]);
        let answer = caller.post(MESSAGES, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        house.settled().await;
    }
    assert_eq!(used(&house, &caller, "1M tokens").await, 2 * 1020);
    // For a million: 450 at $1, 400 at $0.10, 100 at $1.25, 50 at $2; 20 at $5.
    assert_eq!(used(&house, &caller, "$10").await, "0.00163");
}

#[tokio::test]
async fn a_caller_that_leaves_pays_for_the_input_as_it_was_told_and_for_what_flowed() {
    let act = Act {
        prompt_tokens: Some(Tokens::new(1000)),
        hold: Some(Hold::After(Tokens::new(3))),
        ..Act::tokens(50)
    };
    let limits = ["1M input tokens per day per ip", "1M output tokens per day per ip"];
    let house = standing_still(&limits, act).await;
    let caller = house.caller(None);
    let mut body = message(MODEL, "Hello");
    body["stream"] = true.into();
    let mut running = caller.open(MESSAGES, &body).await;
    let mut seen = String::new();
    while seen.matches("text_delta").count() < 3 {
        seen.push_str(std::str::from_utf8(&running.next().await.unwrap()).unwrap());
    }
    drop(running);
    house.settled().await;
    assert_eq!(used(&house, &caller, "1M input").await, 1000);
    let output = used(&house, &caller, "1M output").await.as_u64().unwrap();
    assert!((1..50).contains(&output), "{output}");
}

#[tokio::test]
async fn a_forbidden_tool_is_taken_out_and_no_version_of_it_comes_through() {
    let yaml = "
guardrails: {tools: [find], on_forbidden_tool: strip}
tiers:
  anonymous: {models: [claude-haiku-4-5], limits: [100 requests per minute per ip]}
";
    let house = House::new(yaml, Script::default()).await;
    let mut body = message(MODEL, "Hello [[tool_calls:2]]");
    body["tools"] = json!([
        {"name": "find", "input_schema": {"type": "object"}},
        {"type": "web_search_20991231", "name": "web_search"},
    ]);
    body["tool_choice"] = json!({"type": "tool", "name": "web_search"});
    body["mcp_servers"] = json!([{"type": "url", "name": "crm", "url": "https://example.org"}]);
    let answer = house.caller(None).post(MESSAGES, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["stop_reason"], "tool_use");
    let seen: Value = serde_json::from_slice(&house.provider.seen()[0].body).unwrap();
    assert_eq!(seen["tools"], json!([body["tools"][0]]));
    assert!(seen.get("tool_choice").is_none() && seen.get("mcp_servers").is_none(), "{seen}");
}

#[tokio::test]
async fn counting_tokens_charges_a_request_and_nothing_else() {
    let limits =
        ["9 requests per minute per ip", "5 tokens per day per ip", "$0.000001 per day per ip"];
    let act = Act { prompt_tokens: Some(Tokens::new(1000)), ..Act::default() };
    let house = standing_still(&limits, act).await;
    let caller = house.caller(None).with("anthropic-beta", "token-counting-2024-11-01");
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello there"}]});
    let answer = caller.post("/v1/messages/count_tokens", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json(), json!({"input_tokens": 1000}));
    assert_eq!(used(&house, &caller, "9 requests").await, 1);
    assert_eq!(used(&house, &caller, "5 tokens").await, 0);
    let seen = &house.provider.seen()[0];
    assert_eq!(seen.authorization, None);
    let header = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("x-api-key"), Some("sk-provider-secret-0001"));
    assert_eq!(header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(header("anthropic-beta"), Some("token-counting-2024-11-01"));
    let refused = caller.post(MESSAGES, &message(MODEL, "Hello there")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("x-should-retry"), "false");
}

#[tokio::test]
async fn a_model_is_served_in_its_own_protocol_only() {
    let house = standing_still(&["9 requests per minute per ip"], Act::default()).await;
    let caller = house.caller(None);
    let body = message(MODEL, "Hello");
    let wrong = caller.post("/v1/chat/completions", &body).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (StatusCode::NOT_FOUND, "model_not_found"));
    assert!(wrong.message().contains("POST /v1/messages"), "{}", wrong.message());
    let wrong = caller.post(MESSAGES, &message("gpt-4o", "Hello")).await;
    assert_eq!(wrong.json()["error"]["type"], "not_found_error");
    assert!(wrong.message().contains("POST /v1/chat/completions"), "{}", wrong.message());
    assert_eq!(house.provider.counters().seen, 0);

    let listed = caller.clone().with("anthropic-version", "2023-06-01");
    let listed = listed.get("/v1/models").await.json();
    assert_eq!((&listed["first_id"], &listed["data"][0]["type"]), (&json!(MODEL), &json!("model")));
    let listed = caller.get("/v1/models").await.json();
    assert_eq!((&listed["object"], &listed["data"][0]["id"]), (&json!("list"), &json!(MODEL)));
    let nowhere = caller.post("/v1/messages/batches", &body).await;
    assert_eq!(nowhere.json()["error"]["type"], "not_found_error");
}

#[tokio::test]
async fn the_providers_troubles_are_told_in_anthropics_words() {
    for (rebuff, status, kind, retry) in [
        (Rebuff::Overloaded, 529, "overloaded_error", ""),
        (Rebuff::Quota, 529, "overloaded_error", "false"),
        (Rebuff::Status(402), 529, "overloaded_error", "false"),
        (Rebuff::RateLimit, 429, "rate_limit_error", ""),
        (Rebuff::ContextLength, 400, "invalid_request_error", ""),
    ] {
        let act = Act::default().with(Fault::Refused(rebuff));
        let house = standing_still(&["9 requests per minute per ip"], act).await;
        let answer = house.caller(None).post(MESSAGES, &message(MODEL, "Hello")).await;
        assert_eq!(answer.status.as_u16(), status, "{rebuff:?}");
        assert_eq!(answer.json()["error"]["type"], kind, "{rebuff:?}");
        assert_eq!(answer.header("x-should-retry"), retry, "{rebuff:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("org-"), "{rebuff:?}");
    }
}
