//! What `explain` says is what then happens, over a thousand random requests and states.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tollgate_gateway::Asker;
use tollgate_sim::{Act, Dice, Script};
use tollgate_testkit::{House, Plot, chat};
use tollgate_units::{Span, Timestamp};
use tollgate_wire::Endpoint;

const MORNING: Timestamp = Timestamp::from_millis(1_795_330_800_000);

const YAML: &str = "
models:
  large: {serve: [sim/gpt-4o], limits: [200 requests per hour]}
  small: {serve: [sim/gpt-4o-mini, sim/gpt-4.1-mini], guardrails: {max_output_tokens: 600}}
  closed: {serve: [sim/gpt-4o]}
teams: {acme: {limits: ['$0.30 per day, warn at 50%']}}
tiers:
  anonymous:
    models: [small]
    limits: [3 requests per minute per ip, 2k tokens per day per ip]
  pro:
    models: [large, small]
    limits:
      - 9 requests per minute per user
      - 100 tokens per second, burst 3k, per key
      - 4k tokens per hour per user, then downgrade to small
      - 6 tool calls per session, then answer without tools
      - 30 steps per session
      - 5 requests per day per key, named watched, shadow
keys:
  - {name: a, secret: a-secret-0123456789, tier: pro, team: acme}
  - {name: b, secret: b-secret-0123456789, tier: pro, limits: [$0.10 per hour]}
  - {name: c, secret: c-secret-0123456789, tier: pro, trust_user: true}
guardrails: {max_input_tokens: 400, tools: [search]}
sessions: {per_key_per_hour: 9}
";

/// A random request, and who sends it.
fn drawn(dice: &mut Dice) -> (Asker, Value) {
    let pick = |dice: &mut Dice, list: &[&str]| {
        list[usize::try_from(dice.below(list.len() as u64)).unwrap()].to_owned()
    };
    let key = pick(dice, &["a", "a", "b", "b", "c", "c", ""]);
    let session = pick(dice, &["", "one", "two", "three"]);
    let named = |text: String| Some(text).filter(|text| !text.is_empty());
    let user = named(pick(dice, &["", "ana", "ben"])).filter(|_| key == "c");
    let in_body = dice.below(2) == 0;
    let said = user.clone().filter(|_| !in_body);
    let asker = Asker { key: named(key), session: named(session), user: said, ..Asker::default() };
    let model =
        pick(dice, &["large", "large", "large", "large", "small", "small", "closed", "none"]);
    let mut body = chat(&model, &" hello".repeat(usize::try_from(dice.below(420)).unwrap()));
    if let Some(user) = user.filter(|_| in_body) {
        body["user"] = json!(user);
    }
    if dice.below(2) == 0 {
        body["max_tokens"] = json!(1 + dice.below(1500));
    }
    if dice.below(4) == 0 {
        body["n"] = json!(2);
    }
    if dice.below(3) > 0 {
        let name = pick(dice, &["search", "search", "search", "search", "search", "shell"]);
        body["tools"] = json!([{"type": "function", "function": {"name": name}}]);
    }
    (asker, body)
}

#[tokio::test]
async fn what_is_explained_is_what_happens() {
    let act = Act { tool_calls: 1, ..Act::tokens(150) };
    let plot = Plot::new(YAML).script(Script::of(act)).standing_still(MORNING);
    let house = plot.build().await;
    let mut dice = Dice::new(20_261_126);
    let mut ways = BTreeMap::<&str, u32>::new();
    for number in 0..1000 {
        if dice.below(2) == 0 {
            house.wait(Span::from_millis(dice.below(120_000)));
        }
        let (asker, body) = drawn(&mut dice);
        let text = Bytes::from(body.to_string());
        let told = house.gateway.explain(&asker, Endpoint::ChatCompletions, &text).await.unwrap();
        let way = happens(&house, &asker, &body, &told, number).await;
        *ways.entry(way).or_default() += 1;
    }
    for way in ["admitted", "downgraded", "without tools", "refused", "limited"] {
        assert!(ways.get(way).is_some_and(|times| *times >= 20), "{way}: {ways:?}");
    }
}

/// Sends the request, and says which way it went, which is the one that was told.
async fn happens(
    house: &House,
    asker: &Asker,
    body: &Value,
    told: &tollgate_gateway::Explanation,
    number: u32,
) -> &'static str {
    let secret = asker.key.as_ref().map(|key| format!("{key}-secret-0123456789"));
    let mut caller = house.caller(secret.as_deref());
    if let Some(session) = &asker.session {
        caller = caller.with("x-tollgate-session", session);
    }
    if let Some(user) = &asker.user {
        caller = caller.with("x-tollgate-user", user);
    }
    let answer = caller.post("/v1/chat/completions", body).await;
    house.settled().await;
    let what = format!("{number}: {asker:?} {body} {told:?}");
    if answer.status != StatusCode::OK {
        assert!(!told.admitted, "{what}\n{}", answer.message());
        assert_eq!(told.refusal.as_deref(), Some(&*answer.message()), "{what}");
        let limited = answer.status == StatusCode::TOO_MANY_REQUESTS;
        return if limited { "limited" } else { "refused" };
    }
    assert!(told.admitted, "{what}");
    assert_eq!(told.deployment.as_deref(), Some(answer.header("x-tollgate-model")), "{what}");
    let from = told.downgraded_from.as_deref().unwrap_or_default();
    assert_eq!(from, answer.header("x-tollgate-downgraded-from"), "{what}");
    let mut warnings = answer.headers.get_all("x-tollgate-warning").iter();
    let warned = warnings.any(|text| text.to_str().unwrap().contains("without tools"));
    assert_eq!(told.without_tools, warned, "{what}");
    let cap = answer.header("x-tollgate-max-output-tokens");
    if !cap.is_empty() {
        assert_eq!(told.output_tokens_max.unwrap().to_string(), cap, "{what}");
    }
    match (from, warned) {
        (_, true) => "without tools",
        ("", false) => "admitted",
        (_, false) => "downgraded",
    }
}
