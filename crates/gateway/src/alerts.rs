//! Alerts: what an operator wants to know at once, in the log and at a webhook.
//!
//! A meter that passed its mark is told once for each of its windows, whoever passes it and however
//! often. The webhook is given JSON that Slack shows as it is, with what a program may want beside
//! it, signed with the operator's secret. It is an errand of its own: no request waits for it, few
//! run at a time, and one that fails is tried again twice. When it is wrong: after a restart a
//! window's alert is told again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Method, Request, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tollgate_policy::{Caller, Warning};
use tollgate_units::Timestamp;
use tollgate_wire::rfc3339;

use crate::fetch::{FetchError, Fetcher, Reach};
use crate::tasks::Tasks;
use crate::tls::{self, TlsError};

/// Which alerts have been told.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    told: Mutex<HashMap<u128, Timestamp>>,
}

/// Where alerts go besides the log.
#[derive(Debug)]
pub struct Webhook {
    url: Uri,
    key: Option<hmac::Key>,
    fetcher: Fetcher,
    running: AtomicUsize,
}

impl Webhook {
    /// The webhook at `url`, an https URL; what is sent there is signed with `secret`.
    ///
    /// # Errors
    ///
    /// There is no TLS.
    pub fn new(
        url: Uri,
        secret: Option<&SecretString>,
        allow_private: bool,
    ) -> Result<Arc<Self>, TlsError> {
        let reach = if allow_private { Reach::Anywhere } else { Reach::Public };
        Ok(Self::fetching(Fetcher::new(tls::client_config()?, reach), url, secret))
    }

    fn fetching(fetcher: Fetcher, url: Uri, secret: Option<&SecretString>) -> Arc<Self> {
        let key = |secret: &SecretString| {
            hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes())
        };
        let (key, running) = (secret.map(key), AtomicUsize::new(0));
        Arc::new(Self { url, key, fetcher, running })
    }

    /// Sends `alert`, unless too many are on their way already.
    fn send(self: &Arc<Self>, alert: &Value, now: Timestamp) {
        if self.running.fetch_add(1, Ordering::Relaxed) >= RUNNING_MAX {
            self.running.fetch_sub(1, Ordering::Relaxed);
            tracing::error!("too many alerts are on their way: this one is only in the log");
            return;
        }
        let (webhook, body) = (self.clone(), Bytes::from(alert.to_string()));
        Tasks::new().spawn(async move {
            webhook.deliver(body, now).await;
            webhook.running.fetch_sub(1, Ordering::Relaxed);
        });
    }

    async fn deliver(&self, body: Bytes, now: Timestamp) {
        for wait in RETRY_AFTER {
            let Some(request) = self.request(body.clone(), now) else {
                return;
            };
            match self.fetcher.fetch(request).await {
                Ok(_) => return,
                // Created, accepted and no content are as good.
                Err(FetchError::Status(status)) if status.is_success() => return,
                Err(error) => tracing::warn!(%error, "an alert did not reach the webhook"),
            }
            tokio::time::sleep(wait).await;
        }
        tracing::error!("an alert was given up: the webhook does not take it");
    }

    fn request(&self, body: Bytes, now: Timestamp) -> Option<Request<Bytes>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(TIMESTAMP, now.as_millis());
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE, signature(key, &body, now));
        }
        request.body(body).ok()
    }
}

/// HMAC-SHA256 over the time, a dot and the body, in hexadecimal: who knows the secret can tell
/// that the alert is this gateway's, and not an old one sent again.
fn signature(key: &hmac::Key, body: &[u8], now: Timestamp) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{}.", now.as_millis()).as_bytes());
    context.update(body);
    let mut text = String::from("sha256=");
    for byte in context.sign().as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Alerts {
    /// A limit has passed its mark.
    pub(crate) fn warn(
        &self,
        warning: &Warning<'_>,
        caller: &Caller,
        webhook: Option<&Arc<Webhook>>,
        now: Timestamp,
    ) {
        if !self.is_new(warning, now) {
            return;
        }
        let limit = warning.limit.sentence();
        let (percent, subject) = (warning.percent(), warning.subject.as_deref());
        let (tier, key) = (caller.tier_name(), caller.key_name());
        tracing::warn!(limit, percent, subject, %tier, key, "a limit has passed its mark");
        let Some(webhook) = webhook else {
            return;
        };
        let whom = subject.map_or_else(String::new, |subject| format!(" for {subject}"));
        let alert = json!({
            "text": format!("Tollgate: {percent}% of \"{limit}\" is used{whom}."),
            "tollgate": {
                "kind": "limit_mark",
                "limit": limit,
                "subject": subject,
                "percent": percent,
                "tier": &**tier,
                "key": key,
                "at": rfc3339(now),
                "resets_at": warning.limit.resets().then(|| rfc3339(warning.standing.resets_at)),
            },
        });
        webhook.send(&alert, now);
    }

    /// Whether this window of the meter has not been told of.
    fn is_new(&self, warning: &Warning<'_>, now: Timestamp) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&warning.meter).is_some_and(|until| *until > now) {
            return false;
        }
        if told.len() >= TOLD_MAX {
            told.retain(|_, until| *until > now);
        }
        // A window that slides ends later with each use: for as long as it lasts now, it is told.
        let until =
            if warning.limit.resets() { warning.standing.resets_at } else { Timestamp::MAX };
        told.len() < TOLD_MAX && told.insert(warning.meter, until.max(now)).is_none_or(|u| u <= now)
    }
}

const TIMESTAMP: &str = "x-tollgate-timestamp";
const SIGNATURE: &str = "x-tollgate-signature";
const RUNNING_MAX: usize = 16;
const RETRY_AFTER: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(0)];
/// Some two megabytes.
const TOLD_MAX: usize = 65_536;

#[cfg(test)]
mod tests;
