//! Agents: sessions with bounds of their own, and those that run away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::{Act, Script};
use tollgate_testkit::{Answer, House, Plot, chat};
use tollgate_units::{Span, Timestamp};

/// Sunday, 2026-11-22, 07:00 in UTC.
const MORNING: Timestamp = Timestamp::from_millis(1_795_330_800_000);

fn yaml(limits: &str, rest: &str) -> String {
    format!(
        "{rest}\ntiers:\n  pro:\n    models: [gpt-4o-mini]\n    limits: [{limits}]\nkeys:\n  - \
         {{name: a, secret: a-secret-0123456789, tier: pro}}\n  - {{name: b, secret: \
         b-secret-0123456789, tier: pro}}\n"
    )
}

/// A provider that calls `calls` tools wherever it may.
async fn house(yaml: &str, calls: u64) -> House {
    let act = Act { tool_calls: calls, ..Act::tokens(20) };
    Plot::new(yaml).script(Script::of(act)).standing_still(MORNING).build().await
}

fn with_tools() -> Value {
    let mut body = chat("gpt-4o-mini", "Go on");
    let parameters = json!({"type": "object", "properties": {"q": {"type": "string"}}});
    let function = json!({"name": "search", "parameters": parameters});
    body["tools"] = json!([{"type": "function", "function": function}]);
    body
}

async fn step(house: &House, key: &str, session: &str, parent: Option<&str>) -> Answer {
    let mut caller = house.caller(Some(&format!("{key}-secret-0123456789")));
    caller = caller.with("x-tollgate-session", session);
    if let Some(parent) = parent {
        caller = caller.with("x-tollgate-parent-session", parent);
    }
    let answer = caller.post("/v1/chat/completions", &with_tools()).await;
    house.settled().await;
    answer
}

fn tool_calls(answer: &Answer) -> usize {
    answer.json()["choices"][0]["message"]["tool_calls"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn the_turn_after_the_last_tool_call_answers_without_tools() {
    let house = house(&yaml("'10 tool calls per session, then answer without tools'", ""), 2).await;
    for turn in 0..5 {
        let answer = step(&house, "a", "run", None).await;
        assert_eq!((answer.status, tool_calls(&answer)), (StatusCode::OK, 2), "turn {turn}");
        assert_eq!(answer.header("x-tollgate-warning"), "");
    }
    let last = step(&house, "a", "run", None).await;
    assert_eq!((last.status, tool_calls(&last)), (StatusCode::OK, 0));
    assert!(last.header("x-tollgate-warning").contains("without tools"));
    let seen = house.provider.seen();
    let sent: Value = serde_json::from_slice(&seen.last().unwrap().body).unwrap();
    assert_eq!(sent["tool_choice"], "none");
    assert_eq!(sent["tools"], with_tools()["tools"], "they stay, the history speaks of them");
    // Another session, and the same name under another key, are untouched.
    assert_eq!(tool_calls(&step(&house, "a", "other", None).await), 2);
    assert_eq!(tool_calls(&step(&house, "b", "run", None).await), 2);
    // A session that was quiet for half an hour has ended.
    house.wait(Span::from_secs(30 * 60));
    assert_eq!(tool_calls(&step(&house, "a", "run", None).await), 2);
}

#[tokio::test]
async fn a_childs_calls_count_for_its_root() {
    let house = house(&yaml("5 tool calls per session", ""), 2).await;
    assert_eq!(step(&house, "a", "child", Some("root")).await.status, StatusCode::OK);
    assert_eq!(step(&house, "a", "grandchild", Some("child")).await.status, StatusCode::OK);
    assert_eq!(step(&house, "a", "root", None).await.status, StatusCode::OK, "4 of 5 are used");
    for (session, parent) in [("root", None), ("child", None), ("another", Some("grandchild"))] {
        let refused = step(&house, "a", session, parent).await;
        assert_eq!(refused.code(), "insufficient_quota", "{session}");
        let told = &refused.json()["error"]["tollgate"];
        assert_eq!((&told["subject"], &told["used"]), (&json!("session:root"), &json!(6)));
        assert_eq!(told["retry_after_ms"], 30 * 60 * 1000, "then the session has ended");
    }
    assert_eq!(step(&house, "b", "child", Some("root")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn steps_are_counted_and_a_request_without_a_session_is_its_users() {
    let house = house(&yaml("3 steps per session", ""), 0).await;
    for _ in 0..3 {
        assert_eq!(step(&house, "a", "run", None).await.status, StatusCode::OK);
    }
    assert_eq!(step(&house, "a", "run", None).await.status, StatusCode::TOO_MANY_REQUESTS);
    let caller = house.caller(Some("a-secret-0123456789"));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(caller.post("/v1/chat/completions", &with_tools()).await.status);
        house.settled().await;
    }
    assert_eq!(statuses[..3], [StatusCode::OK; 3]);
    assert_eq!(statuses[3], StatusCode::TOO_MANY_REQUESTS, "nobody escapes by leaving it out");
}

#[tokio::test]
async fn a_key_opens_a_bounded_number_of_sessions_an_hour() {
    let sessions = "sessions: {idle: 10m, per_key_per_hour: 2}";
    let house = house(&yaml("9 steps per session", sessions), 0).await;
    for session in ["one", "two", "one", "two"] {
        assert_eq!(step(&house, "a", session, None).await.status, StatusCode::OK, "{session}");
    }
    let refused = step(&house, "a", "three", None).await;
    assert_eq!(refused.code(), "rate_limit_exceeded");
    let told = &refused.json()["error"]["tollgate"];
    assert_eq!(told["limit"], "2 new sessions per hour per key");
    assert_eq!(step(&house, "a", "one", None).await.status, StatusCode::OK, "it goes on");
    assert_eq!(step(&house, "b", "three", None).await.status, StatusCode::OK, "another key");
    let twice = house.caller(Some("a-secret-0123456789")).with("x-tollgate-session", "one");
    let twice = twice.with("x-tollgate-session", "two");
    let answer = twice.post("/v1/chat/completions", &with_tools()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.message().contains("x-tollgate-session"), "{}", answer.message());
}

#[tokio::test]
async fn a_loop_of_identical_calls_is_reported_or_stopped() {
    for (then, fourth) in [("report", StatusCode::OK), ("stop", StatusCode::TOO_MANY_REQUESTS)] {
        let sessions = format!("sessions: {{runaway: {{same_call: 3, then: {then}}}}}");
        let house = house(&yaml("900 steps per session", &sessions), 1).await;
        for turn in 1..=3 {
            let answer = step(&house, "a", "loop", None).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(answer.header("x-tollgate-warning"), "", "turn {turn}");
        }
        let answer = step(&house, "a", "loop", None).await;
        assert_eq!(answer.status, fourth);
        let told = match then {
            "report" => answer.header("x-tollgate-warning").to_owned(),
            _ => answer.message(),
        };
        assert!(told.contains("3 times for the same call of \"search\""), "{told}");
        if then == "stop" {
            assert_eq!(answer.code(), "insufficient_quota");
            assert_eq!(answer.header("x-should-retry"), "false");
        }
        assert_eq!(step(&house, "a", "other", None).await.status, StatusCode::OK);
        let metrics = house.gateway.render_metrics();
        let line = format!("runaway_sessions_total{{kind=\"same_call\",action=\"{then}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
}
