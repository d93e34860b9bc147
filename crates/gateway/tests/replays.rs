//! Streams of what providers store: looked at again, resumed, and left while the work goes on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::provider::Hold;
use tollgate_sim::{Act, Script};
use tollgate_testkit::{Answer, Caller, House, Plot, Running};
use tollgate_units::Tokens;

const RESPONSES: &str = "/v1/responses";
const FIRST: &str = "/v1/responses/resp_sim000000";

const YAML: &str = "
tiers:
  pro:
    models: ['*']
    limits:
      - 100k requests per day per key
      - 1000M tokens per day per key
      - 100 requests at once per key
      - 2 streams at once per key
keys:
  - {name: ana, secret: key-ana-00000000, tier: pro}
  - {name: bob, secret: key-bob-00000000, tier: pro}
";
const ANA: Option<&str> = Some("key-ana-00000000");
const BOB: Option<&str> = Some("key-bob-00000000");
const COUNTED: &str = "1,000M tokens";
const STREAMS: &str = "2 streams at once";
const AT_ONCE: &str = "100 requests at once";

fn asking(more: &Value) -> Value {
    let mut body = json!({"model": "gpt-4o-mini", "input": "Hi", "stream": true});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn in_background() -> Value {
    asking(&json!({"background": true, "max_output_tokens": 400}))
}

async fn house(act: Act) -> (House, Caller) {
    let act = Act { prompt_tokens: Some(Tokens::new(1000)), stores: true, ..act };
    let house = Plot::new(YAML).script(Script::of(act)).build().await;
    let caller = house.caller(ANA);
    (house, caller)
}

/// The numbers of the events, in order.
fn numbers(answer: &Answer) -> Vec<u64> {
    let text = std::str::from_utf8(&answer.body).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.map(|event| event["sequence_number"].as_u64().unwrap()).collect()
}

/// Reads until `what` has come.
async fn until(running: &mut Running, what: &str) {
    let mut seen = String::new();
    while !seen.contains(what) {
        seen.push_str(std::str::from_utf8(&running.next().await.unwrap()).unwrap());
    }
}

/// The gateway left `stream` out and answered JSON, in which the official client found no events,
/// and said nothing.
#[tokio::test]
async fn the_events_of_a_stored_response_come_again_unchanged() {
    let (house, caller) = house(Act::tokens(5)).await;
    let first = caller.post(RESPONSES, &asking(&json!({}))).await;
    house.settled().await;
    let before = house.standing(&caller, COUNTED).await;
    let again = caller.get(&format!("{FIRST}?stream=true")).await;
    assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body));
    assert!(again.header("content-type").starts_with("text/event-stream"), "{again:?}");
    assert_eq!(again.header("openai-organization"), "");
    assert!(!again.header("x-tollgate-request-id").is_empty());
    let rest = caller.get(&format!("{FIRST}?starting_after=3&stream=true")).await;
    let all = numbers(&first);
    assert_eq!(numbers(&rest), &all[4..]);
    let whole = caller.get(&format!("{FIRST}?stream=false")).await;
    assert_eq!(whole.json()["status"], "completed");
    for path in [FIRST.to_owned() + "?stream=true", "/v1/responses/resp_x?stream=true".to_owned()] {
        assert_eq!(house.caller(BOB).get(&path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(house.standing(&caller, COUNTED).await, before);
    assert_eq!(house.standing(&caller, "100k requests per day").await, (1, 0));
}

#[tokio::test]
async fn a_stream_of_background_work_that_broke_off_is_resumed_and_settles_at_its_end() {
    let act = Act { hold: Some(Hold::After(Tokens::new(2))), work_looks: 100, ..Act::tokens(20) };
    let (house, caller) = house(act).await;
    let mut running = caller.open(RESPONSES, &in_background()).await;
    until(&mut running, "output_text.delta").await;
    drop(running);
    // The second of them is left as well: the provider's connection is closed.
    let path = format!("{FIRST}?stream=true&starting_after=1");
    let mut left = caller.look(&path).await;
    until(&mut left, "output_text.delta").await;
    house.provider.until(|counters| counters.held == 1).await;
    drop(left);
    house.provider.until(|counters| counters.held == 0).await;
    let read = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get(&path).await }
    });
    house.provider.until(|counters| counters.held == 1).await;
    assert_eq!(house.standing(&caller, AT_ONCE).await, (0, 1));
    house.provider.release();
    let read = read.await.unwrap();
    assert!(read.whole && read.body.ends_with(b"\n\n"), "{read:?}");
    assert_eq!(numbers(&read).first(), Some(&2));
    // Long before the gateway would have looked.
    tokio::time::timeout(Duration::from_millis(700), house.settled()).await.unwrap();
    assert_eq!(house.standing(&caller, COUNTED).await, (1020, 0));
    assert_eq!(house.standing(&caller, AT_ONCE).await, (0, 0));
}

#[tokio::test]
async fn what_a_stream_of_stored_events_names_is_its_readers_before_it_is_told() {
    let act = Act { hold: Some(Hold::After(Tokens::new(2))), work_looks: 100, ..Act::tokens(20) };
    let (house, caller) = house(act).await;
    let posting = |body: Value| {
        let caller = caller.clone();
        tokio::spawn(async move { caller.post(RESPONSES, &body).await })
    };
    let mut body = in_background();
    body["stream"] = false.into();
    let begun = posting(body);
    house.provider.until(|counters| counters.held == 1).await;
    house.provider.release();
    assert_eq!(begun.await.unwrap().json()["status"], "queued");
    let item = json!({"input": [{"type": "item_reference", "id": "msg_sim000000"}]});
    let unknown = caller.post(RESPONSES, &asking(&item)).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{unknown:?}");
    let mut running = caller.look(&format!("{FIRST}?stream=true")).await;
    until(&mut running, "msg_sim000000").await;
    assert_eq!(caller.open(RESPONSES, &asking(&item)).await.status, StatusCode::OK);
}

/// The slot stayed taken until the work ended, up to an hour, though nothing was open any more.
#[tokio::test]
async fn a_stream_of_background_work_that_was_left_is_no_open_stream() {
    let act = Act { hold: Some(Hold::After(Tokens::new(2))), work_looks: 100, ..Act::tokens(20) };
    let (house, caller) = house(act).await;
    for round in 1..=3 {
        let mut running = caller.open(RESPONSES, &in_background()).await;
        assert_eq!(running.status, StatusCode::OK, "round {round}");
        until(&mut running, "output_text.delta").await;
        assert_eq!(house.standing(&caller, STREAMS).await, (0, 1));
        house.provider.until(|counters| counters.held == 1).await;
        drop(running);
        // The provider's connection is closed: then the slot is free.
        house.provider.until(|counters| counters.held == 0).await;
        assert_eq!(house.standing(&caller, STREAMS).await, (0, 0), "round {round}");
        assert_eq!(house.standing(&caller, AT_ONCE).await, (0, round));
    }
    let (_, held) = house.standing(&caller, COUNTED).await;
    assert!(held > 3 * 400, "what the work may use stays held: {held}");
    // Two that are open are still two, and what was given back is not given back again.
    let open = [(); 2].map(|()| asking(&json!({})));
    let first = caller.open(RESPONSES, &open[0]).await;
    let second = caller.open(RESPONSES, &open[1]).await;
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
    for id in 0..3 {
        let path = format!("{RESPONSES}/resp_sim{id:06}/cancel");
        assert_eq!(caller.post_bytes(&path, "").await.json()["status"], "cancelled");
    }
    assert_eq!(house.standing(&caller, STREAMS).await, (0, 2));
    assert_eq!(caller.post(RESPONSES, &open[0]).await.status, StatusCode::TOO_MANY_REQUESTS);
    drop((first, second));
    house.settled().await;
    assert_eq!(house.standing(&caller, STREAMS).await, (0, 0));
    assert_eq!(house.standing(&caller, AT_ONCE).await, (0, 0));
    let books = house.meters.books();
    assert_eq!((books.held, books.held_count), (0, 0));
    assert!(books.balance());
}

#[tokio::test]
async fn a_stream_that_was_left_is_none_for_limits_that_are_only_watched() {
    let act = Act { hold: Some(Hold::After(Tokens::new(2))), work_looks: 100, ..Act::tokens(20) };
    let one = "1 stream at once per key";
    let yaml = YAML.replace("2 streams at once per key", &format!("{one}, shadow"));
    let watched = YAML.replace("2 streams at once per key", one);
    let house = Plot::new(&yaml).script(Script::of(act)).watching(&watched).build().await;
    let caller = house.caller(ANA);
    for _ in 0..3 {
        let mut running = caller.open(RESPONSES, &in_background()).await;
        until(&mut running, "output_text.delta").await;
        house.provider.until(|counters| counters.held == 1).await;
        drop(running);
        house.provider.until(|counters| counters.held == 0).await;
    }
    let metrics = house.gateway.render_metrics();
    let told = |start: &str, label: &str| {
        let lines = metrics.lines().filter(|line| line.starts_with(start));
        lines.filter(|line| line.contains(label)).map(str::to_owned).collect::<Vec<_>>()
    };
    let decisions = told("tollgate_shadow_decisions_total", "");
    let admitted =
        decisions.iter().filter(|line| line.contains("admitted") && line.ends_with(" 3"));
    assert_eq!(admitted.count(), 1, "{decisions:?}");
    assert!(told("tollgate_refusals_total", "shadow").is_empty(), "{metrics}");
}

#[tokio::test]
async fn a_stop_closes_streams_of_stored_events_and_gives_up_their_work() {
    let act = Act { hold: Some(Hold::After(Tokens::new(2))), work_looks: 100, ..Act::tokens(20) };
    let (house, caller) = house(act).await;
    let mut running = caller.open(RESPONSES, &in_background()).await;
    until(&mut running, "output_text.delta").await;
    drop(running);
    let mut again = caller.look(&format!("{FIRST}?stream=true")).await;
    until(&mut again, "output_text.delta").await;
    house.provider.until(|counters| counters.held == 1).await;
    let (_, held) = house.standing(&caller, COUNTED).await;
    let used = house.meters.books().used;
    house.drain();
    assert!(!house.finished(Duration::ZERO).await);
    house.provider.until(|counters| counters.held == 0).await;
    assert!(!again.rest().await.whole, "half a stream does not look whole");
    let books = house.meters.books();
    // The tokens, the request, and the one at once.
    assert_eq!(books.used - used, u128::from(held) + 2);
    assert_eq!((books.held, books.held_count), (0, 0));
}
