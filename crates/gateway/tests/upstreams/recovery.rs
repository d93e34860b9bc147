//! What an account that was down is sent, while it is down and once it is back.

use std::time::{Duration, Instant};

use tollgate_sim::Act;
use tollgate_sim::provider::{Fault, Rebuff};
use tollgate_testkit::{Answer, Caller, Plot};
use tollgate_units::Span;

use crate::account::{Account, CHAT, WIDE, short, standing, volley};
use crate::outages::{TROUBLES, Trouble, before};

const BOTH: &str = "models:
  gpt-4o-mini: {serve: [first/gpt-4o-mini, sim/gpt-4o-mini], prefer: listed}
";

/// Sends `count` requests one after the other; how many of them the first account served, and to
/// how many accounts they were sent.
async fn served_by_first(caller: &Caller, count: u64) -> (u64, u64) {
    let (mut served, mut sent) = (0, 0);
    for _ in 0..count {
        let answer = caller.post(CHAT, &short("gpt-4o-mini")).await;
        assert_eq!(answer.status, 200);
        served += u64::from(answer.header("x-tollgate-model").starts_with("first/"));
        sent += crate::account::attempts(&answer);
    }
    (served, sent)
}

async fn down_and_back(name: &str, trouble: Trouble) {
    let mut first = Account::start(Act::default()).await;
    let house = before(&first, BOTH).await;
    let caller = house.caller(None);
    trouble.begins(&mut first).await;
    volley(&caller, &short("gpt-4o-mini"), 8, 5).await;
    // Five seconds, then ten, then twenty: one probe each time, whatever the traffic.
    let mut probes = Vec::new();
    for _ in 0..7 {
        house.wait(Span::from_secs(5));
        let (_, sent) = served_by_first(&caller, 20).await;
        probes.push(sent - 20);
    }
    assert_eq!(probes, [1, 0, 1, 0, 0, 0, 1], "{name}: probes, every five seconds");
    trouble.ends(&mut first).await;
    house.wait(Span::from_secs(39));
    assert_eq!(served_by_first(&caller, 20).await, (0, 20), "{name}: open for forty seconds now");
    house.wait(Span::from_secs(1));
    assert_eq!(served_by_first(&caller, 3).await, (3, 3), "{name}: three probes");
    let mut shares = Vec::new();
    for step in 0..=8 {
        let (served, _) = served_by_first(&caller, 100).await;
        let expected = 10 + 90 * step / 8;
        assert!(served.abs_diff(expected) <= 20, "{name}: {served} % instead of {expected}");
        shares.push(format!("{served} %"));
        house.wait(Span::from_secs(5));
    }
    println!("| {name} | 3 in 35 s, of 140 requests | {} |", shares.join(", "));
    assert_eq!(shares.last().unwrap(), "100 %", "{name}");
    assert_eq!(standing(&house, "first").breaker, "closed", "{name}");
}

#[tokio::test]
async fn an_account_that_is_down_is_sent_a_probe_now_and_then_and_comes_back_by_and_by() {
    println!("| trouble | probes | share of the traffic, every five seconds since its return |");
    for (name, trouble) in TROUBLES {
        down_and_back(name, trouble).await;
    }
}

/// One of many callers: when it came, how its route stood then, and what came of it.
struct Call {
    came: Duration,
    breaker: &'static str,
    answer: Answer,
    took: Duration,
}

const EVERY: Duration = Duration::from_millis(50);
const FOR: Duration = Duration::from_secs(14);

/// While traffic came back, callers of a model with a single route were told 503 and a wait of a
/// millisecond: 54 of 122.
#[tokio::test]
async fn a_single_route_that_comes_back_paces_its_callers_and_loses_none() {
    let well = Act { first_byte: Span::from_millis(80), ..Act::default() };
    let account = Account::start(Act::default().with(Fault::Refused(Rebuff::Status(500)))).await;
    let breaker = "breaker: {failures: 5, cooldown: 4s}\n";
    let models = "models: {gpt-4o-mini: {serve: [first/gpt-4o-mini]}}\n";
    let house =
        Plot::new(&format!("{}{breaker}{models}{WIDE}", account.entry("first"))).build().await;
    let caller = house.caller(None);
    volley(&caller, &short("gpt-4o-mini"), 5, 1).await;
    account.becomes(well);
    let (since, before) = (Instant::now(), account.seen());
    let (mut calls, mut load, mut seen) = (tokio::task::JoinSet::new(), Vec::new(), before);
    while since.elapsed() < FOR {
        let (came, breaker) = (since.elapsed(), standing(&house, "first").breaker);
        let caller = caller.clone();
        calls.spawn(async move {
            let asked = Instant::now();
            let answer = caller.post(CHAT, &short("gpt-4o-mini")).await;
            Call { came, breaker, answer, took: asked.elapsed() }
        });
        if load.len() < usize::try_from(came.as_secs()).unwrap() {
            load.push(account.seen() - seen);
            seen = account.seen();
        }
        tokio::time::sleep(EVERY).await;
    }
    let calls = calls.join_all().await;
    let lost = |from: u64| {
        let came = |call: &&Call| call.came.as_secs() / 5 == from / 5;
        let lost = |call: &&Call| call.answer.status == 503;
        let (came, lost) =
            (calls.iter().filter(came).count(), calls.iter().filter(came).filter(lost).count());
        format!("{lost} of {came}")
    };
    let longest = calls.iter().filter(|call| call.answer.status == 200).map(|call| call.took).max();
    println!("| told 503, each five seconds | {}, {}, {} |", lost(0), lost(5), lost(10));
    println!("| sent to it, each second | {load:?}; held for {longest:?} at most |");
    for Call { came, breaker, answer, took } in &calls {
        let what = format!("{breaker} after {came:?}: {answer:?} in {took:?}");
        if answer.status == 200 {
            continue;
        }
        assert_eq!((answer.status.as_u16(), *breaker), (503, "open"), "{what}");
        assert!(*took < Duration::from_millis(900), "told at once: {what}");
        let wait = answer.json()["error"]["tollgate"]["retry_after_ms"].as_u64().unwrap();
        assert!((1000..=4000).contains(&wait), "{what}");
    }
    let most = load.iter().max().unwrap();
    assert!(*most <= 3 * 20, "{most} in a second, of twenty that come in one: {load:?}");
    assert_eq!(standing(&house, "first").breaker, "closed");
}
