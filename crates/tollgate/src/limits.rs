//! `tollgate limits`: where limits stand now, other amounts for a while, and a clean slate.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::{Complaint, Reach, admin_client, terminal};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Whose limits, as `key:web`, `user:ana`, `team:acme` or `ip:192.0.2.7`; everybody's if
    /// absent.
    subject: Option<String>,
    /// Go on after the key of this name.
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    reach: Reach,
}

/// Whose the subject is: two tenants may each have a user of one name.
#[derive(Debug, Args)]
struct Whose {
    /// The key whose subject is meant, or `anonymous`; with `--issuer`, its name for the caller.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The issuer of the caller's JWT.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The user that the key's requests name, for a session or beside the key's own.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

impl Whose {
    fn said(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let all = [("key", &self.key), ("issuer", &self.issuer), ("user", &self.user)];
        all.into_iter().filter_map(|(name, word)| Some((name, word.as_ref()?)))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate limits user:ana
  tollgate limits raise user:ana \"10k tokens per day per user\" --to 50k --for 2h
  tollgate limits raises
  tollgate limits reset user:ana \"10k tokens per day per user\"
  tollgate limits reset user:eve --key web \"10k tokens per day per user\"
  tollgate limits reset team:acme \"$500 per month\"
  tollgate limits user:joe --issuer https://login.example.com";

#[derive(Debug, Subcommand)]
enum Command {
    /// End a raise before its time.
    Lower {
        /// Its id, as `tollgate limits raises` shows it.
        id: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Give a subject another amount of a limit for a while: more, or less.
    Raise {
        #[command(flatten)]
        which: Which,
        /// The amount meanwhile, as `50k` or `$25`.
        #[arg(long, value_name = "AMOUNT")]
        to: String,
        /// For how long, as `2h` or `7d`.
        #[arg(long = "for", value_name = "SPAN")]
        span: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// What is raised now.
    Raises {
        #[command(flatten)]
        reach: Reach,
    },
    /// Forget what a subject has used of a limit; what running requests hold stays.
    Reset {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        reach: Reach,
    },
}

/// A limit on somebody.
#[derive(Debug, Args)]
struct Which {
    /// Whom it counts, as `tollgate limits` shows it: `user:ana`, `team:acme`, or `everybody`.
    subject: String,
    /// The limit's sentence in the configuration or as it is raised, or its name.
    limit: String,
    #[command(flatten)]
    whose: Whose,
}

impl Which {
    /// What the admin plane is asked, with `rest`.
    fn asked(&self, rest: &[(&str, Value)]) -> Value {
        let mut asked = json!({"subject": self.subject, "limit": self.limit});
        let whose = self.whose.said().map(|(name, word)| (name, json!(word)));
        if let Some(fields) = asked.as_object_mut() {
            let all = whose.chain(rest.iter().cloned());
            fields.extend(all.map(|(name, value)| (name.to_owned(), value)));
        }
        asked
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    match &arguments.command {
        None => stand(arguments),
        Some(Command::Lower { id, reach }) => {
            let path = format!("/api/v1/limits/raises/{}", escaped(id));
            let answer = admin_client::ask(reach, &Method::DELETE, &path, None)?;
            let ended = answer.get("raise").cloned().unwrap_or_default();
            tell(reach, &answer, &RAISE, &[ended]);
            Ok(())
        }
        Some(Command::Raise { which, to, span, reach }) => {
            let asked = which.asked(&[("amount", json!(to)), ("for", json!(span))]);
            change(reach, &asked, "raises", &RAISE)
        }
        Some(Command::Raises { reach }) => {
            let answer = admin_client::ask(reach, &Method::GET, "/api/v1/limits/raises", None)?;
            tell(reach, &answer, &RAISE, &items(&answer, "raises"));
            Ok(())
        }
        Some(Command::Reset { which, reach }) => {
            let asked = which.asked(&[("reset", json!(true))]);
            change(reach, &asked, "reset", &["subject", "owner", "limit", "forgotten"])
        }
    }
}

const RAISE: [&str; 6] = ["subject", "owner", "limit", "amount", "until", "id"];

fn change(reach: &Reach, asked: &Value, what: &str, columns: &[&str]) -> Result<(), Complaint> {
    let asked = Some(asked.to_string());
    let answer = admin_client::ask(reach, &Method::POST, "/api/v1/limits", asked)?;
    tell(reach, &answer, columns, &items(&answer, what));
    Ok(())
}

fn tell(reach: &Reach, answer: &Value, columns: &[&str], rows: &[Value]) {
    if reach.json {
        terminal::say(&answer.to_string());
    } else {
        terminal::say(&terminal::table(&terminal::rows(columns, rows.iter())));
    }
}

fn items(answer: &Value, name: &str) -> Vec<Value> {
    answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn stand(arguments: &Arguments) -> Result<(), Complaint> {
    let asked = [("subject", &arguments.subject), ("after", &arguments.after)];
    let asked = asked.into_iter().filter_map(|(name, word)| Some((name, word.as_ref()?)));
    let asked = asked.chain(arguments.whose.said());
    let query = asked
        .fold("?".to_owned(), |query, (name, word)| format!("{query}{name}={}&", escaped(word)));
    let path = format!("/api/v1/limits{}", query.trim_end_matches(['&', '?']));
    let answer = admin_client::ask(&arguments.reach, &Method::GET, &path, None)?;
    if arguments.reach.json {
        terminal::say(&answer.to_string());
        return Ok(());
    }
    let holders = items(&answer, "holders");
    if holders.is_empty() {
        let forms = "key:NAME, user:NAME, team:NAME, project:NAME, org:NAME, ip:ADDRESS, \
                     tier:NAME, model:NAME or everybody";
        return Err(format!("no limit counts that: ask for {forms}"));
    }
    for holder in &holders {
        terminal::say(&format!("{}\n", terminal::text(holder, "key")));
        terminal::say(&format!("{}\n", terminal::table(&rows(holder))));
    }
    if let Some(next) = answer.get("next").and_then(Value::as_str) {
        terminal::complain(&format!("there are more: --after {next}"));
    }
    Ok(())
}

fn rows(holder: &Value) -> Vec<Vec<String>> {
    let mut columns = vec!["limit", "subject", "used", "held", "remaining", "resets_at"];
    let limits = items(holder, "limits");
    // What only some limits have.
    for column in ["owner", "raised_until", "raised_from"] {
        if limits.iter().any(|limit| limit.get(column).is_some()) {
            columns.push(column);
        }
    }
    terminal::indented(terminal::rows(&columns, limits.iter()))
}

/// Percent-encoded, all but what every query may hold.
pub(crate) fn escaped(text: &str) -> String {
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
