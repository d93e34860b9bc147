//! The binary: arguments and wiring. What it decides is decided in the libraries.

mod admin_client;
mod audit;
mod check;
mod demo;
mod explain;
mod keys;
mod limits;
mod reload;
mod schema;
mod serve;
mod terminal;
mod tokens;
mod wiring;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The gate in front of paid LLM APIs: limits that are never exceeded, decided before a request is
/// sent.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tollgate demo                                   see it work, with no account and no key
  tollgate check tollgate.yaml                    validate, and say who may do what
  tollgate serve --config tollgate.yaml           run the gateway
  OPENAI_API_KEY=… tollgate serve                 run it with no configuration, on loopback
  tollgate keys create app --tier pro             issue a key, on a running gateway
  tollgate explain --key web --model gpt-4o       what would happen to a request now";

#[derive(Debug, Subcommand)]
enum Command {
    /// Who changed what through the admin API.
    Audit(audit::Arguments),
    /// Validate a configuration, and say in words what each tier may do.
    Check(check::Arguments),
    /// A scripted provider, realistic traffic and the gateway in one process: no account, no key.
    Demo(demo::Arguments),
    /// What would happen to a request now, limit by limit; nothing is charged.
    Explain(explain::Arguments),
    /// Keys for callers: issue, list, change, rotate, revoke.
    Keys(keys::Arguments),
    /// Where limits stand now; other amounts for a while, and a clean slate.
    Limits(limits::Arguments),
    /// The JSON Schema of the configuration, for editors; or the admin API's description.
    Schema(schema::Arguments),
    /// Run the gateway.
    Serve(serve::Arguments),
    /// Count the tokens of a file as a model counts them.
    Tokens(tokens::Arguments),
}

/// How a command that talks to a running gateway finds it.
#[derive(Debug, Args)]
struct Reach {
    /// The configuration of the running gateway: where its admin plane is, and its token's file.
    #[arg(long, value_name = "FILE", default_value = serve::USUAL_CONFIG)]
    config: PathBuf,
    /// The admin plane's address, where it is not the one in the configuration.
    #[arg(long, value_name = "URL", env = "TOLLGATE_ADMIN")]
    admin: Option<String>,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// What went wrong, in words for the person at the terminal.
type Complaint = String;

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Limits(arguments) => limits::run(&arguments),
        Command::Schema(arguments) => {
            schema::run(&arguments);
            Ok(())
        }
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Tokens(arguments) => tokens::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            terminal::complain(&complaint);
            ExitCode::FAILURE
        }
    }
}
