//! The crowd over a real socket, with the scripted provider where the gate would be.

use std::cell::RefCell;

use tollgate_sim::crowd::{Crowd, Ending, drive};
use tollgate_sim::demo::secret_of;
use tollgate_sim::provider::{End, Provider, Script};
use tollgate_sim::{Act, Fault, Score};
use tollgate_units::Span;

/// Long enough for somebody with a key to have called.
const LASTS: Span = Span::from_millis(600);

#[tokio::test]
async fn what_the_crowd_hears_is_what_the_provider_did() {
    let provider = Provider::start(Script::of(Act::tokens(5))).await.unwrap();
    let crowd = Crowd::new(1, LASTS);
    let score = RefCell::new(Score::new(&crowd));
    let base = format!("http://{}", provider.addr());
    let secret = |name: &str| Some(secret_of(name, 1));
    drive(crowd, &base, secret, |outcome| {
        score.borrow_mut().note(outcome);
    })
    .await
    .unwrap();

    let counters = provider.until(|counters| counters.in_flight == 0).await;
    let rows = score.into_inner();
    let sum = |count: fn(&tollgate_sim::Row) -> u64| rows.rows().iter().map(count).sum::<u64>();
    assert!(counters.seen > 0);
    assert_eq!((sum(|row| row.answered), sum(|row| row.refused)), (counters.seen, 0));
    assert_eq!(sum(|row| row.input.get()), counters.prompt_tokens);
    assert_eq!(sum(|row| row.output.get()), counters.output_tokens);
    assert!(provider.seen().iter().all(|seen| seen.end == End::Done));
    let mia = format!("Bearer {}", secret_of("mia", 1));
    assert!(provider.seen().iter().any(|seen| seen.authorization.as_deref() == Some(&mia)));
}

#[tokio::test]
async fn refusals_and_failures_are_told_apart() {
    let script = Script::by(|asked| {
        Act::default().with(if asked.stream { Fault::ResetMidway } else { refusal() })
    });
    let provider = Provider::start(script).await.unwrap();
    let mut endings = Vec::new();
    let base = format!("http://{}/", provider.addr());
    let crowd = Crowd::new(1, LASTS);
    drive(crowd, &base, |_| None, |outcome| endings.push(outcome.clone())).await.unwrap();
    assert!(!endings.is_empty());
    for outcome in endings {
        let is_right = match outcome.ending {
            Ending::Failed(None) => outcome.stream,
            Ending::Refused(refused) => refused.code == "rate_limit_exceeded",
            Ending::Answered { .. } | Ending::Failed(Some(_)) => false,
        };
        assert!(is_right, "{:?}", outcome.sent_at);
    }
}

fn refusal() -> Fault {
    Fault::named("rate_limit").unwrap_or(Fault::Hang)
}
