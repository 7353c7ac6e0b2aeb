//! A real Prometheus for one test: scrapes, evaluates rules, answers queries.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use ureq::Agent;

use crate::{eventually, files, free_port, run};

/// A Prometheus that runs until dropped.
pub struct Prometheus {
    child: Child,
    address: String,
    log: PathBuf,
}

/// Returns the Prometheus of this machine, or of Debian; nothing if neither can be had. It is looked for once, because two
/// would unpack it into the same folder.
pub fn find_prometheus() -> Option<PathBuf> {
    static FOUND: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let found = run(&mut Command::new(files::root().join("tests/prometheus.sh")));
        (found.status == 0).then(|| PathBuf::from(found.stdout.trim()))
    });
    FOUND.clone()
}

impl Prometheus {
    /// Starts a Prometheus with this configuration, with its files in `directory`, and waits until it answers.
    pub fn start(program: &Path, directory: &Path, configuration: &str) -> Self {
        let (config, log) = (directory.join("prometheus.yml"), directory.join("prometheus.log"));
        fs::write(&config, configuration).unwrap();
        let port = free_port();
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut prometheus = Prometheus {
            child,
            address: format!("http://127.0.0.1:{port}"),
            log,
        };
        eventually("Prometheus is ready", || {
            if let Some(status) = prometheus.child.try_wait().unwrap() {
                panic!("Prometheus ended with {status}: {}", prometheus.log());
            }
            prometheus.try_get("/-/ready", &[]).ok()
        });
        prometheus
    }

    /// Returns the answer to a query for the present. Panics, with the reason, if the query is not valid.
    #[track_caller]
    pub fn query(&self, query: &str) -> Vec<Value> {
        let answer = self.get("/api/v1/query", &[("query", query)]);
        let result = answer["data"]["result"].as_array();
        result.unwrap_or_else(|| panic!("{query}: {answer}")).clone()
    }

    /// Returns the answer of a path of its API, which is an object with `data`, or with `error`.
    #[track_caller]
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let text = self.try_get(path, query);
        let text = text.unwrap_or_else(|error| panic!("{path}: {error}: {}", self.log()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    fn try_get(&self, path: &str, query: &[(&str, &str)]) -> Result<String, ureq::Error> {
        let config = Agent::config_builder().http_status_as_error(false).build();
        let request = Agent::from(config).get(format!("{}{path}", self.address));
        let mut answer = request.query_pairs(query.iter().copied()).call()?;
        let status = answer.status();
        if status.is_server_error() {
            return Err(io::Error::other(format!("the status is {status}")).into());
        }
        answer.body_mut().read_to_string()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
