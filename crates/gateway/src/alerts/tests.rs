//! What operators are told, and how it is known to be from here.

use std::net::{IpAddr, Ipv4Addr};

use aws_lc_rs::hmac;
use secrecy::SecretString;
use tollgate_limits::Standing;
use tollgate_policy::{BoundLimit, Policy};
use tollgate_units::{Amount, Span};

use super::webhook::signature;
use super::*;
use crate::fetch::publisher::{Publisher, ok};
use crate::fetch::{Fetcher, Reach};

const SECRET: &str = "alert-secret-0123456789";
const NOW: Timestamp = Timestamp::from_millis(1_795_330_800_000);

#[test]
fn an_alert_is_signed_with_its_time() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    // As `printf '1795330800000.{}' | openssl dgst -sha256 -hmac alert-secret-0123456789`.
    assert_eq!(signature(&key, b"{}", NOW), EXPECTED);
    assert_ne!(signature(&key, b"{}", Timestamp::from_millis(1)), EXPECTED);
}

const EXPECTED: &str = "sha256=f0c02ba9e2d0d6e6189d43ab8a1a3c922f662352acc0ef68fcaf868c5bd479de";

fn caller() -> Caller {
    let text = "data: \":memory:\"\nproviders: {p: {kind: openai, base_url: \"http://h/v1\"}}\n\
                models: {m: {serve: [p/m]}}\ntiers: {anonymous: {models: [m], limits: \
                ['10 requests per day per ip, warn at 80%']}}\n";
    let config = tollgate_config::parse("test.yaml", text, &|_| None).unwrap();
    Policy::new(config.settings).anonymous(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap()
}

fn warning(limit: &BoundLimit, used: u64, resets_at: Timestamp) -> Warning<'_> {
    let standing = Standing {
        used: Amount::new(used),
        held: Amount::ZERO,
        left: Amount::new(10 - used),
        resets_at,
    };
    Warning { limit, subject: Some("team:acme".to_owned()), standing, meter: 7 }
}

/// Slack calls a channel where it reads `<!channel>`; who reads plain text reads what is meant.
#[tokio::test]
async fn names_in_an_alert_are_for_reading_only() {
    let publisher = Publisher::start(ok("ok")).await;
    let table =
        [(Format::Slack, "of &lt;!channel&gt; &amp; ana"), (Format::Plain, "of <!channel> & ana")];
    for (count, (format, told)) in (1..).zip(table) {
        let fetcher = Fetcher::new(publisher.trust.clone(), Reach::Anywhere);
        let webhook = Webhook::fetching(fetcher, (publisher.url.parse().unwrap(), format), None);
        webhook.send("of <!channel> & ana", &json!({}), NOW);
        while publisher.asked() < count {
            tokio::task::yield_now().await;
        }
        let (_, body) = publisher.heard().unwrap();
        assert!(body.contains(told), "{format:?} {body}");
    }
}

#[tokio::test]
async fn a_mark_is_told_once_a_window_and_signed() {
    let publisher = Publisher::start(ok("ok")).await;
    let fetcher = Fetcher::new(publisher.trust.clone(), Reach::Anywhere);
    let secret = SecretString::from(SECRET.to_owned());
    let webhook =
        Webhook::fetching(fetcher, (publisher.url.parse().unwrap(), Format::Slack), Some(&secret));
    let (caller, alerts) = (caller(), Alerts::default());
    let watched = caller.watched(false, NOW);
    let limit = &watched[0].limit;
    let midnight = NOW.plus(Span::from_secs(3600));
    for (used, at) in [(8, NOW), (9, NOW.plus(Span::from_secs(60)))] {
        alerts.warn(&warning(limit, used, midnight), &caller, Some(&webhook), at);
    }
    while publisher.asked() < 1 {
        tokio::task::yield_now().await;
    }
    let (head, body) = publisher.heard().unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = format!("x-tollgate-signature: {}", signature(&key, body.as_bytes(), NOW));
    assert!(head.contains(&signed), "{head}");
    assert!(head.contains("x-tollgate-timestamp: 1795330800000"), "{head}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        told["text"],
        "Tollgate: 80% of \"10 requests per day per ip, warn at 80%\" is used for team:acme."
    );
    assert_eq!(told["tollgate"]["resets_at"], "2026-11-22T08:00:00Z");
    // Another window, another alert.
    let next = midnight.plus(Span::from_secs(86_400));
    alerts.warn(&warning(limit, 10, next), &caller, Some(&webhook), midnight);
    while publisher.asked() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(publisher.heard().unwrap().1.contains("100%"));
    // After a raise or a reset the same window is told of once more.
    alerts.forget(7);
    for _ in 0..2 {
        alerts.warn(&warning(limit, 9, next), &caller, Some(&webhook), midnight);
    }
    while publisher.asked() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(publisher.heard().unwrap().1.contains("90%"));
    assert!(!alerts.is_new(7, next, midnight));
}
