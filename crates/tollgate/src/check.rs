//! `tollgate check`: every mistake in its place, or in words what each caller may do.

use std::path::PathBuf;

use clap::Args;

use crate::{Complaint, terminal};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration to validate.
    #[arg(default_value = crate::serve::USUAL_CONFIG)]
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    let config = tollgate_config::load(&arguments.file, &crate::wiring::environment)
        .map_err(|mistakes| mistakes.to_string())?;
    if let Some(files) = &config.tls {
        tollgate_gateway::tls::server_config(&files.cert, &files.key)
            .map_err(|error| format!("{}: tls: {error}", arguments.file.display()))?;
    }
    terminal::say(tollgate_config::in_words(&config).trim_end());
    Ok(())
}
