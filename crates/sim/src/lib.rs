//! A scripted provider, a crowd, real traces: for tests, benchmarks and the demo.
//!
//! Everything that decides is pure and seeded, so a run repeats; only [`Provider`] and
//! [`crowd::drive`] touch sockets and clocks. Nothing here knows the gateway: whoever tests it puts
//! these around it.

pub mod crowd;
pub mod demo;
mod dice;
pub mod provider;
mod score;
pub mod traces;
mod words;

pub use crowd::Crowd;
pub use dice::{CALLERS_MAX, Dice, Zipf};
pub use provider::{Act, Fault, Provider, Script};
pub use score::{Row, Score};
pub use words::text_of;
