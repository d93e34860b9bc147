//! The plain calls against a scripted provider, on a paused clock.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;
use tollgate_client::{
    Amount, BreakerSettings, BreakerState, BucketConfig, CallError, Config, Failure, FailureKind,
    Refusal, RetryConfig, Span, Stopped, Tollgate,
};

const ONE: Amount = Amount::ONE;

type Answer = Result<&'static str, FailureKind>;

const FAILED: Answer = Err(FailureKind::Failed { retry_after: None });

fn throttled(retry_after: Span) -> Answer {
    Err(FailureKind::Throttled { retry_after: Some(retry_after) })
}

/// Plays `script`, its last line for ever; the answer, and when each attempt was made.
async fn play(
    gate: &Tollgate,
    script: &[Answer],
) -> (Result<&'static str, CallError<()>>, Vec<Duration>) {
    let start = Instant::now();
    let mut sent = Vec::new();
    let answer = gate
        .call(ONE, |attempt| {
            sent.push(start.elapsed());
            let line = script[script.len().min(attempt as usize) - 1];
            async move { line.map_err(|kind| Failure { cause: (), kind }) }
        })
        .await;
    (answer, sent)
}

fn failed(kind: FailureKind, attempts: u32, stopped: Stopped) -> CallError<()> {
    CallError::Failed { failure: Failure { cause: (), kind }, attempts, stopped }
}

fn gate(config: Config) -> Tollgate {
    Tollgate::seeded(config, 7).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_fails_n_times_is_sent_n_plus_one_times_up_to_the_fifth() {
    let kind = FailureKind::Failed { retry_after: None };
    for fails in 0..7 {
        let mut script = vec![FAILED; fails];
        script.push(Ok("hello"));
        let (answer, sent) = play(&gate(Config::default()), &script).await;
        assert_eq!(sent.len(), (fails + 1).min(5), "after {fails}");
        let expected =
            if fails < 5 { Ok("hello") } else { Err(failed(kind, 5, Stopped::Attempts)) };
        assert_eq!(answer, expected, "after {fails}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_wait_is_drawn_below_a_ceiling_that_doubles() {
    let mut longest = [Duration::ZERO; 4];
    let breaker = BreakerSettings {
        failures: 1000,
        error_percent: 100,
        least: 1_000_000,
        ..BreakerSettings::default()
    };
    for seed in 0..200 {
        let gate = Tollgate::seeded(Config { breaker, ..Config::default() }, seed).unwrap();
        let (_, sent) = play(&gate, &[FAILED]).await;
        for (at, pair) in sent.windows(2).enumerate() {
            longest[at] = longest[at].max(pair[1].saturating_sub(pair[0]));
        }
    }
    for (longest, ceiling) in longest.into_iter().zip([100, 200, 400, 800]) {
        let ceiling = Duration::from_millis(ceiling);
        assert!(longest <= ceiling && longest > ceiling * 9 / 10, "{longest:?} of {ceiling:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_to_the_millisecond() {
    let gate = gate(Config::default());
    let (answer, sent) = play(&gate, &[throttled(Span::from_secs(2)), Ok("hello")]).await;
    assert_eq!(answer, Ok("hello"));
    assert_eq!(sent, [Duration::ZERO, Duration::from_secs(2)]);
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_come_back_in_a_year_does_not_wait() {
    let year = Span::from_secs(365 * 86_400);
    let (answer, sent) = play(&gate(Config::default()), &[throttled(year)]).await;
    let kind = FailureKind::Throttled { retry_after: Some(year) };
    assert_eq!(answer, Err(failed(kind, 1, Stopped::TooLong { retry_after: year })));
    assert_eq!(sent, [Duration::ZERO]);
}

#[tokio::test(start_paused = true)]
async fn what_waiting_does_not_mend_is_sent_once() {
    for kind in [FailureKind::Final, FailureKind::CallerFault] {
        let (answer, sent) = play(&gate(Config::default()), &[Err(kind)]).await;
        assert_eq!(answer, Err(failed(kind, 1, Stopped::NotRetryable)));
        assert_eq!(sent.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn retries_never_exceed_a_tenth_of_the_traffic_and_ten() {
    let bucket = BucketConfig { capacity: Amount::new(100_000), ..BucketConfig::default() };
    let gate = gate(Config { bucket, ..Config::default() });
    let throttles = [throttled(Span::from_millis(1))];
    let mut attempts = 0;
    let mut out_of_budget = 0;
    for _ in 0..200 {
        let (answer, sent) = play(&gate, &throttles).await;
        attempts += sent.len();
        let Err(CallError::Failed { stopped, .. }) = answer else {
            panic!("all of them fail");
        };
        out_of_budget += u32::from(stopped == Stopped::Budget);
    }
    // All within ten seconds, so nothing is forgotten: ten, and a tenth of two hundred.
    assert_eq!(attempts, 200 + 10 + 20);
    assert!(out_of_budget > 150, "{out_of_budget}");
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_refuses_without_sending_and_recovers() {
    let retry = RetryConfig { attempts: 1, ..RetryConfig::default() };
    let gate = gate(Config { retry, ..Config::default() });
    for _ in 0..5 {
        assert_eq!(play(&gate, &[FAILED]).await.1.len(), 1);
    }
    assert!(matches!(gate.breaker(), BreakerState::Open { .. }));
    let left = gate.standing().left;
    let (answer, sent) = play(&gate, &[Ok("hello")]).await;
    let retry_after = Span::from_secs(5);
    assert_eq!(answer, Err(CallError::Refused(Refusal::Open { retry_after })));
    assert!(sent.is_empty());
    assert_eq!(gate.standing().left, left, "what is refused costs nothing");

    gate.acquire(left).await.unwrap();
    let (start, (refused, _)) = (Instant::now(), play(&gate, &[Ok("hello")]).await);
    assert!(matches!(refused, Err(CallError::Refused(Refusal::Open { .. }))), "{refused:?}");
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits for room to hear of the breaker");

    tokio::time::advance(Duration::from_secs(5)).await;
    for _ in 0..3 {
        assert_eq!(gate.breaker(), BreakerState::HalfOpen);
        assert_eq!(play(&gate, &[Ok("hello")]).await.0, Ok("hello"));
    }
    assert_eq!(gate.breaker(), BreakerState::Ramping { percent: 10 });
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(gate.breaker(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn neither_throttling_nor_mistakes_of_the_caller_open_the_breaker() {
    let retry = RetryConfig { attempts: 1, ..RetryConfig::default() };
    let gate = gate(Config { retry, ..Config::default() });
    for at in 0..100 {
        let kind = if at % 2 == 0 {
            FailureKind::CallerFault
        } else {
            FailureKind::Throttled { retry_after: None }
        };
        play(&gate, &[Err(kind)]).await.1.clear();
    }
    assert_eq!(gate.breaker(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_between_two_attempts_ends_the_call_with_its_last_failure() {
    let breaker = BreakerSettings { failures: 2, ..BreakerSettings::default() };
    let gate = gate(Config { breaker, ..Config::default() });
    let (answer, sent) = play(&gate, &[FAILED]).await;
    assert_eq!(sent.len(), 2);
    let Err(CallError::Failed { attempts: 2, stopped: Stopped::Refused(refusal), .. }) = answer
    else {
        panic!("{answer:?}");
    };
    assert!(matches!(refusal, Refusal::Open { .. }), "{refusal:?}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_nobody_waits_for_any_more_frees_its_place() {
    let breaker = BreakerSettings { failures: 1, ..BreakerSettings::default() };
    let retry = RetryConfig { attempts: 1, ..RetryConfig::default() };
    let gate = gate(Config { breaker, retry, ..Config::default() });
    play(&gate, &[FAILED]).await.1.clear();
    tokio::time::advance(Duration::from_secs(5)).await;
    let hangs = gate.call(ONE, |_| std::future::pending::<Result<(), Failure<()>>>());
    assert!(tokio::time::timeout(Duration::from_secs(1), hangs).await.is_err());
    assert_eq!(play(&gate, &[Ok("hello")]).await.0, Ok("hello"));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_charged() {
    let gate = gate(Config::default());
    let calls = AtomicU32::new(0);
    let answer = gate
        .call(Amount::new(30), |_| async {
            let failing = calls.fetch_add(1, Relaxed) < 1;
            if failing { Err(Failure::failed(())) } else { Ok(()) }
        })
        .await;
    assert_eq!(answer, Ok(()));
    let refilled = 1;
    let left = gate.standing().left.get();
    assert!((60..=60 + refilled).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_room_while_the_breaker_opened_sends_nothing_and_pays_nothing() {
    let breaker = BreakerSettings { failures: 1, ..BreakerSettings::default() };
    let retry = RetryConfig { attempts: 1, ..RetryConfig::default() };
    let gate = gate(Config { breaker, retry, ..Config::default() });
    let slow = gate.call(ONE, |_| async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Err::<(), _>(Failure::failed(()))
    });
    let waits = async {
        gate.acquire(Amount::new(119)).await.unwrap();
        gate.call(Amount::new(10), |_| async { Ok::<_, Failure<()>>(()) }).await
    };
    let (failed, refused) = tokio::join!(slow, waits);
    assert!(matches!(failed, Err(CallError::Failed { .. })), "{failed:?}");
    let retry_after = Span::from_millis(4500);
    assert_eq!(refused, Err(CallError::Refused(Refusal::Open { retry_after })));
    assert_eq!(gate.standing().left, Amount::new(10), "a second's refill, and none of it taken");
}

#[tokio::test(start_paused = true)]
async fn while_traffic_comes_back_the_share_passes_that_is_shown() {
    let breaker = BreakerSettings { failures: 1, ..BreakerSettings::default() };
    let retry = RetryConfig { attempts: 1, ..RetryConfig::default() };
    let bucket = BucketConfig { capacity: Amount::new(10_000), ..BucketConfig::default() };
    let gate = gate(Config { breaker, retry, bucket, ..Config::default() });
    play(&gate, &[FAILED]).await.1.clear();
    tokio::time::advance(Duration::from_secs(5)).await;
    for _ in 0..3 {
        assert_eq!(play(&gate, &[Ok("hello")]).await.0, Ok("hello"));
    }
    assert_eq!(gate.breaker(), BreakerState::Ramping { percent: 10 });
    let mut passed = 0;
    for _ in 0..2000 {
        passed += play(&gate, &[Ok("hello")]).await.1.len();
    }
    assert!((150..250).contains(&passed), "{passed} of 2000 are not a tenth");
}

#[tokio::test(start_paused = true)]
async fn a_promise_shorter_than_the_backoff_does_not_shorten_it() {
    let told = |millis| [throttled(Span::from_millis(millis))];
    let (_, unsaid) = play(&gate(Config::default()), &told(0)).await;
    let (_, said) = play(&gate(Config::default()), &told(1)).await;
    assert_eq!(said.len(), 5);
    assert!(unsaid[4] > Duration::from_millis(100), "{unsaid:?}");
    assert_eq!(said, unsaid, "the same dice, and a lie that changes nothing");
}
