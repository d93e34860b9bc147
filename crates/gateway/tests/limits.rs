//! Limits, through the whole gateway: what reaches the provider, and what callers are told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use serde_json::json;
use tollgate_sim::{Act, Script, provider::Hold};
use tollgate_testkit::{House, Plot, chat};
use tollgate_units::{Span, Timestamp, Tokens};

/// Sunday, 2026-11-22, 07:00 in UTC.
const MORNING: Timestamp = Timestamp::from_millis(1_795_330_800_000);

/// A prompt of exactly `tokens` tokens: one for each word, and seven of chat overhead.
fn prompt_of(tokens: u64) -> String {
    " hello".repeat(usize::try_from(tokens - 7).unwrap())
}

fn anonymous(limits: &[&str]) -> String {
    let limits: Vec<_> = limits.iter().map(|limit| format!("      - {limit}\n")).collect();
    format!("tiers:\n  anonymous:\n    models: [gpt-4o-mini]\n    limits:\n{}", limits.concat())
}

#[tokio::test]
async fn of_two_prompts_of_300_tokens_against_500_a_day_the_first_passes() {
    let act = Act { prompt_tokens: Some(Tokens::new(300)), ..Act::tokens(100) };
    let plot = Plot::new(&anonymous(&["500 tokens per day per ip"])).script(Script::of(act));
    let house = plot.standing_still(MORNING).build().await;
    let caller = house.caller(None);
    let body = chat("gpt-4o-mini", &prompt_of(300));

    let first = caller.post("/v1/chat/completions", &body).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    assert_eq!(first.header("x-tollgate-max-output-tokens"), "200", "the room that was left");
    house.settled().await;
    assert_eq!(house.standing(&caller, "500 tokens").await, (400, 0));

    let second = caller.post("/v1/chat/completions", &body).await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(second.code(), "insufficient_quota");
    let told = second.json()["error"]["tollgate"].clone();
    assert_eq!(told["limit"], "500 tokens per day per ip");
    assert_eq!((&told["used"], &told["requested"]), (&json!(400), &json!(316)));
    assert_eq!(told["retry_after_ms"], 17 * 60 * 60 * 1000, "until midnight in UTC");
    assert_eq!(second.header("x-should-retry"), "false", "a day is too long to sleep");
    assert_eq!(house.provider.counters().seen, 1);
    let saved = house.gateway.render_metrics();
    let saved = saved.lines().find(|line| line.starts_with("tollgate_saved_usd_total")).unwrap();
    // 300 tokens at $0.15 and 111 at $0.60 a million: the learned median of one answer of 100 is
    // the end of the bucket it fell into.
    assert!(saved.ends_with(" 0.0001116"), "{saved}");

    house.wait(Span::from_secs(17 * 60 * 60));
    let tomorrow = caller.post("/v1/chat/completions", &body).await;
    assert_eq!(tomorrow.status, StatusCode::OK);
}

#[tokio::test]
async fn a_prompt_over_the_whole_limit_can_never_pass() {
    let house = House::new(&anonymous(&["500 tokens per day per ip"]), Script::default()).await;
    let body = chat("gpt-4o-mini", &prompt_of(600));
    let refused = house.caller(None).post("/v1/chat/completions", &body).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.code(), "insufficient_quota");
    assert!(refused.message().contains("can never admit this request"), "{}", refused.message());
    assert!(refused.message().contains("616"), "{}", refused.message());
    assert_eq!(refused.header("retry-after"), "", "never has no date");
    assert_eq!(refused.header("x-should-retry"), "false");
    assert_eq!(house.provider.counters().seen, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_1000_requests_at_once_against_100_per_minute_exactly_100_reach_the_provider() {
    let plot = Plot::new(&anonymous(&["100 requests per minute per ip"]));
    let house = Arc::new(plot.standing_still(MORNING).build().await);
    let admitted = all_at_once(&house, 1000, |caller| async move {
        caller.post("/v1/chat/completions", &chat("gpt-4o-mini", "Hello")).await.status
    })
    .await;
    assert_eq!(admitted, 100);
    assert_eq!(house.provider.counters().seen, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_requests_of_500_tokens_against_10k_per_minute_exactly_20_reach_the_provider() {
    let act = Act { prompt_tokens: Some(Tokens::new(300)), ..Act::tokens(200) };
    let plot = Plot::new(&anonymous(&["10k tokens per minute per ip"])).script(Script::of(act));
    let house = Arc::new(plot.standing_still(MORNING).build().await);
    let admitted = all_at_once(&house, 200, |caller| async move {
        let mut body = chat("gpt-4o-mini", &prompt_of(300));
        body["max_tokens"] = json!(200);
        caller.post("/v1/chat/completions", &body).await.status
    })
    .await;
    assert_eq!(admitted, 20);
    assert_eq!(house.provider.counters().seen, 20);
    house.settled().await;
    assert_eq!(house.standing(&house.caller(None), "10k tokens").await, (10_000, 0));
}

/// Sends `count` requests together; how many were answered with 200.
async fn all_at_once<F, R>(house: &Arc<House>, count: usize, request: F) -> u64
where
    F: Fn(tollgate_testkit::Caller) -> R + Copy + Send + 'static,
    R: Future<Output = StatusCode> + Send + 'static,
{
    let admitted = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (caller, admitted) = (house.caller(None), admitted.clone());
        tasks.spawn(async move {
            match request(caller).await {
                StatusCode::OK => admitted.fetch_add(1, Ordering::Relaxed),
                status => {
                    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
                    0
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    admitted.load(Ordering::Relaxed)
}

#[tokio::test]
async fn never_more_than_three_streams_and_a_hang_up_frees_its_slot() {
    let act = Act { hold: Some(Hold::After(Tokens::new(2))), ..Act::tokens(50) };
    // The wait is told to the millisecond, so no time may pass between deciding and telling.
    let plot = Plot::new(&anonymous(&["3 streams at once per ip"])).script(Script::of(act));
    let house = plot.standing_still(MORNING).build().await;
    let caller = house.caller(None);
    let mut body = chat("gpt-4o-mini", "Hello");
    body["stream"] = json!(true);

    let mut running = Vec::new();
    for _ in 0..3 {
        let mut stream = caller.open("/v1/chat/completions", &body).await;
        assert_eq!(stream.status, StatusCode::OK);
        assert!(stream.next().await.is_some());
        running.push(stream);
    }
    let refused = caller.post("/v1/chat/completions", &body).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.code(), "rate_limit_exceeded");
    assert_eq!(refused.json()["error"]["tollgate"]["retry_after_ms"], 1000);
    assert_eq!(house.standing(&caller, "3 streams").await, (0, 3));

    let hung_up = std::time::Instant::now();
    running.pop();
    // The slot is free as soon as the gateway has seen the hang-up.
    while house.meters.books().held_count == 3 {
        tokio::task::yield_now().await;
    }
    let took = hung_up.elapsed();
    let next = caller.open("/v1/chat/completions", &body).await;
    assert_eq!(next.status, StatusCode::OK);
    // Not a benchmark: the promise is part of the contract, with an order of magnitude to spare.
    assert!(took.as_millis() < 100, "freed after {took:?}");
    assert_eq!(house.provider.counters().streams_max, 3);
}

#[tokio::test]
async fn a_refusal_by_one_limit_leaves_every_other_meter_as_it_was() {
    let limits = ["10 requests per minute per ip", "1 requests per hour per ip, named hourly"];
    let plot = Plot::new(&anonymous(&limits)).standing_still(MORNING);
    let house = plot.build().await;
    let caller = house.caller(None);
    let body = chat("gpt-4o-mini", "Hello");
    assert_eq!(caller.post("/v1/chat/completions", &body).await.status, StatusCode::OK);
    house.settled().await;
    for _ in 0..5 {
        let refused = caller.post("/v1/chat/completions", &body).await;
        let by = refused.json()["error"]["tollgate"]["refused_by"].clone();
        assert_eq!(by.as_array().map(Vec::len), Some(1), "{by}");
    }
    assert_eq!(house.standing(&caller, "10 requests").await, (1, 0));
}

#[tokio::test]
async fn a_shadow_limit_counts_and_refuses_nobody() {
    let limits = ["1 request per minute per ip, shadow"];
    let house = House::new(&anonymous(&limits), Script::default()).await;
    let caller = house.caller(None);
    for _ in 0..3 {
        let answer = caller.post("/v1/chat/completions", &chat("gpt-4o-mini", "Hello")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "", "never in headers");
    }
    let metrics = house.gateway.render_metrics();
    let refused = metrics.lines().find(|line| line.contains("reason=\"shadow\"")).unwrap();
    assert!(refused.ends_with(" 2"), "{refused}");
}

#[tokio::test]
async fn a_shared_limit_is_named_without_its_numbers() {
    let yaml = format!("{}limits:\n  - $0.000001 per day\n", anonymous(&["9 requests per day"]));
    let house = House::new(&yaml, Script::default()).await;
    let caller = house.caller(None);
    let refused = caller.post("/v1/chat/completions", &chat("gpt-4o-mini", "Hello")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let told = refused.json()["error"]["tollgate"].clone();
    assert_eq!(told["limit"], "cost per day, everybody");
    assert!(told["amount"].is_null() && told["used"].is_null() && told["held"].is_null());
    assert!(!refused.message().contains("0.000001"), "{}", refused.message());
    let rows = caller.get("/v1/limits").await.json();
    assert_eq!(rows["limits"], json!([]), "neither limit is the caller's own");
}

#[tokio::test]
async fn callers_are_counted_apart_and_told_where_they_stand() {
    let yaml = "
tiers:
  pro:
    models: [gpt-4o*]
    limits:
      - 60 requests per minute per user
      - 10k tokens per minute per user
keys:
  - {name: web, secret: \"web-secret-00000000\", tier: pro, user: ana}
  - {name: cli, secret: \"cli-secret-00000000\", tier: pro, user: ana}
  - {name: bot, secret: \"bot-secret-00000000\", tier: pro}
";
    let house = Plot::new(yaml).standing_still(MORNING).build().await;
    let (web, cli) = (house.caller(Some("web-secret-00000000")), "cli-secret-00000000");
    let mut body = chat("gpt-4o", "Hello");
    body["max_completion_tokens"] = json!(100);
    let answer = web.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "60");
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "59");
    assert_eq!(answer.header("x-ratelimit-remaining-tokens"), "9892");
    assert_eq!(answer.header("x-tollgate-model"), "sim/gpt-4o");
    assert!(answer.header("ratelimit-policy").contains("q=60;w=60"));
    assert!(!answer.header("x-tollgate-request-id").is_empty());
    house.settled().await;
    let of_user = house.standing(&house.caller(Some(cli)), "60 requests").await;
    assert_eq!(of_user, (1, 0), "two keys of one user share its limits");
    let of_bot = house.standing(&house.caller(Some("bot-secret-00000000")), "60 requests").await;
    assert_eq!(of_bot, (0, 0), "a key without a user counts for itself");
    let seen = house.provider.seen();
    assert_eq!(seen[0].authorization.as_deref(), Some("Bearer sk-provider-secret-0001"));
}
