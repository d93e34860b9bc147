//! Whose meters a raise or a reset reaches: one owner's, and every kind of limit has one.

use serde_json::{Value, json};
use tollgate_testkit::chat;

use crate::desk::Desk;

const LIMITS: &str = "/api/v1/limits";
const PER_USER: &str = "2 requests per day per user";
const CHAT: &str = "/v1/chat/completions";

/// Every owner of limits, each with limits that divide among nobody.
const OWNERS: &str = "
limits: [100 requests per day]
tiers:
  free:
    models: [gpt-4o-mini]
    limits:
      - 2 requests per day per user
      - 9 requests per day per user and model
      - 5 requests per hour per session
      - 50 requests per day
teams:
  acme: {limits: [40 requests per day]}
projects:
  bot: {limits: [41 requests per day]}
orgs:
  o1: {limits: [42 requests per day]}
keys:
  - {name: a, secret: a-secret-00000001, tier: free, user: ana, org: o1}
  - name: b
    secret: b-secret-00000001
    tier: free
    user: ana
    org: o2
    limits: [43 requests per day]
  - {name: web, secret: web-secret-000001, tier: free, trust_user: true}
  - {name: bob, secret: bob-secret-000001, tier: free, user: bob}
";

fn reset(subject: &str, limit: &str) -> Value {
    json!({"subject": subject, "limit": limit, "reset": true})
}

fn with(mut body: Value, fields: &Value) -> Value {
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn two_tenants_users_of_one_name_are_never_changed_by_one_word() {
    let desk = Desk::under(OWNERS).await;
    for secret in ["a-secret-00000001", "b-secret-00000001"] {
        for status in [200, 200, 429] {
            assert_eq!(desk.call(secret).await.status, status);
        }
    }
    desk.house.settled().await;
    let raise = json!({"subject": "user:ana", "limit": PER_USER, "amount": "3", "for": "2h"});
    for body in [reset("user:ana", PER_USER), raise.clone()] {
        let (status, answer) = desk.ask("POST", LIMITS, &body).await;
        assert_eq!(status, 409, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        for part in ["of org:o1 (key a)", "of org:o2 (key b)", "--key NAME"] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert!(desk.audit().await.is_empty(), "nothing was changed");

    let body = with(reset("user:ana", PER_USER), &json!({"key": "a"}));
    let (status, answer) = desk.ask("POST", LIMITS, &body).await;
    assert_eq!(status, 200, "{answer}");
    let row = json!({"subject": "user:ana", "owner": "org:o1", "limit": PER_USER, "forgotten": 2});
    assert_eq!(answer, json!({"reset": [row]}));
    assert_eq!(desk.call("a-secret-00000001").await.status, 200);
    assert_eq!(desk.call("b-secret-00000001").await.status, 429, "the other tenant's stays");

    let (status, raised) = desk.ask("POST", LIMITS, &with(raise, &json!({"key": "b"}))).await;
    assert_eq!(status, 200, "{raised}");
    assert_eq!(raised["raises"].as_array().unwrap().len(), 1);
    assert_eq!(raised["raises"][0]["owner"], "org:o2");
    let (_, list) = desk.ask("GET", "/api/v1/limits/raises", &json!(null)).await;
    assert_eq!(list, raised);
    let (_, log) = desk.ask("GET", "/api/v1/audit", &json!(null)).await;
    assert_eq!(log["audit"][0]["details"]["after"][0]["owner"], "org:o2");
    assert_eq!(log["audit"][1]["details"], row);
}

#[tokio::test]
async fn a_limit_without_a_subject_is_called_by_its_owner() {
    let desk = Desk::under(OWNERS).await;
    let key = json!({"name": "c", "tier": "free", "limits": ["44 requests per day"]});
    desk.issue(key).await;
    let table = [
        ("everybody", "100 requests per day"),
        ("tier:free", "50 requests per day"),
        ("team:acme", "40 requests per day"),
        ("project:bot", "41 requests per day"),
        ("org:o1", "42 requests per day"),
        ("key:b", "43 requests per day"),
        ("key:c", "44 requests per day"),
    ];
    assert_eq!(desk.call("a-secret-00000001").await.status, 200);
    desk.house.settled().await;
    let used = ["everybody", "tier:free", "org:o1"];
    for (subject, limit) in table {
        let raise = json!({"subject": subject, "limit": limit, "amount": "77", "for": "2h"});
        let (status, answer) = desk.ask("POST", LIMITS, &raise).await;
        assert_eq!(status, 200, "{subject}: {answer}");
        assert_eq!(answer["raises"][0]["subject"], subject);
        let (status, answer) = desk.ask("POST", LIMITS, &reset(subject, limit)).await;
        assert_eq!(status, 200, "{subject}: {answer}");
        let forgotten = usize::from(used.contains(&subject));
        let row =
            json!({"subject": subject, "owner": null, "limit": limit, "forgotten": forgotten});
        assert_eq!(answer, json!({"reset": [row]}));
    }
    let (_, stands) = desk.ask("GET", "/api/v1/limits?subject=key:b", &json!(null)).await;
    let rows = stands["holders"][0]["limits"].as_array().unwrap();
    let own = rows.iter().find(|row| row["subject"] == "key:b").unwrap();
    assert_eq!((&own["amount"], &own["raised_from"]), (&json!(77), &json!("43 requests per day")));
}

#[tokio::test]
async fn the_parts_of_a_subject_are_said_in_either_order() {
    let desk = Desk::under(OWNERS).await;
    for subject in ["user:bob and model:gpt-4o-mini", "model:gpt-4o-mini and user:bob"] {
        let body = reset(subject, "9 requests per day per user and model");
        let (status, answer) = desk.ask("POST", LIMITS, &body).await;
        assert_eq!(status, 200, "{answer}");
        let told = answer["reset"][0]["subject"].as_str().unwrap();
        assert_eq!(told, "model:gpt-4o-mini and user:bob", "as it is shown");
    }
}

#[tokio::test]
async fn a_user_and_a_session_that_an_application_names_are_found_by_its_key() {
    let desk = Desk::under(OWNERS).await;
    let web = desk.house.caller(Some("web-secret-000001"));
    let eve = web.with("x-tollgate-user", "eve").with("x-tollgate-session", "x");
    for status in [200, 200, 429] {
        assert_eq!(eve.post(CHAT, &chat("gpt-4o-mini", "Hi")).await.status, status);
    }
    desk.house.settled().await;
    let (_, stands) =
        desk.ask("GET", "/api/v1/limits?subject=user:eve&key=web", &json!(null)).await;
    let rows = stands["holders"][0]["limits"].as_array().unwrap();
    let row = rows.iter().find(|row| row["limit"] == PER_USER).unwrap();
    assert_eq!((&row["subject"], &row["used"]), (&json!("user:eve"), &json!(2)));
    assert_eq!(row["owner"], "key:web");

    let of_web = |body| with(body, &json!({"key": "web"}));
    let session = of_web(reset("session:x", "5 requests per hour per session"));
    let (_, without) = desk.ask("POST", LIMITS, &session).await;
    assert_eq!(without["reset"][0]["forgotten"], 0, "nobody's session of that name: {without}");
    let (_, found) = desk.ask("POST", LIMITS, &with(session, &json!({"user": "eve"}))).await;
    assert_eq!(found["reset"][0]["forgotten"], 2, "{found}");
    assert_eq!(found["reset"][0]["owner"], "key:web and user:eve");

    let (_, found) = desk.ask("POST", LIMITS, &of_web(reset("user:eve", PER_USER))).await;
    assert_eq!(found["reset"][0]["forgotten"], 2, "{found}");
    assert_eq!(eve.post(CHAT, &chat("gpt-4o-mini", "Hi")).await.status, 200);

    let user = json!({"user": "eve"});
    let table = [
        (reset("user:eve", PER_USER), "subject", "with the field key"),
        (with(reset("user:eve", PER_USER), &json!({"key": "bob"})), "subject", "trust_user"),
        (
            with(of_web(reset("session:x", PER_USER)), &json!({"key": "bob", "user": "eve"})),
            "user",
            "trust_user",
        ),
        (with(reset("user:eve", PER_USER), &json!({"key": "none"})), "key", "no such key"),
        (with(reset("session:x", PER_USER), &user), "user", "whose user"),
        (with(reset("user:eve", PER_USER), &json!({"issuer": "https://x"})), "issuer", "no such"),
    ];
    for (body, field, part) in table {
        let (status, answer) = desk.ask("POST", LIMITS, &body).await;
        assert_eq!((status, &answer["error"]["field"]), (400, &json!(field)), "{body}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
}

#[tokio::test]
async fn a_raised_limit_is_found_by_what_it_was_and_by_what_it_is() {
    let desk = Desk::under(OWNERS).await;
    for amount in ["3", "4"] {
        // The first time as configured, then as raised.
        let limit = if amount == "3" { PER_USER } else { "3 requests per day per user" };
        let raise = json!({"subject": "user:bob", "limit": limit, "amount": amount, "for": "2h"});
        let (status, answer) = desk.ask("POST", LIMITS, &raise).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["raises"][0]["limit"], PER_USER, "written down as configured");
    }
    let (_, stands) = desk.ask("GET", "/api/v1/limits?subject=user:bob", &json!(null)).await;
    let row = &stands["holders"][0]["limits"][0];
    assert_eq!(row["limit"], "4 requests per day per user");
    assert_eq!((&row["raised_from"], row["raised_until"].is_string()), (&json!(PER_USER), true));
    for sentence in [PER_USER, "4 requests per day per user"] {
        let (status, answer) = desk.ask("POST", LIMITS, &reset("user:bob", sentence)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["reset"][0]["limit"], PER_USER);
    }
    let (status, _) =
        desk.ask("POST", LIMITS, &reset("user:bob", "3 requests per day per user")).await;
    assert_eq!(status, 400, "what it was raised to before");
}
