//! Habits, good and bad.

use std::net::{IpAddr, Ipv4Addr};

use tollgate_policy::Policy;
use tollgate_wire::ToolCall;

use super::*;

const IDLE: Span = Span::from_secs(1800);

fn session(name: &str) -> Session {
    let text = "data: \":memory:\"\nproviders: {p: {kind: openai, base_url: \"http://h/v1\"}}\n\
                models: {m: {serve: [p/m]}}\ntiers: {anonymous: {models: [m]}}\n";
    let config = tollgate_config::parse("test.yaml", text, &|_| None).unwrap();
    let policy = Policy::new(config.settings);
    policy.anonymous(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap().session(name)
}

fn calls(fingerprints: &[u64]) -> ToolCalls {
    let call = |&fingerprint| ToolCall { name: "search".to_owned(), fingerprint };
    let kept: Vec<_> = fingerprints.iter().map(call).collect();
    ToolCalls { count: kept.len() as u64, kept }
}

const fn settings(then: OnRunaway) -> RunawaySettings {
    RunawaySettings { same_call: 3, faster: 10, then }
}

fn minute(number: u64) -> Timestamp {
    Timestamp::from_millis(number * 60_000)
}

#[test]
fn the_same_call_again_and_again_is_a_runaway_until_it_makes_another() {
    let (runaways, mine, other) = (Runaways::default(), session("mine"), session("other"));
    let hear = |session: &Session, list: &[u64]| {
        let heard =
            Heard { calls: &calls(list), tokens: Tokens::new(10), now: minute(1), idle: IDLE };
        runaways.hear(session, heard, &settings(OnRunaway::Report))
    };
    for number in 0..40 {
        assert_eq!(hear(&other, &[number, number + 100]), None, "each call another");
    }
    assert_eq!(hear(&mine, &[7]), None);
    assert_eq!(hear(&mine, &[7, 8]), None, "not even in a row, nor the last of an answer");
    let same = Suspicion::SameCall { name: "search".to_owned(), times: 3 };
    assert_eq!(hear(&mine, &[7, 10]), Some(same.clone()));
    assert_eq!(runaways.suspicion(&mine, minute(1)), Some(same));
    assert_eq!(hear(&mine, &[7]), None, "told once");
    assert_eq!(runaways.suspicion(&other, minute(1)), None);
    assert_eq!(hear(&mine, &[9]), None);
    assert_eq!(runaways.suspicion(&mine, minute(1)), None, "it does something else now");
}

#[test]
fn who_is_stopped_stays_stopped_until_its_session_ends() {
    let (runaways, mine) = (Runaways::default(), session("mine"));
    let hear = |list: &[u64]| {
        let heard =
            Heard { calls: &calls(list), tokens: Tokens::new(10), now: minute(1), idle: IDLE };
        runaways.hear(&mine, heard, &settings(OnRunaway::Stop))
    };
    assert!(hear(&[7, 7, 7]).is_some());
    assert_eq!(hear(&[9]), None, "one that was on its way");
    assert!(runaways.suspicion(&mine, minute(30)).is_some());
    assert_eq!(runaways.suspicion(&mine, minute(31)), None);
}

#[test]
fn spending_much_faster_than_its_own_past_is_a_runaway() {
    let spend = |runaways: &Runaways, at, tokens| {
        let tokens = Tokens::new(tokens);
        let heard = Heard { calls: &calls(&[]), tokens, now: minute(at), idle: IDLE };
        runaways.hear(&session("mine"), heard, &settings(OnRunaway::Report))
    };
    let runaways = Runaways::default();
    for at in 0..6 {
        assert_eq!(spend(&runaways, at, 2_000), None);
    }
    assert_eq!(spend(&runaways, 6, 19_999), None);
    assert_eq!(spend(&runaways, 6, 1), Some(Suspicion::Faster { factor: 10 }));
    let young = Runaways::default();
    assert_eq!(spend(&young, 0, 10), None);
    assert_eq!(spend(&young, 1, 1_000_000), None, "it has no past yet");
    let small = Runaways::default();
    for at in 0..6 {
        assert_eq!(spend(&small, at, 1), None);
    }
    assert_eq!(spend(&small, 6, 9_999), None, "too little to matter");
}
