//! Every way to say who is asking, beside who that is for each kind of peer.

use serde_json::{Value, json};
use tollgate_testkit::{Caller, House, Signer, chat};
use tollgate_units::Span;

use super::{APP, CHAT, NOW, WEB, claims, house};

const A_MINUTE: Span = Span::from_secs(61);
const REFUSED: &str = "401 invalid_api_key";
const UNCLEAR: &str = "400 invalid_request";
const NOBODY: &str = "anonymous ip:127.0.0.1";

/// What is presented: headers, and what is behind the path; then who that is for a peer that is not
/// trusted and for one that is, where a credential is needed and where none is.
type Row = (Vec<(&'static str, String)>, &'static str, [&'static str; 4]);

fn bearer(credential: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {credential}"))
}

fn header(name: &'static str, value: &str) -> (&'static str, String) {
    (name, value.to_owned())
}

fn keys() -> Vec<Row> {
    let optional = [REFUSED, NOBODY, REFUSED, NOBODY];
    let web = ["pro key:web"; 4];
    let never = [REFUSED; 4];
    vec![
        (vec![], "", optional),
        (vec![bearer("")], "", optional),
        (vec![bearer("anonymous")], "", optional),
        (vec![header("x-api-key", "")], "", optional),
        (vec![bearer(WEB)], "", web),
        (vec![header("x-api-key", WEB)], "", web),
        (vec![header("api-key", WEB)], "", web),
        (vec![header("x-goog-api-key", WEB)], "", web),
        (vec![bearer(WEB), header("x-api-key", WEB)], "", web),
        (vec![bearer(WEB), bearer(WEB)], "", web),
        (vec![bearer(WEB), header("x-api-key", APP)], "", never),
        (vec![bearer(WEB), bearer(APP)], "", never),
        (vec![bearer(WEB), bearer("anonymous")], "", never),
        (vec![bearer("wrong-secret-000000")], "", never),
        (vec![header("authorization", "Basic d2ViOndlYg==")], "", never),
        (vec![bearer(WEB)], "?key=web-secret-00000000", never),
        (vec![], "?api_key=web-secret-00000000", never),
        (vec![], "?KEY=x", never),
        (vec![bearer(WEB)], "?%6Bey=x", never),
        (vec![bearer(WEB)], "?x%2dAPI-key=x", never),
        // A client writes its brackets so, and has nothing to hide.
        (vec![bearer(WEB)], "?include%5B%5D=key", web),
    ]
}

fn jwts(signer: &Signer) -> Vec<Row> {
    let ana = ["free user:ana@example.com"; 4];
    let never = [REFUSED; 4];
    let of = |claims: &Value| bearer(&signer.jwt(claims));
    let right = signer.jwt(&claims());
    let parts: Vec<&str> = right.split('.').collect();
    let none = tollgate_jwt::encode(br#"{"alg":"none"}"#);
    let mut nameless = claims();
    nameless.as_object_mut().unwrap().remove("email");
    let mut endless = claims();
    endless.as_object_mut().unwrap().remove("exp");
    let hs256 = signer.jwt_with(r#"{"alg":"HS256","kid":"a"}"#, &claims());
    let unknown = signer.jwt_with(r#"{"alg":"ES256","kid":"b"}"#, &claims());
    vec![
        (vec![bearer(&right)], "", ana),
        (vec![header("x-api-key", &right)], "", ana),
        (vec![bearer(&right), header("x-api-key", &right)], "", ana),
        (vec![of(&with("tier", json!("pro")))], "", ["pro user:ana@example.com"; 4]),
        (vec![of(&with("aud", json!(["else", "tollgate"])))], "", ana),
        (vec![of(&nameless)], "", ["free key:s1"; 4]),
        (vec![of(&with("tier", json!("gold")))], "", never),
        (vec![of(&with("tier", json!("")))], "", never),
        (vec![of(&with("aud", json!("else")))], "", never),
        (vec![of(&with("iss", json!("https://else.example.com")))], "", never),
        (vec![of(&with("exp", json!(NOW - 3600)))], "", never),
        (vec![of(&with("nbf", json!(NOW + 80_000)))], "", never),
        (vec![of(&with("email", json!(["ana"])))], "", never),
        (vec![of(&endless)], "", never),
        (vec![bearer(&Signer::new("a").jwt(&claims()))], "", never),
        (vec![bearer(&hs256)], "", never),
        (vec![bearer(&unknown)], "", never),
        (vec![bearer(&format!("{none}.{}.", parts[1]))], "", never),
        (vec![bearer(&format!("{none}.{}.{}", parts[1], parts[2]))], "", never),
        (vec![bearer(&format!("{}.{}.", parts[0], parts[1]))], "", never),
        (vec![bearer(&right[..right.len() - 2])], "", never),
        (vec![bearer(&format!("{right}.{}", parts[2]))], "", never),
        (vec![bearer(&format!("{}.{}.{}", parts[0], "A".repeat(9000), parts[2]))], "", never),
        (vec![bearer(&right), header("x-api-key", WEB)], "", never),
        (vec![bearer(&right)], "?access_token=x", never),
    ]
}

fn headers(signer: &Signer) -> Vec<Row> {
    let eve = || header("x-consumer-username", "eve");
    let bob = || header("x-tollgate-user", "bob");
    let web = ["pro key:web"; 4];
    let app = ["pro key:app"; 4];
    let jwt = || bearer(&signer.jwt(&claims()));
    let by_proxy = ["pro key:web", "pro key:web", "pro user:eve", "pro user:eve"];
    let unclear_by_proxy = ["pro key:web", "pro key:web", UNCLEAR, UNCLEAR];
    let forwarded = |ip| header("x-forwarded-for", ip);
    vec![
        (vec![eve()], "", [REFUSED, NOBODY, REFUSED, "anonymous user:eve"]),
        (vec![bearer(WEB), eve()], "", by_proxy),
        (vec![bearer(WEB), header("X-CONSUMER-USERNAME", " eve ")], "", by_proxy),
        (vec![bearer(WEB), eve(), eve()], "", unclear_by_proxy),
        (vec![bearer(WEB), header("x-consumer-username", "")], "", unclear_by_proxy),
        (vec![jwt(), eve()], "", ["free user:ana@example.com"; 4]),
        (vec![bearer("wrong-secret-000000"), eve()], "", [REFUSED; 4]),
        (
            vec![header("x-tier", "pro")],
            "",
            [REFUSED, NOBODY, "pro ip:127.0.0.1", "pro ip:127.0.0.1"],
        ),
        (vec![header("x-tier", "gold")], "", [REFUSED, NOBODY, REFUSED, REFUSED]),
        (
            vec![header("x-tier", "pro"), header("x-tier", "free")],
            "",
            [REFUSED, NOBODY, UNCLEAR, UNCLEAR],
        ),
        (vec![bearer(WEB), header("x-tier", "free")], "", web),
        (vec![bearer(WEB), bob()], "", web),
        (vec![bob()], "", [REFUSED, NOBODY, REFUSED, NOBODY]),
        (vec![jwt(), bob()], "", ["free user:ana@example.com"; 4]),
        (vec![bearer(APP)], "", app),
        (vec![bearer(APP), bob()], "", ["pro user:bob"; 4]),
        (vec![bearer(APP), header("X-Tollgate-USER", "bob")], "", ["pro user:bob"; 4]),
        (vec![bearer(APP), bob(), bob()], "", [UNCLEAR; 4]),
        (vec![bearer(APP), header("x-tollgate-user", "")], "", [UNCLEAR; 4]),
        (vec![bearer(APP), header("x-tollgate-user", &"b".repeat(257))], "", [UNCLEAR; 4]),
        (
            vec![bearer(APP), eve(), bob()],
            "",
            ["pro user:bob", "pro user:bob", "pro user:eve", "pro user:eve"],
        ),
        (
            vec![forwarded("198.51.100.7")],
            "",
            [REFUSED, NOBODY, REFUSED, "anonymous ip:198.51.100.7"],
        ),
        (
            vec![forwarded("203.0.113.9"), forwarded("2001:db8:1:2:3::4")],
            "",
            [REFUSED, NOBODY, REFUSED, "anonymous ip:2001:db8:1:2::"],
        ),
        (vec![forwarded("nonsense")], "", [REFUSED, NOBODY, REFUSED, NOBODY]),
        (
            vec![header("forwarded", "for=198.51.100.7"), header("x-real-ip", "198.51.100.7")],
            "",
            [REFUSED, NOBODY, REFUSED, NOBODY],
        ),
    ]
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// The tier and the user that the gateway takes the caller for, or how it refuses.
async fn seen_as(house: &House, caller: &Caller, path: &str) -> String {
    let answer = caller.get(path).await;
    let posted = caller.post(&path.replace("/v1/limits", CHAT), &chat("gpt-4o-mini", "Hi")).await;
    // Whoever may look may ask, and whoever may not may neither.
    assert_eq!(answer.status, posted.status, "{posted:?}");
    house.settled().await;
    house.wait(A_MINUTE);
    if !answer.status.is_success() {
        return format!("{} {}", answer.status.as_u16(), answer.code());
    }
    let rows = answer.json();
    let row = &rows["limits"][0];
    let tier = row["limit"].as_str().unwrap().rsplit(' ').next().unwrap();
    format!("{tier} {}", row["subject"].as_str().unwrap())
}

#[tokio::test]
async fn who_is_asking_is_known_beyond_doubt_however_it_is_said() {
    let signer = Signer::new("a");
    let houses = [(false, false), (false, true), (true, false), (true, true)];
    for (at, (trusted, anonymous)) in houses.into_iter().enumerate() {
        let house = house(&signer, &format!("matrix-{at}"), trusted, anonymous).await;
        let rows = [keys(), jwts(&signer), headers(&signer)];
        for (headers, query, expected) in rows.into_iter().flatten() {
            let caller = headers
                .iter()
                .fold(house.caller(None), |caller, (name, value)| caller.with(name, value));
            let seen = seen_as(&house, &caller, &format!("/v1/limits{query}")).await;
            let shown: Vec<String> =
                headers.iter().map(|(name, value)| format!("{name}: {value:.60}")).collect();
            assert_eq!(
                seen, expected[at],
                "{shown:?} {query} (trusted {trusted}, anonymous allowed {anonymous})"
            );
        }
        for seen in house.provider.seen() {
            let names: Vec<&str> = seen.headers.keys().map(http::HeaderName::as_str).collect();
            let ours = |name: &&&str| {
                let lists = ["x-consumer", "x-tollgate", "x-t", "x-forwarded", "forwarded"];
                lists.iter().any(|ours| name.starts_with(ours))
            };
            assert_eq!(names.iter().find(ours), None, "{names:?}");
        }
    }
}
