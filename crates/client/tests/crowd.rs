//! Many callers of one bucket: the curve, the line, and who leaves it.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tollgate_client::{Amount, Config, QueueConfig, Refusal, Span, Tollgate};

const ONE: Amount = Amount::ONE;

fn patient() -> Tollgate {
    let queue = QueueConfig { wait_max: Span::from_secs(3600), ..QueueConfig::default() };
    Tollgate::new(Config { queue, ..Config::default() }).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_at_once_never_exceed_the_bucket_and_lose_nothing_of_it() {
    let gate = patient();
    let start = Instant::now();
    let passed = Arc::new(Mutex::new(Vec::new()));
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let (gate, passed) = (gate.clone(), Arc::clone(&passed));
        callers.spawn(async move {
            gate.acquire(ONE).await.unwrap();
            passed.lock().await.push(start.elapsed().as_millis());
        });
    }
    callers.join_all().await;
    let passed = passed.lock().await;
    assert_eq!(passed.len(), 1000);
    for (first, from) in passed.iter().enumerate() {
        for (last, to) in passed.iter().enumerate().skip(first) {
            let count = (last - first + 1) as u128;
            assert!(count * 1000 <= 120_000 + 10 * (to - from), "{count} in {from}..{to}");
        }
    }
    // 120 at once, and the others as fast as they come back.
    assert_eq!(passed[119], 0);
    assert_eq!(passed[999], 88_000);
}

#[tokio::test(start_paused = true)]
async fn the_line_keeps_its_order_and_a_large_request_is_not_overtaken() {
    let gate = patient();
    gate.acquire(Amount::new(120)).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut callers = JoinSet::new();
    for (name, cost) in [("small", 1), ("large", 100), ("last", 1)] {
        let (gate, order) = (gate.clone(), Arc::clone(&order));
        callers.spawn(async move {
            gate.acquire(Amount::new(cost)).await.unwrap();
            order.lock().await.push(name);
        });
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(*order.lock().await, ["small"]);
    assert!(gate.standing().left > ONE);
    // There is room for one, and the large one waits for it.
    let refused = gate.try_acquire(ONE).unwrap_err();
    assert_eq!(refused, Refusal::Limited { retry_after: Span::from_millis(1) });
    callers.join_all().await;
    assert_eq!(*order.lock().await, ["small", "large", "last"]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_has_taken_nothing_and_holds_nobody_up() {
    let gate = patient();
    gate.acquire(Amount::new(120)).await.unwrap();
    let second = Duration::from_secs(1);
    let start = Instant::now();
    for _ in 0..3 {
        let gave_up = tokio::time::timeout(second, gate.acquire(Amount::new(100))).await;
        assert!(gave_up.is_err());
    }
    assert_eq!(gate.standing().left, Amount::new(30));
    gate.acquire(Amount::new(30)).await.unwrap();
    assert_eq!(start.elapsed(), 3 * second);
}

#[tokio::test(start_paused = true)]
async fn the_announced_wait_is_true_for_whoever_waits_alone() {
    let gate = patient();
    gate.acquire(Amount::new(120)).await.unwrap();
    let retry_after = Span::from_millis(2500);
    let refused = gate.try_acquire(Amount::new(25)).unwrap_err();
    assert_eq!(refused, Refusal::Limited { retry_after });
    tokio::time::advance(Duration::from_millis(2499)).await;
    assert!(gate.try_acquire(Amount::new(25)).is_err());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(gate.try_acquire(Amount::new(25)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_spent_unless_it_is_given_back_or_settled() {
    let gate = patient();
    let left = || gate.standing().left.get();
    drop(gate.try_acquire(Amount::new(20)).unwrap());
    assert_eq!(left(), 100);
    gate.try_acquire(Amount::new(20)).unwrap().give_back();
    assert_eq!(left(), 100);
    gate.try_acquire(Amount::new(20)).unwrap().settle(Amount::new(5));
    assert_eq!(left(), 95);
    gate.try_acquire(Amount::new(90)).unwrap().settle(Amount::new(135));
    assert_eq!(left(), 0);
    // 40 are owed; the next waits for these too.
    let refused = gate.try_acquire(ONE).unwrap_err();
    assert_eq!(refused, Refusal::Limited { retry_after: Span::from_millis(4100) });
}

#[tokio::test(start_paused = true)]
async fn neither_the_line_nor_the_wait_is_without_end() {
    let queue = QueueConfig { waiting_max: 2, wait_max: Span::from_secs(3) };
    let gate = Tollgate::new(Config { queue, ..Config::default() }).unwrap();
    gate.acquire(Amount::new(120)).await.unwrap();
    let start = Instant::now();
    let mut waiting = JoinSet::new();
    for _ in 0..2 {
        let gate = gate.clone();
        waiting.spawn(async move { gate.acquire(Amount::new(50)).await.map(drop) });
    }
    tokio::task::yield_now().await;
    let crowded = gate.acquire(ONE).await.unwrap_err();
    assert_eq!(crowded, Refusal::Crowded { waiting: 2 });
    // What never fits does not wait to hear it.
    let cost = Amount::new(121);
    let never = gate.acquire(cost).await.unwrap_err();
    assert_eq!(never, Refusal::TooLarge { cost, most: Amount::new(120) });
    assert_eq!(never.retry_after(), None);
    for refused in waiting.join_all().await {
        let retry_after = Span::from_secs(2);
        assert_eq!(refused.unwrap_err(), Refusal::Limited { retry_after });
    }
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[test]
fn threads_that_take_at_once_never_exceed_the_bucket() {
    let gate = patient();
    let start = std::time::Instant::now();
    let took: usize = std::thread::scope(|scope| {
        let take = || (0..5000).filter(|_| gate.try_acquire(ONE).is_ok()).count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // The bucket's clock began a little before this one, full.
    let most = 120 + start.elapsed().as_millis() / 100 + 1;
    assert!((120..=most).contains(&(took as u128)), "{took} of {most}");
}

/// Who comes when, for how much, and gives up after how long, all in milliseconds.
type Caller = (u64, u64, u64);

/// What passed, and when.
async fn crowd(callers: &[Caller]) -> Vec<(u128, u64)> {
    let gate = patient();
    let start = Instant::now();
    let passed = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut crowd = JoinSet::new();
    for &(comes, cost, patience) in callers {
        let (gate, passed) = (gate.clone(), Arc::clone(&passed));
        crowd.spawn(async move {
            tokio::time::sleep(Duration::from_millis(comes)).await;
            let patience = Duration::from_millis(patience);
            let got = tokio::time::timeout(patience, gate.acquire(Amount::new(cost))).await;
            if let Ok(Ok(_permit)) = got {
                passed.lock().unwrap().push((start.elapsed().as_millis(), cost));
            }
        });
    }
    crowd.join_all().await;
    let passed = passed.lock().unwrap();
    passed.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_they_come_and_go_no_interval_takes_more_than_the_curve(
        callers in prop::collection::vec((0_u64..20_000, 1_u64..=120, 0_u64..30_000), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let passed = runtime.block_on(crowd(&callers));
        for (first, (from, _)) in passed.iter().enumerate() {
            let mut sum = 0;
            for (to, cost) in passed.iter().skip(first) {
                sum += u128::from(*cost);
                prop_assert!(sum * 1000 <= 120_000 + 10 * (to - from), "{} in {}..{}", sum, from, to);
            }
        }
        // Whoever comes first finds the bucket full.
        prop_assert!(!passed.is_empty() || callers.iter().all(|(_, _, patience)| *patience == 0));
    }
}
