//! A small HTTP client that sees everything: statuses, headers, bytes as they come.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// Somebody who calls the gateway.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    key: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as far as it came.
    pub body: Bytes,
    /// Whether the body came to its proper end.
    pub whole: bool,
}

/// An answer that is still coming.
#[derive(Debug)]
pub struct Running {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Incoming,
}

/// A chat request for `model` with one message.
pub fn chat(model: &str, prompt: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": prompt}]})
}

/// A request for a message of at most 100 tokens, in Anthropic's protocol.
pub fn message(model: &str, prompt: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": prompt}]})
}

impl Caller {
    pub(crate) fn new(addr: SocketAddr, key: Option<&str>) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            base: format!("http://{addr}"),
            key: key.map(str::to_owned),
            headers: Vec::new(),
        }
    }

    /// Who sends this header too, as often as it is said.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.push((HeaderName::from_bytes(name.as_bytes()).unwrap(), value));
        self
    }

    /// The same caller at another address: a provider, where a gateway is left out.
    #[must_use]
    pub fn to(self, addr: SocketAddr) -> Self {
        Self { base: format!("http://{addr}"), ..self }
    }

    /// Posts `body` to `path` and reads the whole answer.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_bytes(path, body.to_string()).await
    }

    /// Posts bytes as they are.
    pub async fn post_bytes(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        let running = self.send(Method::POST, path, body.into()).await;
        running.expect("the gateway answers").rest().await
    }

    /// Gets `path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.look(path).await.rest().await
    }

    /// Deletes what is at `path`.
    pub async fn delete(&self, path: &str) -> Answer {
        let running = self.send(Method::DELETE, path, Bytes::new()).await;
        running.expect("the gateway answers").rest().await
    }

    /// Posts `body` to `path` and returns with the head of the answer.
    pub async fn open(&self, path: &str, body: &Value) -> Running {
        let running = self.send(Method::POST, path, Bytes::from(body.to_string())).await;
        running.expect("the gateway answers")
    }

    /// Gets `path` and returns with the head of the answer.
    pub async fn look(&self, path: &str) -> Running {
        self.send(Method::GET, path, Bytes::new()).await.expect("the gateway answers")
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Option<Running> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = self.client.request(request.body(Full::new(body)).unwrap()).await.ok()?;
        let (parts, body) = response.into_parts();
        Some(Running { status: parts.status, headers: parts.headers, body })
    }
}

impl Running {
    /// The next bytes; nothing at the end, and nothing where the answer breaks off.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(data);
                    }
                }
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Everything that still comes.
    pub async fn rest(mut self) -> Answer {
        let (mut body, mut whole) = (Vec::new(), true);
        while let Some(frame) = self.body.frame().await {
            let Ok(frame) = frame else {
                whole = false;
                break;
            };
            if let Ok(data) = frame.into_data() {
                body.extend_from_slice(&data);
            }
        }
        Answer { status: self.status, headers: self.headers, body: body.into(), whole }
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The error's code.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The error's message.
    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}
