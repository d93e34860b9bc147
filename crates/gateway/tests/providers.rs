//! Cohere's, Gemini's and Azure's paths through the whole gateway: what reaches the provider, and
//! what callers are told and charged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::provider::{Hold, Rebuff, Seen};
use tollgate_sim::{Act, Fault, Script};
use tollgate_testkit::{Caller, House, Plot, chat};
use tollgate_units::{Timestamp, Tokens};

/// Sunday, 2026-11-22, 07:00 in UTC.
const MORNING: Timestamp = Timestamp::from_millis(1_795_330_800_000);
const COHERE: &str = "/v2/chat";
const FLASH: &str = "/v1beta/models/gemini-2.5-flash";
const AZURE: &str = "/openai/deployments/azure-4o/chat/completions?api-version=2024-10-21";
const MODELS: &str =
    "command-a, embed-v4.0, rerank-v3.5, gemini-2.5-flash, quick, azure-4o, gpt-4o";
const KEY: &str = "sk-provider-secret-0001";

fn anonymous(limits: &[&str]) -> String {
    let limits: Vec<_> = limits.iter().map(|limit| format!("      - {limit}\n")).collect();
    let limits = limits.concat();
    format!("tiers:\n  anonymous:\n    models: [{MODELS}]\n    limits:\n{limits}")
}

async fn standing_still(limits: &[&str], act: Act) -> House {
    Plot::new(&anonymous(limits)).script(Script::of(act)).standing_still(MORNING).build().await
}

/// A request to Gemini.
fn contents(prompt: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": prompt}]}]})
}

/// The path and the least body of a request in each protocol.
fn each() -> [(String, Value); 3] {
    [
        (COHERE.to_owned(), chat("command-a", "Hello")),
        (format!("{FLASH}:generateContent"), contents("Hello")),
        (AZURE.to_owned(), json!({"messages": [{"role": "user", "content": "Hello"}]})),
    ]
}

/// What is used of the limit that begins with `limit`.
async fn used(house: &House, caller: &Caller, limit: &str) -> Value {
    house.settled().await;
    let rows = caller.get("/v1/limits").await.json();
    let rows = rows["limits"].as_array().unwrap().clone();
    let row = rows.iter().find(|row| row["limit"].as_str().unwrap().starts_with(limit));
    row.unwrap_or_else(|| panic!("no limit {limit} in {rows:?}"))["used"].clone()
}

fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    seen.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_accounts_key_goes_where_each_provider_looks_for_it_and_the_callers_nowhere() {
    let yaml = format!(
        "tiers:\n  free: {{models: [{MODELS}]}}\nkeys: [{{name: web, secret: \
         secret-of-the-caller-01, tier: free}}]"
    );
    let carriers = ["authorization", "x-goog-api-key", "api-key"];
    for (at, (path, body)) in each().into_iter().enumerate() {
        for carrier in ["authorization", "x-goog-api-key", "api-key", "x-api-key"] {
            let house = House::new(&yaml, Script::default()).await;
            let bearer = if carrier == "authorization" { "Bearer " } else { "" };
            let secret = format!("{bearer}secret-of-the-caller-01");
            let caller = house.caller(None).with(carrier, &secret);
            let answer = caller.post(&path, &body).await;
            assert_eq!(answer.status, StatusCode::OK, "{path} {carrier} {answer:?}");
            let seen = &house.provider.seen()[0];
            for (other, name) in carriers.iter().enumerate() {
                let key = if at == 0 { format!("Bearer {KEY}") } else { KEY.to_owned() };
                let expected = (at == other).then_some(key.as_str());
                assert_eq!(header(seen, name), expected, "{path} {carrier} {name}");
            }
            assert!(!format!("{:?}", seen.headers).contains("of-the-caller"), "{path} {carrier}");
        }
    }
}

#[tokio::test]
async fn the_path_to_the_provider_is_made_of_the_routes_own_name() {
    let house = standing_still(&["99 requests per minute per ip"], Act::default()).await;
    let caller = house.caller(None);
    let table = [
        ("/v1beta/models/quick:generateContent", contents("Hi"), "gemini-2.5-flash-lite"),
        (
            "/v1beta/models/quick:streamGenerateContent?alt=sse&x=y",
            contents("Hi"),
            "gemini-2.5-flash-lite",
        ),
        (AZURE, json!({"messages": [{"role": "user", "content": "Hi"}]}), "gpt-4o"),
        ("/openai/deployments/gpt-4o/chat/completions", chat("gpt-4o", "Hi"), "gpt-4o"),
        ("/v1/chat/completions", chat("azure-4o", "Hi"), "gpt-4o"),
        (COHERE, chat("command-a", "Hi"), "command-a-03-2025"),
    ];
    for (at, (path, body, model)) in table.into_iter().enumerate() {
        let answer = caller.post(path, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path} {answer:?}");
        house.settled().await;
        assert_eq!(house.provider.seen()[at].model, model, "{path}");
    }
    let mut named = contents("Hi");
    named["model"] = json!("models/quick");
    let answer = caller.post("/v1beta/models/quick:generateContent", &named).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let seen: Value = serde_json::from_slice(&house.provider.seen()[6].body).unwrap();
    assert_eq!(seen["model"], "models/gemini-2.5-flash-lite");
    let differs = caller.post(AZURE, &chat("gpt-4o", "Hi")).await;
    assert_eq!(
        (differs.status, differs.code().as_str()),
        (StatusCode::BAD_REQUEST, "invalid_request")
    );
}

#[tokio::test]
async fn a_refusal_has_the_shape_of_its_protocol_and_what_is_spent_is_a_402() {
    for (path, body) in each() {
        let is_openai = path == AZURE;
        for (limit, status) in
            [("1 request per 30 seconds per ip", 429), ("1 request per day per ip", 402)]
        {
            let house = standing_still(&[limit], Act::default()).await;
            let caller = house.caller(None);
            assert_eq!(caller.post(&path, &body).await.status, StatusCode::OK);
            let refused = caller.post(&path, &body).await;
            let expected = if is_openai { 429 } else { status };
            assert_eq!(refused.status.as_u16(), expected, "{path} {limit}");
            let told = refused.json();
            let (message, tollgate) = match path.as_str() {
                COHERE => (&told["message"], &told["tollgate"]),
                _ => (&told["error"]["message"], &told["error"]["tollgate"]),
            };
            assert!(message.as_str().unwrap().contains(limit), "{told}");
            assert_eq!(tollgate["limit"], limit);
            assert!(!refused.header("retry-after-ms").is_empty(), "{refused:?}");
            let has_no = status == 402;
            assert_eq!(refused.header("x-should-retry") == "false", has_no, "{path} {limit}");
            if path.starts_with("/v1beta") {
                assert_eq!(told["error"]["status"], "RESOURCE_EXHAUSTED");
                assert!(told["error"]["details"][0]["retryDelay"].as_str().unwrap().ends_with('s'));
            }
        }
    }
}

#[tokio::test]
async fn tokens_count_as_they_were_used_and_cost_as_they_are_billed() {
    let act = Act {
        prompt_tokens: Some(Tokens::new(1000)),
        cached_tokens: Tokens::new(400),
        reasoning_tokens: Tokens::new(5),
        ..Act::tokens(20)
    };
    let limits = ["1M tokens per day per ip", "$10 per day per ip"];
    // For a million at Cohere: 600 of 1000 billed at $2.50, 20 at $10. At Gemini: 600 at $0.30,
    // 400 at $0.03, 20 at $2.50.
    let table = [
        (COHERE, chat("command-a", "Hello"), "0.0017"),
        ("/v1beta/models/gemini-2.5-flash:generateContent", contents("Hello"), "0.000242"),
    ];
    for (path, body, cost) in table {
        let house = standing_still(&limits, act.clone()).await;
        let caller = house.caller(None);
        let mut streamed = body.clone();
        streamed["stream"] = true.into();
        let ways = match path {
            COHERE => vec![(path.to_owned(), body), (path.to_owned(), streamed)],
            _ => vec![
                (path.to_owned(), body.clone()),
                (format!("{FLASH}:streamGenerateContent?alt=sse"), body.clone()),
                (format!("{FLASH}:streamGenerateContent"), body),
            ],
        };
        for (path, body) in &ways {
            let answer = caller.post(path, body).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
        let times = u64::try_from(ways.len()).unwrap();
        assert_eq!(used(&house, &caller, "1M tokens").await, times * 1020, "{path}");
        let spent: f64 = used(&house, &caller, "$10").await.as_str().unwrap().parse().unwrap();
        let each: f64 = cost.parse().unwrap();
        assert!((spent / each - f64::from(u32::try_from(times).unwrap())).abs() < 1e-6, "{spent}");
    }
}

#[tokio::test]
async fn a_caller_that_leaves_a_stream_pays_for_what_flowed() {
    let act = Act { hold: Some(Hold::After(Tokens::new(3))), ..Act::tokens(50) };
    let mut streamed = chat("command-a", "Hello");
    streamed["stream"] = true.into();
    let table = [
        (COHERE.to_owned(), streamed, "content-delta"),
        (format!("{FLASH}:streamGenerateContent?alt=sse"), contents("Hello"), "candidates\""),
        (format!("{FLASH}:streamGenerateContent"), contents("Hello"), "candidates\""),
    ];
    for (path, body, sign) in table {
        let house = standing_still(&["1M output tokens per day per ip"], act.clone()).await;
        let caller = house.caller(None);
        let mut running = caller.open(&path, &body).await;
        let mut seen = String::new();
        while seen.matches(sign).count() < 3 {
            seen.push_str(std::str::from_utf8(&running.next().await.unwrap()).unwrap());
        }
        drop(running);
        let output = used(&house, &caller, "1M output").await.as_u64().unwrap();
        assert!((1..50).contains(&output), "{path}: {output}");
    }
}

#[tokio::test]
async fn a_cap_is_lowered_and_written_where_each_provider_looks_for_it() {
    let yaml = format!(
        "guardrails: {{max_output_tokens: 17}}\ntiers:\n  anonymous: {{models: [{MODELS}], limits: \
         [99 requests per minute per ip]}}\n"
    );
    for (path, body) in each() {
        let house = House::new(&yaml, Script::default()).await;
        let answer = house.caller(None).post(&path, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.header("x-tollgate-max-output-tokens"), "17", "{path}");
        assert_eq!(house.provider.seen()[0].cap, Some(Tokens::new(17)), "{path}");
    }
}

#[tokio::test]
async fn what_is_embedded_and_ranked_is_input() {
    let act = Act { prompt_tokens: Some(Tokens::new(40)), ..Act::default() };
    let limits = ["1M tokens per day per ip", "$10 per day per ip"];
    let house = standing_still(&limits, act.clone()).await;
    let caller = house.caller(None);
    let embed = json!({"model": "embed-v4.0", "texts": ["a", "b"], "input_type": "search_query"});
    let answer = caller.post("/v2/embed", &embed).await;
    assert_eq!(answer.json()["embeddings"]["float"].as_array().unwrap().len(), 2);
    assert_eq!(used(&house, &caller, "1M tokens").await, 40);
    let rank = json!({"model": "rerank-v3.5", "query": "q", "documents": ["a", "b"]});
    let house = standing_still(&limits, act).await;
    let caller = house.caller(None);
    assert_eq!(caller.post("/v2/rerank", &rank).await.status, StatusCode::OK);
    let counted = used(&house, &caller, "1M tokens").await.as_u64().unwrap();
    assert!((1..40).contains(&counted), "nobody reports it: {counted}");
}

#[tokio::test]
async fn counting_contents_charges_a_request_and_nothing_else() {
    let limits =
        ["9 requests per minute per ip", "5 tokens per day per ip", "$0.000001 per day per ip"];
    let act = Act { prompt_tokens: Some(Tokens::new(1000)), ..Act::default() };
    let house = standing_still(&limits, act).await;
    let caller = house.caller(None);
    let answer = caller.post(&format!("{FLASH}:countTokens"), &contents("Hello there")).await;
    assert_eq!((answer.status, &answer.json()["totalTokens"]), (StatusCode::OK, &json!(1000)));
    assert_eq!(used(&house, &caller, "9 requests").await, 1);
    assert_eq!(used(&house, &caller, "5 tokens").await, 0);
    assert_eq!(used(&house, &caller, "$0.000001").await, "0.00");
}

#[tokio::test]
async fn forbidden_tools_are_taken_out_and_an_agent_that_is_done_answers_without() {
    let yaml = format!(
        "guardrails: {{tools: [find], on_forbidden_tool: strip}}\ntiers:\n  anonymous:\n    \
         models: [{MODELS}]\n    limits: [\"2 tool calls per day per ip, then answer without tools\"]\n"
    );
    let house = House::new(&yaml, Script::default()).await;
    let caller = house.caller(None);
    let mut body = contents("Hello [[tool_calls:2]]");
    body["tools"] = json!([
        {"function_declarations": [{"name": "find"}, {"name": "drop"}], "google_search": {}},
        {"codeExecution": {}},
    ]);
    let path = format!("{FLASH}:generateContent");
    let first = caller.post(&path, &body).await;
    let parts = first.json()["candidates"][0]["content"]["parts"].clone();
    assert_eq!(parts[0]["functionCall"]["name"], "find", "{first:?}");
    house.settled().await;
    let seen: Value = serde_json::from_slice(&house.provider.seen()[0].body).unwrap();
    assert_eq!(seen["tools"], json!([{"function_declarations": [{"name": "find"}]}]));
    let second = caller.post(&path, &body).await;
    assert!(second.header("x-tollgate-warning").contains("without tools"), "{second:?}");
    assert!(second.json()["candidates"][0]["content"]["parts"][0]["text"].is_string());
    let seen: Value = serde_json::from_slice(&house.provider.seen()[1].body).unwrap();
    assert_eq!(seen["toolConfig"]["functionCallingConfig"]["mode"], "NONE");
}

#[tokio::test]
async fn what_another_tenant_may_have_stored_is_nobodys_here() {
    let house = standing_still(&["9 requests per minute per ip"], Act::default()).await;
    let caller = house.caller(None);
    let path = format!("{FLASH}:generateContent");
    let mut cached = contents("Hello");
    cached["cachedContent"] = "cachedContents/1".into();
    let mut file = contents("Hello");
    file["contents"][0]["parts"][0] = json!({"fileData": {"fileUri": "https://x/v1beta/files/1"}});
    for body in [cached, file] {
        let refused = caller.post(&path, &body).await;
        assert!(refused.status.is_client_error(), "{refused:?}");
        assert_eq!(house.provider.counters().seen, 0, "{body}");
    }
}

#[tokio::test]
async fn keys_in_queries_and_paths_that_nobody_serves_are_refused_in_geminis_words() {
    let house = standing_still(&["9 requests per minute per ip"], Act::default()).await;
    let caller = house.caller(None);
    let keyed = caller.post(&format!("{FLASH}:generateContent?key=abc"), &contents("Hi")).await;
    assert_eq!(keyed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(keyed.json()["error"]["status"], "UNAUTHENTICATED");
    let nowhere = caller.post(&format!("{FLASH}:embedContent"), &contents("Hi")).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert_eq!(nowhere.json()["error"]["status"], "NOT_FOUND");
    let nowhere = caller.post("/v2/classify", &json!({})).await;
    assert!(nowhere.json()["message"].as_str().unwrap().contains("/v2/rerank"), "{nowhere:?}");
    let elsewhere = caller.post(COHERE, &chat("gpt-4o", "Hi")).await;
    assert!(
        elsewhere.json()["message"].as_str().unwrap().contains("POST /v1/chat/completions"),
        "{elsewhere:?}"
    );
}

#[tokio::test]
async fn the_providers_troubles_are_told_in_the_callers_protocol() {
    for (rebuff, status) in [
        (Rebuff::Overloaded, 503),
        (Rebuff::InvalidKey, 503),
        (Rebuff::RateLimit, 429),
        (Rebuff::ContextLength, 400),
    ] {
        for (path, body) in each() {
            let act = Act::default().with(Fault::Refused(rebuff));
            let house = standing_still(&["9 requests per minute per ip"], act).await;
            let answer = house.caller(None).post(&path, &body).await;
            // Cohere has no word for a provider that has too much to do.
            let is_plain = path == COHERE && rebuff == Rebuff::Overloaded;
            let status = if is_plain { 502 } else { status };
            assert_eq!(answer.status.as_u16(), status, "{rebuff:?} {path} {answer:?}");
            let told = answer.json();
            let shape = if path == COHERE { &told["id"] } else { &told["error"]["message"] };
            assert!(shape.is_string(), "{rebuff:?} {path} {told}");
            assert!(!told.to_string().contains("org-"), "{rebuff:?} {path} {told}");
        }
    }
}
