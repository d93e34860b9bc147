//! Bytes back: the body of an answer, passed on as it comes, read on the way, settled at its end.
//!
//! The server pulls this body, so a slow caller slows the provider and nothing piles up here. When
//! the body ends, breaks, or is dropped because the caller is gone, the connection to the provider
//! is closed first and then the truth is booked: what [`Reading`] knows of the answer by then.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tollgate_policy::Ended;
use tollgate_units::Tokens;
use tollgate_wire::{AccountKey, Endpoint, Stored, Tap, Usage};

use crate::background;
use crate::flight::Flight;
use crate::gate::Live;
use crate::repeats::Keeping;
use crate::stored::Looker;
use crate::telemetry::Outcome;

mod reading;
mod silence;

use reading::Reading;
use silence::Silence;

/// The body of a provider's answer on its way to the caller.
#[derive(Debug)]
pub struct Relay {
    upstream: Option<Incoming>,
    reading: Reading,
    /// The key that the provider was asked with, should it repeat it.
    key: AccountKey,
    /// What is ready to go out.
    ready: VecDeque<Bytes>,
    flight: Option<Box<Flight>>,
    /// Who looks, where nothing is charged.
    looker: Option<Looker>,
    /// Output tokens counted so far, for an answer that reports none.
    counted: Tokens,
    silence: Silence,
    broken: Option<Broken>,
    /// The answer, while it is kept to be given again.
    kept: Option<Box<Keeping>>,
    /// Whether the caller is gone, and the rest is only read for the truth.
    is_drained: bool,
    status: StatusCode,
}

/// The provider broke off, and the caller is to see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Broken {
    /// After one more turn: on an error the server closes at once, and what it has been given and
    /// not yet written would be lost.
    Flushing,
    /// Now.
    Told,
}

impl Relay {
    /// Relays `upstream`. Events are read where `tap` is given, else one JSON document.
    pub(crate) fn new(
        (status, upstream): (StatusCode, Incoming),
        tap: Option<Tap>,
        endpoint: Endpoint,
        flight: Box<Flight>,
    ) -> Self {
        let silence = Silence::of(flight.live().bounds.idle);
        let reading = tap.map_or_else(|| Reading::document(endpoint), Reading::events);
        let mut relay = Self::of(status, upstream, reading, silence);
        relay.key = flight.live().upstreams.key(flight.account().0);
        relay.flight = Some(flight);
        relay
    }

    /// The first piece of it has come already.
    pub(crate) fn beginning(mut self, first: Option<Bytes>) -> Self {
        if let Some(first) = first {
            self.take(first);
        }
        self
    }

    /// Keeps what goes by, to be given again.
    pub(crate) fn keeping(mut self, kept: Option<Keeping>) -> Self {
        self.kept = kept.map(Box::new);
        self
    }

    /// Relays the events of a stored response to whoever looks at it.
    pub(crate) fn of_stored(
        (status, upstream): (StatusCode, Incoming),
        live: &Live,
        account: usize,
        looker: Looker,
    ) -> Self {
        let key = live.upstreams.key(account);
        let reading = Reading::events(Tap::new(Endpoint::Responses, false).hiding(key.clone()));
        let mut relay = Self::of(status, upstream, reading, Silence::of(live.bounds.idle));
        relay.key = key;
        relay.looker = Some(looker);
        relay
    }

    fn of(status: StatusCode, upstream: Incoming, reading: Reading, silence: Silence) -> Self {
        Self {
            upstream: Some(upstream),
            reading,
            key: AccountKey::default(),
            ready: VecDeque::new(),
            flight: None,
            looker: None,
            counted: Tokens::ZERO,
            silence,
            broken: None,
            kept: None,
            is_drained: false,
            status,
        }
    }

    /// A piece of the answer came.
    fn take(&mut self, piece: Bytes) {
        if let Some(flight) = &mut self.flight {
            flight.first_piece();
        }
        let made = self.reading.push(piece, &mut self.ready);
        self.record(made);
        if self.reading.is_full() {
            self.count_text();
        }
        self.silence.begins_now();
    }

    /// What an event says was stored is recorded before its id goes out, so that whoever has it may
    /// use it.
    fn record(&mut self, made: Vec<Stored>) {
        match (&mut self.flight, &self.looker) {
            _ if made.is_empty() => {}
            (Some(flight), _) => flight.created(made),
            (None, Some(looker)) => looker.created(&made),
            (None, None) => {}
        }
    }

    /// Counts what was generated and not yet counted, so that it need not be kept.
    fn count_text(&mut self) {
        let text = self.reading.take_text();
        if let Some(flight) = &self.flight {
            self.counted = self.counted.plus(flight.count(&text));
        }
    }

    /// What the answer used, by the provider's word or else by counting what flowed.
    fn usage(&mut self) -> Usage {
        let searches = self.reading.searches();
        let usage = self.reading.usage().unwrap_or_else(|| {
            self.count_text();
            let flight = self.flight.as_ref();
            let counted = flight.map(|flight| flight.estimated(self.counted)).unwrap_or_default();
            // Anthropic tells the input first: then only the output has to be estimated.
            match self.reading.begun() {
                Some(begun) => Usage { output: counted.output, estimated: true, ..begun },
                None => counted,
            }
        });
        let billed = self.flight.as_ref().and_then(|flight| flight.billed(searches));
        Usage { billed: billed.or(usage.billed), ..usage }
    }

    /// Closes the provider's connection, then settles, once; or has work in the background followed
    /// to its end. Where somebody only looked, nothing is settled.
    fn end(&mut self, how: End) {
        if how == End::Abandoned
            && let Some(rest) = self.rest()
        {
            return drain(rest);
        }
        self.reading.join();
        let choices = self.choices();
        let whole = how == End::Complete && self.reading.is_whole(choices);
        let complete = whole && self.kept.is_some() && self.reading.is_complete(choices);
        self.upstream = None;
        if let Some(looker) = self.looker.take() {
            looker.created(&self.reading.take_created());
            if self.reading.is_done() {
                looker.told_of_the_end();
            }
        }
        let Some(flight) = &mut self.flight else {
            return;
        };
        flight.created(self.reading.take_created());
        if flight.is_background()
            && self.reading.goes_on()
            && let Some(flight) = self.flight.take()
        {
            return background::follow(flight, self.status);
        }
        let (mut usage, calls) = (self.usage(), self.reading.tool_calls());
        usage.tool_calls = calls.count;
        let Some(mut flight) = self.flight.take() else {
            return;
        };
        flight.called(calls);
        // A stream that breaks after its last event has still told the truth; usage on the way is
        // not yet the whole of it.
        let told = whole || (self.reading.is_done() && !usage.estimated);
        let ended = if told { Ended::Answered(&usage) } else { Ended::Broken(&usage) };
        let outcome = match how {
            End::Complete if whole => Outcome::Answered,
            End::Abandoned if told => Outcome::Answered,
            End::Abandoned => Outcome::Disconnected,
            End::Broken | End::Complete if self.reading.blames_request() => Outcome::CallerFault,
            End::Broken | End::Complete => Outcome::Failed,
            End::Silent => Outcome::TimedOut,
        };
        match &mut self.kept {
            Some(kept) if complete && !usage.estimated => kept.is_whole(&usage),
            _ => self.kept = None,
        }
        flight.end(ended, outcome, self.status);
    }

    /// What is left to be read of an answer whose caller is gone, where the provider goes on and is
    /// read to its end.
    fn rest(&mut self) -> Option<Self> {
        let drains = self.flight.as_ref().is_some_and(|flight| flight.is_drained());
        if self.is_drained || !drains || self.reading.is_done() {
            return None;
        }
        let upstream = self.upstream.take()?;
        let emptied = Reading::document(Endpoint::Responses);
        let reading = std::mem::replace(&mut self.reading, emptied);
        let mut rest = Self::of(self.status, upstream, reading, self.silence.again());
        (rest.flight, rest.counted, rest.is_drained) = (self.flight.take(), self.counted, true);
        Some(rest)
    }

    /// How many answers were asked for.
    fn choices(&self) -> u64 {
        let admitted = self.flight.as_ref().and_then(|flight| flight.admitted());
        admitted.map_or(1, |admitted| admitted.plan.ask().answers)
    }

    /// Whether nothing more can come: the whole length was read, or the last event was.
    fn may_be_over(&self) -> bool {
        match &self.reading {
            Reading::Events(_) => self.reading.is_done(),
            Reading::Whole { .. } => self.upstream.as_ref().is_some_and(Body::is_end_stream),
        }
    }

    /// Reads from the provider until something is ready to go out, or it has nothing yet.
    fn pull(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(upstream) = &mut self.upstream {
            match Pin::new(upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        self.take(piece);
                    }
                    // The end is looked for before the last bytes go out, so that a caller who has
                    // them finds its request settled.
                    if !self.ready.is_empty() && !self.may_be_over() {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(Some(Err(_))) => return self.broke(End::Broken),
                Poll::Ready(None) => {
                    self.reading.finish(&mut self.ready);
                    self.end(End::Complete);
                    return Poll::Ready(());
                }
                Poll::Pending if !self.ready.is_empty() => return Poll::Ready(()),
                Poll::Pending => {
                    ready!(self.silence.poll(context));
                    return self.broke(End::Silent);
                }
            }
        }
        Poll::Ready(())
    }

    /// The caller has all of it.
    fn has_gone_by(&mut self) {
        if let Some(kept) = self.kept.take() {
            kept.done();
        }
    }

    fn broke(&mut self, how: End) -> Poll<()> {
        self.end(how);
        self.broken = Some(Broken::Flushing);
        Poll::Ready(())
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        // Also when the last of it is ready: its end is looked for before it goes out.
        if self.ready.is_empty() || self.may_be_over() {
            ready!(self.pull(context));
        }
        if let Some(piece) = self.ready.pop_front() {
            let piece = self.key.masked(piece);
            if let Some(kept) = &mut self.kept {
                kept.goes_by(&piece);
            }
            // Whoever knows that this was the last asks no more.
            if self.is_end_stream() {
                self.has_gone_by();
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.broken {
            None => {
                self.has_gone_by();
                Poll::Ready(None)
            }
            Some(Broken::Told) => Poll::Ready(Some(Err(BrokenOff))),
            Some(Broken::Flushing) => {
                self.broken = Some(Broken::Told);
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.is_none() && self.ready.is_empty() && self.broken.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.reading, &self.upstream) {
            (Reading::Whole { .. }, Some(upstream)) => {
                let ready = self.ready.iter().map(|piece| piece.len() as u64).sum::<u64>();
                let whole = upstream.size_hint().exact().map(|rest| rest.saturating_add(ready));
                whole.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            _ => SizeHint::default(),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end(End::Abandoned);
    }
}

/// Reads the rest of an answer that nobody waits for, so that what it used is known.
fn drain(mut rest: Relay) {
    let Some(flight) = &mut rest.flight else {
        return;
    };
    let (tasks, until) = (flight.gate().tasks.clone(), flight.drained_until());
    tasks.spawn(async move {
        let read = async {
            while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {}
        };
        // What is not known by then is settled as it is with a connection that broke.
        let _read_or_not = tokio::time::timeout_at(until, read).await;
    });
}

/// How an answer came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The caller is gone.
    Abandoned,
    /// The provider's connection broke.
    Broken,
    /// The provider ended its answer.
    Complete,
    /// The provider said nothing for too long.
    Silent,
}

/// The provider broke off after the answer had begun: the caller's connection is cut too, because a
/// clean end would make half an answer look whole.
#[derive(Debug)]
pub struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the provider broke off")
    }
}

impl std::error::Error for BrokenOff {}
