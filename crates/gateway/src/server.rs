//! The listener: accepts connections, speaks HTTP/1.1 and HTTP/2 on them, and bounds everything.
//!
//! A handler sees requests whose head is complete, small, and readable in one way only. Slow
//! peers, too many of them, floods of headers, streams and resets end here. A drain stops
//! accepting, tells every connection to finish what it has, and leaves the waiting to
//! [`Tasks::drain`], which drops what is not finished in time.
//! When this is wrong: one address can take all connections; a limit per address needs a front
//! that knows who the peers are.

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{Either, Empty};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    select,
    sync::Semaphore,
    time,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::guarded::Guarded;
use crate::tasks::Tasks;

mod framing;
mod guarded;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer {
    /// As the socket says it; an IPv4 address may come mapped into IPv6.
    pub addr: SocketAddr,
    /// Whether the connection is encrypted up to here.
    pub is_tls: bool,
}

/// What a connection may take, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// Streams at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// For the TLS handshake, and then for each request's head. Also how long an HTTP/1
    /// connection may be idle between requests.
    pub header: Duration,
    /// How long a peer may take none of the bytes it is sent.
    pub stall: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            streams_max: 128,
            header: Duration::from_secs(10),
            stall: Duration::from_mins(1),
        }
    }
}

/// Whether the process is on its way out. Clones share it, and it never goes back.
///
/// It goes in two steps: once it has begun, connections finish what they have and newcomers are
/// still heard, to be told to come back; once it is over, nobody is accepted any more.
#[derive(Clone, Debug, Default)]
pub struct Draining {
    begun: CancellationToken,
    over: CancellationToken,
}

impl Draining {
    /// Not draining.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// From now on nobody is accepted.
    pub fn end(&self) {
        self.begin();
        self.over.cancel();
    }

    /// Whether new requests should go elsewhere.
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Returns once it has begun.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Its own waiting list, so that connections do not meet at one lock each time they are polled.
    fn apart(&self) -> Self {
        Self { begun: self.begun.child_token(), over: self.over.clone() }
    }
}

/// A listener and what it needs to serve.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    bounds: Bounds,
    draining: Draining,
    tasks: Tasks,
}

impl Server {
    /// Serves what arrives at `listener`, until `draining` is over, on `tasks`.
    pub fn new(listener: TcpListener, draining: Draining, tasks: Tasks) -> Self {
        Self { listener, tls: None, bounds: Bounds::default(), draining, tasks }
    }

    /// Speaks TLS and nothing else.
    #[must_use]
    pub fn with_tls(self, config: Arc<ServerConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Other bounds than the usual ones.
    #[must_use]
    pub fn with_bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections and hands their requests to `handler`, until draining is over. Then the
    /// listener is closed; connections go on until they have finished, on the tasks.
    pub async fn run<H, F, B>(self, handler: H)
    where
        H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let connections = Arc::new(Semaphore::new(self.bounds.connections_max));
        let reception = Arc::new(Reception {
            http: http_builder(self.bounds, self.tasks.clone()),
            tls: self.tls.map(TlsAcceptor::from),
            bounds: self.bounds,
        });
        loop {
            // Room first: a connection that is accepted and left lying looks like a dead server.
            let next = async {
                let room = Arc::clone(&connections).acquire_owned().await;
                (room, accept(&self.listener).await)
            };
            let (room, (stream, addr)) = select! {
                next = next => next,
                () = self.draining.over.cancelled() => return,
            };
            let (reception, handler) = (Arc::clone(&reception), handler.clone());
            let draining = self.draining.apart();
            self.tasks.spawn(async move {
                reception.receive(stream, addr, handler, draining).await;
                drop(room);
            });
        }
    }
}

/// What all connections of a listener share.
struct Reception {
    http: auto::Builder<Tasks>,
    tls: Option<TlsAcceptor>,
    bounds: Bounds,
}

impl Reception {
    async fn receive<H, F, B>(
        &self,
        stream: TcpStream,
        addr: SocketAddr,
        handler: H,
        draining: Draining,
    ) where
        H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        // Without it a small event waits for the acknowledgement of the one before. A socket that
        // refuses the option is already closed, which the first read will say.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            let peer = Peer { addr, is_tls: false };
            return self.serve(stream, peer, handler, draining).await;
        };
        match time::timeout(self.bounds.header, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.serve(stream, Peer { addr, is_tls: true }, handler, draining).await;
            }
            Ok(Err(error)) => tracing::debug!(%addr, %error, "no TLS handshake"),
            Err(_elapsed) => tracing::debug!(%addr, "no TLS handshake in time"),
        }
    }

    async fn serve<S, H, F, B>(&self, stream: S, peer: Peer, handler: H, draining: Draining)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let waiting = draining.clone();
        let asked = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&asked);
        let service = service_fn(move |request: Request<Incoming>| {
            heard.store(true, Ordering::Relaxed);
            // Whoever asks now should ask elsewhere next time.
            let closes = waiting.has_begun() && request.version() <= Version::HTTP_11;
            let answer = match unacceptable(&request) {
                Some(status) => Err(closing(status)),
                None => Ok(handler(request, peer)),
            };
            async move {
                let mut answer = match answer {
                    Ok(answer) => answer.await.map(Either::Left),
                    Err(refused) => refused.map(Either::Right),
                };
                if closes {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let guarded = Guarded::new(stream, self.bounds.header, self.bounds.stall);
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(guarded), service));
        // A newcomer during the drain is heard once, to be told to come back.
        let enough = if draining.has_begun() { &draining.over } else { &draining.begun };
        // HTTP/2 has no time-out of its own for a connection that never asks anything.
        let mut silence = pin!(time::sleep(self.bounds.header));
        let mut has_asked = false;
        let ended = loop {
            select! {
                ended = connection.as_mut() => break ended,
                () = enough.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    break connection.await;
                }
                () = silence.as_mut(), if !has_asked => {
                    has_asked = asked.load(Ordering::Relaxed);
                    if !has_asked {
                        return;
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(addr = %peer.addr, error, "a connection ended in an error");
        }
    }
}

/// The next connection. Errors of the listener itself are waited out: most often the process is
/// out of file descriptors, and trying again at once would only heat the processor.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether it was the peer that went away between connecting and being accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// What no handler should see: a tunnel, and HTTP/1.1 without a host (RFC 9112, 3.2).
fn unacceptable(request: &Request<Incoming>) -> Option<StatusCode> {
    if request.method() == Method::CONNECT {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let is_hostless = !request.headers().contains_key(header::HOST);
    (request.version() == Version::HTTP_11 && is_hostless).then_some(StatusCode::BAD_REQUEST)
}

/// An empty answer, like hyper's own to what it cannot read, and the end of the connection.
fn closing(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn http_builder(bounds: Bounds, tasks: Tasks) -> auto::Builder<Tasks> {
    let mut http = auto::Builder::new(tasks);
    // hyper takes at most 100 headers unless told otherwise, and keeps them on the stack for it.
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header)
        .max_buf_size(HEAD_BYTES_MAX);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams_max)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        // Rapid reset (CVE-2023-44487) and its kin: who resets more than this at once is cut off.
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(LOCAL_RESETS_MAX)
        .keep_alive_interval(KEEP_ALIVE_EVERY)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER);
    http
}

/// A request's head on HTTP/1; also how much of a body is buffered at once.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;
const PENDING_RESETS_MAX: usize = 20;
const LOCAL_RESETS_MAX: usize = 64;
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(20);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
