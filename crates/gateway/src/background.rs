//! Work in the background, metered to its end: what is held stays held until the provider says what
//! was used.
//!
//! The answer to such a request comes at once and says only that work has begun. From then on the
//! flight is a task's, which asks the account how the work goes, first every second and then less
//! often, and settles by what it is told in the end, as if the answer had come whole. What ends
//! otherwise, because the gateway stops, the provider has lost it, or an hour has passed, counts as
//! spent in full: nobody could say less. When this is wrong: usage that the provider reports to
//! nobody who asks later than that hour.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, sleep};
use tollgate_policy::Ended;
use tollgate_units::Span;
use tollgate_wire::{
    Endpoint, Errand, answer_text, created_of, is_finished, tool_calls_of, usage_of,
};

use crate::flight::Flight;
use crate::headers::forwardable;
use crate::stored::ask;
use crate::telemetry::Outcome;

/// How the work stands.
enum Stands {
    Finished(Bytes),
    /// The account has nothing of that name.
    Gone,
    /// It goes on, or nobody could be asked.
    Running,
}

/// Follows the work of `flight` to its end, and settles it. `status` is what the caller was told.
pub(crate) fn follow(flight: Box<Flight>, status: StatusCode) {
    let tasks = flight.gate().tasks.clone();
    tasks.spawn(async move {
        match finished(&flight).await {
            Some(body) => settle(flight, &body, status),
            None => give_up(*flight, status),
        }
    });
}

/// Settles what nobody can ask about: all of it is spent.
pub(crate) fn give_up(flight: Flight, status: StatusCode) {
    let provider = flight.provider();
    tracing::warn!(provider, "work in the background ended unseen, and counts as spent");
    let owed = flight.owed();
    flight.end(Ended::Broken(&owed), Outcome::TimedOut, status);
}

/// The answer, once it is whole.
async fn finished(flight: &Flight) -> Option<Bytes> {
    let errand = Errand::show(flight.response_id()?)?;
    let ends = Instant::now() + LIFE_MAX;
    let mut pause = PAUSE;
    while Instant::now() + pause < ends {
        let jitter = flight.gate().jitter(Span::from_millis(millis(pause)));
        sleep(pause + Duration::from_millis(jitter.as_millis())).await;
        match look(flight, &errand).await {
            Stands::Finished(body) => return Some(body),
            Stands::Gone => return None,
            Stands::Running => pause = (pause * 3 / 2).min(PAUSE_MAX),
        }
    }
    None
}

async fn look(flight: &Flight, errand: &Errand) -> Stands {
    let Some(admitted) = flight.admitted() else {
        return Stands::Gone;
    };
    let deployment = admitted.candidate().deployment();
    let account = (deployment.upstream(), &**deployment.provider());
    let headers = forwardable(&HeaderMap::new(), |_| false);
    match ask((flight.gate(), flight.live()), account, headers, errand).await {
        Ok(told) if told.status().is_success() => match is_finished(told.body()) {
            Some(true) => Stands::Finished(told.into_body()),
            Some(false) | None => Stands::Running,
        },
        Ok(told) if told.status() == StatusCode::NOT_FOUND => Stands::Gone,
        Ok(_) | Err(_) => Stands::Running,
    }
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
