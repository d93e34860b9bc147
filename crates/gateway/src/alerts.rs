//! Alerts: what an operator wants to know at once, in the log and at a webhook.
//!
//! A meter that passed its mark is told once for each of its windows, whoever passes it and however
//! often, and again after a raise or a reset; a provider that refuses the account, once an hour; an
//! agent that runs away, once. The webhook is given JSON that Slack shows as it is, with what a
//! program may want beside it, signed with the operator's secret. It is an errand of its own: no
//! request waits for it, few run at a time, and one that fails is tried again twice. When it is
//! wrong: after a restart what was told is told again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tollgate_policy::{Caller, Warning};
use tollgate_units::{Span, Timestamp};
use tollgate_wire::rfc3339;

use crate::fetch::{FetchError, Fetcher, Reach};
use crate::runaway::Suspicion;
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
                // Created, accepted and no content are as good.
                Err(FetchError::Status(status)) if status.is_success() => return,
                // It was taken; what is said to it matters to nobody.
                Ok(_) | Err(FetchError::Unreadable(_)) => return,
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

/// What happened, for programs and for people.
struct Told<'a> {
    /// In one word.
    kind: &'static str,
    /// In a sentence; names in it may be anybody's.
    text: String,
    details: Value,
    webhook: Option<&'a Arc<Webhook>>,
    now: Timestamp,
}

impl Told<'_> {
    fn send(self) {
        let Some(webhook) = self.webhook else {
            return;
        };
        let mut details = self.details;
        details["kind"] = self.kind.into();
        details["at"] = rfc3339(self.now).into();
        // Where Slack reads more than words: a user called `<!channel>` calls nobody.
        let text = self.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        webhook.send(&json!({"text": text, "tollgate": details}), self.now);
    }
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
        // What has no window to wait for is told again after a while.
        let resets = warning.limit.resets();
        let until = if resets { warning.standing.resets_at } else { now.plus(AGAIN_AFTER) };
        if !self.is_new(warning.meter, until, now) {
            return;
        }
        let limit = warning.limit.sentence();
        let (percent, subject) = (warning.percent(), warning.subject.as_deref());
        let (tier, key) = (caller.tier_name(), caller.key_name());
        tracing::warn!(limit, percent, subject, %tier, key, "a limit has passed its mark");
        let whom = subject.map_or_else(String::new, |subject| format!(" for {subject}"));
        let text = format!("Tollgate: {percent}% of \"{limit}\" is used{whom}.");
        let details = json!({
            "limit": limit,
            "subject": subject,
            "percent": percent,
            "tier": &**tier,
            "key": key,
            "resets_at": resets.then(|| rfc3339(warning.standing.resets_at)),
        });
        Told { kind: "limit_mark", text, details, webhook, now }.send();
    }

    /// Tells of a meter's mark again when it is passed again: its limit was raised, or it was
    /// reset.
    pub(crate) fn forget(&self, meter: u128) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(&meter);
    }

    /// A provider refuses the operator's account: its key, its access or its quota.
    pub(crate) fn account(
        &self,
        provider: &str,
        status: StatusCode,
        webhook: Option<&Arc<Webhook>>,
        now: Timestamp,
    ) {
        let id = hashed(&["account", provider]);
        if !self.is_new(id, now.plus(AGAIN_AFTER), now) {
            return;
        }
        let text = format!(
            "Tollgate: the provider {provider} refuses this account with {status}. Look at its \
             key, its access and its quota."
        );
        let details = json!({"provider": provider, "status": status.as_u16()});
        Told { kind: "provider_account", text, details, webhook, now }.send();
    }

    /// Whether nobody has been told of `id` since its last window, which now ends at `until`.
    fn is_new(&self, id: u128, until: Timestamp, now: Timestamp) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&id).is_some_and(|until| *until > now) {
            return false;
        }
        if told.len() >= TOLD_MAX {
            told.retain(|_, until| *until > now);
            // Better told twice than never.
            if told.len() >= TOLD_MAX {
                told.clear();
            }
        }
        told.insert(id, until);
        true
    }
}

/// An agent has run away; it is told of once, by whoever noticed.
pub(crate) fn tell_runaway(
    suspicion: &Suspicion,
    caller: &Caller,
    webhook: Option<&Arc<Webhook>>,
    now: Timestamp,
) {
    let session = caller.in_session().map(ToString::to_string);
    let (tier, key) = (caller.tier_name(), caller.key_name());
    let text = format!(
        "Tollgate: {suspicion} ({}, key {}).",
        session.as_deref().unwrap_or("no session"),
        key.unwrap_or("none")
    );
    let details = json!({
        "runaway": suspicion.label(),
        "session": session,
        "tier": &**tier,
        "key": key,
    });
    Told { kind: "runaway", text, details, webhook, now }.send();
}

/// 128 bits for something that is no meter.
fn hashed(parts: &[&str]) -> u128 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    u128::from(hasher.finish())
}

const TIMESTAMP: &str = "x-tollgate-timestamp";
const SIGNATURE: &str = "x-tollgate-signature";
/// What has no window of its own is told again after so long.
const AGAIN_AFTER: Span = Span::from_secs(60 * 60);
const RUNNING_MAX: usize = 16;
const RETRY_AFTER: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(0)];
/// Some two megabytes.
const TOLD_MAX: usize = 65_536;

#[cfg(test)]
mod tests;
