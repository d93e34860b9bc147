//! A provider made of a bare socket: what it sees, and what we say of what it does.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;

const PATIENT: Timeouts =
    Timeouts { connect: Duration::from_mins(1), first_byte: Duration::from_mins(1) };
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

fn account(base_url: String) -> Account {
    Account {
        name: "local".into(),
        base_url,
        protocol: Protocol::OpenAi,
        dialect: dialect_of("openai", ""),
        azure: None,
        api_key: Some("sk-secret".into()),
    }
}

fn upstreams(addr: SocketAddr, timeouts: Timeouts) -> Upstreams {
    Upstreams::new(&[account(format!("http://{addr}/v1/"))], timeouts).unwrap()
}

fn posting<'a>(path: &'a str, headers: HeaderMap, going: &'a Going) -> Post<'a> {
    Post { method: http::Method::POST, path, headers, body: Bytes::from_static(b"{}"), going }
}

async fn post(upstreams: &Upstreams) -> Result<Response<Incoming>, SendError> {
    post_with(upstreams, &Going::default()).await
}

async fn post_with(upstreams: &Upstreams, going: &Going) -> Result<Response<Incoming>, SendError> {
    upstreams.send(0, posting("/chat/completions", HeaderMap::new(), going)).await
}

/// Reads one request whose body is `{}`.
async fn request(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n{}") {
        let read = stream.read_buf(&mut seen).await.unwrap();
        assert_ne!(read, 0, "the request ended early: {}", String::from_utf8_lossy(&seen));
    }
    String::from_utf8(seen).unwrap()
}

#[tokio::test]
async fn a_request_goes_beneath_the_base_url_with_the_accounts_key() {
    let (listener, addr) = listen().await;
    let provider = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let seen = request(&mut stream).await;
        stream.write_all(ANSWER.as_bytes()).await.unwrap();
        seen
    });
    let upstreams = upstreams(addr, PATIENT);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer callers-own"));
    let answer = upstreams.send(0, posting("/chat/completions", headers, &Going::default())).await;
    assert_eq!(answer.unwrap().collect().await.unwrap().to_bytes(), "ok");
    let seen = provider.await.unwrap();
    assert!(seen.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("authorization: Bearer sk-secret\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {addr}\r\n")), "{seen}");
    assert!(!seen.contains("callers-own"), "{seen}");
}

#[tokio::test]
async fn an_account_without_a_key_sends_none_and_never_the_callers() {
    let (listener, addr) = listen().await;
    let provider = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let seen = request(&mut stream).await;
        stream.write_all(ANSWER.as_bytes()).await.unwrap();
        seen
    });
    let keyless = Account { api_key: None, ..account(format!("http://{addr}")) };
    let upstreams = Upstreams::new(&[keyless], PATIENT).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer callers-own"));
    upstreams.send(0, posting("/embeddings", headers, &Going::default())).await.unwrap();
    let seen = provider.await.unwrap();
    assert!(seen.starts_with("POST /embeddings HTTP/1.1\r\n"), "{seen}");
    assert!(!seen.contains("authorization"), "{seen}");
}

#[tokio::test]
async fn a_refused_connection_was_never_sent() {
    let (listener, addr) = listen().await;
    drop(listener);
    let going = Going::default();
    let error = post_with(&upstreams(addr, PATIENT), &going).await.unwrap_err();
    assert!(matches!(error, SendError::Connect(_)), "{error:?}");
    assert!(!going.has_begun());
    assert!(error.to_string().starts_with("never sent: "), "{error}");
}

#[tokio::test]
async fn a_provider_that_hangs_in_the_handshake_was_never_sent_anything() {
    let (listener, addr) = listen().await;
    let silent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
    });
    let trust = tls::client_config_trusting(RootCertStore::empty()).unwrap();
    let hasty = Timeouts { connect: Duration::from_millis(20), ..PATIENT };
    let accounts = [account(format!("https://{addr}"))];
    let upstreams = Upstreams::trusting(&trust, &accounts, hasty).unwrap();
    let error = post(&upstreams).await.unwrap_err();
    assert!(matches!(error, SendError::Connect(_)), "{error:?}");
    silent.await.unwrap();
}

#[tokio::test]
async fn a_first_byte_that_is_waited_for_in_vain_while_dialling_was_never_sent() {
    let (listener, addr) = listen().await;
    let trust = tls::client_config_trusting(RootCertStore::empty()).unwrap();
    let hasty = Timeouts { first_byte: Duration::from_millis(20), ..PATIENT };
    let accounts = [account(format!("https://{addr}"))];
    let upstreams = Upstreams::trusting(&trust, &accounts, hasty).unwrap();
    let error = post(&upstreams).await.unwrap_err();
    assert!(matches!(error, SendError::Connect(_)), "{error:?}");
    drop(listener);
}

#[tokio::test]
async fn a_connection_that_ends_after_the_request_may_have_been_sent() {
    let (listener, addr) = listen().await;
    let provider = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
    });
    let going = Going::default();
    let error = post_with(&upstreams(addr, PATIENT), &going).await.unwrap_err();
    assert!(matches!(error, SendError::Reset(_)), "{error:?}");
    assert!(going.has_begun());
    provider.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_not_http_comes_after_sending() {
    let (listener, addr) = listen().await;
    let provider = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"+PONG\r\n\r\n").await.unwrap();
    });
    let error = post(&upstreams(addr, PATIENT)).await.unwrap_err();
    assert!(matches!(error, SendError::Reset(_)), "{error:?}");
    provider.await.unwrap();
}

#[tokio::test]
async fn a_silent_provider_times_out_and_loses_its_connection() {
    let (listener, addr) = listen().await;
    let provider: JoinHandle<usize> = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap()
    });
    let hasty = Timeouts { first_byte: Duration::from_millis(20), ..PATIENT };
    let going = Going::default();
    let error = post_with(&upstreams(addr, hasty), &going).await.unwrap_err();
    assert!(matches!(error, SendError::TimedOut), "{error:?}");
    assert!(going.has_begun());
    // Ends only when our side has closed: the slot at the provider is free again.
    assert_eq!(provider.await.unwrap(), 0);
}

#[tokio::test]
async fn giving_up_an_answer_midway_closes_its_connection() {
    let (listener, addr) = listen().await;
    let provider: JoinHandle<usize> = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap()
    });
    let upstreams = upstreams(addr, PATIENT);
    let mut answer = post(&upstreams).await.unwrap();
    let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "hello");
    drop(answer);
    assert_eq!(provider.await.unwrap(), 0);
}

#[tokio::test]
async fn a_pooled_connection_is_used_again_and_its_loss_is_not_an_error() {
    let (listener, addr) = listen().await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let provider = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..2 {
            request(&mut stream).await;
            stream.write_all(ANSWER.as_bytes()).await.unwrap();
        }
        drop(stream);
        tell.send(()).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(ANSWER.as_bytes()).await.unwrap();
    });
    let upstreams = upstreams(addr, PATIENT);
    for _ in 0..2 {
        let answer = post(&upstreams).await.unwrap();
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "ok");
    }
    told.await.unwrap();
    // One thread: before this request is polled, the pool's own task has read the end of the
    // connection or will find it in the pool closed; either way nothing of the request was written.
    tokio::task::yield_now().await;
    post(&upstreams).await.unwrap();
    provider.await.unwrap();
}

#[test]
fn a_base_url_that_is_more_or_less_than_a_base_is_refused() {
    for url in [
        "api.openai.com/v1",
        "ftp://api.openai.com/v1",
        "http://user:pass@api.openai.com/v1",
        "http://api.openai.com/v1?key=1",
        "http://api.openai.com/v1#part",
        "http:///v1",
        "",
    ] {
        let error = Upstreams::new(&[account(url.to_owned())], PATIENT).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("provider local: base_url"), "{url:?}: {text}");
        assert!(!text.contains("pass"), "{text}");
    }
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_without_showing_it() {
    let account =
        Account { api_key: Some("sk-line\nbreak".into()), ..account("http://localhost".into()) };
    let error = Upstreams::new(&[account], PATIENT).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("provider local: api_key"), "{text}");
    assert!(!text.contains("sk-line"), "{text}");
}

#[test]
fn no_key_is_in_what_is_printed_for_debugging() {
    let account = account("http://localhost/v1".into());
    let upstreams = Upstreams::new(std::slice::from_ref(&account), PATIENT).unwrap();
    let text = format!("{account:?} {upstreams:?}");
    assert!(!text.contains("sk-secret"), "{text}");
    assert!(text.contains("local at http://localhost/v1"), "{text}");
}
