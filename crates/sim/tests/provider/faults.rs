//! Each fault looks to a client as it does at a real provider, and the books say which it was.

use http::Version;
use serde_json::json;
use tollgate_sim::provider::{Act, End, Fault, Script};

use crate::support::{CHAT, RESPONSES, chat, post, seen, send, send_as, start};

fn faulty(fault: &str) -> serde_json::Value {
    chat(&format!("[[tokens:4]] [[fault:{fault}]]"), json!({}))
}

fn streamed(fault: &str) -> serde_json::Value {
    chat(&format!("[[tokens:4]] [[fault:{fault}]]"), json!({"stream": true}))
}

#[tokio::test]
async fn a_reset_comes_before_any_answer() {
    let provider = start(Script::default()).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let answer = send_as(&provider, CHAT, &faulty("reset"), version).await;
        assert!(answer.is_err(), "{version:?}");
    }
    let seen = seen(&provider).await;
    assert_eq!((seen[0].end, seen[0].fault), (End::Cut, Some(Fault::Reset)));
    assert_eq!(provider.counters().billed.get(), 0);
}

#[tokio::test]
async fn a_reset_midway_comes_after_half_of_the_stream() {
    let provider = start(Script::default()).await;
    let got = post(&provider, CHAT, &streamed("reset_midway")).await.unwrap();
    assert!(got.broke);
    // The opening and two tokens.
    assert_eq!(got.events().len(), 3, "{}", got.body);
    assert!(!got.body.contains("[DONE]"));
    assert_eq!(seen(&provider).await[0].output_tokens.get(), 2);
    assert_eq!(seen(&provider).await[0].end, End::Cut);
}

#[tokio::test]
async fn a_whole_answer_breaks_off_in_the_middle() {
    let provider = start(Script::default()).await;
    for fault in ["reset_midway", "cut_short"] {
        let got = post(&provider, CHAT, &faulty(fault)).await.unwrap();
        assert!(got.broke, "{fault}");
        assert!(!got.body.is_empty(), "{fault}");
        let announced: usize = got.headers["content-length"].to_str().unwrap().parse().unwrap();
        assert_eq!(got.body.len(), announced / 2, "{fault}");
    }
}

#[tokio::test]
async fn a_stream_cut_short_ends_properly_in_the_middle_of_an_event() {
    let provider = start(Script::default()).await;
    let got = post(&provider, CHAT, &streamed("cut_short")).await.unwrap();
    assert!(!got.broke);
    assert!(!got.body.ends_with('\n') && got.body.contains("\n\ndata: {\"id\""), "{}", got.body);
    assert_eq!(seen(&provider).await[0].end, End::Cut);
}

#[tokio::test]
async fn an_error_event_is_the_last() {
    let provider = start(Script::default()).await;
    let got = post(&provider, CHAT, &streamed("error_event")).await.unwrap();
    let events = got.events();
    assert_eq!(events.last().unwrap()["error"]["type"], "server_error");
    assert!(!got.body.contains("[DONE]"));

    let body = json!({"model": "m", "stream": true, "input": "[[fault:error_event]]"});
    let got = post(&provider, RESPONSES, &body).await.unwrap();
    assert_eq!(got.events().last().unwrap()["type"], "error");
    assert!(!got.body.contains("response.completed"));
}

#[tokio::test]
async fn garbage_is_no_json() {
    let provider = start(Script::default()).await;
    let got = post(&provider, CHAT, &faulty("garbage")).await.unwrap();
    assert!(got.status.is_success());
    assert!(serde_json::from_str::<serde_json::Value>(&got.body).is_err());
    let got = post(&provider, CHAT, &streamed("garbage")).await.unwrap();
    assert!(got.events().is_empty());
    provider.until(|counters| counters.cut == 2 && counters.in_flight == 0).await;
}

#[tokio::test]
async fn usage_can_be_missing_though_it_was_asked_for() {
    let provider = start(Script::default()).await;
    let asking = json!({"stream": true, "stream_options": {"include_usage": true}});
    let got = post(&provider, CHAT, &chat("[[fault:no_usage]]", asking)).await.unwrap();
    assert!(!got.body.contains("usage") && got.body.ends_with("data: [DONE]\n\n"));
    let got = post(&provider, CHAT, &faulty("no_usage")).await.unwrap();
    assert!(got.json().get("usage").is_none());
    assert!(seen(&provider).await.iter().all(|seen| !seen.usage_reported));
}

#[tokio::test]
async fn a_hung_request_ends_when_the_peer_leaves() {
    let provider = start(Script::default()).await;
    let body = faulty("hang");
    let waiting = send(&provider, CHAT, &body);
    tokio::select! {
        _ = waiting => panic!("it answered"),
        _ = provider.until(|counters| counters.in_flight == 1 && counters.streams == 0) => {}
    }
    // `select!` has dropped the client and with it the connection.
    let counters = provider.until(|counters| counters.in_flight == 0).await;
    assert_eq!((counters.cancelled, counters.billed.get()), (1, 0));
}

#[tokio::test]
async fn a_stalled_stream_brings_half_and_then_nothing() {
    let provider = start(Script::default()).await;
    let response = send(&provider, CHAT, &streamed("stall")).await.unwrap();
    provider.until(|counters| counters.output_tokens == 2).await;
    drop(response);
    let counters = provider.until(|counters| counters.in_flight == 0).await;
    assert_eq!((counters.cancelled, counters.output_tokens), (1, 2));
}

#[tokio::test]
async fn every_refusal_has_its_status_and_code() {
    let provider = start(Script::default()).await;
    let rows = [
        ("context_length", 400, json!("context_length_exceeded"), "invalid_request_error"),
        ("invalid_key", 401, json!("invalid_api_key"), "invalid_request_error"),
        ("model_not_found", 404, json!("model_not_found"), "invalid_request_error"),
        ("overloaded", 503, json!("server_is_overloaded"), "service_unavailable_error"),
        ("oversize", 429, json!("rate_limit_exceeded"), "tokens"),
        ("quota", 429, json!("insufficient_quota"), "insufficient_quota"),
        ("rate_limit", 429, json!("rate_limit_exceeded"), "tokens"),
        ("403", 403, json!(null), "invalid_request_error"),
        ("500", 500, json!(null), "server_error"),
        ("529", 529, json!(null), "server_error"),
    ];
    for (name, status, code, kind) in rows {
        let got = post(&provider, CHAT, &streamed(name)).await.unwrap();
        let error = &got.json()["error"];
        let said = (got.status.as_u16(), &error["code"], error["type"].as_str());
        assert_eq!(said, (status, &code, Some(kind)), "{name}");
        let waits = got.headers.contains_key("retry-after");
        assert_eq!(waits, name == "rate_limit", "{name}");
    }
    let got = post(&provider, CHAT, &streamed("bad_gateway")).await.unwrap();
    assert_eq!(
        (got.status.as_u16(), &got.headers["content-type"]),
        (502, &"text/html".parse().unwrap())
    );
    let counters = provider.counters();
    assert_eq!((counters.refused, counters.billed.get(), counters.in_flight), (11, 0, 0));
}

#[tokio::test]
async fn a_script_decides_by_request() {
    let script = Script::by(|asked| {
        let act = Act::tokens(1);
        if asked.number % 2 == 0 { act.with(Fault::NoUsage) } else { act }
    });
    let provider = start(script).await;
    for number in 0..4 {
        let got = post(&provider, CHAT, &chat("hello", json!({}))).await.unwrap();
        assert_eq!(got.json().get("usage").is_some(), number % 2 == 1, "{number}");
    }
}
