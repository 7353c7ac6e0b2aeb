//! Runs command lines: `vault`, `airlock` and others.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::files;
use crate::http::Client;

/// The result of a command and its output.
#[derive(Debug)]
pub struct Output {
    /// The exit status, or -1 if a signal ended the command.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Panics, with the whole output, unless the command succeeded.
    #[track_caller]
    pub fn expect_success(self, what: &str) -> Self {
        assert_eq!(self.status, 0, "{what}: {self:?}");
        self
    }

    /// Panics unless the command failed with status 1 and one line on standard error that has all of `words`.
    #[track_caller]
    pub fn assert_refused(&self, words: &[&str]) {
        assert_eq!((self.status, self.stdout.as_str()), (1, ""), "{self:?}");
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?}: {self:?}");
        }
    }
}

/// Runs a command to its end, without standard input.
pub fn run(command: &mut Command) -> Output {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Output {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `airlock <arguments>`, as a person would type it.
pub fn airlock<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    run(Command::new(files::airlock()).args(arguments))
}

/// Returns `airlock <arguments>` for a client's server, with its token in the environment and none in the home directory.
pub fn airlock_for<S: AsRef<OsStr>>(client: &Client, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(files::airlock());
    for name in ["ADDR", "TOKEN", "NAMESPACE", "CACERT", "CAPATH", "SKIP_VERIFY"] {
        command.env_remove(format!("BAO_{name}"));
        command.env_remove(format!("VAULT_{name}"));
    }
    command
        .args(arguments)
        .env("HOME", "/nonexistent")
        .env("VAULT_ADDR", client.address());
    if !client.token().is_empty() {
        command.env("VAULT_TOKEN", client.token());
    }
    command
}

/// Runs `vault <arguments>` with the address and the token of this client.
pub fn vault<S: AsRef<OsStr>>(client: &Client, arguments: impl IntoIterator<Item = S>) -> Output {
    run(Command::new(files::vault())
        .args(arguments)
        .env("VAULT_ADDR", client.address())
        .env("VAULT_TOKEN", client.token())
        .env("BAO_ADDR", client.address())
        .env("BAO_TOKEN", client.token()))
}
