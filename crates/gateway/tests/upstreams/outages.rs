//! An account that is down while another stands in, or another model.

use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_sim::provider::{Fault, Rebuff};
use tollgate_sim::{Act, Script};
use tollgate_testkit::{Answer, Caller, House, Plot};
use tollgate_units::Span;

use crate::account::{
    Account, CHAT, NOON, WIDE, attempts, short, standing, streamed, total_tokens, volley,
};

/// How an account can be down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// Nobody listens.
    ConnectionRefused,
    /// Its answers are like this.
    Fault(Fault),
    /// The first token takes longer than the gateway waits.
    SlowFirstToken,
}

pub(crate) const TROUBLES: [(&str, Trouble); 6] = [
    ("connection refused", Trouble::ConnectionRefused),
    ("connection reset", Trouble::Fault(Fault::Reset)),
    ("hangs", Trouble::Fault(Fault::Hang)),
    ("500", Trouble::Fault(Fault::Refused(Rebuff::Status(500)))),
    ("529 overloaded", Trouble::Fault(Fault::Refused(Rebuff::Status(529)))),
    ("slow first token", Trouble::SlowFirstToken),
];

/// How long the gateway waits for the first byte in these tests.
const FIRST_BYTE: Span = Span::from_secs(1);
pub(crate) const ROUTING: &str = "
timeouts: {first_byte: 1s, idle: 2s}
breaker: {failures: 5, cooldown: 5s}
";

impl Trouble {
    /// Begins at `account`.
    pub(crate) async fn begins(self, account: &mut Account) {
        match self {
            Self::ConnectionRefused => account.closes().await,
            Self::Fault(fault) => account.becomes(Act::default().with(fault)),
            Self::SlowFirstToken => {
                let first_byte = FIRST_BYTE.plus(FIRST_BYTE).plus(FIRST_BYTE);
                account.becomes(Act { first_byte, ..Act::default() });
            }
        }
    }

    /// Is over.
    pub(crate) async fn ends(self, account: &mut Account) {
        account.becomes(Act::default());
        if matches!(self, Self::ConnectionRefused) {
            account.opens().await;
        }
    }
}

/// A house with `models`, before an account named `first` and the testkit's own, `sim`.
pub(crate) async fn before(first: &Account, models: &str) -> House {
    let yaml = format!("{}{ROUTING}{models}{WIDE}", first.entry("first"));
    Plot::new(&yaml).script(Script::default()).standing_still(NOON).build().await
}

const BOTH: &str = "models:
  gpt-4o-mini: {serve: [first/gpt-4o-mini, sim/gpt-4o-mini], prefer: listed}
";
const STAND_IN: &str = "models:
  gpt-4o: {serve: [first/gpt-4o], fallback: [gpt-4o-mini]}
  gpt-4o-mini: {serve: [sim/gpt-4o-mini]}
";

/// What two hundred requests of eight callers came to, while `first` is in trouble.
struct Outage {
    first_answer: Duration,
    answers: Vec<Answer>,
}

impl Outage {
    async fn of(caller: &Caller, model: &str) -> Self {
        let since = Instant::now();
        let first = caller.post(CHAT, &short(model)).await;
        let first_answer = since.elapsed();
        let mut answers = volley(caller, &short(model), 8, 25).await;
        answers.insert(0, first);
        Self { first_answer, answers }
    }

    fn lost(&self) -> usize {
        self.answers.iter().filter(|answer| answer.status != 200).count()
    }

    /// How many attempts went to the account in trouble, and to nothing else.
    fn sent_in_vain(&self) -> u64 {
        self.answers.iter().map(|answer| attempts(answer) - 1).sum()
    }
}

/// Nothing is lost, the account in trouble is left alone, and the meters hold what was served.
async fn shows(name: &str, trouble: Trouble, (models, model): (&str, &str)) -> House {
    let mut first = Account::start(Act::default()).await;
    let house = before(&first, models).await;
    trouble.begins(&mut first).await;
    let caller = house.caller(None);
    let outage = Outage::of(&caller, model).await;
    let (sent, in_vain) = (outage.answers.len() as u64, outage.sent_in_vain());
    let served = format!("served by {}", outage.answers[0].header("x-tollgate-model"));
    println!(
        "| {name} | {served} | {} ms | {sent} | {} | {in_vain} |",
        outage.first_answer.as_millis(),
        outage.lost(),
    );
    assert_eq!(outage.lost(), 0, "{name}");
    // Five failures open it; what the other seven had on its way by then comes on top.
    assert!((5..=12).contains(&in_vain), "{name}: {in_vain} in vain");
    assert_eq!(standing(&house, "first").breaker, "open", "{name}");
    for answer in &outage.answers {
        assert_eq!(answer.header("x-tollgate-model"), "sim/gpt-4o-mini", "{name}");
    }
    house.settled().await;
    let tokens: u64 = outage.answers.iter().map(total_tokens).sum();
    assert_eq!(house.standing(&caller, "1M requests").await, (sent, 0), "{name}");
    assert_eq!(house.standing(&caller, "900M tokens").await, (tokens, 0), "{name}");
    let books = house.meters.books();
    assert!(books.balance() && books.held_count == 0, "{name}: {books:?}");
    house
}

#[tokio::test]
async fn whatever_fails_at_one_account_the_other_serves_it_and_nobody_notices() {
    println!("| trouble | first answer | after | requests | lost | sent in vain |");
    for (name, trouble) in TROUBLES {
        shows(name, trouble, (BOTH, "gpt-4o-mini")).await;
    }
}

#[tokio::test]
async fn whatever_fails_another_model_stands_in_and_the_caller_is_told() {
    println!("| trouble | first answer | after | requests | lost | sent in vain |");
    for (name, trouble) in TROUBLES {
        let house = shows(name, trouble, (STAND_IN, "gpt-4o")).await;
        let answer = house.caller(None).post(CHAT, &short("gpt-4o")).await;
        assert_eq!(answer.header("x-tollgate-downgraded-from"), "gpt-4o", "{name}");
        assert_eq!(answer.header("x-tollgate-attempts"), "", "{name}: the other was not asked");
        let asked = house.caller(None).post(CHAT, &short("gpt-4o-mini")).await;
        assert_eq!(asked.header("x-tollgate-downgraded-from"), "", "{name}");
    }
}

#[tokio::test]
async fn what_has_begun_to_flow_is_never_sent_again() {
    for fault in [Fault::ResetMidway, Fault::CutShort, Fault::Stall, Fault::ErrorEvent] {
        let first = Account::start(Act::tokens(30).with(fault)).await;
        let house = before(&first, BOTH).await;
        let answer = house.caller(None).post(CHAT, &streamed("gpt-4o-mini")).await;
        assert_eq!(answer.status, 200, "{fault:?}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains("word") && !text.contains("[DONE]"), "{fault:?}: {text}");
        assert_eq!(answer.header("x-tollgate-model"), "first/gpt-4o-mini", "{fault:?}");
        assert_eq!((first.seen(), house.provider.counters().seen), (1, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn a_slow_stream_is_waited_for_and_says_nothing_against_its_account() {
    let act = Act { gap: Span::from_millis(50), ..Act::tokens(20) };
    let first = Account::start(act).await;
    let house = before(&first, BOTH).await;
    let caller = house.caller(None);
    let tasks = (0..10).map(|_| {
        let caller = caller.clone();
        tokio::spawn(async move { caller.post(CHAT, &streamed("gpt-4o-mini")).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        let answer = task.await.unwrap();
        assert!(answer.whole && answer.body.ends_with(b"data: [DONE]\n\n"));
    }
    assert_eq!((first.seen(), house.provider.counters().seen), (10, 0));
    assert_eq!(standing(&house, "first").breaker, "closed");
}

#[tokio::test]
async fn what_the_caller_did_wrong_opens_no_breaker_and_is_tried_nowhere_else() {
    let first = Account::start(Act::default()).await;
    let house = before(&first, BOTH).await;
    let caller = house.caller(None);
    for status in [400, 404, 409, 413, 415, 422] {
        first.becomes(Act::default().with(Fault::Refused(Rebuff::Status(status))));
        for answer in volley(&caller, &short("gpt-4o-mini"), 4, 5).await {
            assert_eq!(answer.status, status);
        }
    }
    assert_eq!((first.seen(), house.provider.counters().seen), (120, 0));
    assert_eq!(standing(&house, "first").breaker, "closed");
}

#[tokio::test]
async fn a_model_off_the_callers_list_or_over_its_budget_does_not_stand_in() {
    let first = Account::start(Act::default().with(Fault::Reset)).await;
    let limited = "models:
  gpt-4o: {serve: [first/gpt-4o], fallback: [gpt-4o-mini]}
  gpt-4o-mini: {serve: [sim/gpt-4o-mini], limits: [2 requests per day]}
";
    let listed = "\ntiers:\n  anonymous: {models: [gpt-4o], limits: [9 requests per day per ip]}\n";
    // (tier, how many requests the model that stands in may serve)
    for (tier, may_serve) in [(listed, 0), (WIDE, 2)] {
        let yaml = format!("{}{ROUTING}{limited}{tier}", first.entry("first"));
        let house = Plot::new(&yaml).standing_still(NOON).build().await;
        let caller = house.caller(None);
        let mut served = 0;
        for _ in 0..4 {
            let answer = caller.post(CHAT, &short("gpt-4o")).await;
            if answer.status == 200 {
                served += 1;
                assert_eq!(answer.header("x-tollgate-downgraded-from"), "gpt-4o");
                continue;
            }
            assert_eq!((answer.status.as_u16(), &*answer.code()), (502, "upstream_error"));
            assert_eq!(answer.header("x-tollgate-model"), "first/gpt-4o");
            assert_eq!(answer.header("x-tollgate-downgraded-from"), "");
        }
        assert_eq!(served, may_serve);
        assert_eq!(house.provider.counters().seen, may_serve);
    }
}

const KEYED: &str = "
tiers:
  pro: {models: [gpt-4o*]}
keys:
  - {name: web, secret: web-secret-00000000, tier: pro}
";
const WEB: Option<&str> = Some("web-secret-00000000");
const RESPONSES: &str = "/v1/responses";

/// (trouble, whether the account may have begun to work)
const BEGUN: [(Trouble, bool); 6] = [
    (Trouble::ConnectionRefused, false),
    (Trouble::Fault(Fault::Refused(Rebuff::Status(500))), false),
    (Trouble::Fault(Fault::Reset), true),
    (Trouble::Fault(Fault::Hang), true),
    // A load balancer gives up, and what is behind it works on.
    (Trouble::Fault(Fault::Refused(Rebuff::BadGateway)), true),
    (Trouble::Fault(Fault::Refused(Rebuff::Status(504))), true),
];

#[tokio::test]
async fn work_that_goes_on_unheard_is_not_begun_twice() {
    let body = json!({
        "model": "gpt-4o-mini", "input": "Hi", "background": true, "max_output_tokens": 40,
    });
    for (trouble, may_have_begun) in BEGUN {
        let mut first = Account::start(Act::default()).await;
        let yaml = format!("{}{ROUTING}{BOTH}{KEYED}", first.entry("first"));
        let house = Plot::new(&yaml).standing_still(NOON).build().await;
        trouble.begins(&mut first).await;
        let answer = house.caller(WEB).post(RESPONSES, &body).await;
        let elsewhere = house.provider.counters().seen;
        assert_eq!(elsewhere == 0, may_have_begun, "{trouble:?}: {answer:?}");
        assert_eq!(answer.status.is_success(), !may_have_begun, "{trouble:?}");
    }
}

#[tokio::test]
async fn nothing_is_added_twice_to_a_conversation() {
    let retry = "\nretry: {attempts: 3, base: 1ms}\n";
    for (trouble, may_have_begun) in BEGUN {
        let mut first = Account::start(Act { stores: true, ..Act::default() }).await;
        let yaml = format!("{}{retry}{ROUTING}{BOTH}{KEYED}", first.entry("first"));
        let house = Plot::new(&yaml).build().await;
        let caller = house.caller(WEB);
        let mut body = json!({"model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 40});
        let made = caller.post(RESPONSES, &body).await;
        body["conversation"] = made.json()["conversation"]["id"].clone();
        assert!(body["conversation"].is_string(), "{made:?}");
        trouble.begins(&mut first).await;
        let answer = caller.post(RESPONSES, &body).await;
        assert!(answer.status.is_server_error(), "{trouble:?}: {answer:?}");
        // It lies at the first account only, so no other is asked; that one up to three times.
        let expected = if may_have_begun { 1 } else { 3 };
        assert_eq!(attempts(&answer), expected, "{trouble:?}");
        assert_eq!(house.provider.counters().seen, 0, "{trouble:?}");
    }
}

/// A head that nothing followed was passed on, and the request was lost though another account
/// could have served it.
#[tokio::test]
async fn a_head_that_nothing_follows_is_no_answer_yet() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = listener.local_addr().unwrap();
    let cuts = tokio::spawn(async move {
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut asked = [0; 16 * 1024];
            let _read = tokio::io::AsyncReadExt::read(&mut peer, &mut asked).await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                         content-length: 100\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut peer, head).await.unwrap();
        }
    });
    let yaml = format!(
        "  dead: {{kind: openai, base_url: \"http://{dead}/v1\"}}\n\
         models: {{gpt-4o-mini: {{serve: [dead/gpt-4o-mini, sim/gpt-4o-mini], prefer: listed}}}}\n\
         {WIDE}"
    );
    let house = House::new(&yaml, Script::default()).await;
    let caller = house.caller(None);
    let answer = caller.post(CHAT, &short("gpt-4o-mini")).await;
    assert_eq!((answer.status.as_u16(), answer.whole), (200, true), "{answer:?}");
    assert_eq!(answer.header("x-tollgate-model"), "sim/gpt-4o-mini");
    cuts.abort();
}
