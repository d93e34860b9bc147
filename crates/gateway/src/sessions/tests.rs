//! Roots of children, in whatever order they speak.

use std::net::{IpAddr, Ipv4Addr};

use tollgate_policy::{Caller, Policy};

use super::*;

const IDLE: Span = Span::from_secs(60);

fn caller() -> Caller {
    let text = "data: \":memory:\"\nproviders: {p: {kind: openai, base_url: \"http://h/v1\"}}\n\
                models: {m: {serve: [p/m]}}\ntiers: {anonymous: {models: [m]}}\n";
    let config = tollgate_config::parse("test.yaml", text, &|_| None).unwrap();
    Policy::new(config.settings).anonymous(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap()
}

#[test]
fn a_tree_of_agents_has_one_root_and_nobody_changes_it() {
    let (caller, sessions) = (caller(), Sessions::default());
    let at = |secs| (Timestamp::EPOCH.plus(Span::from_secs(secs)), IDLE);
    let of = |name: &str| caller.session(name);
    let root = |own: &str, parent: Option<&str>, secs| {
        sessions.root(of(own), parent.map(of), at(secs)).id()
    };
    assert_eq!(root("a", None, 0), of("a").id(), "its own root");
    assert_eq!(root("b", Some("a"), 0), of("a").id());
    assert_eq!(root("c", Some("b"), 1), of("a").id(), "a grandchild");
    assert_eq!(root("c", None, 2), of("a").id(), "it need not be said again");
    assert_eq!(root("c", Some("d"), 3), of("a").id(), "and cannot be said otherwise");
    assert_eq!(root("a", Some("c"), 4), of("a").id(), "nobody is its own child");
    assert_eq!(root("c", Some("d"), 63), of("d").id(), "its session had ended");
    assert_ne!(of("a").id(), of("b").id());
}

#[test]
fn a_session_is_named_once_and_in_bounds() {
    let mut headers = HeaderMap::new();
    assert!(matches!(name(&headers, SESSION), Ok(None)));
    headers.append(SESSION, "a".parse().unwrap());
    assert!(matches!(name(&headers, SESSION), Ok(Some("a"))));
    headers.append(SESSION, "a".parse().unwrap());
    assert!(name(&headers, SESSION).is_err(), "twice");
    for wrong in ["", "  ", &"a".repeat(NAME_BYTES_MAX + 1), "ä"] {
        let mut headers = HeaderMap::new();
        headers.append(SESSION, http::HeaderValue::from_bytes(wrong.as_bytes()).unwrap());
        assert!(name(&headers, SESSION).is_err(), "{wrong:?}");
    }
}
