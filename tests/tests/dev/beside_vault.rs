//! Runs the same guests under `airlock dev` and under a real Vault. The `vault` command, hvac and malicious callers use
//! both. Every field of the answers must be equal, except for ids, times and tokens.

mod clients;
mod hostile;

use std::fs;
use std::process::Command;

use airlock_tests::{Answer, Client, DevServer, Output, Plugin, Server, Storage, files, masked, run, vault};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The reason why OpenBao is not compared: its API is a fork of Vault's.
const ONLY_ON_VAULT: &str =
    "airlock dev stands in for Vault, and OpenBao's core words its answers differently";

/// Both servers, with the KV guest at `demo` and the users guest at `users`.
struct Both {
    dev: DevServer,
    vault: Server,
    _guests: TempDir,
    differences: Vec<String>,
    compared: usize,
}

impl Both {
    fn start(name: &str) -> Self {
        // The guests have the names of Vault's catalog, where `kv` is the name of an engine of Vault's own.
        let guests = tempfile::tempdir().unwrap();
        let vault = Server::start(name, Storage::Memory);
        let mut arguments = Vec::new();
        for (path, guest) in [("demo", "kv"), ("users", "users")] {
            let named = format!("airlock-{guest}");
            let file = guests.path().join(&named).with_extension("wasm");
            fs::copy(files::guest(guest), &file).unwrap();
            arguments.push(format!("--mount={path}={}", file.display()));
            Plugin::serving(&named, &files::guest(guest)).register(&vault);
            vault.mount(path, &named);
        }
        Both {
            dev: DevServer::start(arguments),
            vault,
            _guests: guests,
            differences: Vec::new(),
            compared: 0,
        }
    }

    fn clients(&self) -> [&Client; 2] {
        [self.dev.client(), self.vault.client()]
    }

    fn compare(&mut self, what: &str, [dev, vault]: [String; 2]) {
        self.compared += 1;
        if dev != vault {
            self.differences
                .push(format!("{what}\n    here:  {dev}\n    Vault: {vault}"));
        }
    }

    /// Runs a `vault` command against both servers, and compares the output and the exit status.
    fn command(&mut self, line: &str) -> [Output; 2] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let outputs = self.clients().map(|client| vault(client, &arguments));
        let seen = [0, 1].map(|at| {
            let said = |text: &str| text.replace(self.clients()[at].address(), "ADDRESS");
            let output = &outputs[at];
            let stdout = match serde_json::from_str::<Value>(&output.stdout) {
                Ok(body) => masked(body).to_string(),
                Err(_) => said(&output.stdout),
            };
            format!("{} {stdout:?} {:?}", output.status, said(&output.stderr))
        });
        self.compare(&format!("vault {line}"), seen);
        outputs
    }

    /// Sends a request to both servers, and compares the status, the body and the headers that describe the body.
    fn request(&mut self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> [Answer; 2] {
        let answers = self
            .clients()
            .map(|client| curl(client, method, path, headers, body));
        let seen = answers.each_ref().map(|(answer, headers)| {
            let body = masked(answer.body.clone());
            format!("{} {headers:?} {body}", answer.status)
        });
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        self.compare(&format!("{method} {path} {headers:?} {shown}"), seen);
        answers.map(|(answer, _)| answer)
    }

    fn finish(self, least: usize) {
        assert!(self.compared >= least, "only {} were compared", self.compared);
        assert!(
            self.differences.is_empty(),
            "{} of {} differ:\n{}",
            self.differences.len(),
            self.compared,
            self.differences.join("\n")
        );
    }
}

/// Sends a request without changing it, whereas an ordinary client would change some of them.
fn curl(client: &Client, method: &str, path: &str, headers: &[&str], body: &[u8]) -> (Answer, Vec<String>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), body).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["-s", "-i", "--path-as-is", "--max-time", "60", "-H", "Expect:"]);
    if method == "HEAD" {
        curl.arg("--head");
    } else {
        curl.args(["-X", method]);
    }
    if !headers
        .iter()
        .any(|header| header.to_lowercase().starts_with("x-vault-token"))
    {
        curl.arg("-H").arg(format!("X-Vault-Token: {}", client.token()));
    }
    for header in headers {
        curl.args(["-H", header]);
    }
    if !body.is_empty() {
        curl.arg("--data-binary")
            .arg(format!("@{}", file.path().display()));
    }
    let output = run(curl.arg(format!("{}{path}", client.address()))).expect_success("curl");
    let (head, body) = output.stdout.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    const SHOWN: [&str; 5] = [
        "content-type",
        "cache-control",
        "location",
        "x-vault-namespace",
        "connection",
    ];
    let mut headers: Vec<String> = lines
        .map(|line| line.to_lowercase().replace(client.address(), "ADDRESS"))
        .filter(|line| SHOWN.iter().any(|name| line.starts_with(name)))
        .collect();
    headers.sort();
    let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
    (Answer { status, body }, headers)
}
