//! How an answer is read on its way: event by event, or as one JSON document.
//!
//! Whatever is asked of it later is asked of both alike. A document is looked into at its end, and
//! events as they go by; of those at most one incomplete one is held.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use tollgate_units::Searches;
use tollgate_wire::{
    Endpoint, Stored, Tap, ToolCalls, Usage, answer_text, created_of, is_complete, is_finished,
    is_whole, searches_of, tool_calls_of, usage_of,
};

/// How the answer is read on its way.
#[derive(Debug)]
pub(super) enum Reading {
    /// As server-sent events.
    Events(Box<Tap>),
    /// As one JSON document.
    Whole { endpoint: Endpoint, kept: Kept },
}

/// What has been seen of a JSON answer. The usual answer is one piece and is not copied.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Reading {
    /// Reads events.
    pub(super) fn events(tap: Tap) -> Self {
        Self::Events(Box::new(tap))
    }

    /// Reads one JSON document.
    pub(super) fn document(endpoint: Endpoint) -> Self {
        Self::Whole { endpoint, kept: Kept::default() }
    }

    /// A piece came: what may go on goes to `out`. Returns what its events say was stored.
    pub(super) fn push(&mut self, piece: Bytes, out: &mut VecDeque<Bytes>) -> Vec<Stored> {
        match self {
            Self::Events(tap) => {
                tap.push(piece, out);
                tap.tally_mut().take_created()
            }
            Self::Whole { kept, .. } => {
                kept.keep(&piece);
                out.push_back(piece);
                Vec::new()
            }
        }
    }

    /// No more comes: what was held goes to `out`.
    pub(super) fn finish(&mut self, out: &mut VecDeque<Bytes>) {
        match self {
            Self::Events(tap) => tap.finish(out),
            Self::Whole { .. } => {}
        }
    }

    /// Puts what came in pieces together, once for all that is asked of it at the end.
    pub(super) fn join(&mut self) {
        match self {
            Self::Events(_) => {}
            Self::Whole { kept, .. } => kept.join(),
        }
    }

    /// What the answer says was stored and nobody has been told yet.
    pub(super) fn take_created(&mut self) -> Vec<Stored> {
        match self {
            Self::Events(tap) => tap.tally_mut().take_created(),
            Self::Whole { endpoint, kept } => created_of(*endpoint, &kept.whole()),
        }
    }

    /// Whether so much text is kept that it is to be taken now.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Events(tap) => tap.tally().kept() > TEXT_BYTES_MAX,
            Self::Whole { .. } => false,
        }
    }

    /// What was generated and not yet taken.
    pub(super) fn take_text(&mut self) -> String {
        match self {
            Self::Events(tap) => tap.tally_mut().take_text(),
            Self::Whole { endpoint, kept } => answer_text(*endpoint, &kept.whole()),
        }
    }

    /// What the answer used, by the provider's word.
    pub(super) fn usage(&self) -> Option<Usage> {
        match self {
            Self::Events(tap) => tap.tally().usage.clone(),
            Self::Whole { endpoint, kept } => usage_of(*endpoint, &kept.whole()),
        }
    }

    /// How many searches the answer is billed as, where it says so.
    pub(super) fn searches(&self) -> Option<Searches> {
        match self {
            Self::Events(_) => None,
            Self::Whole { endpoint, kept } => searches_of(*endpoint, &kept.whole()),
        }
    }

    /// What the provider has said of its usage before the answer, where it tells the input first.
    pub(super) fn begun(&self) -> Option<Usage> {
        match self {
            Self::Events(tap) => tap.tally().begun(),
            Self::Whole { .. } => None,
        }
    }

    /// The tools that the model called in the answer so far.
    pub(super) fn tool_calls(&self) -> ToolCalls {
        match self {
            Self::Events(tap) => tap.tally().tool_calls(),
            Self::Whole { endpoint, kept } => tool_calls_of(*endpoint, &kept.whole()),
        }
    }

    /// Whether the protocol's last event has come.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Events(tap) if tap.tally().done)
    }

    /// Whether the answer says that the work goes on, or breaks off before it says how it ended.
    pub(super) fn goes_on(&self) -> bool {
        match self {
            Self::Events(tap) => !tap.tally().done,
            Self::Whole { kept, .. } => is_finished(&kept.whole()) != Some(true),
        }
    }

    /// Whether it broke off with an error that is the request's own fault.
    pub(super) fn blames_request(&self) -> bool {
        matches!(self, Self::Events(tap) if tap.tally().blames_request)
    }

    /// Whether it is all that was asked for, and may be given again.
    pub(super) fn is_complete(&self, choices: u64) -> bool {
        match self {
            Self::Events(tap) => tap.tally().is_complete(choices),
            Self::Whole { endpoint, kept } => is_complete(*endpoint, &kept.whole()),
        }
    }

    /// Whether what came is a whole answer of its protocol with so many choices, and not one that
    /// was cut off.
    pub(super) fn is_whole(&self, choices: u64) -> bool {
        match self {
            Self::Events(tap) => tap.tally().is_whole(choices),
            Self::Whole { endpoint, kept } => is_whole(*endpoint, &kept.whole()),
        }
    }
}

impl Kept {
    /// Keeps a piece while the whole stays within its bound; past it, usage is estimated.
    fn keep(&mut self, piece: &Bytes) {
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes <= ANSWER_BYTES_MAX {
            self.pieces.push(piece.clone());
        } else {
            self.pieces.clear();
        }
    }

    fn join(&mut self) {
        if self.pieces.len() > 1 {
            self.pieces = vec![self.whole()];
        }
    }

    fn whole(&self) -> Bytes {
        match self.pieces.as_slice() {
            [only] => only.clone(),
            pieces => {
                let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
                for piece in pieces {
                    whole.extend_from_slice(piece);
                }
                whole.freeze()
            }
        }
    }
}

/// Text of a stream that is kept before it is counted and let go.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest JSON answer whose usage is read; embeddings of a large batch are some megabytes.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
