//! What an account that was down is sent, while it is down and once it is back.

use tollgate_sim::Act;
use tollgate_testkit::Caller;
use tollgate_units::Span;

use crate::account::{Account, CHAT, short, standing, volley};
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
