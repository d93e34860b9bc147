//! A whole gateway in one process, between a small client and the scripted provider: for tests.
//!
//! Real sockets on free ports of loopback, the real pipeline, and a clock that either runs or
//! stands still until the test moves it. A test says its policy in the operator's own YAML.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "whatever fails here fails a test"
)]

mod caller;
mod signer;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tollgate_config::{Data, UpstreamConfig};
use tollgate_gateway::crew::Crew;
use tollgate_gateway::server::{Draining, Peer, Server};
use tollgate_gateway::tasks::Tasks;
use tollgate_gateway::telemetry::Metrics;
use tollgate_gateway::upstream::{Account, Timeouts};
use tollgate_gateway::{Bounds, Gateway, Issued, Issuers, Live, Parts, Shadow, Upstreams, tls};
use tollgate_policy::Policy;
use tollgate_sim::{Provider, Script};
use tollgate_store::{AnswerBounds, Answers, Clock, ClockHand, Memory, Owners, Registry};
use tollgate_units::{Span, Timestamp};
use tollgate_wire::dialect_of;

pub use caller::{Answer, Caller, Running, chat, message};
pub use signer::Signer;

/// A gateway with its provider.
pub struct House {
    /// The provider behind it.
    pub provider: Provider,
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Its meters.
    pub meters: Arc<Memory>,
    /// Its clock's hand, where the clock stands still.
    pub hand: Option<ClockHand>,
    addr: SocketAddr,
    accounts: Vec<Account>,
    timeouts: Timeouts,
    draining: Draining,
    tasks: Tasks,
}

/// How a house is built.
pub struct Plot {
    yaml: String,
    script: Script,
    clock: Option<Timestamp>,
    data: Option<PathBuf>,
    shadow: Option<String>,
}

impl Plot {
    /// A house with the policy of `yaml`. Its provider `sim` is added, and serves `gpt-4o-mini` and
    /// `gpt-4o` unless the policy names models itself. Where the policy speaks of `claude`, so is
    /// the same provider as `claude`, in Anthropic's protocol; it serves `claude-haiku-4-5`. So it
    /// is with `command-a` of Cohere's, `gemini-2.5-flash` and `azure-4o`. An account named
    /// `openai` is spoken to in the dialect of limits that OpenAI itself has.
    pub fn new(yaml: &str) -> Self {
        Self {
            yaml: yaml.to_owned(),
            script: Script::default(),
            clock: None,
            data: None,
            shadow: None,
        }
    }

    /// With a provider that does what `script` says.
    #[must_use]
    pub fn script(self, script: Script) -> Self {
        Self { script, ..self }
    }

    /// With a clock that stands at `now` until it is moved.
    #[must_use]
    pub fn standing_still(self, now: Timestamp) -> Self {
        Self { clock: Some(now), ..self }
    }

    /// With the policy of `yaml` watched beside its own.
    #[must_use]
    pub fn watching(self, yaml: &str) -> Self {
        Self { shadow: Some(yaml.to_owned()), ..self }
    }

    /// With meters that are kept in a file.
    #[must_use]
    pub fn kept_in(self, data: PathBuf) -> Self {
        Self { data: Some(data), ..self }
    }

    /// Builds it.
    pub async fn build(self) -> House {
        tls::install_default();
        let provider = Provider::start(self.script).await.unwrap();
        let text = configured(&self.yaml, &provider.base_url());
        let secrets = |name: &str| (name == "SIM_KEY").then(|| PROVIDER_KEY.to_owned());
        let config = tollgate_config::parse("test.yaml", &text, &secrets)
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let (clock, hand) = match self.clock {
            Some(now) => {
                let (clock, hand) = Clock::manual(now);
                (clock, Some(hand))
            }
            None => (Clock::system(), None),
        };
        assert!(matches!(config.data, Data::Memory), "say where to keep meters with `kept_in`");
        let (meters, issued, owners) = kept(self.data.as_deref(), clock);
        let accounts: Vec<_> = config.upstreams.iter().map(account).collect();
        let first_byte = duration(config.timeouts.first_byte);
        let timeouts = Timeouts { connect: Duration::from_secs(5), first_byte };
        let (draining, tasks) = (Draining::new(), Tasks::new());
        let metrics = Arc::new(Metrics::new());
        let gateway = Gateway::new(Parts {
            live: Live {
                upstreams: Upstreams::new(&accounts, timeouts).unwrap(),
                bounds: Bounds {
                    body_bytes_max: config.max_body,
                    body: config.timeouts.body,
                    first_byte: config.timeouts.first_byte,
                    idle: config.timeouts.idle,
                },
                webhook: None,
                routing: config.routing,
                cache: config.cache,
                issuers: Issuers::new(config.issuers, &metrics, None).unwrap(),
                policy: Policy::new(config.settings),
            },
            crew: Crew::start(NonZeroUsize::MIN, NonZeroUsize::new(64).unwrap()).unwrap(),
            meters: meters.clone(),
            issued,
            owners,
            answers: config.cache.map(|cache| {
                let bounds = AnswerBounds { bytes_max: cache.bytes, ttl: cache.ttl };
                Answers::in_memory(bounds, meters.clock().clone()).unwrap()
            }),
            tasks: tasks.clone(),
            metrics,
            shadow: self.shadow.as_deref().map(|yaml| shadow(yaml, &provider, meters.clock())),
            loopback: true,
            draining: draining.clone(),
            seed: 7,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let door = gateway.clone();
        let server = Server::new(listener, draining.clone(), tasks.clone());
        tasks.spawn(server.run(move |request, peer: Peer| door.clone().answer(request, peer.addr)));
        House { provider, gateway, meters, hand, addr, accounts, timeouts, draining, tasks }
    }
}

impl House {
    /// A house with the policy of `yaml` and a provider that does what `script` says.
    pub async fn new(yaml: &str, script: Script) -> Self {
        Plot::new(yaml).script(script).build().await
    }

    /// A caller who presents `key`; without one, an anonymous caller.
    pub fn caller(&self, key: Option<&str>) -> Caller {
        Caller::new(self.addr, key)
    }

    /// Puts the same configuration in force with another key of all accounts.
    pub fn replace_key(&self, key: &str) {
        let before = self.gateway.live();
        let with_key = |account: &Account| {
            let api_key = Some(key.to_owned().into());
            Account { api_key, ..account.clone() }
        };
        let accounts: Vec<_> = self.accounts.iter().map(with_key).collect();
        self.gateway.replace(Live {
            policy: before.policy.clone(),
            issuers: Issuers::default(),
            upstreams: Upstreams::new(&accounts, self.timeouts).unwrap(),
            bounds: before.bounds,
            webhook: None,
            routing: before.routing,
            cache: before.cache,
        });
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Begins to drain: no new requests, running ones finish.
    pub fn drain(&self) {
        self.draining.begin();
    }

    /// Accepts nobody any more, and waits until nothing runs, at most `patience`; whether that was
    /// so.
    pub async fn finished(&self, patience: Duration) -> bool {
        self.draining.end();
        self.tasks.drain(patience).await
    }

    /// Waits until no reservation is held. Ends of requests are booked when bodies are dropped,
    /// which may be a moment after the caller has read the last byte.
    pub async fn settled(&self) {
        while self.meters.books().held_count > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Moves the standing clock on.
    pub fn wait(&self, span: Span) {
        self.hand.as_ref().expect("the clock runs by itself").advance(span);
    }

    /// The row of `GET /v1/limits` whose limit begins with `limit`: (used, held).
    pub async fn standing(&self, caller: &Caller, limit: &str) -> (u64, u64) {
        let rows = caller.get("/v1/limits").await.json();
        let rows = rows["limits"].as_array().unwrap();
        let row = rows.iter().find(|row| row["limit"].as_str().unwrap().starts_with(limit));
        let row = row.unwrap_or_else(|| panic!("no limit {limit} in {rows:?}"));
        (row["used"].as_u64().unwrap(), row["held"].as_u64().unwrap())
    }
}

fn shadow(yaml: &str, provider: &Provider, clock: &Clock) -> Shadow {
    let text = configured(yaml, &provider.base_url());
    let secrets = |name: &str| (name == "SIM_KEY").then(|| PROVIDER_KEY.to_owned());
    let config = tollgate_config::parse("shadow.yaml", &text, &secrets)
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Shadow::new(Policy::new(config.settings), clock.clone())
}

/// What the provider is sent in place of the caller's key.
pub const PROVIDER_KEY: &str = "sk-provider-secret-0001";

/// What a gateway keeps, in files beside `data` or until it ends.
fn kept(data: Option<&Path>, clock: Clock) -> (Arc<Memory>, Issued, Owners) {
    let (meters, registry, owners) = match data {
        Some(path) => (
            Memory::open(path, clock.clone(), |_| {}).unwrap(),
            Registry::open(&path.with_extension("registry.db")),
            Owners::open(&path.with_extension("owners.db"), clock),
        ),
        None => (Memory::new(clock.clone()), Registry::in_memory(), Owners::in_memory(clock)),
    };
    let issued = Issued::load(registry.unwrap(), meters.clock().now()).unwrap();
    (meters, issued, owners.unwrap())
}

fn account(upstream: &UpstreamConfig) -> Account {
    Account {
        name: upstream.name.clone(),
        base_url: upstream.base_url.clone(),
        protocol: upstream.protocol,
        // As at its own host, which no test asks.
        dialect: match &*upstream.name {
            "openai" => dialect_of("openai", "api.openai.com"),
            _ => upstream.dialect(),
        },
        azure: upstream.azure.clone(),
        api_key: upstream.api_key.clone(),
    }
}

fn duration(span: Span) -> Duration {
    Duration::from_millis(span.as_millis())
}

fn configured(yaml: &str, base_url: &str) -> String {
    let mut text = format!(
        "data: \":memory:\"\nproviders:\n  sim:\n    kind: openai\n    base_url: {base_url}\n    \
         api_key: ${{SIM_KEY}}\n"
    );
    // A test that is not about retries sees each request once, and whatever fails.
    let says = |section: &str| yaml.lines().any(|line| line.starts_with(section));
    if !says("retry:") {
        text.insert_str(0, "retry: {attempts: 1}\n");
    }
    if !says("breaker:") {
        text.insert_str(0, "breaker: {failures: 1000, error_rate: 100%}\n");
    }
    let root = base_url.trim_end_matches("/v1");
    let others: Vec<_> = OTHERS.iter().filter(|other| yaml.contains(other.sign)).collect();
    for Other { name, kind, path, .. } in &others {
        let account = format!(
            "  {name}:\n    kind: {kind}\n    base_url: {root}{path}\n    \
             api_key: ${{SIM_KEY}}\n    on_disconnect: cancel\n"
        );
        text.push_str(&account);
    }
    if !yaml.contains("\nmodels:") && !yaml.starts_with("models:") {
        text.push_str("models:\n  gpt-4o-mini: {serve: [sim/gpt-4o-mini]}\n");
        text.push_str("  gpt-4o: {serve: [sim/gpt-4o]}\n");
        for Other { name, models, .. } in others {
            let models = models.iter();
            text.extend(models.map(|(model, it)| format!("  {model}: {{serve: [{name}/{it}]}}\n")));
        }
    }
    text.push_str(yaml);
    text
}

/// Another account at the same provider, added where the policy speaks of `sign`, and the models
/// that it serves.
struct Other {
    sign: &'static str,
    name: &'static str,
    kind: &'static str,
    path: &'static str,
    models: &'static [(&'static str, &'static str)],
}

const OTHERS: [Other; 4] = [
    Other {
        sign: "claude",
        name: "claude",
        kind: "anthropic",
        path: "/v1",
        models: &[("claude-haiku-4-5", "claude-haiku-4-5")],
    },
    Other {
        sign: "command-a",
        name: "cohere",
        kind: "cohere",
        path: "/v2",
        models: &[
            ("command-a", "command-a-03-2025"),
            ("embed-v4.0", "embed-v4.0"),
            ("rerank-v3.5", "rerank-v3.5"),
        ],
    },
    Other {
        sign: "gemini-2.5-flash",
        name: "gemini",
        kind: "gemini",
        path: "/v1beta",
        models: &[("gemini-2.5-flash", "gemini-2.5-flash"), ("quick", "gemini-2.5-flash-lite")],
    },
    Other {
        sign: "azure-4o",
        name: "azure",
        kind: "azure-openai",
        path: "",
        models: &[("azure-4o", "gpt-4o")],
    },
];
