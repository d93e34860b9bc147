//! One request, value by value: what each stage of the pipeline makes of it, with real numbers.
//!
//! `cargo run --example one_request` prints what ARCHITECTURE.md shows. No network: the stages
//! before and after the provider are pure, and the provider's word is written below.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example prints, and stops at what it did not expect"
)]

use bytes::Bytes;
use tollgate_limits::Demand;
use tollgate_policy::{Ended, Moment, Policy};
use tollgate_store::{Clock, Memory};
use tollgate_tokens::count_prompt;
use tollgate_units::{Timestamp, Tokens};
use tollgate_wire::{Endpoint, Usage, edit, read};

const CONFIG: &str = "
data: \":memory:\"
providers:
  openai: {api_key: sk-not-used-here-0000}
models:
  gpt-4o-mini: {serve: [openai/gpt-4o-mini]}
tiers:
  pro:
    models: [gpt-4o-mini]
    limits:
      - 60 requests per minute per user
      - 500 tokens per day per user
      - $25 per month per team
keys:
  - {name: web, secret: web-secret-00000000, tier: pro, team: acme, user: ana}
";

const REQUEST: &str = r#"{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}"#;

fn main() {
    let config = tollgate_config::parse("tollgate.yaml", CONFIG, &|_| None).unwrap();
    let policy = Policy::new(config.settings);
    // Sunday, 2026-11-22, 08:00 in UTC.
    let (clock, hand) = Clock::manual(Timestamp::from_millis(1_795_334_400_000));
    let meters = Memory::new(clock.clone());
    let body = Bytes::from_static(REQUEST.as_bytes());

    let caller = policy.identify(Some("web-secret-00000000"), [192, 0, 2, 7].into()).unwrap();
    println!("identify  key {}, tier {}", caller.key_name().unwrap(), caller.tier_name());

    let ask = read(Endpoint::ChatCompletions, &body).unwrap();
    println!("read      {} for {}, output cap {:?}", ask.endpoint.path(), ask.model, ask.cap);

    let options = caller.consider(ask).unwrap();
    println!("consider  counted as {}, {:?}", options.counted_as(), options.need());

    let counts = count_prompt(options.counted_as(), &body, &options.ask().prompt, None);
    println!("weigh     {} input tokens, {:?}", counts.input.get(), counts.how);

    let moment = Moment { now: clock.now(), opens_session: false };
    let plan = options.plan(counts, moment).unwrap();
    let candidate = &plan.candidates()[0];
    let stretch = candidate.charges().stretch();
    let provider = candidate.deployment().provider();
    println!("plan      {provider}, {} to {} output tokens", stretch.least, stretch.most);
    for (limit, charge) in candidate.limits().iter().zip(candidate.charges().iter()) {
        let Demand { fixed, each, per, .. } = charge.demand;
        println!("          {:<33} ({fixed} + {each} a token of output) / {per}", limit.sentence());
    }

    let held = meters.reserve(candidate.charges().clone()).unwrap();
    println!("admit     {} output tokens have room everywhere", held.stretch());
    for (at, limit) in candidate.limits().iter().enumerate() {
        println!("          {:<33} {} reserved", limit.sentence(), held.reserved(at).get());
    }

    let edits = plan.edits(candidate, Tokens::new(held.stretch()));
    let sent = edit(&body, plan.ask(), &edits);
    println!("send      {}", String::from_utf8_lossy(&sent));

    hand.advance(tollgate_units::Span::from_millis(1_850));
    let usage = Usage { input: Tokens::new(13), output: Tokens::new(121), ..Usage::default() };
    println!("relay     the provider reports {} + {}", usage.input.get(), usage.output.get());

    let used = candidate.used(Ended::Answered(&usage), |at| held.reserved(at));
    let settlement = held.settle(&used);
    println!("settle    {:?}", settlement.kind);
    for watched in plan.caller().watched(true, clock.now()) {
        let (_, standings) = meters.peek(&watched.look().unwrap()).unwrap();
        let standing = standings[0];
        let (used, left) = (standing.used.get(), standing.left.get());
        println!("          {:<33} {used} used, {left} left", watched.limit.sentence());
    }
    assert!(meters.books().balance());
}
