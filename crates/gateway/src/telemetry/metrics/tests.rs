//! The page that Prometheus reads, to the letter.

use tollgate_wire::Usage;

use super::*;
use crate::telemetry::labels::{Direction, RequestLabels};

fn name(text: &str) -> Name {
    Name::from(text)
}

fn pro_route(metrics: &Metrics) -> Arc<RouteMetrics> {
    metrics.route(&name("gpt-4o"), &name("openai"), &name("pro"))
}

#[track_caller]
fn assert_line(page: &str, line: &str) {
    assert!(page.lines().any(|written| written == line), "no line `{line}` in:\n{page}");
}

#[test]
fn every_name_on_the_page_is_a_documented_one() {
    let metrics = Metrics::new();
    pro_route(&metrics).ended(Outcome::Answered);
    metrics.refused("requests", &name("pro"), "rate_limit_exceeded");
    metrics.saved("rate_limit_exceeded", NanoUsd::new(1));
    let page = metrics.render();
    let names: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE tollgate_"))
        .map(|rest| match rest.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, _) => name.to_owned(),
        })
        .collect();
    assert_eq!(
        names,
        [
            "requests_total",
            "refusals_total",
            "tokens_total",
            "cost_usd_total",
            "saved_usd_total",
            "estimate_error_ratio",
            "store_seconds",
            "store_errors_total",
            "settlements_total",
            "overhead_seconds",
            "upstream_seconds",
            "time_to_first_token_seconds",
            "time_per_output_token_seconds",
            "reserved_over_actual_ratio",
            "debt_tokens_total",
            "jwks_fetches_total",
            "jwks_errors_total",
            "reservations_held",
            "meters",
        ]
    );
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn a_request_is_counted_under_its_own_labels() {
    let metrics = Metrics::new();
    let route = pro_route(&metrics);
    route.ended(Outcome::Answered);
    pro_route(&metrics).ended(Outcome::Answered);
    metrics.route(&name("gpt-4o"), &name("openai"), &name("free")).ended(Outcome::TimedOut);
    let page = metrics.render();
    let of = |tier, outcome, count| {
        format!(
            "tollgate_requests_total{{model=\"gpt-4o\",provider=\"openai\",\
             tier=\"{tier}\",outcome=\"{outcome}\"}} {count}"
        )
    };
    assert_line(&page, &of("pro", "answered", 2));
    assert_line(&page, &of("free", "timed_out", 1));
    assert_line(&page, &of("free", "answered", 0));
}

#[test]
fn the_kinds_of_a_direction_sum_to_its_tokens() {
    let metrics = Metrics::new();
    pro_route(&metrics).used(&Usage {
        input: Tokens::new(1000),
        cached_input: Tokens::new(600),
        cache_write: Tokens::new(100),
        output: Tokens::new(50),
        reasoning: Tokens::new(20),
        ..Usage::default()
    });
    let page = metrics.render();
    for (direction, kind, count) in [
        ("input", "cached", 600),
        ("input", "cache_write", 100),
        ("input", "text", 300),
        ("output", "reasoning", 20),
        ("output", "text", 30),
    ] {
        let line = format!(
            "tollgate_tokens_total{{model=\"gpt-4o\",direction=\"{direction}\",\
             kind=\"{kind}\"}} {count}"
        );
        assert_line(&page, &line);
    }
}

#[test]
fn money_is_exact_within_and_dollars_on_the_page() {
    let metrics = Metrics::new();
    let route = pro_route(&metrics);
    // A tenth of a cent, ten times over: as floats these do not sum to one cent.
    for _ in 0..10 {
        route.cost(NanoUsd::new(1_000_000));
    }
    metrics.saved("insufficient_quota", NanoUsd::new(2_500_000_000));
    let page = metrics.render();
    assert_line(&page, "tollgate_cost_usd_total{model=\"gpt-4o\",provider=\"openai\"} 0.01");
    assert_line(&page, "tollgate_saved_usd_total{reason=\"insufficient_quota\"} 2.5");
}

#[test]
fn ratios_of_nothing_are_not_observed() {
    let metrics = Metrics::new();
    let route = pro_route(&metrics);
    route.estimated(Direction::Input, Tokens::ZERO, Tokens::new(5));
    route.estimated(Direction::Output, Tokens::new(100), Tokens::new(50));
    metrics.reserved(Tokens::new(100), Tokens::ZERO);
    metrics.output_tokens(Tokens::ZERO, Duration::from_secs(1));
    let page = metrics.render();
    let errors = "tollgate_estimate_error_ratio_count{model=\"gpt-4o\",direction=";
    assert_line(&page, &format!("{errors}\"input\"}} 0"));
    assert_line(&page, &format!("{errors}\"output\"}} 1"));
    assert_line(&page, "tollgate_reserved_over_actual_ratio_count 0");
    assert_line(&page, "tollgate_time_per_output_token_seconds_count 0");
}

#[test]
fn closed_sets_count_under_their_own_word() {
    let metrics = Metrics::new();
    for how in Ending::ALL {
        metrics.ended(how);
    }
    metrics.ended(Ending::Overrun);
    metrics.debt(Tokens::new(7));
    metrics.store_failed(StoreOp::Commit);
    metrics.store_took(StoreOp::Reserve, Duration::from_micros(1));
    metrics.stands(3, 12);
    metrics.refused("none", metrics.other(), "invalid_api_key");
    let page = metrics.render();
    for line in [
        "tollgate_settlements_total{kind=\"exact\"} 1",
        "tollgate_settlements_total{kind=\"expired\"} 1",
        "tollgate_settlements_total{kind=\"overrun\"} 2",
        "tollgate_settlements_total{kind=\"refund\"} 1",
        "tollgate_settlements_total{kind=\"voided\"} 1",
        "tollgate_debt_tokens_total 7",
        "tollgate_store_errors_total{op=\"commit\"} 1",
        "tollgate_store_errors_total{op=\"settle\"} 0",
        "tollgate_store_seconds_count{op=\"reserve\"} 1",
        "tollgate_reservations_held 3",
        "tollgate_meters 12",
        "tollgate_refusals_total{unit=\"none\",tier=\"other\",reason=\"invalid_api_key\"} 1",
    ] {
        assert_line(&page, line);
    }
}

#[test]
fn arrays_are_in_the_order_of_their_discriminants() {
    for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome as usize, place);
    }
    for (place, ending) in Ending::ALL.into_iter().enumerate() {
        assert_eq!(ending as usize, place);
    }
    for (place, op) in StoreOp::ALL.into_iter().enumerate() {
        assert_eq!(op as usize, place);
    }
}

#[test]
fn more_routes_than_the_bound_are_counted_as_other() {
    let metrics = Metrics::new();
    let known = (0..ROUTES_MAX).map(|number| {
        let route =
            Route { model: name(&number.to_string()), provider: name("p"), tier: name("t") };
        let metrics = Arc::new(metrics.families.route(&route));
        (route, metrics)
    });
    metrics.routes.store(Arc::new(known.collect()));
    metrics.route(&name("one-more"), &name("p"), &name("t")).ended(Outcome::Failed);
    let page = metrics.render();
    assert_line(
        &page,
        "tollgate_requests_total{model=\"other\",provider=\"other\",tier=\"other\",\
         outcome=\"failed\"} 1",
    );
    assert!(!page.contains("one-more"));
}

/// `cargo test --release -p tollgate-gateway -- --ignored --nocapture what_a_look_up_costs`
#[test]
#[ignore = "a measurement, not a claim"]
fn what_a_look_up_costs() {
    let metrics = Metrics::new();
    let (model, provider, tier) = (name("gpt-4o"), name("openai"), name("pro"));
    let times: u32 = 1_000_000;
    let per_call = |what: &str, call: &dyn Fn()| {
        let begun = std::time::Instant::now();
        (0..times).for_each(|_| call());
        println!("{what}: {:?}", begun.elapsed() / times);
    };
    let route = metrics.route(&model, &provider, &tier);
    per_call("route()", &|| {
        drop(std::hint::black_box(metrics.route(&model, &provider, &tier)));
    });
    per_call("a counter of a route", &|| route.ended(Outcome::Answered));
    per_call("a histogram", &|| {
        metrics.overhead(Duration::from_micros(180));
    });
    let requests = &metrics.families.requests;
    per_call("get_or_create with its labels", &|| {
        let (model, provider, tier) = (model.clone(), provider.clone(), tier.clone());
        let labels = RequestLabels { model, provider, tier, outcome: Outcome::Answered };
        requests.get_or_create(&labels).inc();
    });
    per_call("refused()", &|| {
        metrics.refused("requests", &tier, "rate_limit_exceeded");
    });
}
