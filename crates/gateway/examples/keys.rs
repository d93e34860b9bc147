//! How long a directory of keys takes to load, and what one of them costs a request.
//!
//! `cargo run --release -p tollgate-gateway --example keys [-- COUNT]`; 100,000 unless said. The
//! registry is in memory: a file that is in the system's cache reads as fast.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example stops at the first surprise and prints its figures"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use tollgate_gateway::Issued;
use tollgate_policy::{Guardrails, KeyDigest, Policy, Priority, Settings, TierSettings, parse};
use tollgate_store::{Change, Entry, IssuedKey, Registry};
use tollgate_units::{Timestamp, Tokens};

const NOW: Timestamp = Timestamp::from_millis(1_795_330_800_000);
const LOOKS: u32 = 1_000_000;

fn main() {
    let count: u32 =
        std::env::args().nth(1).map_or(100_000, |count| count.parse().expect("a number"));
    let registry = Registry::in_memory().unwrap();
    for number in 0..count {
        registry.write(Change::Key(&key(number)), &entry()).unwrap();
    }
    let since = Instant::now();
    let issued = Issued::load(registry, NOW).unwrap();
    println!("{count} keys loaded in {:?}", since.elapsed());

    let policy = Policy::new(settings());
    let digest = |number: u32| KeyDigest::of(&secret(number % count));
    let digests: Vec<_> = (0..1000).map(|number| digest(number * 97)).collect();
    let find = |digest| black_box(issued.find(digest, &policy, NOW)).is_some();
    let first = timed(|| digests.iter().for_each(|digest| assert!(find(digest))));
    println!("first use of a key: {:?}", first / 1000);
    let again = timed(|| {
        for digest in digests.iter().cycle().take(LOOKS as usize) {
            assert!(find(digest));
        }
    });
    println!("every other use: {:?}", again / LOOKS);
}

fn timed(work: impl FnOnce()) -> Duration {
    let since = Instant::now();
    work();
    since.elapsed()
}

fn secret(number: u32) -> String {
    format!("tgk_{number:064x}00000000")
}

fn key(number: u32) -> IssuedKey {
    IssuedKey {
        name: format!("key-{number:06}"),
        digest: *KeyDigest::of(&secret(number)).as_bytes(),
        previous: None,
        hint: "tgk_00000000".to_owned(),
        tier: "pro".to_owned(),
        team: Some(format!("team-{}", number % 1000)),
        user: None,
        project: None,
        org: None,
        limits: vec!["5 streams at once".to_owned()],
        models: None,
        trust_user: false,
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
    }
}

fn entry() -> Entry {
    Entry {
        at: NOW,
        actor: None,
        token: String::new(),
        remote: String::new(),
        action: "key.create".to_owned(),
        target: String::new(),
        details: "{}".to_owned(),
    }
}

fn settings() -> Settings {
    let limits = ["60 requests per minute per key", "$25 per month per team"];
    let pro = TierSettings {
        name: "pro".to_owned(),
        models: vec!["*".to_owned()],
        limits: limits.iter().map(|limit| parse(limit).unwrap()).collect(),
        guardrails: Guardrails::default(),
        priority: Priority::default(),
    };
    Settings { tiers: vec![pro], min_output_tokens: Tokens::new(16), ..Settings::default() }
}
