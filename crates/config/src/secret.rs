//! Secrets: from the environment, from a file, or as they stand, and never shown.
//!
//! `${NAME}` is the whole value or none of it: a secret that is pasted together is one that nobody
//! can rotate. What stands in the file where a secret belongs, or under a key that looks as if it
//! were meant to be one, is kept out of every excerpt, mistakes in the key's spelling included.

use core::ops::Range;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use secrecy::SecretString;
use tollgate_policy::Mistake;

use crate::reader::{Field, Reader};
use crate::yaml::{Node, Value};

/// Where a value is really found.
enum Origin<'t> {
    Environment(&'t str),
    File(&'t str),
    Literal,
}

impl Reader<'_> {
    /// A secret of at least `least` characters that can stand in a header.
    pub(crate) fn secret(&mut self, field: &Field<'_>, least: usize) -> Option<SecretString> {
        let secret = self.resolved(field, "a secret, such as ${NAME} or ${file:PATH}")?;
        if secret.chars().count() < least {
            self.mark(field, format!("expected a secret of at least {least} characters"));
            return None;
        }
        if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.mark(field, "expected a secret of printable ASCII characters without spaces");
            return None;
        }
        Some(SecretString::from(secret))
    }

    /// Text that may be kept in the environment or in a file.
    pub(crate) fn resolved(&mut self, field: &Field<'_>, expected: &str) -> Option<String> {
        let text = self.text(field, expected)?;
        let found = match origin(text) {
            Ok(Origin::Literal) => Ok(text.to_owned()),
            Ok(Origin::Environment(name)) => self.variable(name),
            Ok(Origin::File(path)) => from_file(&self.folder.join(path)),
            Err(what) => Err(what.to_owned()),
        };
        found.map_err(|what| self.mark(field, what)).ok()
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        match (self.env)(name) {
            None => Err(format!("the environment variable {name} is not set")),
            Some(value) if value.trim().is_empty() => {
                Err(format!("the environment variable {name} is empty"))
            }
            Some(value) => Ok(value),
        }
    }
}

fn origin(text: &str) -> Result<Origin<'_>, &'static str> {
    let Some(inside) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        let what = "expected ${NAME} or ${file:PATH} and nothing around it";
        return if text.contains("${") { Err(what) } else { Ok(Origin::Literal) };
    };
    if let Some(path) = inside.strip_prefix("file:") {
        return if path.is_empty() { Err("expected ${file:PATH}") } else { Ok(Origin::File(path)) };
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if inside.is_empty() || !inside.chars().all(is_name) {
        return Err("expected ${NAME}, the name of an environment variable");
    }
    Ok(Origin::Environment(inside))
}

/// The text of a small file without the line ends behind it.
fn from_file(path: &Path) -> Result<String, String> {
    let fails = |err: std::io::Error| format!("{} cannot be read: {err}", path.display());
    let file = File::open(path).map_err(fails)?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(fails)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{} is too long for a secret", path.display()));
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(secret.to_owned())
}

/// The bytes of everything under a key that is, or was meant to be, a secret's, and of URLs with a
/// password in them.
pub(crate) fn places(text: &str, root: &Node) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        match &node.value {
            Value::List(items) => open.extend(items),
            Value::Map(entries) => {
                for (key, value) in entries {
                    let name = key.text().unwrap_or_default();
                    let has_login = value.text().is_some_and(|text| text.contains('@'));
                    let is_secret = is_secret_key(name) || (has_login && name.contains("url"));
                    match is_secret {
                        true if is_reference(value) => {}
                        true => places.push(key.at.end + 1..end_of(text, value)),
                        false => open.push(value),
                    }
                }
            }
            Value::Broken | Value::Text { .. } => {}
        }
    }
    places.sort_by_key(|place| place.start);
    places
}

/// The end of a value; a secret that YAML takes for a tag or an anchor leaves none, so then the
/// end of the line.
fn end_of(text: &str, value: &Node) -> usize {
    let rest = text.get(value.at.end..).unwrap_or_default();
    let line = rest.find('\n').unwrap_or(rest.len());
    if value.at.is_empty() { value.at.end + line } else { value.at.end }
}

/// Whether a line may hold a secret: for files that could not be read as a tree.
pub(crate) fn is_suspect(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["secret", "key", "token", "passw", "hash"].iter().any(|word| line.contains(word))
}

fn is_reference(value: &Node) -> bool {
    let reference = value.text().map(origin);
    matches!(reference, Some(Ok(Origin::Environment(_) | Origin::File(_))))
}

fn is_secret_key(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let looks = ["secret", "api", "passw", "credential"].iter().any(|word| lower.contains(word));
    looks || Mistake::nearest(&lower, SECRET_KEYS).is_some()
}

const SECRET_KEYS: [&str; 3] = ["admin_token", "api_key", "secret"];
/// A secret is a line; a file that is longer than this is another file.
const FILE_BYTES_MAX: u64 = 64 << 10;
