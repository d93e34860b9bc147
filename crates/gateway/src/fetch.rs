//! Errands of the gateway's own, to places that a configuration names: the keys of an issuer.
//!
//! Who may name a URL could make the gateway knock at doors that only it can reach. So it goes over
//! https only, follows nobody elsewhere, reaches into the own network only where that is allowed
//! (whatever a name resolves to, at the moment it is dialled), and takes a bounded answer in
//! bounded time. Connections are not kept: an errand is rare.
//! When this is wrong: a proxy that all traffic has to take is not asked.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, uri::Scheme};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use rustls::ClientConfig;
use tokio::{net, time};
use tower_service::Service;

use self::address::is_public;
use crate::tasks::Tasks;
use crate::upstream::{Cause, Deeply};

mod address;
#[cfg(test)]
pub(crate) mod publisher;

/// How far an errand may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Addresses of the own network and of this machine included.
    Anywhere,
    /// Addresses that all the world can reach.
    Public,
}

/// Runs errands.
#[derive(Debug)]
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    reach: Reach,
}

/// Why an errand came to nothing. It may name hosts, so it is for the log.
#[derive(Debug)]
pub enum FetchError {
    /// No answer.
    Failed(Cause),
    /// An address that only this network knows, and that is not allowed.
    Private,
    /// Any other status than 200; redirects are not followed.
    Status(StatusCode),
    /// It took longer than 5 s.
    TimedOut,
    /// The answer is longer than a megabyte, or broke off.
    Unreadable(Cause),
    /// Not https, or no URL.
    Url,
}

impl Fetcher {
    /// Trusts whom `trust` trusts; no ALPN may be set in it.
    pub fn new(trust: ClientConfig, reach: Reach) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver { reach });
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(Tasks::new()).pool_max_idle_per_host(0).build(connector);
        Self { client, reach }
    }

    /// How far it may go.
    pub const fn reach(&self) -> Reach {
        self.reach
    }

    /// Sends `request` and returns the whole body of its answer.
    ///
    /// # Errors
    ///
    /// No answer with the status 200 and at most a megabyte within 5 s.
    pub async fn fetch(&self, request: Request<Bytes>) -> Result<Bytes, FetchError> {
        self.may_reach(request.uri())?;
        let answer = async {
            let request = request.map(Full::new);
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| FetchError::Failed(error.into()))?;
            if answer.status() != StatusCode::OK {
                return Err(FetchError::Status(answer.status()));
            }
            let whole = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            whole.map(http_body_util::Collected::to_bytes).map_err(FetchError::Unreadable)
        };
        time::timeout(PATIENCE, answer).await.unwrap_or(Err(FetchError::TimedOut))
    }

    /// Whether the URL itself is allowed. An address in it is never resolved, so it is looked at
    /// here.
    fn may_reach(&self, url: &Uri) -> Result<(), FetchError> {
        let host = url.host().filter(|_| url.scheme() == Some(&Scheme::HTTPS));
        let host = host.ok_or(FetchError::Url)?;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match bare.unwrap_or(host).parse() {
            Ok(ip) if !self.reach.includes(ip) => Err(FetchError::Private),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl Reach {
    fn includes(self, ip: IpAddr) -> bool {
        self == Self::Anywhere || is_public(ip)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (said, cause) = match self {
            Self::Failed(cause) => ("no answer", cause),
            Self::Private => {
                return f.write_str("an address of the own network, and allow_private is not set");
            }
            Self::Status(status) => return write!(f, "the answer is {status}"),
            Self::TimedOut => return f.write_str("no whole answer within 5 s"),
            Self::Unreadable(cause) if cause.is::<LengthLimitError>() => {
                return f.write_str("the answer is longer than a megabyte");
            }
            Self::Unreadable(cause) => ("the answer broke off", cause),
            Self::Url => return f.write_str("not an https URL"),
        };
        write!(f, "{said}: {}", Deeply(cause))
    }
}

impl std::error::Error for FetchError {}

/// Names to addresses, without those that may not be reached.
#[derive(Clone, Debug)]
struct Resolver {
    reach: Reach,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.reach;
        Box::pin(async move {
            let found = net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<_> = found.filter(|found| reach.includes(found.ip())).collect();
            if allowed.is_empty() {
                return Err(io::Error::other("the name leads to no address that is allowed"));
            }
            Ok(allowed.into_iter())
        })
    }
}

const ANSWER_BYTES_MAX: usize = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn fetcher(reach: Reach) -> Fetcher {
        let none = rustls::RootCertStore::empty();
        Fetcher::new(crate::tls::client_config_trusting(none).unwrap(), reach)
    }

    async fn outcome(reach: Reach, url: &str) -> String {
        let request = Request::get(url).body(Bytes::new()).unwrap();
        fetcher(reach).fetch(request).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn the_own_network_is_out_of_reach_by_address_and_by_name() {
        for url in [
            "https://127.0.0.1:9/",
            "https://[::1]:9/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://192.168.0.1/",
        ] {
            assert!(outcome(Reach::Public, url).await.contains("allow_private"), "{url}");
        }
        let by_name = outcome(Reach::Public, "https://localhost:9/").await;
        assert!(by_name.contains("no address that is allowed"), "{by_name}");
        // Where it is allowed, nobody is at home there.
        let allowed = outcome(Reach::Anywhere, "https://localhost:9/").await;
        assert!(allowed.starts_with("no answer") && !allowed.contains("allowed"), "{allowed}");
    }

    #[tokio::test]
    async fn nothing_but_https_is_spoken() {
        for url in ["http://127.0.0.1:9/", "/keys"] {
            assert_eq!(outcome(Reach::Anywhere, url).await, "not an https URL", "{url}");
        }
    }
}
