//! Command lines: `vault`, `airlock` and any other.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::files;
use crate::http::Client;

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Output {
    /// The exit status; -1 where a signal ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Panics, with all that was said, unless the command succeeded.
    #[track_caller]
    pub fn expect_success(self, what: &str) -> Self {
        assert_eq!(self.status, 0, "{what}: {self:?}");
        self
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

/// `airlock <arguments>`, as a person would type it.
pub fn airlock<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    run(Command::new(files::airlock()).args(arguments))
}

/// `vault <arguments>`, speaking to the client's server with its token.
pub fn vault<S: AsRef<OsStr>>(client: &Client, arguments: impl IntoIterator<Item = S>) -> Output {
    run(Command::new(files::vault())
        .args(arguments)
        .env("VAULT_ADDR", client.address())
        .env("VAULT_TOKEN", client.token())
        .env("BAO_ADDR", client.address())
        .env("BAO_TOKEN", client.token()))
}
