//! Hostile bytes for everything that reads what providers and callers send.
//!
//! The first byte chooses what is read, the next ones how; the rest is the bytes. What must hold is
//! asserted: nothing panics, a stream is the same whatever packets it comes in, an edited body is
//! one that can be read. `cargo xtask fuzz` makes the first inputs from the tests' own.
#![no_main]

mod bodies;
mod headers;
mod streams;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match input {
        [b'h', dialect, status, rest @ ..] => headers::read(*dialect, *status, rest),
        [b's', endpoint, packing, rest @ ..] => streams::read(*endpoint, *packing, rest),
        [b'a', endpoint, _, rest @ ..] => bodies::answer(*endpoint, rest),
        [b'b', endpoint, edits, rest @ ..] => bodies::request(*endpoint, *edits, rest),
        _ => {}
    }
});
