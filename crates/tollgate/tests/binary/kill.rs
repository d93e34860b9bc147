//! A gateway is killed under load, and started again on the same file: Show 6 of the first gate.
//!
//! What the provider had seen 100 ms before the kill must be counted, at least at what it used;
//! and nothing is counted that was not sent, or twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::StatusCode;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tollgate_sim::{Act, Provider, Script};
use tollgate_units::{Span, Tokens};

use crate::house::{Day, Directory, KEY, PROMPT, chat, day, within};
use crate::outside::caller::{Caller, whole};

const CALLERS: usize = 16;
const KILLS: u64 = 3;
const FORGIVEN: Duration = Duration::from_millis(100);
/// So many have to be older than that, or the test says nothing.
const OLD_LEAST: usize = 300;
const ANSWER: u64 = 20;
const CAP: u64 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_counts_what_the_provider_had_seen_100_ms_before() {
    // Where midnight comes between, two days were counted; it does not come twice in a row.
    assert!(three_kills_in_one_day().await || three_kills_in_one_day().await, "which day is it?");
}

async fn three_kills_in_one_day() -> bool {
    let arrivals: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let provider = Provider::start(script(&arrivals)).await.unwrap();
    let directory = Directory::new().serving(&provider);
    let mut gateway = directory.start(&[]).await;
    for run in 0..KILLS {
        let before = day(&gateway).await;
        arrivals.lock().unwrap().clear();
        let sent = Arc::new(AtomicU64::new(0));
        let mut load = JoinSet::new();
        for _ in 0..CALLERS {
            load.spawn(call_until_it_is_gone(Caller::new(&gateway.listen, KEY), sent.clone()));
        }
        // Looked at after each arrival, so that the kill is in the middle of the load.
        let is_old_enough = || {
            let arrivals = arrivals.lock().unwrap();
            arrivals.get(OLD_LEAST - 1).is_some_and(|at| at.elapsed() >= FORGIVEN)
        };
        within(provider.until(|_| is_old_enough())).await;
        let killed = Instant::now();
        gateway.signal(Signal::KILL).unwrap();
        let (status, _) = within(gateway.ended()).await.unwrap();
        assert_eq!(status.code(), None, "run {run}: killed, not ended");
        within(load.join_all()).await;

        gateway = directory.start(&[]).await;
        let Day { requests, tokens, held, ends } = day(&gateway).await;
        if ends != before.ends {
            return false;
        }
        let arrivals = arrivals.lock().unwrap().clone();
        let old = arrivals.partition_point(|at| *at + FORGIVEN <= killed) as u64;
        let (sent, counted) = (sent.load(Ordering::Relaxed), requests - before.requests);
        let forgotten = arrivals.get(counted as usize).map(|at| killed - *at);
        assert!(
            (old..=sent).contains(&counted),
            "run {run}: {counted} of {old} to {sent}; the oldest forgotten came {forgotten:?} before"
        );
        let counted = tokens - before.tokens;
        let (least, most) = (old * (PROMPT + ANSWER), sent * (PROMPT + CAP));
        assert!(
            (least..=most).contains(&counted),
            "run {run}: {counted} tokens of {least} to {most}"
        );
        assert_eq!(held, 0, "run {run}: what was in flight is spent");
    }
    true
}

fn script(arrivals: &Arc<Mutex<Vec<Instant>>>) -> Script {
    let arrivals = arrivals.clone();
    let script = Script::by(move |_| {
        arrivals.lock().unwrap().push(Instant::now());
        Act {
            prompt_tokens: Some(Tokens::new(PROMPT)),
            first_byte: Span::from_millis(2),
            ..Act::tokens(ANSWER)
        }
    });
    script.forgetting()
}

async fn call_until_it_is_gone(caller: Caller, sent: Arc<AtomicU64>) {
    let body = chat(CAP);
    loop {
        sent.fetch_add(1, Ordering::Relaxed);
        let Ok(answer) = caller.chat(&body).await else { return };
        let status = answer.status();
        let Ok(answer) = whole(answer).await else { return };
        assert_eq!(status, StatusCode::OK, "{}", answer.text());
    }
}
