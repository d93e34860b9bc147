//! The webhook: where alerts go besides the log.
//!
//! It is an errand of its own: no request waits for it, few run at a time, and one that fails is
//! tried again twice. What is sent is signed with the operator's secret.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Method, Request, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tollgate_units::Timestamp;

use crate::fetch::{FetchError, Fetcher, Reach};
use crate::tasks::Tasks;
use crate::tls::{self, TlsError};

/// Where alerts go besides the log.
#[derive(Debug)]
pub struct Webhook {
    url: Uri,
    key: Option<hmac::Key>,
    format: Format,
    fetcher: Fetcher,
    running: AtomicUsize,
}

/// How alerts are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// JSON with the sentence where Slack and its like show it, and the details beside it.
    #[default]
    Slack,
    /// The sentence alone, as plain text.
    Plain,
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
        format: Format,
    ) -> Result<Arc<Self>, TlsError> {
        let reach = if allow_private { Reach::Anywhere } else { Reach::Public };
        Ok(Self::fetching(Fetcher::new(tls::client_config()?, reach), (url, format), secret))
    }

    pub(super) fn fetching(
        fetcher: Fetcher,
        (url, format): (Uri, Format),
        secret: Option<&SecretString>,
    ) -> Arc<Self> {
        let key = |secret: &SecretString| {
            hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes())
        };
        let (key, running) = (secret.map(key), AtomicUsize::new(0));
        Arc::new(Self { url, key, format, fetcher, running })
    }

    /// Sends `text`, in which names may be anybody's, unless too many are on their way already.
    pub(super) fn send(self: &Arc<Self>, text: &str, details: &Value, now: Timestamp) {
        if self.running.fetch_add(1, Ordering::Relaxed) >= RUNNING_MAX {
            self.running.fetch_sub(1, Ordering::Relaxed);
            tracing::error!("too many alerts are on their way: this one is only in the log");
            return;
        }
        let body = match self.format {
            Format::Slack => {
                // It reads more than words: a user called `<!channel>` calls nobody.
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                json!({"text": text, "tollgate": details}).to_string()
            }
            Format::Plain => text.to_owned(),
        };
        let (webhook, body) = (self.clone(), Bytes::from(body));
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

    pub(super) fn request(&self, body: Bytes, now: Timestamp) -> Option<Request<Bytes>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.url.clone())
            .header(header::CONTENT_TYPE, self.format.media_type())
            .header(TIMESTAMP, now.as_millis());
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE, signature(key, &body, now));
        }
        request.body(body).ok()
    }
}

/// HMAC-SHA256 over the time, a dot and the body, in hexadecimal: who knows the secret can tell
/// that the alert is this gateway's, and not an old one sent again.
pub(super) fn signature(key: &hmac::Key, body: &[u8], now: Timestamp) -> String {
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

impl Format {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Slack => "application/json",
            Self::Plain => "text/plain; charset=utf-8",
        }
    }
}

const TIMESTAMP: &str = "x-tollgate-timestamp";
const SIGNATURE: &str = "x-tollgate-signature";
const RUNNING_MAX: usize = 16;
const RETRY_AFTER: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(0)];
