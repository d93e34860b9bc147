//! A key set that is fetched: at the start, every ten minutes, and when somebody names a key that
//! is not in it.
//!
//! One task fetches for all, so there is one fetch at a time, whoever asks. Whoever waits has asked
//! in a channel; once fetched, nobody fetches again for a while, so that made-up keys make no
//! traffic. The last good set stays in force while its source fails. The task ends with the value.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{Request, header};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tollgate_jwt::Keyset;

use crate::fetch::{Fetcher, Reach};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// The keys at a URL.
#[derive(Debug)]
pub(super) struct Remote {
    url: String,
    reach: Reach,
    keys: Arc<ArcSwapOption<Keyset>>,
    ask: mpsc::Sender<Waiting>,
}

/// Whoever waits for a fetch: dropped when it is over.
type Waiting = oneshot::Sender<()>;

impl Remote {
    /// Begins to fetch what is at `url`.
    pub(super) fn new(url: String, fetcher: Fetcher, metrics: Arc<Metrics>) -> Self {
        let keys = Arc::new(ArcSwapOption::empty());
        let (ask, asked) = mpsc::channel(WAITING_MAX);
        let reach = fetcher.reach();
        let errand = Errand { url: url.clone(), fetcher, metrics, keys: keys.clone() };
        // Tasks of its own: a drain need not wait for keys that nobody will ask for any more.
        Tasks::new().spawn(errand.keep(asked));
        Self { url, reach, keys, ask }
    }

    /// Whether it is what would be fetched from `url`, as far as `reach`.
    pub(super) fn is(&self, url: &str, reach: Reach) -> bool {
        (&*self.url, self.reach) == (url, reach)
    }

    /// The last good set.
    pub(super) fn now(&self) -> Option<Arc<Keyset>> {
        self.keys.load_full()
    }

    /// Returns when the keys have been fetched, or at once where that was tried just now or too
    /// many wait already.
    pub(super) async fn refreshed(&self) {
        let (waiting, done) = oneshot::channel();
        if self.ask.try_send(waiting).is_ok() {
            // The other end is dropped, never used.
            let _over = done.await;
        }
    }
}

struct Errand {
    url: String,
    fetcher: Fetcher,
    metrics: Arc<Metrics>,
    keys: Arc<ArcSwapOption<Keyset>>,
}

impl Errand {
    async fn keep(self, mut asked: mpsc::Receiver<Waiting>) {
        let mut waiting: Option<Waiting> = None;
        loop {
            let fresh = self.fetch().await;
            drop(waiting.take());
            let fetched = Instant::now();
            let due = fetched + if fresh { EVERY } else { PAUSE };
            waiting = loop {
                match timeout_at(due, asked.recv()).await {
                    Err(_elapsed) => break None,
                    Ok(None) => return,
                    Ok(Some(asking)) if fetched.elapsed() < PAUSE => drop(asking),
                    Ok(Some(asking)) => break Some(asking),
                }
            };
        }
    }

    /// Whether there are fresh keys. Where they are as they were, the set stays the same value, and
    /// with it what was verified by it.
    async fn fetch(&self) -> bool {
        let outcome = self.fetched().await;
        self.metrics.keys_fetched(outcome.is_ok());
        match outcome {
            Ok(keys) => {
                if self.keys.load().as_deref() != Some(&keys) {
                    tracing::info!(url = self.url, keys = keys.len(), "an issuer's keys are new");
                    self.keys.store(Some(Arc::new(keys)));
                }
                true
            }
            Err(error) => {
                let kept = self.keys.load().is_some();
                tracing::warn!(url = self.url, error, kept, "an issuer's keys cannot be fetched");
                false
            }
        }
    }

    async fn fetched(&self) -> Result<Keyset, String> {
        let request = Request::get(&self.url).header(header::ACCEPT, "application/json");
        let request = request.body(Bytes::new()).map_err(|error| error.to_string())?;
        let json = self.fetcher.fetch(request).await.map_err(|error| error.to_string())?;
        Keyset::parse(&json).map_err(|bad| bad.to_string())
    }
}

const EVERY: Duration = Duration::from_mins(10);
/// Between two fetches, however many ask for one.
const PAUSE: Duration = Duration::from_secs(30);
const WAITING_MAX: usize = 1024;
