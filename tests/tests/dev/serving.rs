//! Tests the output of `airlock dev` and its end.

use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use airlock_tests::{DevServer, Line, TOKEN, airlock, files, run, vault};
use rustix::process::Signal;
use serde_json::json;

fn mount(path: &str, guest: &str) -> String {
    format!("--mount={path}={}", files::guest(guest).display())
}

#[test]
fn help_banner_and_health_say_that_it_is_a_development_server() {
    let help = airlock(["dev", "--help"]).expect_success("help").stdout;
    for word in [
        "development server",
        "not a Vault",
        "loopback only",
        "without encryption",
        "--clock",
    ] {
        assert!(help.contains(word), "no {word:?} in:\n{help}");
    }
    let server = DevServer::start([mount("demo", "kv")]);
    let lines = server.terminal().lines();
    let banner = lines
        .iter()
        .map(|line| line.text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    for word in [
        "a development server, not a Vault",
        "no encryption",
        "loopback only",
        "/ui",
        "demo/",
        "in memory",
    ] {
        assert!(banner.contains(word), "no {word:?} in:\n{banner}");
    }
    let health = server
        .client()
        .with_token("")
        .read("sys/health")
        .expect_success("health");
    let said = health.body["development_server"].as_str().unwrap();
    assert!(said.contains("for development only"), "{said}");
    assert!(
        health.body["version"].as_str().unwrap().contains("airlock.dev"),
        "{health:?}"
    );
}

#[test]
fn a_token_of_its_own_is_random_and_printed() {
    let start = || {
        let mut command = std::process::Command::new(files::airlock());
        command.args(["dev", "--listen=127.0.0.1:0", &mount("demo", "kv")]);
        DevServer::spawn(command)
    };
    let (one, other) = (start(), start());
    assert_ne!(one.client().token(), other.client().token());
    one.client()
        .read("auth/token/lookup-self")
        .expect_success("look up");
    assert_eq!(
        one.client()
            .with_token(other.client().token())
            .read("sys/mounts")
            .status,
        403
    );
}

#[test]
fn without_a_mount_it_serves_and_says_how_to_mount_a_guest() {
    let server = DevServer::start::<&str>([]);
    server
        .terminal()
        .wait_for("how to mount", |line| line.text.contains("--mount demo="));
    server.client().read("sys/mounts").expect_success("mounts");
}

/// Parses a line such as `create   demo/team/db   200    1.03 ms  guest  398 µs  storage 1 read 1 written 0 listed`.
fn shown(line: &Line) -> Option<(String, String, u16, String)> {
    let mut words = line.text.split_whitespace();
    let (operation, path, status) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
    let took: f64 = words.next()?.parse().ok()?;
    let rest = words.collect::<Vec<_>>().join(" ");
    let cost = rest.strip_prefix("ms")?.trim_start();
    let storage = match cost.strip_prefix("guest ") {
        Some(cost) => {
            let (cpu, storage) = cost.split_once(" µs storage ")?;
            assert!(
                cpu.parse::<u64>().unwrap() > 0,
                "a guest takes time: {}",
                line.text
            );
            storage
        }
        None => "no guest",
    };
    assert!(took > 0.0, "{}", line.text);
    Some((operation.to_owned(), path.to_owned(), status, storage.to_owned()))
}

#[test]
fn each_request_is_shown_with_its_costs_and_never_a_value() {
    let server = DevServer::start([mount("demo", "kv")]);
    let demo = server.mount("demo");
    demo.write("team/db", json!({"value": "hunter2"}))
        .expect_success("create");
    demo.write("team/db", json!({"value": "hunter2"}))
        .expect_success("update");
    demo.read("team/db").expect_success("read");
    demo.list("team").expect_success("list");
    demo.delete("team/db").expect_success("delete");
    assert_eq!(demo.read("none?x=hunter2").status, 400);
    assert_eq!(demo.with_token("hunter2").read("team/db").status, 403);
    let garbage = run(std::process::Command::new("curl")
        .args(["-s", "-d", "{\"value\": hunter2", "-H"])
        .arg(format!("X-Vault-Token: {TOKEN}"))
        .arg(format!("{}/v1/demo/team/garbage", server.client().address())));
    assert!(garbage.stdout.contains("invalid character"), "{garbage:?}");
    server.client().read("sys/mounts").expect_success("mounts");
    server
        .terminal()
        .wait_for("the last request", |line| line.text.contains("sys/mounts"));

    let lines = server.terminal().lines();
    let seen: Vec<_> = lines.iter().filter_map(shown).collect();
    let expected = [
        ("create", "demo/team/db", 200, "1 read 1 written 0 listed"),
        ("update", "demo/team/db", 200, "0 read 1 written 0 listed"),
        ("read", "demo/team/db", 200, "1 read 0 written 0 listed"),
        ("list", "demo/team/", 200, "0 read 0 written 1 listed"),
        ("delete", "demo/team/db", 200, "0 read 1 written 0 listed"),
        ("read", "demo/none", 400, "1 read 0 written 0 listed"),
        ("read", "demo/team/db", 403, "no guest"),
        ("post", "demo/team/garbage", 500, "no guest"),
        ("read", "sys/mounts", 200, "no guest"),
    ];
    let expected =
        expected.map(|(operation, path, status, cost)| (operation.into(), path.into(), status, cost.into()));
    assert_eq!(seen, expected);
    for line in &lines {
        assert!(!line.text.contains("hunter2"), "a value is shown: {}", line.text);
    }
}

#[test]
fn what_a_guest_logs_is_one_line_and_events_are_shown_by_their_type() {
    let server = DevServer::start([mount("adversary", "adversary"), "--log-lines=2".into()]);
    let adversary = server.mount("adversary");
    adversary.read("log").expect_success("log");
    adversary.read("write-with-event").expect_success("event");
    server.terminal().wait_for("the event", |line| {
        line.text == "event    adversary/ adversary/wrote"
    });
    let lines = server.terminal().lines();
    let logged = lines
        .iter()
        .filter(|line| line.text.starts_with("info     adversary: line"));
    assert_eq!(logged.count(), 2);
}

#[test]
fn limits_are_those_of_production_and_cost_one_request() {
    let server = DevServer::start([mount("adversary", "adversary"), "--cpu-ms=100".into()]);
    let adversary = server.mount("adversary");
    for (path, setting) in [
        ("loop", "--cpu-ms"),
        ("memory", "--memory-mib"),
        ("storage", "--storage-ops"),
    ] {
        let answer = adversary.read(path);
        assert!(
            answer.status >= 400 && answer.errors().contains(setting),
            "{path}: {answer:?}"
        );
    }
    adversary.read("ok").expect_success("the next request");
}

#[test]
fn the_same_file_can_be_mounted_twice_and_mounts_do_not_see_each_other() {
    let server = DevServer::start([mount("one", "kv"), mount("other", "kv")]);
    server
        .mount("one")
        .write("a", json!({"value": 1}))
        .expect_success("write");
    assert_eq!(server.mount("other").read("a").status, 400);
    vault(server.client(), ["secrets", "enable", "-path=third", "kv"]).expect_success("enable");
    assert_eq!(server.mount("third").read("a").status, 400);
}

#[test]
fn ctrl_c_and_sigterm_end_it_orderly_also_with_a_request_under_way_and_a_page_that_waits() {
    for signal in [Signal::INT, Signal::TERM] {
        let server = DevServer::start([mount("adversary", "adversary"), "--cpu-ms=2000".into()]);
        let address = server.client().address().to_owned();
        let ask = |question: &str| {
            let mut curl = std::process::Command::new("curl");
            curl.args(["-s", "-H", &format!("X-Vault-Token: {TOKEN}")]);
            curl.arg(format!("{address}/ui/api/{question}"));
            curl
        };
        let mut page = ask("requests?after=1000").stdout(Stdio::null()).spawn().unwrap();
        let adversary = server.mount("adversary");
        let working = thread::spawn(move || adversary.read("commit-then-loop"));
        while !run(&mut ask("keys?mount=adversary&folder=adversary/"))
            .stdout
            .contains("written")
        {
            assert!(!working.is_finished());
        }
        assert_eq!(server.end(signal), Some(0));
        let worked = working.join().unwrap();
        assert!(
            worked.status == 500 && worked.errors().contains("--cpu-ms"),
            "{worked:?}"
        );
        page.wait().unwrap(); // its answer does not matter, but it must not wait any longer
        TcpListener::bind(address.strip_prefix("http://").unwrap()).expect("the server has left its port");
    }
}
