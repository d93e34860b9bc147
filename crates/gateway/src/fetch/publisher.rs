//! An https server with moods of its own, for tests of errands.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::tasks::Tasks;
use crate::tls;

type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// An https server on loopback that says what it is told to.
pub(crate) struct Publisher {
    says: Arc<Mutex<String>>,
    asked: Arc<AtomicU64>,
    /// What was asked, heads and bodies.
    heard: Heard,
    pub(crate) trust: ClientConfig,
    pub(crate) url: String,
}

impl Publisher {
    pub(crate) async fn start(says: String) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/jwks", listener.local_addr().unwrap().port());
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::new(AtomicU64::new(0)));
        let trust = tls::client_config_trusting(roots).unwrap();
        let heard = Arc::default();
        let publisher = Self { says, asked, heard, trust, url };
        Tasks::new().spawn(serve(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            publisher.says.clone(),
            (publisher.asked.clone(), publisher.heard.clone()),
        ));
        publisher
    }

    /// From now on the whole answer, status line included.
    pub(crate) fn says(&self, answer: String) {
        *self.says.lock().unwrap() = answer;
    }

    /// What was asked last: the head, and the body.
    pub(crate) fn heard(&self) -> Option<(String, String)> {
        let heard = self.heard.lock().unwrap();
        let text = String::from_utf8(heard.last()?.clone()).unwrap();
        text.split_once("\r\n\r\n").map(|(head, body)| (head.to_owned(), body.to_owned()))
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    says: Arc<Mutex<String>>,
    (asked, heard): (Arc<AtomicU64>, Heard),
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = tls.accept(stream).await else { continue };
        let mut seen = Vec::new();
        while !is_whole(&seen) {
            if stream.read_buf(&mut seen).await.unwrap_or_default() == 0 {
                break;
            }
        }
        heard.lock().unwrap().push(seen);
        asked.fetch_add(1, Ordering::SeqCst);
        let answer = says.lock().unwrap().clone();
        // A reader who has had enough hangs up.
        let _sent = stream.write_all(answer.as_bytes()).await;
        let _closed = stream.shutdown().await;
    }
}

/// Whether a head came, and the body that it announces.
fn is_whole(seen: &[u8]) -> bool {
    let text = String::from_utf8_lossy(seen);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

/// An answer with the status 200.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}
