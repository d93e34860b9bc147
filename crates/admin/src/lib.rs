//! The admin plane: metrics, where limits stand, what would happen to a request; and what operators
//! change while the gateway runs: keys, raises and resets, each with a line in the audit log.
//!
//! Everything but the health checks is behind the admin token, compared in constant time. The plane
//! decides nothing of a request, and `explain` runs the same functions as one.
//! It has a listener of its own, so that it can stay on loopback while callers come from outside.

mod api;
mod by;
mod config;
mod draft;
mod explain;
mod fields;
mod keys;
mod objection;
mod openapi;
mod plane;
mod providers;
mod raises;
mod secret;
mod token;

pub use api::{answer, router};
pub use openapi::openapi;
pub use plane::{Admin, Configuration, Configured};
pub use secret::{KeySecret, SECRET_BYTES};
pub use token::{TOKEN_BYTES, Token};
