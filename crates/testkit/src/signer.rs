//! An issuer of JWTs, as honest or as forged as a test wants.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tollgate_jwt::encode;

/// An issuer with one key for ES256.
#[derive(Debug)]
pub struct Signer {
    pair: EcdsaKeyPair,
    kid: String,
}

impl Signer {
    /// A key of its own, published as `kid`.
    pub fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair, kid: kid.to_owned() }
    }

    /// The key set that it publishes.
    pub fn jwks(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
        let key = json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y});
        json!({"keys": [key]}).to_string()
    }

    /// A JWT with these claims.
    pub fn jwt(&self, claims: &Value) -> String {
        self.jwt_with(&json!({"alg": "ES256", "kid": self.kid}).to_string(), claims)
    }

    /// A JWT with this header, word for word, and these claims.
    pub fn jwt_with(&self, header: &str, claims: &Value) -> String {
        let claims = claims.to_string();
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(signature.as_ref()))
    }
}
