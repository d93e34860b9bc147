//! What a connection is doing: which requests run on it, and whether their answers are taken.
//!
//! hyper knows this and does not say. Beneath it a silent connection may be one that waits for a
//! model or one that is forgotten; above it, an answer on HTTP/2 whose peer grants no window is
//! simply not asked for its next piece. Both must end some day: the first holds a place, the second
//! holds what its request has reserved.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// The requests of one connection. Shared by the stream below hyper and the answers above it.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Answers that only this watches.
    watched: Mutex<Vec<Weak<dyn Watched>>>,
}

impl Activity {
    /// A request has begun; it runs until the value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Running { activity: Arc::clone(self) }
    }

    /// How many requests have begun so far.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether any of them still runs.
    pub(super) fn is_running(&self) -> bool {
        self.ended.load(Ordering::Relaxed) < self.begun()
    }

    /// Gives up the answers whose peer has taken nothing for longer than `most`.
    pub(super) fn give_up_stalled(&self, most: Duration, now: Instant) {
        self.watched()
            .retain(|answer| answer.upgrade().is_some_and(|answer| answer.goes_on_at(now, most)));
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Weak<dyn Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that runs.
#[derive(Debug)]
pub(super) struct Running {
    activity: Arc<Activity>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.activity.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of an answer, whose request runs for as long as it is there.
#[derive(Debug)]
pub(super) struct Answer<B> {
    place: Place<B>,
}

#[derive(Debug)]
enum Place<B> {
    /// Whoever does not take it is found out by the socket.
    Here { body: B, _running: Running },
    /// HTTP/2 has windows above the socket, so it is watched.
    Shared(Arc<Offer<B>>),
}

/// A body that somebody else may take away, with all that it holds.
#[derive(Debug)]
struct Offer<B>(Mutex<Offered<B>>);

#[derive(Debug)]
struct Offered<B> {
    body: Option<(B, Running)>,
    /// Since when it is the peer's turn: a piece was handed over, and the next one not asked for.
    since: Option<Instant>,
    is_given_up: bool,
}

/// An answer that can be asked whether it goes on.
trait Watched: fmt::Debug + Send + Sync {
    /// Whether it goes on at `now`. It does not once it has ended, or when it was the peer's turn
    /// for longer than `most`: then it is dropped, and what it holds is given back.
    fn goes_on_at(&self, now: Instant, most: Duration) -> bool;
}

impl<B> Answer<B> {
    /// Seen by nobody but hyper.
    pub(super) fn new(body: B, running: Running) -> Self {
        Self { place: Place::Here { body, _running: running } }
    }

    /// Watched by the activity that `running` belongs to.
    pub(super) fn watched(body: B, running: Running) -> Self
    where
        B: fmt::Debug + Send + 'static,
    {
        let activity = Arc::clone(&running.activity);
        let since = Some(Instant::now());
        let offered = Offered { body: Some((body, running)), since, is_given_up: false };
        let offer = Arc::new(Offer(Mutex::new(offered)));
        let watched: Weak<Offer<B>> = Arc::downgrade(&offer);
        let mut list = activity.watched();
        if list.len() == list.capacity() {
            list.retain(|answer| answer.strong_count() > 0);
        }
        list.push(watched);
        drop(list);
        Self { place: Place::Shared(offer) }
    }
}

impl<B> Offer<B> {
    fn lock(&self) -> MutexGuard<'_, Offered<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: fmt::Debug + Send> Watched for Offer<B> {
    fn goes_on_at(&self, now: Instant, most: Duration) -> bool {
        let mut offered = self.lock();
        let is_stalled =
            offered.since.is_some_and(|since| now.saturating_duration_since(since) >= most);
        if !is_stalled {
            return offered.body.is_some();
        }
        offered.is_given_up = offered.body.is_some();
        let dropped = offered.body.take();
        drop(offered);
        drop(dropped);
        false
    }
}

type Failure = Box<dyn Error + Send + Sync>;

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Failure>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match &mut self.place {
            Place::Here { body, .. } => {
                Pin::new(body).poll_frame(cx).map(|frame| Some(frame?.map_err(Into::into)))
            }
            Place::Shared(offer) => offer.lock().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.place {
            Place::Here { body, .. } => body.is_end_stream(),
            Place::Shared(offer) => offer.lock().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.place {
            Place::Here { body, .. } => body.size_hint(),
            Place::Shared(offer) => {
                let offered = offer.lock();
                offered.body.as_ref().map(|(body, _)| body.size_hint()).unwrap_or_default()
            }
        }
    }
}

impl<B> Offered<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Failure>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.since = None;
        let Some((body, _)) = &mut self.body else {
            // A clean end would make a part look whole.
            return Poll::Ready(self.is_given_up.then(|| Err(GivenUp.into())));
        };
        let frame = Pin::new(body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(_))) => self.since = Some(Instant::now()),
            Poll::Ready(Some(Err(_)) | None) => self.body = None,
            Poll::Pending => {}
        }
        frame.map(|frame| Some(frame?.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().map_or(!self.is_given_up, |(body, _)| body.is_end_stream())
    }
}

/// The peer took nothing for too long, and the rest of the answer is gone.
#[derive(Debug)]
struct GivenUp;

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer took nothing of its answer")
    }
}

impl Error for GivenUp {}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body_util::Full;

    use super::*;

    const MOST: Duration = Duration::from_mins(1);

    fn poll<B>(answer: &mut Answer<B>) -> Poll<Option<Result<Frame<Bytes>, Failure>>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Failure>,
    {
        Pin::new(answer).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    /// A provider that thinks for ever.
    #[derive(Debug)]
    struct Thinks;

    impl Body for Thinks {
        type Data = Bytes;
        type Error = Failure;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_is_given_up_after_its_time_and_no_sooner() {
        let activity = Arc::new(Activity::default());
        let body = Full::new(Bytes::from_static(b"piece"));
        let mut answer = Answer::watched(body, activity.begin());
        let start = Instant::now();
        activity.give_up_stalled(MOST, start + MOST / 2);
        assert!(activity.is_running());
        // A piece is taken, which begins the time anew; the next one is not asked for.
        assert!(matches!(poll(&mut answer), Poll::Ready(Some(Ok(_)))));
        let taken = Instant::now();
        activity.give_up_stalled(MOST, start + MOST - Duration::from_millis(1));
        assert!(activity.is_running());
        activity.give_up_stalled(MOST, taken + MOST);
        assert!(!activity.is_running(), "what it held is given back");
        assert!(matches!(poll(&mut answer), Poll::Ready(Some(Err(_)))), "no clean end");
    }

    #[tokio::test]
    async fn a_provider_that_thinks_is_not_the_peers_fault() {
        let activity = Arc::new(Activity::default());
        let mut answer = Answer::watched(Thinks, activity.begin());
        assert!(poll(&mut answer).is_pending());
        activity.give_up_stalled(MOST, Instant::now() + MOST * 10);
        assert!(activity.is_running());
    }

    #[test]
    fn a_request_runs_until_its_answer_is_gone() {
        let activity = Arc::new(Activity::default());
        assert!(!activity.is_running());
        let answer = Answer::new(Full::new(Bytes::new()), activity.begin());
        assert!(activity.is_running());
        drop(answer);
        assert!(!activity.is_running());
        assert_eq!(activity.begun(), 1);
    }
}
