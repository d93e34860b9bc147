//! The byte stream beneath a connection, watched: for heads that can be read in two ways, for
//! peers that never say anything, and for peers that do not take what they asked for.
//!
//! hyper's own time-out of the head starts once it knows the version of HTTP, which a silent peer
//! never tells; and it writes for as long as somebody else needs to read. Both are limited here,
//! below hyper, where every byte passes. A line that is refused reaches hyper with a byte in it
//! that no HTTP allows, and nothing follows but the end of the head, so hyper answers 400 and
//! closes, as for everything else it cannot read.
//! When this is wrong: HTTP/2 stalls by windows, not by the socket; a peer that grants no window
//! but answers pings keeps its streams for as long as the handler lets it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::framing::Framing;

/// `stream`, watched.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    framing: Framing,
    /// After a refusal: what hyper is still told before the connection seems to end.
    refused: Option<&'static [u8]>,
    /// Until the first head is there.
    opening: Option<Pin<Box<Sleep>>>,
    /// While the peer takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
    stall_max: Duration,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, opening: Duration, stall_max: Duration) -> Self {
        Self {
            stream,
            framing: Framing::new(),
            refused: None,
            opening: Some(Box::pin(sleep(opening))),
            stall: None,
            stall_max,
        }
    }

    /// What a write came to, unless the peer has taken nothing for too long.
    fn unless_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let limit = self.stall_max;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(told) = &mut this.refused {
            let (now, later) = told.split_at(told.len().min(into.remaining()));
            into.put_slice(now);
            *told = later;
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, into) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                let Some(opening) = &mut this.opening else {
                    return Poll::Pending;
                };
                ready!(opening.as_mut().poll(cx));
                let late = io::Error::new(io::ErrorKind::TimedOut, "no request in time");
                return Poll::Ready(Err(late));
            }
        }
        let fresh = into.filled_mut().get_mut(before..).unwrap_or_default();
        if let Err(at) = this.framing.read(fresh) {
            if let Some(end_of_line) = fresh.get_mut(at) {
                *end_of_line = 0;
            }
            into.set_filled(before + at + 1);
            // hyper looks at a head again only when its end has come. In a body, the end of the
            // connection is what must not look like an end of the body.
            this.refused = Some(if this.framing.is_in_head() { b"\r\n\r\n" } else { b"" });
        }
        if this.framing.has_begun() {
            this.opening = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.unless_stalled(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.unless_stalled(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LONG: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn a_peer_that_never_speaks_is_given_up() {
        let (ours, _theirs) = duplex(64);
        let mut guarded = Guarded::new(ours, SHORT, LONG);
        let error = guarded.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_has_spoken_may_take_its_time() {
        let (ours, mut theirs) = duplex(64);
        let mut guarded = Guarded::new(ours, SHORT, LONG);
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        theirs.write_all(head).await.unwrap();
        guarded.read_exact(&mut [0; 27]).await.unwrap();
        // Nothing will come any more, and no timer is left that could end the waiting.
        assert!(guarded.opening.is_none());
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = duplex(8);
        let mut guarded = Guarded::new(ours, LONG, SHORT);
        let error = guarded.write_all(&[0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn nothing_of_a_refused_line_or_after_it_can_be_understood() {
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (sent, seen) in [
            (
                "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n".into(),
                "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n".into(),
            ),
            (format!("{chunked}0;x\ny\r\n\r\n"), format!("{chunked}0;x\0")),
        ] {
            let (ours, mut theirs) = duplex(256);
            let mut guarded = Guarded::new(ours, LONG, LONG);
            theirs.write_all(String::as_bytes(&sent)).await.unwrap();
            let mut read = String::new();
            guarded.read_to_string(&mut read).await.unwrap();
            assert_eq!(read, String::clone(&seen));
        }
    }
}
