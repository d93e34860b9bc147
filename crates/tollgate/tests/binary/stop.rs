//! A gateway is told to stop in the middle of streams.

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tollgate_sim::{Act, Provider, Script, provider::Hold};
use tollgate_units::Tokens;

use crate::house::{Directory, KEY, PROMPT, chat, day, within};
use crate::outside::caller::{Caller, whole};
use crate::outside::process::Process;

const ANSWER: u64 = 50;
const FLOWED: u64 = 2;

#[tokio::test]
async fn running_streams_finish_new_requests_are_refused_and_the_count_is_exact() {
    let (provider, directory) = house().await;
    let gateway = directory.start(&["--drain", "600"]).await;
    let caller = Caller::new(&gateway.listen, KEY);
    let streams = [begun(&caller).await, begun(&caller).await, begun(&caller).await];
    let mut idle = idle(&gateway).await;

    gateway.signal(Signal::TERM).unwrap();
    within(drains(&gateway)).await;
    let mut rest = Vec::new();
    within(idle.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), "", "an idle connection is closed");
    let late = within(Caller::new(&gateway.listen, KEY).chat(&chat(ANSWER))).await.unwrap();
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(late.headers().contains_key("retry-after"), "{late:?}");
    assert_eq!(provider.counters().seen, 3, "nothing new has reached the provider");

    provider.release();
    for stream in streams {
        let text = within(whole(stream)).await.unwrap().text();
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    }
    let (status, said) = within(gateway.ended()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{said}");

    let again = directory.start(&[]).await;
    let counted = day(&again).await;
    let exact = (3, 3 * (PROMPT + ANSWER), 0);
    assert_eq!((counted.requests, counted.tokens, counted.held), exact);
}

#[tokio::test]
async fn streams_that_outlast_the_drain_are_cut_off_and_settled_by_what_flowed() {
    let (_provider, directory) = house().await;
    let gateway = directory.start(&["--drain", "0"]).await;
    let stream = begun(&Caller::new(&gateway.listen, KEY)).await;
    gateway.signal(Signal::TERM).unwrap();
    assert!(within(whole(stream)).await.is_err(), "a torn stream must not look whole");
    let (status, said) = within(gateway.ended()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("cut off"), "{said}");

    let again = directory.start(&[]).await;
    let counted = day(&again).await;
    assert_eq!((counted.requests, counted.tokens, counted.held), (1, PROMPT + FLOWED, 0));
}

#[tokio::test]
async fn asked_twice_it_stops_at_once_and_forgets_nothing() {
    let (_provider, directory) = house().await;
    let gateway = directory.start(&["--drain", "600"]).await;
    let stream = begun(&Caller::new(&gateway.listen, KEY)).await;
    gateway.signal(Signal::INT).unwrap();
    within(drains(&gateway)).await;
    gateway.signal(Signal::INT).unwrap();
    let (status, said) = within(gateway.ended()).await.unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("stopped at once"), "{said}");
    drop(stream);

    let again = directory.start(&[]).await;
    let counted = day(&again).await;
    assert_eq!((counted.requests, counted.held), (1, 0));
    let possible = PROMPT + FLOWED..=PROMPT + ANSWER;
    assert!(possible.contains(&counted.tokens), "{counted:?}");
}

/// A provider whose streams wait after two tokens, and a configuration that leads to it.
async fn house() -> (Provider, Directory) {
    let act = Act {
        prompt_tokens: Some(Tokens::new(PROMPT)),
        hold: Some(Hold::After(Tokens::new(FLOWED))),
        ..Act::tokens(ANSWER)
    };
    let provider = Provider::start(Script::of(act)).await.unwrap();
    let directory = Directory::new().serving(&provider);
    (provider, directory)
}

/// A stream whose first tokens have come.
async fn begun(caller: &Caller) -> Response<Incoming> {
    let mut body = chat(ANSWER);
    body["stream"] = json!(true);
    let mut stream = within(caller.chat(&body)).await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let mut events = 0;
    // One event says who speaks, then there is one for each token.
    while events < 1 + FLOWED {
        let frame = within(stream.body_mut().frame()).await.unwrap().unwrap();
        let data = frame.into_data().unwrap();
        events += String::from_utf8_lossy(&data).matches("data: ").count() as u64;
    }
    stream
}

/// A connection that has had an answer and is kept alive.
async fn idle(gateway: &Process) -> TcpStream {
    let mut connection = TcpStream::connect(host(gateway)).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", host(gateway));
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("ok\"}") {
        let mut some = [0; 1024];
        let count = within(connection.read(&mut some)).await.unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&some[..count]);
    }
    connection
}

/// Waits until it says that it is on its way out; each time on a new connection, which it still
/// accepts.
async fn drains(gateway: &Process) {
    loop {
        let ready = Caller::new(&gateway.listen, KEY).get("/readyz").await;
        // A connection that was idle when the drain began is closed without an answer.
        if ready.is_ok_and(|ready| ready.status == StatusCode::SERVICE_UNAVAILABLE) {
            return;
        }
    }
}

fn host(gateway: &Process) -> &str {
    gateway.listen.strip_prefix("http://").unwrap()
}
