//! The scripted provider as a process of its own: for clients in other languages and for load.
//!
//! Prints `listening on http://127.0.0.1:PORT` once it is, then, with `--ledger`, a line of JSON
//! for each request that has ended. It runs until it is killed.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Parser;
use tokio::net::TcpListener;
use tollgate_sim::provider::{Act, Allowance, Fault, Mixture, Provider, Script, Seen, Style};
use tollgate_units::{Span, Tokens};

/// A scripted OpenAI-protocol provider on the loopback interface.
///
/// Single requests ask for something else with markers in the prompt: `[[tokens:500]]`,
/// `[[fault:reset]]`, `[[gap_ms:5]]`, `[[hold:3]]` … (`POST /_sim/release` lets those go on).
/// `GET /_sim/counters` and `GET /_sim/seen` are the books.
#[derive(Parser)]
struct Options {
    /// Port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Tokens of each answer, where the request does not cap them
    #[arg(long, default_value_t = 20)]
    tokens: u64,
    /// Milliseconds between two tokens
    #[arg(long, default_value_t = 0)]
    gap_ms: u64,
    /// Milliseconds until the head of an answer
    #[arg(long, default_value_t = 0)]
    first_byte_ms: u64,
    /// Bytes that go out at a time; whole events otherwise
    #[arg(long)]
    packet: Option<usize>,
    /// A share of a thousand requests that fail so: `reset=10`, `rate_limit=50`, `500=5`
    #[arg(long, value_name = "FAULT=SHARE", value_parser = share)]
    fault: Vec<(Fault, u64)>,
    /// Where the dice for faults begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests a minute that the account has
    #[arg(long, requires = "tokens_per_minute")]
    requests_per_minute: Option<u64>,
    /// Tokens a minute that the account has
    #[arg(long, requires = "requests_per_minute")]
    tokens_per_minute: Option<u64>,
    /// Answer every POST with the same JSON of about so many bytes, as fast as can be
    #[arg(long, value_name = "BYTES")]
    fixed: Option<usize>,
    /// Print a line of JSON for each request that has ended
    #[arg(long)]
    ledger: bool,
    /// Keep counters only: for long runs
    #[arg(long)]
    forget: bool,
    /// Threads to serve with
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even this cannot be written, the exit code still says it.
            let _ = writeln!(io::stderr(), "provider: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let threads = options.threads.get();
    let runtime = if threads == 1 {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads).enable_all().build()?
    };
    runtime.block_on(async {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, options.port)).await?;
        let provider = Provider::serve(listener, script(options))?;
        say(&format!("listening on http://{}", provider.addr()))?;
        std::future::pending().await
    })
}

fn script(options: &Options) -> Script {
    if let Some(bytes) = options.fixed {
        return Script::fixed(fixed(bytes));
    }
    let mut script = Script::of(Act {
        first_byte: Span::from_millis(options.first_byte_ms),
        gap: Span::from_millis(options.gap_ms),
        packet: options.packet,
        ..Act::tokens(options.tokens)
    });
    if !options.fault.is_empty() {
        script = script.mixed(Mixture { seed: options.seed, shares: options.fault.clone() });
    }
    if let (Some(requests), Some(tokens)) = (options.requests_per_minute, options.tokens_per_minute)
    {
        script = script.within(Allowance {
            requests,
            tokens: Tokens::new(tokens),
            style: Style::OpenAi,
        });
    }
    if options.forget {
        script = script.forgetting();
    }
    if options.ledger {
        script = script.on_end(line);
    }
    script
}

fn line(seen: &Seen) {
    // A reader that has gone away wants no more lines.
    let _ = say(&seen.to_json().to_string());
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A chat completion of about `bytes` bytes, with usage.
fn fixed(bytes: usize) -> String {
    let content = "a".repeat(bytes.saturating_sub(FIXED_REST));
    let message = serde_json::json!({"role": "assistant", "content": content, "refusal": null});
    let choice = serde_json::json!(
        {"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}
    );
    let body = serde_json::json!({
        "id": "chatcmpl-sim000000",
        "object": "chat.completion",
        "created": 1_767_225_600,
        "model": "gpt-4o-mini",
        "choices": [choice],
        "usage": {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40},
        "service_tier": "default",
        "system_fingerprint": "fp_sim01",
    });
    body.to_string()
}

/// How many bytes a chat completion has around its content.
const FIXED_REST: usize = 350;

fn share(text: &str) -> Result<(Fault, u64), String> {
    let (name, share) = text.split_once('=').ok_or("expected FAULT=SHARE")?;
    let fault = Fault::named(name).ok_or_else(|| format!("no fault is called {name:?}"))?;
    Ok((fault, share.parse().map_err(|_| "expected a share of a thousand")?))
}
