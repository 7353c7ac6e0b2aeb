//! Tests what `airlock status` and the numbers say of mounts behind a real server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::sync::LazyLock;

use airlock_tests::{
    Client, Mount, Output, Plugin, Server, Storage, airlock_for, ask, ask_as, eventually, files, free_port,
    process, run, vault,
};
use serde_json::{Value, json};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("status", Storage::Memory));

fn operate(client: &Client, arguments: &[&str]) -> Output {
    run(&mut airlock_for(client, arguments))
}

/// Registers the KV guest so that others may be pushed, and mounts it.
fn mount(name: &str, more: &[String]) -> Mount {
    let guest = format!("--guest={}", files::guest("kv").display());
    let args = [guest, "--unpinned".to_owned()];
    Plugin::with_args(name, args.into_iter().chain(more.iter().cloned())).register(&SERVER);
    SERVER.mount(name, name)
}

/// Logs a person in who may do everything.
fn log_in(name: &str) -> Client {
    let root = SERVER.client();
    root.write("sys/auth/userpass", json!({ "type": "userpass" }));
    let rules = r#"path "*" { capabilities = ["create", "read", "update", "list", "sudo"] }"#;
    root.write("sys/policies/acl/operator", json!({ "policy": rules }))
        .expect_success("policy");
    let user = json!({ "password": "p", "token_policies": ["operator"] });
    root.write(&format!("auth/userpass/users/{name}"), user)
        .expect_success("user");
    let login = root.write(&format!("auth/userpass/login/{name}"), json!({ "password": "p" }));
    root.with_token(
        login.expect_success("login").body["auth"]["client_token"]
            .as_str()
            .unwrap(),
    )
}

#[test]
fn status_says_who_made_a_guest_active_its_limits_and_what_it_did() {
    let mount = mount("told", &["--cpu-ms=777".to_owned()]);
    mount.write("a", json!({ "value": "1" })).expect_success("write");
    let ann = log_in("ann");
    let build = SERVER.temporary_directory().join("told.wasm");
    files::alter_guest("kv", &build, &[(env!("CARGO_PKG_VERSION"), "0.2.0")]);
    operate(&ann, &["push", build.to_str().unwrap(), "--mount", "told"]).expect_success("push");
    mount.read("a").expect_success("read");

    let read =
        vault(SERVER.client(), ["read", "-format=json", "told/.airlock/status"]).expect_success("read");
    let read: Value = serde_json::from_str(&read.stdout).unwrap();
    let status = operate(SERVER.client(), &["status", "--mount", "told", "--json"]).expect_success("status");
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    for status in [&read["data"], &status] {
        assert_eq!(status["running"]["version"], "0.2.0", "{status}");
        assert!(status["running"]["since"].is_string(), "{status}");
        let activated = &status["activated"];
        assert_eq!(activated["display_name"], "userpass-ann", "{status}");
        assert!(
            activated["at"].is_string() && activated["entity_id"].as_str().is_some_and(|id| !id.is_empty())
        );
        assert_eq!(status["limits"]["cpu-ms"], 777, "{status}");
        assert_eq!(status["breaker"]["state"], "closed", "{status}");
        assert!(status["counts"]["calls"]["ok"].as_u64().unwrap() >= 2, "{status}");
        assert_eq!(
            status["counts"]["swaps"],
            json!({ "done": 1, "refused": 0 }),
            "{status}"
        );
        assert!(
            status["node"]["host"].is_string() && status["node"]["cluster_id"].is_string(),
            "{status}"
        );
    }
    let text = operate(SERVER.client(), &["status", "--mount", "told"]).expect_success("status");
    for words in [
        "by userpass-ann (entity ",
        "cpu-ms 777",
        "done 1, refused 0",
        "breaker:         closed",
    ] {
        assert!(text.stdout.contains(words), "no {words:?}: {text:?}");
    }
    // Whoever goes back is named too.
    operate(
        SERVER.client(),
        &["push", build.to_str().unwrap(), "--mount", "told"],
    )
    .expect_success("again");
    let again = mount.read(".airlock/status");
    assert_eq!(
        again.data()["activated"]["display_name"],
        "userpass-ann",
        "{again:?}"
    );
}

#[test]
fn without_a_mount_each_mount_of_airlock_has_a_line() {
    mount("one", &[]);
    let adversary = files::guest("adversary");
    Plugin::serving("other", &adversary).register(&SERVER);
    SERVER.mount("other", "other");
    let all = operate(SERVER.client(), &["status"])
        .expect_success("status")
        .stdout;
    let line = |name: &str| all.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    assert!(
        line("one/: kv ").is_some_and(|line| line.contains("from file")),
        "{all}"
    );
    assert!(
        line("other/: adversary ").is_some_and(|line| line.contains("pinned")),
        "{all}"
    );
    assert!(line("cubbyhole").is_none() && line("sys").is_none(), "{all}");

    let all = operate(SERVER.client(), &["status", "--json"]).expect_success("status");
    let all: Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(all["one/"]["running"]["name"], "kv", "{all}");

    // A token that may not read it is told so, mount by mount.
    let rules = r#"path "one/data" { capabilities = ["read"] }"#;
    let root = SERVER.client();
    root.write("sys/policies/acl/reader", json!({ "policy": rules }))
        .expect_success("policy");
    let token = root.write("auth/token/create", json!({ "policies": ["reader"] }));
    let reader = root.with_token(
        token.expect_success("token").body["auth"]["client_token"]
            .as_str()
            .unwrap(),
    );
    let seen = operate(&reader, &["status"]).expect_success("status").stdout;
    assert!(
        seen.starts_with("one/: permission denied") && seen.lines().count() == 1,
        "{seen}"
    );
}

#[test]
fn a_loopback_port_has_the_numbers_of_all_mounts() {
    let port = free_port();
    let listen = format!("--metrics-listen=127.0.0.1:{port}");
    let first = mount("first", std::slice::from_ref(&listen));
    let second = SERVER.mount("second", "first");
    first
        .write("a", json!({ "value": "a secret" }))
        .expect_success("write");
    second.read("a");
    let connect = || TcpStream::connect(("127.0.0.1", port)).ok();
    let answer = eventually("the port is open", || {
        connect().map(|stream| ask(stream, "/metrics"))
    });
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: application/openmetrics-text"),
        "{answer}"
    );
    for mount in ["first/", "second/"] {
        let serving = format!("airlock_serving{{mount=\"{mount}\",backend_uuid=\"");
        assert!(answer.contains(&serving), "no {serving}: {answer}");
    }
    assert_eq!(
        answer.matches("# TYPE airlock_calls counter").count(),
        1,
        "{answer}"
    );
    assert!(
        answer.ends_with("# EOF\n") && !answer.contains("a secret"),
        "{answer}"
    );
    let other = ask(connect().unwrap(), "/");
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    // A web page whose name leads here.
    let page = ask_as(connect().unwrap(), "example.com", "/metrics");
    assert!(
        page.starts_with("HTTP/1.1 421") && !page.contains("airlock_"),
        "{page}"
    );

    // Another process finds the port taken, says so, and serves its mounts all the same.
    let blocked = mount("blocked", &[listen]);
    blocked.read("a");
    SERVER.log().wait_for("the port is taken", |line| {
        line.level() == "warn" && line.message().contains("--metrics-listen cannot be listened on")
    });
    blocked
        .write("a", json!({ "value": "1" }))
        .expect_success("write");
    // It takes the port once the first has ended.
    SERVER.unmount("first");
    SERVER.unmount("second");
    eventually("the other process has the port", || {
        let answer = ask(connect()?, "/metrics");
        answer.contains("mount=\"blocked/\"").then_some(())
    });
}

#[test]
fn a_socket_is_for_its_own_user_and_a_stale_one_is_replaced() {
    let path = SERVER.temporary_directory().join("numbers.sock");
    drop(UnixListener::bind(&path).unwrap());
    let mount = mount("socket", &[format!("--metrics-listen=unix:{}", path.display())]);
    mount.read("a");
    let answer = eventually("the socket is open", || {
        UnixStream::connect(&path)
            .ok()
            .map(|stream| ask(stream, "/metrics"))
    });
    assert!(answer.contains("airlock_serving{mount=\"socket/\""), "{answer}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_reader_that_cannot_be_accepted_is_told_once() {
    let path = SERVER.temporary_directory().join("few.sock");
    let mount = mount("few", &[format!("--metrics-listen=unix:{}", path.display())]);
    mount.read("a");
    let connect = || UnixStream::connect(&path).ok();
    eventually("the socket is open", || {
        connect().map(|stream| ask(stream, "/metrics"))
    });
    let is_it = |pid: &u32| {
        process::arguments(*pid)
            .iter()
            .any(|arg| arg.ends_with("few.sock"))
    };
    let plugin = process::hosts(SERVER.pid()).into_iter().find(is_it).unwrap();
    let files = |limit: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &plugin.to_string(), &format!("--nofile={limit}:")]);
        run(&mut prlimit).expect_success("prlimit");
    };
    let before = run(Command::new("prlimit").args([
        "--pid",
        &plugin.to_string(),
        "--nofile",
        "--noheadings",
        "--raw",
        "--output=SOFT",
    ]));
    files("3");
    let waiting = connect().unwrap();
    let cannot = "cannot accept a reader of the numbers";
    let line = SERVER
        .log()
        .wait_for(cannot, |line| line.message().contains(cannot));
    assert!(line.field("reason").contains("ulimit -n"), "{}", line.text);
    files(before.stdout.trim());
    assert!(ask(waiting, "/metrics").starts_with("HTTP/1.1 200"));
    let told = SERVER.log().lines();
    let told = told.iter().filter(|line| line.message().contains(cannot)).count();
    assert_eq!(told, 1);
}

#[test]
fn an_address_that_others_reach_is_refused_in_one_line() {
    let guest = format!("--guest={}", files::guest("kv").display());
    let output = run(&mut airlock_for(
        SERVER.client(),
        ["check", &guest, "--unpinned", "--metrics-listen=0.0.0.0:9180"],
    ));
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("is not a loopback address"), "{output:?}");
}
