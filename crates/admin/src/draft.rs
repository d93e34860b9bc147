//! What a request says of a key, held against the policy in force before anything is made of it.
//!
//! The same things are wrong here as in the configuration; each is told with the field's name.

use std::collections::BTreeMap;

use tollgate_policy::{Exceed, Policy, parse};
use tollgate_store::IssuedKey;
use tollgate_units::{Span, Timestamp};

use crate::fields::Fields;
use crate::objection::Objection;

/// The fields that a key has and that may change.
pub(crate) const CHANGEABLE: [&str; 10] = [
    "tier",
    "team",
    "user",
    "project",
    "org",
    "limits",
    "models",
    "trust_user",
    "expires_at",
    "expires_in",
];

/// A name of which metrics, paths and logs can be made.
pub(crate) fn name(fields: &Fields) -> Result<String, Objection> {
    let name = fields.required("name")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
        let message = "expected letters, digits, \"-\", \"_\" and \".\", at most 64";
        return Err(Objection::field("name", message));
    }
    Ok(name.to_owned())
}

/// Writes what `fields` say into `key`; what they leave out stays, and `null` takes away.
pub(crate) fn apply(
    fields: &Fields,
    key: &mut IssuedKey,
    policy: &Policy,
    now: Timestamp,
) -> Result<(), Objection> {
    if fields.clears("tier") {
        return Err(Objection::field("tier", "expected a tier: a key is always in one"));
    }
    if let Some(tier) = fields.text("tier")? {
        if !policy.has_tier(tier) {
            return Err(Objection::unknown("tier", "tier", tier, policy.tier_names()));
        }
        tier.clone_into(&mut key.tier);
    }
    let labels = [
        ("team", &mut key.team),
        ("user", &mut key.user),
        ("project", &mut key.project),
        ("org", &mut key.org),
    ];
    for (name, label) in labels {
        let said = fields.label(name)?;
        if said.is_some() || fields.clears(name) {
            *label = said;
        }
    }
    if let Some(sentences) = fields.texts("limits", LIMITS_MAX)? {
        key.limits = limits(&sentences, policy)?;
    } else if fields.clears("limits") {
        key.limits.clear();
    }
    if let Some(patterns) = fields.texts("models", MODELS_MAX)? {
        key.models = Some(models(&patterns, policy)?);
    } else if fields.clears("models") {
        key.models = None;
    }
    if let Some(trusted) = fields.flag("trust_user")? {
        key.trust_user = trusted;
    } else if fields.clears("trust_user") {
        key.trust_user = false;
    }
    expiry(fields, key, now)
}

fn expiry(fields: &Fields, key: &mut IssuedKey, now: Timestamp) -> Result<(), Objection> {
    if fields.says("expires_at") && fields.says("expires_in") {
        return Err(Objection::field("expires_in", "expected this or expires_at, not both"));
    }
    let span = fields.span("expires_in")?;
    if span.is_some_and(Span::is_zero) {
        return Err(Objection::field("expires_in", "expected more than nothing; revoke the key"));
    }
    let at = fields.instant("expires_at", now)?.or(span.map(|span| now.plus(span)));
    if at.is_some() || fields.clears("expires_at") || fields.clears("expires_in") {
        key.expires_at = at;
    }
    Ok(())
}

/// The sentences as the gateway would write them: each one read, each another limit.
fn limits(sentences: &[&str], policy: &Policy) -> Result<Vec<String>, Objection> {
    let mut seen = BTreeMap::new();
    let mut limits = Vec::new();
    for (at, text) in sentences.iter().enumerate() {
        let field = format!("limits[{at}]");
        let limit = parse(text).map_err(|mistake| Objection::sentence(&field, text, &mistake))?;
        if let Exceed::Downgrade(target) = &limit.exceed
            && policy.model_names().all(|name| *name != **target)
        {
            return Err(Objection::unknown(&field, "model", target, policy.model_names()));
        }
        let named = limit.name.as_ref().map(|name| format!("named {name}"));
        for same in [Some(limit.identity()), named].into_iter().flatten() {
            if let Some(first) = seen.insert(same, at) {
                let message = format!(
                    "counts the same as limits[{first}], or has its name; expected another or a \
                     name, such as \"named second\""
                );
                return Err(Objection::field(&field, message));
            }
        }
        limits.push(limit.to_string());
    }
    Ok(limits)
}

/// Names and patterns, each of a model that there is or may come.
fn models(patterns: &[&str], policy: &Policy) -> Result<Vec<String>, Objection> {
    if patterns.is_empty() {
        return Err(Objection::field("models", "expected at least one model, or null for all"));
    }
    for (at, pattern) in patterns.iter().enumerate() {
        let field = format!("models[{at}]");
        let fits = |pattern: &str| {
            !pattern.is_empty()
                && pattern.len() <= MODEL_BYTES_MAX
                && !pattern.chars().any(char::is_control)
        };
        if !fits(pattern) {
            let message = "expected a model's name or a pattern, such as \"gpt-4o*\"";
            return Err(Objection::field(&field, message));
        }
        let is_open = pattern.contains(['*', '/']);
        if !is_open && policy.model_names().all(|name| name != *pattern) {
            return Err(Objection::unknown(&field, "model", pattern, policy.model_names()));
        }
    }
    Ok(patterns.iter().map(|&pattern| pattern.to_owned()).collect())
}

const NAME_BYTES_MAX: usize = 64;
/// One decision holds 64 charges, and the tier's and everybody's limits need room too.
const LIMITS_MAX: usize = 16;
const MODELS_MAX: usize = 64;
const MODEL_BYTES_MAX: usize = 256;
