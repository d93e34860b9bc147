//! A connector with one deadline over everything: name look-up, TCP, TLS.
//!
//! `HttpConnector`'s own time-out covers TCP alone. A provider that accepts and then says nothing
//! in the TLS handshake would run into the time-out of the first byte, and a request that was
//! never sent would count as sent.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use tokio::time;
use tower_service::Service;

use super::Cause;

/// `inner`, given up after `limit`.
#[derive(Clone, Debug)]
pub(super) struct Timed<C> {
    inner: C,
    limit: Duration,
}

impl<C> Timed<C> {
    pub(super) fn new(inner: C, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<Cause>,
{
    type Response = C::Response;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let dialled = time::timeout(self.limit, self.inner.call(to));
        Box::pin(async { dialled.await?.map_err(Into::into) })
    }
}
