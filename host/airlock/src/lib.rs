//! Airlock: a secrets engine host for Vault and OpenBao, whose engines are WebAssembly guests.
//!
//! The program is a library, so that its decoders of foreign bytes can be fuzzed. It only joins the other crates:
//! `serve` describes the path of a request.

mod args;
mod bundle;
mod call;
mod check;
mod cli;
mod componentize;
mod config;
mod contained;
mod control;
mod dev;
mod file;
#[doc(hidden)]
pub mod fuzz;
mod guest;
mod guest_file;
mod guests;
mod hardening;
mod inspect;
mod keygen;
mod loader;
mod metrics_port;
mod new;
mod origin;
mod output;
mod push;
mod record;
mod serve;
mod sign;
mod signing;
mod source;
mod status;
mod swap;
mod test;
mod testkit;
mod vault;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use airlock_sandbox::Target;
use anyhow::{Context as _, Result};
use clap::error::ErrorKind;
use printable::{Printable, Report};

use crate::cli::{Cli, Command, first_paragraph};
use crate::config::ConfigCommand;
use crate::output::print;
// It changes the whole process, so its test is a program of its own.
#[doc(hidden)]
pub use crate::serve::log_to_vault;

/// The error if Vault runs anything but `serve`.
const WRONG_COMMAND: &str = "Vault must run `airlock serve`: register the plugin with -args=serve -args=--guest=…; `airlock check` prints the whole command; a bundle needs no arguments, so if this file should be one, its end is missing";

/// Returns the definition of the command line, from which the manual pages and the completions are made.
#[doc(hidden)]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    // A program that cannot find out what it contains says so when it needs its guest.
    let may_contain_guest = !matches!(contained::this_program(), Ok(None));
    if may_contain_guest && serve::is_started_by_vault() && !names_command(&args) {
        args.insert(args.len().min(1), "serve".into());
    }
    let parsed = Cli::read(&args, may_contain_guest);
    let done = if serve::is_started_by_vault() {
        // Vault does not take a program that ends before its handshake for a plugin, and drops what the program said.
        // So a wrong argument is reported over the handshake, too.
        serve::run(match parsed {
            Ok(Cli {
                command: Command::Serve(args),
            }) => Ok(args),
            Ok(_) => Err(WRONG_COMMAND.to_owned()),
            Err(error) => Err(one_line(&error)),
        })
    } else {
        match parsed {
            Ok(cli) => run(cli.command, &args),
            Err(error) => {
                if error.use_stderr() && args.get(1).is_some_and(|command| command == "serve") {
                    eprintln!("{}\n", serve::ADVICE);
                }
                error.exit()
            }
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = Report::new(error.as_ref());
            if tracing::dispatcher::has_been_set() && serve::is_started_by_vault() {
                // Vault logs other text on standard error at level debug only, which few see.
                tracing::error!(%reason, "airlock cannot be a plugin here");
                go_plugin::hclog::flush();
            } else {
                eprintln!("airlock: {}", Printable(reason));
            }
            ExitCode::FAILURE
        }
    }
}

/// Returns true if the arguments begin with a command, and not with a flag.
fn names_command(args: &[OsString]) -> bool {
    args.get(1)
        .is_some_and(|first| !first.as_encoded_bytes().starts_with(b"-"))
}

fn run(command: Command, args: &[OsString]) -> Result<()> {
    match command {
        Command::Serve(args) => serve::run(Ok(args)),
        Command::Dev(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("cannot start the runtime")?;
            runtime.block_on(dev::run(args))
        }
        Command::Check(check) => {
            let given: Vec<_> = args
                .iter()
                .skip(2)
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect();
            print(runtime()?.block_on(check::run(&check, &given))?)
        }
        Command::Config(ConfigCommand::Check { file }) => print(config::check(
            &file,
            !matches!(contained::this_program(), Ok(None)),
        )?),
        Command::Config(ConfigCommand::Example) => print(config::example()),
        Command::Inspect { guest, keys, options } => {
            print(runtime()?.block_on(inspect::run(guest.as_deref(), &options.options, &keys))?)
        }
        Command::Bundle(args) => print(runtime()?.block_on(bundle::run(&args))?),
        Command::Keygen(args) => print(keygen::run(&args)?),
        Command::Sign(args) => print(runtime()?.block_on(sign::run(&args))?),
        Command::Verify(args) => print(runtime()?.block_on(verify::run(&args))?),
        Command::Call(args) => succeed(call::run(&args)?),
        Command::Test(args) => succeed(test::run(&args)?),
        Command::Testkit(args) => testkit::run(&args),
        Command::New(args) => print(new::run(&args)?),
        Command::Componentize {
            module,
            output,
            allow_std_clock,
        } => componentize::run(&module, &output, allow_std_clock),
        Command::Push(args) => print(push::run(&args)?),
        Command::Record(args) => print(record::run(&args)?),
        Command::Status(args) => print(status::run(&args)?),
        Command::Rollback(args) => print(swap::rollback(&args)?),
        Command::Downgrade(args) => print(swap::downgrade(&args)?),
        Command::Guests(args) => print(guests::list(&args)?),
        Command::Gc(args) => print(guests::gc(&args)?),
        Command::Compile { baseline } => airlock_sandbox::compile_child(if baseline {
            Target::Baseline
        } else {
            Target::ThisMachine
        }),
    }
}

/// Sets the exit status. The command has already reported what was refused or failed.
fn succeed(done: bool) -> Result<()> {
    if !done {
        std::process::exit(1);
    }
    Ok(())
}

/// Returns a runtime for the commands that do one thing and end.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Returns what is wrong with the arguments, in one line.
fn one_line(error: &clap::Error) -> String {
    if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
        && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        return format!("its arguments are wrong: {}", first_paragraph(error));
    }
    WRONG_COMMAND.to_owned()
}
