//! Work in the background, metered to its end: what is held stays held until the provider says what
//! was used.
//!
//! The answer to such a request comes at once and says only that work has begun. From then on the
//! flight is a task's, which asks the account how the work goes, first every second and then less
//! often, and settles by what it is told in the end, as if the answer had come whole. A caller who
//! is told of the end first, because it asks more often, has the work settled by the same answer;
//! and what it removes is looked at before. What ends otherwise, because the gateway stops, the
//! provider has lost it, or an hour has passed, counts as spent in full: nobody could say less.
//! When this is wrong: usage that the provider reports to nobody who asks later than that hour.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tollgate_policy::Ended;
use tollgate_units::Span;
use tollgate_wire::{
    Endpoint, Errand, answer_text, created_of, is_finished, tool_calls_of, usage_of,
};

use crate::fault::Fault;
use crate::flight::Flight;
use crate::gate::{Gateway, Live};
use crate::headers::forwardable;
use crate::stored::ask;
use crate::telemetry::Outcome;

/// The work that is being followed, by what its response is called at its account. Whoever asks for
/// a response passes here what is told of it, because the account may know it no more when the
/// follower asks next. One entry for each flight, and no longer than it.
#[derive(Debug, Default)]
pub(crate) struct Works(Mutex<HashMap<Name, Weak<Work>>>);

/// A response at an account.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Name {
    account: Arc<str>,
    id: String,
}

/// Work that has not ended.
#[derive(Debug)]
struct Work {
    /// Whoever takes it settles it.
    flight: Mutex<Option<Box<Flight>>>,
    /// What the caller was told.
    status: StatusCode,
    /// Wakes the follower.
    wake: Notify,
}

/// The follower of one work. Dropped, because the gateway stops, the work counts as spent.
#[derive(Debug)]
struct Following {
    gate: Arc<Gateway>,
    live: Arc<Live>,
    upstream: usize,
    name: Name,
    errand: Errand,
    work: Arc<Work>,
}

impl Works {
    /// Whether the response called `id` at `account` is of work that has not ended.
    pub(crate) fn follows(&self, account: &Arc<str>, id: &str) -> bool {
        self.find(account, id).is_some()
    }

    /// The account says this of the response. If that is how it ended, its work is settled now.
    pub(crate) fn told(&self, account: &Arc<str>, id: &str, told: &Response<Bytes>) {
        if let Some(work) = self.find(account, id) {
            work.hear(told);
        }
    }

    /// The response was removed: nobody can ask about it any more.
    pub(crate) fn removed(&self, account: &Arc<str>, id: &str) {
        if let Some(work) = self.find(account, id) {
            work.give_up();
        }
    }

    /// Somebody was told that the response has ended: its follower looks at once.
    pub(crate) fn hurry(&self, account: &Arc<str>, id: &str) {
        if let Some(work) = self.find(account, id) {
            work.wake.notify_one();
        }
    }

    fn find(&self, account: &Arc<str>, id: &str) -> Option<Arc<Work>> {
        let name = Name { account: account.clone(), id: id.to_owned() };
        self.list().get(&name)?.upgrade()
    }

    fn list(&self) -> MutexGuard<'_, HashMap<Name, Weak<Work>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    fn take(&self) -> Option<Box<Flight>> {
        let flight = self.flight.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.wake.notify_one();
        flight
    }

    fn has_ended(&self) -> bool {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Ends, if that is what the account says.
    fn hear(&self, told: &Response<Bytes>) {
        if told.status().is_success()
            && is_finished(told.body()) == Some(true)
            && let Some(flight) = self.take()
        {
            settle(flight, told.body(), self.status);
        }
    }

    fn give_up(&self) {
        if let Some(flight) = self.take() {
            give_up(*flight, self.status);
        }
    }
}

/// Follows the work of `flight` to its end, and settles it. `status` is what the caller was told.
/// The connection that its answer came on is closed.
pub(crate) fn follow(mut flight: Box<Flight>, status: StatusCode) {
    let (gate, live) = (flight.gate().clone(), flight.live().clone());
    flight.closed();
    let errand = flight.response_id().and_then(Errand::show);
    let (Some(errand), Some(admitted)) = (errand, flight.admitted()) else {
        return give_up(*flight, status);
    };
    let deployment = admitted.candidate().deployment();
    let name = Name { account: deployment.provider().clone(), id: errand.id().to_owned() };
    let upstream = deployment.upstream();
    let flight = Mutex::new(Some(flight));
    let work = Arc::new(Work { flight, status, wake: Notify::new() });
    gate.works.list().insert(name.clone(), Arc::downgrade(&work));
    let following = Following { gate, live, upstream, name, errand, work };
    let tasks = following.gate.tasks.clone();
    tasks.spawn(async move { following.to_the_end().await });
}

/// Settles what nobody can ask about: all of it is spent.
fn give_up(flight: Flight, status: StatusCode) {
    let provider = flight.provider();
    tracing::warn!(provider, "work in the background ended unseen, and counts as spent");
    let owed = flight.owed();
    flight.end(Ended::Broken(&owed), Outcome::TimedOut, status);
}

impl Following {
    /// Looks until the work has ended, whoever hears of it first.
    async fn to_the_end(&self) {
        let ends = Instant::now() + LIFE_MAX;
        let mut pause = PAUSE;
        while Instant::now() + pause < ends {
            let jitter = self.gate.jitter(Span::from_millis(millis(pause)));
            let pausing = pause + Duration::from_millis(jitter.as_millis());
            // Woken, it looks at once, unless there is nothing left to look for.
            let _ = timeout(pausing, self.work.wake.notified()).await;
            if self.work.has_ended() {
                return;
            }
            let (by, account) = ((&*self.gate, &*self.live), (self.upstream, &*self.name.account));
            match look(by, account, &self.errand).await {
                Ok(told) if told.status() == StatusCode::NOT_FOUND => break,
                Ok(told) => self.work.hear(&told),
                // Nobody could be asked.
                Err(_) => {}
            }
            pause = (pause * 3 / 2).min(PAUSE_MAX);
        }
        self.work.give_up();
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut list = self.gate.works.list();
        // A provider that gives one id twice has the first work found by its own follower only.
        if list.get(&self.name).is_some_and(|work| work.ptr_eq(&Arc::downgrade(&self.work))) {
            list.remove(&self.name);
        }
    }
}

/// Asks the account how a response stands, in the gateway's own name.
pub(crate) async fn look(
    by: (&Gateway, &Live),
    account: (usize, &str),
    errand: &Errand,
) -> Result<Response<Bytes>, Fault> {
    let headers = forwardable(&HeaderMap::new(), |_| false);
    ask(by, account, headers, errand).await
}

/// Settles by the whole answer, as the relay does.
fn settle(mut flight: Box<Flight>, body: &Bytes, status: StatusCode) {
    let endpoint = Endpoint::Responses;
    flight.created(created_of(endpoint, body));
    let calls = tool_calls_of(endpoint, body);
    let reported = usage_of(endpoint, body);
    let told = reported.is_some();
    let mut usage = reported.unwrap_or_else(|| {
        let output = flight.count(&answer_text(endpoint, body));
        flight.estimated(output)
    });
    usage.tool_calls = calls.count;
    flight.called(calls);
    let ended = if told { Ended::Answered(&usage) } else { Ended::Broken(&usage) };
    let outcome = if told { Outcome::Answered } else { Outcome::Failed };
    flight.end(ended, outcome, status);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long until the first look, and the longest between two.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How long the work may take. Providers keep such answers for some ten minutes after their end.
const LIFE_MAX: Duration = Duration::from_hours(1);
