//! Who knocks: from headers and the connection to a caller, before the body is read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderName, Uri, header, request};
use tollgate_jwt::{Why, looks_like_jwt};
use tollgate_limits::Wait;
use tollgate_policy::{Caller, KeyDigest, Policy, Proxies, Refusal};
use tollgate_units::Span;
use tollgate_wire::{Notice, NoticeKind, Protocol};

use crate::claims::{self, Unclear};
use crate::gate::{Gateway, Live};

/// A request as it came, less its body.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    pub(crate) parts: request::Parts,
    /// Whom it comes from: the peer, or the one that a trusted proxy speaks for.
    pub(crate) ip: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub(crate) by_proxy: bool,
    pub(crate) request_id: String,
    /// What is in force: the request is served by it to its end, whatever is reloaded meanwhile.
    pub(crate) live: Arc<Live>,
    /// When the head was there.
    pub(crate) since: Instant,
}

impl Inbound {
    pub(crate) fn new(parts: request::Parts, peer: SocketAddr, gate: &Gateway) -> Self {
        let (request_id, live) = (gate.request_id(), gate.live());
        let proxies = live.policy.proxies();
        let by_proxy = proxies.trusts(peer.ip());
        let ip = client(proxies, peer.ip(), &parts.headers);
        Self { parts, ip, by_proxy, request_id, live, since: Instant::now() }
    }

    /// The protocol that it is answered in.
    pub(crate) fn protocol(&self) -> Protocol {
        Protocol::of_request(self.parts.uri.path(), &self.parts.headers)
    }

    /// What is told to the caller when the gateway itself says no for a reason of HTTP.
    pub(crate) fn notice(&self, kind: NoticeKind, message: String) -> Notice {
        Notice {
            kind,
            message,
            param: None,
            limited: None,
            retry_after: None,
            jitter: Span::ZERO,
            request_id: self.request_id.clone(),
        }
    }
}

/// The address behind `peer`. A value that is not even text is no address.
fn client(proxies: &Proxies, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let forwarded = headers.get_all(FORWARDED_FOR).into_iter();
    proxies.client(peer, forwarded.map(|value| value.to_str().unwrap_or_default()))
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why nobody was recognised.
#[derive(Debug)]
pub(crate) enum Unknown {
    /// No key where one is needed, or one that is not known; the reason is for the operator.
    Credential(&'static str),
    /// Too many failures from this address: when the next one may come.
    TooMany(Span),
    /// Somebody who may say who is asking says it in a way that cannot be understood.
    Unclear(Unclear),
}

/// The caller, by key, JWT or address, and by what its headers may say. A failure is counted
/// against the address; after a minute's worth the answer is a 429. A right key is never held up by
/// the wrong ones of a neighbour.
pub(crate) async fn identify(inbound: &Inbound, gate: &Gateway) -> Result<Caller, Unknown> {
    let (ip, policy) = (inbound.ip, &inbound.live.policy);
    let caller = match credential(&inbound.parts.headers, &inbound.parts.uri) {
        Ok(Some(secret)) => known(secret, inbound, gate).await,
        Ok(None) => match claims::tier(inbound).map_err(Unknown::Unclear)? {
            Some(tier) => policy.in_tier(tier, ip).ok_or("tier"),
            None => policy.anonymous(ip).ok_or(KEY),
        },
        Err(Ambiguous) => Err(KEY),
    };
    let caller = caller.map_err(|reason| failed(gate, policy, ip, reason))?;
    let caller = caller.with_raises(gate.issued().in_force());
    claims::claim(caller, inbound).map_err(Unknown::Unclear)
}

/// Whoever presents `secret`: a key of the configuration, one that was issued, or a JWT by its
/// issuer's signature. The secret is hashed once and before anything is compared; a key that is not
/// known, has expired or was revoked goes the same way.
async fn known(secret: &str, inbound: &Inbound, gate: &Gateway) -> Result<Caller, &'static str> {
    let (ip, live) = (inbound.ip, &inbound.live);
    let (digest, now) = (KeyDigest::of(secret), gate.clock().now());
    let listed = live.policy.holder(&digest);
    if let Some(entry) = listed.or_else(|| gate.issued().find(&digest, &live.policy, now)) {
        return Ok(live.policy.caller(entry, ip));
    }
    if live.issuers.is_empty() || !looks_like_jwt(secret) {
        return Err(KEY);
    }
    let refused = |why: Why| {
        tracing::debug!(request_id = inbound.request_id, %why, "a JWT was refused");
        why.label()
    };
    let entry = live.issuers.entry(secret, digest, &live.policy, now).await.map_err(refused)?;
    Ok(live.policy.caller(entry, ip))
}

/// The reason in metrics and in the access log where the credential is none that is known.
const KEY: &str = "key";

fn failed(gate: &Gateway, policy: &Policy, ip: IpAddr, reason: &'static str) -> Unknown {
    let now = gate.clock().now();
    let Some(charges) = policy.failed_login(ip, now) else {
        return Unknown::Credential(reason);
    };
    match gate.meters.reserve(charges) {
        Ok(held) => {
            let used = held.reserved(0);
            held.settle(&[used]);
            Unknown::Credential(reason)
        }
        Err(denied) => match denied.wait() {
            Wait::Until(at) => Unknown::TooMany(at.since(now)),
            Wait::Never => Unknown::Credential(reason),
        },
    }
}

impl Unknown {
    /// One word for metrics and the access log.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Credential(reason) => reason,
            Self::TooMany(_) => KEY,
            Self::Unclear(_) => "identity_header",
        }
    }

    pub(crate) fn notice(self, inbound: &Inbound) -> Notice {
        match self {
            Self::Unclear(unclear) => inbound.notice(NoticeKind::InvalidRequest, unclear.message()),
            Self::Credential(_) => {
                Refusal::Credential.notice(inbound.request_id.clone(), Span::ZERO)
            }
            Self::TooMany(wait) => {
                let mut notice = inbound.notice(
                    NoticeKind::LimitExceeded,
                    "Too many requests with a wrong key from this address.".to_owned(),
                );
                notice.retry_after = Some(wait);
                notice
            }
        }
    }
}

/// Two different credentials, or one where it would be logged: whose request it is cannot be said.
struct Ambiguous;

/// The one credential that a request presents. Clients insist on sending something, so an empty
/// one and the word `anonymous` are none.
fn credential<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<Option<&'a str>, Ambiguous> {
    if uri.query().is_some_and(has_key) {
        return Err(Ambiguous);
    }
    let mut found: Option<&str> = None;
    for name in &CREDENTIALS {
        for value in headers.get_all(name) {
            let text = value.to_str().map_err(|_| Ambiguous)?.trim();
            let secret = if name == header::AUTHORIZATION { bearer(text)? } else { text };
            if found.is_some_and(|first| first != secret) {
                return Err(Ambiguous);
            }
            found = Some(secret);
        }
    }
    Ok(found.filter(|secret| !secret.is_empty() && *secret != "anonymous"))
}

const CREDENTIALS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// The secret behind `Bearer`. Another scheme is a credential that fails, not a missing one.
fn bearer(value: &str) -> Result<&str, Ambiguous> {
    let (scheme, secret) = value.split_once(' ').unwrap_or((value, ""));
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    (is_bearer || value.is_empty()).then_some(secret.trim()).ok_or(Ambiguous)
}

/// What a key is called in queries.
const KEY_NAMES: &[&str] = &[
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "auth",
    "authorization",
    "key",
    "secret",
    "token",
    "x-api-key",
    "x-goog-api-key",
];

fn has_key(query: &str) -> bool {
    let names = query.split('&').map(|pair| decoded(pair.split('=').next().unwrap_or_default()));
    names.into_iter().any(|name| KEY_NAMES.contains(&&*name.to_ascii_lowercase()))
}

/// A name of a query as it is meant (RFC 3986, 2.1): `include%5B%5D` is `include[]`.
fn decoded(name: &str) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut bytes, mut rest) = (Vec::with_capacity(name.len()), name.as_bytes());
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, after @ ..] if *first == b'%' => hex(*high).zip(hex(*low)).zip(Some(after)),
            _ => None,
        };
        let (byte, after) = match escaped {
            Some(((high, low), after)) => (high << 4 | low, after),
            None => (*first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Why a request must not be answered although its sender may be known: a page of another origin
/// sent it through somebody's browser, or a name that was made to point at loopback.
pub fn foreign(headers: &HeaderMap, uri: &Uri, loopback: bool) -> Option<String> {
    // In a request's absolute form the target says the host, whatever the header says (RFC 9112,
    // 3.2.2).
    let host = uri.authority().map(http::uri::Authority::as_str);
    let host = host.or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    let host = host.unwrap_or_default();
    if loopback && !is_loopback(host) {
        return Some(format!(
            "This gateway listens on loopback and answers to localhost, not to \"{host}\"."
        ));
    }
    let origin = headers.get(header::ORIGIN)?.to_str().unwrap_or_default();
    let own = origin.split_once("://").is_some_and(|(_, authority)| authority == host);
    (!own).then(|| "This gateway does not answer pages of another origin.".to_owned())
}

fn is_loopback(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (name, port) =
        bracketed.unwrap_or_else(|| host.split_at(host.find(':').unwrap_or(host.len())));
    let digits = port.strip_prefix(':').unwrap_or(port);
    if (port.len() == digits.len() && !port.is_empty())
        || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return false;
    }
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    type Headers = [(&'static str, &'static str)];

    fn presented(headers: &Headers, uri: &str) -> Result<Option<String>, ()> {
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let uri = uri.parse().unwrap();
        credential(&map, &uri).map(|found| found.map(str::to_owned)).map_err(|_| ())
    }

    #[test]
    fn a_credential_is_one_none_or_refused() {
        let some = |text: &str| Ok(Some(text.to_owned()));
        let table: [(&Headers, &str, _); 13] = [
            (&[], "/v1/models", Ok(None)),
            (&[("authorization", "Bearer k1")], "/", some("k1")),
            (&[("authorization", "bearer  k1 ")], "/", some("k1")),
            (&[("x-api-key", "k1")], "/", some("k1")),
            (&[("api-key", "k1")], "/", some("k1")),
            (&[("x-goog-api-key", "k1")], "/", some("k1")),
            (&[("authorization", "Bearer k1"), ("x-api-key", "k1")], "/", some("k1")),
            (&[("authorization", "Bearer k1"), ("x-api-key", "k2")], "/", Err(())),
            (&[("authorization", "Bearer k1"), ("authorization", "Bearer k2")], "/", Err(())),
            (&[("authorization", "Basic k1")], "/", Err(())),
            (&[("authorization", "Bearer ")], "/", Ok(None)),
            (&[("authorization", "Bearer anonymous")], "/", Ok(None)),
            (&[("authorization", "Bearer k1")], "/?KEY=k1", Err(())),
        ];
        for (headers, uri, expected) in table {
            assert_eq!(presented(headers, uri), expected, "{headers:?} {uri}");
        }
    }

    #[test]
    fn a_right_key_beside_an_empty_one_is_two_credentials() {
        let two = &[("authorization", "Bearer k1"), ("x-api-key", "")];
        assert_eq!(presented(two, "/"), Err(()));
    }

    #[test]
    fn browsers_are_kept_out_and_loopback_answers_to_its_own_names() {
        let check = |host: &'static str, origin: Option<&'static str>, loopback| {
            let mut map = HeaderMap::new();
            map.insert(header::HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                map.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            foreign(&map, &Uri::from_static("/"), loopback).is_none()
        };
        assert!(check("localhost:8080", None, true));
        assert!(check("127.0.0.1:8080", None, true));
        assert!(check("[::1]:8080", None, true));
        for evil in
            ["evil.example", "[::1].evil.com", "localhost:80@evil.com", "", "127.0.0.1.evil.com"]
        {
            assert!(!check(evil, None, true), "{evil}");
        }
        let mut map = HeaderMap::new();
        map.insert(header::HOST, HeaderValue::from_static("127.0.0.1"));
        let target = Uri::from_static("http://evil.example/v1/models");
        assert!(foreign(&map, &target, true).is_some(), "the target says the host");
        assert!(check("gate.example", None, false));
        assert!(check("gate.example", Some("https://gate.example"), false));
        assert!(!check("gate.example", Some("https://evil.example"), false));
        assert!(!check("gate.example", Some("null"), false));
    }
}
