//! Tests that nothing that is emitted has a secret, whatever happens to the request with the secret: not the log at trace
//! level, the traces, the metrics, or what `airlock`'s own commands print.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use airlock_tests::{
    Collector, Line, Load, Mount, Plugin, Server, Signer, Storage, airlock_for, ask, files, process, run,
};
use serde_json::json;

/// A text in every value.
const VALUE: &str = "canary-of-a-value-5f1c";
/// A text in every path, and so in every storage key.
const KEY: &str = "canary-of-a-key-93b2";
/// A text in a request header that the mount lets through.
const HEADER: &str = "canary-of-a-header-77de";

#[test]
fn no_log_line_holds_a_value_a_key_or_a_token() {
    let server = Server::start("secrecy", Storage::Memory);
    let collector = Collector::start();
    let numbers = server.temporary_directory().join("numbers.sock");
    Plugin::kv()
        .arg(collector.flag())
        .arg(format!("--metrics-listen=unix:{}", numbers.display()))
        .register(&server);
    Plugin::serving("adversary", &files::guest("adversary"))
        .args([
            "--cpu-ms=200",
            "--storage-ops=3",
            "--memory-mib=16",
            "--breaker=0",
        ])
        .arg(collector.flag())
        .register(&server);
    let (kv, adversary) = (
        server.mount("kv", "airlock-kv"),
        server.mount("adversary", "adversary"),
    );
    server
        .client()
        .write(
            "sys/mounts/kv/tune",
            json!({"passthrough_request_headers": ["X-Canary", "traceparent", "tracestate"]}),
        )
        .expect_success("let a header through");

    // Requests that succeed, and requests that the engine refuses.
    let path = format!("folder/{KEY}");
    kv.write(&path, json!({"value": VALUE})).expect_success("write");
    kv.write(&path, json!({"value": {"nested": VALUE}}))
        .expect_success("write");
    kv.write(&path, json!({"value": VALUE.repeat(40_000)}))
        .expect_success("a large write");
    kv.write(&path, json!({"wrong": VALUE}));
    kv.patch(&path, json!({"value": VALUE}));
    kv.read(&path).expect_success("read");
    kv.list("folder").expect_success("list");
    kv.read(&format!("missing/{KEY}"));
    send_with_header(&kv.path(&path), &server);
    // Paths and data that storage or the sandbox refuses.
    kv.write(&format!("{KEY}/%00{KEY}"), json!({"value": VALUE}));
    kv.write(&KEY.repeat(2000), json!({"value": VALUE}));
    for command in [
        "trap",
        "panic",
        "loop",
        "overflow",
        "memory",
        "storage-ignoring-errors",
        "not-json",
        KEY,
        // Answers that the host refuses and that contain words of the request.
        &format!("write-then-answer%20{KEY}"),
        &format!("write-then-answer%20%7B%22http_status_code%22:%22{KEY}%22%7D"),
        &format!("write-then-answer%20%7B%22{KEY}%22:1e400%7D"),
    ] {
        adversary.write(command, json!({"value": VALUE, KEY: VALUE}));
        assert!(adversary.read(command).status >= 400, "{command}");
    }
    for numbers in [
        metrics(&kv),
        metrics(&adversary),
        ask(UnixStream::connect(&numbers).unwrap(), "/metrics"),
    ] {
        assert!(numbers.contains("airlock_calls_total"), "{numbers}");
        for secret in [VALUE, KEY, HEADER, server.client().token()] {
            assert!(!numbers.contains(secret), "{secret}: {numbers}");
        }
    }
    // A guest whose `initialize` fails with the text, which the host reports to Vault.
    server
        .client()
        .write(
            &format!("{}/adversary/initialize", server.storage_of("adversary")),
            json!({"value": KEY}),
        )
        .expect_success("what the guest is to say");
    server.seal();
    server.unseal();
    let refused = adversary.read("ok");
    assert!(refused.errors().contains(KEY), "{refused:?}");
    // A process that dies with requests in flight, and one that is asked to end.
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| kv.write(&path, json!({"value": VALUE.repeat(1000)})));
        }
        for host in process::hosts(server.pid()) {
            process::kill(host);
        }
    });
    kv.delete(&path);
    airlock_tests::vault(server.client(), ["plugin", "reload", "-plugin=airlock-kv"])
        .expect_success("reload");
    server.unmount("kv");
    server.unmount("adversary");

    let lines = server.log().lines();
    assert!(
        lines.iter().any(Line::is_hosts),
        "the host logs nothing, so this shows nothing"
    );
    for secret in [VALUE, HEADER, server.client().token()] {
        assert_absent(secret, lines.iter());
    }
    // Vault's own lines do contain paths; the host's must not.
    assert_absent(KEY, lines.iter().filter(|line| line.is_hosts()));
    // Failures with words of the request are among them.
    collector.wait_for("a trace of each end", |spans| {
        ["ok", "refused", "trap", "limit", "contract"]
            .iter()
            .all(|outcome| spans.iter().any(|span| holds(span, outcome)))
    });
    for secret in [VALUE, KEY, HEADER, server.client().token()] {
        assert!(!collector.holds(secret), "{secret} is in the traces");
    }
}

fn holds(span: &airlock_otlp::proto::trace::v1::Span, outcome: &str) -> bool {
    airlock_tests::attribute(&span.attributes, "airlock.outcome") == outcome
}

/// Returns what Prometheus reads.
fn metrics(mount: &Mount) -> String {
    let path = mount.path(".airlock/metrics");
    let answer = mount.client().try_send("GET", &path, &[], "").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text
}

/// Makes a build of `kv` that a signer signed, with other words when it has created a key.
fn build(signer: &Signer, folder: &Path, version: &str, created: &str) -> PathBuf {
    let path = folder.join(format!("kv-{version}.wasm"));
    let texts = [("0.1.0", version), ("key created", created)];
    files::alter_guest("kv", &path, &texts);
    signer.sign(&path);
    path
}

#[test]
fn changes_of_guest_emit_no_value_key_or_token() {
    let server = Server::start("secrecy-swap", Storage::Memory);
    let collector = Collector::start();
    let folder = server.temporary_directory();
    let signer = Signer::new(&folder, "signer");
    let trust = format!("--trust={}", signer.key());
    Plugin::with_args("airlock-kv", [trust, collector.flag()]).register(&server);
    let kv = server.mount("swap", "airlock-kv");
    let mut printed = String::new();
    let mut airlock = |arguments: &[&str]| {
        let output = run(&mut airlock_for(server.client(), arguments));
        printed += &format!("{}{}", output.stdout, output.stderr);
        output
    };
    let at = ["--mount", "swap"];
    let one = build(&signer, &folder, "0.2.0", "key created");
    let two = build(&signer, &folder, "0.3.0", "key CREATED");
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    airlock(&[&["push", one], &at[..]].concat()).expect_success("push");
    let path = format!("folder/{KEY}");
    let load = Load::default();
    thread::scope(|scope| {
        let _stop = load.stop_when_dropped();
        scope.spawn(|| {
            let mut count = 0_u64;
            load.call(|| {
                count += 1;
                let path = format!("{path}-{count}");
                kv.write(&path, json!({"value": VALUE})).expect_success("write");
                kv.read(&path).expect_success("read");
                kv.read(&format!("missing/{path}"));
                airlock_tests::End::of(&kv.list("folder"))
            });
        });
        airlock(&[&["push", two, "--canary", "40"], &at[..]].concat());
        load.stop();
    });
    kv.write(&path, json!({"wrong": VALUE}));
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["guests"],
        &["rollback"],
        &["downgrade", &"ab".repeat(32)],
        &["gc"],
    ] {
        airlock(&[arguments, &at].concat());
    }
    for answer in [kv.read(".airlock/status"), kv.read(&format!(".airlock/{KEY}"))] {
        assert!(!answer.body.to_string().contains(VALUE), "{answer:?}");
    }
    let numbers = metrics(&kv);
    collector.wait_for("a trace of a control request", |spans| {
        spans.iter().any(|span| span.name == "update")
    });

    let lines = server.log().lines();
    for secret in [VALUE, server.client().token()] {
        assert_absent(secret, lines.iter());
    }
    assert_absent(KEY, lines.iter().filter(|line| line.is_hosts()));
    assert!(printed.contains("differ"), "{printed}");
    for secret in [VALUE, KEY, server.client().token()] {
        assert!(!collector.holds(secret), "{secret} is in the traces");
        assert!(!numbers.contains(secret), "{secret}: {numbers}");
        assert!(!printed.contains(secret), "{secret}: {printed}");
    }
}

#[track_caller]
fn assert_absent<'a>(secret: &str, lines: impl Iterator<Item = &'a Line>) {
    let telling: Vec<&str> = lines
        .map(|line| line.text.as_str())
        .filter(|text| text.contains(secret))
        .take(5)
        .collect();
    assert!(telling.is_empty(), "{secret} is in the log: {telling:#?}");
}

fn send_with_header(path: &str, server: &Server) {
    // Neither is valid, so neither is taken for a trace.
    let headers = ["traceparent", "tracestate"].map(|name| (name.to_owned(), format!("a={HEADER}")));
    let read = server.client().try_send("GET", path, &headers, "").unwrap();
    assert_eq!(read.status, 200, "{read:?}");
    let url = format!("{}/v1/{path}", server.client().address());
    let status = std::process::Command::new(files::python())
        .args(["-c", "import sys, requests; sys.exit(requests.get(sys.argv[1], headers={'X-Vault-Token': sys.argv[2], 'X-Canary': sys.argv[3]}).status_code != 200)"])
        .args([&url, server.client().token(), HEADER])
        .status()
        .unwrap();
    assert!(status.success());
}
