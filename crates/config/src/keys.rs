//! The static keys: whose each is, and the digest of its secret.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use tollgate_policy::{KeyDigest, KeySettings};

use crate::names::Names;
use crate::reader::{Field, Keys, Reader, Section};
use crate::tiers;
use crate::yaml::Node;

pub(crate) const KEY_KEYS: Keys = Keys {
    known: &[
        "name",
        "hash",
        "secret",
        "tier",
        "team",
        "user",
        "project",
        "org",
        "limits",
        "models",
        "guardrails",
        "trust_user",
    ],
    later: &[],
};
/// A shorter secret can be guessed.
pub(crate) const SECRET_CHARS_MIN: usize = 16;

/// Reads the list `keys`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
    names: &Names<'_>,
) -> Vec<KeySettings> {
    let items = file.get("keys").and_then(|field| reader.list(&field, "keys"));
    let mut seen = Seen::default();
    let mut keys = Vec::new();
    for item in items.unwrap_or_default() {
        keys.extend(key(reader, &item, names, &mut seen));
    }
    keys
}

/// What no two keys may share.
#[derive(Default)]
struct Seen {
    names: BTreeMap<String, String>,
    digests: BTreeMap<[u8; 32], String>,
}

fn key(
    reader: &mut Reader<'_>,
    item: &Field<'_>,
    names: &Names<'_>,
    seen: &mut Seen,
) -> Option<KeySettings> {
    let label = item.node.entry("name").and_then(Node::text);
    let owner = label.map_or_else(|| item.context.clone(), |name| format!("key {name}"));
    let section = reader.section(item, &owner, &KEY_KEYS)?;
    let name = name(reader, &section, item, seen);
    let digest = digest(reader, &section, item, seen);
    let tier = tier(reader, &section, names);
    let mut label = |key: &str| {
        section.get(key).and_then(|field| reader.label(&field, &format!("the name of a {key}")))
    };
    let [team, user, project, org] = ["team", "user", "project", "org"].map(&mut label);
    let limits = tiers::limits(reader, &section, false);
    let models = section.get("models").and_then(|field| tiers::models(reader, &field, names));
    let guardrails = tiers::guardrails(reader, &section);
    let trust_user = section.get("trust_user").and_then(|field| reader.boolean(&field));
    Some(KeySettings {
        name: name?,
        digest: digest?,
        tier: tier?,
        team,
        user,
        project,
        org,
        limits,
        models,
        guardrails,
        trust_user: trust_user.unwrap_or(false),
    })
}

fn name(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    item: &Field<'_>,
    seen: &mut Seen,
) -> Option<String> {
    let field = reader.required(section, "name", "\"name: web\"")?;
    let name = reader.name(&field, "a key's name")?.to_owned();
    if let Some(first) = seen.names.insert(name.clone(), item.context.clone()) {
        reader.mark(&field, format!("{first} has this name already; expected another"));
    }
    Some(name)
}

fn digest(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    item: &Field<'_>,
    seen: &mut Seen,
) -> Option<KeyDigest> {
    let (field, digest) = match (section.get("hash"), section.get("secret")) {
        (Some(hash), Some(_)) => {
            reader.mark(&hash, "expected either hash or secret, not both");
            return None;
        }
        (None, None) => {
            let example =
                "\"secret: ${WEB_KEY}\", or the hash that \"tollgate keys create\" prints";
            reader.missing(section, "hash or secret", example);
            return None;
        }
        (Some(field), None) => {
            let expected = "\"sha256:\" and 64 hexadecimal digits";
            let digest = reader.value(&field, expected, hash)?;
            (field, digest)
        }
        (None, Some(field)) => {
            let secret = reader.secret(&field, SECRET_CHARS_MIN)?;
            (field, KeyDigest::of(secret.expose_secret()))
        }
    };
    if let Some(first) = seen.digests.insert(*digest.as_bytes(), item.context.clone()) {
        reader.mark(&field, format!("{first} has this secret already; expected another"));
    }
    Some(digest)
}

fn hash(text: &str) -> Option<KeyDigest> {
    let digits = text.strip_prefix("sha256:")?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| KeyDigest::parse(text)).flatten()
}

fn tier(reader: &mut Reader<'_>, section: &Section<'_>, names: &Names<'_>) -> Option<String> {
    let field = reader.required(section, "tier", "\"tier: free\"")?;
    tier_of(reader, &field, names)
}

/// The name of a tier that there is.
pub(crate) fn tier_of(
    reader: &mut Reader<'_>,
    field: &Field<'_>,
    names: &Names<'_>,
) -> Option<String> {
    let tier = reader.text(field, "a tier's name")?;
    if !names.tiers.contains(tier) {
        let what = reader.with_nearest("no such tier", tier, names.tiers.iter().copied());
        reader.mark(field, what);
        return None;
    }
    Some(tier.to_owned())
}
