//! Tries what docs/monitoring has for operators on a real Prometheus, which reads the numbers through the server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;

use airlock_tests::{
    Plugin, Prometheus, Server, Signer, Storage, airlock_for, eventually, files, find_prometheus, run,
    skipped_unless,
};
use serde_json::{Value, json};

/// A server with the mount `demo`, which serves, and `empty`, which has no guest yet; and the Prometheus that reads both.
struct Monitored {
    server: Server,
    prometheus: Prometheus,
    _directory: tempfile::TempDir,
}

impl Monitored {
    /// Starts both, or returns nothing where no Prometheus can be had.
    fn start(name: &str) -> Option<Self> {
        let program = find_prometheus();
        if skipped_unless(program.is_some(), "there is no Prometheus here") {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(name, Storage::Memory);
        Plugin::kv().named("demo").register(&server);
        server.mount("demo", "demo");
        let key = Signer::new(directory.path(), "signer").key();
        Plugin::with_args("empty", [format!("--trust={key}")]).register(&server);
        server.mount("empty", "empty");
        let configuration = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [\"{}\"]\n{}{}",
            document("docs/monitoring/rules.yml").0,
            scrape(&server, "demo"),
            scrape(&server, "empty").replacen("scrape_configs:\n", "", 1),
        );
        let prometheus = Prometheus::start(&program.unwrap(), directory.path(), &configuration);
        Some(Self {
            server,
            prometheus,
            _directory: directory,
        })
    }

    /// Sends requests, of which some are refused, until the query answers something.
    fn busy_until(&self, query: &str) {
        let (demo, empty) = (self.server.mounted("demo"), self.server.mounted("empty"));
        eventually(query, || {
            demo.write("a", json!({ "value": "1" })).expect_success("write");
            demo.read("a").expect_success("read");
            assert_eq!(empty.read("a").status, 503);
            (!self.prometheus.query(query).is_empty()).then_some(())
        });
    }
}

/// Returns the path of a file of the repository, and its text.
fn document(path: &str) -> (String, String) {
    let path = files::root().join(path);
    (path.display().to_string(), fs::read_to_string(&path).unwrap())
}

/// Returns what docs/logging-and-metrics.md configures to read a mount's numbers through Vault, with a token that has the policy
/// given there.
fn scrape(server: &Server, mount: &str) -> String {
    let (_, page) = document("docs/logging-and-metrics.md");
    let block = |language: &str| {
        let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("```").unwrap().0.replace("demo", mount)
    };
    let root = server.client();
    root.write(
        &format!("sys/policies/acl/{mount}"),
        json!({ "policy": block("hcl") }),
    )
    .expect_success("policy");
    let token = root.write("auth/token/create", json!({ "policies": [mount] }));
    let token = &token.expect_success("token").body["auth"]["client_token"];
    let file = server.temporary_directory().join(format!("{mount}.token"));
    fs::write(&file, token.as_str().unwrap()).unwrap();
    let configured = block("yaml");
    let mut text = configured.clone();
    for (documented, here) in [
        ("scheme: https", "scheme: http"),
        ("/etc/prometheus/vault-token", file.to_str().unwrap()),
        (
            "vault.example.org:8200",
            server.client().address().trim_start_matches("http://"),
        ),
        (
            "job_name: airlock",
            if mount == "demo" {
                "job_name: airlock"
            } else {
                "job_name: another"
            },
        ),
    ] {
        assert!(text.contains(documented), "no {documented:?}: {configured}");
        text = text.replace(documented, here);
    }
    text
}

/// Returns the names of Airlock's metrics in a query.
fn names(query: &str) -> BTreeSet<&str> {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("airlock_")).collect()
}

/// Returns the titles and queries of the dashboard's panels, with what Grafana puts in.
fn dashboard() -> Vec<(String, String)> {
    let (_, text) = document("docs/monitoring/dashboard.json");
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let queries = panels.flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (title.to_owned(), target["expr"].as_str().unwrap()))
    });
    let given = |query: &str| query.replace("$mount", ".*").replace("$__rate_interval", "1m");
    queries.map(|(title, query)| (title, given(query))).collect()
}

#[test]
fn each_panel_of_the_dashboard_has_what_it_shows() {
    let Some(monitored) = Monitored::start("dashboard") else {
        return;
    };
    monitored.busy_until(r#"airlock_calls_total{mount="demo",operation="read"} > 2"#);
    let known = monitored.prometheus.get("/api/v1/metadata", &[]);
    let queries = dashboard();
    assert!(queries.len() > 15, "{queries:?}");
    for (_, query) in &queries {
        for name in names(query) {
            let suffixes = ["_total", "_bucket", "_sum", "_count", "_info"];
            let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
            let known = |name: &str| !known["data"][name].is_null();
            assert!(
                known(name) || family.is_some_and(known),
                "{query}: no metric is called {name}"
            );
        }
        monitored.busy_until(query);
    }
    for busy in [
        "Calls by operation",
        "Duration of a call",
        "CPU time of guests",
        "Storage calls",
    ] {
        let query = &queries.iter().find(|(title, _)| title == busy).unwrap().1;
        monitored.busy_until(&format!("{query} > 0"));
    }
}

/// Returns the state of an alert.
fn state(alerts: &[Value], name: &str) -> Option<String> {
    let alert = alerts.iter().find(|alert| alert["labels"]["alertname"] == name)?;
    alert["state"].as_str().map(str::to_owned)
}

#[test]
fn alerts_are_valid_and_tell_of_a_mount_that_does_not_serve() {
    let Some(monitored) = Monitored::start("alerts") else {
        return;
    };
    let (_, text) = document("docs/monitoring/rules.yml");
    monitored.busy_until(r#"airlock_swaps_total{mount="empty",result="refused"} == 0"#);
    // Nobody signed it.
    let push = ["push", files::guest("kv").to_str().unwrap(), "--mount=empty"].map(str::to_owned);
    assert_eq!(run(&mut airlock_for(monitored.server.client(), &push)).status, 1);
    let rules = eventually("all rules are evaluated", || {
        let answer = monitored.prometheus.get("/api/v1/rules", &[]);
        let rules = answer["data"]["groups"][0]["rules"].as_array().unwrap().clone();
        rules
            .iter()
            .all(|rule| rule["health"] != "unknown")
            .then_some(rules)
    });
    assert_eq!(rules.len(), text.matches("- alert: ").count());
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    monitored.busy_until(r#"up{job="airlock"} == 1"#);
    let names = ["AirlockNotServing", "AirlockChangeOfGuestRefused"];
    let alerts = eventually("both alerts", || {
        let answer = monitored.prometheus.get("/api/v1/alerts", &[]);
        let alerts = answer["data"]["alerts"].as_array().unwrap().clone();
        names
            .iter()
            .all(|name| state(&alerts, name).is_some())
            .then_some(alerts)
    });
    // The first fires once it has been so for two minutes.
    let states = names.map(|name| state(&alerts, name).unwrap());
    assert_eq!(states, ["pending", "firing"], "{alerts:?}");
    for alert in &alerts {
        assert_eq!(alert["labels"]["mount"], "empty", "{alert}");
    }
}
