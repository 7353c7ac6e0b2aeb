//! `airlock sign`: signs a guest as what it says of itself.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use airlock_trust::{Signature, SignedName, Trust};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use zeroize::Zeroizing;

use crate::file::{self, read_guest, read_signature, signature_of};
use crate::signing::{PasswordArgs, SecretKey};
use crate::{guest, hardening, inspect};

/// Most bytes of a secret key's file.
const LONGEST_KEY: usize = 1024;

/// The arguments of `sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The secret key, as `airlock keygen` or `minisign -G` made it
    #[arg(long, value_name = "KEY")]
    pub key: PathBuf,

    #[command(flatten)]
    pub password: PasswordArgs,

    /// The guest, a WebAssembly component. Its signature goes to FILE.minisig
    #[arg(value_name = "FILE")]
    pub guest: PathBuf,
}

/// Loads the guest, and signs it under the name and version that it has. Returns the text to print.
pub async fn run(args: &SignArgs) -> Result<String> {
    hardening::seal_process();
    let named = || format!("guest {}", args.guest.display());
    let component = read_guest(&args.guest)?;
    let guest = inspect::load(&args.guest, &component).await?;
    let description = guest.description();
    let name = SignedName::new(&description.name, &description.version).with_context(named)?;
    // Before the password is asked for.
    check_replaces(&args.guest, &name)?;
    let key = read_key(args)?;
    let signature = key.sign(&component, &name)?;
    // The signature is verified as `serve` will verify it, so that a defect shows here.
    let voucher = Trust::new([], [key.public_key()?]).vouch(&component, Some(&signature));
    let voucher = voucher.with_context(named)?;
    guest::confirm(&voucher, &args.guest, &guest)?;
    let path = signature_of(&args.guest);
    write(&path, &signature).with_context(|| format!("cannot write {}", path.display()))?;
    let (name, version) = (name.name(), name.version());
    Ok(format!(
        "{}: {name} {version}, {}\n",
        path.display(),
        voucher.by()
    ))
}

fn read_key(args: &SignArgs) -> Result<SecretKey> {
    let bytes = Zeroizing::new(file::read("secret key", &args.key, LONGEST_KEY)?);
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    SecretKey::from_file(text, || args.password.password(&args.key))
        .with_context(|| format!("--key={}", args.key.display()))
}

/// Checks that a signature that exists is of the same name and version, so that none is lost that another build needs.
fn check_replaces(guest: &Path, name: &SignedName) -> Result<()> {
    let Some(text) = read_signature(guest)? else {
        return Ok(());
    };
    let path = signature_of(guest);
    let (this, version) = (name.name(), name.version());
    let other = match text
        .parse::<Signature>()
        .map(|signature| signature.unverified_name())
    {
        Ok(Ok(other)) if other == *name => return Ok(()),
        Ok(Ok(other)) => format!("the signature of {} {}", other.name(), other.version()),
        _ => "not a signature that this command made".to_owned(),
    };
    bail!(
        "{}: it exists and is {other}, and this guest is {this} {version}: move the file away, or sign a copy of the \
         guest that has its version in its name",
        path.display()
    )
}

/// Replaces the file in one step: a host may read it at any time.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
