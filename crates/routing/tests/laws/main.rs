//! The laws of a route, each against an oracle that is too slow and too simple to be wrong in the
//! same way.
#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

mod checks;
mod pools;
mod promises;
mod reports;
mod route;
mod world;
