//! Defines the arguments of `serve`, which `check` takes too.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::limits::LimitArgs;

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
