//! A client that is as plain as can be: one connection for each request, nothing retried.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot ask has failed")]

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tollgate_sim::provider::{Provider, Script, Seen};

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const RESPONSES: &str = "/v1/responses";

/// An answer, and whether its body broke off.
pub(crate) struct Got {
    pub(crate) body: String,
    pub(crate) broke: bool,
    pub(crate) frames: Vec<Bytes>,
    pub(crate) headers: HeaderMap,
    pub(crate) status: StatusCode,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The `data` of each event that is JSON.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.body)
    }
}

pub(crate) fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

pub(crate) async fn start(script: Script) -> Provider {
    Provider::start(script).await.unwrap()
}

/// What the books say once everything has ended.
pub(crate) async fn seen(provider: &Provider) -> Vec<Seen> {
    provider.until(|counters| counters.in_flight == 0).await;
    provider.seen()
}

/// A chat request with this prompt and, on top, `more`.
pub(crate) fn chat(prompt: &str, more: Value) -> Value {
    let mut body =
        json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]});
    merge(&mut body, more);
    body
}

pub(crate) fn merge(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}

/// Sends, and gives the head of the answer; dropping it closes the connection.
pub(crate) async fn send(
    provider: &Provider,
    path: &str,
    body: &Value,
) -> hyper::Result<http::Response<Incoming>> {
    send_as(provider, path, body, Version::HTTP_11).await
}

pub(crate) async fn send_as(
    provider: &Provider,
    path: &str,
    body: &Value,
    version: Version,
) -> hyper::Result<http::Response<Incoming>> {
    let io = TokioIo::new(TcpStream::connect(provider.addr()).await.unwrap());
    let uri = format!("http://{}{path}", provider.addr());
    let request = Request::post(uri)
        .header("host", provider.addr().to_string())
        .header("authorization", "Bearer sk-test")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    if version == Version::HTTP_2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        return sender.send_request(request).await;
    }
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(connection);
    sender.send_request(request).await
}

pub(crate) async fn post(provider: &Provider, path: &str, body: &Value) -> hyper::Result<Got> {
    read(send(provider, path, body).await?).await
}

pub(crate) async fn read(response: http::Response<Incoming>) -> hyper::Result<Got> {
    let (head, mut body) = response.into_parts();
    let (mut frames, mut broke) = (Vec::new(), false);
    while let Some(frame) = body.frame().await {
        match frame.map(|frame| frame.into_data().unwrap_or_default()) {
            Ok(bytes) => frames.push(bytes),
            Err(_) => broke = true,
        }
    }
    let body = String::from_utf8_lossy(&frames.concat()).into_owned();
    Ok(Got { body, broke, frames, headers: head.headers, status: head.status })
}
