//! Which of several accounts is asked: by room, price, speed and weight, within what the operator
//! writes of each.

use tollgate_sim::Act;
use tollgate_testkit::{House, Plot};
use tollgate_units::Span;

use crate::account::{Account, CHAT, NOON, WIDE, attempts, entry, short, streamed, volley};

/// Who served `count` requests, sent one after the other: how many of them `first` did.
async fn first_served(house: &House, count: u64) -> u64 {
    let answers = volley(&house.caller(None), &short("gpt-4o-mini"), 1, count).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    answers.iter().filter(|one| one.header("x-tollgate-model").starts_with("first/")).count() as u64
}

fn served_by(how: &str) -> String {
    format!("models:\n  gpt-4o-mini: {{serve: [first/gpt-4o-mini, sim/gpt-4o-mini]{how}}}\n")
}

#[tokio::test]
async fn no_more_reaches_an_account_than_is_written_of_it_and_another_takes_over() {
    let account = Account::start(Act::default()).await;
    let entry = format!(
        "  first:\n    kind: openai\n    base_url: \"http://{}/v1\"\n    limits: [10 requests per \
         minute]\n",
        account.addr()
    );
    let yaml = format!("{entry}{}{WIDE}", served_by(", prefer: listed"));
    let house = Plot::new(&yaml).standing_still(NOON).build().await;
    for minute in 1..=3 {
        let answers = volley(&house.caller(None), &short("gpt-4o-mini"), 8, 5).await;
        assert!(answers.iter().all(|answer| answer.status == 200 && attempts(answer) == 1));
        assert_eq!(account.seen(), 10 * minute);
        // A window slides by the second.
        house.wait(Span::from_secs(61));
    }
    assert_eq!(house.provider.counters().seen, 90);
}

#[tokio::test]
async fn where_the_only_account_is_full_the_wait_is_told_and_no_number_of_the_account() {
    let account = Account::start(Act::default()).await;
    let yaml = format!(
        "  first:\n    kind: openai\n    base_url: \"http://{}/v1\"\n    limits: [10 requests per \
         minute]\nmodels:\n  gpt-4o-mini: {{serve: [first/gpt-4o-mini]}}\n{WIDE}",
        account.addr()
    );
    let house = Plot::new(&yaml).standing_still(NOON).build().await;
    let caller = house.caller(None);
    let answers = volley(&caller, &short("gpt-4o-mini"), 8, 5).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!((refused.len(), account.seen()), (30, 10));
    for answer in refused {
        let told = answer.json()["error"]["tollgate"].clone();
        let wait = told["retry_after_ms"].as_u64().unwrap();
        assert!((1..=61_000).contains(&wait), "{told}");
        assert_eq!(told["limit"], "requests per minute, provider first");
        for number in ["amount", "used", "held"] {
            assert!(told[number].is_null(), "{told}");
        }
        assert!(!answer.message().contains("10"), "{}", answer.message());
    }
    let wait = answers.last().unwrap().json()["error"]["tollgate"]["retry_after_ms"].as_u64();
    house.wait(Span::from_millis(wait.unwrap()));
    assert_eq!(caller.post(CHAT, &short("gpt-4o-mini")).await.status, 200);
}

#[tokio::test]
async fn the_cheapest_the_first_written_or_the_one_with_most_room_is_asked_as_is_preferred() {
    let low = Act::default()
        .saying("x-ratelimit-limit-requests", "1000")
        .saying("x-ratelimit-remaining-requests", "200")
        .saying("x-ratelimit-reset-requests", "1m0s");
    // (preference, price of the first, whether it has told that little is left, who is asked)
    let table = [
        (", prefer: cheapest", 9, false, 0),
        (", prefer: cheapest", 1, false, 10),
        (", prefer: listed", 9, true, 10),
        ("", 9, false, 0),
        ("", 1, false, 10),
        ("", 1, true, 0),
    ];
    for (how, price, has_little, expected) in table {
        let account = Account::start(if has_little { low.clone() } else { Act::default() }).await;
        let yaml = format!(
            "{}prices:\n  first/gpt-4o-mini: {{input: {price}, output: {price}}}\n  \
             sim/gpt-4o-mini: {{input: 5, output: 5}}\n{}{WIDE}",
            account.entry("first"),
            served_by(how),
        );
        let house = Plot::new(&yaml).standing_still(NOON).build().await;
        // What is left is known from an answer.
        first_served(&house, 1).await;
        // More would go out evenly, for which this clock has no time.
        let served = first_served(&house, 10).await;
        assert_eq!(served, expected, "{how} at {price}, little: {has_little}");
    }
}

#[tokio::test]
async fn the_fastest_is_asked_once_both_are_known() {
    let slow = Account::start(Act { first_byte: Span::from_millis(300), ..Act::default() }).await;
    let fallback = "models:
  gpt-4o-mini: {serve: [first/gpt-4o-mini, sim/gpt-4o-mini], prefer: fastest}
  slow: {serve: [first/gpt-4o-mini]}
  quick: {serve: [sim/gpt-4o-mini]}
tiers:
  anonymous: {models: ['*']}
";
    let house = Plot::new(&format!("{}{fallback}", slow.entry("first"))).build().await;
    let caller = house.caller(None);
    for model in ["slow", "quick"] {
        let answer = caller.post(CHAT, &streamed(model)).await;
        assert!(answer.status == 200 && answer.whole, "{model}");
    }
    assert_eq!(first_served(&house, 20).await, 0);
}

#[tokio::test]
async fn accounts_are_drawn_by_their_weights() {
    let account = Account::start(Act::default()).await;
    let weights = "models:
  gpt-4o-mini:
    serve: [{to: first/gpt-4o-mini, weight: 1}, {to: sim/gpt-4o-mini, weight: 3}]
";
    let yaml = format!("{}{weights}{WIDE}", account.entry("first"));
    let house = Plot::new(&yaml).standing_still(NOON).build().await;
    let served = first_served(&house, 800).await;
    assert!((160..=240).contains(&served), "{served} of 800 instead of 200");
}

#[tokio::test]
async fn a_session_stays_at_one_account_and_many_sessions_use_both() {
    let account = Account::start(Act::default()).await;
    let yaml = format!(
        "{}{}
tiers:
  pro: {{models: [gpt-4o*]}}
keys:
  - {{name: web, secret: key-web-00000000, tier: pro}}
",
        account.entry("first"),
        served_by(""),
    );
    let house = Plot::new(&yaml).standing_still(NOON).build().await;
    let mut at_first = 0;
    for session in 0..40 {
        let caller = house.caller(Some("key-web-00000000"));
        let caller = caller.with("x-tollgate-session", &format!("s{session}"));
        let answers = volley(&caller, &short("gpt-4o-mini"), 1, 10).await;
        let served = answers[0].header("x-tollgate-model");
        assert!(answers.iter().all(|answer| answer.header("x-tollgate-model") == served));
        at_first += u64::from(served.starts_with("first/"));
    }
    assert!((8..=32).contains(&at_first), "{at_first} of 40 sessions");
}

#[tokio::test]
async fn what_is_kept_of_an_account_is_for_critical_requests() {
    let act = Act::default()
        .saying("x-ratelimit-limit-requests", "1000")
        .saying("x-ratelimit-remaining-requests", "40")
        .saying("x-ratelimit-reset-requests", "1m0s");
    let account = Account::start(act).await;
    let tiers = "
models:
  gpt-4o-mini: {serve: [first/gpt-4o-mini]}
tiers:
  critical: {models: [gpt-4o*], priority: critical}
  normal: {models: [gpt-4o*]}
keys:
  - {name: pager, secret: key-pager-0000000, tier: critical}
  - {name: batch, secret: key-batch-0000000, tier: normal}
";
    let yaml = format!("{}{tiers}", entry("first", &format!("http://{}/v1", account.addr())));
    let house = Plot::new(&yaml).standing_still(NOON).build().await;
    let (pager, batch) =
        (house.caller(Some("key-pager-0000000")), house.caller(Some("key-batch-0000000")));
    // Fifty of a thousand are kept, and forty are left after the first answer.
    assert_eq!(batch.post(CHAT, &short("gpt-4o-mini")).await.status, 200);
    let refused = batch.post(CHAT, &short("gpt-4o-mini")).await;
    assert_eq!((refused.status.as_u16(), account.seen()), (429, 1), "{refused:?}");
    for _ in 0..10 {
        let answer = pager.post(CHAT, &short("gpt-4o-mini")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(batch.post(CHAT, &short("gpt-4o-mini")).await.status, 429);
}
