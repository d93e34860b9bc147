//! What callers may send and what they are told: paths, keys, bodies, models, tools, prices.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::{Act, Script};
use tollgate_testkit::{House, chat};

const POLICY: &str = "
max_body: 64KB
tiers:
  anonymous:
    models: [gpt-4o-mini]
    limits: [1000 requests per minute per ip]
  pro:
    models: [gpt-4o*]
    limits: [$25 per month per key]
    guardrails: {max_input_tokens: 100, max_output_tokens: 50, tools: [search]}
  lenient:
    models: [gpt-4o*]
    limits: [100 requests per minute per key]
    guardrails: {tools: [search], on_forbidden_tool: strip}
guardrails: {max_output_tokens: 200}
keys:
  - {name: web, secret: web-secret-00000000, tier: pro}
  - {name: soft, secret: soft-secret-0000000, tier: lenient, models: [gpt-4o-mini]}
";

const WEB: Option<&str> = Some("web-secret-00000000");
const SOFT: Option<&str> = Some("soft-secret-0000000");
const CHAT: &str = "/v1/chat/completions";

/// Key, path, body, and the status and code that are expected.
type Refused = (Option<&'static str>, &'static str, Value, u16, &'static str);

async fn house() -> House {
    House::new(POLICY, Script::of(Act::tokens(30))).await
}

#[tokio::test]
async fn what_is_not_allowed_is_told_apart_and_consumes_nothing() {
    let house = house().await;
    let tool = |name: &str| json!([{"type": "function", "function": {"name": name}}]);
    let with = |field: &str, value: Value| {
        let mut body = chat("gpt-4o-mini", "Hello");
        body[field] = value;
        body
    };
    let long = " hello".repeat(200);
    let table: Vec<Refused> = vec![
        (Some("wrong-key"), CHAT, chat("gpt-4o-mini", "Hi"), 401, "invalid_api_key"),
        (None, CHAT, chat("gpt-4o", "Hi"), 403, "model_not_allowed"),
        (SOFT, CHAT, chat("gpt-4o", "Hi"), 403, "model_not_allowed"),
        (None, CHAT, chat("gpt-9", "Hi"), 404, "model_not_found"),
        (None, CHAT, chat("sim/gpt-4o-mini", "Hi"), 404, "model_not_found"),
        (None, "/v1/fine_tuning/jobs", chat("gpt-4o-mini", "Hi"), 404, "model_not_found"),
        (WEB, CHAT, chat("gpt-4o-mini", &long), 400, "context_length_exceeded"),
        (WEB, CHAT, with("tools", tool("rm")), 403, "tool_not_allowed"),
        (WEB, CHAT, with("tools", json!([{"type": "web_search"}])), 403, "tool_not_allowed"),
        (WEB, CHAT, with("functions", json!([{"name": "rm"}])), 403, "tool_not_allowed"),
        (WEB, CHAT, with("service_tier", json!("priority")), 403, "model_not_priced"),
        (None, CHAT, with("n", json!(0)), 400, "invalid_request"),
        (None, CHAT, with("max_tokens", json!(-1)), 400, "invalid_request"),
        (None, CHAT, with("max_tokens", json!(1.5)), 400, "invalid_request"),
        (None, CHAT, with("MAX_TOKENS", json!(5)), 400, "invalid_request"),
        (None, CHAT, with("messages", json!([])), 400, "invalid_request"),
        (None, CHAT, with("stream", json!("yes")), 400, "invalid_request"),
        (
            None,
            "/v1/responses",
            json!({"model": "gpt-4o-mini", "input": "x", "background": true, "store": false}),
            400,
            "invalid_request",
        ),
        (
            WEB,
            "/v1/responses",
            json!({"model": "gpt-4o-mini", "input": "x", "previous_response_id": "resp_1"}),
            400,
            "previous_response_not_found",
        ),
        (
            WEB,
            "/v1/responses",
            json!({"model": "gpt-4o-mini", "input": "x", "conversation": "conv_1"}),
            404,
            "not_found",
        ),
    ];
    for (key, path, body, status, code) in table {
        let refused = house.caller(key).post(path, &body).await;
        assert_eq!(refused.status.as_u16(), status, "{body}: {refused:?}");
        assert_eq!(refused.code(), code, "{body}");
        assert_eq!(refused.json()["error"]["tollgate"]["source"], "gateway");
    }
    assert_eq!(house.provider.counters().seen, 0);
    let books = house.meters.books();
    // One of them counted as a failed login; nothing else left a trace.
    assert_eq!((books.reserved_count, books.used), (1, 1), "{books:?}");
}

#[tokio::test]
async fn bytes_that_two_readers_could_read_differently_are_refused() {
    let house = house().await;
    let caller = house.caller(None);
    let message = r#""messages":[{"role":"user","content":"Hi"}]"#;
    let table = [
        format!(r#"{{"model":"gpt-4o-mini","model":"gpt-4o",{message}}}"#),
        format!(r#"{{"model":"gpt-4o-mini","mod\u0065l":"gpt-4o",{message}}}"#),
        format!(r#"{{"model":"gpt-4o-mini",{message}}} {{}}"#),
        format!(r#"{{"model":"gpt-4o-mini","max_tokens":1e3,{message}}}"#),
        format!(r#"{{"model":"gpt-4o-mini","x":{}{},{message}}}"#, "[".repeat(80), "]".repeat(80)),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
        "{".to_owned(),
    ];
    for body in table {
        let refused = caller.post_bytes(CHAT, body.clone()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(refused.code(), "invalid_request", "{body}");
    }
    let mut invalid = format!(r#"{{"model":"gpt-4o-mini","user":"?",{message}}}"#).into_bytes();
    let at = invalid.iter().position(|&byte| byte == b'?').unwrap();
    invalid[at] = 0xff;
    assert_eq!(caller.post_bytes(CHAT, invalid).await.status, StatusCode::BAD_REQUEST);
    let large = chat("gpt-4o-mini", &"x".repeat(70_000));
    let refused = caller.post(CHAT, &large).await;
    assert_eq!((refused.status.as_u16(), &*refused.code()), (413, "request_too_large"));
    assert_eq!(house.provider.counters().seen, 0);
}

#[tokio::test]
async fn a_forbidden_tool_can_be_taken_out_and_the_rest_stays() {
    let house = house().await;
    let mut body = chat("gpt-4o-mini", "Hello");
    body["tools"] = json!([
        {"type": "function", "function": {"name": "rm"}},
        {"type": "function", "function": {"name": "search"}},
    ]);
    let answer = house.caller(SOFT).post(CHAT, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let seen: Value = serde_json::from_slice(&house.provider.seen()[0].body).unwrap();
    assert_eq!(seen["tools"], json!([{"type": "function", "function": {"name": "search"}}]));

    body["tools"] = json!([{"type": "function", "function": {"name": "rm"}}]);
    body["tool_choice"] = json!("auto");
    house.caller(SOFT).post(CHAT, &body).await;
    let seen: Value = serde_json::from_slice(&house.provider.seen()[1].body).unwrap();
    assert!(seen.get("tools").is_none() && seen.get("tool_choice").is_none(), "{seen}");
}

#[tokio::test]
async fn a_cap_is_lowered_or_set_and_said_and_every_other_byte_stays() {
    let house = house().await;
    let caller = house.caller(WEB);
    let sent = |max: &str| {
        let rest = r#""messages" : [{"role":"user","content":"\u0048i"}], "seed":1.50"#;
        format!(r#"{{ "model":"gpt-4o-mini",{max} {rest} }}"#)
    };
    let lowered = caller.post_bytes(CHAT, sent(r#""max_tokens": 4000,"#)).await;
    assert_eq!(lowered.header("x-tollgate-max-output-tokens"), "50", "{lowered:?}");
    let kept = caller.post_bytes(CHAT, sent(r#""max_tokens": 40,"#)).await;
    assert_eq!(kept.header("x-tollgate-max-output-tokens"), "");
    let chosen = caller.post_bytes(CHAT, sent("")).await;
    assert_eq!(chosen.header("x-tollgate-max-output-tokens"), "50");
    let seen = house.provider.seen();
    let body = |at: usize| String::from_utf8(seen[at].body.to_vec()).unwrap();
    assert_eq!(body(0), sent(r#""max_tokens": 50,"#));
    assert_eq!(body(1), sent(r#""max_tokens": 40,"#));
    assert_eq!(body(2).replace(r#""max_tokens":50,"#, ""), sent(""));
}

#[tokio::test]
async fn every_path_is_metered_and_answers_in_its_own_shape() {
    let house = house().await;
    let caller = house.caller(None);
    let table = [
        ("/v1/completions", json!({"model": "gpt-4o-mini", "prompt": "Once"})),
        ("/v1/embeddings", json!({"model": "gpt-4o-mini", "input": ["a", "b"]})),
        ("/v1/responses", json!({"model": "gpt-4o-mini", "input": "Hello"})),
        ("/v1/moderations", json!({"model": "gpt-4o-mini", "input": "Hello"})),
        (CHAT, chat("gpt-4o-mini", "Hello")),
    ];
    for (path, body) in table {
        let answer = caller.post(path, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        assert!(answer.json().is_object());
    }
    house.settled().await;
    assert_eq!(house.standing(&caller, "1,000 requests").await, (5, 0));
    let models = caller.get("/v1/models").await.json();
    assert_eq!(models["data"].as_array().unwrap().len(), 1, "its own and nothing else");
    assert_eq!(caller.get("/v1/models/gpt-4o-mini").await.json()["id"], "gpt-4o-mini");
    assert_eq!(caller.get("/v1/models/gpt-4o").await.status, StatusCode::NOT_FOUND);
    assert_eq!(caller.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nothing_of_the_account_reaches_a_caller_and_nothing_of_a_caller_the_provider() {
    let house = house().await;
    let caller = house.caller(WEB);
    let answer = caller.post(CHAT, &chat("gpt-4o-mini", "Hi [[fault:oversize]]")).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    let refused = caller.post(CHAT, &chat("gpt-4o-mini", "Hi [[fault:model_not_found]]")).await;
    assert_eq!(refused.header("x-tollgate-source"), "upstream");
    let operator = caller.post(CHAT, &chat("gpt-4o-mini", "Hi [[fault:quota]]")).await;
    assert_eq!(operator.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(operator.header("x-should-retry"), "false");
    let fine = caller.post(CHAT, &chat("gpt-4o-mini", "Hi")).await;
    for answer in [&answer, &refused, &operator, &fine] {
        assert!(!String::from_utf8_lossy(&answer.body).contains("org-"), "{answer:?}");
        for name in ["set-cookie", "openai-organization", "x-ratelimit-limit-tokens"] {
            assert_eq!(answer.header(name), "", "{name}");
        }
    }
    for seen in house.provider.seen() {
        let all = format!("{:?} {:?}", seen.headers, seen.body);
        assert!(!all.contains("web-secret"), "{all}");
    }
}
