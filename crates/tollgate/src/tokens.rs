//! `tollgate tokens`: count a file as a model counts it.

use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use tollgate_tokens::{count_text, encoding_of};

use crate::{Complaint, terminal};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model whose tokenizer counts.
    #[arg(long)]
    model: String,
    /// The file to count; `-` for standard input.
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    let Some(encoding) = encoding_of(&arguments.model) else {
        return Err(format!(
            "there is no public tokenizer for {}: the gateway learns its ratio from what the \
             provider reports",
            arguments.model
        ));
    };
    let text = read(&arguments.file)?;
    terminal::say(&count_text(encoding, &text).get().to_string());
    Ok(())
}

fn read(file: &PathBuf) -> Result<String, Complaint> {
    let name = file.display();
    if file.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        return read.map(|_| text).map_err(|error| format!("standard input: {error}"));
    }
    std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))
}
