//! How long a provider may say nothing in the middle of its answer.
//!
//! Something comes many times a second, so a piece moves an instant and not a timer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tollgate_units::Span;

/// The silence that lasts now.
#[derive(Debug)]
pub(super) struct Silence {
    most: Duration,
    ends: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    /// Begins now, and may last for `idle`.
    pub(super) fn of(idle: Span) -> Self {
        Self::lasting(Duration::from_millis(idle.as_millis()))
    }

    /// Another that begins now, and may last as long.
    pub(super) fn again(&self) -> Self {
        Self::lasting(self.most)
    }

    fn lasting(most: Duration) -> Self {
        Self { most, ends: Instant::now() + most, timer: None }
    }

    /// The provider has just said something.
    pub(super) fn begins_now(&mut self) {
        self.ends = Instant::now() + self.most;
    }

    /// Ready once the provider has said nothing for the whole span. The timer is set when the
    /// first silence begins, and moved only when it fires early.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let ends = self.ends;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends)));
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= ends {
                return Poll::Ready(());
            }
            timer.as_mut().reset(ends);
        }
        Poll::Pending
    }
}
