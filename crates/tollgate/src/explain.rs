//! `tollgate explain`: what would happen to a request now, limit by limit.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::terminal::text;
use crate::{Complaint, Reach, admin_client, terminal};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The key's name, or the JWT's for its caller; without either, an anonymous caller.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The issuer of the caller's JWT.
    #[arg(long, value_name = "URL", requires_all = ["key", "tier"])]
    issuer: Option<String>,
    /// The tier that the JWT says.
    #[arg(long, requires = "issuer")]
    tier: Option<String>,
    /// The user that the request names.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The session that the request belongs to.
    #[arg(long, value_name = "NAME")]
    session: Option<String>,
    /// The caller's address; loopback unless said.
    #[arg(long)]
    ip: Option<IpAddr>,
    /// The model: of a short question, or in the place of the one that the file names.
    #[arg(long, required_unless_present = "file")]
    model: Option<String>,
    /// The request itself, as JSON.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The path of the request; the usual one of the model's protocol unless said.
    #[arg(long)]
    path: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    let request = arguments.file.as_ref().map(|file| {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
        // As it is, to the last byte: what two readers could read differently is what is asked.
        RawValue::from_string(text)
            .map_err(|error| format!("{} is not JSON: {error}", file.display()))
    });
    let question = Question {
        key: arguments.key.as_deref(),
        issuer: arguments.issuer.as_deref(),
        tier: arguments.tier.as_deref(),
        user: arguments.user.as_deref(),
        session: arguments.session.as_deref(),
        ip: arguments.ip,
        model: arguments.model.as_deref(),
        path: arguments.path.as_deref(),
        request: request.transpose()?,
    };
    let question = serde_json::to_string(&question).map_err(|error| error.to_string())?;
    let reach = &arguments.reach;
    let answer = admin_client::ask(reach, &Method::POST, "/api/v1/explain", Some(question))?;
    if reach.json {
        terminal::say(&answer.to_string());
    } else {
        terminal::say(&in_words(&answer));
    }
    Ok(())
}

/// What the admin plane is asked.
#[derive(Serialize)]
struct Question<'a> {
    key: Option<&'a str>,
    issuer: Option<&'a str>,
    tier: Option<&'a str>,
    user: Option<&'a str>,
    session: Option<&'a str>,
    ip: Option<IpAddr>,
    model: Option<&'a str>,
    path: Option<&'a str>,
    request: Option<Box<RawValue>>,
}

fn in_words(answer: &Value) -> String {
    let admitted = answer.get("admitted").and_then(Value::as_bool).unwrap_or_default();
    let verdict = if admitted {
        let asked = answer.get("downgraded_from").and_then(Value::as_str);
        let asked = asked.map(|model| format!(" instead of {model}")).unwrap_or_default();
        let tools = answer.get("without_tools").and_then(Value::as_bool).unwrap_or_default();
        let tools = if tools { " without tools" } else { "" };
        format!(
            "admitted: tier {}, served by {}{asked}{tools}, {} input tokens ({}), at most {} \
             output tokens",
            text(answer, "tier"),
            text(answer, "deployment"),
            text(answer, "input_tokens"),
            text(answer, "counted"),
            text(answer, "output_tokens_max"),
        )
    } else {
        format!("refused: tier {}. {}", text(answer, "tier"), text(answer, "refusal"))
    };
    let columns = ["verdict", "limit", "requested", "used", "held", "amount", "wait_ms"];
    let limits = answer.get("limits").and_then(Value::as_array).into_iter().flatten();
    let rows = terminal::indented(terminal::rows(&columns, limits));
    if rows.len() == 1 { verdict } else { format!("{verdict}\n\n{}", terminal::table(&rows)) }
}
