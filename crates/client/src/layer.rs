//! The same as a tower layer, around any service that takes `http::Request`s.
//!
//! An answer is judged by its status and headers, before its body is read, and handed on as it
//! came: the last one, whatever it says. So a 429 that only its body tells to be an empty account
//! (`insufficient_quota`) is tried again here, within the budget; whoever reads bodies uses
//! [`Tollgate::call`] and [`FailureKind::of_answer`]. A body that has begun to flow is never asked
//! for twice.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tollgate_units::Amount;
use tollgate_wire::{Dialect, dialect_of};
use tower::{Layer, Service, ServiceExt as _};

use crate::client::Tollgate;
use crate::error::{CallError, Refusal};
use crate::failure::{Failure, FailureKind};

/// Puts a client around services.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tollgate_client::{Config, Tollgate, TollgateLayer};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// let provider = service_fn(|request: http::Request<String>| async move {
///     Ok::<_, std::io::Error>(http::Response::new(request.into_body()))
/// });
/// let client = TollgateLayer::new(Tollgate::new(Config::default())?).layer(provider);
/// let request = http::Request::post("https://api.openai.com/v1/models").body("hi".to_owned())?;
/// assert_eq!(client.oneshot(request).await?.body(), "hi");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TollgateLayer {
    client: Tollgate,
}

/// What a request costs, among its extensions; one unit where nothing is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Demand(pub Amount);

/// A service that is asked as often, and as many times, as its client allows.
///
/// It is always ready: how long a request has to wait is known only from what it costs. The inner
/// service is waited for in each attempt, once the bucket has room, so that whoever waits here
/// holds no place there.
#[derive(Clone, Debug)]
pub struct TollgateService<S> {
    client: Tollgate,
    inner: S,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LayerError<E> {
    /// The inner service failed, the last time too.
    Inner(E),
    /// The request was never sent.
    Refused(Refusal),
}

impl TollgateLayer {
    /// All services of this layer, and whoever else has a clone of `client`, share its limits.
    pub const fn new(client: Tollgate) -> Self {
        Self { client }
    }
}

impl<S> Layer<S> for TollgateLayer {
    type Service = TollgateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TollgateService { client: self.client.clone(), inner }
    }
}

impl<S, B, A> Service<Request<B>> for TollgateService<S>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Clone + Send + 'static,
    A: Send + 'static,
{
    type Response = Response<A>;
    type Error = LayerError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let client = self.client.clone();
        // A clone has not been asked whether it is ready; `oneshot` asks it.
        let inner = self.inner.clone();
        Box::pin(async move {
            let dialect = dialect_of("", request.uri().host().unwrap_or_default());
            let cost = request.extensions().get().map_or(Amount::ONE, |Demand(cost)| *cost);
            let attempt = move |_| {
                let sent = inner.clone().oneshot(request.clone());
                async move { judged(dialect, sent.await) }
            };
            match client.call(cost, attempt).await {
                Ok(answer) => Ok(answer),
                Err(CallError::Failed { failure, .. }) => failure.cause.map_err(LayerError::Inner),
                Err(CallError::Refused(refusal)) => Err(LayerError::Refused(refusal)),
            }
        })
    }
}

type Sent<A, E> = Result<Response<A>, E>;

/// Whether the attempt succeeded. What failed is kept whole: it may be what the caller gets.
#[expect(clippy::result_large_err, reason = "the answer is as large either way")]
fn judged<A, E>(dialect: &Dialect, sent: Sent<A, E>) -> Result<Response<A>, Failure<Sent<A, E>>> {
    match sent {
        Ok(answer) => {
            match FailureKind::of_answer(dialect, answer.status(), answer.headers(), &[]) {
                None => Ok(answer),
                Some(kind) => Err(Failure { cause: Ok(answer), kind }),
            }
        }
        Err(err) => Err(Failure::failed(Err(err))),
    }
}

impl<E: fmt::Display> fmt::Display for LayerError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inner(err) => err.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for LayerError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Inner(err) => Some(err),
            Self::Refused(refusal) => Some(refusal),
        }
    }
}
