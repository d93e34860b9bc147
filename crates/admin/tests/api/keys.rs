//! Keys: what may be asked, what is answered, what is written down.

use serde_json::{Value, json};
use tollgate_units::Span;

use crate::desk::Desk;

const KEYS: &str = "/api/v1/keys";

#[tokio::test]
async fn a_key_is_made_used_changed_rotated_and_revoked() {
    let desk = Desk::new().await;
    let secret = desk
        .issue(json!({"name": "web", "tier": "free", "team": "acme", "expires_in": "30d",
                      "limits": ["1000 tokens per day"], "models": ["gpt-4o*"]}))
        .await;
    assert!(secret.starts_with("tgk_") && secret.len() == 4 + 64 + 8, "{secret}");
    assert_eq!(desk.call(&secret).await.status, 200);
    assert_eq!(desk.call(&secret).await.status, 200);
    assert_eq!(desk.call(&secret).await.status, 429);

    let change = json!({"tier": "pro", "team": null, "limits": [], "models": null});
    let (status, changed) = desk.ask("PATCH", "/api/v1/keys/web", &change).await;
    assert_eq!(status, 200, "{changed}");
    let key = &changed["key"];
    assert_eq!(
        (&key["tier"], &key["team"], &key["limits"]),
        (&json!("pro"), &json!(null), &json!([]))
    );
    assert_eq!(key["expires_at"], "2026-12-22T07:00:00Z", "what is not named stays");
    assert_eq!(desk.call(&secret).await.status, 200, "of five, two are used");

    let (status, rotated) =
        desk.ask("POST", "/api/v1/keys/web/rotate", &json!({"grace": "1h"})).await;
    assert_eq!(status, 200, "{rotated}");
    assert_eq!(rotated["key"]["previous_until"], "2026-11-22T08:00:00Z");
    let second = rotated["secret"].as_str().unwrap();
    assert_eq!(desk.call(&secret).await.status, 200);
    desk.house.wait(Span::from_secs(3600));
    assert_eq!(desk.call(&secret).await.status, 401);
    assert_eq!(desk.call(second).await.status, 200);

    let (status, revoked) = desk.ask("DELETE", "/api/v1/keys/web", &json!(null)).await;
    assert_eq!((status, &revoked["key"]["state"]), (200, &json!("revoked")));
    assert_eq!(desk.call(second).await.status, 401);
    let (status, again) = desk.ask("DELETE", "/api/v1/keys/web", &json!(null)).await;
    assert_eq!((status, again), (200, revoked), "once more changes nothing");
    for (method, path) in [("PATCH", "/api/v1/keys/web"), ("POST", "/api/v1/keys/web/rotate")] {
        assert_eq!(desk.ask(method, path, &json!({})).await.0, 409, "{path}");
    }
    let done = ["key.revoke web", "key.rotate web", "key.update web", "key.create web"];
    assert_eq!(desk.audit().await, done);
}

#[tokio::test]
async fn the_audit_log_says_who_what_and_from_where_and_no_secret() {
    let desk = Desk::new().await;
    let secret = desk.issue(json!({"name": "web", "tier": "free"})).await;
    desk.ask("PATCH", "/api/v1/keys/web", &json!({"user": "ana"})).await;
    let (_, rotated) = desk.ask("POST", "/api/v1/keys/web/rotate", &json!(null)).await;
    let (_, log) = desk.ask("GET", "/api/v1/audit?most=2", &json!(null)).await;
    let [rotation, update] = log["audit"].as_array().unwrap().as_slice() else { panic!("{log}") };
    assert_eq!((&rotation["action"], &rotation["seq"]), (&json!("key.rotate"), &json!(3)));
    assert_eq!((&update["actor"], &update["at"]), (&json!("ana"), &json!("2026-11-22T07:00:00Z")));
    assert_eq!(update["token"].as_str().unwrap().len(), 8);
    assert_eq!(update["details"]["before"]["user"], json!(null));
    assert_eq!(update["details"]["after"]["user"], "ana");
    assert_eq!(log["next"], 2);
    let (_, rest) = desk.ask("GET", "/api/v1/audit?before=2", &json!(null)).await;
    assert_eq!((&rest["audit"][0]["action"], &rest["next"]), (&json!("key.create"), &json!(null)));
    let everything = [
        log,
        rest,
        desk.ask("GET", KEYS, &json!(null)).await.1,
        desk.ask("GET", "/api/v1/keys/web", &json!(null)).await.1,
    ];
    for secret in [&secret, rotated["secret"].as_str().unwrap()] {
        let digest = tollgate_policy::KeyDigest::of(secret).to_string();
        for (what, of) in [(secret, "the secret"), (&digest[7..], "its digest")] {
            assert!(!format!("{everything:?}").contains(what), "{of} is shown");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_said_with_its_field_and_changes_nothing() {
    let desk = Desk::new().await;
    desk.issue(json!({"name": "taken", "tier": "free"})).await;
    let long = "x".repeat(65);
    let many: Vec<String> = (1..=17).map(|n| format!("{n} requests per {n} minutes")).collect();
    let with = |field: &str, value: Value| {
        let mut body = json!({"name": "web", "tier": "free"});
        body[field] = value;
        body
    };
    let table = [
        (json!({"tier": "free"}), 400, "name", "required"),
        (json!({"name": "web"}), 400, "tier", "required"),
        (with("name", json!("a b")), 400, "name", "letters"),
        (with("name", json!("../x")), 400, "name", "letters"),
        (with("name", json!("")), 400, "name", "letters"),
        (with("name", json!(long)), 400, "name", "at most 64"),
        (with("name", json!(7)), 400, "name", "expected a string"),
        (with("name", json!("taken")), 409, "", "there is a key called taken"),
        (with("name", json!("listed")), 409, "", "the configuration has"),
        (with("tier", json!("fre")), 400, "tier", "did you mean \"free\"?"),
        (with("team", json!("")), 400, "team", "1 to 128"),
        (with("team", json!("a\nb")), 400, "team", "control"),
        (with("limits", json!("5 requests per minute")), 400, "limits", "a list"),
        (with("limits", json!([5])), 400, "limits[0]", "expected a string"),
        (with("limits", json!(many)), 400, "limits", "at most 16"),
        (
            with("limits", json!(["$1 per day", "5 tokens per dya"])),
            400,
            "limits[1]",
            "5 tokens per dya\n             ^^^ expected a period or a subject; did you mean \"day\"?",
        ),
        (
            with("limits", json!(["5 requests per minute", "6 requests per minute"])),
            400,
            "limits[1]",
            "counts the same as limits[0]",
        ),
        (
            with("limits", json!(["5 tokens per day, then downgrade to gpt-4o-minni"])),
            400,
            "limits[0]",
            "no such model; did you mean \"gpt-4o-mini\"?",
        ),
        (with("models", json!([])), 400, "models", "at least one"),
        (with("models", json!(["gpt-4o-minni"])), 400, "models[0]", "\"gpt-4o-mini\""),
        (with("models", json!(["*\n"])), 400, "models[0]", "a pattern"),
        (with("trust_user", json!("yes")), 400, "trust_user", "true or false"),
        (with("expires_at", json!("tomorrow")), 400, "expires_at", "2027-01-31"),
        (with("expires_at", json!("2020-01-01T00:00:00Z")), 400, "expires_at", "passed"),
        (with("expires_in", json!("0s")), 400, "expires_in", "more than nothing"),
        (with("expires_in", json!("5 years")), 400, "expires_in", "30s"),
        (with("secret", json!("mine")), 400, "secret", "no such field"),
        (with("limit", json!([])), 400, "limit", "did you mean \"limits\"?"),
        (json!([]), 400, "", "expected a JSON object"),
    ];
    for (body, status, field, part) in table {
        let (answered, answer) = desk.ask("POST", KEYS, &body).await;
        assert_eq!(answered, status, "{body}: {answer}");
        let error = &answer["error"];
        assert_eq!(error["field"].as_str().unwrap_or_default(), field, "{body}: {answer}");
        assert!(error["message"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
    assert_eq!(desk.audit().await, ["key.create taken"]);
}

const TWICE: &str = "the body: the field \"tier\" is there twice at line 1 column 52";

#[tokio::test]
async fn what_is_no_request_is_refused_as_json() {
    let desk = Desk::new().await;
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        desk.send(method, path, headers, body.to_owned()).await
    };
    let body = r#"{"name": "web", "tier": "free"}"#;
    let long = "x".repeat(70_000);
    assert_eq!(ask("POST", KEYS, &[], "{").await.0, 400);
    let twice = r#"{"name": "web", "tier": "free", "limits": [], "tier": "pro"}"#;
    let (status, answer) = ask("POST", KEYS, &[], twice).await;
    assert_eq!((status, answer["error"]["message"].as_str().unwrap()), (400, TWICE));
    let (status, answer) = ask("POST", KEYS, &[], &long).await;
    assert_eq!(status, 413);
    assert!(answer["error"]["message"].is_string(), "{answer}");
    let (status, answer) = ask("PUT", KEYS, &[], body).await;
    assert_eq!(status, 405);
    assert!(answer["error"]["message"].as_str().unwrap().contains("Allow"), "{answer}");
    let (status, answer) = ask("POST", "/api/v1/explain", &[], r#"{"key": 7}"#).await;
    assert_eq!(status, 422);
    assert!(answer["error"]["message"].as_str().unwrap().contains("key"), "{answer}");
    assert_eq!(ask("POST", KEYS, &[("content-type", "text/plain")], body).await.0, 415);
    assert_eq!(ask("POST", KEYS, &[("x-tollgate-actor", &long[..129])], body).await.0, 400);
    assert_eq!(ask("POST", KEYS, &[("x-tollgate-actor", "")], body).await.0, 400);
    assert_eq!(ask("POST", KEYS, &[("origin", "https://evil.example")], body).await.0, 403);
    assert_eq!(ask("GET", "/api/v1/keys?most=x", &[], "").await.0, 400);
    assert_eq!(ask("GET", "/api/v1/keys?secret=1", &[], "").await.0, 400);
    assert_eq!(ask("GET", "/api/v1/audit?before=-1", &[], "").await.0, 400);
    assert_eq!(ask("GET", "/api/v1/keys/nobody", &[], "").await.0, 404);
    assert_eq!(ask("DELETE", "/api/v1/keys/listed", &[], "").await.0, 409);
    assert_eq!(ask("DELETE", "/api/v1/keys/%2e%2e%2f%00", &[], "").await.0, 404);
    assert!(desk.audit().await.is_empty());
    assert_eq!(ask("POST", KEYS, &[], body).await.0, 201);
}

#[tokio::test]
async fn keys_are_listed_a_page_at_a_time() {
    let desk = Desk::new().await;
    for number in 0..5 {
        let team = if number < 3 { "a" } else { "b" };
        desk.issue(json!({"name": format!("k{number}"), "tier": "free", "team": team})).await;
    }
    let names = async |query: &str| {
        let (status, page) = desk.ask("GET", &format!("{KEYS}?{query}"), &json!(null)).await;
        assert_eq!(status, 200, "{page}");
        let names = page["keys"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|key| key["name"].as_str().unwrap().to_owned()).collect();
        (names.join(" "), page["next"].as_str().unwrap_or_default().to_owned())
    };
    let told = |names: &str, next: &str| (names.to_owned(), next.to_owned());
    assert_eq!(names("").await, told("k0 k1 k2 k3 k4", ""));
    assert_eq!(names("most=2").await, told("k0 k1", "k1"));
    assert_eq!(names("most=2&after=k1").await, told("k2 k3", "k3"));
    assert_eq!(names("most=3&team=a").await, told("k0 k1 k2", ""));
    assert_eq!(names("team=b").await, told("k3 k4", ""));
    assert_eq!(names("tier=pro").await, told("", ""));
}
