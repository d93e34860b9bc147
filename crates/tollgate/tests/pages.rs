//! What the pages show is what the code does.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_architecture_shows_what_one_request_prints() {
    // `cargo test` builds examples beside the binary.
    let binary = Path::new(env!("CARGO_BIN_EXE_tollgate"));
    let example = binary.parent().unwrap().join("examples/one_request");
    let printed = Command::new(example).output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(&format!("```text\n{printed}```")), "the page should show:\n{printed}");
}
