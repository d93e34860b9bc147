//! The configuration file: YAML to what the program can trust, or every mistake in its place.
//!
//! Parsed once: nothing downstream checks again. The file becomes a tree that knows its bytes
//! (`yaml`), a reader walks it section by section and marks what is wrong (`reader`), and either
//! there is a [`Config`] or there are [`Mistakes`], all of them. What this version does not act on
//! is a mistake: a limit that is silently not enforced is worse than none.
//!
//! Paths in the file are relative to the file, except `data`, which is relative to the working
//! directory, because it is the operator's and not the file's. A file is at most 16 megabytes.

mod built_in;
mod downgrades;
mod file;
mod groups;
mod identity;
mod keys;
mod mistakes;
mod models;
mod names;
mod providers;
mod reader;
mod routing;
mod schema;
mod secret;
mod stand_ins;
mod tiers;
mod values;
mod words;
mod yaml;

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tollgate_jwt::Issuer;
use tollgate_policy::{CacheSettings, RoutingSettings, Settings};
use tollgate_units::Span;

pub use built_in::built_in;
pub use file::parse;
pub use mistakes::Mistakes;
pub use providers::UpstreamConfig;
pub use schema::schema;
pub use words::in_words;

/// Everything a gateway is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// What applications call.
    pub listen: SocketAddr,
    /// Dashboard, metrics, admin API.
    pub admin: SocketAddr,
    /// What opens the admin plane. Absent: one is made and kept beside the data.
    pub admin_token: Option<SecretString>,
    /// Where meters are kept.
    pub data: Data,
    /// The certificate of the data plane. Absent: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// How requests are tried again, and when a route is left alone.
    pub routing: RoutingSettings,
    /// Which answers are kept, to be given again.
    pub cache: Option<CacheSettings>,
    /// Where alerts go besides the log.
    pub alerts: Option<AlertConfig>,
    /// The accounts, in the order of `settings.providers`.
    pub upstreams: Vec<UpstreamConfig>,
    /// Whose JWTs are believed.
    pub issuers: Vec<Issuer>,
    /// What the policy is made of.
    pub settings: Settings,
    /// Where all this was said.
    pub source: Source,
}

/// Where alerts go besides the log.
#[derive(Clone, Debug)]
pub struct AlertConfig {
    /// An https URL.
    pub webhook: String,
    /// What alerts are signed with.
    pub secret: Option<SecretString>,
    /// Whether it may be in the own network.
    pub allow_private: bool,
    /// How they are written.
    pub format: AlertFormat,
}

/// How alerts are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AlertFormat {
    /// JSON with the sentence where Slack and its like show it, and the details beside it.
    #[default]
    Slack,
    /// The sentence alone, as plain text.
    Plain,
}

/// Where meters are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Data {
    /// A file that survives a restart.
    File(PathBuf),
    /// Nowhere: a restart forgets.
    Memory,
}

/// Certificate and key, as PEM files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How long each part of a request may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// For the caller to send a request's headers.
    pub header: Span,
    /// For the caller to send a request's body.
    pub body: Span,
    /// For the provider to begin its answer.
    pub first_byte: Span,
    /// Between two parts of a body that is under way.
    pub idle: Span,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// No file: the providers whose keys are in the environment, under a small policy.
    BuiltIn,
    /// A file.
    File(PathBuf),
}

/// Reads the file at `path`; `env` is asked for what the file leaves to the environment.
///
/// # Errors
///
/// Every mistake in the file, or the one that it cannot be read.
pub fn load(path: &Path, env: &impl Fn(&str) -> Option<String>) -> Result<Config, Mistakes> {
    let name = path.display().to_string();
    let fails = |err: std::io::Error| Mistakes::with_file(&name, &format!("cannot be read: {err}"));
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too long from one that just fits.
    let limit = FILE_BYTES_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(fails)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Mistakes::with_file(&name, "expected text in UTF-8"))?;
    parse(&name, &text, env)
}

/// Longer than one with a hundred thousand keys.
const FILE_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests;
