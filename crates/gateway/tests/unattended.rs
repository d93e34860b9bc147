//! Callers that leave, at a provider that goes on when nobody listens (`on_disconnect: drain`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::provider::{Fault, Hold, Rebuff};
use tollgate_sim::{Act, Provider, Script};
use tollgate_testkit::{Caller, House, chat};
use tollgate_units::Tokens;

const CHAT: &str = "/v1/chat/completions";

fn streamed(prompt: &str) -> Value {
    let mut body = chat("gpt-4o-mini", prompt);
    body["stream"] = json!(true);
    body["max_tokens"] = json!(40);
    body
}

/// A house before `provider`, which goes on when nobody listens.
async fn draining(provider: &Provider) -> House {
    let yaml = format!(
        "  other: {{kind: openai, base_url: \"{}\", on_disconnect: drain}}\n\
         retry: {{attempts: 3, base: 1ms}}\n\
         models: {{gpt-4o-mini: {{serve: [other/gpt-4o-mini]}}}}\n\
         tiers: {{anonymous: {{models: ['*'], limits: [100k tokens per day per ip, \
         $1 per day per ip, 1 stream at once per ip]}}}}\n",
        provider.base_url()
    );
    House::new(&yaml, Script::default()).await
}

/// What the caller has spent, in dollars.
async fn spent(caller: &Caller) -> Value {
    let rows = caller.get("/v1/limits").await.json();
    let money = rows["limits"].as_array().unwrap().iter().find(|row| row["unit"] == "cost");
    money.unwrap()["used"].clone()
}

/// 0.15 and 0.60 dollars for a million tokens.
fn price(prompt: u64, output: u64) -> Value {
    let cost = format!("0.{:08}", prompt * 15 + output * 60);
    json!(cost.trim_end_matches('0'))
}

/// A caller that leaves before the answer begins, as most do that lose patience with an answer that
/// is not streamed: the provider goes on, and what it used is booked as it tells.
#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_is_heard_for_the_truth() {
    for is_streamed in [false, true] {
        let act = Act { hold: Some(Hold::Head), ..Act::tokens(20) };
        let provider = Provider::start(Script::of(act)).await.unwrap();
        let house = draining(&provider).await;
        let caller = house.caller(None);
        let body = if is_streamed { streamed("Hi") } else { chat("gpt-4o-mini", "Hi") };
        let call = tokio::spawn({
            let caller = caller.clone();
            async move { caller.post(CHAT, &body).await }
        });
        provider.until(|counters| counters.seen == 1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        provider.release();
        house.settled().await;
        let prompt = provider.seen()[0].prompt_tokens.get();
        assert_eq!(house.standing(&caller, "100k").await, (prompt + 20, 0), "{is_streamed}");
        assert_eq!(spent(&caller).await, price(prompt, 20), "{is_streamed}");
    }
}

/// Whoever is gone is not tried again for: the first that fails is the last.
#[tokio::test]
async fn nothing_new_is_begun_for_a_caller_that_is_gone() {
    let act = Act { hold: Some(Hold::Head), ..Act::default() };
    let act = act.with(Fault::Refused(Rebuff::Status(500)));
    let provider = Provider::start(Script::of(act)).await.unwrap();
    let house = draining(&provider).await;
    let caller = house.caller(None);
    let call = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post(CHAT, &chat("gpt-4o-mini", "Hi")).await }
    });
    provider.until(|counters| counters.seen == 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    provider.release();
    house.settled().await;
    assert_eq!(provider.counters().seen, 1);
    assert_eq!(house.standing(&caller, "100k").await, (0, 0));
}

/// A caller that leaves, where the provider goes on and is read to its end: what it used is known,
/// and not the whole reservation is paid.
#[tokio::test]
async fn the_rest_of_a_stream_is_read_for_the_truth_where_the_provider_goes_on() {
    let act = Act { hold: Some(Hold::After(Tokens::new(3))), ..Act::tokens(20) };
    let provider = Provider::start(Script::of(act)).await.unwrap();
    let house = draining(&provider).await;
    let caller = house.caller(None);
    let mut stream = caller.open(CHAT, &streamed("Hi")).await;
    stream.next().await.unwrap();
    drop(stream);
    // The provider's connection is open, and so is the stream.
    assert_eq!(caller.post(CHAT, &streamed("Hi")).await.status, StatusCode::TOO_MANY_REQUESTS);
    provider.release();
    house.settled().await;
    let seen = provider.seen();
    assert_eq!(seen.len(), 1);
    let prompt = seen[0].prompt_tokens.get();
    assert_eq!(house.standing(&caller, "100k").await, (prompt + 20, 0));
    assert_eq!(house.standing(&caller, "1 stream ").await, (0, 0));
    assert_eq!(spent(&caller).await, price(prompt, 20));
}
