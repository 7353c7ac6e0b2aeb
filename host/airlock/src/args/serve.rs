//! Defines the arguments of `serve`, which `check` takes too.

use std::path::PathBuf;

use airlock_storage::Prefixes;
use airlock_trust::Trust;
use anyhow::Result;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::breaker::BreakerArgs;
use super::limits::LimitArgs;
use super::metrics::MetricsArgs;
use super::traces::TraceArgs;
use super::trust::TrustArgs;

/// The arguments of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Take arguments from this file, too: TOML, in which each key has the name of a flag (`airlock config example`). A flag that
    /// is given on the command line takes the place of the file's. Only root and Vault's user may be able to write the file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The guest, a WebAssembly component; an absolute path, as Vault's working directory is not yours. It runs on the mounts
    /// into which no other was pushed; with --trust it may be left out
    #[arg(long, value_name = "FILE", required_unless_present = "trust")]
    pub guest: Option<PathBuf>,

    #[command(flatten)]
    pub trusted: TrustArgs,

    /// Run whatever the file holds. For development only: whoever can write the file can then run code on this mount's
    /// secrets. Says so in Vault's log at every start
    #[arg(long, group = "vouchers", conflicts_with_all = ["guest_sha256", "trust"])]
    pub unpinned: bool,

    /// Keep compiled guests in this directory, so that a start need not compile (50 ms for a small guest). Whoever can
    /// write there can run code in this process, whatever the pins say: it must be this user's alone, and so that nobody
    /// else can replace it or a directory above it
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Keep in memory only what is below this prefix: values that the guest declares cacheable (`airlock inspect`), and whether
    /// keys exist; repeatable. `none` keeps nothing. Nothing is kept either if Vault forbids caching [default: all]
    #[arg(long, value_name = "PREFIX", value_parser = NonEmptyStringValueParser::new())]
    pub cache: Vec<String>,

    /// Let the guest serve the paths under this prefix without a token, if it asks for that (`airlock inspect`: without
    /// token); repeatable. A guest that asks for more is refused
    #[arg(long, value_name = "PREFIX", value_parser = NonEmptyStringValueParser::new())]
    pub unauthenticated: Vec<String>,

    /// Refuse the requests for a mount's own paths, at and below `.airlock`: then nothing can be pushed, and `airlock status`
    /// says nothing
    #[arg(long)]
    pub no_control: bool,

    /// Hand out what a mount stores to callers with `sudo` on its `.airlock/export`, for `airlock check --against`. They get
    /// every value of the mount, as the guest stored it
    #[arg(long, conflicts_with = "no_control")]
    pub allow_export: bool,

    /// Let callers with `sudo` on a mount's `.airlock/record` record its requests, for `airlock record`. What they get has tokens in
    /// place of keys, values and tokens
    #[arg(long, conflicts_with = "no_control")]
    pub allow_record: bool,

    #[command(flatten)]
    pub limits: LimitArgs,

    #[command(flatten)]
    pub breaker: BreakerArgs,

    #[command(flatten)]
    pub traces: TraceArgs,

    #[command(flatten)]
    pub metrics: MetricsArgs,
}

/// The value of `--cache` that keeps nothing.
const NONE: &str = "none";

impl ServeArgs {
    /// Returns what the operator trusts.
    pub fn trust(&self) -> Result<Trust> {
        if self.unpinned {
            return Ok(Trust::unpinned());
        }
        self.trusted.trust()
    }

    /// Returns the storage that the operator lets the host keep in memory.
    pub fn cacheable(&self) -> Prefixes {
        self.cache_prefixes()
            .map_or_else(Prefixes::all, Prefixes::from_iter)
    }

    /// Returns the prefixes to which the operator confines what is kept in memory, if any are given.
    pub fn cache_prefixes(&self) -> Option<&[String]> {
        match self.cache.as_slice() {
            [] => None,
            prefixes if prefixes.iter().any(|prefix| prefix == NONE) => Some(&[]),
            prefixes => Some(prefixes),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Serve {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn cacheable(flags: &[&str]) -> Prefixes {
        let serve = ["serve", "--guest=/g", "--unpinned"];
        Serve::parse_from(serve.iter().chain(flags)).args.cacheable()
    }

    #[test]
    fn all_that_the_guest_declares_is_kept_unless_the_operator_says_otherwise() {
        assert_eq!(cacheable(&[]), Prefixes::all());
        assert_eq!(cacheable(&["--cache=none"]), Prefixes::none());
        assert_eq!(cacheable(&["--cache=none", "--cache=names"]), Prefixes::none());
        assert_eq!(
            cacheable(&["--cache=names", "--cache=metadata/"]),
            Prefixes::from_iter(["metadata/", "names"])
        );
    }
}
