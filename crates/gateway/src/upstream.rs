//! The only way out: one HTTP client per provider account, and what a failed call means.
//!
//! An account has a client of its own, so that one account's connections, streams and failures
//! are not another's. Whatever does not change between requests (scheme, authority, base path,
//! the value that says who calls) is made once. A failure says whether the provider can have seen
//! the request, because that decides what the caller pays: nothing when it was never sent, the
//! input at least when it may have been.
//!
//! Nothing is retried here, with one exception below the surface: hyper-util takes a request back
//! that it had queued for a pooled connection which turned out to be closed before a single byte
//! of it was written, and sends it on another (`retry_canceled_requests`). That request was never
//! sent, so it cannot be answered twice. Whether a request was sent is what its body knows (see
//! `outbound`): a connection that dies once it was asked for is `Reset`.
//!
//! When this is wrong: a provider that refuses an HTTP/2 stream (`REFUSED_STREAM`) did not see the
//! request, but is reported as `Reset`: against the caller, never against the provider's bill.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioTimer,
};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use tokio::time;
use tollgate_wire::{AccountKey, Ask, Azure, Destination, Dialect, Errand, Protocol, dialect_of};

pub(crate) use self::failure::Deeply;
pub use self::failure::{AccountError, Cause, SendError};
pub use self::outbound::Going;
use self::{dial::Timed, outbound::Outbound};
use crate::{tasks::Tasks, tls};

mod dial;
mod failure;
mod outbound;

/// One account at a provider, as the operator wrote it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The operator's name for it.
    pub name: String,
    /// Where it is, with the version: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The protocol it speaks, which says how the key is sent.
    pub protocol: Protocol,
    /// How it speaks of its limits and its faults.
    pub dialect: &'static Dialect,
    /// How it is asked, where it is one at Azure.
    pub azure: Option<Azure>,
    /// Its key; some servers need none.
    pub api_key: Option<SecretString>,
}

/// How long a provider may keep us waiting.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection: name look-up, TCP and TLS together.
    pub connect: Duration,
    /// From handing the request over to the head of the answer.
    pub first_byte: Duration,
}

/// All accounts, by their position in the configuration.
#[derive(Debug)]
pub struct Upstreams {
    accounts: Vec<Arc<Upstream>>,
    connect: Duration,
    first_byte: Duration,
}

/// What is sent to a provider.
#[derive(Debug)]
pub struct Post<'a> {
    /// How it is asked: nearly always by a POST.
    pub method: Method,
    /// Beneath the account's base URL: `/chat/completions`.
    pub path: &'a str,
    /// They go out as they are: build them with [`forwardable`](crate::headers::forwardable).
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Is told when the request is on its way, and still knows it when the sending was given up.
    pub going: &'a Going,
}

impl Upstreams {
    /// Clients for `accounts`. Connections are made when they are first needed.
    ///
    /// # Errors
    ///
    /// A base URL or key that cannot be used, or no root certificates where one is https.
    pub fn new(accounts: &[Account], timeouts: Timeouts) -> Result<Self, AccountError> {
        let https = |account: &Account| !account.base_url.starts_with("http://");
        let trust = if accounts.iter().any(https) {
            tls::client_config()
        } else {
            tls::client_config_trusting(RootCertStore::empty())
        };
        Self::trusting(&trust.map_err(AccountError::Tls)?, accounts, timeouts)
    }

    /// Clients for `accounts`; those that are as they were keep their connections.
    ///
    /// # Errors
    ///
    /// As [`Upstreams::new`].
    pub fn renewed(&self, accounts: &[Account], timeouts: Timeouts) -> Result<Self, AccountError> {
        let mut renewed = Self::new(accounts, timeouts)?;
        for upstream in &mut renewed.accounts {
            let before = self.accounts.iter().find(|before| before.is_as(upstream));
            if let (Some(before), true) = (before, self.connect == renewed.connect) {
                *upstream = before.clone();
            }
        }
        Ok(renewed)
    }

    /// Like [`Upstreams::new`], with TLS as the caller wants it; no ALPN may be set in it.
    ///
    /// # Errors
    ///
    /// A base URL or key that cannot be used.
    pub fn trusting(
        trust: &ClientConfig,
        accounts: &[Account],
        timeouts: Timeouts,
    ) -> Result<Self, AccountError> {
        let accounts = accounts
            .iter()
            .map(|account| {
                let client = client(trust.clone(), timeouts.connect);
                Upstream::new(account, client).map(Arc::new)
            })
            .collect::<Result<_, _>>()?;
        let Timeouts { connect, first_byte } = timeouts;
        Ok(Self { accounts, connect, first_byte })
    }

    /// The account's own key, which no caller may learn.
    pub fn key(&self, account: usize) -> AccountKey {
        self.accounts.get(account).map(|upstream| upstream.key.clone()).unwrap_or_default()
    }

    /// The accounts of these that are not as they are among `others`: another key, another place,
    /// or gone.
    pub(crate) fn changed<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = &'a str> {
        let is_there = |one: &Upstream| others.accounts.iter().any(|other| other.is_as(one));
        let changed = self.accounts.iter().filter(move |one| !is_there(one));
        changed.map(|one| one.name.as_str())
    }

    /// How the account speaks of its limits and its faults.
    pub fn dialect(&self, account: usize) -> &'static Dialect {
        let known = self.accounts.get(account).map(|upstream| upstream.dialect);
        known.unwrap_or_else(|| dialect_of("", ""))
    }

    /// The accounts that speak `protocol`: the place of each, and its name.
    pub(crate) fn speaking(&self, protocol: Protocol) -> impl Iterator<Item = (usize, &str)> {
        let all = self.accounts.iter().enumerate();
        let speak = all.filter(move |(_, upstream)| upstream.protocol == protocol);
        speak.map(|(at, upstream)| (at, upstream.name.as_str()))
    }

    /// The path beneath the account's base URL where it is asked what `ask` asks of its `model`;
    /// nothing where no path can hold that name.
    pub(crate) fn path_to(
        &self,
        account: usize,
        ask: &Ask,
        model: &str,
    ) -> Option<Cow<'static, str>> {
        match &self.accounts.get(account)?.azure {
            Some(azure) => azure.path_to(ask.endpoint, model),
            None => Destination::path_to(ask.endpoint, model, ask.streamed),
        }
    }

    /// The path where the account is asked for a stored response.
    pub(crate) fn path_of_errand(&self, account: usize, errand: &Errand) -> String {
        let azure = self.accounts.get(account).and_then(|upstream| upstream.azure.as_ref());
        match azure {
            Some(azure) => azure.path_of_errand(errand.path()),
            None => errand.path(),
        }
    }

    /// Asks for a path beneath the account's base URL, and waits for the head of the answer.
    ///
    /// The account's credential is added, whatever the headers hold. Dropping the future gives up
    /// the connection (HTTP/1.1) or the stream (HTTP/2).
    ///
    /// # Errors
    ///
    /// No answer; the kind says whether the provider can have seen the request.
    pub async fn send(
        &self,
        account: usize,
        post: Post<'_>,
    ) -> Result<Response<Incoming>, SendError> {
        let upstream = self.accounts.get(account).ok_or_else(|| never("no such account"))?;
        let Post { method, path, headers, body, going } = post;
        let mut request = upstream.request(path, headers, Outbound::new(body, going))?;
        *request.method_mut() = method;
        match time::timeout(self.first_byte, upstream.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if going.has_begun() => Err(SendError::Reset(error.into())),
            Ok(Err(error)) => Err(SendError::Connect(error.into())),
            Err(_elapsed) if going.has_begun() => Err(SendError::TimedOut),
            Err(elapsed) => Err(SendError::Connect(elapsed.into())),
        }
    }
}

/// One account, ready for use.
struct Upstream {
    name: String,
    scheme: Scheme,
    authority: Authority,
    /// Without the slash at its end, so that `base` + `/chat/completions` is the path.
    base: String,
    protocol: Protocol,
    dialect: &'static Dialect,
    azure: Option<Azure>,
    /// What is sent to say who calls.
    credential: Option<HeaderValue>,
    /// What of it no caller may learn.
    key: AccountKey,
    client: HttpClient,
}

type HttpClient = Client<Timed<HttpsConnector<HttpConnector>>, Outbound>;

impl Upstream {
    fn new(account: &Account, client: HttpClient) -> Result<Self, AccountError> {
        let name = account.name.clone();
        let url: Uri = match account.base_url.parse() {
            Ok(url) => url,
            Err(error) => return Err(AccountError::BadUrl(name, error)),
        };
        let parts = url.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(AccountError::NotABase(name));
        };
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let is_web = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        let has_user = authority.as_str().contains('@');
        if !is_web || has_user || path.query().is_some() || account.base_url.contains('#') {
            return Err(AccountError::NotABase(name));
        }
        let base = path.path().trim_end_matches('/').to_owned();
        let protocol = account.protocol;
        let credential = match &account.api_key {
            None => None,
            Some(key) => match credential(scheme_of(account), key) {
                Some(value) => Some(value),
                None => return Err(AccountError::KeyUnusable(name)),
            },
        };
        let key =
            account.api_key.as_ref().map(|key| AccountKey::new(key.expose_secret().as_bytes()));
        let (dialect, azure, key) =
            (account.dialect, account.azure.clone(), key.unwrap_or_default());
        Ok(Self {
            name,
            scheme,
            authority,
            base,
            protocol,
            dialect,
            azure,
            credential,
            key,
            client,
        })
    }

    /// Whether `other` is the same account, with the same key at the same place.
    fn is_as(&self, other: &Self) -> bool {
        self.name == other.name
            && self.scheme == other.scheme
            && self.authority == other.authority
            && self.base == other.base
            && self.protocol == other.protocol
            && self.azure == other.azure
            && self.credential == other.credential
    }

    fn request(
        &self,
        path: &str,
        headers: HeaderMap,
        body: Outbound,
    ) -> Result<Request<Outbound>, SendError> {
        let path = Bytes::from([self.base.as_str(), path].concat());
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path).map_err(never)?);
        let mut request = Request::new(body);
        *request.uri_mut() = Uri::from_parts(parts).map_err(never)?;
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.remove(header::AUTHORIZATION);
        headers.remove(API_KEY);
        headers.remove(AZURE_API_KEY);
        headers.remove(GOOGLE_API_KEY);
        let carrier = match self.protocol {
            _ if self.azure.is_some() => AZURE_API_KEY,
            Protocol::Anthropic => API_KEY,
            Protocol::Cohere | Protocol::OpenAi => header::AUTHORIZATION,
            Protocol::Gemini => GOOGLE_API_KEY,
        };
        if let Some(credential) = &self.credential {
            headers.insert(carrier, credential.clone());
        }
        if self.protocol == Protocol::Anthropic {
            headers.entry(ANTHROPIC_VERSION).or_insert(ANTHROPIC_VERSION_USUAL);
        }
        Ok(request)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}://{}{}", self.name, self.scheme, self.authority, self.base)
    }
}

/// What stands before a key in the header that carries it.
fn scheme_of(account: &Account) -> &'static str {
    match account.protocol {
        _ if account.azure.is_some() => "",
        Protocol::Anthropic | Protocol::Gemini => "",
        Protocol::Cohere | Protocol::OpenAi => "Bearer ",
    }
}

/// Sensitive values are left out of debug output and of HTTP/2's compression tables.
fn credential(scheme: &str, key: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from([scheme, key.expose_secret()].concat()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn client(trust: ClientConfig, connect: Duration) -> HttpClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // A model may think for minutes without a byte; what forgets idle connections must not.
    tcp.set_keepalive(Some(KEEP_ALIVE_EVERY));
    tcp.set_connect_timeout(Some(connect));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(trust)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    // Tasks of its own: connections end with the client, and a drain need not wait for idle ones.
    Client::builder(Tasks::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_IDLE_CONNECTIONS_MAX)
        .retry_canceled_requests(true)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
        .http2_keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .build(Timed::new(connector, connect))
}

fn never(cause: impl Into<Cause>) -> SendError {
    SendError::Connect(cause.into())
}

/// How Anthropic is told who calls.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// How Azure is.
const AZURE_API_KEY: HeaderName = HeaderName::from_static("api-key");
/// How Gemini is.
const GOOGLE_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
/// Anthropic answers nobody who does not say which version of its protocol is spoken.
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const ANTHROPIC_VERSION_USUAL: HeaderValue = HeaderValue::from_static("2023-06-01");
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(20);
const POOL_IDLE: Duration = Duration::from_mins(1);
const POOL_IDLE_CONNECTIONS_MAX: usize = 1024;

#[cfg(test)]
mod tests;
