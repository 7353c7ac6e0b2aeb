//! Airlock: a secrets engine host for Vault and OpenBao, whose engines are WebAssembly guests.
//!
//! The binary only joins the crates: see `serve` for the path of a request.

mod cli;
mod componentize;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("airlock: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Componentize { module, output } => componentize::run(&module, &output),
        _ => anyhow::bail!("not built yet"),
    }
}
