//! What the provider has seen, generated and billed: the other side of the gateway's books.
//!
//! An [`Entry`] is opened when a request has been read and lives in its answer's body, so it ends
//! when the last byte is handed over, when a fault cuts it, or when the peer leaves: whichever
//! drops it. Tests wait on these books instead of sleeping.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tollgate_units::{PicoUsd, Span, Tokens};

use super::asked::{Asked, Endpoint};
use super::fault::Fault;
use super::script::{Act, Price};

/// One request that the provider has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How many answers were asked for.
    pub answers: u64,
    /// The `Authorization` header, as it came.
    pub authorization: Option<String>,
    /// What the provider charges for it.
    pub billed: PicoUsd,
    /// The body, as it came.
    pub body: Bytes,
    /// How much of the prompt it said was in its cache.
    pub cached_tokens: Tokens,
    /// The cap on each answer's tokens.
    pub cap: Option<Tokens>,
    /// How it ended.
    pub end: End,
    /// When it ended, after the provider's start.
    pub ended_at: Option<Span>,
    /// Where it came to.
    pub endpoint: Endpoint,
    /// What went wrong, by script.
    pub fault: Option<Fault>,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// The model's name.
    pub model: String,
    /// The how-manieth request this is, from zero.
    pub number: u64,
    /// How many tokens were generated: what has left, when the peer did not stay.
    pub output_tokens: Tokens,
    /// How many tokens the prompt has, by the provider's count.
    pub prompt_tokens: Tokens,
    /// When it was read, after the provider's start.
    pub received_at: Span,
    /// Whether its answer is streamed.
    pub stream: bool,
    /// Whether the stream was asked to end with usage.
    pub usage_asked: bool,
    /// Whether usage has been told.
    pub usage_reported: bool,
    /// The end user that it names.
    pub user: Option<String>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The peer left before the answer was whole.
    Cancelled,
    /// A fault of the script cut it.
    Cut,
    /// The answer is whole.
    Done,
    /// Not yet.
    Open,
    /// Answered with this status, and not for money.
    Refused(u16),
}

/// Everything together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// What the provider charges for it all.
    pub billed: PicoUsd,
    /// Requests whose peer left.
    pub cancelled: u64,
    /// Requests that a fault cut.
    pub cut: u64,
    /// Requests that were answered whole.
    pub done: u64,
    /// Answers that wait to be released.
    pub held: u64,
    /// Requests that have begun and not ended.
    pub in_flight: u64,
    /// The most that ever were in flight together.
    pub in_flight_max: u64,
    /// Tokens generated, those on their way included.
    pub output_tokens: u64,
    /// Tokens of the prompts that were billed.
    pub prompt_tokens: u64,
    /// Requests answered with an error.
    pub refused: u64,
    /// Requests seen.
    pub seen: u64,
    /// Streamed answers that have begun and not ended.
    pub streams: u64,
    /// The most that ever were open together.
    pub streams_max: u64,
}

impl Counters {
    /// Tokens billed: of prompts and answers.
    pub fn billed_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.output_tokens)
    }

    /// What is billed, in whole micro-dollars, rounded up.
    pub fn billed_micro_usd(&self) -> u64 {
        u64::try_from(self.billed.get().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    /// The counters as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "billed_micro_usd": self.billed_micro_usd(),
            "billed_tokens": self.billed_tokens(),
            "cancelled": self.cancelled,
            "cut": self.cut,
            "done": self.done,
            "held": self.held,
            "in_flight": self.in_flight,
            "in_flight_max": self.in_flight_max,
            "output_tokens": self.output_tokens,
            "prompt_tokens": self.prompt_tokens,
            "refused": self.refused,
            "seen": self.seen,
            "streams": self.streams,
            "streams_max": self.streams_max,
        })
    }
}

impl Seen {
    fn new(asked: &Asked, act: &Act, prompt_tokens: Tokens, received_at: Span) -> Self {
        let authorization = asked.headers.get(http::header::AUTHORIZATION);
        Self {
            answers: asked.answers,
            authorization: authorization.and_then(|value| value.to_str().ok()).map(str::to_owned),
            billed: PicoUsd::ZERO,
            body: asked.body.clone(),
            cached_tokens: act.cached_tokens.min(prompt_tokens),
            cap: asked.cap,
            end: End::Open,
            ended_at: None,
            endpoint: asked.endpoint,
            fault: act.fault,
            headers: asked.headers.clone(),
            model: asked.model.clone(),
            number: asked.number,
            output_tokens: Tokens::ZERO,
            prompt_tokens,
            received_at,
            stream: asked.stream,
            usage_asked: asked.usage_asked,
            usage_reported: false,
            user: asked.user.clone(),
        }
    }

    /// The request as one line of JSON; headers and body left out, but for `Authorization`.
    pub fn to_json(&self) -> Value {
        let (end, status) = match self.end {
            End::Cancelled => ("cancelled", None),
            End::Cut => ("cut", None),
            End::Done => ("done", Some(200)),
            End::Open => ("open", None),
            End::Refused(status) => ("refused", Some(status)),
        };
        json!({
            "number": self.number,
            "path": self.endpoint.path(),
            "model": self.model,
            "user": self.user,
            "stream": self.stream,
            "answers": self.answers,
            "cap": self.cap.map(Tokens::get),
            "prompt_tokens": self.prompt_tokens.get(),
            "cached_tokens": self.cached_tokens.get(),
            "output_tokens": self.output_tokens.get(),
            "usage_asked": self.usage_asked,
            "usage_reported": self.usage_reported,
            "fault": self.fault.map(|fault| fault.name()),
            "end": end,
            "status": status,
            "billed_pico_usd": self.billed.get().to_string(),
            "authorization": self.authorization,
            "received_ms": self.received_at.as_millis(),
            "ended_ms": self.ended_at.map(Span::as_millis),
        })
    }
}

/// Called with each request that has ended.
pub(super) type OnEnd = Box<dyn Fn(&Seen) + Send + Sync>;

/// The books of one provider.
pub(super) struct Ledger {
    books: Mutex<Books>,
    changed: Notify,
    on_end: Option<OnEnd>,
    remembers: bool,
    started: Instant,
}

#[derive(Default)]
struct Books {
    counters: Counters,
    seen: Vec<Seen>,
}

impl Ledger {
    pub(super) fn new(remembers: bool, on_end: Option<OnEnd>) -> Self {
        let started = Instant::now();
        Self { books: Mutex::default(), changed: Notify::new(), on_end, remembers, started }
    }

    /// How long the provider has been running.
    pub(super) fn now(&self) -> Span {
        Span::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn counters(&self) -> Counters {
        self.books().counters
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.books().seen.clone()
    }

    /// Waits until `holds` of the counters; looks at once, and again after each change.
    pub(super) async fn until(&self, mut holds: impl FnMut(&Counters) -> bool) -> Counters {
        loop {
            let mut changed = core::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let counters = self.counters();
            if holds(&counters) {
                return counters;
            }
            changed.await;
        }
    }

    /// Counts a request that has arrived.
    pub(super) fn arrived(self: &Arc<Self>) -> Arrival {
        let mut books = self.books();
        let counters = &mut books.counters;
        let number = counters.seen;
        counters.seen += 1;
        counters.in_flight += 1;
        counters.in_flight_max = counters.in_flight_max.max(counters.in_flight);
        drop(books);
        self.changed.notify_waiters();
        Arrival { end: End::Cancelled, ledger: Arc::clone(self), number }
    }

    /// Counts an answer that waits, as long as the value lives.
    pub(super) fn holding(self: &Arc<Self>) -> Holding {
        self.books().counters.held += 1;
        self.changed.notify_waiters();
        Holding(Arc::clone(self))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Counters stay true whatever panicked beside them.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that waits to be released.
pub(super) struct Holding(Arc<Ledger>);

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.books().counters.held -= 1;
        self.0.changed.notify_waiters();
    }
}

/// A request in flight; dropping it counts how it ended.
pub(super) struct Arrival {
    end: End,
    ledger: Arc<Ledger>,
    /// The how-manieth it is, from zero.
    pub(super) number: u64,
}

impl Arrival {
    /// What is said of it when it is dropped; a cancellation otherwise.
    pub(super) fn ends(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut books = self.ledger.books();
        let counters = &mut books.counters;
        counters.in_flight -= 1;
        match self.end {
            End::Cancelled | End::Open => counters.cancelled += 1,
            End::Cut => counters.cut += 1,
            End::Done => counters.done += 1,
            End::Refused(_) => counters.refused += 1,
        }
        drop(books);
        self.ledger.changed.notify_waiters();
    }
}

/// One request's open line in the books; dropping it closes the line.
pub(super) struct Entry {
    /// Dropped after the line is closed: whoever sees the counters sees a closed line.
    arrival: Arrival,
    /// Where its copy stands, if the books remember it.
    place: Option<usize>,
    price: Price,
    seen: Seen,
}

impl Entry {
    /// Opens a line for a request that has arrived.
    pub(super) fn open(
        arrival: Arrival,
        asked: &Asked,
        act: &Act,
        prompt_tokens: Tokens,
        price: Price,
    ) -> Self {
        let ledger = &arrival.ledger;
        let seen = Seen::new(asked, act, prompt_tokens, ledger.now());
        let mut books = ledger.books();
        let place = (ledger.remembers && books.seen.len() < SEEN_MAX).then_some(books.seen.len());
        if place.is_some() {
            books.seen.push(seen.clone());
        }
        if seen.stream {
            books.counters.streams += 1;
            books.counters.streams_max = books.counters.streams_max.max(books.counters.streams);
        }
        drop(books);
        ledger.changed.notify_waiters();
        Self { arrival, place, price, seen }
    }

    /// `tokens` more were generated.
    pub(super) fn flowed(&mut self, tokens: Tokens) {
        if tokens == Tokens::ZERO {
            return;
        }
        self.seen.output_tokens = self.seen.output_tokens.plus(tokens);
        let mut books = self.arrival.ledger.books();
        books.counters.output_tokens += tokens.get();
        if let Some(kept) = self.place.and_then(|place| books.seen.get_mut(place)) {
            kept.output_tokens = self.seen.output_tokens;
        }
        drop(books);
        self.arrival.ledger.changed.notify_waiters();
    }

    /// Usage was told.
    pub(super) fn usage_told(&mut self) {
        self.seen.usage_reported = true;
    }

    /// What is said of it when it is dropped; a cancellation otherwise.
    pub(super) fn ends(&mut self, end: End) {
        self.arrival.ends(end);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (seen, ledger) = (&mut self.seen, &self.arrival.ledger);
        (seen.end, seen.ended_at) = (self.arrival.end, Some(ledger.now()));
        // What was generated is billed, wanted or not; what failed before that is free.
        let is_billed = seen.end == End::Done || seen.output_tokens != Tokens::ZERO;
        let mut books = ledger.books();
        if is_billed {
            let (prompt, cached) = (seen.prompt_tokens, seen.cached_tokens);
            seen.billed = self.price.cost(prompt, cached, seen.output_tokens);
            books.counters.billed = books.counters.billed.plus(seen.billed);
            books.counters.prompt_tokens += prompt.get();
        }
        books.counters.streams -= u64::from(seen.stream);
        if let Some(kept) = self.place.and_then(|place| books.seen.get_mut(place)) {
            *kept = seen.clone();
        }
        drop(books);
        if let Some(on_end) = &ledger.on_end {
            on_end(seen);
        }
    }
}

/// How many requests the books remember; later ones are only counted.
const SEEN_MAX: usize = 100_000;
