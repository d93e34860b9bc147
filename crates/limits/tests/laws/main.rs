//! The laws of the decision core, each against an oracle that is too slow and too simple to be
//! wrong in the same way. The history that breaks one is printed, shrunk.

mod arrival_curve;
mod clock;
mod conservation;
mod edge_cases;
mod idle;
mod oracle;
mod reload;
mod reset;
mod waits;
mod world;
