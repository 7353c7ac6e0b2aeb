//! Tests that no log line has a secret, at trace level, whatever happens to the request with the secret.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::thread;

use airlock_tests::{Line, Plugin, Server, Storage, files, process};
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
    Plugin::kv().register(&server);
    Plugin::serving("adversary", &files::guest("adversary"))
        .args([
            "--cpu-ms=200",
            "--storage-ops=3",
            "--memory-mib=16",
            "--breaker=0",
        ])
        .register(&server);
    let (kv, adversary) = (
        server.mount("kv", "airlock-kv"),
        server.mount("adversary", "adversary"),
    );
    server
        .client()
        .write(
            "sys/mounts/kv/tune",
            json!({"passthrough_request_headers": ["X-Canary"]}),
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
    let url = format!("{}/v1/{path}", server.client().address());
    let status = std::process::Command::new(files::python())
        .args(["-c", "import sys, requests; sys.exit(requests.get(sys.argv[1], headers={'X-Vault-Token': sys.argv[2], 'X-Canary': sys.argv[3]}).status_code != 200)"])
        .args([&url, server.client().token(), HEADER])
        .status()
        .unwrap();
    assert!(status.success());
}
