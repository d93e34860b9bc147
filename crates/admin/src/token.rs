//! The admin token: what opens the admin plane, and nothing else.

use std::fmt;

use subtle::ConstantTimeEq;
use tollgate_policy::KeyDigest;

/// Random bytes in a token that the gateway makes for itself.
pub const TOKEN_BYTES: usize = 32;

/// The admin token. It is compared in constant time and never printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token `secret`.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// A token of `bytes` that nobody can guess.
    pub fn from_random(bytes: [u8; TOKEN_BYTES]) -> Self {
        let mut secret = String::from("tga_");
        for byte in bytes {
            secret.extend(
                [byte >> 4, byte & 15]
                    .map(|half| char::from_digit(u32::from(half), 16).unwrap_or('0')),
            );
        }
        Self(secret)
    }

    /// Whether an `Authorization` header presents this token.
    pub(crate) fn opens(&self, authorization: Option<&str>) -> bool {
        let presented = authorization.and_then(|value| {
            let (scheme, secret) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
        });
        let Some(presented) = presented else {
            return false;
        };
        presented.as_bytes().ct_eq(self.0.as_bytes()).into()
    }

    /// Eight digits that tell this token from others in a log, and open nothing.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = KeyDigest::of(&self.0).to_string();
        digest.trim_start_matches("sha256:").chars().take(8).collect()
    }

    /// The secret itself, to be written to a file that only its owner can read.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let token = Token::new("secret-secret".to_owned());
        let table = [
            (Some("Bearer secret-secret"), true),
            (Some("bearer  secret-secret "), true),
            (Some("Bearer secret-secre"), false),
            (Some("Bearer secret-secret2"), false),
            (Some("Basic secret-secret"), false),
            (Some("secret-secret"), false),
            (Some("Bearer "), false),
            (None, false),
        ];
        for (presented, expected) in table {
            assert_eq!(token.opens(presented), expected, "{presented:?}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
