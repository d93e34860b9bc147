//! `tollgate serve`: run the gateway until it is told to stop, then let running answers finish.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tollgate_config::Config;
use tollgate_gateway::telemetry::{Metrics, StoreOp};
use tollgate_store::JournalEvent;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use crate::reload::{Versions, versions};
use crate::wiring::{Running, Watched, environment, start};
use crate::{Complaint, terminal};

/// The configuration that is read where none is named.
pub(crate) const USUAL_CONFIG: &str = "tollgate.yaml";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration. Without one, and without a tollgate.yaml here, the providers whose keys
    /// are in the environment are served on loopback under a small built-in policy.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A second configuration whose policy is watched beside the one in force: what it would refuse
    /// is counted in the metrics, and nobody is refused by it.
    #[arg(long, value_name = "FILE")]
    shadow: Option<PathBuf>,
    /// How long running answers may go on after SIGTERM or Ctrl-C, in seconds. A second more is
    /// left for their last bytes.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
    /// How the log is written.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
    /// How many threads serve requests; by default one for each processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Text,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    let _written_at_the_end = log_to_stderr(arguments.log);
    // Before they are read: a file that is replaced from now on is read again.
    let usual = arguments.config.as_deref().unwrap_or(Path::new(USUAL_CONFIG));
    let read = versions(Some(usual), arguments.shadow.as_deref());
    let config = configuration(arguments.config.as_deref())?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = arguments.threads {
        builder.worker_threads(threads.max(1));
    }
    let runtime = builder.enable_all().build().map_err(|error| format!("no runtime: {error}"))?;
    let watched = match &arguments.shadow {
        Some(file) => {
            let config = configuration(Some(file))?;
            Some(Watched { file: file.clone(), config })
        }
        None => None,
    };
    runtime.block_on(serve(config, watched, read, Duration::from_secs(arguments.drain)))
}

async fn serve(
    config: Config,
    watched: Option<Watched>,
    read: Versions,
    patience: Duration,
) -> Result<(), Complaint> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let mut stop = Stop::listen()?;
    // Also where there is no file to read again: a terminal that closes must not cut everybody's
    // streams.
    let hangup = listen(SignalKind::hangup())?;
    let running = start(config, watched).await?;
    running.watch(read, hangup);
    terminal::complain(&format!("listening on {scheme}://{}", running.listen));
    terminal::complain(&format!("admin on http://{}", running.admin));
    stop.asked().await;
    tracing::info!(?patience, "stopping: running answers may finish");
    tokio::select! {
        stopped = stopped(running, patience) => stopped,
        () = stop.asked() => Err("stopped at once: asked a second time".to_owned()),
    }
}

async fn stopped(running: Running, patience: Duration) -> Result<(), Complaint> {
    if !running.stop(patience).await? {
        tracing::warn!("some answers were cut off, and settled by what had flowed");
    }
    tracing::info!("stopped; everything is written down");
    Ok(())
}

/// The configuration as far as it says where the admin plane is. The shell that asks need not know
/// the secrets of the gateway: whatever is not in its environment stands for itself.
pub(crate) fn configuration_for_reach(file: &Path) -> Result<Config, Complaint> {
    if !file.exists() {
        return configuration(Some(file));
    }
    let lenient =
        |name: &str| environment(name).or_else(|| Some(format!("not-in-this-environment:{name}")));
    tollgate_config::load(file, &lenient).map_err(|wrong| wrong.to_string())
}

/// The configuration to serve: the named file, else the usual one, else what the environment gives.
pub(crate) fn configuration(named: Option<&Path>) -> Result<Config, Complaint> {
    let usual = Path::new(USUAL_CONFIG);
    let is_named = named.is_some_and(|file| file != usual);
    let file = named.unwrap_or(usual);
    if is_named || file.exists() {
        return tollgate_config::load(file, &environment).map_err(|wrong| wrong.to_string());
    }
    tollgate_config::built_in(&environment).ok_or_else(|| {
        format!(
            "there is no {USUAL_CONFIG} here and no OPENAI_API_KEY or ANTHROPIC_API_KEY in the \
             environment. Name a configuration with --config, set a key, or see `tollgate demo`."
        )
    })
}

/// What the journal has to say, for operators.
pub(crate) fn report(metrics: &Arc<Metrics>, event: JournalEvent) {
    match event {
        JournalEvent::Failed(trouble) => {
            metrics.store_failed(StoreOp::Commit);
            tracing::error!(%trouble, "the journal cannot be written; nothing is forgotten yet");
        }
        JournalEvent::Flushed { took, .. } => metrics.store_took(StoreOp::Commit, took),
        JournalEvent::Recovered => tracing::warn!("the journal is written again"),
    }
}

/// Being asked to stop: SIGTERM, or Ctrl-C.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

fn listen(kind: SignalKind) -> Result<Signal, Complaint> {
    signal(kind).map_err(|error| format!("no signals: {error}"))
}

impl Stop {
    fn listen() -> Result<Self, Complaint> {
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Lines go through a thread of their own, because a request must not wait for whoever reads the
/// log. What is still on its way is written when the guard is dropped.
fn log_to_stderr(format: LogFormat) -> WorkerGuard {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
    guard
}
