//! A gateway on a standing clock, and somebody with its admin token.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use serde_json::{Value, json};
use tollgate_admin::{Admin, Token, router};
use tollgate_testkit::{Answer, House, Plot, chat};
use tollgate_units::Timestamp;
use tower::ServiceExt;

/// Sunday, 2026-11-22, 07:00 in UTC.
pub(crate) const MORNING: Timestamp = Timestamp::from_millis(1_795_330_800_000);
const TOKEN: &str = "tests-admin-token-0001";
const POLICY: &str = "
tiers:
  free:
    models: [gpt-4o-mini]
    limits: [2 requests per day per user, 3 streams at once per key]
  pro:
    models: [gpt-4o*]
    limits: [5 requests per day per user]
keys:
  - {name: listed, secret: listed-secret-0001, tier: pro}
";

pub(crate) struct Desk {
    pub(crate) house: House,
    router: Router,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::under(POLICY).await
    }

    /// The same under another policy.
    pub(crate) async fn under(policy: &str) -> Self {
        let house = Plot::new(policy).standing_still(MORNING).build().await;
        let (gateway, token) = (house.gateway.clone(), Token::new(TOKEN.to_owned()));
        Self {
            router: router(Admin { gateway, token, loopback: false, configuration: None }),
            house,
        }
    }

    /// Asks; the status, and the body as JSON.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("x-tollgate-actor", "ana")], text).await
    }

    /// Asks with headers and a body as they are.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> (u16, Value) {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        if headers.iter().all(|(name, _)| *name != "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let json = serde_json::from_slice(&body);
        (status, json.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&body))))
    }

    /// Issues a key; its secret.
    pub(crate) async fn issue(&self, fields: Value) -> String {
        let (status, answer) = self.ask("POST", "/api/v1/keys", &fields).await;
        assert_eq!(status, 201, "{answer}");
        answer["secret"].as_str().unwrap().to_owned()
    }

    /// Calls the data plane.
    pub(crate) async fn call(&self, secret: &str) -> Answer {
        let caller = self.house.caller(Some(secret));
        caller.post("/v1/chat/completions", &chat("gpt-4o-mini", "Hi")).await
    }

    /// What the audit log says, the latest first: action and target.
    pub(crate) async fn audit(&self) -> Vec<String> {
        let (_, log) = self.ask("GET", "/api/v1/audit", &json!(null)).await;
        let lines = log["audit"].as_array().unwrap().iter();
        let line = |line: &Value| {
            format!("{} {}", line["action"].as_str().unwrap(), line["target"].as_str().unwrap())
        };
        lines.map(line).collect()
    }
}
