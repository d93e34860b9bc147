//! Keys and raises that are given while the gateway runs, as callers meet them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_gateway::upstream::Timeouts;
use tollgate_gateway::{Asker, Live, Upstreams, Whose};
use tollgate_policy::{KeyDigest, Policy};
use tollgate_sim::{Act, Script};
use tollgate_store::{Entry, IssuedKey, Raise};
use tollgate_testkit::{Answer, House, Plot, chat};
use tollgate_units::{Amount, Span, Timestamp};
use tollgate_wire::Endpoint;

/// Sunday, 2026-11-22, 07:00 in UTC.
const MORNING: Timestamp = Timestamp::from_millis(1_795_330_800_000);
const CHAT: &str = "/v1/chat/completions";
const POLICY: &str = "
tiers:
  free:
    models: [gpt-4o*]
    limits: [2 requests per day per user]
  pro:
    models: [gpt-4o*]
    limits: [5 requests per day per user]
keys:
  - {name: listed, secret: listed-secret-0001, tier: pro}
";

async fn house() -> House {
    Plot::new(POLICY).script(Script::of(Act::tokens(3))).standing_still(MORNING).build().await
}

fn key(name: &str, secret: &str, tier: &str) -> IssuedKey {
    IssuedKey {
        name: name.to_owned(),
        digest: *KeyDigest::of(secret).as_bytes(),
        previous: None,
        hint: "tgk_00000000".to_owned(),
        tier: tier.to_owned(),
        team: None,
        user: None,
        project: None,
        org: None,
        limits: Vec::new(),
        models: None,
        trust_user: false,
        created_at: MORNING,
        expires_at: None,
        revoked_at: None,
    }
}

fn entry(at: Timestamp) -> Entry {
    let word = |word: &str| word.to_owned();
    Entry {
        at,
        actor: None,
        token: word("00000000"),
        remote: word("127.0.0.1:1"),
        action: word("test"),
        target: word("test"),
        details: word("{}"),
    }
}

fn put(house: &House, key: &IssuedKey) {
    let now = house.gateway.clock().now();
    house.gateway.issued().desk().put(key.clone(), &entry(now)).unwrap();
}

async fn call(house: &House, secret: &str) -> Answer {
    house.caller(Some(secret)).post(CHAT, &chat("gpt-4o-mini", "Hi")).await
}

/// Everything that a caller is told of a failed authentication, less the id of its request.
fn told(answer: &Answer) -> (StatusCode, Value, Vec<String>) {
    let mut body = answer.json();
    body["error"]["tollgate"]["request_id"] = Value::Null;
    let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    (answer.status, body, names)
}

#[tokio::test]
async fn a_key_works_as_soon_as_it_is_issued_and_stops_as_soon_as_it_is_revoked() {
    let house = house().await;
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::UNAUTHORIZED);
    let web = key("web", "secret-1", "free");
    put(&house, &web);
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::OK);
    put(&house, &IssuedKey { revoked_at: Some(MORNING), ..web });
    let revoked = call(&house, "secret-1").await;
    assert_eq!(told(&revoked), told(&call(&house, "never-issued").await));
    assert_eq!(house.provider.counters().seen, 1);
}

#[tokio::test]
async fn an_expired_key_is_told_what_an_unknown_one_is_told() {
    let house = house().await;
    let expires_at = Some(MORNING.plus(Span::from_secs(60)));
    put(&house, &IssuedKey { expires_at, ..key("web", "secret-1", "free") });
    house.wait(Span::from_millis(59_999));
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::OK);
    house.wait(Span::from_millis(1));
    let expired = call(&house, "secret-1").await;
    assert_eq!(expired.status, StatusCode::UNAUTHORIZED);
    assert_eq!(expired.code(), "invalid_api_key");
    assert_eq!(told(&expired), told(&call(&house, "never-issued").await));
    let listed = house.caller(Some("secret-1")).get("/v1/models").await;
    assert_eq!(listed.status, StatusCode::UNAUTHORIZED, "on every path");
    let asker = Asker { key: Some("web".to_owned()), ..Asker::default() };
    let body = chat("gpt-4o-mini", "Hi").to_string().into();
    let explained = house.gateway.explain(&asker, Endpoint::ChatCompletions, &body).await.unwrap();
    let refusal = explained.refusal.unwrap();
    assert!(!explained.admitted);
    assert_eq!(refusal, format!("{} (this one has expired)", expired.message()));
}

/// A key of the configuration is let in, whatever became of an issued one of its name.
#[tokio::test]
async fn of_two_keys_of_a_name_the_one_that_counts_is_explained() {
    let house = house().await;
    put(&house, &IssuedKey { revoked_at: Some(MORNING), ..key("listed", "secret-1", "free") });
    assert_eq!(call(&house, "listed-secret-0001").await.status, StatusCode::OK);
    let asker = Asker { key: Some("listed".to_owned()), ..Asker::default() };
    let body = chat("gpt-4o-mini", "Hi").to_string().into();
    let explained = house.gateway.explain(&asker, Endpoint::ChatCompletions, &body).await.unwrap();
    assert!(explained.admitted, "{explained:?}");
    assert_eq!(explained.tier, "pro");
}

#[tokio::test]
async fn after_a_rotation_both_secrets_are_taken_until_the_grace_is_over() {
    let house = house().await;
    let web = key("web", "secret-1", "pro");
    put(&house, &web);
    let until = MORNING.plus(Span::from_secs(3600));
    let rotated =
        IssuedKey { previous: Some((web.digest, until)), ..key("web", "secret-2", "pro") };
    put(&house, &rotated);
    for secret in ["secret-1", "secret-2"] {
        assert_eq!(call(&house, secret).await.status, StatusCode::OK, "{secret}");
    }
    // Both are the same key: they share what it may use.
    house.settled().await;
    let caller = house.caller(Some("secret-2"));
    assert_eq!(house.standing(&caller, "5 requests").await, (2, 0));
    house.wait(Span::from_secs(3600));
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&house, "secret-2").await.status, StatusCode::OK);
    // Rotated again, the one before the last is gone at once.
    put(&house, &IssuedKey { previous: Some((rotated.digest, until)), ..key("web", "3", "pro") });
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_issued_key_has_limits_and_models_of_its_own() {
    let house = house().await;
    let limits = vec!["1 request per minute".to_owned()];
    let models = Some(vec!["gpt-4o-mini".to_owned()]);
    put(&house, &IssuedKey { limits, models, ..key("web", "secret-1", "pro") });
    let caller = house.caller(Some("secret-1"));
    let other = caller.post(CHAT, &chat("gpt-4o", "Hi")).await;
    assert_eq!(other.code(), "model_not_allowed");
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::OK);
    let refused = call(&house, "secret-1").await;
    assert_eq!(refused.json()["error"]["tollgate"]["limit"], "1 request per minute");
    house.settled().await;
    assert_eq!(house.standing(&caller, "5 requests").await, (1, 0), "the tier's count too");
}

/// A caller without a team is counted alone by a limit per team, and changes tier as any other.
#[tokio::test]
async fn a_change_of_tier_carries_what_is_used_in_the_place_of_a_team() {
    let house = House::new(
        "
tiers:
  free: {models: [gpt-4o-mini], limits: [2 requests per day per team]}
  pro: {models: [gpt-4o-mini], limits: [3 requests per day per team]}
",
        Script::default(),
    )
    .await;
    let statuses = async |keys: [IssuedKey; 2]| {
        let mut statuses = Vec::new();
        for key in keys {
            put(&house, &key);
            for _ in 0..2 {
                statuses.push(call(&house, "secret-1").await.status.as_u16());
            }
        }
        statuses
    };
    let alone = key("web", "secret-1", "free");
    let promoted = IssuedKey { tier: "pro".to_owned(), ..alone.clone() };
    assert_eq!(statuses([alone.clone(), promoted.clone()]).await, [200, 200, 200, 429]);
    let with_team = |key: IssuedKey| IssuedKey { team: Some("acme".to_owned()), ..key };
    let teams = [with_team(alone), with_team(promoted)];
    assert_eq!(statuses(teams).await, [200, 200, 200, 200], "teams of two tiers stay apart");
}

#[tokio::test]
async fn a_change_of_tier_carries_what_is_used() {
    let house = house().await;
    let web = key("web", "secret-1", "free");
    put(&house, &web);
    for _ in 0..2 {
        assert_eq!(call(&house, "secret-1").await.status, StatusCode::OK);
    }
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::TOO_MANY_REQUESTS);
    put(&house, &IssuedKey { tier: "pro".to_owned(), ..web });
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::OK);
    house.settled().await;
    let caller = house.caller(Some("secret-1"));
    assert_eq!(house.standing(&caller, "5 requests").await, (3, 0));
}

/// What is in force with another list of tiers and keys; nothing is served.
fn live(house: &House, yaml: &str) -> Live {
    let text = format!(
        "data: \":memory:\"\nproviders: {{sim: {{kind: openai, base_url: \"http://127.0.0.1:1\", \
         api_key: sk-0123456789abcdef}}}}\nmodels: {{gpt-4o-mini: {{serve: [sim/gpt-4o-mini]}}}}\n\
         {yaml}"
    );
    let config = tollgate_config::parse("test.yaml", &text, &|_: &str| None);
    let settings = config.unwrap_or_else(|mistakes| panic!("{mistakes}")).settings;
    let second = Duration::from_secs(1);
    let timeouts = Timeouts { connect: second, first_byte: second };
    Live {
        policy: Policy::new(settings),
        upstreams: Upstreams::new(&[], timeouts).unwrap(),
        bounds: house.gateway.live().bounds,
        issuers: tollgate_gateway::Issuers::default(),
        webhook: None,
        routing: house.gateway.live().routing,
        cache: None,
    }
}

#[tokio::test]
async fn a_key_whose_tier_is_gone_is_unknown_until_it_comes_back() {
    let house = house().await;
    put(&house, &key("web", "secret-1", "free"));
    let looks = async |house: &House| house.caller(Some("secret-1")).get("/v1/models").await.status;
    assert_eq!(looks(&house).await, StatusCode::OK);
    house.gateway.replace(live(&house, "tiers: {pro: {models: [gpt-4o-mini]}}\n"));
    assert_eq!(looks(&house).await, StatusCode::UNAUTHORIZED);
    let back = "tiers: {free: {models: [gpt-4o-mini]}}\n";
    house.gateway.replace(live(&house, back));
    assert_eq!(looks(&house).await, StatusCode::OK);
    // The configuration's own key of that name is the one that counts.
    let named = format!("{back}keys: [{{name: web, secret: other-secret-0001, tier: free}}]\n");
    house.gateway.replace(live(&house, &named));
    assert_eq!(looks(&house).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn operators_find_issued_keys_where_they_find_the_others() {
    let house = house().await;
    for number in 0..7 {
        let team = Some(if number % 2 == 0 { "even" } else { "odd" }.to_owned());
        let name = format!("web-{number}");
        put(&house, &IssuedKey { team, ..key(&name, &format!("secret-{number}"), "pro") });
    }
    let names = |subject: Option<&str>, after: Option<&str>, most| {
        let page =
            house.gateway.standings(&Whose { subject, ..Whose::default() }, after, most).unwrap();
        let names: Vec<_> = page.holders.into_iter().map(|holder| holder.key).collect();
        (names.join(" "), page.next.unwrap_or_default())
    };
    let told = |names: &str, next: &str| (names.to_owned(), next.to_owned());
    assert_eq!(names(Some("team:odd"), None, 9), told("web-1 web-3 web-5", ""));
    assert_eq!(names(Some("team:even"), None, 2), told("web-0 web-2", "web-2"));
    assert_eq!(names(Some("team:even"), Some("web-2"), 2), told("web-4 web-6", ""));
    assert_eq!(names(Some("key:web-3"), None, 9), told("web-3", ""));
    assert_eq!(names(None, None, 3), told("listed web-0 web-1", "web-1"));
    assert_eq!(names(None, Some("listed"), 2), told("web-0 web-1", "web-1"));
    assert_eq!(names(None, Some("web-4"), 9), told("web-5 web-6", ""));
    let body = chat("gpt-4o-mini", "Hi").to_string().into();
    let asker = |name: &str| Asker { key: Some(name.to_owned()), ..Asker::default() };
    let explained = house.gateway.explain(&asker("web-0"), Endpoint::ChatCompletions, &body).await;
    let explained = explained.unwrap();
    assert!(explained.admitted, "{explained:?}");
    assert_eq!(explained.tier, "pro");
    let nobody = house.gateway.explain(&asker("web-9"), Endpoint::ChatCompletions, &body).await;
    assert_eq!(nobody.unwrap_err().message, "no such key");
}

#[tokio::test]
async fn a_raise_is_what_is_decided_and_what_is_told_while_it_lasts() {
    let house = house().await;
    put(&house, &IssuedKey { user: Some("ana".to_owned()), ..key("web", "secret-1", "free") });
    let found = house.gateway.meters_of(&Whose::of("user:ana")).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let raise = |amount, span| Raise {
        meter: found[0].watched.charge().meter.get(),
        amount: Amount::new(amount),
        until: MORNING.plus(span),
        sentence: found[0].watched.limit.sentence().to_owned(),
        subject: "user:ana".to_owned(),
        owner: None,
    };
    let set = |amount| {
        let raises = [raise(amount, Span::from_secs(3600))];
        house.gateway.issued().desk().raise(&raises, &entry(MORNING)).unwrap();
    };
    set(4);
    for left in [3, 2, 1, 0] {
        let answer = call(&house, "secret-1").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "4");
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), left.to_string());
    }
    let refused = call(&house, "secret-1").await;
    let about = refused.json()["error"]["tollgate"].clone();
    assert_eq!(about["limit"], "4 requests per day per user");
    assert_eq!((&about["amount"], &about["used"]), (&json!(4), &json!(4)));
    house.settled().await;
    let row = house.caller(Some("secret-1")).get("/v1/limits").await.json()["limits"][0].clone();
    assert_eq!((&row["amount"], &row["used"]), (&json!(4), &json!(4)));
    assert_eq!(row["raised_until"], "2026-11-22T08:00:00Z");
    // What the whole plane says: the limit's own amount is what a raise is asked for by.
    let found = house.gateway.meters_of(&Whose::of("user:ana")).unwrap();
    assert_eq!(found[0].watched.configured.limit().amount, Amount::new(2));
    set(0);
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::TOO_MANY_REQUESTS);
    set(6);
    assert_eq!(call(&house, "secret-1").await.status, StatusCode::OK);
    house.wait(Span::from_secs(3600));
    let over = call(&house, "secret-1").await.json()["error"]["tollgate"].clone();
    assert_eq!((&over["amount"], &over["used"]), (&json!(2), &json!(5)), "what was used stays");
    assert!(house.gateway.issued().raises(house.gateway.clock().now()).is_empty());
}

#[tokio::test]
async fn limits_that_count_no_caller_of_their_own_are_found_too() {
    let house = House::new(
        "
tiers:
  anonymous:
    models: [gpt-4o-mini]
    limits: [3 requests per day per ip, 9 requests per day per tier]
limits: [$5 per day, 7 requests per minute per model]
",
        Script::default(),
    )
    .await;
    let found = |subject: &str| {
        let found = house.gateway.meters_of(&Whose::of(subject)).unwrap();
        found.iter().map(|found| found.watched.limit.sentence().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("everybody"), ["$5 per day"]);
    assert_eq!(found("ip:192.0.2.7"), ["3 requests per day per ip"]);
    assert_eq!(found("tier:anonymous"), ["9 requests per day per tier"]);
    assert_eq!(found("model:gpt-4o-mini"), ["7 requests per minute per model"]);
    assert!(found("user:nobody").is_empty());
    assert!(found("").is_empty());
    // They are shown by the names that they are raised by.
    for subject in ["everybody", "tier:anonymous", "model:gpt-4o-mini"] {
        let shown = house.gateway.standings(&Whose::of(subject), None, 9).unwrap();
        let rows: Vec<_> = shown.holders[0].limits.iter().map(|row| row.limit.clone()).collect();
        assert_eq!(rows, found(subject), "{subject}");
    }
    assert!(
        house.gateway.standings(&Whose::of("user:nobody"), None, 9).unwrap().holders.is_empty()
    );
}
