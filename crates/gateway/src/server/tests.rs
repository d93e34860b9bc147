//! A listener on a real socket, and peers that do not behave.

use std::{
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    RootCertStore,
    pki_types::{PrivateKeyDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, oneshot},
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::tls;

mod smuggling;

const LONG: Duration = Duration::from_hours(1);
const PATIENT: Bounds =
    Bounds { connections_max: 64, streams_max: 8, header: LONG, idle: LONG, stall: LONG };

/// A server whose handler answers with the method, the path and the body it was given.
struct Running {
    addr: SocketAddr,
    draining: Draining,
    tasks: Tasks,
    requests: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Running {
    async fn start(bounds: Bounds, tls: Option<Arc<ServerConfig>>) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        let handler = move |request: Request<Incoming>, _peer| {
            seen.fetch_add(1, Ordering::SeqCst);
            echo(request)
        };
        Self::with_handler(bounds, tls, requests, handler).await
    }

    async fn with_handler<H, F, B>(
        bounds: Bounds,
        tls: Option<Arc<ServerConfig>>,
        requests: Arc<AtomicUsize>,
        handler: H,
    ) -> Self
    where
        H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + fmt::Debug + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (draining, tasks) = (Draining::new(), Tasks::new());
        let server = Server::new(listener, draining.clone(), tasks.clone()).with_bounds(bounds);
        let addr = server.local_addr().unwrap();
        let server = match tls {
            Some(tls) => server.with_tls(tls),
            None => server,
        };
        let accepting = tokio::spawn(server.run(handler));
        Self { addr, draining, tasks, requests, accepting }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends `bytes` on a connection of their own, and returns all that comes until it is closed.
    async fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may have refused and closed before it was told everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        String::from_utf8(said).unwrap()
    }
}

async fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Response::new(Full::from(format!("{} {} {body}", head.method, head.uri.path())))
}

fn statuses(said: &str) -> Vec<&str> {
    said.split("HTTP/1.").skip(1).map(|answer| &answer[2..5]).collect()
}

#[tokio::test]
async fn a_tunnel_is_refused() {
    let server = Running::start(PATIENT, None).await;
    let said = server.talk(b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n").await;
    assert_eq!(statuses(&said), ["405"], "{said}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn floods_of_headers_are_refused() {
    let server = Running::start(PATIENT, None).await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\n";
    let many = [head, &"X: y\r\n".repeat(100), "\r\n"].concat();
    assert_eq!(statuses(&server.talk(many.as_bytes()).await), ["431"]);
    let long = [head, "X: ", &"y".repeat(HEAD_BYTES_MAX), "\r\n\r\n"].concat();
    let said = server.talk(long.as_bytes()).await;
    assert!(!said.contains(" 200 "), "{said}");
    let just_fits = [head, &"X: y\r\n".repeat(99), "\r\n"].concat();
    assert_eq!(statuses(&server.talk(just_fits.as_bytes()).await), ["200"]);
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn noise_is_refused_and_the_server_lives_on() {
    let server = Running::start(PATIENT, None).await;
    for seed in 1..200_u64 {
        let mut dice = seed;
        let noise: Vec<u8> = (0..200)
            .map(|_| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                u8::try_from(dice >> 56).unwrap()
            })
            .collect();
        let mut stream = server.connect().await;
        let _ = stream.write_all(&noise).await;
        let _ = stream.shutdown().await;
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        assert!(!said.windows(4).any(|four| four == b" 200"), "seed {seed}");
    }
    let said = server.talk(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(statuses(&said), ["200"]);
}

#[tokio::test]
async fn peers_that_do_not_finish_a_head_are_given_up() {
    let soon = Duration::from_millis(30);
    let hasty = Bounds { header: soon, idle: soon, ..PATIENT };
    let server = Running::start(hasty, None).await;
    for beginning in [
        "",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "PRI * HTTP/2.0",
        // After a good request, and after none at all: idle is not for ever either.
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /",
    ] {
        let mut stream = server.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        // Returns only when the server has closed: our half stays open.
        stream.read_to_end(&mut said).await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_is_given_up() {
    let hasty = Bounds { stall: Duration::from_millis(30), ..PATIENT };
    let much = Bytes::from(vec![b'x'; 32 * 1024 * 1024]);
    let handler = move |_request, _peer| {
        let much = much.clone();
        async move { Response::new(Full::from(much)) }
    };
    let server = Running::with_handler(hasty, None, Arc::default(), handler).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    // The task of the connection ends although we neither read nor close.
    assert!(server.tasks.drain(LONG).await);
}

/// An answer without an end, which tells when it is dropped.
#[derive(Debug)]
struct Endless(
    #[expect(dead_code, reason = "what counts is when it is dropped")] oneshot::Sender<()>,
);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"a piece")))))
    }
}

#[tokio::test]
async fn an_http_2_peer_that_grants_no_window_is_given_up() {
    let hasty = Bounds { stall: Duration::from_millis(30), ..PATIENT };
    let (held, given_back) = oneshot::channel();
    let held = Arc::new(Mutex::new(Some(held)));
    let handler = move |_request, _peer| {
        let endless = held.lock().unwrap().take().map(Endless).expect("one request");
        async move { Response::new(endless) }
    };
    let server = Running::with_handler(hasty, None, Arc::default(), handler).await;
    let mut builder = http2::Builder::new(Tasks::new());
    builder.initial_stream_window_size(0).initial_connection_window_size(0);
    let (mut client, connection) =
        builder.handshake(TokioIo::new(server.connect().await)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a/").body(Full::<Bytes>::default()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    // Frames are still exchanged, pings answered; only the window is missing.
    assert!(given_back.await.is_err(), "what the answer held is given back");
    drop((answer, connection));
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_a_place() {
    let one = Bounds { connections_max: 1, ..PATIENT };
    let server = Running::start(one, None).await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut first = server.connect().await;
    first.write_all(request).await.unwrap();
    first.read_u8().await.unwrap();
    let mut second = server.connect().await;
    second.write_all(request).await.unwrap();
    let waited = time::timeout(Duration::from_millis(20), second.read_u8()).await;
    assert!(waited.is_err(), "the second was served beside the first");
    drop(first);
    assert_eq!(second.read_u8().await.unwrap(), b'H');
}

#[tokio::test]
async fn a_drain_closes_idle_connections_and_the_listener() {
    let server = Running::start(PATIENT, None).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();
    let silent = server.connect().await;
    assert!(!server.draining.has_begun());
    server.draining.end();
    assert!(server.draining.has_begun());
    server.accepting.await.unwrap();
    assert!(server.tasks.drain(LONG).await);
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(TcpStream::connect(server.addr).await.is_err());
    drop(silent);
}

#[tokio::test]
async fn a_newcomer_during_a_drain_is_answered_once() {
    let server = Running::start(PATIENT, None).await;
    server.draining.begin();
    let mut late = server.connect().await;
    late.write_all(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut said = String::new();
    late.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("connection: close\r\n"), "{said}");
    assert!(said.ends_with("GET /late "), "{said}");
    server.draining.end();
    server.accepting.await.unwrap();
}

/// A server whose handler says when it was called and then waits to be let go.
async fn waiting_server(go: Arc<Notify>) -> (Running, Arc<Notify>) {
    let called = Arc::new(Notify::new());
    let tell = Arc::clone(&called);
    let handler = move |request, _peer| {
        let (go, tell) = (Arc::clone(&go), Arc::clone(&tell));
        async move {
            tell.notify_one();
            go.notified().await;
            echo(request).await
        }
    };
    (Running::with_handler(PATIENT, None, Arc::default(), handler).await, called)
}

#[tokio::test]
async fn a_drain_lets_running_answers_finish_and_ends_their_connection() {
    let go = Arc::new(Notify::new());
    let (server, called) = waiting_server(Arc::clone(&go)).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    called.notified().await;
    server.draining.end();
    server.accepting.await.unwrap();
    go.notify_one();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("connection: close\r\n"), "{said}");
    assert!(said.ends_with("GET /a "), "{said}");
    assert!(server.tasks.drain(LONG).await);
}

#[tokio::test]
async fn a_drain_out_of_patience_drops_the_handler() {
    let (server, called) = waiting_server(Arc::new(Notify::new())).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    called.notified().await;
    server.draining.begin();
    assert!(!server.tasks.drain(Duration::ZERO).await);
    assert!(server.tasks.is_empty());
    // Closed, one way or another, without an answer.
    assert!(stream.read_u8().await.is_err());
}

#[tokio::test]
async fn a_peer_that_hangs_up_drops_the_handler() {
    struct Dropped(Arc<Notify>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (called, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, told) = (Arc::clone(&called), Arc::clone(&gone));
    let handler = move |_request, _peer| {
        let (tell, dropped) = (Arc::clone(&tell), Dropped(Arc::clone(&told)));
        async move {
            let _dropped = dropped;
            tell.notify_one();
            std::future::pending::<Response<Full<Bytes>>>().await
        }
    };
    let server = Running::with_handler(PATIENT, None, Arc::default(), handler).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    called.notified().await;
    drop(stream);
    gone.notified().await;
}

#[tokio::test]
async fn an_http_2_connection_that_never_asks_is_ended() {
    let short = Bounds { header: Duration::from_millis(50), ..PATIENT };
    let server = Running::start(short, None).await;
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // Ends by itself; without a bound this would wait for ever.
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn http_2_is_spoken_to_those_who_begin_with_it() {
    let server = Running::start(PATIENT, None).await;
    let stream = TokioIo::new(server.connect().await);
    let (mut client, connection) =
        http2::handshake::<_, _, Full<Bytes>>(server.tasks.clone(), stream).await.unwrap();
    let driven = tokio::spawn(connection);
    let request = Request::post("http://a/x").body(Full::from("hello")).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "POST /x hello");
    server.draining.begin();
    driven.await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_is_spoken_in_both_versions_and_the_peer_is_told() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let peers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&peers);
    let handler = move |request, peer: Peer| {
        seen.lock().unwrap().push(peer.is_tls);
        echo(request)
    };
    let tls = Some(Arc::new(config));
    let server = Running::with_handler(PATIENT, tls, Arc::default(), handler).await;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    for version in ["h2", "http/1.1"] {
        let mut trust = tls::client_config_trusting(roots.clone()).unwrap();
        trust.alpn_protocols = vec![version.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let stream = server.connect().await;
        let mut stream = TlsConnector::from(Arc::new(trust)).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(version.as_bytes()));
        if version == "h2" {
            let (mut client, connection) =
                http2::handshake::<_, _, Full<Bytes>>(server.tasks.clone(), TokioIo::new(stream))
                    .await
                    .unwrap();
            server.tasks.spawn(connection);
            let request = Request::get("https://localhost/x").body(Full::default()).unwrap();
            let response = client.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        } else {
            stream.write_all(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'H');
        }
    }
    assert_eq!(*peers.lock().unwrap(), [true, true]);
}

#[tokio::test]
async fn a_peer_that_does_not_finish_the_tls_handshake_is_given_up() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let hasty = Bounds { header: Duration::from_millis(30), ..PATIENT };
    let server = Running::start(hasty, Some(Arc::new(config))).await;
    let mut stream = server.connect().await;
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}

#[test]
fn only_errors_of_one_connection_are_passed_over() {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Other, OutOfMemory};
    for (kind, is_of_one) in
        [(ConnectionAborted, true), (ConnectionReset, true), (OutOfMemory, false), (Other, false)]
    {
        assert_eq!(is_of_one_connection(&kind.into()), is_of_one, "{kind}");
    }
    // Out of file descriptors: EMFILE.
    assert!(!is_of_one_connection(&io::Error::from_raw_os_error(24)));
}
