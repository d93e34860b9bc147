//! JWTs right and wrong, against keys made on the spot.

mod signer;

use std::sync::Arc;

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use tollgate_units::{Span, Timestamp};

use self::signer::Signer;
use crate::{
    BadKeyset, ClaimNames, Issuer, Jwt, KeySource, Keyset, Why, decode, encode, looks_like_jwt,
};

const URL: &str = "https://id.example.com";
const NOW: u64 = 1_800_000_000;

fn set(keys: &[Value]) -> Result<Keyset, BadKeyset> {
    Keyset::parse(json!({"keys": keys}).to_string().as_bytes())
}

fn issuer() -> Issuer {
    let name = |name: &str| Some(name.to_owned());
    Issuer {
        url: URL.to_owned(),
        audience: vec!["tollgate".to_owned(), "gate".to_owned()],
        claims: ClaimNames {
            user: "sub".to_owned(),
            team: name("team"),
            project: None,
            org: name("https://id.example.com/org"),
            tier: name("tier"),
        },
        tier: name("free"),
        keys: KeySource::Url { url: format!("{URL}/jwks.json"), allow_private: false },
    }
}

fn claims() -> Value {
    json!({"iss": URL, "sub": "ana", "aud": "tollgate", "exp": NOW + 600, "iat": NOW})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn verify(text: &str, keys: &Keyset, now: u64) -> Result<crate::Identity, Why> {
    let now = Timestamp::EPOCH.plus(Span::from_secs(now));
    issuer().verify(&Jwt::read(text)?, keys, now)
}

fn header(alg: &str, kid: &str) -> String {
    json!({"alg": alg, "kid": kid, "typ": "JWT"}).to_string()
}

#[test]
fn each_of_the_three_algorithms_vouches_for_its_caller() {
    for signer in [Signer::ec(), Signer::ed(), Signer::rsa()] {
        let keys = set(&[signer.jwk("a")]).unwrap();
        let mut claims = with("team", json!("blue"));
        claims["https://id.example.com/org"] = json!("acme");
        let text = signer.jwt(&header(signer.algorithm(), "a"), &claims.to_string());
        assert!(looks_like_jwt(&text));
        let identity = verify(&text, &keys, NOW).unwrap();
        assert_eq!((&*identity.subject, identity.user.as_deref()), ("ana", Some("ana")));
        assert_eq!(identity.team.as_deref(), Some("blue"));
        assert_eq!(identity.org.as_deref(), Some("acme"));
        assert_eq!((identity.project.as_deref(), &*identity.tier), (None, "free"));
        assert_eq!(identity.until, Timestamp::EPOCH.plus(Span::from_secs(NOW + 660)));
    }
}

#[test]
fn claims_decide_or_the_jwt_is_refused() {
    let signer = Signer::ed();
    let keys = set(&[signer.jwk("a")]).unwrap();
    let table: Vec<(Value, Result<&str, Why>)> = vec![
        (claims(), Ok("free")),
        (with("tier", json!("pro")), Ok("pro")),
        (with("tier", json!(["pro"])), Err(Why::Claim("tier"))),
        (with("tier", json!(null)), Err(Why::Claim("tier"))),
        (with("aud", json!(["other", "gate"])), Ok("free")),
        (with("aud", json!("other")), Err(Why::Audience)),
        (with("aud", json!(["other"])), Err(Why::Audience)),
        (with("aud", json!(["gate", 1])), Err(Why::Audience)),
        (with("aud", json!({"gate": 1})), Err(Why::Audience)),
        (without("aud"), Err(Why::Audience)),
        (with("iss", json!("https://id.example.com/")), Err(Why::Issuer)),
        (with("iss", json!("HTTPS://id.example.com")), Err(Why::Issuer)),
        (without("iss"), Err(Why::Issuer)),
        (with("exp", json!(NOW - 59)), Ok("free")),
        (with("exp", json!(NOW - 60)), Err(Why::Expired)),
        (with("exp", json!(0)), Err(Why::Expired)),
        (with("exp", json!(1_800_000_000.5)), Ok("free")),
        (with("exp", json!(-1)), Err(Why::Claim("exp"))),
        (with("exp", json!(1e300)), Err(Why::Claim("exp"))),
        (with("exp", json!("1900000000")), Err(Why::Claim("exp"))),
        (without("exp"), Err(Why::Claim("exp"))),
        (with("nbf", json!(NOW + 60)), Ok("free")),
        (with("nbf", json!(NOW + 61)), Err(Why::NotYet)),
        (with("iat", json!(NOW + 61)), Err(Why::NotYet)),
        (with("iat", json!("now")), Err(Why::Claim("iat"))),
        (without("iat"), Ok("free")),
        (without("sub"), Err(Why::Claim("sub"))),
        (with("sub", json!("  ")), Err(Why::Claim("sub"))),
        (with("sub", json!("a\u{1}b")), Err(Why::Claim("sub"))),
        (with("sub", json!("a".repeat(257))), Err(Why::Claim("sub"))),
        (with("team", json!("")), Err(Why::Claim("team"))),
        (with("team", json!(7)), Err(Why::Claim("team"))),
    ];
    for (claims, expected) in table {
        let text = signer.jwt(&header("EdDSA", "a"), &claims.to_string());
        let found = verify(&text, &keys, NOW).map(|identity| identity.tier);
        assert_eq!(found, expected.map(str::to_owned), "{claims}");
    }
}

#[test]
fn the_header_never_chooses_how_it_is_verified() {
    let (rsa, ec) = (Signer::rsa(), Signer::ec());
    let keys = set(&[rsa.jwk("r"), ec.jwk("e")]).unwrap();
    let claims = claims().to_string();
    // Nobody has signed.
    for alg in ["none", "None", "NONE", ""] {
        let unsigned =
            format!("{}.{}.", encode(header(alg, "r").as_bytes()), encode(claims.as_bytes()));
        assert!(looks_like_jwt(&unsigned));
        assert_eq!(verify(&unsigned, &keys, NOW), Err(Why::Algorithm), "{alg}");
    }
    // The public key as the secret of an HMAC, in the spellings that libraries have fallen for.
    let jwk = rsa.jwk("r");
    let modulus = decode(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [modulus, jwk["n"].to_string().into_bytes(), jwk.to_string().into_bytes()] {
        let signed =
            format!("{}.{}", encode(header("HS256", "r").as_bytes()), encode(claims.as_bytes()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let tag = hmac::sign(&key, signed.as_bytes());
        let forged = format!("{signed}.{}", encode(tag.as_ref()));
        assert_eq!(verify(&forged, &keys, NOW), Err(Why::Algorithm));
    }
    // A key of one type under the name of another.
    for alg in ["ES256", "EdDSA", "PS256", "RS512", "rs256"] {
        assert_eq!(verify(&rsa.jwt(&header(alg, "r"), &claims), &keys, NOW), Err(Why::Algorithm));
    }
    assert_eq!(verify(&ec.jwt(&header("RS256", "r"), &claims), &keys, NOW), Err(Why::Signature));
    assert_eq!(verify(&ec.jwt(&header("ES256", "r"), &claims), &keys, NOW), Err(Why::Algorithm));
    // A key that the JWT brings along.
    let own = json!({"alg": "ES256", "kid": "e", "jwk": Signer::ec().jwk("e")}).to_string();
    assert_eq!(verify(&Signer::ec().jwt(&own, &claims), &keys, NOW), Err(Why::Signature));
}

#[test]
fn a_key_is_named_where_there_are_several() {
    let (one, two) = (Signer::ec(), Signer::ec());
    let both = set(&[one.jwk("1"), two.jwk("2")]).unwrap();
    let claims = claims().to_string();
    let nameless = r#"{"alg":"ES256"}"#;
    assert_eq!(verify(&one.jwt(nameless, &claims), &both, NOW), Err(Why::Key));
    assert_eq!(verify(&one.jwt(&header("ES256", "3"), &claims), &both, NOW), Err(Why::Key));
    assert_eq!(verify(&one.jwt(&header("ES256", "2"), &claims), &both, NOW), Err(Why::Signature));
    assert!(verify(&two.jwt(&header("ES256", "2"), &claims), &both, NOW).is_ok());
    let single = set(&[one.jwk("1")]).unwrap();
    assert!(verify(&one.jwt(nameless, &claims), &single, NOW).is_ok());
    assert_eq!(verify(&one.jwt(&header("ES256", "2"), &claims), &single, NOW), Err(Why::Key));
}

#[test]
fn what_is_not_exactly_a_jwt_is_refused() {
    let signer = Signer::ec();
    let keys = set(&[signer.jwk("a")]).unwrap();
    let header = header("ES256", "a");
    let right = signer.jwt(&header, &claims().to_string());
    assert!(verify(&right, &keys, NOW).is_ok());
    let malformed = |text: &str| matches!(verify(text, &keys, NOW), Err(Why::Malformed(_)));
    for text in ["", ".", "..", "a.b.c", "a.b.c.d", &right.replace('.', ".."), &format!("{right}=")]
    {
        assert!(malformed(text), "{text}");
    }
    let mut long = claims();
    long["pad"] = json!("x".repeat(1 << 20));
    assert!(malformed(&signer.jwt(&header, &long.to_string())));
    for at in 0..right.len() {
        // Whatever is cut off or changed, it opens nothing.
        assert!(verify(&right[..at], &keys, NOW).is_err(), "{at}");
        let mut letters = right.clone().into_bytes();
        letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(letters).unwrap();
        assert!(verify(&changed, &keys, NOW).is_err(), "{at}");
    }
    let twice = claims().to_string().replacen('{', r#"{"sub":"eve","#, 1);
    assert!(malformed(&signer.jwt(&header, &twice)), "a claim that comes twice");
    let escaped = claims().to_string().replacen('{', r#"{"s\u0075b":"eve","#, 1);
    assert!(malformed(&signer.jwt(&header, &escaped)), "escaped, it comes twice all the same");
    let claims = claims().to_string();
    for header in [
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"ES256","typ":"dpop+jwt"}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":["ES256"]}"#,
        r#"["ES256"]"#,
        "",
    ] {
        assert!(malformed(&signer.jwt(header, &claims)), "{header}");
    }
    assert!(verify(&signer.jwt(r#"{"alg":"ES256","typ":"at+JWT"}"#, &claims), &keys, NOW).is_ok());
}

#[test]
fn a_key_set_is_read_strictly_and_foreign_keys_are_passed_over() {
    let (ec, rsa) = (Signer::ec().jwk("a"), Signer::rsa().jwk("b"));
    let with = |name: &str, value: Value| {
        let mut key = ec.clone();
        key[name] = value;
        key
    };
    let foreign = [
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
        json!({"kty": "new", "kid": {"a": 1}}),
        json!("key"),
        with("use", json!("enc")),
        with("alg", json!("ES384")),
        with("key_ops", json!(["sign"])),
        // Not a point of the curve.
        with("x", ec["y"].clone()),
        with("x", json!("AA")),
    ];
    assert_eq!(set(&foreign), Err(BadKeyset::NoUsableKey));
    let all: Vec<Value> = foreign.into_iter().chain([ec.clone(), rsa.clone()]).collect();
    assert_eq!(set(&all).unwrap().len(), 2);
    // The keys again are the same set; others are not.
    assert_eq!(set(&all), set(&[ec.clone(), rsa.clone()]));
    assert_ne!(set(&[Signer::ec().jwk("a"), rsa.clone()]), set(&[ec.clone(), rsa.clone()]));

    assert_eq!(set(&[with("d", json!("AA"))]), Err(BadKeyset::Private));
    assert_eq!(set(&[ec.clone(), Signer::ec().jwk("a")]), Err(BadKeyset::SameName));
    assert_eq!(set(&vec![json!({}); 65]), Err(BadKeyset::TooManyKeys));
    assert_eq!(set(&[]), Err(BadKeyset::NoUsableKey));
    let weak = json!({"kty": "RSA", "n": encode(&[0xff; 128]), "e": "AQAB"});
    assert_eq!(set(&[weak]), Err(BadKeyset::NoUsableKey));
    for e in ["AQ", "Ag", "", "AAAAAAAAAQAB__8"] {
        let key = json!({"kty": "RSA", "n": rsa["n"], "e": e});
        assert_eq!(set(&[key]), Err(BadKeyset::NoUsableKey), "{e}");
    }
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(Keyset::parse(text.as_bytes()), Err(BadKeyset::NotASet), "{text}");
    }
    let long = vec![b' '; crate::KEYSET_BYTES_MAX + 1];
    assert_eq!(Keyset::parse(&long), Err(BadKeyset::TooLong));
}

#[test]
fn an_issuer_without_a_tier_for_everybody_needs_the_claim() {
    let signer = Signer::ed();
    let keys = Arc::new(set(&[signer.jwk("a")]).unwrap());
    let issuer = Issuer { tier: None, ..issuer() };
    let text = signer.jwt(&header("EdDSA", "a"), &claims().to_string());
    let jwt = Jwt::read(&text).unwrap();
    let now = Timestamp::EPOCH.plus(Span::from_secs(NOW));
    assert_eq!(issuer.verify(&jwt, &keys, now), Err(Why::Claim("tier")));
}
