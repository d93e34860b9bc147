//! `tollgate limits`: where limits stand now.

use clap::Args;
use http::Method;
use serde_json::Value;

use crate::{Complaint, Reach, admin_client, terminal};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Whose limits, as `key:web`, `user:ana`, `team:acme` or `ip:192.0.2.7`; everybody's if
    /// absent.
    subject: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    let query =
        arguments.subject.as_deref().map(|subject| format!("?subject={}", escaped(subject)));
    let path = format!("/api/v1/limits{}", query.unwrap_or_default());
    let answer = admin_client::ask(&arguments.reach, &Method::GET, &path, None)?;
    if arguments.reach.json {
        terminal::say(&answer.to_string());
        return Ok(());
    }
    let holders = answer.get("holders").and_then(Value::as_array).cloned().unwrap_or_default();
    if holders.is_empty() {
        let forms = "key:NAME, user:NAME, team:NAME, project:NAME, org:NAME or ip:ADDRESS";
        return Err(format!("nobody is called that: ask for {forms}"));
    }
    for holder in &holders {
        terminal::say(&format!("{}\n", text(holder, "key")));
        terminal::say(&format!("{}\n", terminal::table(&rows(holder))));
    }
    Ok(())
}

fn rows(holder: &Value) -> Vec<Vec<String>> {
    let columns = ["limit", "subject", "used", "held", "remaining", "resets_at"];
    let head = columns.iter().map(|column| format!("  {}", column.replace('_', " "))).collect();
    let limits = holder.get("limits").and_then(Value::as_array).into_iter().flatten();
    let row = |limit| columns.iter().map(|column| format!("  {}", text(limit, column))).collect();
    std::iter::once(head).chain(limits.map(row)).collect()
}

/// A field as it is read: strings without quotes, what is absent as a dash.
pub(crate) fn text(of: &Value, field: &str) -> String {
    match of.get(field) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Percent-encoded, all but what every query may hold.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':') {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_may_hold_anything() {
        assert_eq!(escaped("user:ana"), "user:ana");
        assert_eq!(escaped("user:a b&c=é"), "user:a%20b%26c%3D%C3%A9");
    }
}
