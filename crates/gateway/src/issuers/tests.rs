//! Keys from a server that has its own moods, and JWTs signed with them.

use serde_json::json;
use tollgate_jwt::ClaimNames;
use tollgate_policy::{Guardrails, Priority, Settings, TierSettings};
use tollgate_testkit::Signer;
use tollgate_units::Span;

use super::*;
use crate::fetch::publisher::{Publisher, ok};

const URL: &str = "https://id.example.com";
const NOW: u64 = 1_800_000_000;
const DAY: Span = Span::from_secs(86_400);

fn believed(publisher: &Publisher) -> Issuers {
    let issuer = issuer(KeySource::Url { url: publisher.url.clone(), allow_private: true });
    Issuers::trusting(&publisher.trust, vec![issuer], &Arc::new(Metrics::new()), None)
}

fn issuer(keys: KeySource) -> Issuer {
    Issuer {
        url: URL.to_owned(),
        audience: vec!["tollgate".to_owned()],
        claims: ClaimNames {
            user: "sub".to_owned(),
            tier: Some("tier".to_owned()),
            ..ClaimNames::default()
        },
        tier: Some("free".to_owned()),
        keys,
    }
}

fn policy() -> Arc<Policy> {
    let tier = TierSettings {
        name: "free".to_owned(),
        models: Vec::new(),
        limits: Vec::new(),
        guardrails: Guardrails::default(),
        priority: Priority::default(),
    };
    Policy::new(Settings { tiers: vec![tier], ..Settings::default() })
}

fn jwt(signer: &Signer) -> String {
    let exp = NOW + 600;
    signer.jwt(&json!({"iss": URL, "sub": "ana", "aud": "tollgate", "exp": exp}))
}

fn now() -> Timestamp {
    Timestamp::EPOCH.plus(Span::from_secs(NOW))
}

async fn ask(issuers: &Issuers, text: &str, now: Timestamp) -> Result<Arc<KeyEntry>, Why> {
    issuers.entry(text, KeyDigest::of(text), &policy(), now).await
}

/// Half a minute and more passes.
async fn pass() {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn what_was_verified_is_remembered_until_it_expires() {
    let signer = Signer::new("a");
    let keys = Arc::new(Keyset::parse(signer.jwks().as_bytes()).unwrap());
    let metrics = Arc::new(Metrics::new());
    let issuers = Issuers::new(vec![issuer(KeySource::Known(keys))], &metrics, None).unwrap();
    let text = jwt(&signer);
    let first = ask(&issuers, &text, now()).await.unwrap();
    let again = ask(&issuers, &text, now()).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the second time it is not verified again");
    assert_eq!(first.name(), URL);
    let late = now().plus(DAY);
    assert_eq!(ask(&issuers, &text, late).await.map(|_| ()), Err(Why::Expired));

    let lost = signer.jwt(&json!({"iss": "https://other", "sub": "ana", "aud": "tollgate"}));
    assert_eq!(ask(&issuers, &lost, now()).await.map(|_| ()), Err(Why::Issuer));
    let exp = NOW + 600;
    let claims = json!({"iss": URL, "sub": "a", "aud": "tollgate", "exp": exp, "tier": "gold"});
    let gold = signer.jwt(&claims);
    assert_eq!(ask(&issuers, &gold, now()).await.map(|_| ()), Err(Why::Claim("tier")));
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let signer = Signer::new("a");
    let keys = Arc::new(Keyset::parse(signer.jwks().as_bytes()).unwrap());
    let known = KeySource::Known(keys.clone());
    let issuers = Issuers::new(vec![issuer(known)], &Arc::new(Metrics::new()), None).unwrap();
    let text = jwt(&signer);
    let entry = ask(&issuers, &text, now()).await.unwrap();
    for number in 0..3 * GENERATION_MAX {
        let digest = KeyDigest::of(&number.to_string());
        let (entry, keys) = (entry.clone(), keys.clone());
        issuers.remember(digest, Remembered { entry, issuer: 0, keys, until: Timestamp::MAX });
    }
    let verified = issuers.verified.lock().unwrap();
    assert!(verified.young.len() + verified.old.len() <= 2 * GENERATION_MAX);
    assert!(!verified.old.contains_key(KeyDigest::of(&text).as_bytes()), "the oldest are gone");
}

#[tokio::test]
async fn keys_are_fetched_and_a_new_one_is_found_when_it_is_named() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let publisher = Publisher::start(ok(&old.jwks())).await;
    let issuers = believed(&publisher);
    // Whoever comes before the first fetch is over waits for it.
    assert!(ask(&issuers, &jwt(&old), now()).await.is_ok());
    assert_eq!(publisher.asked(), 1);

    publisher.says(ok(&new.jwks()));
    // A name that is made up makes no traffic within half a minute.
    for _ in 0..3 {
        assert_eq!(ask(&issuers, &jwt(&new), now()).await.map(|_| ()), Err(Why::Key));
    }
    assert_eq!(publisher.asked(), 1);
    pass().await;
    let text = jwt(&new);
    let together = [0; 8].map(|_| ask(&issuers, &text, now()));
    for asked in together {
        assert!(asked.await.is_ok());
    }
    assert_eq!(publisher.asked(), 2, "one fetch for all who ask");
    // The old key is not published any more, and what it had signed is not remembered.
    assert_eq!(ask(&issuers, &jwt(&old), now()).await.map(|_| ()), Err(Why::Key));
}

#[tokio::test]
async fn a_reload_keeps_the_keys_and_forgets_who_was_verified() {
    let signer = Signer::new("a");
    let publisher = Publisher::start(ok(&signer.jwks())).await;
    let before = believed(&publisher);
    let text = jwt(&signer);
    let first = ask(&before, &text, now()).await.unwrap();
    publisher.says("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned());
    let same = issuer(KeySource::Url { url: publisher.url.clone(), allow_private: true });
    let metrics = Arc::new(Metrics::new());
    let after = Issuers::trusting(&publisher.trust, vec![same], &metrics, Some(&before));
    drop(before);
    let again = ask(&after, &text, now()).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &again), "an entry is of one policy");
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn the_last_good_set_stays_while_its_source_fails() {
    let signer = Signer::new("a");
    let publisher = Publisher::start(ok(&signer.jwks())).await;
    let issuers = believed(&publisher);
    assert!(ask(&issuers, &jwt(&signer), now()).await.is_ok());
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: https://localhost/\r\ncontent-length: 0\r\n\r\n";
    let endless = ok(&" ".repeat(1_000_001));
    let moods =
        ["HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", redirect, &ok("{}"), &endless, "", "hm"];
    for (number, mood) in (2..).zip(moods) {
        publisher.says(mood.to_owned());
        pass().await;
        let unknown = jwt(&Signer::new("unknown"));
        assert_eq!(ask(&issuers, &unknown, now()).await.map(|_| ()), Err(Why::Key), "{mood:.30}");
        assert_eq!(publisher.asked(), number);
        let fresh = jwt(&signer);
        assert!(ask(&issuers, &fresh, now()).await.is_ok(), "{mood:.30}");
    }
}

#[tokio::test]
async fn without_any_keys_nobody_is_believed_and_the_gateway_starts_all_the_same() {
    let signer = Signer::new("a");
    let publisher = Publisher::start("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".into()).await;
    let issuers = believed(&publisher);
    assert_eq!(ask(&issuers, &jwt(&signer), now()).await.map(|_| ()), Err(Why::NoKeys));
    publisher.says(ok(&signer.jwks()));
    pass().await;
    assert!(ask(&issuers, &jwt(&signer), now()).await.is_ok(), "once they can be had");
}

#[tokio::test]
async fn a_publisher_in_the_own_network_is_asked_only_where_that_is_allowed() {
    let signer = Signer::new("a");
    let publisher = Publisher::start(ok(&signer.jwks())).await;
    let url = publisher.url.clone();
    let source = KeySource::Url { url, allow_private: false };
    let metrics = Arc::new(Metrics::new());
    let issuers = Issuers::trusting(&publisher.trust, vec![issuer(source)], &metrics, None);
    assert_eq!(ask(&issuers, &jwt(&signer), now()).await.map(|_| ()), Err(Why::NoKeys));
    assert_eq!(publisher.asked(), 0);
    assert!(metrics.render().contains("tollgate_jwks_errors_total 1"));
}
