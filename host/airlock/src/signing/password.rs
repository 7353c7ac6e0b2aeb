//! The password of a secret key: from a file, or from the person at the terminal.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use zeroize::Zeroizing;

/// Most bytes of a password, as for minisign.
const LONGEST: usize = 1024;

/// The password's source.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Take the password from the first line of this file and do not ask for it; /dev/stdin is standard input
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// Returns the password of a key that exists.
    pub fn password(&self, key: &Path) -> Result<Zeroizing<String>> {
        match &self.password_file {
            Some(file) => from_file(file),
            None => ask(&format!("Password of {}: ", key.display())),
        }
    }

    /// Returns the password of a key that is being made. A person has to type it twice.
    pub fn new_password(&self) -> Result<Zeroizing<String>> {
        if let Some(file) = &self.password_file {
            return from_file(file);
        }
        let password = ask("Password for the secret key: ")?;
        if *ask("The same password again: ")? != *password {
            bail!("the two passwords differ: nothing was written");
        }
        Ok(password)
    }
}

fn ask(prompt: &str) -> Result<Zeroizing<String>> {
    let typed = rpassword::prompt_password(prompt).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("there is no terminal"),
        _ if error.raw_os_error() == Some(NO_TERMINAL) => anyhow::anyhow!("there is no terminal"),
        _ => error.into(),
    });
    let password = typed.map(Zeroizing::new).context(
        "cannot ask for the password: give --password-file, or make a key without a password with `keygen --no-password`",
    )?;
    checked(password)
}

/// The error of opening `/dev/tty` in a process that has no terminal.
const NO_TERMINAL: i32 = rustix::io::Errno::NXIO.raw_os_error();

fn from_file(path: &Path) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(LONGEST + 3));
    // Any kind of file: secrets often come from a pipe.
    File::open(path)
        .and_then(|file| file.take(LONGEST as u64 + 3).read_to_string(&mut text))
        .with_context(|| format!("--password-file={}: cannot be read", path.display()))?;
    let line = text.lines().next().unwrap_or_default();
    checked(Zeroizing::new(line.to_owned())).with_context(|| format!("--password-file={}", path.display()))
}

fn checked(password: Zeroizing<String>) -> Result<Zeroizing<String>> {
    if password.is_empty() {
        bail!(
            "the password is empty: give one, or make a key without a password with `keygen --no-password`"
        );
    }
    if password.len() > LONGEST {
        bail!("the password is longer than {LONGEST} bytes");
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |content: &str| {
            std::fs::write(file.path(), content).unwrap();
            from_file(file.path()).map_err(|error| format!("{error:#}"))
        };
        for content in ["one", "one\n", "one\r\n", "one\ntwo"] {
            assert_eq!(read(content).unwrap().as_str(), "one");
        }
        let longest = "p".repeat(LONGEST);
        assert_eq!(*read(&format!("{longest}\r\n")).unwrap(), longest);
        for (content, error) in [
            ("", "empty"),
            ("\nx", "empty"),
            (&"p".repeat(LONGEST + 1), "longer"),
        ] {
            assert!(read(content).unwrap_err().contains(error));
        }
        std::fs::remove_file(file.path()).unwrap();
        let missing = from_file(file.path()).unwrap_err().to_string();
        assert!(missing.starts_with("--password-file="), "{missing}");
    }
}
