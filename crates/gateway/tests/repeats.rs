//! Answers that are given again: to whom, when, and what they cost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::{Act, Dice, Script, provider::Fault, provider::Rebuff};
use tollgate_testkit::{Answer, House, Plot, chat};
use tollgate_units::{Span, Timestamp};

const CHAT: &str = "/v1/chat/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

const TIERS: &str = "
tiers:
  anonymous: {models: [gpt-4o*]}
  pro:
    models: ['*']
    limits: [1M tokens per day per key, 1000 requests per day per key]
models:
  gpt-4o-mini: {serve: [sim/gpt-4o-mini]}
  small: {serve: [sim/text-embedding-3-small]}
keys:
  - {name: ann, secret: ann-secret-01234567, tier: pro, team: acme, org: north}
  - {name: ada, secret: ada-secret-01234567, tier: pro, team: acme, org: north}
  - {name: bob, secret: bob-secret-01234567, tier: pro, team: beta, org: acme}
  - {name: cyd, secret: cyd-secret-01234567, tier: pro}
";

/// A house that keeps answers, and the switch that brings its provider down.
struct Kept {
    house: House,
    down: Arc<AtomicBool>,
}

async fn kept(cache: &str) -> Kept {
    let down = Arc::new(AtomicBool::new(false));
    let switch = down.clone();
    let script = Script::by(move |_| {
        let act = Act::tokens(20);
        let fault = Fault::Refused(Rebuff::Status(500));
        if switch.load(Relaxed) { act.with(fault) } else { act }
    });
    let yaml = format!("cache: {cache}\n{TIERS}");
    let house = Plot::new(&yaml).script(script).standing_still(NOON).build().await;
    Kept { house, down }
}

impl Kept {
    async fn ask(&self, who: Option<&str>, path: &str, body: &Value) -> Answer {
        let secret = who.map(|who| format!("{who}-secret-01234567"));
        let answer = self.house.caller(secret.as_deref()).post(path, body).await;
        self.house.settled().await;
        while self.house.gateway.answers().unwrap().unwritten() > 0 {
            tokio::task::yield_now().await;
        }
        answer
    }

    fn bring_down(&self, down: bool) {
        self.down.store(down, Relaxed);
    }
}

fn told(answer: &Answer) -> (StatusCode, &str) {
    (answer.status, answer.header("x-tollgate-cache"))
}

#[tokio::test]
async fn an_answer_is_given_again_when_no_provider_answers() {
    let kept = kept("{use: stale-if-error, ttl: 1h}").await;
    let hello = chat("gpt-4o-mini", "hello");
    let first = kept.ask(Some("ann"), CHAT, &hello).await;
    assert_eq!(told(&first), (StatusCode::OK, "miss"));
    kept.bring_down(true);
    let again = kept.ask(Some("ann"), CHAT, &hello).await;
    assert_eq!(told(&again), (StatusCode::OK, "hit"));
    assert_eq!((&again.body, again.header("content-type")), (&first.body, "application/json"));
    assert_eq!(again.header("x-tollgate-model"), "sim/gpt-4o-mini");
    // However it is written, and by whomever of the team.
    let written =
        r#"{"messages": [{"content":"hel\u006co","role":"user"}] ,"model":"gpt-4o-mini"}"#;
    let caller = kept.house.caller(Some("ada-secret-01234567"));
    assert_eq!(told(&caller.post_bytes(CHAT, written).await), (StatusCode::OK, "hit"));
    for who in [Some("bob"), Some("cyd"), None] {
        let other = kept.ask(who, CHAT, &hello).await;
        assert_eq!(told(&other), (StatusCode::BAD_GATEWAY, ""), "{who:?}");
    }
    assert_eq!(kept.ask(Some("ann"), CHAT, &chat("gpt-4o-mini", "hullo")).await.status, 502);
    // Old, and better than nothing; then too old.
    kept.house.wait(Span::from_secs(2 * 60 * 60));
    let old = kept.ask(Some("ann"), CHAT, &hello).await;
    assert_eq!((told(&old), old.header("age")), ((StatusCode::OK, "stale"), "7200"));
    kept.house.wait(Span::from_secs(23 * 60 * 60));
    assert_eq!(kept.ask(Some("ann"), CHAT, &hello).await.status, StatusCode::BAD_GATEWAY);
    // Once the provider serves, it is asked.
    kept.bring_down(false);
    assert_eq!(told(&kept.ask(Some("ann"), CHAT, &hello).await), (StatusCode::OK, "miss"));
}

#[tokio::test]
async fn what_would_come_out_the_same_is_asked_once_where_that_is_wanted() {
    let kept = kept("{use: always, ttl: 1h}").await;
    let embed = json!({"model": "small", "input": "hello"});
    let mut exact = chat("gpt-4o-mini", "hello");
    exact["temperature"] = json!(0);
    for (path, body) in [(EMBEDDINGS, &embed), (CHAT, &exact)] {
        let before = kept.house.provider.counters().seen;
        let first = kept.ask(Some("ann"), path, body).await;
        assert_eq!(told(&first), (StatusCode::OK, "miss"));
        let used = kept.house.standing(&kept.house.caller(Some("ann-secret-01234567")), "1M").await;
        let again = kept.ask(Some("ann"), path, body).await;
        assert_eq!((told(&again), &again.body), ((StatusCode::OK, "hit"), &first.body));
        assert_eq!(kept.house.provider.counters().seen, before + 1, "{path}");
        // It counts as a request, and uses no tokens.
        let caller = kept.house.caller(Some("ann-secret-01234567"));
        assert_eq!(kept.house.standing(&caller, "1M").await, used);
    }
    let caller = kept.house.caller(Some("ann-secret-01234567"));
    assert_eq!(kept.house.standing(&caller, "1,000 requests").await, (4, 0));
    // What may come out differently is not.
    let hello = chat("gpt-4o-mini", "hello");
    for _ in 0..2 {
        assert_eq!(told(&kept.ask(Some("ann"), CHAT, &hello).await), (StatusCode::OK, "miss"));
    }
    // Nor is what is no longer fresh.
    kept.house.wait(Span::from_secs(2 * 60 * 60));
    assert_eq!(told(&kept.ask(Some("ann"), CHAT, &exact).await), (StatusCode::OK, "miss"));
}

#[tokio::test]
async fn a_stream_is_given_again_as_the_stream_it_was() {
    let kept = kept("{use: stale-if-error}").await;
    let mut body = chat("gpt-4o-mini", "hello");
    body["stream"] = json!(true);
    let first = kept.ask(Some("ann"), CHAT, &body).await;
    kept.bring_down(true);
    let again = kept.ask(Some("ann"), CHAT, &body).await;
    assert_eq!((told(&again), &again.body), ((StatusCode::OK, "hit"), &first.body));
    assert!(again.header("content-type").starts_with("text/event-stream"));
    // Whoever wants one document is not given events.
    let whole = kept.ask(Some("ann"), CHAT, &chat("gpt-4o-mini", "hello")).await;
    assert_eq!(whole.status, StatusCode::BAD_GATEWAY);
}

/// An answer that a filter had cut, or that had no choices, was kept and given for an hour.
#[tokio::test]
async fn a_spoilt_answer_is_not_given_again() {
    let usage = r#""usage":{"prompt_tokens":9,"completion_tokens":1}"#;
    let choice = |finish: &str| {
        format!(r#""choices":[{{"index":0,"message":{{"content":"a"}},"finish_reason":{finish}}}]"#)
    };
    let whole = |parts: &str| Act::json(format!("{{{parts},{usage}}}"));
    let stream = |finish: &str| {
        let choice = choice(finish);
        let usage = format!("data: {{\"choices\":[],{usage}}}\n\n");
        Act::events(format!("data: {{{choice}}}\n\n{usage}data: [DONE]\n\n"))
    };
    let table = [
        (whole(&choice("\"stop\"")), "hit"),
        (whole(&choice("\"length\"")), "hit"),
        (whole(&choice("null")), "miss"),
        (whole(&choice("\"content_filter\"")), "miss"),
        (whole("\"choices\":[]"), "miss"),
        (whole(&format!("{},\"error\":{{\"code\":502}}", choice("\"stop\""))), "miss"),
        (stream("\"stop\""), "hit"),
        (stream("null"), "miss"),
        (stream("\"content_filter\""), "miss"),
    ];
    for (act, again) in table {
        let is_stream = act.verbatim.as_ref().unwrap().content_type == "text/event-stream";
        let yaml = format!("cache: {{use: always}}\n{TIERS}");
        let plot = Plot::new(&yaml).script(Script::of(act.clone()));
        let kept = Kept {
            house: plot.standing_still(NOON).build().await,
            down: Arc::new(AtomicBool::new(false)),
        };
        let mut body = chat("gpt-4o-mini", "hello");
        (body["temperature"], body["stream"]) = (json!(0), json!(is_stream));
        assert_eq!(told(&kept.ask(Some("ann"), CHAT, &body).await), (StatusCode::OK, "miss"));
        let second = kept.ask(Some("ann"), CHAT, &body).await;
        assert_eq!(told(&second), (StatusCode::OK, again), "{act:?}");
    }
}

/// The provider's own id tells whose answer it was: whoever is given it again must be of the scope
/// that it was made for, and must have asked the same.
#[tokio::test]
async fn no_sequence_of_requests_is_given_an_answer_of_another_scope() {
    for (scope, mates) in [("team", true), ("org", true), ("key", false), ("user", false)] {
        let kept = kept(&format!("{{use: always, scope: {scope}}}")).await;
        let mut dice = Dice::new(20_261_127);
        let mut made: HashMap<String, (String, String)> = HashMap::new();
        let mut given = 0;
        for _ in 0..250 {
            kept.bring_down(dice.below(3) == 0);
            let who = [Some("ann"), Some("ada"), Some("bob"), Some("cyd"), None];
            let who = who[usize::try_from(dice.below(5)).unwrap()];
            let mut body = chat("gpt-4o-mini", ["one", "two"][usize::from(dice.below(2) == 0)]);
            body["temperature"] = json!(dice.below(2));
            body["stream"] = json!(dice.below(2) == 0);
            let answer = kept.ask(who, CHAT, &body).await;
            if answer.status != StatusCode::OK {
                continue;
            }
            let mine = match who {
                Some("ann" | "ada") if mates => "acme",
                Some(name) => name,
                None => "nobody",
            };
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            let id = text.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
            let (id, asked) = (id.unwrap().to_owned(), (mine.to_owned(), body.to_string()));
            if answer.header("x-tollgate-cache") == "hit" {
                assert_eq!(made.get(&id), Some(&asked), "{scope}");
                given += 1;
            } else {
                assert_eq!(made.insert(id, asked), None, "{scope}: an answer was given unmarked");
            }
        }
        assert!(given > 30, "{scope}: {given}");
    }
}
