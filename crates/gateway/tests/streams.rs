//! Streams: bytes as they come, usage hidden or shown, hang-ups, drains, and other providers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::provider::Hold;
use tollgate_sim::{Act, Provider, Script};
use tollgate_testkit::{House, Plot, chat};
use tollgate_units::Tokens;

const CHAT: &str = "/v1/chat/completions";
const POLICY: &str = "
tiers:
  anonymous:
    models: [gpt-4o*]
    limits: [100k tokens per day per ip, 100 requests per day per ip]
";

fn streamed(prompt: &str) -> Value {
    let mut body = chat("gpt-4o-mini", prompt);
    body["stream"] = json!(true);
    body["max_tokens"] = json!(40);
    body
}

#[tokio::test]
async fn usage_is_asked_for_and_shown_only_to_who_asked() {
    let house = House::new(POLICY, Script::of(Act::tokens(10))).await;
    let caller = house.caller(None);
    let hidden = caller.post(CHAT, &streamed("Hi [[packet:7]]")).await;
    let text = String::from_utf8(hidden.body.to_vec()).unwrap();
    assert!(!text.contains("\"prompt_tokens\""), "{text}");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let mut body = streamed("Hi");
    body["stream_options"] = json!({"include_usage": true});
    let shown = caller.post(CHAT, &body).await;
    assert!(String::from_utf8_lossy(&shown.body).contains("\"prompt_tokens\""));
    assert!(house.provider.seen().iter().all(|seen| seen.usage_asked && seen.usage_reported));
}

#[tokio::test]
async fn events_go_on_as_they_complete() {
    let act = Act { hold: Some(Hold::After(Tokens::new(2))), ..Act::tokens(5) };
    let house = House::new(POLICY, Script::of(act)).await;
    let mut stream = house.caller(None).open(CHAT, &streamed("Hi")).await;
    let mut text = String::new();
    // The provider says nothing more until it is released: these events were not waited for.
    while !text.contains(" word") {
        text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap()));
    }
    assert!(!text.contains("[DONE]"));
    house.provider.release();
    let rest = stream.rest().await;
    assert!(rest.whole && String::from_utf8_lossy(&rest.body).ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_stream_that_breaks_is_cut_for_the_caller_too() {
    let house = House::new(POLICY, Script::of(Act::tokens(10))).await;
    let caller = house.caller(None);
    let cut = caller.post(CHAT, &streamed("Hi [[fault:reset_midway]]")).await;
    assert_eq!(cut.status, StatusCode::OK);
    assert!(!cut.whole, "half an answer does not look whole");
    let short = caller.post(CHAT, &streamed("Hi [[fault:error_event]]")).await;
    assert!(String::from_utf8_lossy(&short.body).contains("\"error\""), "it passes on as it came");
}

#[tokio::test]
async fn a_drain_refuses_new_requests_and_lets_running_streams_finish() {
    let act = Act { hold: Some(Hold::After(Tokens::new(2))), ..Act::tokens(5) };
    let house = House::new(POLICY, Script::of(act)).await;
    let mut stream = house.caller(None).open(CHAT, &streamed("Hi")).await;
    assert!(stream.next().await.is_some());
    house.drain();
    assert!(!house.gateway.is_ready());
    let late = house.caller(None).post(CHAT, &streamed("Hi")).await;
    assert_eq!((late.status.as_u16(), &*late.code()), (503, "overloaded"));
    assert_eq!(late.header("retry-after"), "1", "another gateway will answer");
    house.provider.release();
    let rest = stream.rest().await;
    assert!(rest.whole && String::from_utf8_lossy(&rest.body).ends_with("data: [DONE]\n\n"));
    assert!(house.finished(Duration::from_secs(10)).await);
    let books = house.meters.books();
    assert!(books.balance() && books.held_count == 0, "{books:?}");
}

#[tokio::test]
async fn a_caller_that_leaves_pays_for_what_flowed_where_the_provider_stops_its_bill() {
    let money = "
tiers:
  anonymous: {models: [gpt-4o-mini], limits: [$1 per day per ip]}
models:
  gpt-4o-mini: {serve: [other/gpt-4o-mini]}
";
    let act = Act { hold: Some(Hold::After(Tokens::new(4))), ..Act::tokens(30) };
    let other = Provider::start(Script::of(act)).await.unwrap();
    for (rule, expected) in
        [("on_disconnect: cancel", 0.000_003_6), ("include_usage: true", 0.000_025_2)]
    {
        let base = other.base_url();
        let account = format!("  other: {{kind: openai, base_url: \"{base}\", {rule}}}\n");
        let house = Plot::new(&format!("{account}{money}")).build().await;
        let mut stream = house.caller(None).open(CHAT, &streamed("Hi")).await;
        let mut text = String::new();
        while !text.contains(" this") {
            text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap()));
        }
        drop(stream);
        house.settled().await;
        let rows = house.caller(None).get("/v1/limits").await.json();
        let used: f64 = rows["limits"][0]["used"].as_str().unwrap().parse().unwrap();
        // 8 tokens in at $0.15; 4 that flowed, or all 40 that were reserved, at $0.60 a million.
        assert!((used - expected).abs() < 1e-12, "{rule}: {rows}");
    }
}

#[tokio::test]
async fn a_provider_that_fails_is_passed_over_and_nothing_is_charged_twice() {
    let routes = "
models:
  gpt-4o-mini: {serve: [down/gpt-4o-mini, sim/gpt-4o-mini]}
tiers:
  anonymous:
    models: [gpt-4o-mini]
    limits: [100k tokens per day per ip, 100 requests per day per ip]
";
    let down = Provider::start(Script::default()).await.unwrap();
    for fault in ["503", "rate_limit", "quota", "reset", "401"] {
        let base = down.base_url();
        let account = format!("  down: {{kind: openai, base_url: \"{base}\"}}\n");
        let house = Plot::new(&format!("{account}{routes}")).build().await;
        let caller = house.caller(None);
        // The marker names the fault for the first provider only: the second one's body is the
        // same, so the fault is chosen by who is asked.
        let body = chat("gpt-4o-mini", &format!("Hi [[fault:{fault}]]"));
        let failed = caller.post(CHAT, &body).await;
        assert!(!failed.status.is_success(), "both are told to fail: {failed:?}");
        assert_eq!(down.counters().in_flight, 0);
        house.settled().await;
        let (requests, _) = house.standing(&caller, "100 requests").await;
        assert_eq!(requests, u64::from(fault == "reset"), "{fault}: charged once, if at all");
    }
    // Nobody listens there: the second provider answers.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let account = format!("  down: {{kind: openai, base_url: \"http://{gone}/v1\"}}\n");
    let house = Plot::new(&format!("{account}{routes}")).build().await;
    let caller = house.caller(None);
    let answer = caller.post(CHAT, &chat("gpt-4o-mini", "Hi")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("x-tollgate-model"), "sim/gpt-4o-mini");
    assert_eq!(answer.header("x-tollgate-attempts"), "2");
    house.settled().await;
    assert_eq!(house.standing(&caller, "100 requests").await, (1, 0));
}
