//! `airlock verify`: says whether a guest is trusted.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::args::TrustArgs;
use crate::file::read_guest;
use crate::{guest, inspect};

/// The arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub trusted: TrustArgs,

    /// The guest, a WebAssembly component
    #[arg(value_name = "FILE")]
    pub guest: PathBuf,
}

/// Decides as `serve` does. Returns the line to print if the guest is trusted.
pub async fn run(args: &VerifyArgs) -> Result<String> {
    let trust = args.trusted.trust()?;
    let component = read_guest(&args.guest)?;
    let voucher = guest::vouch(&trust, &args.guest, &component)?;
    let what = match voucher.signed() {
        // The guest is asked only after it is vouched for.
        Some(signed) => {
            let guest = inspect::load(&args.guest, &component).await?;
            guest::confirm(&voucher, &args.guest, &guest)?;
            format!("{} {}", signed.name(), signed.version())
        }
        None => format!("SHA-256 {}", voucher.digest()),
    };
    Ok(format!(
        "ok: {}: {what}, {}\n",
        args.guest.display(),
        voucher.by()
    ))
}
