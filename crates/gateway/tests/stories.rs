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
    // What is paid for has arrived: an error must not overtake the piece before it.
    assert!(String::from_utf8_lossy(&cut.body).contains("Hi"), "{cut:?}");
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
        (CHAT, capped(" Hi [[fault:overloaded]]", false), 503),
    ];
    for (path, body, status) in table {
        let answer = caller.post(path, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body} {answer:?}");
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "100", "{status} {body}");
    }
}

#[tokio::test]
async fn a_charset_that_the_provider_could_believe_is_refused() {
    let house = House::new(POLICY, Script::default()).await;
    let body = capped(" Hi", false).to_string();
    for (kind, status) in [
        ("application/json", 200),
        ("application/json; charset=UTF-8", 200),
        ("application/json; charset=utf-16", 415),
        ("text/plain", 415),
    ] {
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(house.addr()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{kind}: {said}");
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
        let exact = answer.json()["error"]["tollgate"]["retry_after_ms"].as_u64().unwrap();
        let told: u64 = answer.header("retry-after-ms").parse().unwrap();
        // A crowd that was turned away together does not come back together.
        assert!((exact..=exact + exact / 10).contains(&told), "{exact} {told}");
    }
}

#[tokio::test]
async fn a_caller_that_leaves_while_nobody_answers_the_phone_owes_nothing() {
    // A listener whose queue is full takes no more connections, and says nothing about it.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = deaf.local_addr().unwrap();
    rustix::net::listen(&deaf, 0).unwrap();
    let patience = std::time::Duration::from_millis(50);
    let connect = |_| std::net::TcpStream::connect_timeout(&addr, patience);
    let queue: Vec<_> = (0..3).map(connect).collect();
    let base = format!("http://{addr}/v1");
    let limits = "100k tokens per day per ip, 100 requests per day per ip";
    let house = house_before(&base, &[], limits, Script::default()).await;
    let caller = house.caller(None);
    let asking = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post(CHAT, &capped(" Hi", false)).await }
    });
    while house.meters.books().held_count == 0 {
        tokio::task::yield_now().await;
    }
    asking.abort();
    house.settled().await;
    assert_eq!(house.standing(&caller, "100k tokens").await, (0, 0));
    assert_eq!(house.standing(&caller, "100 requests").await, (0, 0));
    assert_eq!(house.meters.books().voided_count, 1);
    drop(queue);
}

#[tokio::test]
async fn a_cap_reaches_a_provider_in_the_field_that_it_knows() {
    // A compatible server need not know `max_completion_tokens`, and then answers without a cap.
    let house = House::new(POLICY, Script::of(Act::tokens(30))).await;
    let mut body = chat("gpt-4o-mini", " Hi");
    body["max_completion_tokens"] = json!(7);
    assert_eq!(house.caller(None).post(CHAT, &body).await.status.as_u16(), 200);
    let seen: Value = serde_json::from_slice(&house.provider.seen()[0].body).unwrap();
    assert_eq!((&seen["max_tokens"], &seen["max_completion_tokens"]), (&json!(7), &json!(7)));
}

#[tokio::test]
async fn each_route_is_told_the_cap_that_it_would_not_keep_by_itself() {
    // The first route's model stops at 16,384 tokens by itself; nobody knows when the other does.
    let gone = Provider::start(Script::of(Act::default().with(Fault::Reset))).await.unwrap();
    let yaml = format!(
        "  raw: {{kind: openai, base_url: \"{}\"}}
models:
  mixed: {{serve: [raw/gpt-4o-mini, sim/some-model]}}
tiers:
  anonymous: {{models: [mixed], limits: [100M tokens per day per ip]}}
",
        gone.base_url()
    );
    let house = Plot::new(&yaml).build().await;
    let answer = house.caller(None).post(CHAT, &chat("mixed", " Hi")).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    assert_eq!(answer.header("x-tollgate-attempts"), "2");
    let seen: Value = serde_json::from_slice(&house.provider.seen()[0].body).unwrap();
    assert_eq!(seen["max_tokens"], 16_384);
    let retried = "tollgate_retries_total{provider=\"sim\",outcome=\"answered\"}";
    assert!((metric(&house, retried) - 1.0).abs() < 1e-9);
}

#[tokio::test]
async fn a_guardrail_on_output_holds_without_any_limit_on_tokens() {
    let yaml = "
guardrails: {max_output_tokens: 50}
models:
  unknown: {serve: [sim/some-model]}
tiers:
  anonymous: {models: [unknown], limits: [10 requests per day per ip]}
";
    let house = Plot::new(yaml).build().await;
    assert_eq!(house.caller(None).post(CHAT, &chat("unknown", " Hi")).await.status.as_u16(), 200);
    let seen: Value = serde_json::from_slice(&house.provider.seen()[0].body).unwrap();
    assert_eq!(seen["max_tokens"], 50);
}

#[tokio::test]
async fn a_limit_that_is_only_watched_changes_no_request() {
    let yaml = "
models:
  unknown: {serve: [sim/some-model]}
tiers:
  anonymous: {models: [unknown], limits: [\"100k tokens per day per ip, shadow\"]}
";
    let house = Plot::new(yaml).build().await;
    assert_eq!(house.caller(None).post(CHAT, &chat("unknown", " Hi")).await.status.as_u16(), 200);
    let seen: Value = serde_json::from_slice(&house.provider.seen()[0].body).unwrap();
    assert!(seen.get("max_tokens").is_none(), "{seen}");
}

#[tokio::test]
async fn a_total_that_is_used_up_never_comes_back_and_says_so() {
    let yaml = "
tiers:
  pro: {models: [gpt-4o-mini], limits: [1 requests per key]}
keys:
  - {name: web, secret: web-secret-00000000, tier: pro}
";
    let house = House::new(yaml, Script::default()).await;
    let caller = house.caller(WEB);
    let first = caller.post(CHAT, &capped(" Hi", false)).await;
    assert_eq!(first.status.as_u16(), 200);
    assert_eq!(first.header("x-ratelimit-reset-requests"), "", "it has no reset");
    let refused = caller.post(CHAT, &capped(" Hi", false)).await;
    assert_eq!((refused.status.as_u16(), &*refused.code()), (429, "insufficient_quota"));
    assert_eq!((refused.header("retry-after"), refused.header("x-should-retry")), ("", "false"));
    assert!(refused.message().contains("1 of 1 in all"), "{}", refused.message());
    let rows = caller.get("/v1/limits").await.json();
    assert_eq!(rows["limits"][0]["resets_at"], Value::Null, "{rows}");
}

#[tokio::test]
async fn a_tier_that_names_only_a_providers_models_is_told_where_it_stands() {
    let yaml = "
models:
  other: {serve: [sim/other]}
tiers:
  anonymous: {models: [sim/*], limits: [100 requests per minute per ip]}
";
    let house = Plot::new(yaml).build().await;
    let caller = house.caller(None);
    let answer = caller.post(CHAT, &json!({"model": "sim/x"})).await;
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "100", "{answer:?}");
    assert_eq!(house.standing(&caller, "100 requests").await, (0, 0));
}

#[tokio::test]
async fn one_route_without_a_price_does_not_close_the_other() {
    let yaml = "
models:
  gpt-4o-mini: {serve: [sim/nobody-knows, sim/gpt-4o-mini]}
tiers:
  anonymous: {models: [gpt-4o-mini], limits: [$1 per day per ip]}
";
    let house = Plot::new(yaml).build().await;
    let answer = house.caller(None).post(CHAT, &capped(" Hi", false)).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    assert_eq!(answer.header("x-tollgate-model"), "sim/gpt-4o-mini");
}

#[tokio::test]
async fn a_field_that_is_a_tool_is_held_against_the_allowlist() {
    let yaml = "
guardrails: {tools: [search]}
tiers:
  anonymous: {models: [gpt-4o-mini], limits: [100 requests per minute per ip]}
";
    let house = House::new(yaml, Script::default()).await;
    let mut body = capped(" Hi", false);
    body["web_search_options"] = json!({});
    let refused = house.caller(None).post(CHAT, &body).await;
    assert_eq!((refused.status.as_u16(), &*refused.code()), (403, "tool_not_allowed"));
    assert_eq!(house.provider.counters().seen, 0);
}
