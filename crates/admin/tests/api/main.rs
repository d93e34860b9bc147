//! The admin API from outside, beside the data plane that it changes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever fails here fails a test"
)]

mod desk;
mod keys;
mod limits;
mod owners;
