//! The official clients against the real binary and a scripted provider.
//!
//! Their packages are pinned in `e2e/` and live under `target/e2e`, so nothing on the machine is
//! touched. Node comes from PyPI as well: the client wants a newer one than Debian has. Needs the
//! network the first time. The binaries are the ones that `cargo test` built; optimised ones would
//! double the build and prove nothing more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Failure, is_there, run, run_reading};

/// Builds, installs, runs; returns how many tests passed. `name` selects tests.
pub(crate) fn run_clients(root: &Path, name: Option<&str>) -> Result<u64, Failure> {
    let binaries = build(root)?;
    let place = root.join("target/e2e");
    let python = install_python(root, &place)?;
    let node = install_node(root, &place, &python)?;
    let mut passed = 0;
    run_reading(&mut pytest(root, &python, &binaries, name), &[0, NONE_SELECTED], |line| {
        passed += number_before(line, " passed");
    })?;
    run_reading(&mut node_test(&place, &node, &binaries, name), &[0], |line| {
        passed += line.strip_prefix("ℹ pass ").map_or(0, number);
    })?;
    if passed == 0 {
        return Err(Failure::new("no test of the clients ran"));
    }
    Ok(passed)
}

/// The gateway and the scripted provider.
struct Binaries {
    gateway: PathBuf,
    provider: PathBuf,
}

fn build(root: &Path) -> Result<Binaries, Failure> {
    // All of them: of a part, Cargo builds the dependencies anew, with fewer features.
    let all = ["--workspace", "--bins", "--examples"];
    run(cargo(root).args(["build", "--locked"]).args(all))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let built = root.join(target).join("debug");
    Ok(Binaries { gateway: built.join("tollgate"), provider: built.join("examples/provider") })
}

/// `cargo` at the root.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(root);
    command
}

/// The folder of the virtual environment's programs, with `e2e/python/requirements.txt` in it.
fn install_python(root: &Path, place: &Path) -> Result<PathBuf, Failure> {
    let programs = place.join("venv/bin");
    let wanted = root.join("e2e/python/requirements.txt");
    let stamp = place.join("venv/requirements.txt");
    if is_same(&wanted, &stamp) {
        return Ok(programs);
    }
    if !is_there(&programs.join("pip")) {
        let made =
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(place.join("venv")));
        made.map_err(|failure| Failure::new(format!("{failure}\n{NO_VENV}")))?;
    }
    let mut pip = Command::new(programs.join("pip"));
    run(pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&wanted))?;
    copy(&wanted, &stamp)?;
    Ok(programs)
}

/// `node`, with the packages of `e2e/node` beside a copy of its tests.
fn install_node(root: &Path, place: &Path, programs: &Path) -> Result<PathBuf, Failure> {
    let folder = place.join("node");
    fs::create_dir_all(&folder).map_err(|error| Failure::at(&folder, &error))?;
    let from = root.join("e2e/node");
    for entry in fs::read_dir(&from).map_err(|error| Failure::at(&from, &error))? {
        let path = entry.map_err(|error| Failure::at(&from, &error))?.path();
        if let Some(name) = path.file_name() {
            copy(&path, &folder.join(name))?;
        }
    }
    let wanted = from.join("package-lock.json");
    let stamp = folder.join("node_modules/package-lock.json");
    if !is_same(&wanted, &stamp) {
        let mut npm = Command::new(programs.join("npm"));
        let quiet = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        run(npm.args(quiet).env("PATH", path_with(programs)?).current_dir(&folder))?;
        copy(&wanted, &stamp)?;
    }
    Ok(programs.join("node"))
}

fn pytest(root: &Path, programs: &Path, binaries: &Binaries, name: Option<&str>) -> Command {
    let mut command = bounded(&programs.join("python"));
    command.args(["-m", "pytest", "--quiet", "--tb=short", "-p", "no:cacheprovider"]);
    command.args(name.map(|name| format!("-k={name}"))).arg("e2e/python");
    command.current_dir(root).env("PYTHONDONTWRITEBYTECODE", "1");
    with(command, binaries)
}

fn node_test(place: &Path, node: &Path, binaries: &Binaries, name: Option<&str>) -> Command {
    let mut command = bounded(node);
    command.args(["--test", "--test-reporter=spec", "--test-force-exit"]);
    command.args(name.map(|name| format!("--test-name-pattern={name}")));
    let files = ["anthropic.test.mjs", "clients.test.mjs"];
    command.args(files).current_dir(place.join("node"));
    with(command, binaries)
}

/// A program that is ended when it hangs.
fn bounded(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg(CLIENT_SECONDS_MAX.to_string()).arg(program);
    command
}

fn with(mut command: Command, binaries: &Binaries) -> Command {
    command.env("TOLLGATE", &binaries.gateway).env("PROVIDER", &binaries.provider);
    command
}

fn path_with(programs: &Path) -> Result<std::ffi::OsString, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let parts = std::iter::once(programs.to_path_buf()).chain(std::env::split_paths(&path));
    std::env::join_paths(parts).map_err(|error| Failure::new(error.to_string()))
}

fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::read(a), fs::read(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to).map(drop).map_err(|error| Failure::at(to, &error))
}

/// The number that stands before `word` in `line`, or zero.
pub(crate) fn number_before(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().filter(|before| before.len() < line.len());
    before.and_then(|before| before.rsplit(' ').next()).map_or(0, number)
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

/// What pytest ends with when no test has the name; that none at all ran is found out later.
const NONE_SELECTED: i32 = 5;
/// Each of the two suites takes less than a minute.
const CLIENT_SECONDS_MAX: u32 = 300;
const NO_VENV: &str = "Python needs its venv module: `scripts/set-up test` installs it on Debian.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_read_from_both_reports() {
        assert_eq!(number_before("31 passed in 12.04s", " passed"), 31);
        assert_eq!(number_before("1 failed, 30 passed in 2s", " passed"), 30);
        assert_eq!(number_before("test result: ok. 8 passed; 0 failed", " passed"), 8);
        assert_eq!(number_before("nothing here", " passed"), 0);
    }
}
