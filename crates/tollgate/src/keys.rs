//! `tollgate keys`: keys that are issued by a running gateway, or made for its configuration.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};
use tollgate_admin::KeySecret;

use crate::limits::escaped;
use crate::terminal::text;
use crate::{Complaint, Reach, admin_client, terminal};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tollgate keys create web --tier pro --team acme --limit \"5 streams at once\"
  tollgate keys create                            a secret and its hash, for the configuration
  tollgate keys list --team acme
  tollgate keys rotate web --grace 2h             old and new are taken for two hours
  tollgate keys update web --tier free --clear expires_at
  tollgate keys revoke web";

#[derive(Debug, Subcommand)]
enum Command {
    /// Issue a key: prints its secret, once. Without a name nobody is asked: a secret is made, with
    /// the hash to put under `keys` in the configuration.
    Create {
        /// The key's name.
        #[arg(requires = "tier")]
        name: Option<String>,
        #[command(flatten)]
        draft: Draft,
        #[command(flatten)]
        reach: Reach,
    },
    /// The keys that were issued.
    List {
        /// Only those of this team.
        #[arg(long)]
        team: Option<String>,
        /// Only those of this tier.
        #[arg(long)]
        tier: Option<String>,
        #[command(flatten)]
        reach: Reach,
    },
    /// A key is taken no more, from now on and for ever.
    Revoke(Named),
    /// Give a key another secret: prints it, once. The former one is taken beside it for a while.
    Rotate {
        #[command(flatten)]
        named: Named,
        /// For how long, as `2h` or `7d`; `0s` for not at all.
        #[arg(long, value_name = "SPAN", default_value = "24h")]
        grace: String,
    },
    /// Everything about one key but its secret.
    Show(Named),
    /// Change what a key may do; what is not named stays.
    Update {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        draft: Draft,
        /// Take something away: `team`, `user`, `project`, `org`, `limits`, `models`, `trust_user`
        /// or `expires_at`. May be given more than once.
        #[arg(long, value_name = "FIELD")]
        clear: Vec<String>,
    },
}

/// One key, and the gateway that issued it.
#[derive(Debug, Args)]
struct Named {
    /// The key's name.
    name: String,
    #[command(flatten)]
    reach: Reach,
}

/// What a key may do, and whose it is.
#[derive(Debug, Args)]
struct Draft {
    /// Its tier.
    #[arg(long)]
    tier: Option<String>,
    /// The team it belongs to.
    #[arg(long)]
    team: Option<String>,
    /// The user it stands for.
    #[arg(long)]
    user: Option<String>,
    /// The project it belongs to.
    #[arg(long)]
    project: Option<String>,
    /// The organisation it belongs to.
    #[arg(long)]
    org: Option<String>,
    /// A limit of its own, besides the tier's; may be given more than once.
    #[arg(long = "limit", value_name = "SENTENCE")]
    limits: Vec<String>,
    /// A model it may use, of those of its tier, or a pattern; may be given more than once.
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Its caller may say which end user it acts for.
    #[arg(long)]
    trust_user: bool,
    /// It is taken until then, as `2027-01-31T12:00:00Z`.
    #[arg(long, value_name = "INSTANT", conflicts_with = "expires_in")]
    expires_at: Option<String>,
    /// It is taken for so long from now on, as `30d`.
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<String>,
}

impl Draft {
    fn fields(&self) -> Map<String, Value> {
        let words = [
            ("tier", &self.tier),
            ("team", &self.team),
            ("user", &self.user),
            ("project", &self.project),
            ("org", &self.org),
            ("expires_at", &self.expires_at),
            ("expires_in", &self.expires_in),
        ];
        let words = words.into_iter().filter_map(|(name, word)| Some((name, word.clone()?.into())));
        let lists = [("limits", &self.limits), ("models", &self.models)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let lists = lists.map(|(name, list)| (name, list.clone().into()));
        let trusted = self.trust_user.then_some(("trust_user", Value::Bool(true)));
        let fields = words.chain(lists).chain(trusted);
        fields.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    match &arguments.command {
        Command::Create { name: None, reach, .. } => make(reach.json),
        Command::Create { name: Some(name), draft, reach } => {
            let mut fields = draft.fields();
            fields.insert("name".to_owned(), name.clone().into());
            let answer = send(reach, &Method::POST, "/api/v1/keys", fields)?;
            reveal(reach, &answer);
            Ok(())
        }
        Command::List { team, tier, reach } => list(team.as_deref(), tier.as_deref(), reach),
        Command::Revoke(named) => {
            let answer = admin_client::ask(&named.reach, &Method::DELETE, &path(named), None)?;
            describe(&named.reach, &answer);
            Ok(())
        }
        Command::Rotate { named, grace } => {
            let fields = Map::from_iter([("grace".to_owned(), grace.clone().into())]);
            let path = format!("{}/rotate", path(named));
            reveal(&named.reach, &send(&named.reach, &Method::POST, &path, fields)?);
            Ok(())
        }
        Command::Show(named) => {
            let answer = admin_client::ask(&named.reach, &Method::GET, &path(named), None)?;
            describe(&named.reach, &answer);
            Ok(())
        }
        Command::Update { named, draft, clear } => {
            let mut fields = draft.fields();
            for field in clear {
                let nothing = if field == "trust_user" { Value::Bool(false) } else { Value::Null };
                fields.insert(field.clone(), nothing);
            }
            if fields.is_empty() {
                return Err("say what to change; see `tollgate keys update --help`".to_owned());
            }
            describe(&named.reach, &send(&named.reach, &Method::PATCH, &path(named), fields)?);
            Ok(())
        }
    }
}

/// A secret and its hash, with nobody asked.
fn make(json: bool) -> Result<(), Complaint> {
    let secret = KeySecret::random().map_err(|error| format!("no random bytes: {error}"))?;
    let (hash, secret) = (secret.digest(), secret.expose());
    if json {
        terminal::say(&json!({"secret": secret, "hash": hash.to_string()}).to_string());
    } else {
        terminal::say(&format!(
            "secret: {secret}\nhash: {hash}\n\nGive the secret to the caller: it is shown only \
             now. Put the hash under `keys`:\n\nkeys:\n  - name: NAME\n    hash: {hash}\n    \
             tier: TIER\n\nOr let a running gateway issue one: tollgate keys create NAME --tier \
             TIER"
        ));
    }
    Ok(())
}

fn list(team: Option<&str>, tier: Option<&str>, reach: &Reach) -> Result<(), Complaint> {
    let (mut keys, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let asked = [("team", team), ("tier", tier), ("after", after.as_deref())];
        let asked = asked.into_iter().filter_map(|(name, word)| Some((name, word?)));
        let query = asked.fold("most=1000".to_owned(), |query, (name, word)| {
            format!("{query}&{name}={}", escaped(word))
        });
        let page = admin_client::ask(reach, &Method::GET, &format!("/api/v1/keys?{query}"), None)?;
        keys.extend(page.get("keys").and_then(Value::as_array).cloned().unwrap_or_default());
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    if reach.json {
        terminal::say(&json!({"keys": keys}).to_string());
        return Ok(());
    }
    let columns = ["name", "state", "tier", "team", "user", "hint", "created_at", "expires_at"];
    terminal::say(&terminal::table(&terminal::rows(&columns, keys.iter())));
    Ok(())
}

fn path(named: &Named) -> String {
    format!("/api/v1/keys/{}", escaped(&named.name))
}

fn send(
    reach: &Reach,
    method: &Method,
    path: &str,
    fields: Map<String, Value>,
) -> Result<Value, Complaint> {
    admin_client::ask(reach, method, path, Some(Value::Object(fields).to_string()))
}

/// The secret, and the key that it opens.
fn reveal(reach: &Reach, answer: &Value) {
    if !reach.json {
        terminal::say(&format!("secret: {}", text(answer, "secret")));
    }
    describe(reach, answer);
    if !reach.json {
        terminal::say("\nGive the secret to the caller: it is shown only now.");
    }
}

fn describe(reach: &Reach, answer: &Value) {
    if reach.json {
        terminal::say(&answer.to_string());
        return;
    }
    let key = answer.get("key").and_then(Value::as_object);
    for (name, value) in key.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let words = match value {
            Value::Array(items) if items.is_empty() => continue,
            Value::Array(items) => {
                let items = items.iter().filter_map(Value::as_str);
                items.collect::<Vec<_>>().join("; ")
            }
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        terminal::say(&format!("{name}: {words}"));
    }
}
