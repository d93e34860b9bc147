//! From settings to charges: who is counted where, what is asked of each limit, what is left of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::net::IpAddr;
use std::sync::Arc;

use tollgate_limits::MeterId;
use tollgate_policy::{
    Caller, Ended, Guardrails, KeyDigest, KeySettings, ModelSettings, Moment, Need, OnDisconnect,
    Plan, Policy, Prefer, Priority, ProviderSettings, Raised, Raises, Refusal, Route, Settings,
    TierSettings, parse, thing,
};
use tollgate_tokens::{Counts, How, Tariff};
use tollgate_units::{Amount, MicroUsdPerMillion, Timestamp, Tokens};
use tollgate_wire::{Endpoint, Protocol, Stored, StoredKind, Usage, read};

const NOW: Timestamp = Timestamp::from_millis(1_795_330_800_000);
const MOMENT: Moment = Moment { now: NOW, opens_session: false };
const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

fn provider(name: &str, on_disconnect: OnDisconnect) -> ProviderSettings {
    ProviderSettings {
        name: name.to_owned(),
        protocol: Protocol::OpenAi,
        is_openai: name == "openai",
        include_usage: true,
        output_cap_field: None,
        on_disconnect,
        limits: Vec::new(),
    }
}

fn tier(name: &str, limits: &[&str]) -> TierSettings {
    TierSettings {
        name: name.to_owned(),
        models: vec!["small".to_owned()],
        limits: limits.iter().map(|limit| parse(limit).unwrap()).collect(),
        guardrails: Guardrails::default(),
        priority: Priority::default(),
    }
}

fn key(name: &str, tier: &str) -> KeySettings {
    KeySettings {
        name: name.to_owned(),
        digest: KeyDigest::of(name),
        tier: tier.to_owned(),
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

/// `small` is served by an account that stops its bill and by one that nobody knows.
fn settings(tiers: Vec<TierSettings>, keys: Vec<KeySettings>) -> Settings {
    let route =
        |provider: &str| Route { provider: provider.to_owned(), model: "m".to_owned(), weight: 1 };
    let tariff = Tariff {
        input: MicroUsdPerMillion::new(1_000_000),
        output: MicroUsdPerMillion::new(4_000_000),
        ..Tariff::default()
    };
    Settings {
        providers: vec![
            provider("openai", OnDisconnect::Cancel),
            provider("local", OnDisconnect::Unknown),
        ],
        models: vec![ModelSettings {
            name: "small".to_owned(),
            serve: vec![route("openai"), route("local")],
            prefer: Prefer::default(),
            fallback: Vec::new(),
            limits: Vec::new(),
            guardrails: Guardrails::default(),
        }],
        prices: vec![("openai/m".to_owned(), tariff.clone()), ("local/m".to_owned(), tariff)],
        tiers,
        keys,
        min_output_tokens: Tokens::new(16),
        ..Settings::default()
    }
}

fn plan(caller: &Caller, extra: &str) -> Result<Plan, Refusal> {
    let body = format!(
        r#"{{"model": "small", "messages": [{{"role": "user", "content": "Hi"}}]{extra}}}"#
    );
    let ask = read(Endpoint::ChatCompletions, body.as_bytes()).unwrap();
    let counts = Counts { input: Tokens::new(100), how: How::Exact };
    caller.consider(ask)?.plan(counts, MOMENT)
}

fn meters(plan: &Plan, candidate: usize) -> Vec<MeterId> {
    plan.candidates()[candidate].charges().iter().map(|charge| charge.meter).collect()
}

#[test]
fn what_is_asked_of_each_limit_follows_its_unit() {
    let limits = [
        "9 requests per minute per key",
        "9k input tokens per minute per key",
        "9k output tokens per minute per key",
        "9k tokens per minute per key",
        "$9 per day per key",
        "9 streams at once per key",
        "9 requests at once per key",
    ];
    let policy = Policy::new(settings(vec![tier("pro", &limits)], vec![key("web", "pro")]));
    let caller = || policy.identify(Some("web"), IP).unwrap();
    let whole = plan(&caller(), r#", "n": 3, "max_tokens": 10"#).unwrap();
    let asked = |plan: &Plan| -> Vec<u64> {
        let charges = plan.candidates()[0].charges();
        let stretch = charges.stretch();
        assert_eq!(stretch.least, stretch.most, "the caller named its cap");
        charges.iter().map(|charge| charge.demand.at(stretch.most).get()).collect()
    };
    // 100 tokens in at $1, three times 10 out at $4 a million: 220,000 nano-dollars.
    assert_eq!(asked(&whole), [1, 100, 30, 130, 220_000, 1], "a whole answer is no stream");
    let streamed = plan(&caller(), r#", "n": 3, "max_tokens": 10, "stream": true"#);
    assert_eq!(asked(&streamed.unwrap()), [1, 100, 30, 130, 220_000, 1, 1]);
    let free = plan(&caller(), "").unwrap();
    let stretch = free.candidates()[0].charges().stretch();
    assert_eq!((stretch.least, stretch.most), (16, 4096), "a model of unknown size");
    assert_eq!(
        free.cap_set(&free.candidates()[0], Tokens::new(4096)),
        Some(Tokens::new(4096)),
        "is always bounded"
    );
}

#[test]
fn only_routes_that_speak_the_protocol_are_tried() {
    let mut settings = settings(vec![tier("pro", &["9 tokens per day per key"])], Vec::new());
    settings.keys = vec![key("web", "pro")];
    settings.providers[1].protocol = Protocol::Anthropic;
    let one = |settings: Settings| Policy::new(settings).identify(Some("web"), IP).unwrap();
    let providers = |plan: Plan| -> Vec<String> {
        let candidates = plan.candidates().iter();
        candidates.map(|candidate| candidate.deployment().provider().to_string()).collect()
    };
    let mixed = one(settings.clone());
    assert_eq!(providers(plan(&mixed, "").unwrap()), ["openai"]);
    let body = br#"{"model": "small", "messages": [{"role": "user", "content": "Hi"}]}"#;
    let ask = read(Endpoint::CountTokens, body).unwrap();
    let options = mixed.consider(ask).unwrap();
    let counts = Counts { input: Tokens::new(100), how: How::Exact };
    let counted = options.plan(counts, MOMENT).unwrap();
    assert_eq!(counted.candidates()[0].charges().len(), 0, "counting is free");
    assert_eq!(providers(counted), ["local"]);
    settings.providers[0].protocol = Protocol::Anthropic;
    let refused = plan(&one(settings), "").unwrap_err();
    assert!(matches!(refused, Refusal::ModelElsewhere { protocol: Protocol::Anthropic, .. }));
}

#[test]
fn what_is_left_follows_the_settlement_table() {
    let limits =
        ["9 requests per minute per key", "9k tokens per minute per key", "$9 per day per key"];
    let policy = Policy::new(settings(vec![tier("pro", &limits)], vec![key("web", "pro")]));
    let caller = policy.identify(Some("web"), IP).unwrap();
    let plan = plan(&caller, r#", "max_tokens": 50"#).unwrap();
    let usage = Usage { input: Tokens::new(90), output: Tokens::new(20), ..Usage::default() };
    // Reserved: 1 request, 150 tokens, 300,000 nano-dollars. Used: 90 in, 20 out.
    let reserved = [1, 150, 300_000];
    let used = |candidate: usize, ended| -> Vec<u64> {
        let used = plan.candidates()[candidate].used(ended, |at| Amount::new(reserved[at]));
        used.into_iter().map(Amount::get).collect()
    };
    for candidate in [0, 1] {
        assert_eq!(used(candidate, Ended::Answered(&usage)), [1, 110, 170_000]);
        assert_eq!(used(candidate, Ended::Refused), [1, 0, 0], "malformed requests are not free");
        assert_eq!(used(candidate, Ended::Unsent), [0, 0, 0]);
    }
    assert_eq!(used(0, Ended::Broken(&usage)), [1, 110, 170_000], "it stops its bill");
    assert_eq!(used(1, Ended::Broken(&usage)), [1, 110, 300_000], "nobody knows whether it does");
}

#[test]
fn who_leaves_something_out_falls_back_to_the_next_and_escapes_nothing() {
    let limit = |subject: &str| format!("9 requests per minute per {subject}");
    let limits: Vec<_> = ["ip", "key", "user", "team", "project", "org"].map(limit).to_vec();
    let limits: Vec<_> = limits.iter().map(String::as_str).collect();
    let tiers = vec![tier("anonymous", &limits), tier("pro", &limits)];
    let mut full = key("full", "pro");
    full.user = Some("ana".to_owned());
    full.team = Some("acme".to_owned());
    let mut same = key("same", "pro");
    same.user = Some("ana".to_owned());
    let policy = Policy::new(settings(tiers, vec![full, same, key("bare", "pro")]));
    let subjects = |secret: Option<&str>| -> Vec<String> {
        let caller = policy.identify(secret, IP).unwrap();
        let watched = caller.watched(false, NOW);
        watched.into_iter().map(|watched| watched.subject.unwrap()).collect()
    };
    let ip = "ip:192.0.2.7";
    assert_eq!(
        subjects(Some("full")),
        [ip, "key:full", "user:ana", "team:acme", "key:full", "key:full"]
    );
    assert_eq!(subjects(Some("bare"))[1..], ["key:bare"; 5]);
    assert_eq!(subjects(None), [ip; 6]);
    let of =
        |secret: &str| meters(&plan(&policy.identify(Some(secret), IP).unwrap(), "").unwrap(), 0);
    let (full, same) = (of("full"), of("same"));
    assert_eq!(full[2], same[2], "two keys of one user");
    assert!(full[1] != same[1] && full[3] != same[3], "{full:?} {same:?}");
    let mut all = full;
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6, "a limit per key is never the limit per project of the same key");
}

#[test]
fn a_changed_amount_or_tier_keeps_what_is_used() {
    let meter = |tier_name: &str, limit: &str| {
        let tiers = vec![tier(tier_name, &[limit])];
        let mut web = key("web", tier_name);
        web.user = Some("ana".to_owned());
        web.team = Some("acme".to_owned());
        let policy = Policy::new(settings(tiers, vec![web]));
        meters(&plan(&policy.identify(Some("web"), IP).unwrap(), "").unwrap(), 0)[0]
    };
    let before = meter("free", "20 requests per minute per user");
    assert_eq!(before, meter("free", "30 requests per minute per user"), "another amount");
    assert_eq!(before, meter("pro", "30 requests per minute per user"), "another tier");
    assert_ne!(before, meter("free", "20 requests per hour per user"), "another period");
    assert_ne!(before, meter("free", "20 requests per minute per key"), "another subject");
    assert_ne!(before, meter("free", "20 requests per minute per user, named x"));
    let together = |tier: &str| meter(tier, "20 requests per minute");
    assert_ne!(
        together("free"),
        together("pro"),
        "everybody of a tier is not everybody of another"
    );
    assert_ne!(meter("free", "$1 per day per team"), meter("pro", "$1 per day per team"));
}

#[test]
fn a_model_is_named_only_to_those_who_may_know_it() {
    let mut both = key("both", "pro");
    both.models = Some(vec!["other".to_owned()]);
    let mut direct = tier("direct", &[]);
    direct.models = vec!["openai/*".to_owned()];
    let tiers = vec![tier("pro", &[]), direct];
    let policy = Policy::new(settings(tiers, vec![key("web", "pro"), both, key("raw", "direct")]));
    let ask = |key: &str, model: &str| {
        let body =
            format!(r#"{{"model": "{model}", "messages": [{{"role": "user", "content": "Hi"}}]}}"#);
        let ask = read(Endpoint::ChatCompletions, body.as_bytes()).unwrap();
        policy.identify(Some(key), IP).unwrap().consider(ask)
    };
    assert_eq!(ask("web", "small").unwrap().need(), Need::Nothing, "nothing counts tokens");
    assert!(
        matches!(ask("both", "small"), Err(Refusal::ModelNotAllowed { .. })),
        "both lists count"
    );
    assert!(matches!(ask("web", "huge"), Err(Refusal::ModelNotFound { .. })));
    assert!(
        matches!(ask("web", "openai/m"), Err(Refusal::ModelNotFound { .. })),
        "not to be probed"
    );
    assert!(matches!(ask("raw", "local/m"), Err(Refusal::ModelNotFound { .. })));
    assert_eq!(ask("raw", "openai/anything").unwrap().counted_as(), "anything");
    assert!(policy.identify(Some("wrong"), IP).is_none() && policy.identify(None, IP).is_none());
}

#[test]
fn money_limits_refuse_what_has_no_price_and_only_they_do() {
    let limited = |limits: &[&str]| {
        let mut settings = settings(vec![tier("pro", limits)], vec![key("web", "pro")]);
        settings.prices.clear();
        Policy::new(settings)
    };
    let ask =
        |policy: &Arc<Policy>, extra: &str| plan(&policy.identify(Some("web"), IP).unwrap(), extra);
    let money = limited(&["$1 per day per key"]);
    assert!(matches!(ask(&money, ""), Err(Refusal::NotPriced { .. })));
    assert!(ask(&limited(&["9 requests per day per key"]), "").is_ok());
    assert!(ask(&limited(&["$1 per day per key, shadow"]), "").is_ok(), "watched, not enforced");
    let priced = settings(vec![tier("pro", &["$1 per day per key"])], vec![key("web", "pro")]);
    let priced = Policy::new(priced);
    assert!(ask(&priced, "").is_ok());
    for extra in [
        r#", "service_tier": "priority""#,
        r#", "web_search_options": {}"#,
        r#", "modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}"#,
    ] {
        assert!(matches!(ask(&priced, extra), Err(Refusal::NotPriced { .. })), "{extra}");
    }
}

#[test]
fn a_provider_limit_counts_the_provider_that_is_tried() {
    let limits = ["9 requests per minute per provider", "9 requests per minute per user and model"];
    let policy = Policy::new(settings(vec![tier("pro", &limits)], vec![key("web", "pro")]));
    let plan = plan(&policy.identify(Some("web"), IP).unwrap(), "").unwrap();
    let (first, second) = (meters(&plan, 0), meters(&plan, 1));
    assert_ne!(first[0], second[0]);
    assert_eq!(first[1], second[1]);
}

#[test]
fn a_raise_changes_one_meters_amount_and_nothing_else() {
    let limits = ["100 tokens per day per user", "9 requests per minute per key"];
    let policy = Policy::new(settings(
        vec![tier("pro", &limits)],
        vec![key("ana", "pro"), key("bob", "pro")],
    ));
    let of = |name: &str| policy.identify(Some(name), IP).unwrap();
    let cap = r#", "max_tokens": 10"#;
    let before = plan(&of("ana"), cap).unwrap();
    let meter = meters(&before, 0)[0];
    let until = NOW.plus(tollgate_units::Span::from_secs(1));
    let raise = |until| Raises::new([(meter, Raised { amount: Amount::new(5000), until })]);
    let most = |caller: Caller| -> Vec<u64> {
        let plan = plan(&caller, cap).unwrap();
        let charges = plan.candidates()[0].charges();
        charges.iter().map(|charge| charge.rule.most().get()).collect()
    };
    assert_eq!(most(of("ana")), [100, 9]);
    let raised = of("ana").with_raises(raise(until));
    assert_eq!(meters(&plan(&raised, cap).unwrap(), 0), meters(&before, 0), "what is used stays");
    let shown = plan(&raised, cap).unwrap().candidates()[0].limits()[0].sentence().to_owned();
    assert_eq!(shown, "5,000 tokens per day per user");
    assert_eq!(most(raised.clone()), [5000, 9]);
    let watched = raised.watched(true, NOW);
    let row = watched.iter().find(|row| row.charge().meter == meter).unwrap();
    assert_eq!((row.raised_until, row.limit.limit().most()), (Some(until), Amount::new(5000)));
    assert_eq!(most(of("bob").with_raises(raise(until))), [100, 9], "somebody else");
    assert_eq!(most(of("ana").with_raises(raise(NOW))), [100, 9], "it is over");
    assert!(Raises::new([]).is_none());
}

#[test]
fn a_request_is_served_only_where_everything_it_refers_to_is_its_callers() {
    type Names = &'static [&'static str];
    type Found = Result<Names, &'static str>;
    let policy = Policy::new(settings(vec![tier("pro", &[])], vec![key("web", "pro")]));
    let caller = policy.identify(Some("web"), IP).unwrap();
    let body = r#"{"model": "small", "input": "Hi", "previous_response_id": "resp_1",
        "tools": [{"type": "code_interpreter", "container": "cntr_1"}]}"#;
    let options = || {
        let ask = read(Endpoint::Responses, body.as_bytes()).unwrap();
        caller.consider(ask).unwrap()
    };
    let counts = Counts { input: Tokens::new(100), how: How::Exact };
    let stored = |kind, id: &str| Stored { kind, id: id.to_owned() };
    let response = stored(StoredKind::Response, "resp_1");
    let container = stored(StoredKind::Container, "cntr_1");
    // Where each of the two is, and the accounts that may serve, or the field at fault.
    let table: [(Names, Names, Found); 5] = [
        (&["openai", "local"], &["local"], Ok(&["local"])),
        (&["openai"], &["openai"], Ok(&["openai"])),
        (&["openai"], &["local"], Err("tools[0].container")),
        (&[], &["openai"], Err("previous_response_id")),
        (&["elsewhere"], &["elsewhere"], Err("previous_response_id")),
    ];
    for (responses, containers, expected) in table {
        let at = |accounts: &[&str], what| -> Vec<_> {
            accounts.iter().map(|account| thing(account, what)).collect()
        };
        let (responses, containers) = (at(responses, &response), at(containers, &container));
        let mut looks = 0;
        let found = options().where_owned(|thing, owner| {
            looks += 1;
            assert_eq!(Some(owner), caller.owner());
            let is_there = responses.contains(&thing) || containers.contains(&thing);
            Ok::<_, ()>(is_there.then_some(Tokens::new(7)))
        });
        // Two things at two accounts, whatever is found.
        assert_eq!(looks, 4);
        let got = found.unwrap().map(|options| {
            assert_eq!(options.ask().prompt.attached, 14);
            let plan = options.plan(counts, MOMENT).unwrap();
            let names = plan.candidates().iter().map(|one| one.deployment().provider().to_string());
            names.collect::<Vec<_>>()
        });
        match (got, expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected),
            (Err(Refusal::NotStored(reference)), Err(param)) => assert_eq!(reference.param, param),
            (got, expected) => panic!("{got:?} is not {expected:?}"),
        }
    }
    // What nobody has looked up is reached by nobody.
    assert!(matches!(options().plan(counts, MOMENT), Err(Refusal::NotStored(_))));
}
