//! `tollgate schema`: what the configuration and the admin API look like, for editors and programs.

use clap::Args;

use crate::terminal;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The OpenAPI description of the admin API, instead of the configuration's JSON Schema.
    #[arg(long)]
    openapi: bool,
}

pub(crate) fn run(arguments: &Arguments) {
    let schema =
        if arguments.openapi { tollgate_admin::openapi() } else { tollgate_config::schema() };
    terminal::say(&format!("{schema:#}"));
}
