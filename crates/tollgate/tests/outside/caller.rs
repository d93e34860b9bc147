//! A small HTTP client for a gateway in another process, which may be killed at any moment.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Somebody who calls with a key.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    key: String,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// No answer, or not a whole one.
#[derive(Debug)]
pub(crate) struct Broken(String);

impl Caller {
    /// Somebody who calls `base` with `key`.
    pub(crate) fn new(base: &str, key: &str) -> Self {
        // A request is sent once: what is counted twice must have been sent twice by a test.
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .pool_idle_timeout(IDLE)
            .build_http();
        Self { client, base: base.to_owned(), key: key.to_owned() }
    }

    /// The same connections with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// Posts a chat request; returns with the head of the answer.
    pub(crate) async fn chat(&self, body: &Value) -> Result<Response<Incoming>, Broken> {
        self.send(Method::POST, "/v1/chat/completions", body.to_string()).await
    }

    /// Gets `path`.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Broken> {
        self.ask(Method::GET, path).await
    }

    /// Asks for `path`, with nothing in the body.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Result<Answer, Broken> {
        whole(self.send(method, path, String::new()).await?).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Response<Incoming>, Broken> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .body(Full::from(body))
            .map_err(|error| Broken(error.to_string()))?;
        self.client.request(request).await.map_err(|error| Broken(error.to_string()))
    }
}

/// Everything of an answer, to its proper end.
pub(crate) async fn whole(answer: Response<Incoming>) -> Result<Answer, Broken> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| Broken(error.to_string()))?.to_bytes();
    Ok(Answer { status: head.status, body })
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Shorter than the gateway's own patience, so that no request meets a connection just closed.
const IDLE: Duration = Duration::from_secs(5);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no whole answer: {}", self.0)
    }
}
