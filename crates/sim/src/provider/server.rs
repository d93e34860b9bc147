//! The provider's socket: accepts, reads, answers, and breaks connections when the script says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tollgate_units::{Span, Timestamp};

use super::allowance::{Left, Style, TooMuch, go_duration};
use super::asked::{Asked, Endpoint, NotUnderstood, Tongue};
use super::body::{Answer, Broken, Paced, Pause};
use super::fault::{Fault, INVALID, ORGANISATION, Rebuff, error, rate_limited};
use super::kept::Kept;
use super::ledger::{Arrival, End, Entry, Ledger};
use super::lists;
use super::pace::{Pace, whole, word_for_word};
use super::paths::{Form, Place};
use super::script::{Act, Hold, Script};
use super::socket::Socket;
use super::turn::Turn;

/// What all connections share.
pub(super) struct House {
    left: Option<Mutex<Left>>,
    kept: Kept,
    pub(super) ledger: Arc<Ledger>,
    /// How often everything that waited was released.
    pub(super) releases: watch::Sender<u64>,
    script: Script,
}

impl House {
    pub(super) fn new(mut script: Script) -> Self {
        let ledger = Arc::new(Ledger::new(script.remembers, script.on_end.take()));
        let left = script.allowance.map(|allowance| Mutex::new(Left::of(allowance)));
        Self { left, kept: Kept::default(), ledger, releases: watch::Sender::new(0), script }
    }

    pub(super) fn release(&self) {
        self.releases.send_modify(|times| *times += 1);
    }

    /// Waits until whatever waited at the time of this call is released.
    fn released(&self) -> Pause {
        let mut releases = self.releases.subscribe();
        let before = *releases.borrow_and_update();
        let ledger = Arc::clone(&self.ledger);
        Box::pin(async move {
            let _holding = ledger.holding();
            // An error means that the provider is gone, and with it this connection.
            let _ = releases.wait_for(|times| *times > before).await;
        })
    }
}

/// Accepts connections until it is aborted; aborting it closes them all.
pub(super) async fn serve(listener: TcpListener, house: Arc<House>) {
    let mut connections = JoinSet::new();
    loop {
        // A failed accept is the peer's business, or passes (too many open files).
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        connections.spawn(connection(stream, Arc::clone(&house)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, house: Arc<House>) {
    // Without it small answers wait for acknowledgements; the answer is right either way.
    let _ = stream.set_nodelay(true);
    let resets = Arc::new(AtomicBool::new(false));
    let socket = Socket { resets: Arc::clone(&resets), stream };
    let service = service_fn(move |request| {
        let (house, resets) = (Arc::clone(&house), Arc::clone(&resets));
        async move { answer(&house, &resets, request).await }
    });
    // How a connection ends is the peer's choice or the script's: the books say which.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

type Answered = Result<Response<Answer>, Broken>;

async fn answer(house: &House, resets: &Arc<AtomicBool>, request: Request<Incoming>) -> Answered {
    if let Some((steps, packet)) = house.kept.replay(&request) {
        let paced = Paced::new(steps, None, packet, house.released(), Arc::clone(resets));
        let mut response = Response::new(Answer::Paced(Box::new(paced)));
        response.headers_mut().insert(CONTENT_TYPE, EVENTS);
        response
            .headers_mut()
            .insert("openai-organization", HeaderValue::from_static(ORGANISATION));
        return Ok(response);
    }
    if let Some(reply) = aside(house, &request) {
        return Ok(reply);
    }
    let mut arrival = house.ledger.arrived();
    if let Some(bytes) = &house.script.fixed {
        drain(request.into_body()).await?;
        arrival.ends(End::Done);
        return Ok(fixed(StatusCode::OK, bytes.clone()));
    }
    // A reset of an HTTP/2 stream must not take its neighbours along.
    let resets = if request.version() == Version::HTTP_2 {
        &Arc::new(AtomicBool::new(false))
    } else {
        resets
    };
    match read(request, arrival.number).await? {
        Ok(asked) => act(house, resets, arrival, &asked).await,
        Err(NotUnderstood(body)) => {
            arrival.ends(End::Refused(400));
            Ok(fixed(StatusCode::BAD_REQUEST, body))
        }
    }
}

/// What is not a request to a model: the list of models, the books, other paths.
fn aside(house: &House, request: &Request<Incoming>) -> Option<Response<Answer>> {
    let path = request.uri().path();
    let kept = house.kept.serve(request.method(), path, request.headers());
    if let Some((status, body)) = kept {
        return Some(fixed(status, body.to_string()));
    }
    let body = match (request.method(), path) {
        (&Method::GET, "/v1/models") => lists::models(),
        (&Method::GET, "/_sim/counters") => house.ledger.counters().to_json(),
        (&Method::GET, "/_sim/seen") => {
            house.ledger.seen().iter().map(super::ledger::Seen::to_json).collect::<Value>()
        }
        (&Method::POST, "/_sim/release") => {
            house.release();
            json!({})
        }
        (&Method::POST, _) if Place::of(request.uri()).is_some() => return None,
        (&Method::POST, _) if house.script.fixed.is_some() => return None,
        (method, path) => {
            let body = error(&format!("Invalid URL ({method} {path})"), INVALID, None).to_string();
            return Some(fixed(StatusCode::NOT_FOUND, body));
        }
    };
    Some(fixed(StatusCode::OK, body.to_string()))
}

async fn drain(mut body: Incoming) -> Result<(), Broken> {
    while let Some(frame) = body.frame().await {
        frame.map_err(|_| Broken)?;
    }
    Ok(())
}

async fn read(
    request: Request<Incoming>,
    number: u64,
) -> Result<Result<Asked, NotUnderstood>, Broken> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|_| Broken)?.to_bytes();
    // `aside` has let only endpoints pass.
    let usual = Place { endpoint: Endpoint::ChatCompletions, model: None, form: Form::Events };
    let place = Place::of(&head.uri).unwrap_or(usual);
    Ok(Asked::read(place, head.headers, body, number))
}

/// Plays the script for one request.
async fn act(house: &House, resets: &Arc<AtomicBool>, arrival: Arrival, asked: &Asked) -> Answered {
    let released = house.released();
    let act = house.script.act_for(asked);
    let prompt = act.prompt_tokens.unwrap_or_else(|| (house.script.count)(asked));
    let price = (house.script.price)(&asked.model);
    let mut entry = Entry::open(arrival, asked, &act, prompt, price);
    let turn = Turn::new(asked, &act, prompt);
    let mut headers = account_headers(asked);
    say(&act, &mut headers);
    if let Some((status, body)) = house.kept.missing(asked) {
        entry.ends(End::Refused(status.as_u16()));
        return Ok(fixed(status, body));
    }
    if let Err(refused) = take(house, &turn, &mut headers) {
        entry.ends(End::Refused(429));
        return Ok(too_much(house, headers, (asked, &turn), &refused));
    }
    let events = asked.stream.then(|| turn.events()).flatten();
    let released = head_pause(&act, &turn, events.is_some(), released).await;
    match act.fault {
        Some(Fault::Hang) => core::future::pending().await,
        Some(Fault::Reset) => {
            entry.ends(End::Cut);
            resets.store(true, Ordering::Relaxed);
            return Err(Broken);
        }
        Some(Fault::Refused(rebuff)) => {
            let response = refused(headers, rebuff, asked, act.headers.is_empty());
            entry.ends(End::Refused(response.status().as_u16()));
            return Ok(response);
        }
        Some(Fault::ErrorEvent) if events.is_none() => {
            entry.ends(End::Refused(500));
            return Ok(refused(headers, Rebuff::Status(500), asked, true));
        }
        _ => {}
    }
    house.kept.keep(asked, &act, &turn);
    let steps: Box<dyn Iterator<Item = _> + Send> = if let Some(verbatim) = &act.verbatim {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(verbatim.content_type));
        Box::new(word_for_word(verbatim).into_iter())
    } else if let Some(events) = events {
        let array = HeaderValue::from_static("application/json; charset=UTF-8");
        headers.insert(CONTENT_TYPE, if asked.form == Form::Array { array } else { EVENTS });
        Box::new(Pace::streamed(events, &turn, &act))
    } else {
        let body = turn.whole();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if act.fault != Some(Fault::Garbage) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Box::new(whole(body, &turn, act.fault).into_iter())
    };
    let paced = Paced::new(steps, Some(entry), act.packet, released, Arc::clone(resets));
    let mut response = Response::new(Answer::Paced(Box::new(paced)));
    let status = act.verbatim.as_ref().map(|verbatim| StatusCode::from_u16(verbatim.status));
    *response.status_mut() = status.and_then(Result::ok).unwrap_or_default();
    *response.headers_mut() = headers;
    Ok(response)
}

/// Waits as long as the head of the answer takes; gives the pause back where it is for later.
async fn head_pause(act: &Act, turn: &Turn, is_stream: bool, released: Pause) -> Pause {
    let mut wait = act.first_byte;
    if !is_stream {
        wait = wait.plus(Span::from_millis(act.gap.as_millis().saturating_mul(turn.each)));
    }
    if !wait.is_zero() {
        tokio::time::sleep(Duration::from_millis(wait.as_millis())).await;
    }
    let is_held = match act.hold {
        Some(Hold::Head) => true,
        Some(Hold::After(_)) => !is_stream,
        None => false,
    };
    if !is_held {
        return released;
    }
    released.await;
    Box::pin(core::future::ready(()))
}

/// Takes the request from the account's own limits, and tells them.
fn take(house: &House, turn: &Turn, headers: &mut HeaderMap) -> Result<(), TooMuch> {
    let Some(left) = &house.left else {
        return Ok(());
    };
    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = left.take((turn.prompt, turn.output()), house.ledger.now());
    left.tell(headers, clock());
    taken
}

#[expect(
    clippy::disallowed_methods,
    reason = "a provider is another machine, which has a clock of its own"
)]
fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or_default())
}

fn account_headers(asked: &Asked) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-organization-id", HeaderValue::from_static(ORGANISATION));
    headers.insert("openai-organization", HeaderValue::from_static(ORGANISATION));
    headers.insert("openai-processing-ms", HeaderValue::from_static("1"));
    headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
    headers.insert(SET_COOKIE, HeaderValue::from_static("__cf_bm=sim; path=/; HttpOnly"));
    if let Ok(id) = HeaderValue::from_str(&format!("req_sim{:06}", asked.number)) {
        let name = match asked.endpoint.tongue() {
            Tongue::Anthropic => "request-id",
            Tongue::Cohere => "x-debug-trace-id",
            Tongue::Gemini | Tongue::OpenAi => "x-request-id",
        };
        headers.insert(name, id);
    }
    headers
}

/// What the act says in headers of its own.
fn say(act: &Act, headers: &mut HeaderMap) {
    for (name, value) in &act.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
}

fn refused(
    mut headers: HeaderMap,
    rebuff: Rebuff,
    asked: &Asked,
    promises: bool,
) -> Response<Answer> {
    if rebuff == Rebuff::RateLimit && promises {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        headers.insert("retry-after-ms", HeaderValue::from_static("84"));
    }
    let (status, body) = match asked.endpoint.tongue() {
        Tongue::Anthropic => rebuff.in_anthropic(&asked.model),
        Tongue::Cohere => rebuff.in_cohere(&asked.model),
        Tongue::Gemini => rebuff.in_gemini(&asked.model),
        Tongue::OpenAi => (rebuff.status(), rebuff.body(&asked.model)),
    };
    let is_html = rebuff == Rebuff::BadGateway;
    let mut response = fixed(status, body);
    response.headers_mut().extend(headers);
    if is_html {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    }
    response
}

fn too_much(
    house: &House,
    mut headers: HeaderMap,
    (asked, turn): (&Asked, &Turn),
    refused: &TooMuch,
) -> Response<Answer> {
    let (counts, wait) = ((refused.limit, refused.used, refused.asked), refused.wait);
    let message = rate_limited(&turn.model, refused.unit, counts, &go_duration(wait));
    let body = error(&message, refused.unit, Some("rate_limit_exceeded")).to_string();
    headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs_ceil().max(1)));
    let style =
        house.left.as_ref().map(|left| left.lock().unwrap_or_else(PoisonError::into_inner).style());
    // Anthropic says it in whole seconds only.
    let body = if style == Some(Style::Anthropic) {
        Rebuff::RateLimit.in_anthropic(&asked.model).1
    } else {
        headers.insert("retry-after-ms", HeaderValue::from(wait.as_millis()));
        body
    };
    let mut response = fixed(StatusCode::TOO_MANY_REQUESTS, body);
    response.headers_mut().extend(headers);
    response
}

fn fixed(status: StatusCode, body: impl Into<Bytes>) -> Response<Answer> {
    let mut response = Response::new(Answer::Fixed(Some(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// More than any prompt of a test.
const BODY_BYTES_MAX: usize = 64 << 20;
