//! The layer around hyper-util's client, over a socket.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tollgate_client::{Config, RetryConfig, Span, Tollgate, TollgateLayer};
use tower::{Layer as _, ServiceExt as _};

/// Answers one request on each connection, in the order of `statuses`; what it was sent.
async fn serve(listener: TcpListener, statuses: &[&str]) -> Vec<String> {
    let mut asked = Vec::new();
    for status in statuses {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"hello") {
            assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0, "it ended early");
        }
        asked.push(String::from_utf8(request).unwrap());
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(b"hi").await.unwrap();
    }
    asked
}

#[tokio::test]
async fn hyper_utils_client_sends_the_same_request_again_and_hands_the_body_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/v1/responses", listener.local_addr().unwrap());
    let statuses = ["503 Service Unavailable", "529 Overloaded", "200 OK"];
    let retry = RetryConfig { base: Span::from_millis(1), ..RetryConfig::default() };
    let gate = Tollgate::new(Config { retry, ..Config::default() }).unwrap();
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let client = TollgateLayer::new(gate).layer(http);
    let request = Request::post(uri).body(Full::from("hello")).unwrap();
    let (asked, answer) = tokio::join!(serve(listener, &statuses), client.oneshot(request));
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hi");
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|request| *request == asked[0]), "{asked:?}");
}
