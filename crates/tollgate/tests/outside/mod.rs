//! What drives the real binary from outside: for its tests, and for `examples/replay.rs`.
//!
//! Nothing here looks into the gateway: it is a process with a configuration, two addresses and
//! what it says. What only the tests need stands beside them.

pub(crate) mod caller;
pub(crate) mod ledger;
pub(crate) mod process;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod traffic;
