//! A few hundred requests of a real trace through the binary, whose limits hold: the fast variant
//! of `just replay`.

use tollgate_sim::traces::Trace;
use tollgate_units::Span;

use crate::house::{BINARY, Directory};
use crate::outside::ledger::Fate;
use crate::outside::replay::replay;
use crate::outside::report::Report;
use crate::outside::traffic::Plan;

fn plan(trace: Trace, lies: u64) -> Plan {
    Plan {
        name: format!("{trace:?}"),
        arrivals: trace.arrivals().take(400).collect(),
        callers: 20,
        lies,
        seed: 5,
        lasts: Span::from_secs(6),
        window: Span::from_secs(1),
    }
}

async fn replayed(plan: &Plan) -> Report {
    let directory = Directory::new();
    let report = replay(BINARY.as_ref(), directory.path(), plan).await.unwrap();
    assert_eq!(report.complaints(), Vec::<String>::new(), "seed {}\n{report}", plan.seed);
    assert!(report.count(Fate::Answered) > 50, "too few to say anything\n{report}");
    let by_everyone = report.count(Fate::Refused { by_everyone: true });
    assert!(by_everyone > 0, "everybody's limit never bound\n{report}");
    assert!(report.refused() > by_everyone, "a key's limits never bound\n{report}");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reserved_and_used_never_stands_above_a_limit_in_any_window() {
    let report = replayed(&plan(Trace::Conversation, 0)).await;
    assert_eq!(report.overruns(), 0, "counts were exact\n{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_reports_beyond_the_bound_is_counted_to_the_token() {
    let report = replayed(&plan(Trace::Conversation, 100)).await;
    assert!(report.overruns() > 0, "nobody lied\n{report}");
}
