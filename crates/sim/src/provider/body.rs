//! The body of an answer: walks its steps and keeps its line in the books.
//!
//! It is pulled by the server, so a peer that reads slowly slows it down, and a peer that leaves
//! drops it; the entry in it is closed either way.

use std::future::Future;
use std::iter::Peekable;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tollgate_units::{Span, Tokens};

use super::ledger::{End, Entry};
use super::pace::Step;
use super::turn::Event;

/// The body of one answer.
pub(super) enum Answer {
    /// Bytes that are there.
    Fixed(Option<Bytes>),
    /// Steps to walk.
    Paced(Box<Paced>),
}

/// The connection broke, by script.
#[derive(Debug)]
pub(super) struct Broken;

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the script broke the connection")
    }
}

impl core::error::Error for Broken {}

/// A wait without an end known in advance.
pub(super) type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An answer on its way.
pub(super) struct Paced {
    /// Nothing where nothing is generated.
    entry: Option<Entry>,
    /// What the answer waits for now.
    hold: Option<Pause>,
    nap: Option<Pin<Box<Sleep>>>,
    is_napping: bool,
    packet: Option<usize>,
    partial: BytesMut,
    resets: Arc<AtomicBool>,
    steps: Peekable<Box<dyn Iterator<Item = Step> + Send>>,
    /// What to wait for when the steps say hold.
    release: Option<Pause>,
}

impl Paced {
    /// `steps`, with `release` for the one that says so; `resets` tells the socket how to close.
    pub(super) fn new(
        steps: Box<dyn Iterator<Item = Step> + Send>,
        entry: Option<Entry>,
        packet: Option<usize>,
        release: Pause,
        resets: Arc<AtomicBool>,
    ) -> Self {
        Self {
            entry,
            hold: None,
            nap: None,
            is_napping: false,
            packet,
            partial: BytesMut::new(),
            resets,
            steps: steps.peekable(),
            release: Some(release),
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        loop {
            ready!(self.poll_pause(cx));
            if let Some(bytes) = self.next_packet() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            match self.steps.next() {
                Some(Step::Send(event)) => {
                    if let Some(bytes) = self.send(event) {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Step::Wait(span)) => self.nap(span),
                Some(Step::Hold) => self.hold = self.release.take(),
                Some(Step::Flush) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Stall) => self.hold = Some(Box::pin(core::future::pending())),
                Some(Step::Reset) => {
                    self.ends(End::Cut);
                    self.resets.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(Broken)));
                }
                Some(Step::End) => {
                    self.ends(End::Cut);
                    return Poll::Ready(None);
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(hold) = &mut self.hold {
            ready!(hold.as_mut().poll(cx));
            self.hold = None;
        }
        if let Some(nap) = self.nap.as_mut().filter(|_| self.is_napping) {
            ready!(nap.as_mut().poll(cx));
            self.is_napping = false;
        }
        Poll::Ready(())
    }

    /// Books the event; gives its bytes, unless they are to go out in packets.
    fn send(&mut self, event: Event) -> Option<Bytes> {
        if let Some(entry) = &mut self.entry {
            entry.flowed(Tokens::new(event.tokens));
            if event.tells_usage {
                entry.usage_told();
            }
        }
        if self.steps.peek().is_none() {
            self.ends(End::Done);
        }
        if self.packet.is_none() {
            return Some(event.bytes);
        }
        self.partial.extend_from_slice(&event.bytes);
        None
    }

    fn ends(&mut self, end: End) {
        if let Some(entry) = &mut self.entry {
            entry.ends(end);
        }
    }

    /// A full packet; or what is left, when the next step is anything but more bytes.
    fn next_packet(&mut self) -> Option<Bytes> {
        let packet = self.packet.filter(|_| !self.partial.is_empty())?;
        if self.partial.len() >= packet {
            return Some(self.partial.split_to(packet).freeze());
        }
        let has_more = matches!(self.steps.peek(), Some(Step::Send(_)));
        (!has_more).then(|| self.partial.split().freeze())
    }

    /// One timer for the whole answer: a long stream sets it thousands of times.
    fn nap(&mut self, span: Span) {
        let until = Instant::now() + Duration::from_millis(span.as_millis());
        match &mut self.nap {
            Some(nap) => nap.as_mut().reset(until),
            None => self.nap = Some(Box::pin(tokio::time::sleep_until(until))),
        }
        self.is_napping = true;
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Fixed(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Paced(paced) => {
                paced.poll_step(cx).map(|step| step.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Fixed(bytes) => bytes.is_none(),
            Self::Paced(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Fixed(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Fixed(None) => SizeHint::with_exact(0),
            Self::Paced(_) => SizeHint::default(),
        }
    }
}
