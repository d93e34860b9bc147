//! Who is believed about who is asking: issuers of JWTs, and proxies in front of the gateway.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use tollgate_jwt::{ClaimNames, Issuer, KEYSET_BYTES_MAX, KeySource, Keyset};
use tollgate_policy::{IdentityHeaders, Network, Proxies};

use crate::keys;
use crate::names::Names;
use crate::reader::{Field, Keys, Reader, Section};
use crate::values::host_of;
use crate::yaml::Value;

pub(crate) const JWT_KEYS: Keys =
    Keys { known: &["issuer", "audience", "jwks", "allow_private", "claims", "tier"], later: &[] };
pub(crate) const SUBJECT_KEYS: Keys =
    Keys { known: &["user", "team", "project", "org", "tier"], later: &[] };

/// Reads the list `jwt`.
pub(crate) fn issuers(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
    names: &Names<'_>,
) -> Vec<Issuer> {
    let items = file.get("jwt").and_then(|field| reader.list(&field, "issuers"));
    let mut seen = BTreeSet::new();
    let mut issuers = Vec::new();
    for item in items.unwrap_or_default() {
        issuers.extend(issuer(reader, &item, names, &mut seen));
    }
    issuers
}

fn issuer(
    reader: &mut Reader<'_>,
    item: &Field<'_>,
    names: &Names<'_>,
    seen: &mut BTreeSet<String>,
) -> Option<Issuer> {
    let section = reader.section(item, &item.context, &JWT_KEYS)?;
    let field = reader.required(&section, "issuer", "\"issuer: https://id.example.com\"");
    let url = field.and_then(|field| {
        let url = reader.label(&field, "an issuer as its JWTs name it")?;
        if !seen.insert(url.clone()) {
            reader.mark(&field, "expected each issuer once");
        }
        Some(url)
    });
    let field = reader.required(&section, "audience", "\"audience: tollgate\"");
    let audience = field.and_then(|field| audience(reader, &field));
    let keys = key_source(reader, &section);
    let claims = match section.get("claims") {
        Some(field) => claims(reader, &field),
        None => Some(ClaimNames { user: SUBJECT.to_owned(), ..ClaimNames::default() }),
    };
    let tier = section.get("tier").map(|field| keys::tier_of(reader, &field, names));
    let claimed = claims.as_ref().is_none_or(|claims| claims.tier.is_some());
    if tier.is_none() && !claimed {
        let example = "\"tier: free\" for all, or \"claims: {tier: tier}\"";
        reader.missing(&section, "a tier", example);
    }
    let (url, audience, claims) = (url?, audience?, claims?);
    Some(Issuer { url, audience, claims, tier: tier.flatten(), keys: keys? })
}

/// One text, or several.
fn audience(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Vec<String>> {
    const EXPECTED: &str = "the audience that JWTs must name";
    if !matches!(field.node.value, Value::List(_)) {
        return Some(vec![reader.label(field, EXPECTED)?]);
    }
    let items = reader.list(field, "audiences")?;
    if items.is_empty() {
        reader.mark(field, "expected at least one audience");
    }
    Some(items.iter().filter_map(|item| reader.label(item, EXPECTED)).collect())
}

fn claims(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<ClaimNames> {
    let section = reader.section(field, &field.context, &SUBJECT_KEYS)?;
    let mut named =
        |key: &str| section.get(key).and_then(|field| reader.label(&field, "the name of a claim"));
    let [user, team, project, org, tier] =
        ["user", "team", "project", "org", "tier"].map(&mut named);
    let user = user.unwrap_or_else(|| SUBJECT.to_owned());
    Some(ClaimNames { user, team, project, org, tier })
}

fn key_source(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<KeySource> {
    let allow = section.get("allow_private");
    let allow_private = allow.as_ref().and_then(|field| reader.boolean(field)).unwrap_or(false);
    let example = "\"jwks: https://id.example.com/jwks.json\", or a file";
    let field = reader.required(section, "jwks", example)?;
    let source = reader.resolved(&field, "an https URL or the path of a file")?;
    if source.starts_with("https://") {
        let (base, query) = source.split_once('?').unwrap_or((&source, ""));
        let is_plain = query.chars().all(|c| c.is_ascii_graphic() && c != '#');
        if host_of(base).is_none() || !is_plain {
            reader.mark(&field, "expected an https URL without user and fragment");
            return None;
        }
        return Some(KeySource::Url { url: source, allow_private });
    }
    if source.contains("://") {
        reader.mark(&field, "expected an https URL or the path of a file");
        return None;
    }
    if let Some(field) = allow {
        reader.mark(&field, "expected this only beside a URL: a file is read from here");
    }
    let path = reader.folder.join(&source);
    match keyset(&path) {
        Ok(keys) => Some(KeySource::Known(Arc::new(keys))),
        Err(what) => {
            reader.mark(&field, what);
            None
        }
    }
}

fn keyset(path: &Path) -> Result<Keyset, String> {
    let mut json = Vec::new();
    // One byte more than allowed tells a file that is too long from one that just fits.
    let limit = KEYSET_BYTES_MAX as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut json))
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Keyset::parse(&json).map_err(|bad| bad.to_string())
}

/// Reads `trusted_proxies` and `identity_headers`.
pub(crate) fn proxies(reader: &mut Reader<'_>, file: &Section<'_>) -> Proxies {
    let items = file.get("trusted_proxies").and_then(|field| reader.list(&field, "networks"));
    let expected = "a network, such as 10.0.0.0/8 with nothing behind its prefix, or an address";
    let mut trusted = Vec::new();
    for item in items.unwrap_or_default() {
        trusted.extend(reader.value(&item, expected, Network::parse));
    }
    let Some(field) = file.get("identity_headers") else {
        return Proxies { trusted, headers: IdentityHeaders::default() };
    };
    if file.get("trusted_proxies").is_none() {
        let what = "expected trusted_proxies too: nobody else is believed about who is asking";
        reader.mark(&field, what);
    }
    let headers = identity_headers(reader, &field).unwrap_or_default();
    Proxies { trusted, headers }
}

fn identity_headers(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<IdentityHeaders> {
    let section = reader.section(field, &field.context, &SUBJECT_KEYS)?;
    let mut seen = BTreeSet::new();
    let mut named = |key: &str| {
        let field = section.get(key)?;
        let name =
            reader.value(&field, "the name of a header, such as X-Consumer-Username", header)?;
        if RESERVED.contains(&&*name) {
            reader.mark(&field, "expected another header: this one has a meaning of its own");
        } else if !seen.insert(name.clone()) {
            reader.mark(&field, "expected each header once");
        }
        Some(name)
    };
    let [user, team, project, org, tier] =
        ["user", "team", "project", "org", "tier"].map(&mut named);
    Some(IdentityHeaders { user, team, project, org, tier })
}

/// A header's name, in lower case as headers are compared.
fn header(text: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (text.len() <= 64 && text.chars().all(is_name)).then(|| text.to_ascii_lowercase())
}

/// What a JWT calls whom it was issued to.
const SUBJECT: &str = "sub";
/// Headers that the connection, a credential or the body needs for itself.
const RESERVED: [&str; 19] = [
    "accept",
    "api-key",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "user-agent",
    "x-api-key",
    "x-forwarded-for",
    "x-goog-api-key",
    "x-tollgate-user",
];
