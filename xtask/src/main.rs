//! Development tasks: `cargo xtask <task>`; `cargo xtask` alone lists them.
//!
//! Plain Rust without dependencies, because everything waits for this crate to compile. Rules that
//! rustc, clippy or cargo-deny can check are theirs (Cargo.toml, clippy.toml, deny.toml); what is
//! left is `tidy`. It is wrong to put here what the product needs at run time.

mod arrows;
mod e2e;
mod fuzz;
mod glossary;
mod mask;
mod names;
mod pages;
mod shell;
mod source;
mod tasks;
mod tidy;
mod tree;

use std::process::ExitCode;

use shell::Failure;

const USAGE: &str = "\
cargo xtask <task>

  tidy        the house rules that no lint can check
  lint        format, tidy, clippy, docs, licences and bans
  test        cargo test, then the official clients against the binary
  e2e [NAME]  only the official clients; NAME selects tests
  fuzz [--seconds N]
              hostile bytes for what reads bytes; 60 seconds unless told
  check       lint, test and fuzz: what CI runs
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<(), Failure> {
    let root = tree::root();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::report(&root),
        ["lint"] => tasks::lint(&root),
        ["test"] => tasks::test(&root),
        ["e2e"] => tasks::e2e(&root, None),
        ["e2e", name] => tasks::e2e(&root, Some(name)),
        ["fuzz"] => tasks::fuzz(&root, fuzz::SECONDS),
        ["fuzz", "--seconds", seconds] => match seconds.parse() {
            Ok(seconds) => tasks::fuzz(&root, seconds),
            Err(_) => Err(Failure::new(format!("not a number of seconds: {seconds}"))),
        },
        ["check"] => {
            tasks::lint(&root)?;
            tasks::fuzz(&root, fuzz::SECONDS)?;
            tasks::test(&root)
        }
        [] | ["help" | "--help" | "-h"] => {
            eprint!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::new(format!("no such task: {}\n\n{USAGE}", words.join(" ")))),
    }
}
