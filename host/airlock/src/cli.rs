//! The command line: the text of `airlock --help`, as types.
//!
//! The name of a limit contains its unit. An exceeded limit reports the same name, so that an operator can go from an
//! error in Vault's log straight to the flag.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use airlock_dev_server::Clock;
use anyhow::Context as _;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};

use crate::call::CallArgs;
use crate::new::NewArgs;
use crate::test::TestArgs;

/// Runs Vault secrets engines as WebAssembly guests in a sandbox.
#[derive(Debug, Parser)]
#[command(name = "airlock", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
A first deployment, given airlock and kv.wasm in Vault's plugin directory:

  airlock check --guest=$PWD/kv.wasm --guest-sha256=$(sha256sum < kv.wasm | cut -c-64)

says whether it would work, and prints the commands that register and enable it.

Exit status: 0 done; 1 refused or failed, with one line that says why; 2 wrong usage.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a guest to Vault (Vault runs this; see `airlock check` for how to register it)
    #[command(long_about = SERVE)]
    Serve(ServeArgs),

    /// Serve guests behind Vault's HTTP API on this machine, without a Vault, for development
    ///
    /// The `vault` command, curl and hvac work with it as they work with the engines of a Vault, and so does a page at
    /// /ui. When a guest's file changes, the new guest takes the place of the old one.
    ///
    /// This is a development server, not a Vault: it listens on loopback only, has one token that may do everything,
    /// and stores data without encryption. Give it no secret that matters.
    Dev(DevArgs),

    /// Say whether `serve` with the same arguments would work, and how to register it
    ///
    /// Loads and describes the guest exactly as `serve` would, in the same sandbox and under the same limits, without
    /// a Vault. Prints the commands that register it, mount it and upgrade a mount to it.
    Check(CheckArgs),

    /// Print what a guest is, what it imports and asks for, and its digest
    ///
    /// The guest is compiled and asked to describe itself, in the sandbox and without storage.
    Inspect {
        /// The guest, a WebAssembly component
        #[arg(value_name = "FILE")]
        guest: PathBuf,

        #[command(flatten)]
        options: OptionArgs,
    },

    /// Send one request to a guest, in the sandbox and without Vault, and print the answer as Vault would
    ///
    /// The body goes to standard output; the status, the guest's log lines and its events go to standard error. Before
    /// a write, the command asks the guest whether the path exists, as Vault does. What is stored is gone when the call
    /// ends, unless `--storage` names a directory to keep it in.
    #[command(after_long_help = CALL)]
    Call(CallArgs),

    /// Run scenarios against a guest, in the sandbox and without Vault
    ///
    /// A scenario is a TOML file with steps: requests, what to expect of them, and what goes wrong in the meantime.
    /// Each scenario has a mount of its own over an empty storage. Time stands still in it until a step advances the
    /// clock, and randomness is the same in every run. A scenario ends with the first step that is not as expected.
    #[command(after_long_help = TEST)]
    Test(TestArgs),

    /// Make a project for an engine of your own, ready to build and to test
    ///
    /// The project has an engine to change, native tests, a scenario and the SDK, and builds wherever it stands. Its
    /// build.sh finds the compiler for WebAssembly, or gets it.
    #[command(after_long_help = NEW)]
    New(NewArgs),

    /// Turn a core module into a component, the form in which a guest ships
    ///
    /// For compilers that write core modules, such as Rust's for wasm32-unknown-unknown. The module must have been
    /// built with bindings for the `airlock:engine` contract (wit-bindgen or the Airlock SDK).
    Componentize {
        /// The core module
        #[arg(value_name = "MODULE")]
        module: PathBuf,

        /// The file to write the component to
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },

    /// Compile a component from standard input to native code on standard output
    ///
    /// Airlock runs this in a child process, so that the compiler's memory and its bugs stay out of the process that
    /// serves secrets.
    #[command(hide = true)]
    Compile,
}

const CALL: &str = "\
Examples:
  airlock call kv.wasm write team/db value=s3cret --storage data
  airlock call kv.wasm read team/db --storage data --usage
  airlock call kv.wasm write team/db @value.json         # a file's JSON object
  airlock call kv.wasm list team --mount secret --as entity=ann
  echo '{\"value\":1}' | airlock call kv.wasm write a -

The directory of --storage is made if it is missing, and belongs to one process at a time. A directory that is \
damaged, holds something else or has another version is refused and left unchanged.

Exit status: 0 the answer is a success; 1 it is an error, or the request could not be made, with one line that says \
why; 2 wrong usage.";

const TEST: &str = "\
A scenario:
  about = \"A value is kept\"

  [[step]]
  request = \"write greeting\"            # read, write, patch, delete, list, help, tick, restart, renew, revoke
  data = { value = \"hello\" }
  expect.data = { message = \"key created\" }
  expect.storage = { \"kv/greeting\" = \"hello\" }

  [[step]]
  name = \"a put that fails is told\"
  request = \"write greeting\"
  data = { value = \"bye\" }
  faults = [{ on = \"put\", do = \"fail\" }]
  expect.status = 500
  budget.storage-calls = 2

In a step: data, json, entity, headers; wait = \"1h\" moves time on; faults = [{ on = \"put\", nth = 2, do = \"fail\" }] with \
on = get, put, delete, list or any, and do = fail, lose-answer, read-only or kill, or slow = \"200ms\" in its place; \
read-only and busy = true; lease = \"NAME\" keeps a lease for \"renew NAME\" and \"revoke NAME\".
expect: status, data (exactly), has (at least), lacks, keys, error, error-has, warnings, storage, storage-is, \
storage-lacks, logs, events. budget: cpu-ms, wall-ms, memory-mib, storage-ops, storage-calls.
Above the steps: about, seed, mount = { path, options, entity, display-name }, storage, budget, retry-storage.

Examples:
  airlock test kv.wasm scenarios/*.toml
  airlock test kv.wasm scenarios/*.toml --junit results.xml

Exit status: 0 all was as expected; 1 something was not, or a scenario is wrong: FILE:LINE says where; 2 wrong usage.";

const NEW: &str = "\
Examples:
  airlock new my-engine && cd my-engine
  cargo test                  # the engine natively, in a minute
  make test                   # the same, and its scenario against the guest that ships
  airlock call target/my-engine.wasm write notes/a text=hello --storage data

Exit status: 0 the project is there; 1 it is not, and nothing was left behind; 2 wrong usage.";

const SERVE: &str = "\
Serve a guest to Vault.

Vault starts this command. If you start it by hand, it explains itself and ends. Register it with

  vault plugin register -sha256=<of the airlock binary> -command=airlock -version=v0.1.0 \\
      -args=serve -args=--guest=/path/kv-0.1.0.wasm -args=--guest-sha256=<of the guest> secret airlock-kv
  vault secrets enable -path=demo -plugin-version=v0.1.0 airlock-kv

Every request runs in a fresh instance of the guest, under the limits below. A request that exceeds one fails alone, \
with an error that names the limit and its flag.";

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The guest, a WebAssembly component; an absolute path, as Vault's working directory is not yours
    #[arg(long, value_name = "FILE")]
    pub guest: PathBuf,

    /// The SHA-256 of a guest that may run; repeat it for every build that may (a new one before it is rolled out, the
    /// old one until it is gone)
    #[arg(long, value_name = "HEX", required_unless_present = "unpinned")]
    pub guest_sha256: Vec<String>,

    /// Run whatever the file holds. For development only: whoever can write the file can then run code on this mount's
    /// secrets. Says so in Vault's log at every start
    #[arg(long, conflicts_with = "guest_sha256")]
    pub unpinned: bool,

    /// Keep compiled guests in this directory, so that a start need not compile (50 ms for a small guest). Whoever can
    /// write there can run code in this process, whatever the pins say: it must be this user's alone, and so that nobody
    /// else can replace it or a directory above it
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Keep what is stored under this prefix in memory, if the guest says that it may be (`airlock inspect`:
    /// cacheable); repeatable. Nothing is kept if Vault forbids caching
    #[arg(long, value_name = "PREFIX")]
    pub cache: Vec<String>,

    /// Let the guest serve the paths under this prefix without a token, if it asks for that (`airlock inspect`: without
    /// token); repeatable. A guest that asks for more is refused
    #[arg(long, value_name = "PREFIX", value_parser = NonEmptyStringValueParser::new())]
    pub unauthenticated: Vec<String>,

    #[command(flatten)]
    pub limits: LimitArgs,
}

/// The arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub serve: ServeArgs,

    #[command(flatten)]
    pub options: OptionArgs,
}

/// A mount's options, for the commands that ask a guest what it does with them.
#[derive(Debug, Args)]
pub struct OptionArgs {
    /// An option of the mount, as `vault secrets enable -options=KEY=VALUE` would set it; repeatable. A guest may choose its
    /// special paths by them
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = key_value)]
    pub options: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give a key and a value, such as version=2"),
    }
}

/// The arguments of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Mount a guest at a path; repeatable. Its type is its file's name without `.wasm`
    #[arg(long, value_name = "PATH=GUEST")]
    pub mount: Vec<MountArg>,

    /// The address to listen on, on loopback
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8200")]
    pub listen: SocketAddr,

    /// The root token [default: a random one, which is printed]
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,

    /// Keep what is stored in this directory [default: in memory]
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    pub storage: Option<PathBuf>,

    /// Keep what is stored in memory
    #[arg(long)]
    pub memory: bool,

    /// The clock that leases, the periodic tick and guests follow: `running` or `held`, and how far it is ahead of now,
    /// as in `held+90d` or `+8h`. `vault write sys/clock advance=1h` moves it later, `held=true` holds it, as does the
    /// page at /ui
    #[arg(long, value_name = "CLOCK", default_value = "running")]
    pub clock: Clock,

    #[command(flatten)]
    pub limits: LimitArgs,
}

/// A guest and the path of its mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountArg {
    pub path: String,
    pub guest: PathBuf,
}

impl MountArg {
    /// Returns the engine's type: the file's name without its ending.
    pub fn engine(&self) -> anyhow::Result<String> {
        let name = self.guest.file_stem().and_then(|name| name.to_str());
        let name =
            name.with_context(|| format!("{} has no name that could be a type", self.guest.display()))?;
        Ok(name.to_owned())
    }
}

impl FromStr for MountArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((path, guest)) if !path.is_empty() && !guest.is_empty() => Ok(Self {
                path: path.to_owned(),
                guest: guest.into(),
            }),
            _ => Err("give a path and a guest's file, such as demo=target/guests/kv.wasm"),
        }
    }
}

/// The limits of one request, and of one mount.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Memory of one request, in MiB: of its instance, and of what the host holds for it (the request, writes until the
    /// commit, the answer)
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub memory_mib: u32,

    /// Memory of all requests of this process together, in MiB; a request that finds too little waits, then gets 429
    /// [default: a quarter of the machine's, or of what its control group may use, and 128 at least]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub process_memory_mib: Option<u32>,

    /// CPU time of one request, over all its attempts, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub cpu_ms: u32,

    /// Time of one request from start to end, in milliseconds; a commit that has begun is finished
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub wall_ms: u32,

    /// Calls of storage, scratch and the system view that one request may make
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub storage_ops: u32,

    /// Bytes that one request may move to and from the host, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub transfer_mib: u32,

    /// Log lines of one request; more are dropped
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub log_lines: u32,

    /// Requests that may run at once on one mount
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub instances: u32,

    /// Requests that may wait on one mount until they can run; more get 429
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub queue: u32,

    /// Time to set up, describe or initialize a guest, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub start_ms: u32,
}

#[cfg(test)]
mod tests;
