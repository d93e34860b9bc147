//! Issuers that are believed: a JWT in, a caller's entry out.
//!
//! Verifying a signature costs tens of microseconds, so what was verified is remembered by its
//! digest until it expires, its issuer publishes other keys, or the policy changes (the whole value
//! is replaced with it). What is remembered was signed by a believed issuer, so nobody else can
//! fill the memory.
//! When this is wrong: a JWT that its issuer has taken back is good until it expires.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use tollgate_jwt::{Identity, Issuer, Jwt, KeySource, Keyset, Why};
use tollgate_policy::{KeyDigest, KeyEntry, Policy, Vouched};
use tollgate_units::Timestamp;

use self::remote::Remote;
use crate::fetch::{Fetcher, Reach};
use crate::telemetry::Metrics;
use crate::tls::{self, TlsError};

mod remote;

/// Everybody whose JWTs open the gate.
#[derive(Debug, Default)]
pub struct Issuers {
    issuers: Vec<Believed>,
    verified: Mutex<Verified>,
}

#[derive(Debug)]
struct Believed {
    issuer: Issuer,
    keys: Keys,
}

/// The keys of one issuer.
#[derive(Debug)]
enum Keys {
    Known(Arc<Keyset>),
    Remote(Arc<Remote>),
}

/// What was verified, in two generations: when the younger one is full it becomes the older, and
/// the older is forgotten.
#[derive(Debug, Default)]
struct Verified {
    young: HashMap<[u8; 32], Remembered>,
    old: HashMap<[u8; 32], Remembered>,
}

#[derive(Clone, Debug)]
struct Remembered {
    entry: Arc<KeyEntry>,
    /// Which issuer, and the keys that it had.
    issuer: usize,
    keys: Arc<Keyset>,
    until: Timestamp,
}

impl Issuers {
    /// Believes `issuers`. Keys that have to be fetched are from now on, and again every ten
    /// minutes; call it inside a tokio runtime then. Those that are fetched from the same place for
    /// the issuers `before` are the same.
    ///
    /// # Errors
    ///
    /// Keys have to be fetched, and there is no TLS.
    pub fn new(
        issuers: Vec<Issuer>,
        metrics: &Arc<Metrics>,
        before: Option<&Self>,
    ) -> Result<Self, TlsError> {
        let fetches = |issuer: &Issuer| matches!(issuer.keys, KeySource::Url { .. });
        let trust = if issuers.iter().any(fetches) {
            tls::client_config()
        } else {
            tls::client_config_trusting(rustls::RootCertStore::empty())
        };
        Ok(Self::trusting(&trust?, issuers, metrics, before))
    }

    /// Like [`Issuers::new`], with TLS as the caller wants it; no ALPN may be set in it.
    pub fn trusting(
        trust: &ClientConfig,
        issuers: Vec<Issuer>,
        metrics: &Arc<Metrics>,
        before: Option<&Self>,
    ) -> Self {
        let believed = |issuer: Issuer| {
            let keys = match &issuer.keys {
                KeySource::Known(keys) => Keys::Known(keys.clone()),
                KeySource::Url { url, allow_private } => {
                    let reach = if *allow_private { Reach::Anywhere } else { Reach::Public };
                    let same = before.and_then(|before| before.remote(url, reach));
                    Keys::Remote(same.unwrap_or_else(|| {
                        let fetcher = Fetcher::new(trust.clone(), reach);
                        Arc::new(Remote::new(url.clone(), fetcher, metrics.clone()))
                    }))
                }
            };
            Believed { issuer, keys }
        };
        let issuers = issuers.into_iter().map(believed).collect();
        Self { issuers, verified: Mutex::default() }
    }

    fn remote(&self, url: &str, reach: Reach) -> Option<Arc<Remote>> {
        self.issuers.iter().find_map(|believed| match &believed.keys {
            Keys::Remote(remote) if remote.is(url, reach) => Some(remote.clone()),
            Keys::Known(_) | Keys::Remote(_) => None,
        })
    }

    /// Whether the issuer called `url` is believed.
    pub(crate) fn believes(&self, url: &str) -> bool {
        self.issuers.iter().any(|believed| &*believed.issuer.url == url)
    }

    /// Whether nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// The entry of whoever presents the JWT `text`, whose digest is `digest`. Waits only where its
    /// issuer's keys have to be fetched first.
    ///
    /// # Errors
    ///
    /// Nobody believed has signed it, or it is not for this time and place; or its tier is not one
    /// of `policy`.
    pub(crate) async fn entry(
        &self,
        text: &str,
        digest: KeyDigest,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Arc<KeyEntry>, Why> {
        if let Some(entry) = self.remembered(&digest, now) {
            return Ok(entry);
        }
        let jwt = Jwt::read(text)?;
        let of_issuer = |believed: &Believed| jwt.issuer() == Some(&*believed.issuer.url);
        let issuer = self.issuers.iter().position(of_issuer).ok_or(Why::Issuer)?;
        let believed = self.issuers.get(issuer).ok_or(Why::Issuer)?;
        let (identity, keys) = believed.identity(&jwt, now).await?;
        let entry = policy.vouched(&vouched(&believed.issuer, &identity), digest);
        let entry = entry.ok_or(Why::Claim("tier"))?;
        let until = identity.until;
        self.remember(digest, Remembered { entry: entry.clone(), issuer, keys, until });
        Ok(entry)
    }

    fn remembered(&self, digest: &KeyDigest, now: Timestamp) -> Option<Arc<KeyEntry>> {
        let known = {
            let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            let digest = digest.as_bytes();
            verified.young.get(digest).or_else(|| verified.old.get(digest))?.clone()
        };
        let keys = self.issuers.get(known.issuer)?.keys.now()?;
        (now < known.until && Arc::ptr_eq(&keys, &known.keys)).then_some(known.entry)
    }

    fn remember(&self, digest: KeyDigest, what: Remembered) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.young.len() >= GENERATION_MAX {
            verified.old = std::mem::take(&mut verified.young);
        }
        verified.young.insert(*digest.as_bytes(), what);
    }
}

impl Believed {
    /// Who is asking, and the keys by which that is so. An unknown key may be a new one: then the
    /// keys are fetched again, at most every half minute.
    async fn identity(
        &self,
        jwt: &Jwt<'_>,
        now: Timestamp,
    ) -> Result<(Identity, Arc<Keyset>), Why> {
        let verified = |keys: Option<Arc<Keyset>>| {
            let keys = keys.ok_or(Why::NoKeys)?;
            self.issuer.verify(jwt, &keys, now).map(|identity| (identity, keys))
        };
        match (verified(self.keys.now()), &self.keys) {
            (Err(Why::Key | Why::NoKeys), Keys::Remote(remote)) => {
                remote.refreshed().await;
                verified(remote.now())
            }
            (verified, _) => verified,
        }
    }
}

impl Keys {
    fn now(&self) -> Option<Arc<Keyset>> {
        match self {
            Self::Known(keys) => Some(keys.clone()),
            Self::Remote(remote) => remote.now(),
        }
    }
}

fn vouched<'a>(issuer: &'a Issuer, identity: &'a Identity) -> Vouched<'a> {
    Vouched {
        issuer: &issuer.url,
        subject: &identity.subject,
        user: identity.user.as_deref(),
        team: identity.team.as_deref(),
        project: identity.project.as_deref(),
        org: identity.org.as_deref(),
        tier: &identity.tier,
    }
}

/// Half of what is remembered at most: some two kilobytes each.
const GENERATION_MAX: usize = 4096;

#[cfg(test)]
mod tests;
