//! The real binary, driven from outside: what a kill forgets, how it stops, what it refuses to
//! start with, and whether its limits hold for real traffic.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever fails here fails a test, and figures are for people"
)]

mod admin;
mod house;
mod kill;
#[path = "../outside/mod.rs"]
mod outside;
mod reload;
mod start;
mod stop;
mod traces;
