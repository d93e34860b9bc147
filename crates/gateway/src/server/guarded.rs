//! The byte stream beneath a connection, watched: for heads that can be read in two ways, for
//! peers that never say anything, and for peers that do not take what they asked for.
//!
//! hyper's own time-out of the head starts once it knows the version of HTTP, which a silent peer
//! never tells, and counts a connection that rests between two requests as one whose head is slow;
//! and it writes for as long as somebody else needs to read. All three are limited here, below
//! hyper, where every byte passes. A line that is refused reaches hyper with a byte in it that no
//! HTTP allows, and nothing follows but the end of the head, so hyper answers 400 and closes, as
//! for everything else it cannot read.
//! When this is wrong: HTTP/2 stalls by windows, not by the socket; see `activity`.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::{Bounds, activity::Activity, framing::Framing};

/// `stream`, watched.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    framing: Framing,
    /// After a refusal: what hyper is still told before the connection seems to end.
    refused: Option<&'static [u8]>,
    silence: Silence,
    /// While the peer takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
    stall_max: Duration,
}

/// A peer that says nothing, although it is its turn.
#[derive(Debug)]
struct Silence {
    activity: Arc<Activity>,
    turn: Turn,
    /// For a head, from its first byte on; the first one, from the beginning of the connection on.
    head_max: Duration,
    /// For the next request.
    idle_max: Duration,
    /// Set when a turn begins, and moved only when it fires early: most requests never touch it.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Whose turn it is to say something, and since when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    /// The peer's: it owes the rest of a head.
    Head(Instant),
    /// Nobody's: the connection rests, after so many requests.
    Idle { since: Instant, begun: u64 },
    /// Ours: a request runs.
    Ours,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, bounds: &Bounds, activity: Arc<Activity>) -> Self {
        let silence = Silence {
            activity,
            turn: Turn::Head(Instant::now()),
            head_max: bounds.header,
            idle_max: bounds.idle,
            timer: None,
        };
        Self {
            stream,
            framing: Framing::new(),
            refused: None,
            silence,
            stall: None,
            stall_max: bounds.stall,
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

impl Silence {
    /// Ready when the peer has said nothing for longer than it may.
    fn poll(&mut self, cx: &mut Context<'_>, is_in_head: bool) -> Poll<()> {
        loop {
            self.turn = self.turn_now(is_in_head);
            let ends = match self.turn {
                Turn::Head(since) => Some(since + self.head_max),
                Turn::Idle { since, .. } => Some(since + self.idle_max),
                Turn::Ours => None,
            };
            // hyper need not read again when a request ends, so that is looked for.
            let later = || Instant::now() + self.idle_max;
            let timer =
                self.timer.get_or_insert_with(|| Box::pin(sleep_until(ends.unwrap_or_else(later))));
            if ends.is_some_and(|ends| ends < timer.deadline()) {
                timer.as_mut().reset(ends.unwrap_or_else(later));
            }
            ready!(timer.as_mut().poll(cx));
            if ends.is_some_and(|ends| ends <= timer.deadline()) {
                return Poll::Ready(());
            }
            timer.as_mut().reset(ends.unwrap_or_else(later));
        }
    }

    fn turn_now(&self, is_in_head: bool) -> Turn {
        let begun = self.activity.begun();
        match self.turn {
            _ if self.activity.is_running() => Turn::Ours,
            // HTTP/2 says little before its first request, and that is not yet a request.
            Turn::Head(_) if is_in_head || begun == 0 => self.turn,
            _ if is_in_head => Turn::Head(Instant::now()),
            Turn::Idle { begun: before, .. } if before == begun => self.turn,
            _ => Turn::Idle { since: Instant::now(), begun },
        }
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
                ready!(this.silence.poll(cx, this.framing.is_within_head()));
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
    const PATIENT: Bounds =
        Bounds { connections_max: 1, streams_max: 1, header: LONG, idle: LONG, stall: LONG };
    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn guarded<S>(stream: S, bounds: Bounds) -> (Guarded<S>, Arc<Activity>) {
        let activity = Arc::new(Activity::default());
        (Guarded::new(stream, &bounds, Arc::clone(&activity)), activity)
    }

    /// Reads what was sent, and then waits for what never comes.
    async fn silence_after<S: AsyncRead + Unpin>(
        guarded: &mut Guarded<S>,
        sent: usize,
    ) -> ErrorKind {
        guarded.read_exact(&mut vec![0; sent]).await.unwrap();
        guarded.read_u8().await.unwrap_err().kind()
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_owes_a_head_has_the_time_of_a_head() {
        // Nothing at all, half a head, and half of the second one.
        for sent in [&b""[..], b"GET / HT", &[HEAD, b"G"].concat()] {
            let (ours, mut theirs) = duplex(64);
            let header = Duration::from_secs(10);
            let (mut guarded, activity) = guarded(ours, Bounds { header, ..PATIENT });
            if sent.len() > HEAD.len() {
                drop(activity.begin());
            }
            let start = Instant::now();
            theirs.write_all(sent).await.unwrap();
            assert_eq!(silence_after(&mut guarded, sent.len()).await, ErrorKind::TimedOut);
            assert_eq!(start.elapsed().as_secs(), 10, "{sent:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_resting_connection_ends_after_its_own_time_and_a_running_one_does_not() {
        let (ours, mut theirs) = duplex(64);
        let bounds =
            Bounds { header: Duration::from_secs(10), idle: Duration::from_secs(75), ..PATIENT };
        let (mut guarded, activity) = guarded(ours, bounds);
        theirs.write_all(HEAD).await.unwrap();
        guarded.read_exact(&mut [0; HEAD.len()]).await.unwrap();
        let running = activity.begin();
        let thinking = tokio::time::timeout(Duration::from_mins(10), guarded.read_u8()).await;
        assert!(thinking.is_err(), "a model may think for as long as its time-outs say");
        drop(running);
        let start = Instant::now();
        assert_eq!(guarded.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 75);
    }

    #[tokio::test(start_paused = true)]
    async fn http_2_without_a_request_is_a_head_that_is_owed() {
        let (ours, mut theirs) = duplex(64);
        let header = Duration::from_secs(10);
        let (mut guarded, _activity) = guarded(ours, Bounds { header, ..PATIENT });
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        theirs.write_all(preface).await.unwrap();
        assert_eq!(silence_after(&mut guarded, preface.len()).await, ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = duplex(8);
        let mut guarded = guarded(ours, Bounds { stall: SHORT, ..PATIENT }).0;
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
            let mut guarded = guarded(ours, PATIENT).0;
            theirs.write_all(String::as_bytes(&sent)).await.unwrap();
            let mut read = String::new();
            guarded.read_to_string(&mut read).await.unwrap();
            assert_eq!(read, String::clone(&seen));
        }
    }
}
