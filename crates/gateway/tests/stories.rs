//! Bugs that were found once, each told as the request that showed it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tollgate_sim::provider::{Fault, Rebuff};
use tollgate_sim::{Act, Provider, Script};
use tollgate_testkit::{House, PROVIDER_KEY, Plot, chat};

const CHAT: &str = "/v1/chat/completions";

/// " Hi" and seven tokens of chat overhead.
const PROMPT: u64 = 8;

/// A provider that gives one answer, byte for byte, and closes the connection.
async fn provider_that_says(answer: impl Into<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, answer) = (listener.local_addr().unwrap(), answer.into());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 16 * 1024];
        let _ = stream.read(&mut request).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    });
    format!("http://{addr}/v1")
}

/// A house whose model is served by the account at `base_url` first, and with `then` after it.
async fn house_before(base_url: &str, then: &[&str], limits: &str, script: Script) -> House {
    let routes = ["raw/gpt-4o-mini"].iter().chain(then).copied().collect::<Vec<_>>().join(", ");
    let yaml = format!(
        "  raw: {{kind: openai, base_url: \"{base_url}\", api_key: \"${{SIM_KEY}}\"}}
tiers:
  anonymous: {{models: [gpt-4o-mini], limits: [{limits}]}}
models:
  gpt-4o-mini: {{serve: [{routes}]}}
"
    );
    Plot::new(&yaml).script(script).build().await
}

fn capped(prompt: &str, stream: bool) -> Value {
    let mut body = chat("gpt-4o-mini", prompt);
    body["max_tokens"] = json!(40);
    body["stream"] = json!(stream);
    body
}

fn metric(house: &House, name: &str) -> f64 {
    let page = house.gateway.render_metrics();
    let line = page.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_prompt_that_one_provider_may_have_read_is_owed_though_the_next_refuses_it() {
    // The first resets the connection, and may have worked; the second says 400, which alone would
    // give every token back.
    let resets = Provider::start(Script::of(Act::default().with(Fault::Reset))).await.unwrap();
    let refuses = Script::of(Act::default().with(Fault::Refused(Rebuff::ContextLength)));
    let limits = "100k tokens per day per ip";
    let house = house_before(&resets.base_url(), &["sim/gpt-4o-mini"], limits, refuses).await;
    let caller = house.caller(None);
    let answer = caller.post(CHAT, &capped(" Hi", false)).await;
    assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
    house.settled().await;
    assert_eq!(house.standing(&caller, "100k tokens").await, (PROMPT, 0));
}

#[tokio::test]
async fn an_answer_that_means_nothing_is_counted_up_to_its_bound() {
    let noise = "x".repeat(100_000);
    let head = format!("content-type: application/json\r\ncontent-length: {}", noise.len());
    let raw = provider_that_says(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{noise}")).await;
    let house = house_before(&raw, &[], "100k tokens per day per ip", Script::default()).await;
    let caller = house.caller(None);
    let answer = caller.post(CHAT, &capped(" Hi", false)).await;
    assert_eq!(answer.body.len(), noise.len(), "it passes on as it came");
    house.settled().await;
    let (spent, open) = house.standing(&caller, "100k tokens").await;
    assert!((PROMPT..=PROMPT + 40).contains(&spent) && open == 0, "{spent} {open}");
}

#[tokio::test]
async fn usage_on_the_way_is_not_the_bill_of_a_stream_that_breaks() {
    // Some servers report usage with each piece. After the first one this stream breaks: the tokens
    // are what had flowed, and money keeps the whole reservation, because the bill may go on.
    let usage = r#""usage":{"prompt_tokens":8,"completion_tokens":1,"total_tokens":9}"#;
    let choice = r#""choices":[{"index":0,"delta":{"content":"Hi"}}]"#;
    let event = format!("data: {{\"object\":\"chat.completion.chunk\",{choice},{usage}}}\n\n");
    let head = "content-type: text/event-stream\r\ntransfer-encoding: chunked";
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    let raw = provider_that_says(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{chunk}")).await;
    let limits = "100k tokens per day per ip, $1 per day per ip";
    let house = house_before(&raw, &[], limits, Script::default()).await;
    let caller = house.caller(None);
    let cut = caller.post(CHAT, &capped(" Hi", true)).await;
    assert!(!cut.whole);
    house.settled().await;
    assert_eq!(house.standing(&caller, "100k tokens").await, (9, 0));
    let rows = caller.get("/v1/limits").await.json();
    // 8 tokens at $0.15 and 40 at $0.60 a million.
    assert_eq!(rows["limits"][1]["used"], "0.0000252", "{rows}");
    // What is logged and counted is what is booked.
    assert!((metric(&house, "tollgate_cost_usd_total") - 0.000_025_2).abs() < 1e-12);
}

#[tokio::test]
async fn a_provider_that_repeats_its_key_does_not_tell_the_caller() {
    let body = format!(r#"{{"error":{{"message":"key {PROVIDER_KEY} may not do this"}}}}"#);
    let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
    let raw = provider_that_says(format!("HTTP/1.1 400 Bad Request\r\n{head}\r\n\r\n{body}")).await;
    let house = house_before(&raw, &[], "9 requests per day per ip", Script::default()).await;
    let answer = house.caller(None).post(CHAT, &capped(" Hi", false)).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert_eq!(answer.message(), "key [removed] may not do this");
}

const POLICY: &str = "
tiers:
  anonymous: {models: [gpt-4o-mini], limits: [100 requests per minute per ip]}
  pro:
    models: [gpt-4o-mini]
    limits: [\"60 tokens per second, burst 500, per key\", 100 requests per minute per key]
keys:
  - {name: web, secret: web-secret-00000000, tier: pro, limits: [2 requests per day]}
";
const WEB: Option<&str> = Some("web-secret-00000000");

#[tokio::test]
async fn a_bucket_is_shown_by_what_it_holds_and_not_by_what_flows_in() {
    let house = House::new(POLICY, Script::default()).await;
    let rows = house.caller(WEB).get("/v1/limits").await.json();
    let rows = rows["limits"].as_array().unwrap();
    let bucket = rows.iter().find(|row| row["limit"].as_str().unwrap().contains("burst")).unwrap();
    assert_eq!((&bucket["amount"], &bucket["remaining"]), (&json!(500), &json!(500)), "{bucket}");
}

#[tokio::test]
async fn a_keys_own_limit_is_told_to_it_with_its_figures() {
    // It has no subject, and so looks like a limit shared by everybody, whose figures are hidden.
    let house = House::new(POLICY, Script::default()).await;
    let caller = house.caller(WEB);
    for _ in 0..2 {
        assert_eq!(caller.post(CHAT, &capped(" Hi", false)).await.status.as_u16(), 200);
    }
    let refused = caller.post(CHAT, &capped(" Hi", false)).await;
    let told = &refused.json()["error"]["tollgate"];
    assert_eq!((&told["limit"], &told["amount"]), (&json!("2 requests per day"), &json!(2)));
    // And the refusal is counted for the model it was about.
    let line = "tollgate_requests_total{model=\"gpt-4o-mini\",provider=\"other\",tier=\"pro\",\
                outcome=\"refused\"}";
    assert!((metric(&house, line) - 1.0).abs() < 1e-9);
}

#[tokio::test]
async fn every_answer_says_where_its_caller_stands() {
    let house = House::new(POLICY, Script::default()).await;
    let caller = house.caller(None);
    let table = [
        (CHAT, capped(" Hi", false), 200),
        (CHAT, json!({"model": "gpt-4o-mini"}), 400),
        (CHAT, chat("gpt-4o", " Hi"), 403),
        (CHAT, chat("gpt-9", " Hi"), 404),
        ("/v1/nothing", json!({}), 404),
        (CHAT, capped(" Hi [[fault:context_length]]", false), 400),
        (CHAT, capped(" Hi [[fault:overloaded]]", false), 502),
    ];
    for (path, body, status) in table {
        let answer = caller.post(path, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body} {answer:?}");
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "100", "{status} {body}");
    }
}

#[tokio::test]
async fn whoever_has_to_wait_is_told_how_long_in_the_body_too() {
    let house = House::new(POLICY, Script::default()).await;
    let throttled = house.caller(None).post(CHAT, &capped(" Hi [[fault:rate_limit]]", false)).await;
    assert_eq!(throttled.status.as_u16(), 429, "{throttled:?}");
    let stranger = house.caller(Some("a-wrong-key-00000000"));
    let refused = loop {
        let answer = stranger.post(CHAT, &capped(" Hi", false)).await;
        if answer.status.as_u16() == 429 {
            break answer;
        }
        assert_eq!(answer.status.as_u16(), 401);
    };
    for answer in [throttled, refused] {
        let told = &answer.json()["error"]["tollgate"]["retry_after_ms"];
        assert_eq!(told.to_string(), answer.header("retry-after-ms"), "{answer:?}");
    }
}
