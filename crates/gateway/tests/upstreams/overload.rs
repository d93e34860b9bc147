//! Accounts of 500 requests and 30k tokens a minute, offered three times that for five minutes:
//! through the gateway, and by the same callers without one.
//!
//! In real time, so by hand: `cargo test -p tollgate-gateway --test upstreams -- --ignored
//! --nocapture`. What routing decides is held to the same numbers in simulated time, with many
//! seeds, in crates/routing/tests/provider.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tollgate_sim::provider::{Allowance, Asked, Counters, Style};
use tollgate_sim::{Act, Dice, Provider, Script};
use tollgate_testkit::{Answer, Caller, House, Plot, message};
use tollgate_units::{Span, Tokens};

use crate::account::{CHAT, short};

const MINUTES: u64 = 5;
const TOKENS: u64 = 30_000;
/// Requests count a hundred tokens on average, so that 300 a minute are all that fits.
const GAP_MEAN_MS: u64 = 60_000 / 900;
const SEED: u64 = 11;
/// Its tokens are counted exactly, where it is called so.
const MODEL: &str = "gpt-4o-mini";

/// What came of the requests of one run.
#[derive(Debug, Default)]
struct Told {
    served: u64,
    refused: u64,
    /// Refused, with a wait of a second or less.
    refused_for_a_moment: u64,
    failed: u64,
    /// The caller took a connection that was being closed; official clients send such again.
    unsent: u64,
}

/// A provider that counts between 20 and 180 tokens of each request.
async fn provider(style: Style) -> Provider {
    let allowance = Allowance { requests: 500, tokens: Tokens::new(TOKENS), style };
    let script = Script::by(move |asked: &Asked| {
        let first_byte = Span::from_millis(Dice::of(SEED, asked.number).between(200, 800));
        let prompt_tokens = match style {
            Style::Anthropic => None,
            Style::Azure => Some(Tokens::new(8)),
            // What may be generated counts, where that is more than the prompt may be.
            Style::OpenAi => Some(Tokens::ZERO),
        };
        Act { first_byte, prompt_tokens, ..Act::tokens(1000) }
    });
    let words = |asked: &Asked| {
        let text = String::from_utf8_lossy(&asked.body).into_owned();
        Tokens::new(text.matches(" hi").count() as u64)
    };
    Provider::start(script.counting(words).within(allowance).forgetting()).await.unwrap()
}

/// The `number`-th request, and where it goes: what counts of it is known to caller and provider.
fn request(style: Style, number: u64) -> (&'static str, Value) {
    let tokens = Dice::of(SEED, number).between(20, 180);
    if style == Style::Anthropic {
        let mut body = message(MODEL, &" hi".repeat(usize::try_from(tokens).unwrap()));
        body["max_tokens"] = json!(16);
        return ("/v1/messages", body);
    }
    let mut body = short(MODEL);
    let prompt = if style == Style::Azure { 8 } else { 0 };
    body["max_tokens"] = json!(tokens - prompt);
    (CHAT, body)
}

/// Until when a client of the official kind waits before it tries again, where it does.
fn pause(answer: &Answer, retries: u64) -> Option<Duration> {
    let number = |name: &str| answer.header(name).parse::<u64>().ok();
    let said = number("retry-after-ms").or_else(|| number("retry-after").map(|secs| secs * 1000));
    let usual = 500 << retries;
    let wait = said.filter(|millis| (1..=60_000).contains(millis)).unwrap_or(usual);
    let again = answer.status == 429 || answer.status.is_server_error();
    (again && retries < 2).then(|| Duration::from_millis(wait))
}

/// One caller; a bare one tries again twice, as official clients do.
async fn call(caller: Caller, (path, body): (&str, Value), is_bare: bool) -> Answer {
    let mut retries = 0;
    loop {
        let answer = caller.post(path, &body).await;
        let Some(pause) = pause(&answer, retries).filter(|_| is_bare) else {
            return answer;
        };
        tokio::time::sleep(pause).await;
        retries += 1;
    }
}

/// Offers three times the capacity for so long; what callers were told by then.
async fn offer(caller: Caller, style: Style, is_bare: bool) -> Told {
    let since = Instant::now();
    let end = since + Duration::from_secs(MINUTES * 60);
    let (mut calls, mut number, mut at) = (JoinSet::new(), 0, since);
    while at < end {
        tokio::time::sleep_until(at.into()).await;
        let (caller, request) = (caller.clone(), request(style, number));
        calls.spawn(async move { call(caller, request, is_bare).await });
        number += 1;
        at += Duration::from_millis(Dice::of(SEED + 1, number).between(0, 2 * GAP_MEAN_MS));
    }
    tokio::time::sleep_until(end.into()).await;
    let mut told = Told::default();
    while let Some(answer) = calls.try_join_next() {
        let Ok(answer) = answer else {
            told.unsent += 1;
            continue;
        };
        match answer.status.as_u16() {
            200 => told.served += 1,
            429 => {
                let wait = answer.json()["error"]["tollgate"]["retry_after_ms"].as_u64();
                told.refused += 1;
                told.refused_for_a_moment += u64::from(wait.is_some_and(|wait| wait <= 1000));
            }
            _ => told.failed += 1,
        }
    }
    told
}

/// A house before `provider`, as the kind of account that counts like that.
async fn house(style: Style, provider: &Provider) -> House {
    let (name, kind, path) = match style {
        Style::Anthropic => ("first", "anthropic", "/v1"),
        Style::Azure => ("first", "azure-openai", ""),
        Style::OpenAi => ("openai", "openai", "/v1"),
    };
    let base_url = format!("http://{}{path}", provider.addr());
    let yaml = format!(
        "  {name}: {{kind: {kind}, base_url: \"{base_url}\", api_key: \"${{SIM_KEY}}\"}}
retry: {{attempts: 5}}
breaker: {{failures: 5}}
unpriced: {{input: 1, output: 1}}
models:
  {MODEL}: {{serve: [{name}/{MODEL}]}}
tiers:
  anonymous: {{models: [{MODEL}]}}
"
    );
    Plot::new(&yaml).build().await
}

/// In thousandths of what the account can serve in the time: a bucket is full when it begins.
fn goodput(style: Style, counters: &Counters) -> u64 {
    let minutes = if style == Style::Azure { MINUTES } else { MINUTES + 1 };
    let output = if style == Style::Anthropic { 0 } else { counters.output_tokens };
    (counters.prompt_tokens + output) * 1000 / (TOKENS * minutes)
}

async fn run(style: Style, is_bare: bool) -> (Counters, Told) {
    let provider = provider(style).await;
    // Without a gateway, the caller of this house is sent to the provider itself.
    let house = Arc::new(house(style, &provider).await);
    let caller = house.caller(None);
    let bare = |caller: Caller| caller.to(provider.addr()).with("anthropic-version", "2023-06-01");
    let caller = if is_bare { bare(caller) } else { caller };
    let told = offer(caller, style, is_bare).await;
    (provider.counters(), told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes five minutes of real time"]
async fn three_times_the_capacity_is_served_to_the_brim_and_nobody_refused_for_a_moment() {
    let mut runs = JoinSet::new();
    for style in [Style::OpenAi, Style::Anthropic, Style::Azure] {
        for is_bare in [false, true] {
            runs.spawn(async move { (style, is_bare, run(style, is_bare).await) });
        }
    }
    println!("| account | by | goodput | sent | 429s of the provider | callers told |");
    let mut gated = Vec::new();
    while let Some(done) = runs.join_next().await {
        let (style, is_bare, (counters, told)) = done.unwrap();
        let goodput = goodput(style, &counters);
        let refused = counters.refused * 10_000 / counters.seen;
        let by = if is_bare { "bare clients" } else { "Tollgate" };
        println!(
            "| {style:?} | {by} | {}.{} % | {} | {} = {}.{:02} % | {told:?} |",
            goodput / 10,
            goodput % 10,
            counters.seen,
            counters.refused,
            refused / 100,
            refused % 100,
        );
        if !is_bare {
            gated.push((style, goodput, refused, told));
        }
    }
    for (style, goodput, refused, told) in gated {
        assert!(goodput >= 970, "{style:?}: {goodput} ‰");
        assert!(refused <= 50, "{style:?}: {refused} of ten thousand");
        assert_eq!((told.refused_for_a_moment, told.failed), (0, 0), "{style:?}: {told:?}");
    }
}
