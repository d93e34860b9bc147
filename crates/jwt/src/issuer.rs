//! An issuer that is believed: what a JWT of it must fulfil, and which claims say what.

use std::sync::Arc;

use serde_json::Value;
use tollgate_units::{Span, Timestamp};

use crate::jwt::{Jwt, Why};
use crate::keyset::Keyset;

/// How far two clocks may be apart.
const LEEWAY: Span = Span::from_secs(60);
/// The longest name of a user, team, project, org or tier.
pub const VALUE_BYTES_MAX: usize = 256;

/// An issuer whose JWTs open the gate.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What `iss` must be, to the letter.
    pub url: String,
    /// What `aud` must be or hold: one of these.
    pub audience: Vec<String>,
    /// Which claim says what.
    pub claims: ClaimNames,
    /// The tier of a JWT that has no claim for it. Absent: such a JWT is refused.
    pub tier: Option<String>,
    /// Where its keys are.
    pub keys: KeySource,
}

/// The names of claims. What is not named is not looked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClaimNames {
    /// The person; `sub` unless it is another.
    pub user: String,
    /// The team.
    pub team: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The organisation.
    pub org: Option<String>,
    /// The tier.
    pub tier: Option<String>,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// They are known.
    Known(Arc<Keyset>),
    /// They are fetched.
    Url {
        /// From here; https.
        url: String,
        /// Whether this may be an address that only this network knows.
        allow_private: bool,
    },
}

/// Who is asking, by the word of an issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Who the JWT was issued to: never shared within an issuer (RFC 7519, 4.1.2).
    pub subject: String,
    /// The person, where a claim says so.
    pub user: Option<String>,
    /// The team.
    pub team: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The organisation.
    pub org: Option<String>,
    /// The tier, whether there is one of that name or not.
    pub tier: String,
    /// From when on it is refused.
    pub until: Timestamp,
}

impl Issuer {
    /// Who is asking, if `jwt` is of this issuer, signed with one of `keys`, meant for us, and good
    /// at `now`.
    ///
    /// # Errors
    ///
    /// The first of these that is not so.
    pub fn verify(&self, jwt: &Jwt<'_>, keys: &Keyset, now: Timestamp) -> Result<Identity, Why> {
        if jwt.issuer() != Some(&*self.url) {
            return Err(Why::Issuer);
        }
        signed(jwt, keys)?;
        let until = when(jwt, "exp")?.ok_or(Why::Claim("exp"))?.plus(LEEWAY);
        if now >= until {
            return Err(Why::Expired);
        }
        for begins in ["nbf", "iat"] {
            if when(jwt, begins)?.is_some_and(|begins| begins > now.plus(LEEWAY)) {
                return Err(Why::NotYet);
            }
        }
        self.is_meant(jwt.claims.get("aud").unwrap_or(&Value::Null))?;
        let text = |field, name: Option<&str>| named(jwt, field, name);
        let subject = text("sub", Some("sub"))?.ok_or(Why::Claim("sub"))?;
        let names = &self.claims;
        let tier = text("tier", names.tier.as_deref())?.or_else(|| self.tier.clone());
        Ok(Identity {
            user: text("user", Some(&names.user))?,
            team: text("team", names.team.as_deref())?,
            project: text("project", names.project.as_deref())?,
            org: text("org", names.org.as_deref())?,
            tier: tier.ok_or(Why::Claim("tier"))?,
            subject,
            until,
        })
    }

    /// The audience is one text or a list of them (RFC 7519, 4.1.3).
    fn is_meant(&self, audience: &Value) -> Result<(), Why> {
        let ours = |value: &Value| {
            value.as_str().is_some_and(|text| self.audience.iter().any(|ours| ours == text))
        };
        let is_meant = match audience {
            Value::Array(several) => {
                several.iter().all(Value::is_string) && several.iter().any(ours)
            }
            one => ours(one),
        };
        is_meant.then_some(()).ok_or(Why::Audience)
    }
}

fn signed(jwt: &Jwt<'_>, keys: &Keyset) -> Result<(), Why> {
    let mut named = keys.named(jwt.kid.as_deref()).peekable();
    named.peek().ok_or(Why::Key)?;
    let key = named.find(|key| key.algorithm.name() == jwt.algorithm).ok_or(Why::Algorithm)?;
    let verified = key.verifies(jwt.signed.as_bytes(), &jwt.signature);
    verified.then_some(()).ok_or(Why::Signature)
}

/// A claim that names something. An empty or endless name is not one, and is no way to be nobody.
fn named(jwt: &Jwt<'_>, field: &'static str, name: Option<&str>) -> Result<Option<String>, Why> {
    let Some(value) = name.and_then(|name| jwt.claims.get(name)) else {
        return Ok(None);
    };
    let text = value.as_str().map(str::trim).filter(|text| {
        let fits = !text.is_empty() && text.len() <= VALUE_BYTES_MAX;
        fits && !text.chars().any(char::is_control)
    });
    text.map(|text| Some(text.to_owned())).ok_or(Why::Claim(field))
}

/// A claim that is an instant, in seconds, which may have a fraction (RFC 7519, 2).
fn when(jwt: &Jwt<'_>, name: &'static str) -> Result<Option<Timestamp>, Why> {
    let Some(value) = jwt.claims.get(name) else {
        return Ok(None);
    };
    let Value::Number(number) = value else {
        return Err(Why::Claim(name));
    };
    let text = number.to_string();
    let whole = text.split_once('.').map_or(&*text, |(whole, _)| whole);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = whole.parse().ok().filter(|_| is_plain).ok_or(Why::Claim(name))?;
    Ok(Some(Timestamp::EPOCH.plus(Span::from_secs(seconds))))
}
