//! The provider's books say what happened: tokens, money, who left, how many at once.

use bytes::Bytes;
use http::Version;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tollgate_sim::provider::{Act, Allowance, End, Script, Style};
use tollgate_units::Tokens;

use crate::support::{CHAT, RESPONSES, chat, post, read, send, send_as, start};

#[tokio::test]
async fn the_books_hold_what_was_asked_and_answered() {
    let provider = start(Script::of(Act::tokens(8))).await;
    let body = chat("[[prompt_tokens:100]] [[cached:40]]", json!({"user": "ana", "max_tokens": 5}));
    let got = post(&provider, CHAT, &body).await.unwrap();
    let usage = &got.json()["usage"];
    assert_eq!(usage["prompt_tokens"], 100);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 40);
    assert_eq!(usage["completion_tokens"], 5);
    assert_eq!(got.json()["choices"][0]["finish_reason"], "length");

    let counters = provider.until(|counters| counters.in_flight == 0).await;
    let seen = provider.seen().remove(0);
    assert_eq!((seen.end, seen.cap), (End::Done, Some(Tokens::new(5))));
    assert_eq!((seen.prompt_tokens.get(), seen.output_tokens.get()), (100, 5));
    assert_eq!(seen.authorization.as_deref(), Some("Bearer sk-test"));
    assert_eq!((seen.user.as_deref(), seen.usage_reported), (Some("ana"), true));
    assert_eq!(seen.body, Bytes::from(body.to_string()));
    assert_eq!(seen.billed.get(), 60 * 150_000 + 40 * 75_000 + 5 * 600_000);
    assert_eq!((counters.billed, counters.billed_tokens()), (seen.billed, 105));
    assert_eq!(counters.billed_micro_usd(), 15);
}

#[tokio::test]
async fn a_cancelled_stream_is_billed_for_what_flowed() {
    let provider = start(Script::default()).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let before = provider.counters();
        let body = chat("[[tokens:9]] [[hold:3]] [[prompt_tokens:10]]", json!({"stream": true}));
        let mut response = send_as(&provider, CHAT, &body, version).await.unwrap();
        response.frame().await.unwrap().unwrap();
        provider.until(|counters| counters.held == 1).await;
        drop(response);
        let after = provider.until(|counters| counters.in_flight == 0).await;
        assert_eq!(after.output_tokens - before.output_tokens, 3, "{version:?}");
        assert_eq!(after.prompt_tokens - before.prompt_tokens, 10, "{version:?}");
        assert_eq!(after.cancelled - before.cancelled, 1, "{version:?}");
        assert_eq!((after.held, after.streams), (0, 0), "{version:?}");
    }
}

#[tokio::test]
async fn what_is_held_goes_on_when_it_is_released() {
    let provider = start(Script::default()).await;
    for more in [json!({"stream": true}), json!({})] {
        let body = chat("[[hold:2]]", more);
        let (got, ()) = tokio::join!(post(&provider, CHAT, &body), async {
            provider.until(|counters| counters.held == 1).await;
            provider.release();
        });
        assert!(!got.unwrap().broke);
    }
    let counters = provider.until(|counters| counters.in_flight == 0).await;
    assert_eq!((counters.done, counters.output_tokens), (2, 40));
}

#[tokio::test]
async fn the_most_at_once_is_remembered() {
    let provider = start(Script::default()).await;
    let body = chat("[[hold:head]]", json!({"stream": true}));
    let ask = || async { read(send(&provider, CHAT, &body).await?).await };
    let (one, two, three, counters) = tokio::join!(ask(), ask(), ask(), async {
        let counters = provider.until(|counters| counters.held == 3).await;
        provider.release();
        counters
    });
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!((counters.in_flight_max, counters.streams_max), (3, 3));
    post(&provider, CHAT, &chat("one more", json!({}))).await.unwrap();
    let counters = provider.until(|counters| counters.in_flight == 0).await;
    assert_eq!((counters.in_flight_max, counters.streams_max, counters.seen), (3, 3, 4));
}

#[tokio::test]
async fn over_its_own_limit_it_refuses_and_says_when() {
    let allowance = Allowance { requests: 2, tokens: Tokens::new(1000), style: Style::OpenAi };
    let provider = start(Script::of(Act::tokens(10)).within(allowance)).await;
    let body = chat("[[prompt_tokens:90]]", json!({}));
    let got = post(&provider, CHAT, &body).await.unwrap();
    assert_eq!(got.headers["x-ratelimit-limit-tokens"], "1000");
    assert_eq!(got.headers["x-ratelimit-remaining-tokens"], "900");
    assert_eq!(got.headers["x-ratelimit-remaining-requests"], "1");

    let large = chat("[[prompt_tokens:990]]", json!({}));
    let got = post(&provider, CHAT, &large).await.unwrap();
    assert_eq!(got.status, 429);
    assert_eq!(got.json()["error"]["type"], "tokens");
    let message = got.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("Limit 1000") && message.contains("Please try again in "),
        "{message}"
    );
    let secs: u64 = got.headers["retry-after"].to_str().unwrap().parse().unwrap();
    let millis: u64 = got.headers["retry-after-ms"].to_str().unwrap().parse().unwrap();
    assert_eq!(secs, millis.div_ceil(1000).max(1));

    post(&provider, CHAT, &body).await.unwrap();
    let got = post(&provider, CHAT, &body).await.unwrap();
    assert_eq!((got.status.as_u16(), &got.json()["error"]["type"]), (429, &json!("requests")));
}

#[tokio::test]
async fn the_caller_counts_the_prompt() {
    let script = Script::default().counting(|asked| Tokens::new(asked.model.len() as u64));
    let provider = start(script).await;
    let got = post(&provider, CHAT, &chat("hello", json!({}))).await.unwrap();
    assert_eq!(got.json()["usage"]["prompt_tokens"], 11);
}

#[tokio::test]
async fn a_fixed_answer_is_the_same_bytes_for_everybody() {
    let provider = start(Script::fixed("{\"a\":1}")).await;
    for path in [CHAT, RESPONSES] {
        let got = post(&provider, path, &json!("anything")).await.unwrap();
        assert_eq!(got.body, "{\"a\":1}");
    }
    let counters = provider.until(|counters| counters.in_flight == 0).await;
    assert_eq!((counters.seen, counters.done), (2, 2));
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn what_it_does_not_understand_is_a_400_and_what_it_has_not_a_404() {
    let provider = start(Script::default()).await;
    let got = post(&provider, CHAT, &json!({"messages": []})).await.unwrap();
    assert_eq!(got.status, 400);
    let got = post(&provider, "/v1/audio/speech", &json!({})).await.unwrap();
    assert_eq!(got.status, 404);
    let counters = provider.counters();
    assert_eq!((counters.seen, counters.refused, counters.in_flight), (1, 1, 0));
}

#[tokio::test]
async fn each_end_is_told_once() {
    let (sender, mut lines) = tokio::sync::mpsc::channel(8);
    let script = Script::default().on_end(move |seen| sender.try_send(seen.to_json()).unwrap());
    let provider = start(script).await;
    post(&provider, CHAT, &chat("[[tokens:3]]", json!({}))).await.unwrap();
    post(&provider, CHAT, &chat("[[fault:quota]]", json!({}))).await.unwrap();
    let ends: [Value; 2] = [lines.recv().await.unwrap(), lines.recv().await.unwrap()];
    assert_eq!((&ends[0]["end"], &ends[0]["output_tokens"]), (&json!("done"), &json!(3)));
    assert_eq!((&ends[1]["end"], &ends[1]["status"]), (&json!("refused"), &json!(429)));
    drop(provider);
    assert!(lines.try_recv().is_err());
}
