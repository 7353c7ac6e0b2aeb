//! Airlock: a secrets engine host for Vault and OpenBao, whose engines are WebAssembly guests.
//!
//! The binary only joins the crates: see `serve` for the path of a request.

mod bridge;
mod check;
mod cli;
mod compile;
mod componentize;
mod engine;
mod hardening;
mod inspect;
mod mount;
mod serve;
mod trust;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use clap::error::ErrorKind;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let done = match Cli::try_parse_from(&args) {
        Ok(cli) => run(cli.command, &args),
        // Vault takes a plugin that ends before its handshake for no plugin at all, and drops what it said. So a wrong
        // argument is told over the handshake, too.
        Err(error) if serve::is_started_by_vault() && !is_asked_for(&error) => {
            serve::run(Err(one_line(&error)))
        }
        Err(error) => error.exit(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("airlock: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, args: &[OsString]) -> Result<()> {
    match command {
        Command::Serve(args) => serve::run(Ok(args)),
        Command::Check(check) => {
            let given: Vec<_> = args
                .iter()
                .skip(2)
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect();
            print(runtime()?.block_on(check::run(&check, &given))?)
        }
        Command::Inspect { guest } => print(runtime()?.block_on(inspect::run(&guest))?),
        Command::Componentize { module, output } => componentize::run(&module, &output),
        Command::Compile => compile::run(),
    }
}

/// For the commands that do one thing and end.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")
}

fn print(text: String) -> Result<()> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

/// Help and version are no mistakes.
fn is_asked_for(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

/// clap's first paragraph, which says what is wrong; usage and hints are for a terminal.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let what: Vec<_> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    format!(
        "its arguments are wrong: {}",
        what.join(" ").trim_start_matches("error: ")
    )
}
