//! `airlock keygen`: makes a key pair that signs guests.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::file::appended;
use crate::hardening;
use crate::signing::{PasswordArgs, SecretKey};

/// The arguments of `keygen`.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// The file for the secret key, made with mode 600. The public key goes to KEY.pub. Neither may exist
    #[arg(long, value_name = "KEY")]
    pub out: PathBuf,

    /// Store the secret key without a password, for a machine that signs alone: whoever can read the file can sign
    #[arg(long, conflicts_with = "password_file")]
    pub no_password: bool,

    #[command(flatten)]
    pub password: PasswordArgs,
}

/// Writes both files, or neither. Returns the text to print.
pub fn run(args: &KeygenArgs) -> Result<String> {
    hardening::seal_process();
    let public_file = appended(&args.out, ".pub");
    for file in [&args.out, &public_file] {
        // This comes before the password is asked for. That nothing is overwritten, `create` makes sure.
        if file.symlink_metadata().is_ok() {
            bail!(
                "{}: it exists, and keys are not overwritten: give another name, or move it away",
                file.display()
            );
        }
    }
    let password = match args.no_password {
        true => None,
        false => Some(args.password.new_password()?),
    };
    let key = SecretKey::generate()?;
    let public = key.public_key()?;
    let secret = key.to_file(password.as_ref().map(|password| password.as_str()))?;
    create(&args.out, &secret, 0o600)?;
    let text = format!(
        "untrusted comment: minisign public key {}\n{public}\n",
        public.id()
    );
    create(&public_file, &text, 0o644).inspect_err(|_| {
        // A secret key alone is of no use.
        let _ = fs::remove_file(&args.out);
    })?;
    Ok(format!(
        "key {}: {} signs, and must not leave the signer; {} verifies\n\n\
         To sign a guest:\n\n  airlock sign --key {} FILE\n\n\
         To trust it, in the arguments of `airlock check` and `airlock serve`:\n\n  --trust={public}\n",
        public.id(),
        args.out.display(),
        public_file.display(),
        args.out.display()
    ))
}

/// Creates a file, which must not exist, and stores it durably.
fn create(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written
        .inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
        .with_context(|| format!("cannot write {}", path.display()))
}
