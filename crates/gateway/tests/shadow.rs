//! A second policy that is only watched: it refuses nobody, and what it would have done is counted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use http::StatusCode;
use tollgate_sim::{Act, Script};
use tollgate_testkit::{House, Plot, chat};
use tollgate_units::{Timestamp, Tokens};

const MORNING: Timestamp = Timestamp::from_millis(1_795_330_800_000);

/// A limit that is only watched, in the policy that is only watched, is none of the metrics of the
/// policy in force.
#[tokio::test]
async fn what_is_watched_twice_is_counted_once() {
    let yaml = "
tiers: {anonymous: {models: [gpt-4o-mini], limits: ['1 request per day per ip, shadow']}}
";
    let house = Plot::new(yaml).standing_still(MORNING).watching(yaml).build().await;
    let (caller, body) = (house.caller(None), chat("gpt-4o-mini", "Hi"));
    for _ in 0..3 {
        let answer = caller.post("/v1/chat/completions", &body).await;
        assert_eq!(answer.status, StatusCode::OK);
        house.settled().await;
    }
    let metrics = house.gateway.render_metrics();
    let line = metrics.lines().find(|line| line.contains("reason=\"shadow\""));
    assert!(line.unwrap().ends_with(" 2"), "{line:?}");
    assert!(metrics.contains("tollgate_store_seconds_count{op=\"reserve\"} 3\n"), "{metrics}");
}

const KEYS: &str = "
keys:
  - {name: a, secret: a-secret-0123456789, tier: pro}
  - {name: b, secret: b-secret-0123456789, tier: pro}
";

/// How often the policy that is watched decided so.
fn counted(house: &House, outcome: &str, reason: &str) -> u64 {
    let labels = format!("outcome=\"{outcome}\",reason=\"{reason}\"}} ");
    let metrics = house.gateway.render_metrics();
    let line = metrics.lines().filter(|line| line.starts_with("tollgate_shadow_decisions_total"));
    let values = line.filter_map(|line| line.split_once(&labels).map(|(_, value)| value));
    values.map(|value| value.parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_policy_that_is_watched_counts_what_it_would_refuse_and_refuses_nobody() {
    let yaml = format!(
        "tiers: {{pro: {{models: ['gpt-4o*'], limits: [3 requests per day per key]}}}}{KEYS}"
    );
    let next = "
tiers:
  pro:
    models: [gpt-4o-mini]
    limits: [1k tokens per day per key]
keys: [{name: a, secret: a-secret-0123456789, tier: pro}]
";
    // Each uses 100 + 300 tokens, whatever was reserved.
    let act = Act { prompt_tokens: Some(Tokens::new(100)), ..Act::tokens(300) };
    let plot = Plot::new(&yaml).script(Script::of(act)).standing_still(MORNING).watching(next);
    let house = plot.build().await;
    let ask = async |key: &str, model: &str| {
        let caller = house.caller(Some(&format!("{key}-secret-0123456789")));
        let answer = caller.post("/v1/chat/completions", &chat(model, "Hi")).await;
        house.settled().await;
        answer
    };
    for _ in 0..2 {
        assert_eq!(ask("a", "gpt-4o-mini").await.status, StatusCode::OK);
    }
    assert_eq!(counted(&house, "admitted", "none"), 2, "the second by what the first really used");
    let third = ask("a", "gpt-4o-mini").await;
    assert_eq!((third.status, third.header("x-tollgate-warning")), (StatusCode::OK, ""));
    assert_eq!(counted(&house, "admitted", "none"), 3, "200 are left: its answer is capped there");
    // The policy in force refuses the fourth; the one that is watched gives back what it held.
    assert_eq!(ask("a", "gpt-4o-mini").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(counted(&house, "refused", "tokens"), 1, "1,200 of 1,000");
    assert_eq!(ask("b", "gpt-4o-mini").await.status, StatusCode::OK);
    assert_eq!(counted(&house, "refused", "key"), 1, "it does not list this key");
    assert_eq!(ask("b", "gpt-4o").await.status, StatusCode::OK);
    assert_eq!(counted(&house, "refused", "key"), 2);
    let rows = house.caller(Some("a-secret-0123456789")).get("/v1/limits").await.json();
    assert_eq!(rows["limits"].as_array().map(Vec::len), Some(1), "callers see nothing of it");
}
