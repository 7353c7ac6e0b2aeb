//! Defines the flags for the limits of requests and mounts.
//!
//! The name of a limit contains its unit. An exceeded limit reports the same name, so that an operator can go from an
//! error in Vault's log straight to the flag.

use clap::Args;

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
