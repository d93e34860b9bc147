//! Running other programs, with a heading before and the time after.
//!
//! A step that fails ends the task at once: the last thing on the screen is the reason. Output goes
//! straight through, except where the caller wants to read it as well.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Why a task ended early, in words for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    pub(crate) fn at(path: &Path, error: &io::Error) -> Self {
        Self(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One step of a task: says its name, does it, says how long it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let start = Instant::now();
    eprintln!("\n==> {name}");
    let result = work();
    let verdict = if result.is_ok() { "ok" } else { "FAILED" };
    eprintln!("<== {name}: {verdict}, {:.1} s", start.elapsed().as_secs_f32());
    result
}

/// Runs to the end, or fails with the command line.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    if succeeds(command)? {
        Ok(())
    } else {
        Err(Failure::new(format!("failed: {}", line_of(command))))
    }
}

/// Runs to the end and says whether it went well; an error if it could not be started.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool, Failure> {
    let status = command.status();
    status
        .map(|status| status.success())
        .map_err(|error| Failure::new(format!("cannot start {}: {error}", line_of(command))))
}

/// Whether a program of this name answers to `--version`.
pub(crate) fn is_there(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs to the end, passing every line of output on and showing it to `read` as well. Every exit
/// code but those of `fine` is a failure.
pub(crate) fn run_reading(
    command: &mut Command,
    fine: &[i32],
    mut read: impl FnMut(&str),
) -> Result<(), Failure> {
    let name = line_of(command);
    let failed = |error: io::Error| Failure::new(format!("{name}: {error}"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.map_err(failed)?;
            writeln!(io::stdout(), "{line}").map_err(failed)?;
            read(&line);
        }
    }
    let status = child.wait().map_err(failed)?;
    if status.code().is_some_and(|code| fine.contains(&code)) {
        Ok(())
    } else {
        Err(Failure::new(format!("failed, {status}: {name}")))
    }
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
