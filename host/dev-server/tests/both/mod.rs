//! The server under test and a real Vault with the same engine, and the comparison of their answers.
#![allow(unreachable_pub, clippy::unwrap_used)]

use std::path::PathBuf;

use airlock_tests::{Server, Storage, masked};
use serde_json::{Value, json};

use crate::common::{Answer, Caller, Dev};

/// Returns the plugin for the real Vault, which cargo builds beside the tests.
fn probe() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("examples/dev_probe");
    assert!(
        path.exists(),
        "{} is missing: build this crate's examples",
        path.display()
    );
    path
}

pub struct Both {
    pub dev: Dev,
    pub vault: Caller,
    _server: Server,
    differences: Vec<String>,
    count: usize,
}

impl Both {
    pub fn start() -> Both {
        let server = Server::start_with("dev-server", Storage::Memory, &probe());
        let vault = Caller::new(server.client().address(), server.client().token());
        let dev = Dev::memory();
        let registration = json!({ "sha256": server.plugin_sha256(), "command": "dev_probe" });
        vault.write("sys/plugins/catalog/secret/probe", registration).ok();
        for caller in [&dev.caller, &vault] {
            caller.enable("p", "probe");
        }
        Both {
            dev,
            vault,
            _server: server,
            differences: Vec::new(),
            count: 0,
        }
    }

    /// Sends a request to both servers and compares the whole answers.
    pub fn same(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> [Answer; 2] {
        let answers = [&self.dev.caller, &self.vault].map(|caller| caller.send(method, path, headers, body));
        self.compare(
            &format!("{method} {path} {headers:?} {}", body.get(..80).unwrap_or(body)),
            &answers,
        );
        answers
    }

    pub fn compare(&mut self, what: &str, answers: &[Answer; 2]) {
        self.count += 1;
        let [dev, vault] = answers.each_ref().map(seen);
        if dev != vault {
            self.differences
                .push(format!("{what}\n    here:  {dev}\n    Vault: {vault}"));
        }
    }

    pub fn get(&mut self, path: &str) -> [Answer; 2] {
        self.same("GET", path, &[], "")
    }

    pub fn post(&mut self, path: &str, body: &Value) -> [Answer; 2] {
        self.same(
            "POST",
            path,
            &[("content-type", "application/json")],
            &body.to_string(),
        )
    }

    pub fn finish(self, least: usize) {
        assert!(self.count >= least, "only {} requests were compared", self.count);
        let Both {
            differences, count, ..
        } = self;
        assert!(
            differences.is_empty(),
            "{} of {count} differ:\n{}",
            differences.len(),
            differences.join("\n")
        );
    }
}

/// Returns the part of an answer that must be equal on both servers.
fn seen(answer: &Answer) -> String {
    let shown = match &answer.body {
        Value::Null => json!(answer.text),
        body => masked(body.clone()),
    };
    let headers: Vec<String> = [
        "content-type",
        "cache-control",
        "location",
        "x-probe",
        "x-vault-raw-error",
        "www-authenticate",
    ]
    .into_iter()
    .filter_map(|name| Some(format!("{name}: {}", answer.headers.get(name)?)))
    .collect();
    format!("{} {headers:?} {shown}", answer.status)
}
