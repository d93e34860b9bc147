//! Accounts at scripted providers whose mood the test changes, and houses that are served by them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tollgate_gateway::RouteStanding;
use tollgate_sim::{Act, Provider, Script};
use tollgate_testkit::{Answer, Caller, House, chat};
use tollgate_units::Timestamp;

pub(crate) const CHAT: &str = "/v1/chat/completions";
/// Saturday, 20 June 2026, 12:00 UTC.
pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_781_956_800_000);
/// Everybody's limits, where a test is not about them.
pub(crate) const WIDE: &str = "
tiers:
  anonymous:
    models: [gpt-4o*]
    limits: [1M requests per day per ip, 900M tokens per day per ip]
";

/// A provider that does what it was told last.
pub(crate) struct Account {
    provider: Option<Provider>,
    addr: SocketAddr,
    act: Arc<Mutex<Act>>,
}

impl Account {
    pub(crate) async fn start(act: Act) -> Self {
        let act = Arc::new(Mutex::new(act));
        let provider = Provider::start(script(&act)).await.unwrap();
        let addr = provider.addr();
        Self { provider: Some(provider), addr, act }
    }

    /// From now on it answers like this.
    pub(crate) fn becomes(&self, act: Act) {
        *self.act.lock().unwrap() = act;
    }

    /// Nobody listens there any more.
    pub(crate) async fn closes(&mut self) {
        self.provider = None;
        // The port is free once the task that listened is gone.
        while tokio::net::TcpStream::connect(self.addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// It listens again, where it was.
    pub(crate) async fn opens(&mut self) {
        let listener = tokio::net::TcpListener::bind(self.addr).await.unwrap();
        self.provider = Some(Provider::serve(listener, script(&self.act)).unwrap());
    }

    /// How many requests it has seen since it opened.
    pub(crate) fn seen(&self) -> u64 {
        self.provider.as_ref().map_or(0, |provider| provider.counters().seen)
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its entry under `providers`.
    pub(crate) fn entry(&self, name: &str) -> String {
        entry(name, &format!("http://{}/v1", self.addr))
    }
}

fn script(act: &Arc<Mutex<Act>>) -> Script {
    let act = act.clone();
    Script::by(move |_| act.lock().unwrap().clone()).forgetting()
}

/// An entry under `providers`.
pub(crate) fn entry(name: &str, base_url: &str) -> String {
    format!("  {name}: {{kind: openai, base_url: \"{base_url}\", api_key: \"${{SIM_KEY}}\"}}\n")
}

/// A short request to `model`.
pub(crate) fn short(model: &str) -> Value {
    let mut body = chat(model, " Hi");
    body["max_tokens"] = json!(40);
    body
}

/// The same, streamed.
pub(crate) fn streamed(model: &str) -> Value {
    let mut body = short(model);
    body["stream"] = json!(true);
    body
}

/// How many accounts a request was sent to.
pub(crate) fn attempts(answer: &Answer) -> u64 {
    answer.header("x-tollgate-attempts").parse().unwrap_or(1)
}

/// How many tokens the answer says were used.
pub(crate) fn total_tokens(answer: &Answer) -> u64 {
    answer.json()["usage"]["total_tokens"].as_u64().unwrap()
}

/// `callers` of them, each sending `body` so many times, one after the other.
pub(crate) async fn volley(caller: &Caller, body: &Value, callers: u64, each: u64) -> Vec<Answer> {
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (caller, body) = (caller.clone(), body.clone());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for _ in 0..each {
                    answers.push(caller.post(CHAT, &body).await);
                }
                answers
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.unwrap());
    }
    answers
}

/// How the route to `provider` stands.
pub(crate) fn standing(house: &House, provider: &str) -> RouteStanding {
    let mut all = house.gateway.providers().into_iter();
    all.find(|standing| standing.provider == provider).unwrap()
}
