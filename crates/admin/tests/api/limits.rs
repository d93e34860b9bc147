//! Raises and resets: whom they reach, and what is written down.

use serde_json::{Value, json};
use tollgate_units::Span;

use crate::desk::Desk;

const LIMITS: &str = "/api/v1/limits";
const SENTENCE: &str = "2 requests per day per user";

async fn ana(desk: &Desk) -> String {
    desk.issue(json!({"name": "web", "tier": "free", "user": "ana"})).await
}

#[tokio::test]
async fn a_raise_lets_more_through_until_it_is_ended() {
    let desk = Desk::new().await;
    let secret = ana(&desk).await;
    let raise = json!({"subject": "user:ana", "limit": SENTENCE, "amount": "4", "for": "2h"});
    let (status, raised) = desk.ask("POST", LIMITS, &raise).await;
    assert_eq!(status, 200, "{raised}");
    let row = &raised["raises"][0];
    assert_eq!((&row["amount"], &row["until"]), (&json!("4"), &json!("2026-11-22T09:00:00Z")));
    for _ in 0..4 {
        assert_eq!(desk.call(&secret).await.status, 200);
    }
    assert_eq!(desk.call(&secret).await.status, 429);
    desk.house.settled().await;
    let (_, stands) = desk.ask("GET", "/api/v1/limits?subject=user:ana", &json!(null)).await;
    let row = &stands["holders"][0]["limits"][0];
    assert_eq!((&row["amount"], &row["raised_until"]), (&json!(4), &json!("2026-11-22T09:00:00Z")));

    let (_, list) = desk.ask("GET", "/api/v1/limits/raises", &json!(null)).await;
    assert_eq!(list, raised);
    let path = format!("/api/v1/limits/raises/{}", list["raises"][0]["id"].as_str().unwrap());
    assert_eq!(desk.ask("DELETE", &path, &json!(null)).await.0, 200);
    assert_eq!(desk.ask("DELETE", &path, &json!(null)).await.0, 404);
    let (_, stands) = desk.ask("GET", "/api/v1/limits?subject=user:ana", &json!(null)).await;
    assert_eq!(stands["holders"][0]["limits"][0]["amount"], 2);
    let done = ["limit.lower user:ana", "limit.raise user:ana", "key.create web"];
    assert_eq!(desk.audit().await, done);
}

#[tokio::test]
async fn a_raise_ends_by_itself() {
    let desk = Desk::new().await;
    let secret = ana(&desk).await;
    let lower = json!({"subject": "user:ana", "limit": SENTENCE, "amount": "0", "for": "1m"});
    assert_eq!(desk.ask("POST", LIMITS, &lower).await.0, 200);
    assert_eq!(desk.call(&secret).await.status, 429);
    desk.house.wait(Span::from_secs(60));
    assert_eq!(desk.call(&secret).await.status, 200);
    let (_, list) = desk.ask("GET", "/api/v1/limits/raises", &json!(null)).await;
    assert_eq!(list, json!({"raises": []}));
}

#[tokio::test]
async fn a_reset_forgets_what_is_used_and_says_how_much() {
    let desk = Desk::new().await;
    let secret = ana(&desk).await;
    for _ in 0..2 {
        assert_eq!(desk.call(&secret).await.status, 200);
    }
    assert_eq!(desk.call(&secret).await.status, 429);
    desk.house.settled().await;
    let reset = json!({"subject": "user:ana", "limit": SENTENCE, "reset": true});
    let (status, answer) = desk.ask("POST", LIMITS, &reset).await;
    assert_eq!(status, 200, "{answer}");
    let row = json!({"subject": "user:ana", "owner": null, "limit": SENTENCE, "forgotten": 2});
    assert_eq!(answer, json!({"reset": [row]}));
    assert_eq!(desk.call(&secret).await.status, 200);
    let (_, log) = desk.ask("GET", "/api/v1/audit?most=1", &json!(null)).await;
    let line = &log["audit"][0];
    assert_eq!((&line["action"], &line["details"]), (&json!("limit.reset"), &row));
    assert!(desk.house.meters.books().balance());
}

#[tokio::test]
async fn what_is_wrong_with_a_raise_is_said_with_its_field_and_changes_nothing() {
    let desk = Desk::new().await;
    ana(&desk).await;
    let with = |field: &str, value: Value| {
        let mut body =
            json!({"subject": "user:ana", "limit": SENTENCE, "amount": "4", "for": "2h"});
        if value.is_null() {
            body.as_object_mut().unwrap().remove(field);
        } else {
            body[field] = value;
        }
        body
    };
    let at_once =
        json!({"subject": "key:web", "limit": "3 streams at once per key", "reset": true});
    let table = [
        (with("subject", json!(null)), "subject", "required"),
        (with("subject", json!("user:bob")), "subject", "no limit counts that"),
        (with("subject", json!("")), "subject", "no limit counts that"),
        (with("limit", json!("3 requests per day per user")), "limit", SENTENCE),
        (with("limit", json!("nonsense")), "limit", "user:ana has these"),
        (with("amount", json!(null)), "amount", "required"),
        (with("amount", json!(4)), "amount", "expected a string"),
        (with("amount", json!("$4")), "amount", "such as \"50k\""),
        (with("amount", json!("4 requests")), "amount", "nothing else"),
        (with("amount", json!("10000000000000000000")), "amount", "2^63"),
        (with("for", json!(null)), "for", "required"),
        (with("for", json!("0h")), "for", "more than nothing"),
        (with("for", json!("for ever")), "for", "a length of time"),
        (with("reset", json!(true)), "reset", "not both"),
        (with("until", json!("x")), "until", "no such field"),
        (at_once, "limit", "nothing to forget"),
    ];
    for (body, field, part) in table {
        let (status, answer) = desk.ask("POST", LIMITS, &body).await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert_eq!(answer["error"]["field"], field, "{body}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
    assert_eq!(desk.audit().await, ["key.create web"]);
}
