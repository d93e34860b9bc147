//! What tiers promise, through the whole gateway: budgets by civil day, the smaller model once the
//! day is used up, and what one key has besides.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use http::StatusCode;
use serde_json::json;
use tollgate_sim::{Act, Script};
use tollgate_testkit::{House, Plot, chat};
use tollgate_units::{Span, Timestamp, Tokens};

const YAML: &str = "
tiers:
  free:
    models: [gpt-4o-mini]
    limits:
      - 10k tokens per day in Europe/Berlin per user
  pro:
    models: [gpt-4o, gpt-4o-mini]
    limits:
      - 500k tokens per day in Europe/Berlin per user, then downgrade to gpt-4o-mini
      - $25 per month per team, warn at 80%
  enterprise:
    models: ['gpt-4o*']
    limits:
      - 9M tokens per day in Europe/Berlin per key
keys:
  - {name: free, secret: free-secret-0123456789, tier: free, user: fay}
  - {name: pro, secret: pro-secret-0123456789, tier: pro, user: pia, team: acme}
  - name: big
    secret: big-secret-0123456789
    tier: enterprise
    models: [gpt-4o]
    limits: [2M tokens per day in Europe/Berlin]
";

/// A quarter to midnight in Berlin, the length of the day that comes then, in hours.
const NIGHTS: [(Timestamp, u64); 3] = [
    // Into Saturday, 2026-11-28.
    (Timestamp::from_millis(1_795_819_500_000), 24),
    // Into Sunday, 2026-03-29: the clock goes forward.
    (Timestamp::from_millis(1_774_737_900_000), 23),
    // Into Sunday, 2026-10-25: the clock goes back.
    (Timestamp::from_millis(1_792_878_300_000), 25),
];

const QUARTER: u64 = 15 * 60 * 1000;
const HOUR: u64 = 60 * 60 * 1000;

/// A provider that says each prompt had `prompt` tokens.
async fn house(prompt: u64, output: u64, now: Timestamp) -> House {
    let act = Act { prompt_tokens: Some(Tokens::new(prompt)), ..Act::tokens(output) };
    Plot::new(YAML).script(Script::of(act)).standing_still(now).build().await
}

#[tokio::test]
async fn a_free_users_day_ends_at_midnight_in_berlin_however_long_it_is() {
    for (evening, hours) in NIGHTS {
        let house = house(4_000, 1_000, evening).await;
        let fay = house.caller(Some("free-secret-0123456789"));
        let ask = || async { fay.post("/v1/chat/completions", &chat("gpt-4o-mini", "Hi")).await };
        let forbidden = fay.post("/v1/chat/completions", &chat("gpt-4o", "Hi")).await;
        assert_eq!(
            (forbidden.status, &*forbidden.code()),
            (StatusCode::FORBIDDEN, "model_not_allowed")
        );
        // The day that ends, and the one after it, each to its own end.
        for left in [QUARTER, hours * HOUR] {
            assert_eq!(ask().await.status, StatusCode::OK);
            house.settled().await;
            assert_eq!(ask().await.status, StatusCode::OK);
            house.settled().await;
            let spent = ask().await;
            assert_eq!(spent.code(), "insufficient_quota", "{hours} hours");
            assert_eq!(spent.json()["error"]["tollgate"]["retry_after_ms"], left);
            house.wait(Span::from_millis(left - 1));
            assert_eq!(ask().await.status, StatusCode::TOO_MANY_REQUESTS, "a millisecond early");
            house.wait(Span::from_millis(1));
        }
        assert_eq!(ask().await.status, StatusCode::OK, "another day");
    }
}

#[tokio::test]
async fn a_pro_users_day_goes_on_with_the_small_model_and_says_so() {
    for (evening, hours) in NIGHTS {
        let house = house(200_000, 50_000, evening).await;
        let pia = house.caller(Some("pro-secret-0123456789"));
        let post = async |model: &str| {
            let answer = pia.post("/v1/chat/completions", &chat(model, "Hi")).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.message());
            house.settled().await;
            let served = answer.header("x-tollgate-model").to_owned();
            (served, answer.header("x-tollgate-downgraded-from").to_owned())
        };
        let large = ("sim/gpt-4o".to_owned(), String::new());
        let small = ("sim/gpt-4o-mini".to_owned(), String::new());
        let downgraded = ("sim/gpt-4o-mini".to_owned(), "gpt-4o".to_owned());
        for left in [QUARTER, hours * HOUR] {
            assert_eq!(post("gpt-4o-mini").await, small, "neither consulted nor charged");
            assert_eq!(post("gpt-4o").await, large);
            assert_eq!(post("gpt-4o").await, large);
            assert_eq!(post("gpt-4o").await, downgraded, "500k of 500k");
            assert_eq!(house.standing(&pia, "500k tokens").await, (500_000, 0));
            house.wait(Span::from_millis(left - 1));
            assert_eq!(post("gpt-4o").await, downgraded, "a millisecond before midnight");
            house.wait(Span::from_millis(1));
        }
        assert_eq!(post("gpt-4o").await, large, "another day");
        let metrics = house.gateway.render_metrics();
        let counted = "tollgate_lessened_total{tier=\"pro\",action=\"downgraded\"} 4\n";
        assert!(metrics.contains(counted), "{metrics}");
        let models: Vec<_> = house.provider.seen().iter().map(|seen| seen.model.clone()).collect();
        assert_eq!(models.iter().filter(|model| *model == "gpt-4o").count(), 5);
    }
}

#[tokio::test]
async fn a_downgraded_request_is_held_to_the_other_models_own_limits() {
    let yaml = "
models:
  large: {serve: [sim/gpt-4o]}
  small: {serve: [sim/gpt-4o-mini], limits: [1 request per day per key]}
tiers:
  pro:
    models: [large, small]
    limits: ['1 request per hour per key, then downgrade to small']
keys: [{name: pro, secret: pro-secret-0123456789, tier: pro}]
";
    let now = NIGHTS[0].0;
    let house = Plot::new(yaml).standing_still(now).build().await;
    let pro = house.caller(Some("pro-secret-0123456789"));
    let ask = async || {
        let answer = pro.post("/v1/chat/completions", &chat("large", "Hi")).await;
        house.settled().await;
        answer
    };
    assert_eq!(ask().await.header("x-tollgate-model"), "sim/gpt-4o");
    assert_eq!(ask().await.header("x-tollgate-downgraded-from"), "large");
    let refused = ask().await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let told = &refused.json()["error"]["tollgate"];
    let first = "1 request per hour per key, then downgrade to small";
    assert_eq!(told["limit"], first, "the one that has room first");
    let rows = pro.get("/v1/limits").await.json();
    assert_eq!(rows["limits"].as_array().map(Vec::len), Some(2), "{rows}");
}

#[tokio::test]
async fn an_enterprise_key_has_limits_and_models_of_its_own() {
    let house = house(900_000, 100_000, NIGHTS[0].0).await;
    let big = house.caller(Some("big-secret-0123456789"));
    let names = big.get("/v1/models").await.json();
    assert_eq!(names["data"].as_array().map(Vec::len), Some(1), "{names}");
    for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let answer = big.post("/v1/chat/completions", &chat("gpt-4o", "Hi")).await;
        house.settled().await;
        assert_eq!(answer.status, expected);
    }
    assert_eq!(house.standing(&big, "2M tokens").await, (2_000_000, 0));
}

#[tokio::test]
async fn a_team_is_warned_once_it_has_used_its_mark() {
    let yaml = "
tiers: {pro: {models: [gpt-4o-mini], limits: ['10 requests per day per team, warn at 80%']}}
keys: [{name: pro, secret: pro-secret-0123456789, tier: pro, team: acme}]
limits: ['100 requests per day, warn at 1%']
";
    let house = Plot::new(yaml).standing_still(NIGHTS[0].0).build().await;
    let pro = house.caller(Some("pro-secret-0123456789"));
    for used in 0..10 {
        let answer = pro.post("/v1/chat/completions", &chat("gpt-4o-mini", "Hi")).await;
        house.settled().await;
        let told = answer.header("x-tollgate-warning");
        let expected = format!("{used}0% of \"10 requests per day per team, warn at 80%\" is used");
        assert_eq!(told, if used < 8 { "" } else { &*expected }, "what all share is not told");
    }
}

#[tokio::test]
async fn what_a_team_an_organisation_and_a_project_may_do_counts_all_of_their_keys() {
    let yaml = "
teams: {acme: {limits: [3 requests per day], models: [gpt-4o-mini]}}
orgs: {umbrella: {limits: [2 requests per day]}}
projects: {apollo: {limits: [1 request per day]}}
tiers: {pro: {models: ['gpt-4o*']}}
keys:
  - {name: a, secret: a-secret-0123456789, tier: pro, team: acme}
  - {name: b, secret: b-secret-0123456789, tier: pro, team: acme, org: umbrella}
  - {name: c, secret: c-secret-0123456789, tier: pro, org: umbrella, project: apollo}
  - {name: d, secret: d-secret-0123456789, tier: pro}
";
    let house = Plot::new(yaml).standing_still(NIGHTS[0].0).build().await;
    let post = async |key: &str, model: &str| {
        let caller = house.caller(Some(&format!("{key}-secret-0123456789")));
        let answer = caller.post("/v1/chat/completions", &chat(model, "Hi")).await;
        house.settled().await;
        answer
    };
    assert_eq!(post("a", "gpt-4o").await.code(), "model_not_allowed", "the team's list");
    let mini = "gpt-4o-mini";
    assert_eq!(post("c", "gpt-4o").await.status, StatusCode::OK);
    let project = post("c", mini).await;
    assert_eq!(project.json()["error"]["tollgate"]["limit"], "requests per day, project apollo");
    assert_eq!(post("b", mini).await.status, StatusCode::OK, "the second of umbrella");
    let org = post("b", mini).await;
    assert_eq!(org.json()["error"]["tollgate"]["refused_by"].as_array().map(Vec::len), Some(1));
    for _ in 0..2 {
        assert_eq!(post("a", mini).await.status, StatusCode::OK);
    }
    let team = post("a", mini).await;
    assert_eq!(team.json()["error"]["tollgate"]["limit"], json!("3 requests per day"));
    assert_eq!(team.json()["error"]["tollgate"]["subject"], json!("team:acme"));
    assert!(team.message().contains("is used up for team acme: 3 of 3"), "{}", team.message());
    assert_eq!(post("d", "gpt-4o").await.status, StatusCode::OK, "of no group");
}
