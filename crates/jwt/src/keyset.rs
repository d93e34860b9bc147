//! The keys an issuer signs with, from its JSON Web Key Set (RFC 7517).
//!
//! A set may hold keys for other purposes; those are passed over, as the RFC asks. What is read is
//! bounded, no key is weak, and no two keys answer to the same name.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use serde::Deserialize;

use crate::base64url::decode;

/// A key set that is longer than this is something else.
pub const KEYSET_BYTES_MAX: usize = 1_000_000;
/// Issuers rotate two or three keys.
const KEYS_MAX: usize = 64;
/// A key's name is a digest or a date.
const KID_BYTES_MAX: usize = 256;
/// RSA keys below 2048 bits can be broken, and above 8192 bits only cost time.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
const RSA_EXPONENT_BYTES_MAX: usize = 4;
const P256_BYTES: usize = 32;
const ED25519_BYTES: usize = 32;

/// What a key verifies with: the one algorithm of its type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    EdDsa,
    Es256,
    Rs256,
}

impl Scheme {
    /// As a JWT names it (RFC 7518, 3.1; RFC 8037, 3.1).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// One public key.
#[derive(Clone)]
pub(crate) struct VerifyingKey {
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Scheme,
    key: ParsedPublicKey,
    /// The key as it was published, by which two are compared.
    published: Vec<u8>,
}

impl VerifyingKey {
    /// Whether `signature` is this key's of `signed`.
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(signed, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} key {:?}", self.algorithm.name(), self.kid)
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.kid, self.algorithm, &self.published)
            == (&other.kid, other.algorithm, &other.published)
    }
}

impl Eq for VerifyingKey {}

/// The public keys of one issuer; never empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Keyset {
    keys: Vec<VerifyingKey>,
}

/// Why a key set cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadKeyset {
    /// It is longer than [`KEYSET_BYTES_MAX`] bytes.
    TooLong,
    /// It is not a JSON object with a list `keys`, or could be read in two ways.
    NotASet,
    /// It lists more keys than anybody rotates.
    TooManyKeys,
    /// Two of its keys have the same name and algorithm.
    SameName,
    /// It holds the private part of a key, which is nobody's business.
    Private,
    /// None of its keys is one for RS256 (2048 bits or more), ES256 or `EdDSA` (Ed25519).
    NoUsableKey,
}

impl fmt::Display for BadKeyset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the key set is longer than a megabyte",
            Self::NotASet => "expected a JSON Web Key Set, such as {\"keys\": [...]}",
            Self::TooManyKeys => "expected at most 64 keys in the key set",
            Self::SameName => "two keys of the key set have the same kid",
            Self::Private => "the key set holds a private key; publish the public part only",
            Self::NoUsableKey => {
                "the key set holds no public key for RS256 (2048 bits or more), ES256 or EdDSA"
            }
        })
    }
}

impl std::error::Error for BadKeyset {}

impl Keyset {
    /// Reads a JSON Web Key Set.
    ///
    /// # Errors
    ///
    /// It is not one, or holds nothing to verify with.
    pub fn parse(json: &[u8]) -> Result<Self, BadKeyset> {
        if json.len() > KEYSET_BYTES_MAX {
            return Err(BadKeyset::TooLong);
        }
        tollgate_wire::check_json(json).map_err(|_| BadKeyset::NotASet)?;
        let set: Published = serde_json::from_slice(json).map_err(|_| BadKeyset::NotASet)?;
        if set.keys.len() > KEYS_MAX {
            return Err(BadKeyset::TooManyKeys);
        }
        let mut keys: Vec<VerifyingKey> = Vec::new();
        for entry in set.keys {
            // Keys of other kinds may look like anything.
            let Ok(entry) = serde_json::from_value::<Entry>(entry) else { continue };
            if entry.d.is_some() {
                return Err(BadKeyset::Private);
            }
            let Some(key) = entry.verifying() else { continue };
            if keys.iter().any(|other| (&other.kid, other.algorithm) == (&key.kid, key.algorithm)) {
                return Err(BadKeyset::SameName);
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(BadKeyset::NoUsableKey) } else { Ok(Self { keys }) }
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never: a set without a key is refused.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that a JWT with this `kid` may mean. One without a name means the only key there
    /// is.
    pub(crate) fn named<'k>(
        &'k self,
        kid: Option<&'k str>,
    ) -> impl Iterator<Item = &'k VerifyingKey> {
        let only = self.keys.len() == 1;
        self.keys.iter().filter(move |key| match (kid, &key.kid) {
            (Some(asked), Some(kid)) => asked == kid,
            (Some(_) | None, None) | (None, Some(_)) => only,
        })
    }
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

/// A key as it is published, as far as it matters.
#[derive(Deserialize)]
struct Entry {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<serde_json::Value>,
}

impl Entry {
    /// The key, if it is public, strong, and meant for signatures that are known here.
    fn verifying(self) -> Option<VerifyingKey> {
        let (algorithm, key, published) = match (&*self.kty, self.crv.as_deref()) {
            ("RSA", _) => self.rsa()?,
            ("EC", Some("P-256")) => self.p256()?,
            ("OKP", Some("Ed25519")) => self.ed25519()?,
            _ => return None,
        };
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let verifies = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
        let fits = self.alg.as_deref().is_none_or(|alg| alg == algorithm.name());
        let named = self.kid.as_ref().is_none_or(|kid| kid.len() <= KID_BYTES_MAX);
        (signs && fits && named && self.key_ops.as_ref().is_none_or(verifies))
            .then_some(VerifyingKey { kid: self.kid, algorithm, key, published })
    }

    fn rsa(&self) -> Option<(Scheme, ParsedPublicKey, Vec<u8>)> {
        let n = without_zeros(decode(self.n.as_deref()?)?);
        let e = without_zeros(decode(self.e.as_deref()?)?);
        if !RSA_BYTES.contains(&n.len()) || e.len() > RSA_EXPONENT_BYTES_MAX {
            return None;
        }
        // The exponent 1 would make every signature its own message.
        if e.last().is_none_or(|last| last % 2 == 0) || *e == [1] {
            return None;
        }
        let published = [&*n, &*e].concat();
        let key = RsaPublicKeyComponents { n, e };
        let key = key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?;
        Some((Scheme::Rs256, key, published))
    }

    fn p256(&self) -> Option<(Scheme, ParsedPublicKey, Vec<u8>)> {
        let (x, y) = (decode(self.x.as_deref()?)?, decode(self.y.as_deref()?)?);
        if x.len() != P256_BYTES || y.len() != P256_BYTES {
            return None;
        }
        // The point as it is, not compressed (SEC 1, 2.3.3).
        let point = [&[4], &*x, &*y].concat();
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &*point).ok()?;
        Some((Scheme::Es256, key, point))
    }

    fn ed25519(&self) -> Option<(Scheme, ParsedPublicKey, Vec<u8>)> {
        let x = decode(self.x.as_deref()?)?;
        if x.len() != ED25519_BYTES {
            return None;
        }
        let key = ParsedPublicKey::new(&ED25519, &*x).ok()?;
        Some((Scheme::EdDsa, key, x))
    }
}

/// Some issuers write a zero before a number whose first bit is set.
fn without_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.drain(..zeros);
    number
}
