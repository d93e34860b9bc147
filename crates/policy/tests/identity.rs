//! Whom a limit counts: by key, by JWT, by what a request may say of itself, and what stands in for
//! what is missing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::net::IpAddr;
use std::sync::Arc;

use tollgate_limits::MeterId;
use tollgate_policy::{
    ANONYMOUS, Caller, GroupSettings, Guardrails, IdentityHeaders, KeyDigest, KeySettings, Network,
    Policy, Priority, Proxies, ProxySays, Settings, TierSettings, Vouched, claimable, parse,
};
use tollgate_units::Timestamp;
use tollgate_wire::{Endpoint, read};

const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const KINDS: [&str; 7] = ["user", "team", "project", "org", "key", "ip", "header:x-app"];

fn tier(name: &str) -> TierSettings {
    let limit = |kind: &&str| parse(&format!("9 requests per minute per {kind}")).unwrap();
    TierSettings {
        name: name.to_owned(),
        models: vec!["*".to_owned()],
        limits: KINDS.iter().map(limit).collect(),
        guardrails: Guardrails::default(),
        priority: Priority::default(),
    }
}

fn key(name: &str) -> KeySettings {
    KeySettings {
        name: name.to_owned(),
        digest: KeyDigest::of(name),
        tier: "pro".to_owned(),
        team: None,
        user: None,
        project: None,
        org: None,
        limits: Vec::new(),
        models: None,
        guardrails: Guardrails::default(),
        trust_user: false,
    }
}

fn policy(keys: Vec<KeySettings>) -> Arc<Policy> {
    let headers =
        IdentityHeaders { user: Some("x-consumer".to_owned()), ..IdentityHeaders::default() };
    let group = GroupSettings {
        name: "red".to_owned(),
        limits: vec![parse("7 requests per day").unwrap()],
        models: Some(vec!["small".to_owned()]),
    };
    let proxies = Proxies { trusted: vec![Network::parse("10.0.0.0/8").unwrap()], headers };
    Policy::new(Settings {
        tiers: vec![tier("pro"), tier(ANONYMOUS)],
        teams: vec![group],
        keys,
        proxies,
        ..Settings::default()
    })
}

/// Whom each of [`KINDS`] counts.
fn subjects(caller: &Caller) -> Vec<String> {
    let watched = caller.watched(false, Timestamp::EPOCH);
    let of = |kind: &&str| {
        let limit = format!("9 requests per minute per {kind}");
        watched.iter().find(|one| one.limit.sentence() == limit)?.subject.clone()
    };
    // A meter that two limits share is listed once.
    KINDS.iter().map(|kind| of(kind).unwrap_or_else(|| "shared".to_owned())).collect()
}

fn user_meter(caller: &Caller) -> MeterId {
    let watched = caller.watched(false, Timestamp::EPOCH);
    let one = watched.iter().find(|one| one.limit.sentence().ends_with("per user")).unwrap();
    one.look().unwrap().iter().next().unwrap().meter
}

fn vouched() -> Vouched<'static> {
    Vouched {
        issuer: "https://id.example.com",
        subject: "s1",
        user: None,
        team: None,
        project: None,
        org: None,
        tier: "pro",
    }
}

fn by_jwt(policy: &Arc<Policy>, by: &Vouched<'_>) -> Caller {
    policy.caller(policy.vouched(by, KeyDigest::of("jwt")).unwrap(), IP)
}

#[test]
fn what_a_request_lacks_falls_back_and_never_to_more() {
    let full = KeySettings {
        team: Some("blue".to_owned()),
        user: Some("ana".to_owned()),
        project: Some("p1".to_owned()),
        org: Some("acme".to_owned()),
        ..key("full")
    };
    let policy = policy(vec![full, key("bare")]);
    let of_key = |name| policy.identify(Some(name), IP).unwrap();
    let ip = "ip:192.0.2.7";
    let everything =
        ["user:ana", "team:blue", "project:p1", "org:acme", "key:full", ip, "user:ana"];
    assert_eq!(subjects(&of_key("full")), everything);
    let k = "key:bare";
    assert_eq!(subjects(&of_key("bare")), [k, k, k, k, k, ip, k]);
    let nobody = policy.identify(None, IP).unwrap();
    assert_eq!(subjects(&nobody), [ip; 7]);
    let jwt = by_jwt(&policy, &vouched());
    assert_eq!(subjects(&jwt), ["key:s1", "key:s1", "key:s1", "key:s1", "key:s1", ip, "key:s1"]);
    let said = Vouched { user: Some("ana"), team: Some("red"), org: Some("acme"), ..vouched() };
    let said = by_jwt(&policy, &said);
    assert_eq!(
        subjects(&said),
        ["user:ana", "team:red", "key:s1", "org:acme", "key:s1", ip, "user:ana"]
    );
    assert!(policy.vouched(&Vouched { tier: "gold", ..vouched() }, KeyDigest::of("")).is_none());
}

#[test]
fn who_counts_more_is_not_replaced() {
    let own =
        KeySettings { user: Some("own".to_owned()), team: Some("blue".to_owned()), ..key("own") };
    let policy = policy(vec![own]);
    let says = ProxySays {
        user: Some("eve"),
        team: Some("red"),
        org: Some("acme"),
        ..ProxySays::default()
    };
    let key = policy.identify(Some("own"), IP).unwrap().by_proxy(&says);
    // A proxy's user counts more than the key's, the key's team more than a proxy's.
    assert_eq!(subjects(&key)[..4], ["user:eve", "team:blue", "key:own", "org:acme"]);
    let jwt = by_jwt(&policy, &Vouched { user: Some("ana"), ..vouched() }).by_proxy(&says);
    assert_eq!(subjects(&jwt)[..4], ["user:ana", "team:red", "key:s1", "org:acme"]);
    let nameless = by_jwt(&policy, &vouched()).by_proxy(&says);
    assert_eq!(subjects(&nameless)[0], "user:eve");
    let nobody = policy.identify(None, IP).unwrap().by_proxy(&says);
    assert_eq!(subjects(&nobody)[..4], ["user:eve", "team:red", "ip:192.0.2.7", "org:acme"]);
    let header = nobody.with_header("x-app", "cli");
    assert_eq!(subjects(&header)[6], "header:x-app:cli");
}

#[test]
fn a_team_brings_its_limits_however_it_is_said() {
    let of_team = KeySettings { team: Some("red".to_owned()), ..key("red") };
    let policy = policy(vec![of_team, key("bare")]);
    let of_key = |name| policy.identify(Some(name), IP).unwrap();
    let says = ProxySays { team: Some("red"), ..ProxySays::default() };
    let limited = |caller: &Caller| {
        let watched = caller.watched(false, Timestamp::EPOCH);
        watched.iter().any(|one| one.limit.sentence() == "7 requests per day")
    };
    let jwt = |team| by_jwt(&policy, &Vouched { team, ..vouched() });
    let nobody = policy.identify(None, IP).unwrap();
    for caller in [
        of_key("red"),
        of_key("bare").by_proxy(&says),
        jwt(Some("red")),
        jwt(None).by_proxy(&says),
        nobody.clone().by_proxy(&says),
    ] {
        assert!(limited(&caller), "{:?}", subjects(&caller));
    }
    let other = ProxySays { team: Some("blue"), ..ProxySays::default() };
    for caller in [of_key("bare"), jwt(None), jwt(Some("blue")).by_proxy(&says), nobody] {
        assert!(!limited(&caller.by_proxy(&other)));
    }
    assert!(limited(&of_key("red").by_proxy(&other)), "the key's own team counts more");
}

#[test]
fn a_name_belongs_to_whoever_vouches_for_it() {
    let trusted = |name: &str, org: Option<&str>| KeySettings {
        trust_user: true,
        org: org.map(str::to_owned),
        ..key(name)
    };
    let own = KeySettings { user: Some("ana".to_owned()), ..key("own") };
    let keys = vec![
        trusted("a", None),
        trusted("b", None),
        trusted("c", Some("acme")),
        trusted("d", Some("acme")),
        own,
        key("ana"),
    ];
    let policy = policy(keys);
    let of_key = |name| policy.identify(Some(name), IP).unwrap();
    let ana = |name| user_meter(&of_key(name).for_user("ana"));
    let issuer =
        |issuer| user_meter(&by_jwt(&policy, &Vouched { issuer, user: Some("ana"), ..vouched() }));
    let says = ProxySays { user: Some("ana"), ..ProxySays::default() };
    let meters = [
        ana("a"),
        ana("b"),
        ana("c"),
        user_meter(&of_key("own")),
        user_meter(&of_key("ana")),
        issuer("https://one"),
        issuer("https://two"),
        // Whom a JWT was issued to is not the person of that name.
        user_meter(&by_jwt(&policy, &Vouched { subject: "ana", ..vouched() })),
        user_meter(&policy.identify(None, IP).unwrap().by_proxy(&says)),
    ];
    for (at, meter) in meters.iter().enumerate() {
        assert!(!meters[..at].contains(meter), "{at} is somebody else");
    }
    // One org, one person, whichever key says so.
    assert_eq!(ana("c"), ana("d"));
    // The same person of one issuer in two teams is one person.
    let red = Vouched { user: Some("ana"), team: Some("red"), issuer: "https://one", ..vouched() };
    assert_eq!(user_meter(&by_jwt(&policy, &red)), issuer("https://one"));
}

#[test]
fn only_a_trusted_key_names_its_user_and_only_once() {
    let policy = policy(vec![KeySettings { trust_user: true, ..key("app") }, key("web")]);
    let of_key = |name| policy.identify(Some(name), IP).unwrap();
    let body = |fields: &str| {
        let body = format!(r#"{{"model":"m","input":"x"{fields}}}"#);
        read(Endpoint::Embeddings, body.as_bytes()).unwrap()
    };
    let user = |caller: &Caller, fields: &str| {
        caller.speaking_for(&body(fields)).map(|caller| subjects(&caller)[0].clone())
    };
    let app = of_key("app");
    assert_eq!(user(&app, "").unwrap(), "key:app");
    assert_eq!(user(&app, r#","user":" ana ""#).unwrap(), "user:ana");
    assert_eq!(user(&app, r#","safety_identifier":"ana""#).unwrap(), "user:ana");
    assert!(user(&app, r#","user":"ana","safety_identifier":"eve""#).is_err());
    assert!(user(&app, r#","user":"""#).is_err());
    assert_eq!(user(&app.clone().for_user("ben"), r#","user":"ana""#).unwrap(), "user:ben");
    let says = ProxySays { user: Some("eve"), ..ProxySays::default() };
    assert_eq!(user(&app.by_proxy(&says), r#","user":"ana""#).unwrap(), "user:eve");
    assert_eq!(
        user(&of_key("web"), r#","user":"ana","safety_identifier":"eve""#).unwrap(),
        "key:web"
    );
    let jwt = by_jwt(&policy, &vouched());
    assert_eq!(user(&jwt, r#","user":"ana""#).unwrap(), "key:s1");
}

#[test]
fn a_claimed_name_is_short_and_plain() {
    assert_eq!(claimable(" ana "), Ok("ana"));
    assert_eq!(claimable(&"a".repeat(256)).map(str::len), Ok(256));
    for wrong in ["", " ", "\t", "a\nb", "a\u{1}b", &"a".repeat(257), &"ü".repeat(129)] {
        assert!(claimable(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn headers_that_say_who_is_asking_are_known_by_name() {
    let policy = policy(vec![key("web")]);
    let caller = policy.identify(Some("web"), IP).unwrap();
    assert!(caller.reads_header("x-consumer") && caller.reads_header("x-app"));
    assert!(!caller.reads_header("user-agent"));
}
