//! Defines the arguments of `airlock dev`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use airlock_dev_server::Clock;
use anyhow::Context as _;
use clap::Args;

use crate::args::LimitArgs;

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

    /// The clock that leases, the periodic tick and guests follow: `running` or `frozen`, and how far it is ahead of now,
    /// as in `frozen+90d` or `+8h`. `vault write sys/clock advance=1h` moves it later, `frozen=true` freezes it, as does the
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
