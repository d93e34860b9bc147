//! Providers that fail, refuse or are full, seen by those who call the gateway.
//!
//! Real sockets, several accounts, and mostly a clock that the test moves. What is measured is
//! printed as rows of the tables in docs/outages.md: `cargo test -p tollgate-gateway --test
//! upstreams -- --nocapture --test-threads 1`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what fails here fails a test, and what is measured is printed"
)]

mod account;
mod alerts;
mod outages;
mod overload;
mod recovery;
mod refusals;
mod retries;
mod routing;
mod spoilt;
