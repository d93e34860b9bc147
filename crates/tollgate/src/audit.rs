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

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    let before = arguments.before.map(|seq| format!("&before={seq}")).unwrap_or_default();
    let path = format!("/api/v1/audit?most={}{before}", arguments.most);
    let answer = admin_client::ask(&arguments.reach, &Method::GET, &path, None)?;
    if arguments.reach.json {
        terminal::say(&answer.to_string());
        return Ok(());
    }
    let lines = answer.get("audit").and_then(Value::as_array).into_iter().flatten();
    let columns = ["seq", "at", "actor", "token", "remote", "action", "target"];
    terminal::say(&terminal::table(&terminal::rows(&columns, lines)));
    if let Some(next) = answer.get("next").and_then(Value::as_u64) {
        terminal::complain(&format!("there are more: --before {next}"));
    }
    Ok(())
}
