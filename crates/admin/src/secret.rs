//! The secrets of keys: made here, shown once, and kept by nobody but the caller.

use std::fmt;

use tollgate_policy::KeyDigest;

/// Random bytes in a key's secret.
pub const SECRET_BYTES: usize = 32;

/// A key's secret. It never prints.
pub struct KeySecret(String);

impl KeySecret {
    /// The secret of `random` bytes: a prefix that scanners for leaked keys can look for, 256
    /// random bits, and a checksum that tells a mistyped key from a revoked one without asking
    /// anybody.
    pub fn from_random(random: &[u8; SECRET_BYTES]) -> Self {
        let body = hex(random);
        let check = KeyDigest::of(&body);
        let checksum = check.as_bytes().first_chunk::<CHECKSUM_BYTES>().map(|bytes| hex(bytes));
        Self(format!("{PREFIX}{body}{}", checksum.unwrap_or_default()))
    }

    /// One that nobody can guess.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut random = [0; SECRET_BYTES];
        getrandom::fill(&mut random)?;
        Ok(Self::from_random(&random))
    }

    /// What is kept of it.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(&self.0)
    }

    /// Its beginning, by which people recognise it: 32 of its bits, which leave 224.
    pub fn hint(&self) -> String {
        self.0.chars().take(HINT_CHARS).collect()
    }

    /// The secret itself, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

const PREFIX: &str = "tgk_";
const CHECKSUM_BYTES: usize = 4;
const HINT_CHARS: usize = PREFIX.len() + 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_carries_its_prefix_and_its_checksum_and_does_not_print() {
        let made = KeySecret::from_random(&[7; SECRET_BYTES]);
        let (body, checksum) = made.expose()[PREFIX.len()..].split_at(2 * SECRET_BYTES);
        assert_eq!(body, "07".repeat(SECRET_BYTES));
        assert_eq!(checksum.len(), 2 * CHECKSUM_BYTES);
        assert_ne!(made.expose(), KeySecret::from_random(&[8; SECRET_BYTES]).expose());
        assert!(KeyDigest::of(body).to_string().starts_with(&format!("sha256:{checksum}")));
        assert_eq!(made.hint(), "tgk_07070707");
        assert_eq!(format!("{made:?}"), "KeySecret(…)");
    }
}
