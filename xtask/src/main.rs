//! Development tasks: `cargo xtask <task>`; `cargo xtask` alone lists them.
//!
//! Plain Rust without dependencies, because everything waits for this crate to compile. Rules that
//! rustc, clippy or cargo-deny can check are theirs (Cargo.toml, clippy.toml, deny.toml); what is
//! left is `tidy`. It is wrong to put here what the product needs at run time.

mod arrows;
mod e2e;
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
  check       lint, then test: what CI runs
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
        ["check"] => tasks::lint(&root).and_then(|()| tasks::test(&root)),
        [] | ["help" | "--help" | "-h"] => {
            eprint!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::new(format!("no such task: {}\n\n{USAGE}", words.join(" ")))),
    }
}
