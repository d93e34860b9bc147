//! How much memory a million subjects need: `cargo run --release --example footprint` (Linux).
//!
//! Each row is a process of its own, so that no row inherits what another has freed.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use tollgate_limits::{Charge, Charges, Demand, MeterId, Rule, Stretch};
use tollgate_store::{Clock, Memory, Reservation};
use tollgate_units::{Amount, Span, Timestamp};

const SUBJECTS: u64 = 1_000_000;
const ROWS: [&str; 3] = ["settled", "streaming", "journaled"];

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1) {
        None => ROWS.iter().try_for_each(|row| in_a_process(row)),
        Some(row) => measure(&row),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "footprint: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn in_a_process(row: &str) -> Result<(), Box<dyn Error>> {
    let status = Command::new(std::env::current_exe()?).arg(row).status()?;
    if status.success() { Ok(()) } else { Err(format!("{row}: {status}").into()) }
}

/// One request of each subject: a sliding minute, a calendar month, and streams at once.
fn measure(row: &str) -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("tollgate-footprint-{}", std::process::id()));
    let before = resident()?;
    let store =
        if row == "journaled" { journaled(&directory)? } else { Memory::new(Clock::system()) };
    let mut held: Vec<Reservation> = Vec::new();
    for subject in 0..SUBJECTS {
        let reservation =
            store.reserve(request(subject)?).map_err(|denied| format!("refused: {denied:?}"))?;
        if row == "streaming" && subject % 100 == 0 {
            held.push(reservation);
        } else {
            reservation.settle(&[Amount::ONE; 3]);
        }
    }
    let grown = resident()? - before;
    let stop = std::time::Instant::now();
    store.close()?;
    writeln!(
        std::io::stdout(),
        "{row:<10} {SUBJECTS} subjects, {} meters, {} reservations held: {} MB, closed in {:?}",
        store.meters(),
        held.len(),
        grown / 1_000_000,
        stop.elapsed()
    )?;
    if directory.exists() {
        let file = directory.join("meters.db");
        let megabytes = std::fs::metadata(&file)?.len() / 1_000_000;
        drop(held);
        drop(store);
        let start = std::time::Instant::now();
        let again = open(&file)?;
        let took = start.elapsed();
        writeln!(
            std::io::stdout(),
            "           a file of {megabytes} MB, opened in {took:?} with {} meters",
            again.meters()
        )?;
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(())
}

fn journaled(directory: &PathBuf) -> Result<Arc<Memory>, Box<dyn Error>> {
    std::fs::create_dir_all(directory)?;
    open(&directory.join("meters.db"))
}

fn open(file: &std::path::Path) -> Result<Arc<Memory>, Box<dyn Error>> {
    Ok(Memory::open(file, Clock::system(), |_| ())?)
}

fn request(subject: u64) -> Result<Charges, Box<dyn Error>> {
    let most = Amount::new(1000);
    // An hour's window where the table says a minute: all must be live until the last has come.
    let rules = [
        Rule::Sliding { most, window: Span::from_secs(3600) },
        Rule::Calendar { most, turns: [Timestamp::EPOCH, year(3000), year(4000)] },
        Rule::AtOnce { most, lease: Span::MAX },
    ];
    let list = rules.into_iter().zip(0..).map(|(rule, limit)| Charge {
        meter: meter(subject * 3 + limit),
        rule,
        demand: Demand::exactly(Amount::ONE),
    });
    Ok(Charges::new(list.collect(), Stretch::exactly(0))?)
}

const fn year(year: u64) -> Timestamp {
    Timestamp::from_millis((year - 1970) * 365 * 86_400_000)
}

/// Spread over all bits, as hashes are (the finish of `SplitMix64`, twice).
fn meter(number: u64) -> MeterId {
    let mixed = |number: u64| {
        let mut bits = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    };
    MeterId::new(u128::from(mixed(number)) << 64 | u128::from(mixed(!number)))
}

/// Bytes of this process that are in memory.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kilobytes * 1024)
}
