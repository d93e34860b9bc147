//! What CI runs, in order: the cheap checks first, and the number of tests as the last line.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::e2e::{cargo, number_before, run_clients};
use crate::shell::{Failure, is_there, run, run_reading, step, succeeds};
use crate::{fuzz, tidy};

/// Everything that needs no test to run.
pub(crate) fn lint(root: &Path) -> Result<(), Failure> {
    step("format", || run(cargo(root).args(["fmt", "--all", "--check"])))?;
    step("tidy", || tidy::report(root))?;
    step("clippy", || {
        let scope = ["clippy", "--workspace", "--all-targets", "--locked"];
        run(cargo(root).args(scope).args(["--", "-D", "warnings"]))
    })?;
    step("docs", || {
        let mut doc = cargo(root);
        doc.args(["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
        run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("licences, bans, sources", || deny(root))
}

/// Hostile bytes for what reads them, for so many seconds.
pub(crate) fn fuzz(root: &Path, seconds: u32) -> Result<(), Failure> {
    step("fuzz", || fuzz::fuzz(root, seconds))
}

/// `cargo test`, then the clients; the last line counts both in cargo's own words.
pub(crate) fn test(root: &Path) -> Result<(), Failure> {
    let start = Instant::now();
    let (mut passed, mut ignored) = (0, 0);
    step("cargo test", || {
        let mut command = cargo(root);
        command.args(["test", "--workspace", "--locked"]);
        run_reading(&mut command, &[0], |line| {
            if line.starts_with("test result: ") {
                passed += number_before(line, " passed");
                ignored += number_before(line, " ignored");
            }
        })
    })?;
    passed += step("official clients", || run_clients(root, None))?;
    let seconds = start.elapsed().as_secs_f32();
    let line = format!(
        "test result: ok. {passed} passed; 0 failed; {ignored} ignored; 0 measured; \
         0 filtered out; finished in {seconds:.2}s"
    );
    writeln!(io::stdout(), "\n{line}").map_err(|error| Failure::new(error.to_string()))
}

/// Only the clients.
pub(crate) fn e2e(root: &Path, name: Option<&str>) -> Result<(), Failure> {
    step("official clients", || run_clients(root, name)).map(drop)
}

fn deny(root: &Path) -> Result<(), Failure> {
    let program = install_deny(root)?;
    let deny = || {
        let mut command = Command::new(&program);
        command.current_dir(root);
        command
    };
    run(deny().args(["--log-level", "error", "check", "licenses", "bans", "sources"]))?;
    // The advisories are a git repository that not every network reaches.
    let seconds = format!("{ADVISORIES_SECONDS_MAX}");
    let mut fetch = Command::new("timeout");
    fetch.arg(&seconds).arg(&program).args(["fetch", "db"]).current_dir(root);
    if succeeds(fetch.stdout(Stdio::null()).stderr(Stdio::null()))? {
        return run(deny().args(["check", "--disable-fetch", "advisories"]));
    }
    eprintln!("advisories: SKIPPED, their database cannot be fetched from here");
    Ok(())
}

/// The program, from the path or our own folder, built there if it is in neither.
fn install_deny(root: &Path) -> Result<PathBuf, Failure> {
    let tools = root.join("target/tools");
    let own = tools.join("bin/cargo-deny");
    for program in [PathBuf::from("cargo-deny"), own.clone()] {
        if is_there(&program) {
            return Ok(program);
        }
    }
    let mut install = cargo(root);
    install.args(["install", "cargo-deny", "--version", DENY, "--locked", "--debug", "--quiet"]);
    run(install.arg("--root").arg(&tools).env("CARGO_TARGET_DIR", tools.join("build")))?;
    Ok(own)
}

const DENY: &str = "0.20.2";
const ADVISORIES_SECONDS_MAX: u32 = 60;
