//! Guardrails through the whole gateway: what a request may carry, wherever it hides it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use serde_json::{Value, json};
use tollgate_sim::Script;
use tollgate_testkit::{Answer, Caller, House, chat, message};

use self::hostile::{
    CHAT, COHERE, GEMINI, Hostile, MESSAGES, RESPONSES, case, everything, flat, nested,
};

mod hostile;
mod others;

const POLICY: &str = "
guardrails: {tools: [search, calculator]}
tiers:
  hard: {models: [gpt-4o*, claude*, command-a, gemini-2.5-flash], limits: [900 requests per day per key]}
  soft:
    models: [gpt-4o*, claude*, command-a, gemini-2.5-flash]
    limits: [900 requests per day per key]
    guardrails: {on_forbidden_tool: strip}
keys:
  - {name: hard, secret: hard-secret-0000000, tier: hard}
  - {name: soft, secret: soft-secret-0000000, tier: soft}
";

fn strict(house: &House) -> Caller {
    house.caller(Some("hard-secret-0000000"))
}

fn lenient(house: &House) -> Caller {
    house.caller(Some("soft-secret-0000000"))
}

/// The refusal's code or, in Anthropic's protocol, its type; and the field at fault, where the
/// protocol says it.
fn refusal(answer: &Answer) -> (u16, String, Option<String>) {
    let error = &answer.json()["error"];
    let code = error["code"].as_str().or(error["type"].as_str()).unwrap().to_owned();
    (answer.status.as_u16(), code, error["param"].as_str().map(str::to_owned))
}

fn assert_refused(hostile: &Hostile, answer: &Answer) {
    let (name, at) = hostile.told;
    assert_eq!(answer.status.as_u16(), 403, "{}: {answer:?}", hostile.body());
    let told = answer.json();
    let message = told["message"].as_str().map_or_else(|| answer.message(), str::to_owned);
    assert!(message.contains(&format!("\"{name}\" at {at} ")), "{message}");
    assert!(message.contains("Allowed: search, calculator."), "{message}");
    match hostile.path {
        COHERE => assert!(told["id"].is_string(), "{told}"),
        GEMINI => assert_eq!(told["error"]["status"], "PERMISSION_DENIED"),
        MESSAGES => assert_eq!(refusal(answer).1, "permission_error"),
        _ => {
            let (_, code, param) = refusal(answer);
            assert_eq!((&*code, param.as_deref()), ("tool_not_allowed", Some(at)), "{message}");
        }
    }
}

#[tokio::test]
async fn no_tool_off_the_allowlist_gets_past_it_wherever_it_hides() {
    let house = House::new(POLICY, Script::default()).await;
    let all: Vec<Hostile> = everything().collect();
    assert!(all.len() >= 45);
    for hostile in &all {
        let body = hostile.body();
        assert!(body.to_string().contains(hostile.evil), "{body}");
        assert_refused(hostile, &strict(&house).post(hostile.path, &body).await);
        assert_eq!(house.provider.counters().seen, 0, "{body}");
    }
    assert_eq!(house.standing(&strict(&house), "900 requests").await, (0, 0));
    assert_eq!(house.meters.books().reserved_count, 0);
}

#[tokio::test]
async fn what_can_be_taken_out_is_and_what_cannot_is_refused() {
    let house = House::new(POLICY, Script::default()).await;
    for hostile in everything() {
        let body = hostile.body();
        let answer = lenient(&house).post(hostile.path, &body).await;
        if !hostile.strips {
            assert_refused(&hostile, &answer);
            continue;
        }
        assert_eq!(answer.status.as_u16(), 200, "{body}: {answer:?}");
        let seen = house.provider.seen();
        let seen = String::from_utf8(seen.last().unwrap().body.to_vec()).unwrap();
        assert!(!seen.contains(hostile.evil), "{body} became {seen}");
        let left: Value = serde_json::from_str(&seen).unwrap();
        let rest = if hostile.path == COHERE { "messages" } else { "model" };
        assert_eq!(left[rest], body[rest], "the rest stays");
    }
}

#[tokio::test]
async fn what_the_account_stores_is_refused_by_name_and_place() {
    let house = House::new(POLICY, Script::default()).await;
    let table = [
        (RESPONSES, json!({"prompt": {"id": "pmpt_1"}}), "'pmpt_1' not found"),
        (CHAT, json!({"agent_id": "ag_1"}), "'ag_1' not found"),
        (MESSAGES, json!({"container": {"skills": [{"skill_id": "sk_1"}]}}), "'sk_1' not found"),
    ];
    for (path, more, at) in table {
        let hostile = case(path, more, "");
        let answer = strict(&house).post(path, &hostile.body()).await;
        assert_eq!(answer.status.as_u16(), 404, "{answer:?}");
        assert!(answer.message().contains(at), "{}", answer.message());
    }
    let twice = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}],
        "tools":[],"tools":[{"type":"function","function":{"name":"evil"}}]}"#;
    assert_eq!(strict(&house).post_bytes(CHAT, twice).await.status.as_u16(), 400);
    let capital = json!({"Tools": [nested("evil")]});
    let answer = strict(&house).post(CHAT, &case(CHAT, capital, "").body()).await;
    assert_eq!(refusal(&answer).2.as_deref(), Some("Tools"));
    assert_eq!(house.provider.counters().seen, 0);
    assert_eq!(house.standing(&strict(&house), "900 requests").await, (0, 0));
}

#[tokio::test]
async fn an_entry_allows_what_it_says_and_nothing_of_the_same_name() {
    let web = json!({"tools": [{"type": "web_search_preview_2025_03_11"}]});
    let function = json!({"tools": [flat("web_search")]});
    let mcp = |label: &str, url: &str| {
        json!({"tools":
        [{"type": "mcp", "server_label": label, "server_url": url}]})
    };
    let connector = json!({"tools":
        [{"type": "mcp", "server_label": "crm", "connector_id": "connector_gmail"}]});
    let both = json!({"tools": [{"type": "mcp", "server_label": "crm",
        "server_url": "https://crm.example.org/", "connector_id": "connector_gmail"}]});
    let called = |name: &str| json!({"tools": [flat(name)]});
    let unknown = json!({"tools": [{"type": "brand_new"}]});
    let here = "https://crm.example.org/sse";
    let table: Vec<(&str, Value, bool)> = vec![
        ("web_search", web.clone(), true),
        ("web_search", function.clone(), true),
        ("web_search_preview", json!({"tools": [{"type": "web_search"}]}), false),
        ("'type:web_search'", web.clone(), true),
        ("'type:web_search'", function.clone(), false),
        ("'function:web_search'", function.clone(), true),
        ("'function:web_search'", web.clone(), false),
        ("'*'", function, true),
        ("'*'", web, false),
        ("'web_*'", called("web_fetcher"), true),
        ("brand_new", unknown.clone(), false),
        ("'type:brand_new'", unknown, true),
        ("mcp", mcp("crm", here), true),
        ("mcp", called("mcp"), false),
        ("mcp", connector.clone(), false),
        ("'mcp:crm'", mcp("crm", "https://anywhere.example"), true),
        ("'mcp:crm'", mcp("erp", here), false),
        ("'mcp:crm'", called("crm"), false),
        ("'mcp:crm'", called("mcp:crm"), false),
        ("crm", mcp("crm", here), false),
        ("'mcp:https://crm.example.org/*'", mcp("any", here), true),
        ("'mcp:https://crm.example.org/*'", mcp("crm", "https://crm.example.org.evil/"), false),
        (
            "'mcp:https://crm.example.org/*'",
            mcp("crm", "https://evil/https://crm.example.org/"),
            false,
        ),
        ("'connector:gmail'", connector.clone(), true),
        ("'connector:connector_g*'", connector, true),
        ("'connector:gmail'", both.clone(), false),
        ("mcp, 'connector:gmail'", both, true),
    ];
    for (tools, more, allowed) in table {
        let yaml = format!(
            "guardrails: {{tools: [{tools}]}}\ntiers:\n  anonymous: {{models: [gpt-4o*]}}\n"
        );
        let house = House::new(&yaml, Script::default()).await;
        let body = case(RESPONSES, more, "").body();
        let answer = house.caller(None).post(RESPONSES, &body).await;
        let status = if allowed { 200 } else { 403 };
        assert_eq!(answer.status.as_u16(), status, "[{tools}] and {body}: {}", answer.message());
    }
}

#[tokio::test]
async fn no_address_leads_out_of_the_one_that_is_allowed() {
    let yaml = "
guardrails: {tools: ['mcp:https://crm.test/team/*']}
tiers:
  anonymous: {models: [gpt-4o*]}
";
    let house = House::new(yaml, Script::default()).await;
    let caller = house.caller(None);
    let at = |path: &str| {
        let url = format!("https://crm.test/team/{path}");
        let tool = json!({"type": "mcp", "server_label": "crm", "server_url": url});
        case(RESPONSES, json!({"tools": [tool]}), "").body()
    };
    for path in [
        "../admin",
        "./..",
        "x/..",
        "..",
        "..;/admin",
        "%2e%2e/admin",
        "%2E./admin",
        "..%2fadmin",
        "..%5Cadmin",
        "%252e%252e/admin",
        "\\..\\admin",
        "\n/../../x",
        "\t../x",
        "x y",
        "\u{a0}",
        "\0",
    ] {
        let answer = caller.post(RESPONSES, &at(path)).await;
        assert_eq!(answer.status.as_u16(), 403, "{path:?}");
    }
    for path in ["", "sse", "a..b/.hidden/...", "a%20b", "?path=../x%2Fy", "#/../"] {
        let answer = caller.post(RESPONSES, &at(path)).await;
        assert_eq!(answer.status.as_u16(), 200, "{path:?}");
    }
}

#[tokio::test]
async fn what_a_server_did_is_as_good_as_the_server() {
    let yaml = "
guardrails: {tools: ['*', 'mcp:https://crm.test/*']}
tiers:
  anonymous: {models: [gpt-4o*]}
";
    let house = House::new(yaml, Script::default()).await;
    let item = |kind: &str| {
        json!({"type": kind, "id": "mcp_1", "server_label": "crm", "name": "q",
            "arguments": "{}", "output": "ok"})
    };
    let server = |url: &str| json!([{"type": "mcp", "server_label": "crm", "server_url": url}]);
    let searched = json!({"type": "tool_search_call", "arguments": {"tools": ["x"]}});
    let (good, evil) = (server("https://crm.test/sse"), server("https://evil/"));
    // An approval is for any of the servers, whatever label it carries.
    let mut other = evil[0].clone();
    other["server_label"] = "other".into();
    let two = json!([good[0], other]);
    for (item, tools, status) in [
        (item("mcp_call"), &good, 200),
        (item("mcp_approval_request"), &good, 200),
        (item("mcp_call"), &evil, 403),
        (item("mcp_call"), &json!([]), 403),
        (item("mcp_approval_response"), &good, 200),
        (item("mcp_approval_response"), &two, 403),
        (searched, &good, 200),
    ] {
        let input = json!([{"role": "user", "content": "Hello"}, item]);
        let body = case(RESPONSES, json!({"input": input, "tools": tools}), "").body();
        let answer = house.caller(None).post(RESPONSES, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {answer:?}");
    }
    let mut labelled = chat("gpt-4o-mini", "Hello");
    labelled["metadata"] = json!({"search": "x", "tools": "y"});
    assert_eq!(house.caller(None).post(CHAT, &labelled).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_toolset_is_as_good_as_the_server_it_names() {
    let yaml = "
guardrails: {tools: ['mcp:https://crm.example.org/*'], on_forbidden_tool: strip}
tiers:
  anonymous: {models: [claude*], guardrails: {fields: [tools, mcp_servers]}}
";
    let house = House::new(yaml, Script::default()).await;
    let server = |name: &str, url: &str| json!({"type": "url", "name": name, "url": url});
    let toolset = |name: &str| json!({"type": "mcp_toolset", "mcp_server_name": name});
    let good = (server("crm", "https://crm.example.org/sse"), toolset("crm"));
    let evil = (server("erp", "https://evil.example/"), toolset("erp"));
    let more = json!({"mcp_servers": [good.0, evil.0], "tools": [evil.1, good.1]});
    let body = case(MESSAGES, more, "").body();
    let answer = house.caller(None).post(MESSAGES, &body).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    let seen: Value = serde_json::from_slice(&house.provider.seen()[0].body).unwrap();
    assert_eq!(seen["mcp_servers"], json!([good.0]));
    assert_eq!(seen["tools"], json!([good.1]));
}

#[tokio::test]
async fn callers_without_a_key_may_send_what_ordinary_requests_have() {
    let yaml = "
tiers:
  anonymous: {models: [gpt-4o*, claude*], limits: [900 requests per day per ip]}
  pro: {models: [gpt-4o*]}
keys:
  - {name: web, secret: web-secret-00000000, tier: pro}
";
    let house = House::new(yaml, Script::default()).await;
    let caller = house.caller(None);
    for field in ["store", "background", "logit_bias", "service_tier", "prediction", "brand_new"] {
        let mut body = chat("gpt-4o-mini", "Hello");
        body[field] = json!({"auto": 1});
        if matches!(field, "store" | "service_tier" | "background") {
            body[field] = if field == "service_tier" { "auto".into() } else { true.into() };
        }
        let answer = caller.post(CHAT, &body).await;
        if field == "background" {
            assert_eq!(answer.status.as_u16(), 400, "refused for everybody");
            continue;
        }
        let told = (403, "field_not_allowed".to_owned(), Some(field.to_owned()));
        assert_eq!(refusal(&answer), told);
        let message = answer.message();
        assert!(message.contains(&format!("\"{field}\"")) && message.contains("temperature"));
    }
    let mut fast = message("claude-haiku-4-5", "Hello");
    fast["speed"] = "standard".into();
    let answer = caller.post(MESSAGES, &fast).await;
    assert_eq!(refusal(&answer), (403, "permission_error".to_owned(), None));
    assert_eq!(house.standing(&caller, "900 requests").await, (0, 0), "nothing was consumed");
    assert_eq!(house.provider.counters().seen, 0);

    let own = json!({"type": "function", "function": {"name": "search", "parameters": {}}});
    for kind in ["web_search", "mcp", "brand_new_tool"] {
        let mut body = chat("gpt-4o-mini", "Hello");
        body["tools"] = json!([own, {"type": kind, "server_url": "https://evil.example/mcp"}]);
        let told = (403, "tool_not_allowed".to_owned(), Some("tools[1]".to_owned()));
        assert_eq!(refusal(&caller.post(CHAT, &body).await), told, "{kind}");
    }

    let mut body = chat("gpt-4o-mini", "Hello");
    body["tools"] = json!([own]);
    assert_eq!(caller.post(CHAT, &body).await.status.as_u16(), 200, "a function is the caller's");
    body["store"] = false.into();
    body["logit_bias"] = Value::Null;
    body["temperature"] = 0.5.into();
    assert_eq!(caller.post(CHAT, &body).await.status.as_u16(), 200, "it asks for nothing");
    body["store"] = true.into();
    let known = house.caller(Some("web-secret-00000000"));
    assert_eq!(known.post(CHAT, &body).await.status.as_u16(), 200, "a key is known");
}

#[tokio::test]
async fn a_list_of_fields_holds_for_whomever_it_is_set_and_the_stricter_of_both_counts() {
    let yaml = "
guardrails: {fields: [max_tokens, temperature, top_p]}
models:
  gpt-4o-mini: {serve: [sim/gpt-4o-mini]}
  plain: {serve: [sim/gpt-4o-mini], guardrails: {fields: [top_p]}}
tiers:
  pro: {models: [gpt-4o*, plain], guardrails: {fields: [temperature, top_p, seed]}}
  anonymous: {models: [gpt-4o*], guardrails: {fields: []}}
keys:
  - {name: web, secret: web-secret-00000000, tier: pro}
";
    let house = House::new(yaml, Script::default()).await;
    let key = Some("web-secret-00000000");
    let table = [
        (key, "gpt-4o-mini", "temperature", true),
        (key, "gpt-4o-mini", "max_tokens", false),
        (key, "gpt-4o-mini", "seed", false),
        (key, "plain", "temperature", false),
        (key, "plain", "top_p", true),
        (key, "plain", "stream", true),
        (None, "gpt-4o-mini", "top_p", false),
    ];
    for (key, model, field, allowed) in table {
        let mut body = chat(model, "Hello");
        body[field] = if field == "stream" { true.into() } else { 1.into() };
        let answer = house.caller(key).post(CHAT, &body).await;
        assert_eq!(answer.status.as_u16(), if allowed { 200 } else { 403 }, "{model} {field}");
        if !allowed {
            assert!(answer.message().contains(field), "{}", answer.message());
        }
    }
    let nothing = house.caller(None).post(CHAT, &chat("gpt-4o-mini", "Hello")).await;
    assert_eq!(nothing.status.as_u16(), 200, "what no request can lack is never off the list");
}

#[tokio::test]
async fn a_models_guardrails_bind_besides_the_callers_and_take_nothing() {
    let yaml = "
guardrails: {max_input_tokens: 1k, max_output_tokens: 100, tools: [search, find]}
models:
  wide: {serve: [sim/gpt-4o-mini]}
  narrow:
    serve: [sim/gpt-4o-mini]
    guardrails: {max_input_tokens: 20, max_output_tokens: 50, tools: [search]}
tiers:
  anonymous: {models: ['*'], limits: [900 requests per day per ip, 90k tokens per day per ip]}
";
    let house = House::new(yaml, Script::default()).await;
    let caller = house.caller(None);
    let long = " hello".repeat(30);
    let answer = caller.post(CHAT, &chat("narrow", &long)).await;
    assert_eq!(refusal(&answer).1, "context_length_exceeded");
    let message = answer.message();
    assert!(message.contains("37 tokens") && message.contains("at most 20"), "{message}");
    let mut body = chat("narrow", "Hi");
    body["tools"] = json!([nested("find")]);
    assert_eq!(refusal(&caller.post(CHAT, &body).await).2.as_deref(), Some("tools[0]"));
    assert_eq!(house.standing(&caller, "900 requests").await, (0, 0));
    assert_eq!(house.standing(&caller, "90k tokens").await, (0, 0));
    assert_eq!(house.provider.counters().seen, 0);

    body["model"] = "wide".into();
    assert_eq!(caller.post(CHAT, &body).await.status.as_u16(), 200);
    assert_eq!(caller.post(CHAT, &chat("wide", &long)).await.status.as_u16(), 200);
    for (model, most) in [("wide", 100), ("narrow", 50)] {
        let mut body = chat(model, "Hi");
        body["max_tokens"] = 4000.into();
        assert_eq!(caller.post(CHAT, &body).await.status.as_u16(), 200);
        let seen: Value =
            serde_json::from_slice(&house.provider.seen().last().unwrap().body).unwrap();
        assert_eq!(seen["max_tokens"], most, "{model}");
    }
}

/// Ten documents by their addresses once took 450,048 of 20,000 tokens: nothing was reserved for
/// what nobody could see.
#[tokio::test]
async fn a_document_that_nobody_can_see_is_as_long_as_the_model_reads() {
    let yaml = "
tiers:
  short: {models: [gpt-4o*, claude*], guardrails: {max_input_tokens: 60}}
  daily: {models: [gpt-4o*, claude*], limits: [20k tokens per day per key]}
  ample: {models: [gpt-4o*, claude*], limits: [1M input tokens per day per key]}
keys:
  - {name: short, secret: short-secret-000000, tier: short}
  - {name: daily, secret: daily-secret-000000, tier: daily}
  - {name: ample, secret: ample-secret-000000, tier: ample}
";
    let house = House::new(yaml, Script::default()).await;
    let [short, daily, ample] = ["short", "daily", "ample"]
        .map(|name| house.caller(Some(&format!("{name}-secret-000000"))));
    let input = json!([{"role": "user", "content": [
        {"type": "input_file", "file_url": "https://x/huge.pdf"}]}]);
    let content = json!([{"role": "user", "content": [
        {"type": "document", "source": {"type": "url", "url": "https://x/huge.pdf"}}]}]);
    let table = [
        (RESPONSES, json!({"input": input}), "128,000 tokens"),
        (MESSAGES, json!({"messages": content}), "200,000 tokens"),
    ];
    for (path, more, counted) in table {
        let body = case(path, more, "").body();
        let answer = short.post(path, &body).await;
        assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
        let message = answer.message();
        assert!(message.contains(counted) && message.contains("at most 60"), "{message}");
        assert!(message.contains("send its content instead"), "{message}");
        let never = daily.post(path, &body).await;
        assert_eq!(never.status.as_u16(), 429, "it can never pass");
        assert!(never.message().contains("send its content instead"), "{}", never.message());
    }
    assert_eq!(house.provider.counters().seen, 0);
    let body = case(RESPONSES, json!({"input": input}), "").body();
    assert_eq!(ample.post(RESPONSES, &body).await.status.as_u16(), 200);
}

#[tokio::test]
async fn the_output_cap_is_lowered_or_set_in_the_field_of_each_protocol() {
    let yaml = "
guardrails: {max_output_tokens: 2k}
tiers:
  anonymous: {models: [gpt-4o*, claude*]}
";
    let house = House::new(yaml, Script::default()).await;
    let thinks = |budget: u64| {
        json!({"max_tokens": 9000,
        "thinking": {"type": "enabled", "budget_tokens": budget}})
    };
    let table = [
        (CHAT, json!({"max_tokens": 9000}), "/max_tokens", json!(2000)),
        (CHAT, json!({"max_completion_tokens": 9000}), "/max_completion_tokens", json!(2000)),
        (CHAT, json!({"max_tokens": 10}), "/max_tokens", json!(10)),
        (CHAT, json!({}), "/max_tokens", json!(2000)),
        (RESPONSES, json!({"max_output_tokens": 9000}), "/max_output_tokens", json!(2000)),
        (RESPONSES, json!({}), "/max_output_tokens", json!(2000)),
        (MESSAGES, json!({"max_tokens": 9000}), "/max_tokens", json!(2000)),
        (MESSAGES, thinks(8000), "/thinking/budget_tokens", json!(1999)),
        (MESSAGES, thinks(1024), "/thinking/budget_tokens", json!(1024)),
    ];
    for (path, more, field, expected) in table {
        let body = case(path, more, "").body();
        let answer = house.caller(None).post(path, &body).await;
        assert_eq!(answer.status.as_u16(), 200, "{body}: {answer:?}");
        let seen: Value =
            serde_json::from_slice(&house.provider.seen().last().unwrap().body).unwrap();
        assert_eq!(seen.pointer(field), Some(&expected), "{body} became {seen}");
    }
}
