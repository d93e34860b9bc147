//! The listener: accepts connections, speaks HTTP/1.1 and HTTP/2 on them, and bounds everything.
//!
//! A handler sees requests whose head is complete, small, and readable in one way only. Slow
//! peers, too many of them, floods of headers, streams and resets end here. A drain stops
//! accepting, tells every connection to finish what it has, and leaves the waiting to
//! [`Tasks::drain`], which drops what is not finished in time.
//! When this is wrong: one address can take all connections; a limit per address needs a front
//! that knows who the peers are.

use std::{
    convert::Infallible, error::Error, fmt, io, net::SocketAddr, pin::pin, sync::Arc,
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

use self::activity::{Activity, Answer};
use self::guarded::Guarded;
use crate::bell::Bell;
use crate::tasks::Tasks;

mod activity;
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
    /// For the TLS handshake, and then for each request's head.
    pub header: Duration,
    /// How long a connection may rest between requests. Longer than clients keep theirs, as far as
    /// that goes: who closes first must be the one who knows that nothing is on its way.
    pub idle: Duration,
    /// How long a peer may take none of the bytes it is sent.
    pub stall: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            streams_max: 128,
            header: Duration::from_secs(10),
            idle: Duration::from_secs(75),
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
    begun: Bell,
    over: Bell,
}

impl Draining {
    /// Not draining.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on.
    pub fn begin(&self) {
        self.begun.ring();
    }

    /// From now on nobody is accepted.
    pub fn end(&self) {
        self.begin();
        self.over.ring();
    }

    /// Returns when it begins: what runs for ever stops then.
    pub async fn begun(&self) {
        self.begun.listen().await;
    }

    /// Whether new requests should go elsewhere.
    pub fn has_begun(&self) -> bool {
        self.begun.is_rung()
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
        B: Body<Data = Bytes> + fmt::Debug + Send + Unpin + 'static,
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
                () = self.draining.over.listen() => return,
            };
            let (reception, handler) = (Arc::clone(&reception), handler.clone());
            let draining = self.draining.clone();
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
        B: Body<Data = Bytes> + fmt::Debug + Send + Unpin + 'static,
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
        B: Body<Data = Bytes> + fmt::Debug + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let activity = Arc::new(Activity::default());
        let guarded = Guarded::new(stream, &self.bounds, Arc::clone(&activity));
        let (waiting, served) = (draining.clone(), Arc::clone(&activity));
        let service = service_fn(move |request: Request<Incoming>| {
            let running = served.begin();
            let is_http_1 = request.version() <= Version::HTTP_11;
            // Whoever asks now should ask elsewhere next time.
            let closes = is_http_1 && waiting.has_begun();
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
                Ok::<_, Infallible>(answer.map(|body| {
                    if is_http_1 {
                        Answer::new(body, running)
                    } else {
                        Answer::watched(body, running)
                    }
                }))
            }
        });
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(guarded), service));
        // A newcomer during the drain is heard once, to be told to come back.
        let enough = if draining.has_begun() { &draining.over } else { &draining.begun };
        let mut enough = pin!(enough.listen());
        let mut look = pin!(time::sleep(self.bounds.stall));
        let mut is_ending = false;
        let ended = loop {
            select! {
                biased;
                ended = connection.as_mut() => break ended,
                () = enough.as_mut(), if !is_ending => {
                    connection.as_mut().graceful_shutdown();
                    is_ending = true;
                }
                () = look.as_mut() => {
                    let now = time::Instant::now();
                    activity.give_up_stalled(self.bounds.stall, now);
                    look.as_mut().reset(now + self.bounds.stall / LOOKS_A_STALL);
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
    // Its time for a head counts rest between requests as slowness; `Guarded` keeps it instead.
    http.http1().header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
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
/// How often answers are looked at within the time that their peer has to take them.
const LOOKS_A_STALL: u32 = 4;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
