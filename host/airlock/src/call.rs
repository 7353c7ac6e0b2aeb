//! `airlock call`: one request to a guest, without Vault.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock_testkit::scenario::level_name;
use airlock_testkit::{Answer, FolderStorage, MountBuilder, Operation, Request, Usage};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use printable::Printable;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::args::LimitArgs;
use crate::guest;

/// The arguments of `call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The guest, a WebAssembly component
    #[arg(value_name = "GUEST")]
    pub guest: PathBuf,

    /// read, write, patch, delete, list or help; create or update, without asking the guest whether the path exists;
    /// tick, which Vault sends once a minute
    #[arg(value_name = "OPERATION")]
    pub operation: String,

    /// The path, relative to the mount; none for the mount itself, as for tick, or for the help of the whole engine
    #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
    pub path: String,

    /// The data to send, as with the vault command: KEY=VALUE (text), KEY=@FILE (a file's text), @FILE (a JSON object
    /// in a file) or - (the same from standard input)
    #[arg(value_name = "DATA")]
    pub data: Vec<String>,

    /// The directory that keeps entries, made if it is missing, or `memory` to keep none
    #[arg(long, value_name = "DIR", default_value = "memory")]
    pub storage: PathBuf,

    /// The caller: entity=ID or name=TEXT; repeatable
    #[arg(long = "as", value_name = "KEY=VALUE")]
    pub caller: Vec<String>,

    /// The path at which the guest is mounted [default: the engine's name]
    #[arg(long, value_name = "PATH")]
    pub mount: Option<String>,

    /// An option of the mount; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub option: Vec<String>,

    /// Say what the request used, on standard error
    #[arg(long)]
    pub usage: bool,

    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Makes the request. Prints the body to standard output, and everything else to standard error. Returns true if the
/// request succeeded.
pub fn run(args: &CallArgs) -> Result<bool> {
    let request = request(args)?;
    let mut mount = guest::load_without_vault(&args.guest, &args.limits)?
        .mount()
        .real_time_and_randomness();
    if args.storage != Path::new("memory") {
        mount = mount.folder(Arc::new(FolderStorage::open(&args.storage)?));
    }
    if let Some(path) = &args.mount {
        mount = mount.path(path);
    }
    for option in &args.option {
        let (name, value) = pair(option, "--option NAME=VALUE")?;
        mount = mount.option(name, value);
    }
    let mount = args
        .caller
        .iter()
        .try_fold(mount, |mount, caller| caller_of(mount, caller))?
        .start()?;
    let answer = mount.send(request);
    for line in mount.recorder().lines() {
        let (level, message, fields) = (level_name(line.level), &line.message, fields(&line.fields));
        eprintln!("{}", Printable(format_args!("log {level}: {message}{fields}")));
    }
    for event in mount.recorder().events() {
        let (name, metadata) = (&event.event_type, &event.metadata);
        eprintln!("{}", Printable(format_args!("event {name}: {metadata}")));
    }
    eprintln!("status {}", answer.status());
    if args.usage {
        eprint!("{}", usage(answer.usage()));
    }
    print(&answer)?;
    Ok(answer.is_success())
}

fn print(answer: &Answer) -> Result<()> {
    match answer.body() {
        body if body.is_empty() => Ok(()),
        body => crate::print(shown(&body, std::io::stdout().is_terminal()) + "\n"),
    }
}

/// Returns the body in a form that can be shown. JSON keeps its meaning. A body of another kind is a guest's own and
/// stays unchanged, except on a terminal.
fn shown(body: &str, to_terminal: bool) -> String {
    if serde_json::from_str::<IgnoredAny>(body).is_ok() {
        return crate::output::json(body);
    }
    match to_terminal {
        true => body
            .split('\n')
            .map(printable::escape)
            .collect::<Vec<_>>()
            .join("\n"),
        false => body.to_owned(),
    }
}

fn request(args: &CallArgs) -> Result<Request> {
    let request = request_of(&args.operation, &args.path)?;
    let data = data(&args.data)?;
    Ok(if args.data.is_empty() {
        request
    } else {
        request.json(data)
    })
}

/// Makes a request without data from the operation's name.
pub fn request_of(operation: &str, path: &str) -> Result<Request> {
    Ok(match operation {
        "read" => Request::read(path),
        "write" => Request::write(path),
        "create" => Request::new(Operation::Create, path),
        "update" => Request::new(Operation::Update, path),
        "patch" => Request::patch(path),
        "delete" => Request::delete(path),
        "list" => Request::list(path),
        "help" => Request::help(path),
        "tick" => Request::tick(),
        other => bail!(
            "{other:?} is not an operation; give read, write, create, update, patch, delete, list, help or tick"
        ),
    })
}

/// Returns the arguments as a JSON object. Numbers in a file keep all their digits.
fn data(args: &[String]) -> Result<String> {
    let mut fields = Map::new();
    for arg in args {
        match arg.split_once('=') {
            _ if arg == "-" => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("cannot read standard input")?;
                fields.extend(object(&text, "standard input")?);
            }
            _ if arg.starts_with('@') => {
                let file = &arg[1..];
                fields.extend(object(&text_of(file)?, file)?);
            }
            Some((name, value)) if !name.is_empty() => {
                let value = match value.strip_prefix('@') {
                    Some(file) => text_of(file)?,
                    None => value.to_owned(),
                };
                fields.insert(name.to_owned(), Value::String(value));
            }
            _ => bail!("{arg:?} is not valid data; give KEY=VALUE, KEY=@FILE, @FILE or -"),
        }
    }
    Ok(Value::Object(fields).to_string())
}

fn text_of(file: &str) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{file}: cannot be read as text"))
}

fn object(text: &str, whence: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).with_context(|| format!("{whence}: not a JSON object"))
}

fn pair<'a>(text: &'a str, usage: &str) -> Result<(&'a str, &'a str)> {
    text.split_once('=')
        .with_context(|| format!("{text:?} has no `=`; give {usage}"))
}

fn caller_of(mount: MountBuilder, text: &str) -> Result<MountBuilder> {
    match pair(text, "--as entity=ID or --as name=TEXT")? {
        ("entity", id) => Ok(mount.entity(id)),
        ("name", name) => Ok(mount.display_name(name)),
        (other, _) => bail!("--as {other}=… is not known; give entity=ID or name=TEXT"),
    }
}

fn fields(fields: &[(String, String)]) -> String {
    fields
        .iter()
        .map(|(name, value)| format!(" {name}={value:?}"))
        .collect()
}

/// Returns what a request used, one line for each quantity.
fn usage(usage: &Usage) -> String {
    let storage = usage.storage;
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<16} {value}");
    };
    line("time", format!("{:.3} ms", usage.wall.as_secs_f64() * 1e3));
    line("cpu", format!("{:.3} ms", usage.cpu.as_secs_f64() * 1e3));
    line("memory", format!("{} KiB", usage.memory_bytes >> 10));
    line("attempts", usage.attempts.to_string());
    line(
        "storage",
        format!("{} operations of the guest", usage.storage_operations),
    );
    line(
        "storage calls",
        format!(
            "{} ({} gets, {} puts, {} deletes, {} lists)",
            storage.calls(),
            storage.gets,
            storage.puts,
            storage.deletes,
            storage.lists
        ),
    );
    line(
        "storage bytes",
        format!("{} read, {} written", storage.bytes_read, storage.bytes_written),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(args: &[&str]) -> Result<String> {
        data(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn data_is_given_as_to_the_vault_command() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.json");
        std::fs::write(&file, r#"{"n":12345678901234567890.10}"#).unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(arguments(&["a=1", "b=x=y"]).unwrap(), r#"{"a":"1","b":"x=y"}"#);
        assert_eq!(
            arguments(&[&format!("@{file}")]).unwrap(),
            r#"{"n":12345678901234567890.10}"#
        );
        assert!(
            arguments(&[&format!("t=@{file}")])
                .unwrap()
                .starts_with(r#"{"t":"{"#)
        );
    }

    #[test]
    fn a_json_body_is_shown_without_changing_its_meaning() {
        let body = "{\n\t\"a\": \"x\u{202e}\u{7f}\u{9b}2J\u{e0041}\\u001b\"\r\n}";
        let shown = shown(body, false);
        assert_eq!(
            shown,
            "{\n \"a\": \"x\\u202e\\u007f\\u009b2J\\udb40\\udc41\\u001b\" \n}"
        );
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&shown), value(body));
    }

    #[test]
    fn a_raw_body_is_escaped_for_a_terminal_only() {
        let body = "one\ntwo\u{1b}[2J\n";
        assert_eq!(shown(body, true), "one\ntwo\\u{1b}[2J\n");
        assert_eq!(shown(body, false), body);
    }

    #[test]
    fn data_that_is_none_is_refused_in_one_line() {
        for bad in ["a", "=a", "@nowhere", "a=@nowhere"] {
            let said = format!("{:#}", arguments(&[bad]).unwrap_err());
            assert!(
                !said.contains('\n') && (said.contains("KEY=VALUE") || said.contains("nowhere")),
                "{said}"
            );
        }
    }
}
