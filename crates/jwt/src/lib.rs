//! Signed claims: which keys an issuer signs with, and who a JWT of it says is asking.
//!
//! What decides is the key and never the JWT: a key verifies by the one algorithm of its type
//! (RS256, ES256, `EdDSA`), and a JWT that names another is refused, `none` and every HMAC
//! included (RFC 8725, 3.1). Keys are public ones from the issuer's set; what a JWT brings along
//! (`jwk`, `jku`, `x5c`) is not looked at. Everything is read strictly and has a bound.
//! Pure: the time is an argument, and where key sets come from is the gateway's business.
//! When this is wrong: a JWT is good until it expires; who must be stopped at once needs a key.
#![warn(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, reason = "a test that slices wrongly should fail loudly")
)]

mod base64url;
mod issuer;
mod jwt;
mod keyset;

pub use base64url::{decode, encode};
pub use issuer::{ClaimNames, Identity, Issuer, KeySource, VALUE_BYTES_MAX};
pub use jwt::{JWT_BYTES_MAX, Jwt, Why, looks_like_jwt};
pub use keyset::{BadKeyset, KEYSET_BYTES_MAX, Keyset};

#[cfg(test)]
mod tests;
