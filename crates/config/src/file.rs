//! The file as a whole: its sections in order, and what contradicts across them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tollgate_policy::Settings;
use tollgate_units::{Span, Tokens};

use crate::mistakes::{Mark, Source as Quoted};
use crate::names::Names;
use crate::reader::{Field, Keys, Reader, Section};
use crate::values::{duration, host_of, size};
use crate::yaml::{self, Flaw, Node, Value};
use crate::{
    AlertConfig, AlertFormat, Config, Data, FILE_BYTES_MAX, Mistakes, Source, Timeouts, TlsFiles,
    downgrades, groups, identity, keys, models, providers, routing, secret, stand_ins, tiers,
};

pub(crate) const FILE_KEYS: Keys = Keys {
    known: &[
        "listen",
        "admin",
        "alerts",
        "admin_token",
        "data",
        "tls",
        "max_body",
        "timeouts",
        "min_output_tokens",
        "providers",
        "models",
        "prices",
        "unpriced",
        "tiers",
        "limits",
        "guardrails",
        "keys",
        "teams",
        "projects",
        "orgs",
        "sessions",
        "identity_headers",
        "jwt",
        "trusted_proxies",
        "retry",
        "breaker",
        "cache",
    ],
    later: &["queue", "shared"],
};
pub(crate) const TLS_KEYS: Keys = Keys { known: &["cert", "key"], later: &[] };
pub(crate) const ALERT_KEYS: Keys =
    Keys { known: &["webhook", "secret", "allow_private", "format"], later: &[] };
pub(crate) const TIMEOUT_KEYS: Keys =
    Keys { known: &["header", "body", "first_byte", "idle"], later: &[] };

pub(crate) const LISTEN: SocketAddr = address(8080);
pub(crate) const ADMIN: SocketAddr = address(9090);
pub(crate) const DATA: &str = "./tollgate.db";
pub(crate) const MAX_BODY: u64 = 32_000_000;
pub(crate) const MIN_OUTPUT_TOKENS: Tokens = Tokens::new(16);
pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    header: Span::from_secs(10),
    body: Span::from_secs(30),
    first_byte: Span::from_secs(120),
    idle: Span::from_secs(60),
};

/// Reads the text of a file called `name`, beside which its paths begin.
///
/// # Errors
///
/// Every mistake in it.
pub fn parse(
    name: &str,
    text: &str,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Config, Mistakes> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Mistakes::with_file(name, "expected a file of at most 16 megabytes"));
    }
    let (root, flaws) = yaml::read(text);
    // Where secrets stand is only looked for in files of which something is shown.
    let wrong = |marks| {
        let secrets = match &root {
            Some(root) => secret::places(text, root),
            None => suspect_lines(text),
        };
        Err(Mistakes::in_file(&Quoted { name, text, secrets }, marks))
    };
    let is_unread = flaws.iter().any(|flaw| flaw.is_end);
    let marks: Vec<Mark> = flaws.into_iter().map(mark_of).collect();
    if is_unread {
        return wrong(marks);
    }
    let folder = Path::new(name).parent().unwrap_or(Path::new("."));
    let mut reader = Reader {
        least_output: MIN_OUTPUT_TOKENS,
        downgrades: Vec::new(),
        stand_ins: Vec::new(),
        text,
        env,
        folder,
        marks,
    };
    let empty = Node { at: 0..0, value: Value::Map(Vec::new()) };
    let file = root.as_ref().filter(|root| !root.is_null()).unwrap_or(&empty);
    let config = read(&mut reader, file, PathBuf::from(name));
    match config {
        Some(config) if reader.marks.is_empty() => Ok(config),
        _ => wrong(reader.marks),
    }
}

fn read(reader: &mut Reader<'_>, root: &Node, path: PathBuf) -> Option<Config> {
    let file = Field { node: root, context: "the file".to_owned() };
    let file = reader.section(&file, "", &FILE_KEYS)?;
    let names = Names::of(&file);
    if let Some(field) = file.get("min_output_tokens") {
        let least = tiers::token_count(reader, &field);
        reader.least_output = least.unwrap_or(MIN_OUTPUT_TOKENS);
    }
    let (upstreams, providers) = providers::read(reader, &file);
    let settings = Settings {
        providers,
        models: models::read(reader, &file, &names),
        prices: models::prices(reader, &file, &names),
        unpriced: file.get("unpriced").and_then(|field| models::tariff(reader, &field)),
        tiers: tiers::read(reader, &file, &names),
        limits: tiers::limits(reader, &file, names.has_keyless()),
        guardrails: tiers::guardrails(reader, &file),
        keys: keys::read(reader, &file, &names),
        teams: groups::read(reader, &file, &names, ("teams", "team")),
        projects: groups::read(reader, &file, &names, ("projects", "project")),
        orgs: groups::read(reader, &file, &names, ("orgs", "org")),
        sessions: groups::sessions(reader, &file),
        proxies: identity::proxies(reader, &file),
        min_output_tokens: reader.least_output,
    };
    downgrades::check(reader, &settings, &names);
    stand_ins::check(reader, &settings);
    let issuers = identity::issuers(reader, &file, &names);
    let (listen, admin) = addresses(reader, &file);
    let admin_token = file.get("admin_token");
    Some(Config {
        listen,
        admin,
        admin_token: admin_token.and_then(|field| reader.secret(&field, keys::SECRET_CHARS_MIN)),
        data: data(reader, &file),
        tls: file.get("tls").and_then(|field| tls(reader, &field)),
        max_body: max_body(reader, &file),
        timeouts: timeouts(reader, &file),
        routing: routing::read(reader, &file),
        cache: routing::cache(reader, &file),
        alerts: file.get("alerts").and_then(|field| alerts(reader, &field)),
        upstreams,
        issuers,
        settings,
        source: Source::File(path),
    })
}

fn addresses(reader: &mut Reader<'_>, file: &Section<'_>) -> (SocketAddr, SocketAddr) {
    let [listen, admin] = [("listen", LISTEN), ("admin", ADMIN)].map(|(key, default)| {
        file.get(key).and_then(|field| address_of(reader, &field, default)).unwrap_or(default)
    });
    if listen == admin
        && listen.port() != 0
        && let Some(field) = file.get("admin").or_else(|| file.get("listen"))
    {
        reader.mark(&field, "expected two addresses: listen and admin are the same");
    }
    (listen, admin)
}

fn address_of(
    reader: &mut Reader<'_>,
    field: &Field<'_>,
    example: SocketAddr,
) -> Option<SocketAddr> {
    let expected = format!("an address and a port, such as {example}");
    let text = reader.resolved(field, &expected)?;
    let address = text.parse().ok();
    if address.is_none() {
        reader.mark(field, format!("expected {expected}"));
    }
    address
}

fn data(reader: &mut Reader<'_>, file: &Section<'_>) -> Data {
    let expected = "a path, such as ./tollgate.db, or \":memory:\"";
    let path = file.get("data").and_then(|field| reader.resolved(&field, expected));
    match path.as_deref() {
        Some(":memory:") => Data::Memory,
        path => Data::File(PathBuf::from(path.unwrap_or(DATA))),
    }
}

fn tls(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<TlsFiles> {
    let section = reader.section(field, "tls", &TLS_KEYS)?;
    let mut path = |key: &str| {
        let field = reader.required(&section, key, &format!("\"{key}: {key}.pem\""))?;
        let path = reader.text(&field, "the path of a PEM file")?;
        Some(reader.folder.join(path))
    };
    let (cert, key) = (path("cert"), path("key"));
    Some(TlsFiles { cert: cert?, key: key? })
}

fn alerts(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<AlertConfig> {
    let section = reader.section(field, "alerts", &ALERT_KEYS)?;
    let field =
        reader.required(&section, "webhook", "\"webhook: https://hooks.example.com/T0\"")?;
    let expected = "an https URL without user and fragment";
    let url = reader.resolved(&field, expected)?;
    let (base, _) = url.split_once('?').unwrap_or((&url, ""));
    let is_plain = url.chars().all(|c| c.is_ascii_graphic() && c != '#');
    if !url.starts_with("https://") || host_of(base).is_none() || !is_plain {
        reader.mark(&field, format!("expected {expected}"));
        return None;
    }
    let secret = section.get("secret");
    let secret = secret.and_then(|field| reader.secret(&field, keys::SECRET_CHARS_MIN));
    let allow = section.get("allow_private");
    let allow_private = allow.and_then(|field| reader.boolean(&field)).unwrap_or(false);
    let formats = [("slack", AlertFormat::Slack), ("plain", AlertFormat::Plain)];
    let format = section.get("format").and_then(|field| reader.choice(&field, &formats));
    Some(AlertConfig { webhook: url, secret, allow_private, format: format.unwrap_or_default() })
}

fn max_body(reader: &mut Reader<'_>, file: &Section<'_>) -> u64 {
    let expected = "a size from 1KB to 1GiB, such as 32MB";
    let bytes = file.get("max_body").and_then(|field| reader.value(&field, expected, size));
    bytes.unwrap_or(MAX_BODY)
}

fn timeouts(reader: &mut Reader<'_>, file: &Section<'_>) -> Timeouts {
    let mut timeouts = TIMEOUTS;
    let section = file.get("timeouts");
    let section = section.and_then(|field| reader.section(&field, "timeouts", &TIMEOUT_KEYS));
    let Some(section) = section else {
        return timeouts;
    };
    let slots = [
        ("header", &mut timeouts.header),
        ("body", &mut timeouts.body),
        ("first_byte", &mut timeouts.first_byte),
        ("idle", &mut timeouts.idle),
    ];
    for (key, slot) in slots {
        let expected = "a duration of at most a day, such as 500ms, 10s, 2m or 1h";
        let span = section.get(key).and_then(|field| reader.value(&field, expected, duration));
        *slot = span.unwrap_or(*slot);
    }
    timeouts
}

/// Without a tree nobody knows where a secret is, so every line that may hold one is hidden.
fn suspect_lines(text: &str) -> Vec<core::ops::Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if secret::is_suspect(line) {
            lines.push(start..start + line.len());
        }
        start += line.len();
    }
    lines
}

fn mark_of(flaw: Flaw) -> Mark {
    Mark::of(flaw.at, "the file".to_owned(), flaw.what)
}

const fn address(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}
