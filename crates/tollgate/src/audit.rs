//! `tollgate audit`: who changed what through the admin API.

use clap::Args;
use http::Method;
use serde_json::Value;

use crate::{Complaint, Reach, admin_client, terminal};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only lines before the one of this number.
    #[arg(long, value_name = "SEQ")]
    before: Option<u64>,
    /// How many, the latest first; at most 1000.
    #[arg(long, value_name = "N", default_value_t = 100)]
    most: usize,
    #[command(flatten)]
    reach: Reach,
}

/// The line with what it changed in words: `tier: free → pro`.
fn with_change(line: &Value) -> Value {
    let mut line = line.clone();
    let details = line.get("details").unwrap_or(&Value::Null);
    let change = match (details.get("before"), details.get("after")) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let changed = after.iter().filter(|(name, new)| before.get(*name) != Some(new));
            let change = |(name, new): (&String, &Value)| {
                let old = before.get(name).unwrap_or(&Value::Null);
                format!("{name}: {old} → {new}")
            };
            changed.map(change).collect::<Vec<_>>().join(", ")
        }
        (_, Some(after)) => after.to_string(),
        _ if details.is_null() => "-".to_owned(),
        _ => details.to_string(),
    };
    line["change"] = Value::String(change);
    line
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    let before = arguments.before.map(|seq| format!("&before={seq}")).unwrap_or_default();
    let path = format!("/api/v1/audit?most={}{before}", arguments.most);
    let answer = admin_client::ask(&arguments.reach, &Method::GET, &path, None)?;
    if arguments.reach.json {
        terminal::say(&answer.to_string());
        return Ok(());
    }
    let lines = answer.get("audit").and_then(Value::as_array).into_iter().flatten();
    let columns = ["seq", "at", "actor", "token", "remote", "action", "target", "change"];
    let lines: Vec<_> = lines.map(with_change).collect();
    terminal::say(&terminal::table(&terminal::rows(&columns, lines.iter())));
    if let Some(next) = answer.get("next").and_then(Value::as_u64) {
        terminal::complain(&format!("there are more: --before {next}"));
    }
    Ok(())
}
