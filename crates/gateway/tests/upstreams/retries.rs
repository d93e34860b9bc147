//! What is sent again, after how long, and what is never sent again.

use tollgate_sim::provider::{Asked, Fault, Rebuff};
use tollgate_sim::{Act, Script};
use tollgate_testkit::{House, Plot, chat};
use tollgate_units::Span;

use crate::account::{Account, CHAT, NOON, WIDE, attempts, short, standing, total_tokens, volley};

const BARE: Fault = Fault::Refused(Rebuff::Status(429));

/// A provider whose first answers are like `act`, so many of them, and whose others are well.
fn at_first(count: u64, act: Act) -> Script {
    Script::by(move |asked: &Asked| if asked.number < count { act.clone() } else { Act::default() })
}

async fn house(retry: &str, script: Script) -> House {
    Plot::new(&format!("retry: {retry}\n{WIDE}")).script(script).build().await
}

/// How long after the request before it each came, in milliseconds.
fn pauses(house: &House) -> Vec<u64> {
    let at: Vec<_> = house.provider.seen().iter().map(|seen| seen.received_at).collect();
    at.windows(2).map(|two| two[1].less(two[0]).as_millis()).collect()
}

#[tokio::test]
async fn a_wait_within_the_cap_is_waited_and_the_caller_does_not_notice() {
    // (what it says, for how long at least)
    let table = [
        (&[("retry-after-ms", "300")][..], 300),
        (&[("retry-after", "1")], 1000),
        (&[("x-ratelimit-limit-requests", "9"), ("x-ratelimit-remaining-requests", "8")], 1000),
    ];
    let refused = table.map(|(says, least)| (429, says, least));
    // Trouble that says when it is over is waited out as well, and was sent again at once.
    let ill = [500, 503, 504, 529].map(|status| (status, &[("retry-after-ms", "600")][..], 600));
    for (status, says, least) in refused.into_iter().chain(ill) {
        let mut act = Act::default().with(Fault::Refused(Rebuff::Status(status)));
        for (name, value) in says {
            act = act.saying(name, *value);
        }
        let house = house("{attempts: 3, base: 1ms, cap: 5s}", at_first(1, act)).await;
        let caller = house.caller(None);
        let answer = caller.post(CHAT, &short("gpt-4o-mini")).await;
        assert_eq!((answer.status.as_u16(), attempts(&answer)), (200, 2), "{says:?}: {answer:?}");
        let waited = pauses(&house);
        println!("| {status} {says:?} | held for {} ms, then served |", waited[0]);
        // Both clocks round down.
        assert!(waited.len() == 1 && waited[0] + 1 >= least, "{says:?}: {waited:?}");
        house.settled().await;
        assert_eq!(house.standing(&caller, "1M requests").await, (1, 0), "{says:?}");
        let tokens = total_tokens(&answer);
        assert_eq!(house.standing(&caller, "900M tokens").await, (tokens, 0), "{says:?}");
    }
}

#[tokio::test]
async fn a_wait_beyond_the_cap_is_told() {
    let act = Act::default().with(BARE).saying("retry-after", "7");
    let yaml = format!("retry: {{attempts: 3, cap: 5s}}\n{WIDE}");
    let plot = Plot::new(&yaml).script(Script::of(act)).standing_still(NOON);
    let house = plot.build().await;
    let caller = house.caller(None);
    for moment in 0..3 {
        let refused = caller.post(CHAT, &short("gpt-4o-mini")).await;
        assert_eq!((refused.status.as_u16(), &*refused.code()), (429, "rate_limit_exceeded"));
        let told = &refused.json()["error"]["tollgate"]["retry_after_ms"];
        assert_eq!(told.as_u64(), Some(7000 - 1000 * moment), "{refused:?}");
        assert_eq!(house.provider.counters().seen, 1, "who was told is believed");
        house.wait(Span::from_secs(1));
    }
}

#[tokio::test]
async fn a_crowd_that_meets_a_refusal_is_held_and_served_and_nobody_is_told() {
    let act = Act::default().with(BARE).saying("retry-after-ms", "400");
    let house = house("{attempts: 3, base: 1ms, cap: 5s}", at_first(1, act)).await;
    let caller = house.caller(None);
    let first = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post(CHAT, &short("gpt-4o-mini")).await }
    });
    house.provider.until(|counters| counters.refused == 1).await;
    for answer in volley(&caller, &short("gpt-4o-mini"), 8, 1).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(first.await.unwrap().status, 200);
    let waited = pauses(&house);
    println!("| a crowd of nine | {waited:?} ms between requests, one refused |");
    assert!(waited[0] + 1 >= 400, "{waited:?}: nobody came before");
    assert_eq!(house.provider.counters().refused, 1);
}

/// A single refusal that no limit explains, while the route was idle, left one place there: of ten
/// who came at once two were told 429.
#[tokio::test]
async fn one_refusal_of_an_idle_route_does_not_make_a_crowd_wait_in_line() {
    let slow = Act { first_byte: Span::from_secs(2), ..Act::default() };
    let refused = Act::default().with(BARE).saying("retry-after-ms", "100");
    let script = Script::by(
        move |asked: &Asked| {
            if asked.number == 0 { refused.clone() } else { slow.clone() }
        },
    );
    let house = house("{attempts: 1}", script).await;
    let caller = house.caller(None);
    assert_eq!(caller.post(CHAT, &short("gpt-4o-mini")).await.status, 429);
    let since = std::time::Instant::now();
    for answer in volley(&caller, &short("gpt-4o-mini"), 10, 1).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let (took, bound) = (since.elapsed(), house.gateway.providers()[0].concurrency);
    println!("| ten at once after one refusal | all served after {took:?}, {bound:?} at once |");
}

#[tokio::test]
async fn trouble_that_passes_is_waited_out() {
    for fault in [
        Fault::Reset,
        Fault::Refused(Rebuff::Status(500)),
        Fault::Refused(Rebuff::BadGateway),
        Fault::Refused(Rebuff::Overloaded),
        Fault::Refused(Rebuff::Status(529)),
        Fault::Refused(Rebuff::Status(408)),
    ] {
        let script = at_first(2, Act::default().with(fault));
        let house = house("{attempts: 4, base: 1ms, cap: 5s}", script).await;
        let caller = house.caller(None);
        let answer = caller.post(CHAT, &short("gpt-4o-mini")).await;
        assert_eq!((answer.status.as_u16(), attempts(&answer)), (200, 3), "{fault:?}");
        house.settled().await;
        assert_eq!(house.standing(&caller, "1M requests").await, (1, 0), "{fault:?}");
        let tokens = total_tokens(&answer);
        assert_eq!(house.standing(&caller, "900M tokens").await, (tokens, 0), "{fault:?}");
    }
}

fn says_no(act: Act) -> Act {
    act.saying("x-should-retry", "false")
}

#[tokio::test]
async fn what_no_waiting_helps_is_never_sent_again() {
    let refused = |rebuff| Act::default().with(Fault::Refused(rebuff));
    let nothing = refused(Rebuff::Status(429)).saying("x-ratelimit-limit-requests", "0");
    // (what the provider says, what the caller is told alone, and with another account behind it)
    let table = [
        ("insufficient_quota", refused(Rebuff::Quota), 503),
        ("Request too large", refused(Rebuff::Oversize), 429),
        ("limit: 0", nothing, 503),
        ("401", refused(Rebuff::InvalidKey), 503),
        ("402", refused(Rebuff::Status(402)), 503),
        ("403", refused(Rebuff::Status(403)), 503),
        ("500 and `x-should-retry: false`", says_no(refused(Rebuff::Status(500))), 502),
        ("429 and `x-should-retry: false`", says_no(refused(Rebuff::Status(429))), 429),
    ];
    for (name, act, status) in table {
        let house = house("{attempts: 5, base: 1ms, cap: 60s}", Script::of(act.clone())).await;
        let told = house.caller(None).post(CHAT, &short("gpt-4o-mini")).await;
        println!("| {name} | sent once, told {} `{}` |", told.status.as_u16(), told.code());
        assert_eq!(told.status, status, "{name}: {told:?}");
        assert_eq!(told.header("x-should-retry"), "false", "{name}: {told:?}");
        assert_eq!(house.provider.counters().seen, 1, "{name}");

        let account = Account::start(act).await;
        let both = "models:\n  gpt-4o-mini: {serve: [first/gpt-4o-mini, sim/gpt-4o-mini], \
                    prefer: listed}\n";
        let retry = "\nretry: {attempts: 5, base: 1ms}\n";
        let yaml = format!("{}{retry}{both}{WIDE}", account.entry("first"));
        let house = Plot::new(&yaml).build().await;
        let answer = house.caller(None).post(CHAT, &short("gpt-4o-mini")).await;
        assert_eq!((answer.status.as_u16(), attempts(&answer)), (200, 2), "{name}: {answer:?}");
        assert_eq!(account.seen(), 1, "{name}");
    }
}

#[tokio::test]
async fn when_everything_fails_retries_are_a_share_of_the_traffic() {
    const REQUESTS: u64 = 400;
    /// Retries that need no traffic, in ten seconds.
    const RESERVE: u64 = 10;
    for budget in [0, 10, 50] {
        let yaml =
            format!("retry: {{attempts: 5, base: 1ms, cap: 2ms, budget: {budget}%}}\n{WIDE}");
        // What all fails opens the breaker, so one in twenty is well.
        let failing = Script::by(|asked: &Asked| match asked.number % 20 {
            19 => Act::default(),
            _ => Act::default().with(Fault::Refused(Rebuff::Status(500))),
        });
        let plot = Plot::new(&yaml).script(failing.forgetting()).standing_still(NOON);
        let house = plot.build().await;
        let answers = volley(&house.caller(None), &short("gpt-4o-mini"), 8, REQUESTS / 8).await;
        let failed = answers.iter().filter(|answer| answer.status == 502).count();
        assert!(failed > answers.len() * 4 / 5, "{failed}");
        let sent = house.provider.counters().seen;
        let most = REQUESTS + REQUESTS * budget / 100 + RESERVE;
        println!("| budget {budget} % | {REQUESTS} requests, {failed} failed | {sent} sent |");
        assert!((most - 5..=most).contains(&sent), "{sent} sent, {most} allowed");
    }
}

#[tokio::test]
async fn of_two_accounts_that_refuse_the_one_that_opens_first_is_waited_for() {
    let act = |wait: &str| Act::default().with(BARE).saying("retry-after-ms", wait);
    let account = Account::start(act("60000")).await;
    let both = "models:\n  gpt-4o-mini: {serve: [first/gpt-4o-mini, sim/gpt-4o-mini], \
                prefer: listed}\n";
    let retry = "\nretry: {attempts: 3, base: 1ms, cap: 5s}\n";
    let yaml = format!("{}{retry}{both}{WIDE}", account.entry("first"));
    let house = Plot::new(&yaml).script(at_first(1, act("250"))).build().await;
    let answer = house.caller(None).post(CHAT, &short("gpt-4o-mini")).await;
    assert_eq!((answer.status.as_u16(), attempts(&answer)), (200, 3), "{answer:?}");
    assert_eq!(answer.header("x-tollgate-model"), "sim/gpt-4o-mini");
    assert_eq!(account.seen(), 1);
    assert!(pauses(&house)[0] + 1 >= 250);
    assert!(standing(&house, "first").refused_until.is_some());
}

/// A single prompt that its provider could not bear had five tries, which opened the breaker for
/// everybody.
#[tokio::test]
async fn one_request_that_fails_wherever_it_goes_leaves_the_route_to_everybody_else() {
    let yaml = format!(
        "retry: {{attempts: 5, base: 1ms, cap: 5s}}\n\
         breaker: {{failures: 2, error_rate: 100%, cooldown: 60s}}\n{WIDE}"
    );
    let house = Plot::new(&yaml).build().await;
    let caller = house.caller(None);
    let poison = chat("gpt-4o-mini", "Hi [[fault:500]]");
    assert_eq!(caller.post(CHAT, &poison).await.status.as_u16(), 502);
    assert_eq!(house.provider.counters().seen, 5);
    assert_eq!(caller.post(CHAT, &short("gpt-4o-mini")).await.status.as_u16(), 200);
    assert_eq!(house.gateway.providers()[0].breaker, "closed");
    // Two that fail, one after the other, are another matter.
    for _ in 0..2 {
        caller.post(CHAT, &poison).await;
    }
    assert_eq!(house.gateway.providers()[0].breaker, "open");
}

#[tokio::test]
async fn a_request_that_its_provider_forbids_forbids_no_other() {
    let house = house("{attempts: 1}", Script::default()).await;
    let caller = house.caller(None);
    let forbidden = caller.post(CHAT, &chat("gpt-4o-mini", "Hi [[fault:403]]")).await;
    assert_eq!((forbidden.status.as_u16(), &*forbidden.code()), (503, "upstream_unavailable"));
    assert_eq!(caller.post(CHAT, &short("gpt-4o-mini")).await.status.as_u16(), 200);
}

/// A key that was refused stayed refused for up to an hour after it had been corrected.
#[tokio::test]
async fn what_is_known_of_an_account_ends_with_its_key() {
    let house = house("{attempts: 1}", Script::default()).await;
    let caller = house.caller(None);
    let refused = chat("gpt-4o-mini", "Hi [[fault:401]]");
    for _ in 0..2 {
        let answer = caller.post(CHAT, &refused).await;
        assert_eq!(answer.status.as_u16(), 503);
        assert_eq!(answer.header("x-should-retry"), "false", "whoever asks is told the same");
    }
    assert_eq!(house.provider.counters().seen, 1);
    assert!(house.gateway.providers()[0].probes_at.is_some());
    house.replace_key("sk-another-key-0002");
    assert_eq!(caller.post(CHAT, &short("gpt-4o-mini")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn what_took_too_long_is_not_asked_again_of_the_same_route() {
    let yaml =
        format!("timeouts: {{first_byte: 300ms}}\nretry: {{attempts: 5, base: 1ms}}\n{WIDE}");
    let house = Plot::new(&yaml).build().await;
    let answer = house.caller(None).post(CHAT, &chat("gpt-4o-mini", "Hi [[fault:hang]]")).await;
    assert_eq!(answer.status.as_u16(), 504);
    assert_eq!(house.provider.counters().seen, 1);
}
