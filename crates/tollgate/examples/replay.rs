//! Replays real traces, compressed in time, through the release binary, and checks from outside
//! that its limits held in every window. `just replay` runs it.
//!
//! A scripted provider stands behind the gateway and counts as it does; callers are drawn by seed.
//! The three samples of the repository are replayed, or every `*.csv` of `--traces DIR`: columns
//! time (milliseconds, or a date with a time), then anything, then input and output tokens.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "an example prints figures for people"
)]

#[path = "../tests/outside/mod.rs"]
mod outside;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use jiff::civil::DateTime;
use outside::{replay::replay, traffic::Plan};
use tollgate_sim::traces::{Arrival, Trace};
use tollgate_units::{Span, Tokens};

/// A trace with its name.
type Named = (String, Vec<Arrival>);

#[derive(Debug, Parser)]
struct Arguments {
    /// The binary under test.
    #[arg(long, default_value = "target/release/tollgate")]
    binary: PathBuf,
    /// A directory with whole traces, instead of the samples.
    #[arg(long)]
    traces: Option<PathBuf>,
    /// How long each replay takes, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The window of every limit, in seconds.
    #[arg(long, default_value_t = 2)]
    window: u64,
    /// How many callers there are.
    #[arg(long, default_value_t = 50)]
    callers: usize,
    /// Of how many requests in a thousand the provider reports more than was reserved.
    #[arg(long, default_value_t = 0)]
    lies: u64,
    /// The seed of callers, caps and lies.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<ExitCode, String> {
    let arguments = Arguments::parse();
    let traces = match &arguments.traces {
        Some(directory) => files(directory)?,
        None => samples(),
    };
    println!(
        "{} callers by Zipf, seed {}; {} s each, windows of {} s; half of the requests without a \
         cap, half streamed\n",
        arguments.callers, arguments.seed, arguments.seconds, arguments.window
    );
    let mut code = ExitCode::SUCCESS;
    for (name, arrivals) in traces {
        let plan = Plan {
            name,
            arrivals,
            callers: arguments.callers,
            lies: arguments.lies,
            seed: arguments.seed,
            lasts: Span::from_secs(arguments.seconds),
            window: Span::from_secs(arguments.window),
        };
        let scratch = Scratch::new(&plan.name)?;
        let report = replay(&arguments.binary, &scratch.0, &plan).await?;
        println!("{report}");
        for complaint in report.complaints() {
            println!("  NOT AS PROMISED   {complaint}");
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

fn samples() -> Vec<Named> {
    let named = [
        ("azure-code (sample)", Trace::Code),
        ("azure-conversation (sample)", Trace::Conversation),
        ("mooncake-conversation (sample)", Trace::LongConversation),
    ];
    named.map(|(name, trace)| (name.to_owned(), trace.arrivals().collect())).to_vec()
}

fn files(directory: &Path) -> Result<Vec<Named>, String> {
    let failed = |error| format!("{}: {error}", directory.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Named, String> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let (mut rows, mut first) = (Vec::new(), None);
    for (line, row) in (1..).zip(text.lines()).skip(1) {
        let (at, input, output) = columns(row).ok_or(format!("{name}:{line}: {row}"))?;
        let at = at.saturating_sub(*first.get_or_insert(at));
        let (at, input, output) = (Span::from_millis(at), Tokens::new(input), Tokens::new(output));
        rows.push(Arrival { at, input, output });
    }
    rows.sort_by_key(|row| row.at);
    Ok((name, rows))
}

/// The time in milliseconds, input and output.
fn columns(row: &str) -> Option<(u64, u64, u64)> {
    let columns: Vec<_> = row.split(',').collect();
    let [at, .., input, output] = columns.as_slice() else { return None };
    let at = at.parse().ok().or_else(|| {
        let since =
            at.parse::<DateTime>().ok()?.duration_since(DateTime::constant(2000, 1, 1, 0, 0, 0, 0));
        u64::try_from(since.as_millis()).ok()
    });
    Some((at?, input.parse().ok()?, output.trim().parse().ok()?))
}

/// A directory of its own, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!(
            "tollgate-replay-{}-{}",
            std::process::id(),
            name.replace(' ', "-")
        ));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind in the temporary directory hurts nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
