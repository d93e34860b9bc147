//! A bell that is rung once, for any number of tasks that listen beside their work.
//!
//! Every connection asks each time it is polled whether the process is on its way down, so asking
//! must cost next to nothing: here it is one load. A `CancellationToken` takes a lock for it. What
//! it wakes is the task that listened last, so a listener belongs to one task.

use std::{
    collections::HashMap,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Rung once, and from then on for ever. Clones are the same bell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    rung: AtomicBool,
    listeners: Mutex<Listeners>,
}

#[derive(Debug, Default)]
struct Listeners {
    next: u64,
    waiting: HashMap<u64, Waker>,
}

impl Bell {
    /// Wakes everybody who listens, now or later.
    pub(crate) fn ring(&self) {
        // Before the lock: whoever begins to listen after it sees that it was rung.
        self.shared.rung.store(true, Ordering::SeqCst);
        let waiting = mem::take(&mut self.listeners().waiting);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Whether it was rung.
    pub(crate) fn is_rung(&self) -> bool {
        self.shared.rung.load(Ordering::SeqCst)
    }

    /// Ready once it was rung.
    pub(crate) fn listen(&self) -> Listening {
        Listening { bell: self.clone(), place: None }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody listening to a [`Bell`].
#[derive(Debug)]
pub(crate) struct Listening {
    bell: Bell,
    /// Where its waker waits, and which one that is.
    place: Option<(u64, Waker)>,
}

impl Future for Listening {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.bell.is_rung() {
            return Poll::Ready(());
        }
        if self.place.as_ref().is_some_and(|(_, waker)| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        let mut listeners = self.bell.listeners();
        if self.bell.is_rung() {
            return Poll::Ready(());
        }
        let number = self.place.as_ref().map_or(listeners.next, |(number, _)| *number);
        if number == listeners.next {
            listeners.next += 1;
        }
        listeners.waiting.insert(number, waker.clone());
        drop(listeners);
        self.place = Some((number, waker));
        Poll::Pending
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some((number, _)) = &self.place {
            self.bell.listeners().waiting.remove(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use super::*;

    #[tokio::test]
    async fn all_who_listen_hear_it_and_so_does_who_comes_late() {
        let bell = Bell::default();
        let listeners: Vec<_> = (0..3).map(|_| tokio::spawn(bell.listen())).collect();
        tokio::task::yield_now().await;
        assert_eq!(bell.listeners().waiting.len(), 3);
        assert!(!bell.is_rung());
        bell.ring();
        for listener in listeners {
            listener.await.unwrap();
        }
        bell.listen().await;
        assert!(bell.is_rung());
    }

    #[tokio::test]
    async fn a_listener_has_one_place_and_leaves_none() {
        let bell = Bell::default();
        let mut listening = pin!(bell.listen());
        for _ in 0..3 {
            poll_fn(|cx| {
                assert!(listening.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            // Another waker: the one that counts is the last.
            assert!(listening.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(bell.listeners().waiting.len(), 1);
        }
        listening.set(bell.listen());
        assert!(bell.listeners().waiting.is_empty());
    }
}
