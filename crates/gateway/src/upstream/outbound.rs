//! A request's body on its way out, which knows whether it was asked for.
//!
//! hyper writes the head of a request into its buffer and asks for the body before it hands either
//! to the socket (HTTP/1.1), or sends the head and asks for the body as the next thing (HTTP/2). So
//! a body that was never asked for was never sent, and no provider has worked on it; one that was
//! asked for may have been.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body in one piece.
#[derive(Debug)]
pub(super) struct Outbound {
    rest: Bytes,
    begun: Arc<AtomicBool>,
}

/// Whether a request is on its way. Clones tell of the same request.
#[derive(Clone, Debug, Default)]
pub struct Going(Arc<AtomicBool>);

impl Outbound {
    /// `body`, which tells `going` when it is asked for.
    pub(super) fn new(body: Bytes, going: &Going) -> Self {
        Self { rest: body, begun: Arc::clone(&going.0) }
    }
}

impl Going {
    /// Whether the provider can have seen something of it.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.begun.store(true, Ordering::Release);
        let rest = std::mem::take(&mut self.rest);
        Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))))
    }

    fn is_end_stream(&self) -> bool {
        // An empty body is asked for too, so that it is known to be on its way.
        self.rest.is_empty() && self.begun.load(Ordering::Acquire)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}
