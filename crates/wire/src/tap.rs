//! Watches a stream go by: bytes in, whole events out, unchanged, and a tally of what flowed.
//!
//! A packet of whole events goes on as it is, without a copy. Only the event that a packet breaks
//! off in is held, and only up to a bound: beyond it the bytes go on as they come, and the event is
//! judged by its head and tail. Nothing is ever re-encoded, so fields, padding and numbers that
//! this version does not know reach the caller. Only the error that an event tells goes on without
//! the ids of the operator's account and its key.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::Endpoint;
use crate::judge::{AccountKey, event_without_account};
use crate::sse::Ends;
pub use crate::tally::Tally;
use crate::tally::{Seen, begins_error};

/// An event longer than this is not held.
const HELD_BYTES_MAX: usize = 1024 * 1024;

/// How much is remembered of the beginning of an event that is not held.
const HEAD_BYTES_MAX: usize = 256;

/// How much is remembered of the end of an event that is not held: usage stands there.
const TAIL_BYTES_MAX: usize = 16 * 1024;

/// Watches one stream.
#[derive(Debug)]
pub struct Tap {
    hide_usage: bool,
    key: AccountKey,
    ends: Ends,
    /// The event that the last packet broke off in.
    held: BytesMut,
    /// Or, when that is too long to hold, what is remembered of it.
    long: Option<Long>,
    /// Whether the last event was taken out.
    hid: bool,
    tally: Tally,
}

impl Tap {
    /// For a stream of `endpoint`. With `hide_usage` the extra chunk that reports usage is taken
    /// out: the caller did not ask for it.
    pub fn new(endpoint: Endpoint, hide_usage: bool) -> Self {
        Self {
            hide_usage,
            key: AccountKey::default(),
            ends: Ends::new(),
            held: BytesMut::new(),
            long: None,
            hid: false,
            tally: Tally::new(endpoint),
        }
    }

    /// The same, and what an error tells goes on without this key too.
    #[must_use]
    pub fn hiding(self, key: AccountKey) -> Self {
        Self { key, ..self }
    }

    /// A packet came: whole events go to `out` as they complete.
    pub fn push(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) {
        // What of the packet has gone out or been taken out, and where its current event starts.
        let mut start = self.late_lf(&chunk);
        let mut gone = if self.hid { start } else { 0 };
        let mut at = 0;
        while let Some(end) = self.ends.next(&chunk, at) {
            at = end;
            if let Some(long) = self.long.take() {
                let long = long.with(part(&chunk, start, end));
                self.tally.see_long(&long.head, &long.tail);
                self.hid = false;
            } else if self.held.is_empty() {
                let seen = self.tally.see(part(&chunk, start, end));
                self.hid = seen == Seen::OnlyUsage && self.hide_usage;
                if self.hid || seen == Seen::Error {
                    send(&chunk, gone, start, out);
                    gone = end;
                }
                if seen == Seen::Error {
                    out.push_back(event_without_account(part(&chunk, start, end), &self.key));
                }
            } else {
                self.held.extend_from_slice(part(&chunk, start, end));
                self.complete(out);
                gone = end;
            }
            start = end;
        }
        self.hold(chunk, gone, start, out);
    }

    /// The stream ended: what was held goes out as it is.
    pub fn finish(&mut self, out: &mut VecDeque<Bytes>) {
        if let Some(long) = self.long.take() {
            self.tally.see_long(&long.head, &long.tail);
        }
        if !self.held.is_empty() {
            self.complete(out);
        }
    }

    /// What flowed so far.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What flowed so far, to take text from.
    pub const fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// What flowed.
    pub fn into_tally(self) -> Tally {
        self.tally
    }

    /// How much of a packet still belongs to the event before it: the LF after its last CR.
    fn late_lf(&self, chunk: &[u8]) -> usize {
        let between = self.held.is_empty() && self.long.is_none();
        usize::from(between && self.ends.is_after_cr() && chunk.starts_with(b"\n"))
    }

    /// The held event is whole.
    fn complete(&mut self, out: &mut VecDeque<Bytes>) {
        let seen = self.tally.see(&self.held);
        self.hid = seen == Seen::OnlyUsage && self.hide_usage;
        let held = self.held.split().freeze();
        if seen == Seen::Error {
            out.push_back(event_without_account(&held, &self.key));
        } else if !self.hid {
            out.push_back(held);
        }
    }

    /// Sends on what is whole, and holds the event that the packet breaks off in.
    fn hold(&mut self, chunk: Bytes, gone: usize, start: usize, out: &mut VecDeque<Bytes>) {
        if gone == 0 && start == chunk.len() && self.long.is_none() {
            // By far the most packets: whole events, nothing held, nothing hidden.
            out.extend((!chunk.is_empty()).then_some(chunk));
            return;
        }
        let rest = part(&chunk, start, chunk.len());
        if let Some(long) = self.long.take() {
            send(&chunk, gone, chunk.len(), out);
            self.long = Some(long.with(rest));
        } else if self.held.len().saturating_add(rest.len()) > HELD_BYTES_MAX {
            let held = self.held.split().freeze();
            self.long = Some(Long::default().with(&held).with(rest));
            if begins_error(&held) {
                // The error stands before what was generated, of which there is so much.
                out.push_back(event_without_account(&held, &self.key));
            } else if !held.is_empty() {
                out.push_back(held);
            }
            send(&chunk, gone, chunk.len(), out);
        } else {
            send(&chunk, gone, start, out);
            self.held.extend_from_slice(rest);
        }
    }
}

/// What is remembered of an event that is too long to hold.
#[derive(Debug, Default)]
struct Long {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Long {
    fn with(mut self, more: &[u8]) -> Self {
        let room = HEAD_BYTES_MAX.saturating_sub(self.head.len());
        self.head.extend(more.iter().take(room));
        let last = more.len().saturating_sub(TAIL_BYTES_MAX);
        self.tail.extend_from_slice(more.get(last..).unwrap_or_default());
        if self.tail.len() > 2 * TAIL_BYTES_MAX {
            // Moves at most as much as came since it was last done.
            self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES_MAX));
        }
        self
    }
}

fn part(chunk: &[u8], start: usize, end: usize) -> &[u8] {
    chunk.get(start..end).unwrap_or_default()
}

fn send(chunk: &Bytes, start: usize, end: usize, out: &mut VecDeque<Bytes>) {
    if start < end {
        out.push_back(chunk.slice(start..end));
    }
}

#[cfg(test)]
mod tests;
