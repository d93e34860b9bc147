//! The only place that spawns: every task is tracked, so a stop can wait for it and then end it.
//!
//! A task that nobody tracks outlives a drain, and whatever it holds (a reservation, a slot, a
//! connection) is given back by nobody. Here a drain waits for tasks to finish, and drops those
//! that have not in time: dropping a future runs its `Drop`s, which is where refunds live.
//! When this is wrong: a task that blocks its thread can be neither waited for nor dropped;
//! work that burns a processor belongs to the [`Crew`](crate::crew::Crew).

use std::{future::poll_fn, task::Poll, time::Duration};

use hyper::rt::Executor;
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::bell::Bell;

/// Spawns tasks, counts them, and ends them. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    end: Bell,
}

impl Tasks {
    /// No tasks yet. Call `spawn` inside a tokio runtime.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `task` until it finishes, or until a drain has lost patience with it.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // In a box, because a future that is moved into another one is kept there twice.
        let (mut task, mut end) = (Box::pin(task), Box::pin(self.end.listen()));
        self.tracker.spawn(poll_fn(move |cx| match end.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => task.as_mut().poll(cx).map(drop),
        }));
    }

    /// How many tasks are running.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether no task is running.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits until no task runs, and after `patience` drops those that still do.
    ///
    /// True when all finished by themselves. Tasks spawned meanwhile are waited for as well, and
    /// those spawned after the end are dropped unrun.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.tracker.close();
        if time::timeout(patience, self.tracker.wait()).await.is_ok() {
            return true;
        }
        self.end.ring();
        if time::timeout(DROP_TIME_MAX, self.tracker.wait()).await.is_err() {
            tracing::error!(tasks = self.len(), "tasks block their threads and cannot be ended");
        }
        false
    }
}

/// Hyper spawns through this: HTTP/2 streams, and the client's connections.
impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}

/// Dropping a task takes microseconds; who takes longer than this does not yield.
const DROP_TIME_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_tasks_that_finish() {
        let tasks = Tasks::new();
        let (go, gone) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel::<()>();
        tasks.spawn(async move {
            gone.await.unwrap();
            tell.send(()).unwrap();
        });
        assert_eq!(tasks.len(), 1);
        let drain = tokio::spawn({
            let tasks = tasks.clone();
            async move { tasks.drain(Duration::from_hours(1)).await }
        });
        go.send(()).unwrap();
        told.await.unwrap();
        assert!(drain.await.unwrap());
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn a_drain_out_of_patience_drops_what_still_runs() {
        let tasks = Tasks::new();
        let (held, released) = oneshot::channel::<()>();
        tasks.spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        assert!(!tasks.drain(Duration::ZERO).await);
        assert!(released.await.is_err(), "the task's values were dropped");
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn a_task_spawned_after_the_end_is_dropped_unrun() {
        let tasks = Tasks::new();
        tasks.spawn(pending::<()>());
        assert!(!tasks.drain(Duration::ZERO).await);
        let (tell, told) = oneshot::channel::<()>();
        tasks.spawn(async move {
            tell.send(()).unwrap();
            pending::<()>().await;
        });
        assert!(told.await.is_err());
    }
}
