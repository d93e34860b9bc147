//! Load in streams: so many at once, so often, and how evenly their pieces arrive. And load at a
//! rate: whole answers, asked for by the clock.
//!
//! One line of JSON on standard output, times in microseconds. As many whole answers as there can
//! be are loaded with `wrk`; nothing at hand measures the gaps inside a stream, or asks by the
//! clock and counts from when it was due, so that what is held up is not asked less. One thread and
//! plain HTTP/1.1 connections, opened beforehand and kept, so that what is measured is the other
//! side. When it is wrong: pieces that arrive while this thread is busy are stamped late, so
//! compare with the same run straight at the provider.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Opens streams and times their pieces.
#[derive(Clone, Parser)]
struct Options {
    /// Where to post to: `http://127.0.0.1:8080/v1/chat/completions`
    url: Uri,
    /// What to send as a bearer
    #[arg(long, default_value = "anonymous")]
    key: String,
    /// The model to ask
    #[arg(long, default_value = "gpt-4.1-mini")]
    model: String,
    /// What to say to it
    #[arg(long, default_value = "Say something long.")]
    prompt: String,
    /// How many streams at once
    #[arg(long, default_value_t = 200)]
    streams: u32,
    /// How often each is repeated
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// The time over which the starts of a round are spread
    #[arg(long, default_value_t = 200)]
    spread_ms: u64,
    /// Ask for whole answers, this many milliseconds after the last was due
    #[arg(long)]
    every_ms: Option<u64>,
    /// The gap between pieces that the provider was told to keep
    #[arg(long, default_value_t = 5)]
    gap_ms: u64,
    /// Say `open` once every stream has its first byte, then wait for the end of standard input
    #[arg(long)]
    hold: bool,
}

type Failed = Box<dyn core::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even this cannot be written, the exit code still says it.
            let _ = writeln!(io::stderr(), "load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seen = runtime.block_on(load(options.clone()))?;
    if options.hold {
        return Ok(());
    }
    writeln!(io::stdout(), "{}", seen.to_json(options))?;
    Ok(())
}

async fn load(options: Options) -> Result<Seen, Failed> {
    if options.hold {
        return hold(&options).await;
    }
    let mut slots = Vec::new();
    for _ in 0..options.streams {
        slots.push(connect(&options).await?);
    }
    let mut running = JoinSet::new();
    for (sender, at) in slots.into_iter().zip(0..) {
        let delay = Duration::from_millis(options.spread_ms) * at / options.streams;
        running.spawn(repeat(options.clone(), sender, delay));
    }
    let mut all = Seen::default();
    while let Some(one) = running.join_next().await {
        all.add(one??);
    }
    Ok(all)
}

async fn connect(options: &Options) -> Result<SendRequest<Full<Bytes>>, Failed> {
    let host = options.url.authority().ok_or("the address has no host")?;
    let socket = TcpStream::connect(host.as_str()).await?;
    socket.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn repeat(
    options: Options,
    mut sender: SendRequest<Full<Bytes>>,
    delay: Duration,
) -> Result<Seen, Failed> {
    let mut due = Instant::now() + delay;
    tokio::time::sleep_until(due).await;
    let mut seen = Seen::default();
    for _ in 0..options.rounds {
        sender.ready().await?;
        let start = match options.every_ms {
            Some(every) => {
                tokio::time::sleep_until(due).await;
                let next = due + Duration::from_millis(every);
                std::mem::replace(&mut due, next)
            }
            None => Instant::now(),
        };
        seen.watch(&options, &mut sender, start).await?;
    }
    Ok(seen)
}

/// Opens all, and keeps them open without reading further than their first byte.
async fn hold(options: &Options) -> Result<Seen, Failed> {
    let mut open = Vec::new();
    for _ in 0..options.streams {
        let mut sender = connect(options).await?;
        let mut answer = sender.send_request(request(options)?).await?;
        if !answer.status().is_success() {
            return Err(format!("answered {}", answer.status()).into());
        }
        answer.frame().await.ok_or("a stream ended before its first byte")??;
        open.push((sender, answer));
    }
    writeln!(io::stdout(), "open")?;
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(Seen::default())
}

fn request(options: &Options) -> Result<Request<Full<Bytes>>, Failed> {
    let body = json!({
        "model": options.model,
        "stream": options.every_ms.is_none(),
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": options.prompt}],
    });
    let host = options.url.authority().map_or("", |authority| authority.as_str());
    let request = Request::post(options.url.path())
        .header("host", host)
        .header("authorization", format!("Bearer {}", options.key))
        .header("content-type", "application/json");
    Ok(request.body(Full::from(body.to_string()))?)
}

/// What was measured, in microseconds.
#[derive(Default)]
struct Seen {
    events: u64,
    first_bytes: Vec<u64>,
    gaps: Vec<u64>,
    totals: Vec<u64>,
}

impl Seen {
    /// One answer from when it was asked for, at `start`, to its end.
    async fn watch(
        &mut self,
        options: &Options,
        sender: &mut SendRequest<Full<Bytes>>,
        start: Instant,
    ) -> Result<(), Failed> {
        let mut answer = sender.send_request(request(options)?).await?;
        if !answer.status().is_success() {
            return Err(format!("answered {}", answer.status()).into());
        }
        let mut before: Option<Instant> = None;
        while let Some(frame) = answer.frame().await {
            let Ok(piece) = frame?.into_data() else { continue };
            let now = Instant::now();
            match before.replace(now) {
                None => self.first_bytes.push(micros(now - start)),
                Some(before) => self.gaps.push(micros(now - before)),
            }
            let events = memchr::memmem::find_iter(&piece, b"\n\n").count();
            self.events += events as u64;
            // Events that came together have no gap between them, and that counts as uneven.
            self.gaps.extend(std::iter::repeat_n(0, events.saturating_sub(1)));
        }
        self.totals.push(micros(start.elapsed()));
        Ok(())
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.first_bytes.extend(other.first_bytes);
        self.gaps.extend(other.gaps);
        self.totals.extend(other.totals);
    }

    fn to_json(&self, options: &Options) -> Value {
        let told = options.gap_ms.saturating_mul(1000);
        let off = self.gaps.iter().map(|gap| gap.abs_diff(told)).collect();
        json!({
            "streams": self.totals.len(),
            "events": self.events,
            "first_byte": spread(self.first_bytes.clone()),
            "total": spread(self.totals.clone()),
            "gap": spread(self.gaps.clone()),
            "gap_off": spread(off),
        })
    }
}

fn spread(mut times: Vec<u64>) -> Value {
    times.sort_unstable();
    let at = |percent: usize| {
        let last = times.len().saturating_sub(1);
        times.get(last * percent / 100).copied().unwrap_or_default()
    };
    let over_5_ms = times.iter().filter(|&&time| time > 5000).count();
    json!({
        "p50": at(50), "p90": at(90), "p99": at(99), "max": at(100), "over_5_ms": over_5_ms,
    })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
