//! A thread that writes behind the requests, and the way to it.
//!
//! It ends when the way is closed, with everything written that it was given; whoever closes it
//! waits for that, and learns how it ended.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::journal::Trouble;
use crate::memory::lock;

/// A thread that is given `T`s to write.
#[derive(Debug)]
pub(crate) struct Scribe<T> {
    open: Mutex<Option<Open<T>>>,
}

#[derive(Debug)]
struct Open<T> {
    queue: SyncSender<T>,
    thread: JoinHandle<Result<(), Trouble>>,
}

impl<T: Send + 'static> Scribe<T> {
    /// Starts a thread called `name`, for which at most `len_max` wait.
    pub(crate) fn new(
        name: &str,
        len_max: usize,
        work: impl FnOnce(&Receiver<T>) -> Result<(), Trouble> + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, orders) = sync_channel(len_max);
        let thread = Builder::new().name(name.to_owned()).spawn(move || work(&orders))?;
        Ok(Self { open: Mutex::new(Some(Open { queue, thread })) })
    }
}

impl<T> Scribe<T> {
    /// Hands it one more, without waiting. Whether there was room, and it was not closed.
    pub(crate) fn takes(&self, one: T) -> bool {
        lock(&self.open).as_ref().is_some_and(|open| open.queue.try_send(one).is_ok())
    }

    /// Ends it, and waits until it has let go of what it writes to.
    pub(crate) fn close(&self) -> Result<(), Trouble> {
        let Some(Open { queue, thread }) = lock(&self.open).take() else {
            return Ok(());
        };
        drop(queue);
        let gone =
            |_| Trouble { op: "close", message: "the thread that writes is gone".to_owned() };
        thread.join().map_err(gone)?
    }
}

impl<T> Drop for Scribe<T> {
    fn drop(&mut self) {
        // The file is let go when this returns. What could not be written is lost.
        self.close().ok();
    }
}
