//! Runs the real `vault` command and hvac against this server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::process::Command;

use airlock_tests::{Output, files, run};
use common::Dev;
use serde_json::{Value, json};

fn vault(dev: &Dev, arguments: &[&str]) -> Output {
    let mut command = Command::new(files::vault());
    run(command
        .args(arguments)
        .env("VAULT_ADDR", &dev.caller.address)
        .env("VAULT_TOKEN", &dev.caller.token))
}

#[track_caller]
fn done(dev: &Dev, arguments: &[&str]) -> String {
    vault(dev, arguments).expect_success(&arguments.join(" ")).stdout
}

#[track_caller]
fn as_json(dev: &Dev, arguments: &[&str]) -> Value {
    let (command, rest) = arguments.split_at(1);
    let mut all = vec![command[0], "-format=json"];
    if ["secrets", "lease", "token", "plugin", "kv"].contains(&command[0]) {
        all = vec![command[0], rest[0], "-format=json"];
        all.extend(&rest[1..]);
    } else {
        all.extend(rest);
    }
    serde_json::from_str(&done(dev, &all)).unwrap()
}

#[test]
fn status_and_token_are_understood() {
    let dev = Dev::memory();
    let status = done(&dev, &["status"]);
    assert!(status.contains("Sealed") && status.contains("false"), "{status}");
    let token = as_json(&dev, &["token", "lookup"]);
    assert_eq!(token["data"]["policies"], json!(["root"]));
    assert_eq!(done(&dev, &["token", "capabilities", "demo/x"]).trim(), "root");
    let refused = run(Command::new(files::vault())
        .args(["read", "demo/x"])
        .env("VAULT_ADDR", &dev.caller.address)
        .env("VAULT_TOKEN", "wrong"));
    assert!(refused.stderr.contains("Code: 403"), "{refused:?}");
}

#[test]
fn engines_are_enabled_listed_tuned_moved_and_disabled() {
    let dev = Dev::memory();
    done(
        &dev,
        &["secrets", "enable", "-path=demo", "-description=mine", "probe"],
    );
    let list = as_json(&dev, &["secrets", "list"]);
    assert_eq!(list["demo/"]["type"], "probe");
    assert!(done(&dev, &["secrets", "list"]).contains("demo/"));
    done(
        &dev,
        &[
            "secrets",
            "tune",
            "-default-lease-ttl=90m",
            "-options=a=b",
            "demo/",
        ],
    );
    let tuned = as_json(&dev, &["read", "sys/mounts/demo/tune"]);
    assert_eq!(
        (
            &tuned["data"]["default_lease_ttl"],
            &tuned["data"]["options"]["a"]
        ),
        (&json!(5400), &json!("b"))
    );
    assert!(done(&dev, &["plugin", "list", "secret"]).contains("probe"));
    done(&dev, &["write", "demo/kv/a", "value=x"]);
    done(&dev, &["secrets", "move", "demo", "moved"]);
    assert_eq!(done(&dev, &["read", "-field=value", "moved/kv/a"]).trim(), "x");
    done(&dev, &["secrets", "disable", "moved"]);
    assert!(!done(&dev, &["secrets", "list"]).contains("moved/"));
    assert_ne!(vault(&dev, &["read", "moved/kv/a"]).status, 0);
    let refused = vault(&dev, &["secrets", "enable", "nope"]);
    assert!(
        refused.stderr.contains("plugin not found in the catalog: nope"),
        "{refused:?}"
    );
}

#[test]
fn secrets_are_written_read_listed_patched_and_deleted() {
    let dev = Dev::memory();
    done(&dev, &["secrets", "enable", "-path=demo", "probe"]);
    assert!(done(&dev, &["write", "demo/kv/team/db", "value=s3cret"]).contains("key created"));
    assert!(done(&dev, &["write", "demo/kv/team/db", "value=other"]).contains("key updated"));
    assert_eq!(
        done(&dev, &["read", "-field=value", "demo/kv/team/db"]).trim(),
        "other"
    );
    assert!(done(&dev, &["list", "demo/kv"]).contains("team/"));
    let patched = as_json(&dev, &["patch", "demo/echo/x", "a=b"]);
    assert_eq!(
        (&patched["data"]["operation"], &patched["data"]["data"]["a"]),
        (&json!("patch"), &json!("b"))
    );
    assert!(done(&dev, &["delete", "demo/kv/team/db"]).contains("Success"));
    let missing = vault(&dev, &["read", "demo/kv/team/db"]);
    assert_eq!(
        (missing.status, missing.stderr.trim()),
        (2, "No value found at demo/kv/team/db")
    );
    assert!(done(&dev, &["path-help", "demo/kv/x"]).contains("The help of <kv/x>"));
    done(&dev, &["read", "sys/internal/specs/openapi"]);
}

#[test]
fn leases_are_renewed_and_revoked() {
    let dev = Dev::memory();
    done(&dev, &["secrets", "enable", "-path=demo", "probe"]);
    let lent = as_json(&dev, &["read", "demo/lease/a"]);
    let id = lent["lease_id"].as_str().unwrap();
    assert!(
        lent["renewable"] == true && id.starts_with("demo/lease/a/"),
        "{lent}"
    );
    let renewed = as_json(&dev, &["lease", "renew", "-increment=120", id]);
    assert_eq!(renewed["lease_duration"], 120);
    assert_eq!(as_json(&dev, &["lease", "lookup", id])["data"]["renewable"], true);
    done(&dev, &["lease", "revoke", "-sync", id]);
    assert_eq!(
        as_json(&dev, &["read", "demo/counted/revoked"])["data"]["count"],
        1
    );
    for _ in 0..3 {
        done(&dev, &["read", "demo/lease/b"]);
    }
    done(&dev, &["lease", "revoke", "-sync", "-prefix", "demo/lease/b"]);
    assert_eq!(
        as_json(&dev, &["read", "demo/counted/revoked"])["data"]["count"],
        4
    );
}

#[test]
fn answers_are_wrapped_and_unwrapped_once() {
    let dev = Dev::memory();
    done(&dev, &["secrets", "enable", "-path=demo", "probe"]);
    done(&dev, &["write", "demo/kv/a", "value=x"]);
    let token = done(
        &dev,
        &["read", "-wrap-ttl=60s", "-field=wrapping_token", "demo/kv/a"],
    );
    assert_eq!(done(&dev, &["unwrap", "-field=value", token.trim()]).trim(), "x");
    assert!(
        vault(&dev, &["unwrap", token.trim()])
            .stderr
            .contains("wrapping token is not valid")
    );
}

#[test]
fn the_kv_commands_find_a_version_1_mount() {
    let dev = Dev::memory();
    done(&dev, &["secrets", "enable", "-path=kv", "kv"]);
    done(&dev, &["kv", "put", "kv/kv/a", "value=x"]);
    assert_eq!(done(&dev, &["kv", "get", "-field=value", "kv/kv/a"]).trim(), "x");
    assert!(done(&dev, &["kv", "list", "kv/kv"]).contains('a'));
    done(&dev, &["kv", "delete", "kv/kv/a"]);
}

const HVAC: &str = r#"
import sys, hvac
client = hvac.Client(url=sys.argv[1], token=sys.argv[2])
assert client.is_authenticated() and client.sys.is_initialized() and not client.sys.is_sealed()
client.sys.enable_secrets_engine("probe", path="demo", description="by hvac")
assert client.sys.list_mounted_secrets_engines()["data"]["demo/"]["type"] == "probe"
client.sys.tune_mount_configuration("demo", default_lease_ttl="1h")
assert client.sys.read_mount_configuration("demo")["data"]["default_lease_ttl"] == 3600
client.write_data("demo/kv/a", data={"value": "x"})
assert client.read("demo/kv/a")["data"] == {"value": "x"}
assert client.list("demo/kv")["data"]["keys"] == ["a"]
client.delete("demo/kv/a")
assert client.read("demo/kv/a") is None
try:
    client.read("demo/error/user")
    raise SystemExit("not refused")
except hvac.exceptions.InvalidRequest as error:
    assert "a mistake of <yours>" in str(error), error
lease = client.read("demo/lease/a")["lease_id"]
assert client.sys.read_lease(lease)["data"]["renewable"]
assert client.sys.renew_lease(lease, increment=60)["lease_duration"] == 60
client.sys.revoke_lease(lease)
client.write_data("demo/kv/a", data={"value": "x"})
token = client.read("demo/kv/a", wrap_ttl="60s") if False else client.adapter.get("/v1/demo/kv/a", wrap_ttl="60s")["wrap_info"]["token"]
assert client.sys.unwrap(token)["data"] == {"value": "x"}
client.sys.disable_secrets_engine("demo")
"#;

#[test]
fn hvac_works() {
    let dev = Dev::memory();
    let mut python = Command::new(files::python());
    run(python.args(["-c", HVAC, &dev.caller.address, &dev.caller.token])).expect_success("hvac");
}
