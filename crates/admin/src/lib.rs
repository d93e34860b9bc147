//! The admin plane: metrics, where limits stand, what would happen to a request.
//!
//! Everything but the health checks is behind the admin token, compared in constant time. The plane
//! only asks the gateway; it decides nothing, and `explain` runs the same functions as a request.
//! It has a listener of its own, so that it can stay on loopback while callers come from outside.

mod api;
mod token;

pub use api::{Admin, answer, router};
pub use token::{TOKEN_BYTES, Token};
