//! Defines the commands of the command line, and the text of `airlock --help` about each. The flags of a command are in
//! [`args`](crate::args), or in the file of the command.

mod help;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Id, Parser, Subcommand};
use printable::{Report, escape};

use crate::args::{KeyArgs, OptionArgs, ServeArgs};
use crate::bundle::BundleArgs;
use crate::call::CallArgs;
use crate::check::CheckArgs;
use crate::config::{self, ConfigCommand, FileArgs};
use crate::control::MountArgs;
use crate::dev::DevArgs;
use crate::keygen::KeygenArgs;
use crate::new::NewArgs;
use crate::push::PushArgs;
use crate::record::RecordArgs;
use crate::sign::SignArgs;
use crate::status::StatusArgs;
use crate::swap::{DowngradeArgs, RollbackArgs};
use crate::test::TestArgs;
use crate::testkit::TestkitArgs;
use crate::verify::VerifyArgs;
use help::{
    AFTER_HELP, BUNDLE, CALL, KEYGEN, NEW, PUSH, SERVE, SERVE_CONTAINED, SIGN, VAULT, VERIFY, test_help,
};

/// Runs Vault secrets engines as WebAssembly guests in a sandbox.
#[derive(Debug, Parser)]
#[command(name = "airlock", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

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
    /// a Vault. Prints the commands that register it, mount it and upgrade a mount to it. With --upgrade-from, also says
    /// whether mounts can move to it from what they run now, one registration after the other.
    Check(CheckArgs),

    /// Check a configuration file of `serve --config`, or print one with every key
    #[command(subcommand)]
    Config(ConfigCommand),

    /// Write one executable that contains this program, a guest and the guest's compiled code
    ///
    /// Vault's SHA-256 of the file, or an OCI image's digest, then pins all of it, and a start compiles nothing. The file is a
    /// copy of this program with the guest behind it: everything that `airlock` does, it does too. Its `serve`, `check` and
    /// `inspect` are about the contained guest and take no --guest. Run by Vault without arguments, it serves.
    ///
    /// Bundling from a bundle replaces the contained guest.
    #[command(after_long_help = BUNDLE)]
    Bundle(BundleArgs),

    /// Print what a guest is, what it imports and asks for, its digest and who signed it
    ///
    /// The guest is compiled and asked to describe itself, in the sandbox and without storage. Its signature, FILE.minisig,
    /// is verified only with --trust. To decide by the result, use `airlock verify`: this command succeeds without a
    /// signature too.
    Inspect {
        /// The guest, a WebAssembly component, or a bundle that contains one
        #[arg(value_name = "FILE", required = true)]
        guest: Option<PathBuf>,

        #[command(flatten)]
        keys: KeyArgs,

        #[command(flatten)]
        options: OptionArgs,
    },

    /// Make a key pair that signs guests
    ///
    /// The keys are minisign's, and `minisign` can use them. Vault's nodes need only the public key, in the arguments of
    /// `airlock serve --trust`.
    #[command(after_long_help = KEYGEN)]
    Keygen(KeygenArgs),

    /// Sign a guest, as the name and version that it says it has
    ///
    /// Loads the guest as `airlock inspect` does, and writes FILE.minisig, which has to lie beside FILE wherever that is
    /// served. The signature covers the file, the name and the version, so that no signed build can be passed off as
    /// another. A signature of the same name and version is replaced; one of another is not.
    #[command(after_long_help = SIGN)]
    Sign(SignArgs),

    /// Say whether a guest is trusted, by its digest or its signature, as `serve` would decide
    ///
    /// A guest that is signed is also loaded, to compare its name and version with those of the signature.
    #[command(after_long_help = VERIFY)]
    Verify(VerifyArgs),

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
    ///
    /// With --replay, runs the requests of a recording instead, and says what the guest answers or stores otherwise than the
    /// one that was recorded.
    #[command(after_long_help = test_help())]
    Test(TestArgs),

    /// Mount a guest, and take orders for it as lines of JSON on standard input
    ///
    /// The native tests of a project start this, to test the guest that ships.
    #[command(hide = true)]
    Testkit(TestkitArgs),

    /// Make a project for an engine of your own, ready to build and to test
    ///
    /// The project has an engine to change, native tests, a scenario, a CI file and the SDK, and builds wherever it
    /// stands. Its build.sh looks for the compiler for WebAssembly, and asks before it installs one.
    #[command(after_long_help = NEW)]
    New(NewArgs),

    /// Turn a core module into a component, the form in which a guest ships
    ///
    /// For compilers that write core modules, such as Rust's for wasm32-unknown-unknown. The module must have been
    /// built with bindings for the `airlock:engine` contract (wit-bindgen or the Airlock SDK). A module that needs a
    /// browser, WASI or the clock of Rust's standard library is refused; the error names the crate and what to do.
    Componentize {
        /// The core module
        #[arg(value_name = "MODULE")]
        module: PathBuf,

        /// The file to write the component to
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,

        /// Accept code that takes the time from Rust's standard library, and panics if it is ever run
        #[arg(long)]
        allow_std_clock: bool,
    },

    /// Send a guest into a mount's own storage, and make it the one that runs there
    ///
    /// No node needs a file then: Vault encrypts and replicates the guest with the mount's data, and one push changes a
    /// whole cluster. The mount's registration decides which guests it takes, by digest or by signature.
    ///
    /// The guest travels in pieces of 256 KiB, and only those that the mount does not have. A push that was cut off goes
    /// on where it stopped when it is run again. Nothing changes at the mount until the guest is there whole and the
    /// host has checked it.
    #[command(after_long_help = PUSH)]
    Push(PushArgs),

    /// Record a mount's requests, with tokens in place of its secrets, for `airlock test --replay`
    ///
    /// For as long as it runs, the host also runs each request a second time, without any effect, on tokens that stand for its keys,
    /// values and tokens, and writes down that second run: what was asked, what storage and Vault answered, and what the guest
    /// answered and would have stored. Nothing of the first run is kept. The plugin has to be registered with
    /// -args=--allow-record, and the token needs `sudo` on the mount's `.airlock/record`.
    ///
    /// Ctrl-C ends the recording early, and keeps what it has.
    #[command(after_long_help = VAULT)]
    Record(RecordArgs),

    /// Show what runs at a mount, since when and by whom, its limits and what it has done; or a line for each mount
    #[command(after_long_help = VAULT)]
    Status(StatusArgs),

    /// Make the guest active again that was active before the present one
    ///
    /// Nothing has to be sent, as the guest is still in the mount's storage.
    #[command(after_long_help = VAULT)]
    Rollback(RollbackArgs),

    /// Make a guest of a lower version active, which a push or a swap refuses
    ///
    /// The guest has to be in the mount's storage. This has a path of its own in Vault, so that a policy can forbid it to
    /// those who may push.
    #[command(after_long_help = VAULT)]
    Downgrade(DowngradeArgs),

    /// List the guests in a mount's storage
    #[command(after_long_help = VAULT)]
    Guests(MountArgs),

    /// Remove the guests and pieces in a mount's storage that neither run nor are needed for a rollback
    #[command(after_long_help = VAULT)]
    Gc(MountArgs),

    /// Compile a component from standard input to native code on standard output
    ///
    /// Airlock runs this in a child process, so that the compiler's memory and its bugs stay out of the process that
    /// serves secrets.
    #[command(hide = true)]
    Compile {
        /// For every processor of this architecture, and not only for this machine's
        #[arg(long)]
        baseline: bool,
    },
}

impl Cli {
    /// Reads the arguments, and the configuration file that they name. A program that contains its guest needs none to name
    /// one.
    ///
    /// # Errors
    /// Those of clap, and the help that was asked for.
    pub fn read(args: &[OsString], contains_guest: bool) -> Result<Self, clap::Error> {
        Self::read_with_file(args, contains_guest).map(|(cli, _)| cli)
    }

    /// Reads the same, and returns what the configuration file has, if one is named.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn read_with_file(
        args: &[OsString],
        contains_guest: bool,
    ) -> Result<(Self, Option<FileArgs>), clap::Error> {
        let mut command = Self::command();
        if contains_guest {
            command = for_bundle(command);
        }
        let (args, file) = config::expand(args, &command)
            .map_err(|error| command.error(ErrorKind::ValueValidation, Report::new(&error)))?;
        let mut matches = command
            .try_get_matches_from_mut(args)
            .map_err(|error| located(error, file.as_ref(), &mut command))?;
        let cli = Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
        Ok((cli, file))
    }
}

/// Says in which line of the configuration file the wrong argument is, if it is there.
fn located(error: clap::Error, file: Option<&FileArgs>, command: &mut clap::Command) -> clap::Error {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    match file.and_then(|file| file.place(argument)) {
        Some(place) => command.error(error.kind(), format!("{place}: {}", first_paragraph(&error))),
        None => error,
    }
}

/// Returns what is wrong with the arguments: the part of clap's text that says so, without usage and hints, which are for a
/// terminal.
pub fn first_paragraph(error: &clap::Error) -> String {
    let text = error.to_string();
    let what = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let what = what.collect::<Vec<_>>().join(" ");
    // The text quotes the arguments, and goes to Vault's log.
    escape(what.trim_start_matches("error: ")).into_owned()
}

/// Takes the guest's arguments out of the help, and requires none of them. Whoever gives one is told why it is refused.
fn for_bundle(command: clap::Command) -> clap::Command {
    let without_guest = |command: clap::Command| {
        command
            .mut_arg("guest", |arg| {
                arg.required_unless_present(Resettable::<Id>::Reset).hide(true)
            })
            .mut_group("vouchers", |group| group.required(false))
            .mut_arg("guest_sha256", |arg| arg.hide(true))
            .mut_arg("unpinned", |arg| arg.hide(true))
    };
    command
        .mut_subcommand("serve", |command| {
            without_guest(command).long_about(SERVE_CONTAINED)
        })
        .mut_subcommand("check", without_guest)
        .mut_subcommand("inspect", |command| {
            command.mut_arg("guest", |arg| {
                arg.required(false)
                    .help("The guest, or a bundle that contains one [default: the guest in this program]")
            })
        })
}

#[cfg(test)]
mod tests;
