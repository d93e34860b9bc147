//! Whole files, right and wrong.

mod hostile;
mod mistakes;
mod right;

use crate::{Config, Mistakes, parse};

/// Reads `text` with a few variables in the environment.
fn read(text: &str) -> Result<Config, Mistakes> {
    parse("tollgate.yaml", text, &environment)
}

/// The one way in which `text` is wrong, or all of them.
fn wrong(text: &str) -> String {
    match read(text) {
        Ok(config) => panic!("nothing is wrong with\n{text}\n{config:?}"),
        Err(mistakes) => mistakes.to_string(),
    }
}

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "OPENAI_API_KEY" => "sk-provider-secret-0123456789",
        "WEB_KEY" => "tg-web-secret-0123456789",
        "SHORT" => "tooshort",
        "SPACED" => "sixteen or more characters",
        "EMPTY" => " ",
        "ADMIN" => "tg-admin-secret-0123456789",
        "LOCAL_URL" => "http://127.0.0.1:8000/v1/",
        _ => return None,
    };
    Some(value.to_owned())
}

/// A file that is right, without its first section and whatever else a test wants to say.
const REST: &str = "
models: {gpt-4o-mini: {serve: [openai/gpt-4o-mini]}}
tiers: {free: {models: [gpt-4o-mini]}}
";
/// A provider that is right.
const OPENAI: &str = "providers: {openai: {api_key: '${OPENAI_API_KEY}'}}\n";
