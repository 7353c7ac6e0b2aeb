//! `airlock dev` as a person starts it: the process and its terminal output.

use std::io::pipe;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::files;
use crate::http::{Client, Mount};
use crate::log::Log;

/// The root token of the servers here.
pub const TOKEN: &str = "a-root-token";

/// A development server that serves. Dropping it ends it.
pub struct DevServer {
    process: Child,
    log: Log,
    client: Client,
}

impl DevServer {
    /// Starts `airlock dev` with these arguments on a free port, with the token [`TOKEN`].
    #[track_caller]
    pub fn start<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(files::airlock());
        command.args(["dev", "--listen=127.0.0.1:0"]);
        command.arg(format!("--token={TOKEN}"));
        for argument in arguments {
            command.arg(argument.as_ref());
        }
        Self::spawn(command)
    }

    /// Runs a command that becomes `airlock dev`, and waits until it serves.
    #[track_caller]
    pub fn spawn(mut command: Command) -> Self {
        let (terminal, writer) = pipe().unwrap();
        let process = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        drop(command); // this also drops the writing side of the pipe, so that the log ends with the server
        let log = Log::read(terminal);
        let export = log.wait_for("the address", |line| line.text.contains("export VAULT_ADDR="));
        log.wait_for("the end of the banner", |line| {
            line.text.contains("Ctrl-C ends it")
        });
        let after = |name: &str| {
            let rest = export
                .text
                .split_once(name)
                .map(|(_, rest)| rest)
                .unwrap_or_default();
            rest.split(' ').next().unwrap_or_default().to_owned()
        };
        let client = Client::new(&after("VAULT_ADDR="), &after("VAULT_TOKEN="));
        DevServer { process, log, client }
    }

    /// Returns a caller with the root token.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns a mount of the server.
    pub fn mount(&self, path: &str) -> Mount {
        Mount::new(self.client.clone(), path)
    }

    /// Returns the terminal output.
    pub fn terminal(&self) -> &Log {
        &self.log
    }

    /// Returns the id of the server's process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends SIGKILL and waits until the process has ended.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Ends the server with a signal, as Ctrl-C does. Returns the exit status, or `None` if the signal itself ended the
    /// process.
    pub fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
        self.process.wait().unwrap().code()
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        let _ = self.process.kill(); // fails if it has already ended
        let _ = self.process.wait();
    }
}
