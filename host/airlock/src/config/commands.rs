//! `airlock config`: checks a configuration file, and prints one with every key.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::{Arg, ArgAction, CommandFactory as _, Subcommand};
use printable::Printable;

use super::{FileArgs, keys, serve};
use crate::cli::{Cli, first_paragraph};

/// Most characters of a line of comment.
const WIDTH: usize = 100;

/// The commands of `airlock config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether `serve --config=FILE` could read the file, and print the arguments that it stands for
    ///
    /// Loads no guest: `airlock check --config=FILE` does that, too.
    Check {
        /// The configuration file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a configuration file with every key and what it is for, all of them commented out
    Example,
}

/// Returns the arguments that the file stands for.
pub fn check(file: &Path, contains_guest: bool) -> Result<String> {
    let mut named = OsString::from("--config=");
    named.push(file);
    // As `serve` would read it.
    let read = Cli::read_with_file(&["airlock".into(), "serve".into(), named], contains_guest);
    let (_, given) = read.map_err(|error| anyhow!(first_paragraph(&error)))?;
    let mut out = format!(
        "ok: {} stands for these arguments of serve:\n",
        Printable(file.display())
    );
    for argument in given.iter().flat_map(FileArgs::arguments) {
        let _ = writeln!(out, "  {}", Printable(argument.to_string_lossy()));
    }
    Ok(out)
}

/// Returns a file with every key.
pub fn example() -> String {
    let command = Cli::command();
    let mut out =
        "# Arguments of `airlock serve --config=FILE`. Each key has the name of a flag.\n".to_owned();
    let mut heading = None;
    for (name, arg) in keys(serve(&command)).filter(|(_, arg)| !arg.is_hide_set()) {
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            let _ = writeln!(out, "\n# {}", heading.unwrap_or_default());
        }
        out.push('\n');
        comment(
            &mut out,
            &arg.get_help().map(ToString::to_string).unwrap_or_default(),
        );
        let _ = writeln!(out, "#{name} = {}", value(arg));
    }
    out
}

fn value(arg: &Arg) -> String {
    let default = arg
        .get_default_values()
        .first()
        .map(|value| value.to_string_lossy().into_owned());
    let placeholder = || {
        let names = arg.get_value_names().unwrap_or_default();
        names
            .first()
            .map(|name| format!("\"{name}\""))
            .unwrap_or_default()
    };
    match (arg.get_action(), default) {
        (ArgAction::SetTrue, _) => "true".to_owned(),
        (ArgAction::Append, _) => format!("[{}]", placeholder()),
        (_, Some(default)) if default.parse::<u64>().is_ok() => default,
        (_, Some(default)) => format!("\"{default}\""),
        (_, None) => placeholder(),
    }
}

/// Writes a text as comment lines.
fn comment(out: &mut String, text: &str) {
    let mut line = "#".to_owned();
    for word in text.split_whitespace() {
        if line.len() + word.len() >= WIDTH {
            let _ = writeln!(out, "{line}");
            line = "#".to_owned();
        }
        let _ = write!(line, " {word}");
    }
    let _ = writeln!(out, "{line}");
}
