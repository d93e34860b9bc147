//! What is ranked through the whole gateway: it is paid by the search, and never by more than was
//! reserved for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::{Act, Fault, Script};
use tollgate_testkit::{Answer, Caller, House, Plot, chat};
use tollgate_units::Timestamp;

/// Sunday, 2026-11-22, 07:00 in UTC.
const MORNING: Timestamp = Timestamp::from_millis(1_795_330_800_000);

/// A gateway whose anonymous callers are under `limit`, and one of tokens.
async fn house(limit: &str, prices: &str, act: Act) -> House {
    let yaml = format!(
        "tiers:\n  anonymous:\n    models: [command-a, rerank-v3.5]\n    limits: [{limit} per day \
         per ip, 90M tokens per day per ip]\n{prices}"
    );
    Plot::new(&yaml).script(Script::of(act)).standing_still(MORNING).build().await
}

/// So many documents of so many bytes each.
fn documents(count: usize, bytes: usize) -> Value {
    json!({"model": "rerank-v3.5", "query": "toll", "documents": vec!["a".repeat(bytes); count]})
}

async fn ranked(caller: &Caller, body: &Value) -> Answer {
    caller.post("/v2/rerank", body).await
}

/// What is used of the limit at `at`.
async fn used(house: &House, caller: &Caller, at: usize) -> Value {
    house.settled().await;
    caller.get("/v1/limits").await.json()["limits"][at]["used"].clone()
}

#[tokio::test]
async fn a_ranking_costs_its_searches_to_the_dollar() {
    // A token has four bytes at the scripted provider: beside the query's one, 499 have room.
    let table = [
        (documents(1, 40), 1, "0.002"),
        (documents(100, 40), 1, "0.002"),
        (documents(101, 40), 2, "0.004"),
        (documents(1, 80_000), 1, "0.002"),
        // 9 chunks of each, since no more than 4096 tokens are read.
        (documents(12, 80_000), 2, "0.004"),
        (documents(100, 4 * 500), 2, "0.004"),
    ];
    for (body, searches, dollars) in table {
        let house = house("$1", "", Act::default()).await;
        let caller = house.caller(None);
        let answer = ranked(&caller, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let billed = &answer.json()["meta"]["billed_units"]["search_units"];
        assert_eq!(*billed, searches);
        assert_eq!(used(&house, &caller, 0).await, dollars);
        let tokens = used(&house, &caller, 1).await.as_u64().unwrap();
        assert!(tokens > 0, "nobody reports them, so they are counted");
    }
}

#[tokio::test]
async fn a_ranking_without_room_for_its_searches_is_refused_and_not_sent() {
    let house = house("$0.003", "", Act::default()).await;
    let caller = house.caller(None);
    let refused = ranked(&caller, &documents(101, 40)).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    assert!(refused.json()["message"].as_str().unwrap().contains("$0.003"), "{refused:?}");
    assert_eq!(
        (house.provider.counters().seen, used(&house, &caller, 0).await),
        (0, "0.00".into())
    );
    assert_eq!(ranked(&caller, &documents(100, 40)).await.status, StatusCode::OK);
    assert_eq!(used(&house, &caller, 0).await, "0.002");
    let refused = ranked(&caller, &documents(1, 40)).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    assert_eq!(house.provider.counters().seen, 1);
}

#[tokio::test]
async fn a_ranking_whose_searches_nobody_tells_costs_what_was_reserved() {
    // By its bytes each document may be 3 chunks, and all of them 2 searches.
    let body = documents(50, 1100);
    for fault in [Fault::NoUsage, Fault::CutShort, Fault::Garbage, Fault::ResetMidway] {
        let house = house("$1", "", Act { fault: Some(fault), ..Act::default() }).await;
        let caller = house.caller(None);
        // What breaks off here may be cut short for the caller too.
        let _broken_or_not = caller.open("/v2/rerank", &body).await.rest().await;
        assert_eq!(used(&house, &caller, 0).await, "0.004", "{fault:?}");
    }
    let house = house("$1", "", Act::default()).await;
    let caller = house.caller(None);
    assert_eq!(ranked(&caller, &body).await.status, StatusCode::OK);
    assert_eq!(used(&house, &caller, 0).await, "0.002", "and otherwise what it says");
}

#[tokio::test]
async fn a_ranking_is_paid_by_the_operators_price_of_searches_or_else_of_tokens() {
    let prices = "prices: {cohere/rerank-v3.5: {search: 5}}\n";
    let house_of_searches = house("$1", prices, Act::default()).await;
    let caller = house_of_searches.caller(None);
    assert_eq!(ranked(&caller, &documents(101, 40)).await.status, StatusCode::OK);
    assert_eq!(used(&house_of_searches, &caller, 0).await, "0.01");

    let prices = "prices: {cohere/rerank-v3.5: {input: 1000, output: 0}}\n";
    let house_of_tokens = house("$90", prices, Act::default()).await;
    let caller = house_of_tokens.caller(None);
    assert_eq!(ranked(&caller, &documents(101, 40)).await.status, StatusCode::OK);
    let tokens = used(&house_of_tokens, &caller, 1).await.as_u64().unwrap();
    let dollars = used(&house_of_tokens, &caller, 0).await;
    let spent: f64 = dollars.as_str().unwrap().parse().unwrap();
    let expected = f64::from(u32::try_from(tokens).unwrap()) / 1000.0;
    assert!(tokens > 1000 && (spent - expected).abs() < 1e-9, "{tokens} {dollars}");
}

#[tokio::test]
async fn what_is_sold_by_the_search_alone_has_no_price_for_anything_else() {
    let house = house("$1", "", Act::default()).await;
    let caller = house.caller(None);
    let refused = caller.post("/v2/chat", &chat("rerank-v3.5", "Hello")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    assert!(refused.json()["message"].as_str().unwrap().contains("no price"), "{refused:?}");
    assert_eq!(house.provider.counters().seen, 0);
}
