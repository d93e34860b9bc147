//! From a configuration to a running gateway: the parts, made in order and put together.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tollgate_admin::{Admin, TOKEN_BYTES, Token};
use tollgate_config::{Config, Data};
use tollgate_gateway::crew::Crew;
use tollgate_gateway::server::{Draining, Server};
use tollgate_gateway::tasks::Tasks;
use tollgate_gateway::telemetry::Metrics;
use tollgate_gateway::upstream::{Account, Timeouts};
use tollgate_gateway::{
    AlertFormat, Bounds, Gateway, Issued, Issuers, Live, Parts, Shadow, Upstreams, Webhook, server,
    tls,
};
use tollgate_policy::Policy;
use tollgate_store::{
    AnswerBounds, Answers, Clock, JournalEvent, Memory, OpenError, Owners, Registry,
};
use tollgate_units::Span;

use crate::Complaint;
use crate::reload::{Reload, Versions, warn_of_stranded_keys};

/// The environment, as the configuration reads it.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the process itself")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A gateway that serves.
pub(crate) struct Running {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) reload: Arc<Reload>,
    draining: Draining,
    tasks: Tasks,
}

/// A second policy that is only watched, and the file it is in.
pub(crate) struct Watched {
    pub(crate) file: PathBuf,
    pub(crate) config: Config,
}

impl Watched {
    fn shadow(&self, clock: &Clock) -> Shadow {
        Shadow::new(Policy::new(self.config.settings.clone()), clock.clone())
    }
}

/// Starts everything that `config` describes, and watches a second policy where there is one.
/// Returns once both listeners accept.
pub(crate) async fn start(config: Config, watched: Option<Watched>) -> Result<Running, Complaint> {
    tls::install_default();
    let (draining, tasks) = (Draining::new(), Tasks::new());
    let metrics = Arc::new(Metrics::new());
    let (alarm, trouble) = watch::channel(None);
    let meters = open(&config.data, &metrics, alarm)?;
    let issued = issued(&config.data, meters.clock())?;
    let owners = owners(&config.data, meters.clock())?;
    let listener = bind("listen", config.listen)?;
    let admin_listener = bind("admin", config.admin)?;
    let (listen, admin) = (address(&listener)?, address(&admin_listener)?);
    let token = admin_token(&config)?;
    let tls = match &config.tls {
        Some(files) => Some(
            tls::server_config(&files.cert, &files.key).map_err(|error| format!("tls: {error}"))?,
        ),
        None => None,
    };
    let gateway = Gateway::new(Parts {
        live: live(&config, &metrics, None)?,
        crew: crew()?,
        loopback: listen.ip().is_loopback(),
        seed: seed()?,
        draining: draining.clone(),
        shadow: watched.as_ref().map(|watched| watched.shadow(meters.clock())),
        issued,
        owners,
        answers: answers(&config, meters.clock())?,
        tasks: tasks.clone(),
        meters,
        metrics,
    });
    let bounds =
        server::Bounds { header: duration(config.timeouts.header), ..server::Bounds::default() };
    let mut server = Server::new(listener, draining.clone(), tasks.clone()).with_bounds(bounds);
    if let Some(tls) = tls {
        server = server.with_tls(tls);
    }
    let door = gateway.clone();
    tasks.spawn(
        server.run(move |request, peer: server::Peer| door.clone().answer(request, peer.addr)),
    );
    tasks.spawn(tell_of_the_store(gateway.clone(), trouble, draining.clone()));
    let loopback = admin.ip().is_loopback();
    let watched = watched.map(|watched| watched.file);
    let reload = Reload::new(gateway.clone(), config, watched);
    warn_of_stranded_keys(&gateway);
    let router = tollgate_admin::router(Admin {
        gateway: gateway.clone(),
        token,
        loopback,
        configuration: Some(reload.clone()),
    });
    let server = Server::new(admin_listener, draining.clone(), tasks.clone());
    tasks.spawn(server.run(move |request, peer: server::Peer| {
        tollgate_admin::answer(router.clone(), request, peer.addr)
    }));
    Ok(Running { gateway, listen, admin, reload, draining, tasks })
}

impl Running {
    /// Watches the configuration's file, of which `read` was read, and obeys `hangup`.
    pub(crate) fn watch(&self, read: Versions, hangup: Signal) {
        self.tasks.spawn(self.reload.clone().watch(read, hangup, self.draining.clone()));
    }

    /// Stops taking requests, lets running ones finish for up to `patience`, and writes everything
    /// down. Whether all of them finished.
    pub(crate) async fn stop(self, patience: Duration) -> Result<bool, Complaint> {
        self.draining.begin();
        let ends = Instant::now() + patience;
        // While answers run, newcomers are told to come back.
        while self.gateway.is_busy() && Instant::now() < ends {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.draining.end();
        let rest = ends.saturating_duration_since(Instant::now()).max(LAST_BYTES);
        let finished = self.tasks.drain(rest).await;
        let meters = self.gateway.meters().clone();
        let gateway = self.gateway.clone();
        let closed = tokio::task::spawn_blocking(move || {
            if let Err(trouble) = gateway.issued().close() {
                tracing::warn!(%trouble, "the registry's log could not be folded away");
            }
            if let Err(trouble) = gateway.owners().close() {
                tracing::warn!(%trouble, "the latest owners of what is stored are not written");
            }
            meters.close()
        })
        .await;
        match closed {
            Ok(Ok(())) => Ok(finished),
            Ok(Err(error)) => Err(format!("what was used could not be written down: {error}")),
            Err(error) => Err(format!("the journal's last write broke: {error}")),
        }
    }
}

/// Tells operators when what is used cannot be written down, and when it is again.
async fn tell_of_the_store(
    gateway: Arc<Gateway>,
    mut trouble: watch::Receiver<Option<String>>,
    draining: Draining,
) {
    loop {
        tokio::select! {
            changed = trouble.changed() => if changed.is_err() { return },
            () = draining.begun() => return,
        }
        let why = trouble.borrow_and_update().clone();
        gateway.store_in_trouble(why.as_deref());
    }
}

fn open(
    data: &Data,
    metrics: &Arc<Metrics>,
    alarm: watch::Sender<Option<String>>,
) -> Result<Arc<Memory>, Complaint> {
    let Data::File(path) = data else {
        return Ok(Memory::new(Clock::system()));
    };
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        tracing::warn!(file = %path.display(), "the data file is empty: all counts from zero");
    }
    let metrics = metrics.clone();
    let report = move |event: JournalEvent| {
        match &event {
            JournalEvent::Failed(trouble) => {
                let _told_or_over = alarm.send(Some(trouble.to_string()));
            }
            JournalEvent::Recovered => {
                let _told_or_over = alarm.send(None);
            }
            JournalEvent::Flushed { .. } => {}
        }
        crate::serve::report(&metrics, event);
    };
    Memory::open(path, Clock::system(), report)
        .map_err(|error| format!("data: {}: {error}", path.display()))
}

/// What was issued and raised while a gateway ran. The meters' file is open by now, so nobody else
/// is at work beside it.
fn issued(data: &Data, clock: &Clock) -> Result<Issued, Complaint> {
    let registry = match data {
        Data::File(path) => Registry::open(&path.with_extension(REGISTRY)),
        Data::Memory => Registry::in_memory(),
    };
    let issued = registry.and_then(|registry| Issued::load(registry, clock.now()));
    issued.map_err(|error| format!("data: {error}"))
}

/// Whose it is, what providers store.
fn owners(data: &Data, clock: &Clock) -> Result<Owners, Complaint> {
    let owners = match data {
        Data::File(path) => Owners::open(&path.with_extension(OWNERS), clock.clone()),
        Data::Memory => Owners::in_memory(clock.clone()),
    };
    owners.map_err(|error| format!("data: {error}"))
}

/// The registry lies beside the data: `tollgate.registry.db`.
const REGISTRY: &str = "registry.db";
/// And so do the owners: `tollgate.owners.db`.
const OWNERS: &str = "owners.db";

fn bind(which: &str, to: SocketAddr) -> Result<TcpListener, Complaint> {
    let listen = || {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(to)?;
        // A crowd that arrives at once must not be sent away by the system to try a second later.
        socket.listen(BACKLOG)
    };
    listen().map_err(|error: io::Error| format!("{which}: {to}: {error}"))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Complaint> {
    listener.local_addr().map_err(|error| format!("no local address: {error}"))
}

/// What `config` puts in force; accounts and issuers that are as they were `before` keep their
/// connections and keys.
pub(crate) fn live(
    config: &Config,
    metrics: &Arc<Metrics>,
    before: Option<&Live>,
) -> Result<Live, Complaint> {
    Ok(Live {
        upstreams: upstreams(config, before.map(|before| &before.upstreams))?,
        bounds: Bounds {
            body_bytes_max: config.max_body,
            body: config.timeouts.body,
            first_byte: config.timeouts.first_byte,
            idle: config.timeouts.idle,
        },
        policy: Policy::new(config.settings.clone()),
        webhook: webhook(config)?,
        routing: config.routing,
        cache: config.cache,
        issuers: Issuers::new(
            config.issuers.clone(),
            metrics,
            before.map(|before| &before.issuers),
        )
        .map_err(|error| format!("jwt: {error}"))?,
    })
}

/// The answers that are kept, beside the data.
fn answers(config: &Config, clock: &Clock) -> Result<Option<Answers>, Complaint> {
    let Some(cache) = config.cache else {
        return Ok(None);
    };
    let bounds = AnswerBounds { bytes_max: cache.bytes, ttl: cache.ttl };
    let opened = match &config.data {
        Data::File(path) => {
            let path = path.with_extension("answers.db");
            match Answers::open(&path, bounds, clock.clone()) {
                // Any of them may be gone at any time; no start should fail for it.
                Err(OpenError::Corrupt { detail, .. }) => {
                    tracing::error!(detail, path = %path.display(), "kept answers are damaged: \
                        they are set aside, and none is kept from before");
                    set_aside(&path).map_err(|error| format!("kept answers: {error}"))?;
                    Answers::open(&path, bounds, clock.clone())
                }
                opened => opened,
            }
        }
        Data::Memory => Answers::in_memory(bounds, clock.clone()),
    };
    opened.map(Some).map_err(|error| format!("kept answers: {error}"))
}

/// Renames a damaged database, and the log that belongs to it.
fn set_aside(path: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let beside = |more: &str| PathBuf::from(format!("{}{ending}{more}", path.display()));
        match fs::rename(beside(""), beside(".damaged")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
    }
    Ok(())
}

fn webhook(config: &Config) -> Result<Option<Arc<Webhook>>, Complaint> {
    let Some(alerts) = &config.alerts else {
        return Ok(None);
    };
    let url = alerts.webhook.parse().map_err(|error| format!("alerts: webhook: {error}"))?;
    let format = match alerts.format {
        tollgate_config::AlertFormat::Slack => AlertFormat::Slack,
        tollgate_config::AlertFormat::Plain => AlertFormat::Plain,
    };
    Webhook::new(url, alerts.secret.as_ref(), alerts.allow_private, format)
        .map(Some)
        .map_err(|error| format!("alerts: {error}"))
}

fn upstreams(config: &Config, before: Option<&Upstreams>) -> Result<Upstreams, Complaint> {
    let accounts: Vec<_> = config
        .upstreams
        .iter()
        .map(|upstream| Account {
            name: upstream.name.clone(),
            base_url: upstream.base_url.clone(),
            protocol: upstream.protocol,
            dialect: upstream.dialect(),
            azure: upstream.azure.clone(),
            api_key: upstream.api_key.clone(),
        })
        .collect();
    let timeouts = Timeouts { connect: CONNECT, first_byte: duration(config.timeouts.first_byte) };
    let made = match before {
        Some(before) => before.renewed(&accounts, timeouts),
        None => Upstreams::new(&accounts, timeouts),
    };
    made.map_err(|error| error.to_string())
}

fn crew() -> Result<Crew, Complaint> {
    Crew::start(Crew::size_for_machine(), CREW_BACKLOG_MAX)
        .map_err(|error| format!("no thread for counting: {error}"))
}

fn seed() -> Result<u64, Complaint> {
    getrandom::u64().map_err(|error| format!("no random bytes: {error}"))
}

fn duration(span: Span) -> Duration {
    Duration::from_millis(span.as_millis())
}

/// The admin token that the configuration names.
pub(crate) fn configured_token(config: &Config) -> Option<String> {
    config.admin_token.as_ref().map(|token| token.expose_secret().to_owned())
}

/// Where the gateway keeps the token that it made itself: beside its data.
pub(crate) fn token_file(data: &Data) -> PathBuf {
    match data {
        Data::File(path) => path.with_extension("admin-token"),
        Data::Memory => PathBuf::from("tollgate.admin-token"),
    }
}

/// The configured token, else the one kept beside the data, else a new one that is kept there.
fn admin_token(config: &Config) -> Result<Token, Complaint> {
    if let Some(token) = configured_token(config) {
        return Ok(Token::new(token));
    }
    let file = token_file(&config.data);
    match fs::read_to_string(&file) {
        Ok(token) if !token.trim().is_empty() => return Ok(Token::new(token.trim().to_owned())),
        Ok(_) | Err(_) => {}
    }
    let mut random = [0; TOKEN_BYTES];
    getrandom::fill(&mut random).map_err(|error| format!("no random bytes: {error}"))?;
    let token = Token::from_random(random);
    keep(&file, token.expose()).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(token)
}

/// Written so that nobody but its owner can read it, from the first byte on.
fn keep(file: &Path, token: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    // An empty file that was there before keeps its own mode.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(token.as_bytes())?;
    file.write_all(b"\n")
}

/// How often a drain looks whether answers still run.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For what is on its way to callers when the patience is over.
const LAST_BYTES: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_secs(5);
/// Connections that the system has accepted and the gateway not yet.
const BACKLOG: u32 = 4096;
const CREW_BACKLOG_MAX: NonZeroUsize = NonZeroUsize::new(64).unwrap();
