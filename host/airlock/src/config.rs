//! The configuration file of `airlock serve --config=FILE`: its arguments, in TOML.
//!
//! Each key has the name of a flag, so that there is one list of both, and `clap` checks the values of both:
//!
//! ```toml
//! trust = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"]
//! cpu-ms = 200
//! no-control = true
//! ```
//!
//! # How to use it
//! [`expand`] puts the file's arguments behind those of the command line. A flag of the command line takes the place of the
//! file's, whole: it does not add to a list.
//!
//! # What to watch
//! - The file says which guests are trusted, and Vault's catalog pins only its path. So nobody but root and the user of this
//!   process may be able to write it.

mod commands;

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use printable::escape;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::file::{self, Unread};

pub use commands::{ConfigCommand, check, example};

/// Most bytes of a configuration file.
const LONGEST: usize = 256 << 10;

/// The flag that names the file.
const FLAG: &str = "--config";

/// The likeness, from 0 to 1, from which an unknown key is taken for a misspelled flag.
const ALIKE: f64 = 0.75;

/// The reason why a configuration file cannot be used, in one line.
#[derive(Debug, Error)]
pub enum BadConfig {
    /// The file cannot be read.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// Others could write the file.
    #[error(
        "configuration {}: others than root and this user can write it, and with it decide which guests run; make it root's, \
         with mode 644",
        .0.display()
    )]
    Writable(PathBuf),
    /// A line of the file is wrong.
    #[error("{}:{line}: {what}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The mistake, and what to write instead.
        what: String,
    },
}

/// The arguments that a file has, each with its line.
#[derive(Debug)]
pub struct FileArgs {
    file: PathBuf,
    /// For each key: the flag's name without dashes, the line, and the arguments.
    keys: Vec<(String, usize, Vec<OsString>)>,
}

/// Returns the command line with the arguments of the file that it names, if it names one; and what the file has. `command`
/// is that of the whole program.
///
/// # Errors
/// [`BadConfig`] says what is wrong with the file.
pub fn expand(args: &[OsString], command: &Command) -> Result<(Vec<OsString>, Option<FileArgs>), BadConfig> {
    let Some(file) = named_file(args) else {
        return Ok((args.to_vec(), None));
    };
    let given = FileArgs::read(&file, serve(command))?;
    let mut expanded = args.to_vec();
    for (key, _, arguments) in &given.keys {
        if !args.iter().any(|arg| is_flag(arg, &format!("--{key}"))) {
            expanded.extend(arguments.iter().cloned());
        }
    }
    Ok((expanded, Some(given)))
}

/// Returns the definition of the command whose arguments the file has.
fn serve(command: &Command) -> &Command {
    command.find_subcommand("serve").unwrap_or(command)
}

/// Returns the arguments that can be keys.
fn keys(serve: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let named = serve
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?, arg)));
    named.filter(|(name, _)| !matches!(*name, "config" | "help"))
}

/// Returns the file that the arguments of `serve` or `check` name.
fn named_file(args: &[OsString]) -> Option<PathBuf> {
    let takes_config = |command: &OsString| command == "serve" || command == "check";
    args.get(1).filter(|command| takes_config(command))?;
    let at = args.iter().position(|arg| is_flag(arg, FLAG))?;
    match args[at].as_encoded_bytes().strip_prefix(b"--config=") {
        Some(_) => args[at].to_str()?.strip_prefix("--config=").map(PathBuf::from),
        None => args.get(at + 1).map(PathBuf::from),
    }
}

fn is_flag(arg: &OsStr, flag: &str) -> bool {
    let rest = arg.as_encoded_bytes().strip_prefix(flag.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
}

impl FileArgs {
    fn read(file: &Path, serve: &Command) -> Result<Self, BadConfig> {
        let (bytes, metadata) = file::read_with_metadata("configuration", file, LONGEST)?;
        if is_writable_by_others(&metadata) {
            return Err(BadConfig::Writable(file.to_owned()));
        }
        Self::parse(file, &String::from_utf8_lossy(&bytes), serve)
    }

    fn parse(file: &Path, text: &str, serve: &Command) -> Result<Self, BadConfig> {
        let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let wrong = |at: usize, what: String| BadConfig::Line {
            file: file.to_owned(),
            line: line(at),
            what,
        };
        let table = DeTable::parse(text).map_err(|error| {
            let what = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            wrong(error.span().map_or(0, |span| span.start), what)
        })?;
        let mut keys: Vec<_> = table.get_ref().iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        let keys = keys.into_iter().map(|(key, value)| {
            let at = key.span().start;
            let name = key.get_ref().as_ref();
            let (name, arg) = find(serve, name).map_err(|what| wrong(at, what))?;
            let arguments = arguments(name, arg, value).map_err(|what| wrong(value.span().start, what))?;
            Ok((name.to_owned(), line(at), arguments))
        });
        Ok(Self {
            file: file.to_owned(),
            keys: keys.collect::<Result<_, BadConfig>>()?,
        })
    }

    /// Returns where the file has an argument that `clap` names, such as `--cpu-ms <MS>`, as `FILE:LINE`.
    pub fn place(&self, argument: &str) -> Option<String> {
        let flag = argument.split_whitespace().next()?;
        let (_, line, _) = self
            .keys
            .iter()
            .find(|(key, ..)| is_flag(OsStr::new(flag), &format!("--{key}")))?;
        Some(format!("{}:{line}", self.file.display()))
    }

    /// Returns the arguments that the file has, one after the other.
    pub fn arguments(&self) -> impl Iterator<Item = &OsString> {
        self.keys.iter().flat_map(|(_, _, arguments)| arguments)
    }
}

/// Returns true if a user other than root and this process's can write the file.
fn is_writable_by_others(file: &Metadata) -> bool {
    let is_owned = file.uid() == 0 || file.uid() == rustix::process::geteuid().as_raw();
    !is_owned || file.mode() & 0o022 != 0
}

/// Finds the argument with this name, or says which name is the nearest.
fn find<'a>(serve: &'a Command, name: &str) -> Result<(&'a str, &'a Arg), String> {
    if let Some(found) = keys(serve).find(|(key, _)| *key == name) {
        return Ok(found);
    }
    let usual = name.to_lowercase().replace('_', "-");
    let alike = keys(serve).map(|(key, _)| (strsim::jaro_winkler(key, &usual), key));
    let nearest = alike.max_by(|(a, _), (b, _)| a.total_cmp(b));
    let name = escape(name);
    Err(match nearest.filter(|(likeness, _)| *likeness >= ALIKE) {
        Some((_, nearest)) => format!("unknown key {name:?}; did you mean {nearest:?}?"),
        None => format!("unknown key {name:?}; `airlock config example` lists all keys"),
    })
}

/// Returns the arguments that a key and its value stand for.
fn arguments(name: &str, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<OsString>, String> {
    let argument = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
        DeValue::String(text) => Ok(format!("--{name}={text}").into()),
        DeValue::Integer(number) if number.radix() == 10 => {
            Ok(format!("--{name}={}", number.as_str()).into())
        }
        other => Err(format!(
            "{name} takes a string or a decimal number; this is of type {}",
            other.type_str()
        )),
    };
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::SetTrue, DeValue::Boolean(true)) => Ok(vec![format!("--{name}").into()]),
        (ArgAction::SetTrue, DeValue::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err(format!("{name} is either true or false")),
        (ArgAction::Append, DeValue::Array(values)) => values.iter().map(argument).collect(),
        (ArgAction::Append, _) => Err(format!("{name} is a list: write {name} = [\"…\"]")),
        _ => Ok(vec![argument(value)?]),
    }
}

#[cfg(test)]
mod tests;
