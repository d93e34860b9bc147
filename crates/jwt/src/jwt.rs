//! A JWT as it comes (RFC 7519, in the compact form of RFC 7515): read strictly, not yet believed.

use std::fmt;

use serde_json::{Map, Value};

use crate::base64url::decode;

/// A longer one is refused unread. Those with many groups in them have some 4 KB.
pub const JWT_BYTES_MAX: usize = 8 << 10;

/// A JWT that was read and not yet verified: nothing in it is true.
#[derive(Debug)]
pub struct Jwt<'t> {
    pub(crate) signed: &'t str,
    pub(crate) signature: Vec<u8>,
    pub(crate) algorithm: String,
    pub(crate) kid: Option<String>,
    pub(crate) claims: Map<String, Value>,
}

/// Why a JWT opens nothing. For the operator's log and metrics; a caller is not told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// It names an algorithm that its key does not have.
    Algorithm,
    /// It is meant for somebody else.
    Audience,
    /// This claim is missing, or is not what it should be.
    Claim(&'static str),
    /// Its time is over.
    Expired,
    /// Nobody who is configured has issued it.
    Issuer,
    /// It names a key that its issuer does not publish, or none where there are several.
    Key,
    /// It is no JWT: says what about it.
    Malformed(&'static str),
    /// The keys of its issuer could not be had yet.
    NoKeys,
    /// Its time has not come.
    NotYet,
    /// The signature is not its key's.
    Signature,
}

impl Why {
    /// One word for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Algorithm => "jwt_algorithm",
            Self::Audience => "jwt_audience",
            Self::Claim(_) => "jwt_claim",
            Self::Expired => "jwt_expired",
            Self::Issuer => "jwt_issuer",
            Self::Key => "jwt_key",
            Self::Malformed(_) => "jwt_malformed",
            Self::NoKeys => "jwt_no_keys",
            Self::NotYet => "jwt_not_yet",
            Self::Signature => "jwt_signature",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm => f.write_str("its algorithm is not that of its key"),
            Self::Audience => f.write_str("it is meant for another audience"),
            Self::Claim(name) => write!(f, "its claim {name} is missing or not usable"),
            Self::Expired => f.write_str("it has expired"),
            Self::Issuer => f.write_str("its issuer is not configured"),
            Self::Key => f.write_str("its issuer publishes no key of its kid"),
            Self::Malformed(what) => write!(f, "it is malformed: {what}"),
            Self::NoKeys => f.write_str("the keys of its issuer could not be fetched yet"),
            Self::NotYet => f.write_str("it is not valid yet"),
            Self::Signature => f.write_str("its signature is wrong"),
        }
    }
}

impl std::error::Error for Why {}

/// Whether a credential is a JWT: three parts with dots between them. The last one is empty where
/// nobody has signed.
pub fn looks_like_jwt(credential: &str) -> bool {
    credential.bytes().filter(|&byte| byte == b'.').count() == 2
}

impl<'t> Jwt<'t> {
    /// Reads a JWT. Members that come twice, in header or claims, are refused: somebody else may
    /// believe the other one.
    ///
    /// # Errors
    ///
    /// It is not one that can be understood in one way only.
    pub fn read(text: &'t str) -> Result<Self, Why> {
        if text.len() > JWT_BYTES_MAX {
            return Err(Why::Malformed("it is longer than 8 KB"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(PARTS)?;
        let (header, claims) = signed.split_once('.').ok_or(PARTS)?;
        if claims.contains('.') {
            return Err(PARTS);
        }
        let header = object(header).ok_or(Why::Malformed("its header"))?;
        let claims = object(claims).ok_or(Why::Malformed("its claims"))?;
        let signature = decode(signature).ok_or(Why::Malformed("its signature"))?;
        // Extensions that must be understood, none of which is (RFC 7515, 4.1.11).
        if header.contains_key("crit") {
            return Err(Why::Malformed("it has critical extensions"));
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Why::Malformed("its header")),
        };
        // One that was made for another purpose does not open this door (RFC 8725, 3.11).
        let purpose = text("typ")?.map(|purpose| purpose.to_ascii_lowercase());
        let purpose = purpose
            .as_deref()
            .map(|purpose| purpose.strip_prefix("application/").unwrap_or(purpose));
        if purpose.is_some_and(|purpose| purpose != "jwt" && purpose != "at+jwt") {
            return Err(Why::Malformed("its type is not that of a JWT or an access token"));
        }
        let (algorithm, kid) = (text("alg")?.ok_or(Why::Algorithm)?, text("kid")?);
        Ok(Self { signed, signature, algorithm, kid, claims })
    }

    /// Who it says has issued it.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = decode(part)?;
    tollgate_wire::check_json(&bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

const PARTS: Why = Why::Malformed("it has not three parts");
