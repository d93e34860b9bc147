//! What a route costs a request: asked, heard of with two meters, and ended; and an outlook.
//!
//! The time moves on as the provider's limit lets it, so that nothing waits and nothing is refused.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tollgate_routing::{
    Call, Closed, Counted, Ended, Need, Observed, Refill, Route, RouteSettings,
};
use tollgate_units::{Span, Timestamp};

const NEED: Need = Need { requests: 1, tokens: 500, input_tokens: 400, output_tokens: 0 };
const CALL: Call = Call { need: NEED, is_critical: false, patience: Span::from_secs(1) };
const ENDED: Ended = Ended::Success {
    first_token: Some(Span::from_millis(300)),
    prompt_tokens: 400,
    afterwards: Need { requests: 0, tokens: 0, input_tokens: 0, output_tokens: 90 },
    back: Need { requests: 0, tokens: 0, input_tokens: 0, output_tokens: 0 },
};

fn seen(name: &str, counts: Counted, limit: u64, now: Timestamp) -> Observed<'_> {
    Observed {
        name,
        counts,
        refill: Refill::Continuous,
        window: None,
        limit: Some(limit),
        remaining: Some(limit - limit / 10),
        reset_at: Some(now.plus(Span::from_secs(6))),
        grain: 1,
    }
}

fn passes_through(route: &mut Route, now: Timestamp, die: u64) -> Result<(), Closed> {
    let mut pass = route.ask(&CALL, now, die)?;
    let seen = [
        seen("requests", Counted::Requests, 60_000, now),
        seen("tokens", Counted::Tokens, 40_000_000, now),
    ];
    route.heard(&mut pass, &seen, now);
    black_box(route.ended(pass, ENDED, now));
    Ok(())
}

fn route(criterion: &mut Criterion) {
    let mut route = Route::new(RouteSettings::default());
    let mut millis = 1_700_000_000_000;
    let mut refused = 0_u64;
    criterion.bench_function("ask, heard, ended", |bencher| {
        bencher.iter(|| {
            millis += 2;
            let now = Timestamp::from_millis(millis);
            refused += u64::from(passes_through(&mut route, now, millis).is_err());
        });
    });
    assert_eq!(refused, 0, "what is refused costs less, and is not what is measured");
    criterion.bench_function("outlook", |bencher| {
        bencher.iter(|| black_box(route.outlook(&CALL, Timestamp::from_millis(millis))));
    });
}

criterion_group!(benches, route);
criterion_main!(benches);
