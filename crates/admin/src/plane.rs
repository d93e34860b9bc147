//! What the admin plane asks, what opens it, and how its handlers do their work.

use std::fmt;
use std::sync::Arc;

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tollgate_gateway::Gateway;

use crate::Token;
use crate::objection::Objection;

/// What the admin plane asks, and what opens it.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The gateway in question.
    pub gateway: Arc<Gateway>,
    /// What opens everything but the health checks.
    pub token: Token,
    /// Whether the listener is on loopback, where a foreign `Host` is refused.
    pub loopback: bool,
    /// Where the gateway's configuration can be asked for and read again.
    pub configuration: Option<Arc<dyn Configuration>>,
}

/// The configuration of a running gateway, as far as the admin plane may ask.
pub trait Configuration: fmt::Debug + Send + Sync {
    /// How the configuration stands.
    fn stands(&self) -> Configured;

    /// Reads the file again and puts it in force, whole or not at all. Blocks for as long as that
    /// takes.
    ///
    /// # Errors
    /// Every mistake in the file, as `tollgate check` shows it; then nothing has changed.
    fn reload(&self) -> Result<Configured, String>;
}

/// How the configuration stands.
#[derive(Clone, Debug, Serialize)]
pub struct Configured {
    /// The file; nothing where the gateway serves what the environment gives.
    pub file: Option<String>,
    /// How often the file has been put in force since the start.
    pub reloads: u64,
    /// Why the file as it stands is not in force.
    pub mistake: Option<String>,
    /// Why the file of the policy that is only watched, as it stands, is not watched.
    pub shadow_mistake: Option<String>,
    /// What the file says and only a restart changes.
    pub after_restart: Vec<&'static str>,
    /// What each caller may do, in words.
    pub in_force: String,
}

/// What the query of `uri` asks for.
pub(crate) fn page<T: DeserializeOwned>(uri: &Uri) -> Result<T, Objection> {
    match Query::try_from_uri(uri) {
        Ok(Query(asked)) => Ok(asked),
        Err(error) => Err(Objection::new(StatusCode::BAD_REQUEST, error.body_text())),
    }
}

/// Does what waits for the disk, or looks at many keys, away from the threads that serve requests.
/// It is done to its end even where nobody waits for the answer any more.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Objection> + Send + 'static,
) -> Result<T, Objection> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let message = format!("what was asked for broke off: {error}");
        Err(Objection::new(StatusCode::INTERNAL_SERVER_ERROR, message))
    })
}
