//! `airlock bundle`: writes an executable that contains the host, a guest and the guest's compiled code.
//!
//! The file is a copy of the running program with the guest behind it; [`trailer`] has the layout, and
//! [`contained`](crate::contained) is the other side, which finds the guest at a start. The code is compiled for the
//! baseline, and the guest has been loaded from it and has described itself, before anything is written.
//!
//! The copy ends where the contained guest of the running program begins, so bundling from a bundle replaces its guest.

pub mod trailer;

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use airlock_sandbox::baseline;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use printable::Printable;

use self::trailer::{Part, Trailer};
use crate::contained::{self, THIS_PROGRAM};
use crate::file::read_guest;
use crate::{guest, inspect};

/// The arguments of `bundle`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// The guest, a WebAssembly component
    #[arg(long, value_name = "FILE")]
    pub guest: PathBuf,

    /// The file to write; name the guest and its version in it, such as airlock-kv-0.1.0
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

/// Writes the bundle, completely or not at all. Returns the text to print.
pub async fn run(args: &BundleArgs) -> Result<String> {
    let Some(baseline) = baseline() else {
        bail!("this program cannot make a bundle: bundles are for Linux on x86-64 and on ARM64");
    };
    let contained = contained::this_program()?;
    // Compiling takes a while; whoever would replace a file by mistake need not wait for it.
    if !args.force && args.output.symlink_metadata().is_ok() {
        bail!(already_there(&args.output));
    }
    let component = read_guest(&args.guest)?;
    let guest = guest::sandbox(guest::COMPILE_FOR_BASELINE, None, Some(u64::MAX))?
        .load(&component, inspect::limits())
        .await
        .with_context(|| format!("guest {}", args.guest.display()))?;
    let code = guest.compiled()?;
    let program = File::open(THIS_PROGRAM).with_context(|| format!("cannot read {THIS_PROGRAM}"))?;
    let trailer = Trailer {
        program: match contained {
            Some(contained) => contained.trailer().program,
            None => program.metadata()?.len(),
        },
        guest: Part::of(&component),
        code: Part::of(&code),
        baseline: baseline.to_owned(),
    };
    write(args, program, &trailer, &component, &code)?;
    let description = guest.description();
    Ok(format!(
        "{}: {} {}, sha256 {}, compiled for {baseline}\n\nTo check it, and to see the commands that register it:\n\n  {} check\n",
        args.output.display(),
        Printable(&description.name),
        Printable(&description.version),
        guest.digest(),
        std::path::absolute(&args.output)?.display(),
    ))
}

fn already_there(output: &Path) -> String {
    format!("{} exists already; give --force to replace it", output.display())
}

fn write(args: &BundleArgs, program: File, trailer: &Trailer, component: &[u8], code: &[u8]) -> Result<()> {
    let folder = args
        .output
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let written = (|| {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let copied = io::copy(&mut program.take(trailer.program), &mut file)?;
        if copied != trailer.program {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "this program's file has become shorter",
            ));
        }
        for part in [component, code, &trailer.encode()] {
            file.write_all(part)?;
        }
        file.as_file().set_permissions(Permissions::from_mode(0o755))?;
        file.as_file().sync_all()?;
        let kept = if args.force {
            file.persist(&args.output)
        } else {
            file.persist_noclobber(&args.output)
        };
        kept.map_err(|error| error.error)?;
        // Makes the name as durable as the file, where the file system can do that.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    })();
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!(already_there(&args.output)),
        written => written.with_context(|| format!("cannot write {}", args.output.display())),
    }
}
