//! A caller that leaves before the answer begins, at a provider that goes on and is to be read to
//! its end: without a task of its own the call would end with the caller's connection, and nobody
//! would know what it used. An answer that is not streamed begins when it is whole, so this is how
//! most callers leave who lose patience.
//!
//! Nothing new is begun for somebody who is gone: no other route, no wait, no second try.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::flight::Flight;
use crate::identify::Inbound;
use crate::respond::respond;
use crate::send::{Answered, Failure, send};

/// Whether somebody waits for an answer, and whether a provider is at work on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attendance(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    /// When the caller left.
    left: OnceLock<Instant>,
    is_at_work: AtomicBool,
}

impl Attendance {
    /// Whether the caller is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.0.left.get().is_some()
    }

    /// Until when the answer is waited for; the caller leaves now if it has not before.
    pub(crate) fn drained_until(&self) -> Instant {
        *self.0.left.get_or_init(Instant::now) + DRAINED_FOR
    }

    /// A provider that goes on when nobody listens has been asked, or has said all it will.
    pub(crate) fn works(&self, is_at_work: bool) {
        self.0.is_at_work.store(is_at_work, Ordering::Release);
    }

    /// Whether one is.
    fn is_at_work(&self) -> bool {
        self.0.is_at_work.load(Ordering::Acquire)
    }
}

/// Sends the request as [`send`] does; where a provider goes on when nobody listens, to the end.
pub(crate) async fn send_to_the_end(
    mut flight: Flight,
    inbound: &Inbound,
    body: &Bytes,
) -> Result<Answered, Failure> {
    if !flight.may_be_drained() {
        return send(flight, inbound, body).await;
    }
    let attendance = flight.attended();
    let (tell, told) = oneshot::channel();
    let tasks = flight.gate().tasks.clone();
    let (inbound, body) = (inbound.clone(), body.clone());
    tasks.spawn(drive(flight, (inbound, body), attendance, tell));
    match told.await {
        Ok(answered) => answered,
        // The task was dropped: the gateway stops, and this request with it.
        Err(_stopped) => std::future::pending().await,
    }
}

type Tell = oneshot::Sender<Result<Answered, Failure>>;

async fn drive(
    flight: Flight,
    (inbound, body): (Inbound, Bytes),
    attendance: Attendance,
    mut tell: Tell,
) {
    let gate = flight.gate().clone();
    let caller = flight.admitted().map(|admitted| admitted.plan.caller().clone());
    let mut sending = pin!(send(flight, &inbound, &body));
    let answered = tokio::select! {
        answered = &mut sending => answered,
        () = tell.closed() => {
            let until = attendance.drained_until();
            if !attendance.is_at_work() {
                return;
            }
            match timeout_at(until, sending).await {
                Ok(answered) => answered,
                Err(_too_long) => return,
            }
        }
    };
    // Dropped with the body that nobody reads, which then reads itself.
    if let (Err(Ok(answered)), Some(caller)) = (tell.send(answered), caller) {
        drop(respond(answered, &gate, &caller, &inbound));
    }
}

/// How long a provider is waited for whose caller is gone.
const DRAINED_FOR: Duration = Duration::from_mins(1);
