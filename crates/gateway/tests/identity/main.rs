//! Who is asking: every way to say it, right, wrong, twice and forged, through the whole gateway.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::path::PathBuf;

use serde_json::{Value, json};
use tollgate_gateway::{Found, Whose};
use tollgate_sim::{Act, Script};
use tollgate_testkit::{Answer, Caller, House, Plot, Signer, chat};
use tollgate_units::{Span, Timestamp};

mod matrix;

const NOW: u64 = 1_800_000_000;
const URL: &str = "https://id.example.com";
const CHAT: &str = "/v1/chat/completions";
const WEB: &str = "web-secret-00000000";
const APP: &str = "app-secret-00000000";

/// A file with a key set, which goes away with the value.
struct KeyFile(PathBuf);

impl KeyFile {
    fn of(signer: &Signer, test: &str) -> Self {
        let name = format!("tollgate-identity-{test}-{}.json", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, signer.jwks()).unwrap();
        Self(path)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        // Left behind, it is small and in the system's own place for such things.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A gateway whose peers, all on loopback, are trusted or not, and may be anonymous or not.
async fn house(signer: &Signer, test: &str, trusted: bool, anonymous: bool) -> House {
    let keys = KeyFile::of(signer, test);
    let proxy = if trusted { "127.0.0.1" } else { "10.0.0.0/8" };
    let nobody = "  anonymous:
    models: [gpt-4o-mini]
    limits: ['1000 requests per minute per user, named anonymous']
";
    let nobody = if anonymous { nobody } else { "" };
    let yaml = format!(
        "
trusted_proxies: [{proxy}]
identity_headers: {{user: X-Consumer-Username, team: X-Team, tier: X-Tier}}
jwt:
  - issuer: {URL}
    audience: [tollgate, gate]
    jwks: {}
    claims: {{user: email, team: team, tier: tier}}
    tier: free
tiers:
{nobody}  free:
    models: [gpt-4o-mini]
    limits: ['1000 requests per minute per user, named free']
  pro:
    models: [gpt-4o-mini]
    limits:
      - 1000 requests per minute per user, named pro
      - 1000 requests per hour per header:X-App
      - 1000 requests per hour per header:x-stainless-lang, named lang
keys:
  - {{name: web, secret: {WEB}, tier: pro}}
  - {{name: app, secret: {APP}, tier: pro, trust_user: true}}
",
        keys.0.display()
    );
    let now = Timestamp::EPOCH.plus(Span::from_secs(NOW));
    Plot::new(&yaml).script(Script::of(Act::tokens(3))).standing_still(now).build().await
}

fn claims() -> Value {
    let exp = NOW + 86_400;
    json!({"iss": URL, "sub": "s1", "aud": "gate", "exp": exp, "email": "ana@example.com"})
}

/// What is used of the limit `named`, by whoever `caller` is.
async fn used(house: &House, caller: &Caller, limit: &str) -> u64 {
    house.standing(caller, limit).await.0
}

#[tokio::test]
async fn an_application_that_is_trusted_names_its_user_in_the_body() {
    let signer = Signer::new("a");
    let house = house(&signer, "body", false, true).await;
    let limit = "1,000 requests per minute per user";
    let (web, app) = (house.caller(Some(WEB)), house.caller(Some(APP)));
    let asks = |fields: Value| {
        let mut body = chat("gpt-4o-mini", "Hi");
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let user = |name: &str| app.clone().with("x-tollgate-user", name);
    let counted: [(&Caller, Value, Caller); 7] = [
        (&app, json!({"user": "ana"}), user("ana")),
        (&app, json!({"safety_identifier": "ben"}), user("ben")),
        (&app, json!({"user": "cleo", "safety_identifier": "cleo"}), user("cleo")),
        (&app, json!({"user": null}), app.clone()),
        (&user("dora"), json!({"user": "somebody else"}), user("dora")),
        (&web, json!({"user": "ana"}), web.clone()),
        (&web, json!({"user": "ana", "safety_identifier": "ben"}), web.clone()),
    ];
    for (caller, fields, whose) in counted {
        let before = used(&house, &whose, limit).await;
        let answer = caller.post(CHAT, &asks(fields.clone())).await;
        assert_eq!(answer.status, 200, "{fields}: {answer:?}");
        house.settled().await;
        assert_eq!(used(&house, &whose, limit).await, before + 1, "{fields}");
    }
    let unclear: [(Value, &str); 5] = [
        (json!({"user": "ana", "safety_identifier": "ben"}), "safety_identifier"),
        (json!({"user": ""}), "user"),
        (json!({"user": "  "}), "user"),
        (json!({"safety_identifier": "a".repeat(257)}), "safety_identifier"),
        (json!({"User": "ana"}), "User"),
    ];
    for (fields, param) in unclear {
        let answer = app.post(CHAT, &asks(fields.clone())).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (400, "invalid_request"), "{fields}");
        assert_eq!(answer.json()["error"]["param"], param);
    }
    // The user of one key is not the user of another's.
    assert_eq!(used(&house, &web.with("x-tollgate-user", "ana"), limit).await, 2);
}

#[tokio::test]
async fn a_header_counts_from_whom_it_is_believed_and_reaches_no_provider() {
    let signer = Signer::new("a");
    let house = house(&signer, "header", false, false).await;
    let limit = "1,000 requests per hour per header:x-app";
    let (web, app) = (house.caller(Some(WEB)), house.caller(Some(APP)));
    let subject = |answer: &Answer, limit: &str| {
        let rows = answer.json();
        let rows = rows["limits"].as_array().unwrap().clone();
        let row = rows.iter().find(|row| row["limit"].as_str().unwrap().starts_with(limit));
        row.map(|row| row["subject"].clone())
    };
    // Counted by a header, it is shared by all who send that header, and not shown to them.
    let cli = app.clone().with("X-APP", "cli").with("x-stainless-lang", "rust");
    assert_eq!(subject(&cli.get("/v1/limits").await, limit), None);
    let holder = |subject: &str| {
        let holders = house.gateway.standings(&Whose::of(subject), None, 1).unwrap();
        holders.holders.into_iter().next().unwrap()
    };
    assert_eq!(holder("key:web").limits[1].subject.as_deref(), Some("key:web"), "it falls back");
    for caller in [cli.clone(), cli.clone(), web.with("x-app", "cli").with("x-stainless-lang", "c")]
    {
        assert_eq!(caller.post(CHAT, &chat("gpt-4o-mini", "Hi")).await.status, 200);
    }
    house.settled().await;
    assert_eq!(holder("key:web").limits[1].used, 1, "an untrusted key's header is not looked at");
    assert_eq!(holder("key:app").limits[1].used, 0, "what a header has used is the header's");
    for seen in house.provider.seen() {
        assert!(
            !seen.headers.contains_key("x-app") && !seen.headers.contains_key("x-stainless-lang")
        );
    }
    let twice = app.with("x-app", "a").with("x-app", "b").get("/v1/limits").await;
    assert_eq!((twice.status.as_u16(), &*twice.code()), (400, "invalid_request"));
    assert!(twice.message().contains("x-app"), "{}", twice.message());
}

#[tokio::test]
async fn wrong_keys_are_counted_against_whoever_is_behind_the_proxy() {
    let signer = Signer::new("a");
    let house = house(&signer, "failures", true, false).await;
    let from = |ip: &str| house.caller(Some("wrong-secret-000000")).with("x-forwarded-for", ip);
    for number in 0..61 {
        let refused = from(&format!("203.0.113.{number}, 198.51.100.7")).get("/v1/limits").await;
        assert_eq!(refused.status.as_u16(), if number < 60 { 401 } else { 429 }, "{number}");
    }
    assert_eq!(from("198.51.100.8").get("/v1/limits").await.status, 401);
    let right = house.caller(Some(WEB)).with("x-forwarded-for", "198.51.100.7");
    assert_eq!(right.get("/v1/limits").await.status, 200, "a right key is never held up");
}

#[tokio::test]
async fn nobody_escapes_the_count_of_wrong_keys_by_claiming_another_address() {
    let signer = Signer::new("a");
    let house = house(&signer, "claims", false, false).await;
    for number in 0..61 {
        let caller = house.caller(Some("wrong-secret-000000"));
        let caller = caller.with("x-forwarded-for", &format!("203.0.113.{number}"));
        let refused = caller.get("/v1/limits").await;
        assert_eq!(refused.status.as_u16(), if number < 60 { 401 } else { 429 }, "{number}");
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % most as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// Whatever an untrusted peer writes into headers and body, it stays who it is.
#[tokio::test]
async fn nothing_that_an_untrusted_peer_says_changes_whom_its_limits_count() {
    const NAMES: [&str; 11] = [
        "x-consumer-username",
        "X-Consumer-Username",
        "x-team",
        "x-tier",
        "x-tollgate-user",
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-app",
        "x-stainless-lang",
        "openai-organization",
    ];
    const VALUES: [&str; 8] =
        ["ana", "key:web", "pro", "", " ", "127.0.0.1", "198.51.100.7, 10.0.0.1", "ü\u{7f}"];
    const FIELDS: [&str; 4] = ["user", "safety_identifier", "metadata", "prompt_cache_key"];
    let signer = Signer::new("a");
    let house = house(&signer, "property", false, true).await;
    let jwt = signer.jwt(&claims());
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let honest = house.caller(dice.of(&[None, Some(WEB), Some(&*jwt)]));
        let mut caller = honest.clone();
        for _ in 0..dice.below(6) {
            let (name, value) = (dice.of(&NAMES), dice.of(&VALUES));
            let value = if value.contains('\u{7f}') { "ü" } else { value };
            caller = caller.with(name, value);
        }
        let mut body = chat("gpt-4o-mini", "Hi");
        for _ in 0..dice.below(3) {
            let value = json!(dice.of(&VALUES));
            let field = dice.of(&FIELDS);
            body[field] = if field == "metadata" { json!({"user_id": value}) } else { value };
        }
        let limit = "1,000 requests per minute per user";
        let before = used(&house, &honest, limit).await;
        let answer = caller.post(CHAT, &body).await;
        assert_eq!(answer.status, 200, "seed {seed}: {caller:?} {body} {answer:?}");
        house.settled().await;
        assert_eq!(
            used(&house, &honest, limit).await,
            before + 1,
            "seed {seed}: {caller:?} {body}"
        );
        let rows = |answer: &Answer| answer.json()["limits"].clone();
        let (own, said) = (honest.get("/v1/limits").await, caller.get("/v1/limits").await);
        assert_eq!(rows(&own), rows(&said), "seed {seed}: {caller:?}");
    }
}

#[tokio::test]
async fn an_operator_finds_whom_an_issuer_or_a_proxy_names() {
    let signer = Signer::new("a");
    let house = house(&signer, "whose", true, true).await;
    let proxied = |caller: Caller| caller.with("X-Consumer-Username", "eve");
    let callers = [
        house.caller(Some(&signer.jwt(&claims()))),
        proxied(house.caller(Some(WEB))),
        proxied(house.caller(None)),
    ];
    for (count, caller) in callers.iter().enumerate() {
        for _ in 0..=count {
            let answer = caller.post(CHAT, &chat("gpt-4o-mini", "Hi")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    house.settled().await;
    let found = |whose: Whose<'_>, name: &str| {
        let found = house.gateway.meters_of(&whose).unwrap();
        let of_name = |one: &&Found| one.watched.limit.limit().name.as_deref() == Some(name);
        let found: Vec<_> = found.iter().filter(of_name).collect();
        assert_eq!(found.len(), 1, "{whose:?}: {found:?}");
        let look = found[0].watched.look().unwrap();
        let (_, standings) = house.gateway.meters().peek(&look).unwrap();
        (found[0].watched.owner.clone().unwrap(), standings[0].used.get())
    };
    let ana = Whose { issuer: Some(URL), ..Whose::of("user:ana@example.com") };
    assert_eq!(found(ana, "free"), (format!("issuer:{URL}"), 1));
    let eve = |key| Whose { key: Some(key), ..Whose::of("user:eve") };
    assert_eq!(found(eve("web"), "pro"), ("key:web".to_owned(), 2));
    assert_eq!(found(eve("anonymous"), "anonymous"), ("trusted proxies".to_owned(), 3));
    let shown = house.gateway.standings(&ana, None, 9).unwrap();
    assert!(shown.holders.iter().all(|holder| holder.key == URL), "{shown:?}");
    let rows = shown.holders.iter().flat_map(|holder| &holder.limits);
    let used: Vec<_> = rows.filter(|row| row.used == 1).map(|row| &*row.limit).collect();
    assert_eq!(used, ["1,000 requests per minute per user, named free"], "{shown:?}");
    assert!(house.gateway.meters_of(&Whose::of("user:eve")).unwrap().is_empty());
}
