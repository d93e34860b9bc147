//! `tollgate keys`: keys that nobody can guess, of which only a digest is kept.

use clap::{Args, Subcommand};
use tollgate_policy::KeyDigest;

use crate::{Complaint, terminal};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key: prints its secret, once, and the hash to put under `keys` in the configuration.
    Create {
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    let Command::Create { json } = arguments.command;
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(|error| format!("no random bytes: {error}"))?;
    let secret = secret(&random);
    let hash = KeyDigest::of(&secret);
    if json {
        terminal::say(&serde_json::json!({"secret": secret, "hash": hash.to_string()}).to_string());
    } else {
        terminal::say(&format!(
            "secret: {secret}\nhash: {hash}\n\nGive the secret to the caller: it is shown only \
             now. Put the hash under `keys`:\n\nkeys:\n  - name: NAME\n    hash: {hash}\n    \
             tier: TIER"
        ));
    }
    Ok(())
}

/// A key's secret: a prefix that scanners for leaked keys can look for, 256 random bits, and a
/// checksum that tells a mistyped key from a revoked one without asking anybody.
fn secret(random: &[u8; SECRET_BYTES]) -> String {
    let body = hex(random);
    let check = KeyDigest::of(&body);
    let checksum = check.as_bytes().first_chunk::<CHECKSUM_BYTES>().map(|bytes| hex(bytes));
    format!("{PREFIX}{body}{}", checksum.unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

const PREFIX: &str = "tgk_";
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_carries_its_prefix_and_its_checksum() {
        let made = secret(&[7; SECRET_BYTES]);
        let (body, checksum) = made[PREFIX.len()..].split_at(2 * SECRET_BYTES);
        assert_eq!(body, "07".repeat(SECRET_BYTES));
        assert_eq!(checksum.len(), 2 * CHECKSUM_BYTES);
        assert_ne!(made, secret(&[8; SECRET_BYTES]));
        assert!(KeyDigest::of(body).to_string().starts_with(&format!("sha256:{checksum}")));
    }
}
