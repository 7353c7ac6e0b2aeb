//! A guest that fails again and again is set aside on its mount, and comes back by itself.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use airlock_tests::{Line, Mount, Plugin, Server, Storage, airlock_for, eventually, files, run};
use serde_json::{Value, json};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("breaker", Storage::Memory));

/// Registers the adversary, which is set aside for so long after three failures in a row.
fn register(name: &str, pause: &'static str) {
    Plugin::serving(name, &files::guest("adversary"))
        .args(["--breaker=3", "--cpu-ms=200", pause])
        .register(&SERVER);
}

/// Returns the mount for callers with tokens of their own.
fn callers<const N: usize>(mount: &Mount) -> [Mount; N] {
    let client = SERVER.client();
    let rules = r#"path "+/*" { capabilities = ["create", "read", "update"] }"#;
    client
        .write("sys/policies/acl/breaker", json!({ "policy": rules }))
        .expect_success("policy");
    std::array::from_fn(|_| {
        let token = client.write("auth/token/create", json!({ "policies": ["breaker"] }));
        let token = token.expect_success("token").body["auth"]["client_token"].clone();
        mount.with_token(token.as_str().unwrap())
    })
}

/// Waits for a line of the log about a mount, and returns it.
fn logged(mount: &str, words: &str) -> Line {
    SERVER.log().wait_for(words, |line| {
        line.message().contains(words) && line.field("mount") == mount
    })
}

fn breaker(mount: &Mount) -> Value {
    let status = mount.read(".airlock/status").expect_success("status");
    status.data()["breaker"].clone()
}

#[test]
fn a_guest_that_traps_is_set_aside_and_its_sibling_serves() {
    register("adversary", "--breaker-ms=3600000");
    let (mount, sibling) = (
        SERVER.mount("failing", "adversary"),
        SERVER.mount("sibling", "adversary"),
    );
    let [one, two, three, other] = callers(&mount);
    for caller in [&one, &two, &three] {
        assert_eq!(caller.read("trap").status, 500);
    }
    let cause = "guest adversary is set aside on this mount, because it failed 3 times in a row, the last time because it trapped";
    for refused in [other.read("ok"), other.write("ok", json!({ "value": "canary" }))] {
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.errors().contains(cause), "{refused:?}");
    }
    for _ in 0..3 {
        sibling.read("ok").expect_success("read of the sibling");
    }
    assert_eq!(breaker(&sibling)["state"], json!("closed"));
    assert_eq!(breaker(&mount)["state"], json!("open"));
    let text = run(&mut airlock_for(
        SERVER.client(),
        ["status", "--mount", "failing"],
    ));
    let text = text.expect_success("status").stdout;
    let line = text.lines().find(|line| line.starts_with("breaker:")).unwrap();
    for word in ["open", "everybody", "3 failures in a row", "it trapped"] {
        assert!(line.contains(word), "no {word:?}: {line}");
    }
    let logged = logged("failing/", "is set aside");
    assert_eq!(logged.level(), "warn", "{logged:?}");
    assert_eq!(logged.field("cause"), "it trapped", "{logged:?}");
    assert_ne!(logged.field("request_id"), "", "{logged:?}");
}

#[test]
fn one_caller_is_refused_alone_and_is_known_in_writes_too() {
    register("lonely", "--breaker-ms=3600000");
    let mount = SERVER.mount("lonely", "lonely");
    let [mallory, other] = callers(&mount);
    for _ in 0..3 {
        assert_eq!(mallory.write("trap", json!({})).status, 500);
    }
    assert_eq!(mallory.write("ok", json!({})).status, 503);
    assert_eq!(mallory.read("ok").status, 503);
    other.read("ok").expect_success("read of another");
    mallory.read("ok").expect_success("read after an answer");
}

#[test]
fn a_guest_that_exceeds_a_limit_comes_back_by_itself() {
    register("recovering", "--breaker-ms=1");
    let mount = SERVER.mount("recovering", "recovering");
    for caller in callers::<3>(&mount) {
        let failed = caller.read("loop");
        assert_eq!(failed.status, 500, "{failed:?}");
    }
    eventually("the guest is tried again", || {
        (mount.read("ok").status == 200).then_some(())
    });
    let found = breaker(&mount);
    assert_eq!(
        (&found["state"], &found["failures"]),
        (&json!("closed"), &json!(0))
    );
    let opened = logged("recovering/", "is set aside");
    assert!(opened.field("cause").contains("--cpu-ms"), "{opened:?}");
    logged("recovering/", "is no longer set aside");
}
