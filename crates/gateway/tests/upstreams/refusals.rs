//! What a provider promises with a 429 or a 5xx, in every dialect and with every lie: until when
//! its account is left alone, why, and what the caller is told.

use tollgate_sim::Act;
use tollgate_sim::provider::{Fault, Rebuff};
use tollgate_testkit::{Answer, Caller, House, Plot, chat, message};
use tollgate_units::Span;
use tollgate_wire::rfc3339;

use crate::account::{Account, CHAT, NOON, short, standing};

/// A refusal, and what comes of it.
#[derive(Clone, Copy)]
struct Row {
    /// The kind of the account.
    kind: &'static str,
    /// How it refuses.
    rebuff: Rebuff,
    /// What it says in headers.
    says: &'static [(&'static str, &'static str)],
    /// How long it is left alone, in milliseconds.
    waits_ms: u64,
    /// Why, as operators see it begin.
    why: &'static str,
    /// What whoever is refused is told, and what whoever comes before it is over.
    told: (u16, u16),
}

const BARE: Rebuff = Rebuff::Status(429);
const SAID: &str = "the provider said so";
const CHECKED: &str = "the provider said so; checked every minute";
const UNSAID: &str = "it did not say how long";
const LONGER: &str = "it refused again right after the last wait";

const fn openai(says: &'static [(&'static str, &'static str)], waits_ms: u64) -> Row {
    Row { kind: "openai", rebuff: BARE, says, waits_ms, why: SAID, told: (429, 429) }
}

/// A lie, or nothing at all.
const fn unsaid(says: &'static [(&'static str, &'static str)], waits_ms: u64) -> Row {
    Row { why: UNSAID, ..openai(says, waits_ms) }
}

const fn of(kind: &'static str, row: Row) -> Row {
    Row { kind, ..row }
}

/// No refusal, but trouble.
const fn ill(
    status: u16,
    told: u16,
    says: &'static [(&'static str, &'static str)],
    waits_ms: u64,
) -> Row {
    Row { rebuff: Rebuff::Status(status), told: (told, 503), ..openai(says, waits_ms) }
}

const ROWS: [Row; 30] = [
    openai(&[("retry-after", "2")], 2000),
    openai(&[("retry-after", "2"), ("retry-after-ms", "1250")], 1250),
    openai(&[("retry-after", "1.5")], 1500),
    openai(&[("retry-after", "Sat, 20 Jun 2026 12:00:07 GMT")], 7000),
    openai(&[("retry-after", "60")], 60_000),
    Row { rebuff: Rebuff::RateLimit, ..openai(&[], 84) },
    unsaid(
        &[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1m0s"),
        ],
        60_000,
    ),
    of(
        "azure-openai",
        unsaid(
            &[
                ("x-ratelimit-limit-requests", "20"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "17"),
                ("x-ratelimit-renewalperiod-requests", "60"),
            ],
            17_000,
        ),
    ),
    of("azure-openai", openai(&[("retry-after", "9"), ("retry-after-ms", "8100")], 8100)),
    of("anthropic", openai(&[("retry-after", "11")], 11_000)),
    // One comes back every 1.2 s, and of fifty a twentieth is kept for critical requests: there is
    // room for others once five are back.
    of(
        "anthropic",
        unsaid(
            &[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "0"),
                ("anthropic-ratelimit-requests-reset", "2026-06-20T12:01:00Z"),
            ],
            6000,
        ),
    ),
    Row { rebuff: Rebuff::RateLimit, ..of("gemini", openai(&[("server", "gws")], 1000)) },
    unsaid(&[("ratelimit", "\"a\";r=0;t=13"), ("ratelimit-policy", "\"a\";q=9;w=60")], 13_000),
    unsaid(&[], 1000),
    unsaid(&[("retry-after", "0")], 1000),
    unsaid(&[("retry-after", "-5")], 1000),
    unsaid(&[("retry-after", "soon")], 1000),
    unsaid(&[("retry-after", "Sat, 20 Jun 2026 11:00:00 GMT")], 1000),
    unsaid(&[("retry-after", "31536000")], 1000),
    Row { why: CHECKED, ..openai(&[("retry-after", "300")], 300_000) },
    Row { why: CHECKED, ..openai(&[("retry-after", "86400")], 86_400_000) },
    Row { why: CHECKED, ..openai(&[("retry-after", "Sat, 20 Jun 2026 13:00:00 GMT")], 3_600_000) },
    ill(529, 503, &[("retry-after", "30")], 30_000),
    ill(500, 503, &[("retry-after", "2")], 2000),
    ill(503, 503, &[("retry-after", "30"), ("retry-after-ms", "29500")], 29_500),
    ill(503, 503, &[("retry-after", "Sat, 20 Jun 2026 12:00:07 GMT")], 7000),
    Row { why: CHECKED, ..ill(503, 503, &[("retry-after", "86400")], 86_400_000) },
    // These may have worked on it, and callers are told so.
    ill(502, 502, &[("retry-after", "30")], 30_000),
    ill(504, 502, &[("retry-after", "30")], 30_000),
    ill(408, 502, &[("retry-after", "30")], 30_000),
];

const POLICY: &str = "
tiers:
  anonymous: {models: [m]}
unpriced: {input: 1, output: 1}
models:
  m: {serve: [first/gpt-4o-mini]}
";

/// The house of one account of that kind.
async fn house_of(kind: &str, account: &Account) -> House {
    let path = match kind {
        "azure-openai" => "",
        "gemini" => "/v1beta",
        _ => "/v1",
    };
    let base_url = format!("http://{}{path}", account.addr());
    let entry =
        format!("  first: {{kind: {kind}, base_url: \"{base_url}\", api_key: \"${{SIM_KEY}}\"}}\n");
    Plot::new(&format!("{entry}{POLICY}")).standing_still(NOON).build().await
}

async fn ask(caller: &Caller, kind: &str) -> Answer {
    if kind == "anthropic" {
        return caller.post("/v1/messages", &message("m", " Hi")).await;
    }
    if kind == "gemini" {
        let body = serde_json::json!({
            "contents": [{"role": "user", "parts": [{"text": " Hi"}]}],
            "generationConfig": {"maxOutputTokens": 40},
        });
        return caller.post("/v1beta/models/m:generateContent", &body).await;
    }
    caller.post(CHAT, &short("m")).await
}

/// How long the caller is told to wait.
fn told_wait(refused: &Answer) -> Span {
    let millis = refused.json()["error"]["tollgate"]["retry_after_ms"].as_u64().unwrap();
    // In headers a little more, so that a crowd does not come back at once.
    let header = refused.header("retry-after-ms").parse::<u64>().unwrap();
    assert!((millis..=millis + millis / 10).contains(&header), "{header} of {millis} ms");
    Span::from_millis(millis)
}

/// Until when operators see the account left alone, and why.
fn left_alone(house: &House) -> (String, &'static str) {
    let stands = standing(house, "first");
    (stands.refused_until.unwrap(), stands.refused_why.unwrap())
}

fn told(row: &Row) -> String {
    let says: Vec<_> = row.says.iter().map(|(name, value)| format!("`{name}: {value}`")).collect();
    match (row.rebuff, row.kind) {
        (Rebuff::RateLimit, "gemini") => "`\"retryDelay\": \"1s\"` in the body".to_owned(),
        (Rebuff::Status(status), _) if status != 429 => format!("{status}, {}", says.join(" ")),
        (Rebuff::RateLimit, _) => "`retry-after: 1` `retry-after-ms: 84`".to_owned(),
        _ if says.is_empty() => "nothing".to_owned(),
        _ => says.join(" "),
    }
}

#[tokio::test]
async fn an_account_that_refuses_is_left_alone_for_as_long_as_it_says_if_that_can_be_believed() {
    println!("| kind | it says | waited | why |");
    for row in ROWS {
        let what = format!("{} {}", row.kind, told(&row));
        let mut act = Act::default().with(Fault::Refused(row.rebuff));
        for (name, value) in row.says {
            act = act.saying(name, *value);
        }
        let account = Account::start(act).await;
        let house = house_of(row.kind, &account).await;
        let caller = house.caller(None);
        let refused = ask(&caller, row.kind).await;
        let (at_first, meanwhile) = row.told;
        assert_eq!((refused.status.as_u16(), account.seen()), (at_first, 1), "{what}: {refused:?}");
        let (until, why) = left_alone(&house);
        println!("| {} | {} | {} ms | {why} |", row.kind, told(&row), row.waits_ms);
        assert!(why.starts_with(row.why), "{what}: {why}");
        assert_eq!(until, rfc3339(NOON.plus(Span::from_millis(row.waits_ms))), "{what}");
        // After a refusal requests start a tenth of a second apart, so that is the least.
        if at_first == meanwhile {
            assert_eq!(told_wait(&refused).as_millis(), row.waits_ms.max(100), "{what}");
        }
        // Until then nobody is sent there; then whoever asks is.
        account.becomes(Act::default());
        let opens = if row.why == CHECKED { 60_000 } else { row.waits_ms.max(100) };
        // Whoever comes in the last second before would be held back, not refused.
        let early = opens.min(1001);
        house.wait(Span::from_millis(opens - early));
        if opens > early {
            assert_eq!(ask(&caller, row.kind).await.status, meanwhile, "{what}");
            assert_eq!(account.seen(), 1, "{what}");
        }
        house.wait(Span::from_millis(early));
        assert_eq!(ask(&caller, row.kind).await.status, 200, "{what}");
        assert_eq!(account.seen(), 2, "{what}");
    }
}

/// "More than a day" is as good as nothing said: who only fails is asked again, until its breaker
/// opens.
#[tokio::test]
async fn trouble_that_says_nothing_to_believe_shuts_nothing() {
    for says in ["31536000", "0", "soon"] {
        let trouble = Fault::Refused(Rebuff::Status(503));
        let account =
            Account::start(Act::default().with(trouble).saying("retry-after", says)).await;
        let house = house_of("openai", &account).await;
        let caller = house.caller(None);
        for seen in 1..=3 {
            assert_eq!(ask(&caller, "openai").await.status, 502, "{says}");
            assert_eq!(account.seen(), seen, "{says}");
        }
        assert_eq!(standing(&house, "first").refused_until, None, "{says}");
    }
}

#[tokio::test]
async fn a_promise_that_proves_too_short_is_doubled_until_it_is_a_minute() {
    let act = Act::default().with(Fault::Refused(BARE)).saying("retry-after", "1");
    let account = Account::start(act).await;
    let house = house_of("openai", &account).await;
    let caller = house.caller(None);
    let mut waited = Vec::new();
    for sent in 1..=9 {
        let refused = ask(&caller, "openai").await;
        assert_eq!((refused.status.as_u16(), account.seen()), (429, sent));
        let (until, why) = left_alone(&house);
        assert!(why.starts_with(if sent == 1 { SAID } else { LONGER }), "{why}");
        let wait = told_wait(&refused);
        assert_eq!(until, rfc3339(house.meters.clock().now().plus(wait)));
        waited.push(wait.as_secs_ceil());
        house.wait(wait);
    }
    println!(
        "| openai | `retry-after: 1`, and refuses again each time | {waited:?} s | {LONGER} |"
    );
    assert_eq!(waited, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[tokio::test]
async fn a_promise_of_more_than_a_minute_that_is_kept_is_checked_once_a_minute() {
    let act = Act::default().with(Fault::Refused(BARE)).saying("retry-after", "600");
    let account = Account::start(act).await;
    let house = house_of("openai", &account).await;
    let caller = house.caller(None);
    for minute in 1..=8 {
        for _ in 0..20 {
            assert_eq!(ask(&caller, "openai").await.status, 429);
        }
        assert_eq!(account.seen(), minute, "one probe a minute, whatever the traffic");
        house.wait(Span::from_secs(60));
    }
}

/// What an answer that was served says of limits.
struct Lie {
    says: &'static [(&'static str, &'static str)],
    /// Whether it leaves the account alone, until a check is served.
    shuts: bool,
    /// What whoever comes then is told, if a number.
    waits: Option<Span>,
}

const fn ignored(says: &'static [(&'static str, &'static str)]) -> Lie {
    Lie { says, shuts: false, waits: None }
}

const fn checked(says: &'static [(&'static str, &'static str)], waits: Option<Span>) -> Lie {
    Lie { says, shuts: true, waits }
}

const LIES: [Lie; 5] = [
    ignored(&[
        ("x-ratelimit-limit-requests", "0"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "0s"),
    ]),
    ignored(&[("ratelimit", "\"a\";r=0;t=3600"), ("ratelimit-policy", "\"a\";q=0;w=60")]),
    checked(
        &[
            ("x-ratelimit-limit-requests", "100"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "8760h"),
        ],
        None,
    ),
    checked(
        &[
            ("x-ratelimit-limit-requests", "100"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "10h"),
        ],
        Some(Span::from_secs(36_000)),
    ),
    checked(
        &[("ratelimit", "\"a\";r=0;t=3600"), ("ratelimit-policy", "\"a\";q=90;w=3600")],
        Some(Span::from_secs(3600)),
    ),
];

/// A limit of nothing on an answer that was served had the account left alone for an hour, and a
/// reset a year ahead for ever.
#[tokio::test]
async fn what_a_served_answer_says_takes_no_account_out_for_more_than_a_minute() {
    println!("| a served answer says | the next is | after a minute |");
    for Lie { says, shuts, waits } in LIES {
        let mut act = Act::default();
        for (name, value) in says {
            act = act.saying(name, *value);
        }
        let account = Account::start(act).await;
        let house = house_of("openai", &account).await;
        let caller = house.caller(None);
        assert_eq!(ask(&caller, "openai").await.status, 200, "{says:?}");
        let next = ask(&caller, "openai").await;
        println!("| {says:?} | {} | served |", next.status);
        if !shuts {
            assert_eq!((next.status.as_u16(), account.seen()), (200, 2), "{says:?}: {next:?}");
            assert_eq!(standing(&house, "first").probes_at, None, "{says:?}");
            assert!(house.gateway.render_metrics().contains("headers_malformed"), "{says:?}");
            continue;
        }
        assert_eq!((next.status.as_u16(), account.seen()), (429, 1), "{says:?}: {next:?}");
        let told = next.json()["error"]["tollgate"]["retry_after_ms"].as_u64();
        assert_eq!(told, waits.map(Span::as_millis), "{says:?}");
        assert_eq!(next.header("retry-after").is_empty(), waits.is_none(), "{says:?}");
        assert_eq!(next.header("x-should-retry"), "false", "{says:?}");
        let probes_at = rfc3339(NOON.plus(Span::from_secs(60)));
        assert_eq!(standing(&house, "first").probes_at, Some(probes_at), "{says:?}");
        house.wait(Span::from_secs(60));
        for seen in 2..6 {
            assert_eq!(ask(&caller, "openai").await.status, 200, "{says:?}: it is not so");
            assert_eq!(account.seen(), seen, "{says:?}");
        }
        assert_eq!(standing(&house, "first").probes_at, None, "{says:?}");
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_for_long_keeps_all_away_but_one_a_minute() {
    let says = [
        ("x-ratelimit-limit-requests", "1000"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "480h"),
    ];
    let mut act = Act::default();
    for (name, value) in says {
        act = act.saying(name, value);
    }
    let account = Account::start(act.clone()).await;
    let house = house_of("openai", &account).await;
    let caller = house.caller(None);
    assert_eq!(ask(&caller, "openai").await.status, 200, "the last of the month");
    account.becomes(act.with(Fault::Refused(BARE)));
    for minute in 1..=8 {
        for _ in 0..20 {
            assert_eq!(ask(&caller, "openai").await.status, 429);
        }
        assert_eq!(account.seen(), minute, "one a minute, whatever the traffic");
        house.wait(Span::from_secs(60));
    }
}

#[tokio::test]
async fn a_request_larger_than_a_limit_is_sent_once_a_minute_and_served_it_fits() {
    let says = [("x-ratelimit-limit-tokens", "1000"), ("x-ratelimit-remaining-tokens", "1000")];
    let mut act = Act::default();
    for (name, value) in says {
        act = act.saying(name, value);
    }
    let account = Account::start(act).await;
    // Who counts prompts when they come, as OpenAI itself.
    let policy = POLICY.replace("first/", "openai/");
    let yaml = format!("{}{policy}", account.entry("openai"));
    let house = Plot::new(&yaml).standing_still(NOON).build().await;
    let caller = house.caller(None);
    let large = chat("m", &" Hi".repeat(2000));
    assert_eq!(caller.post(CHAT, &short("m")).await.status, 200);
    let told = caller.post(CHAT, &large).await;
    assert_eq!((told.status.as_u16(), &*told.code()), (429, "insufficient_quota"), "{told:?}");
    house.wait(Span::from_secs(60));
    assert_eq!(caller.post(CHAT, &large).await.status, 200, "a minute later it is tried");
    assert_eq!(caller.post(CHAT, &short("m")).await.status, 200, "and holds up nobody");
    house.wait(Span::from_secs(60));
    assert_eq!(caller.post(CHAT, &large).await.status, 200);
    assert_eq!(account.seen(), 4);
}
