//! Ten thousand requests that end in every way there is: the settlement table holds to the unit.
//!
//! Each request knows what it should leave behind, from the table of the contract and from what the
//! provider generated; afterwards the meters must say exactly the sum. The clock stands still, so
//! every refund finds its window.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

use std::sync::{Arc, Mutex};

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_sim::{Dice, Script};
use tollgate_testkit::{Caller, House, Plot, chat};
use tollgate_tokens::{Encoding, count_text};
use tollgate_units::{MicroUsdPerMillion, PicoUsd, Timestamp, Tokens};

const REQUESTS: u64 = 10_000;
const AT_ONCE: usize = 32;
const SEED: u64 = 20_261_122;
const KEY: &str = "key-secret-00000000";
const CAP: u64 = 40;

const YAML: &str = "
timeouts: {first_byte: 1s, idle: 1s}
tiers:
  pro:
    models: [gpt-4o-mini, unserved-*]
    limits:
      - 1M requests per day per key
      - 1000M tokens per day per key
      - 1000M input tokens per day per key
      - 1000M output tokens per day per key
      - $100000 per day per key
      - 100 streams at once per key
      - 200 requests at once per key
keys:
  - {name: all, secret: key-secret-00000000, tier: pro}
";

/// A route that refuses is left alone for a while, so the requests that are not served go to many:
/// each is asked at least once.
const UNSERVED: u64 = 200;

fn yaml() -> String {
    let models =
        (0..UNSERVED).map(|at| format!("  unserved-{at}: {{serve: [sim/unserved-{at}]}}\n"));
    let prices =
        (0..UNSERVED).map(|at| format!("  sim/unserved-{at}: {{input: 0.15, output: 0.60}}\n"));
    let models: String = models.collect();
    let prices: String = prices.collect();
    format!("{YAML}models:\n  gpt-4o-mini: {{serve: [sim/gpt-4o-mini]}}\n{models}prices:\n{prices}")
}

/// What a request should leave on its caller's meters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Left {
    requests: u64,
    input: u64,
    output: u64,
    nanos: u64,
}

/// Ways for a request to end, each with its share of a hundred.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Answered,
    AnsweredWithoutUsage,
    HungUpBeforeHead,
    HungUpInStream,
    Refused,
    Reset,
    StreamBroken,
    Streamed,
    StreamedWithoutUsage,
    TimedOut,
    Unserved,
}

const SHARES: [(Way, u64); 11] = [
    (Way::Answered, 25),
    (Way::AnsweredWithoutUsage, 8),
    (Way::HungUpBeforeHead, 4),
    (Way::HungUpInStream, 5),
    (Way::Refused, 10),
    (Way::Reset, 6),
    (Way::StreamBroken, 6),
    (Way::Streamed, 14),
    (Way::StreamedWithoutUsage, 6),
    (Way::TimedOut, 1),
    (Way::Unserved, 15),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_leave_exactly_what_the_table_says() {
    let arrivals = Arc::new(Arrivals::default());
    let told = arrivals.clone();
    let script = Script::by(move |asked| {
        told.arrived(asked.user.as_deref());
        tollgate_sim::Act::default()
    });
    let plot = Plot::new(&yaml()).script(script.forgetting());
    let house =
        Arc::new(plot.standing_still(Timestamp::from_millis(1_795_330_800_000)).build().await);
    let total = Arc::new(Mutex::new(Left::default()));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let (house, total, arrivals) = (house.clone(), total.clone(), arrivals.clone());
        workers.spawn(async move {
            let caller = house.caller(Some(KEY));
            let mine = (0..REQUESTS).filter(|number| number % AT_ONCE as u64 == worker as u64);
            for number in mine {
                let left = Request::drawn(number).make(&caller, &arrivals).await;
                total.lock().unwrap().add(left);
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
    house.settled().await;

    let books = house.meters.books();
    assert!(books.balance(), "seed {SEED}: {books:?}");
    assert_eq!((books.held_count, books.held), (0, 0), "seed {SEED}");
    assert_eq!(books.reserved_count, REQUESTS, "seed {SEED}: nothing was refused");
    assert_eq!(on_meters(&house).await, *total.lock().unwrap(), "seed {SEED}");
    for slots in ["100 streams at once", "200 requests at once"] {
        assert_eq!(
            house.standing(&house.caller(Some(KEY)), slots).await,
            (0, 0),
            "no slot is lost"
        );
    }
}

/// What the meters say.
async fn on_meters(house: &House) -> Left {
    let rows = house.caller(Some(KEY)).get("/v1/limits").await.json();
    let used = |limit: &str| -> Value {
        let rows = rows["limits"].as_array().unwrap();
        let row = rows.iter().find(|row| row["limit"].as_str().unwrap().starts_with(limit));
        let row = row.unwrap_or_else(|| panic!("no {limit} in {rows:?}"));
        assert!(row["held"] == json!(0) || row["held"] == json!("0.00"), "{row}");
        row["used"].clone()
    };
    let left = Left {
        requests: used("1M requests").as_u64().unwrap(),
        input: used("1,000M input tokens").as_u64().unwrap(),
        output: used("1,000M output tokens").as_u64().unwrap(),
        nanos: nanos(used("$100,000").as_str().unwrap()),
    };
    let both = used("1,000M tokens").as_u64().unwrap();
    assert_eq!(both, left.input + left.output);
    left
}

/// A decimal string of dollars in nano-dollars.
fn nanos(dollars: &str) -> u64 {
    let (whole, fraction) = dollars.split_once('.').unwrap();
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

/// One request: how it is to end, and how large it is.
struct Request {
    number: u64,
    way: Way,
    tokens: u64,
    prompt: String,
}

impl Request {
    fn drawn(number: u64) -> Self {
        let mut dice = Dice::of(SEED, number);
        let mut left = dice.below(SHARES.iter().map(|(_, share)| share).sum());
        let way = SHARES.iter().find(|(_, share)| {
            let found = left < *share;
            left = left.saturating_sub(*share);
            found
        });
        let way = way.unwrap().0;
        // Some would generate more than the cap allows, and all more than is waited for.
        let tokens = HELD + 1 + dice.below(CAP + 10);
        let words = " hello".repeat(usize::try_from(1 + dice.below(60)).unwrap());
        let pick =
            |faults: &[&str]| faults[usize::try_from(number).unwrap() % faults.len()].to_owned();
        let marker = match way {
            Way::Answered | Way::Streamed => format!("[[prompt_tokens:{PROMPT}]]"),
            Way::AnsweredWithoutUsage | Way::StreamedWithoutUsage => {
                "[[fault:no_usage]]".to_owned()
            }
            Way::HungUpBeforeHead => "[[hold:head]]".to_owned(),
            Way::HungUpInStream => format!("[[hold:{HELD}]]"),
            Way::Refused => format!("[[fault:{}]]", pick(&["400", "404", "413", "422", "409"])),
            Way::Reset => "[[fault:reset]]".to_owned(),
            Way::StreamBroken => {
                format!("[[fault:{}]]", pick(&["error_event", "cut_short", "reset_midway"]))
            }
            Way::TimedOut => "[[fault:hang]]".to_owned(),
            Way::Unserved => {
                let faults = ["500", "503", "529", "401", "402", "403", "rate_limit", "quota"];
                format!("[[fault:{}]]", pick(&faults))
            }
        };
        Self { number, way, tokens, prompt: format!("{words} [[tokens:{tokens}]] {marker}") }
    }

    fn is_streamed(&self) -> bool {
        matches!(
            self.way,
            Way::HungUpInStream | Way::StreamBroken | Way::Streamed | Way::StreamedWithoutUsage
        )
    }

    fn body(&self) -> Value {
        let model = match self.way {
            Way::Unserved => format!("unserved-{}", self.number % UNSERVED),
            _ => "gpt-4o-mini".to_owned(),
        };
        let mut body = chat(&model, &self.prompt);
        body["max_tokens"] = json!(CAP);
        body["user"] = json!(format!("request {}", self.number));
        if self.is_streamed() {
            body["stream"] = json!(true);
        }
        body
    }

    /// The prompt as it is counted: its text, its role, and the overhead of one message.
    fn input(&self) -> u64 {
        count_text(Encoding::O200k, &self.prompt).get() + 1 + 3 + 3
    }

    /// What it leaves when the provider's usage decides, or the gateway's own count.
    fn used(input: u64, output: u64) -> Left {
        Left { requests: 1, input, output, nanos: price(input, output) }
    }

    /// What it leaves when it was sent and then broke off: money keeps the whole reservation,
    /// because nobody knows whether this provider stops its bill.
    fn broken(&self, output: u64) -> Left {
        let nanos = price(self.input(), CAP);
        Left { requests: 1, input: self.input(), output, nanos }
    }

    async fn make(&self, caller: &Caller, arrivals: &Arrivals) -> Left {
        match self.way {
            Way::Answered => self.answered(caller).await,
            Way::AnsweredWithoutUsage => {
                let answer = self.whole(caller, StatusCode::OK).await.json();
                let text = answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
                Self::used(self.input(), count_text(Encoding::O200k, &text).get())
            }
            Way::HungUpBeforeHead => self.hung_up_before_head(caller, arrivals).await,
            Way::HungUpInStream => {
                let mut stream = caller.open(PATH, &self.body()).await;
                let mut text = String::new();
                let most = HELD;
                while words(&text) < most {
                    match stream.next().await {
                        Some(bytes) => text.push_str(&generated(&bytes)),
                        None => break,
                    }
                }
                // Dropped here: the caller hangs up.
                self.broken(most)
            }
            Way::Refused => {
                let status = caller.post(PATH, &self.body()).await.status;
                assert!(status.is_client_error(), "{status}");
                Left { requests: 1, ..Left::default() }
            }
            Way::Reset => {
                self.whole(caller, StatusCode::BAD_GATEWAY).await;
                self.broken(0)
            }
            Way::StreamBroken => {
                let answer = caller.post(PATH, &self.body()).await;
                assert_eq!(answer.status, StatusCode::OK);
                self.broken(words(&generated(&answer.body)))
            }
            Way::Streamed => {
                let answer = self.whole(caller, StatusCode::OK).await;
                assert!(!String::from_utf8_lossy(&answer.body).contains("\"usage\":{"), "hidden");
                let text = generated(&answer.body);
                assert_eq!(words(&text), self.tokens.min(CAP));
                Self::used(PROMPT, self.tokens.min(CAP))
            }
            Way::StreamedWithoutUsage => {
                let answer = self.whole(caller, StatusCode::OK).await;
                Self::used(self.input(), words(&generated(&answer.body)))
            }
            Way::TimedOut => {
                self.whole(caller, StatusCode::GATEWAY_TIMEOUT).await;
                self.broken(0)
            }
            Way::Unserved => {
                let status = caller.post(PATH, &self.body()).await.status;
                assert!(status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS);
                Left::default()
            }
        }
    }
}

impl Request {
    async fn answered(&self, caller: &Caller) -> Left {
        let usage = self.whole(caller, StatusCode::OK).await.json()["usage"].clone();
        assert_eq!(usage["prompt_tokens"], json!(PROMPT));
        assert_eq!(usage["completion_tokens"], json!(self.tokens.min(CAP)));
        Self::used(PROMPT, self.tokens.min(CAP))
    }

    async fn hung_up_before_head(&self, caller: &Caller, arrivals: &Arrivals) -> Left {
        let arrived = arrivals.of(format!("request {}", self.number));
        let (caller, body) = (caller.clone(), self.body());
        let asking = tokio::spawn(async move { caller.open(PATH, &body).await });
        arrived.await.unwrap();
        asking.abort();
        self.broken(0)
    }

    async fn whole(&self, caller: &Caller, status: StatusCode) -> tollgate_testkit::Answer {
        let answer = caller.post(PATH, &self.body()).await;
        assert_eq!(answer.status, status, "request {}: {:?}", self.number, self.way);
        assert!(answer.whole);
        answer
    }
}

impl Left {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.input += other.input;
        self.output += other.output;
        self.nanos += other.nanos;
    }
}

/// Which requests have reached the provider, for callers that hang up then and not before.
#[derive(Default)]
struct Arrivals(Mutex<std::collections::HashMap<String, tokio::sync::oneshot::Sender<()>>>);

impl Arrivals {
    fn of(&self, user: String) -> tokio::sync::oneshot::Receiver<()> {
        let (tell, told) = tokio::sync::oneshot::channel();
        self.0.lock().unwrap().insert(user, tell);
        told
    }

    fn arrived(&self, user: Option<&str>) {
        let waiting = user.and_then(|user| self.0.lock().unwrap().remove(user));
        if let Some(tell) = waiting {
            let _ = tell.send(());
        }
    }
}

/// What gpt-4o-mini charges: $0.15 and $0.60 a million, rounded up once.
fn price(input: u64, output: u64) -> u64 {
    let input = MicroUsdPerMillion::new(150_000).of(Tokens::new(input));
    let output = MicroUsdPerMillion::new(600_000).of(Tokens::new(output));
    let both: PicoUsd = input.plus(output);
    both.to_nano().get()
}

/// The text in the events of a stream.
fn generated(events: &[u8]) -> String {
    let text = String::from_utf8_lossy(events);
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let content = |event: &str| {
        let event: Value = serde_json::from_str(event).ok()?;
        event["choices"][0]["delta"]["content"].as_str().map(str::to_owned)
    };
    events.filter_map(content).collect()
}

fn words(text: &str) -> u64 {
    count_text(Encoding::O200k, text).get()
}

const PATH: &str = "/v1/chat/completions";
/// What the provider says each prompt had.
const PROMPT: u64 = 123;
/// After how many tokens a caller hangs up.
const HELD: u64 = 3;
