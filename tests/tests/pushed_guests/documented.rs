//! Tests the policies and the audit log of docs/trust.md.

use std::fs;

use airlock_tests::{Client, files};
use serde_json::{Value, json};

use crate::{Build, SERVER, airlock, assert_refused, at, mount};

/// Returns the policies that the documentation gives, by the name in their first line.
fn policy(name: &str) -> String {
    let text = fs::read_to_string(files::root().join("docs/trust.md")).unwrap();
    let (_, rest) = text.split_once(&format!("```hcl\n# {name}")).expect("a policy");
    rest.split_once("```")
        .unwrap()
        .0
        .split_once('\n')
        .unwrap()
        .1
        .to_owned()
}

fn token(policy: &str, name: &str) -> Client {
    let client = SERVER.client();
    client
        .write(&format!("sys/policies/acl/{name}"), json!({"policy": policy}))
        .expect_success("policy");
    let token = client
        .write("auth/token/create", json!({"policies": [name]}))
        .expect_success("token");
    client.with_token(token.body["auth"]["client_token"].as_str().unwrap())
}

#[test]
fn the_policies_of_the_documentation_are_enough_and_no_more() {
    let kv = mount("push-policy", "kv");
    let of_ci = token(&policy("a CI job").replace("demo/", "push-policy/"), "push-ci");
    let of_operators = token(
        &policy("operators").replace("demo/", "push-policy/"),
        "push-operators",
    );
    let (second, third) = (Build::of_kv("0.2.0", 10, 9), Build::of_kv("0.3.0", 10, 10));
    let with = |client: &Client, arguments: &[&str]| {
        airlock(client, &[arguments, &["--mount", "push-policy"]].concat())
    };
    with(&of_ci, &["push", second.path()]).expect_success("push");
    with(&of_ci, &["push", third.path(), "--reload"]).expect_success("push");
    with(&of_ci, &["status"]).expect_success("status");
    for (arguments, path, capability) in [
        (&["rollback"][..], "rollback", "update"),
        (&["downgrade", &second.sha256], "downgrade", "update"),
        (&["guests"], "guests", "list"),
        (&["gc"], "gc", "update"),
    ] {
        let output = with(&of_ci, arguments);
        assert_refused(
            &output,
            &[
                "permission denied",
                &format!("\"push-policy/.airlock/{path}\""),
                capability,
                "sudo",
            ],
        );
    }
    assert_eq!(kv.with_token(of_ci.token()).read("a").status, 403);
    with(&of_operators, &["push", second.path()]);
    for arguments in [
        &["rollback"][..],
        &["downgrade", &third.sha256],
        &["guests"],
        &["gc"],
        &["status"],
        &["push", second.path(), "--reload"],
    ] {
        with(&of_operators, arguments).expect_success("operator");
    }
}

/// Runs the `vault secrets tune` of the documentation.
#[test]
fn the_audit_log_names_the_guest_if_it_is_told_to() {
    let kv = mount("push-audit", "kv");
    let log = SERVER.temporary_directory().join("audit.log");
    let text = fs::read_to_string(files::root().join("docs/trust.md")).unwrap();
    let tune = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("vault secrets tune -audit"))
        .expect("the command");
    let arguments: Vec<_> = tune
        .split(' ')
        .skip(1)
        .map(|word| word.replace("demo/", "push-audit/"))
        .collect();
    airlock_tests::vault(SERVER.client(), arguments).expect_success("tune");
    SERVER.audit_to(&log);
    let build = Build::of_kv("0.2.0", 1 << 20, 11);
    at(&kv, &["push", build.path()]);
    let lines: Vec<Value> = fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str, path: &str| {
        let path = format!("push-audit/.airlock/{path}");
        let found = lines.iter().filter(|line| {
            line["type"] == kind
                && line["request"]["path"]
                    .as_str()
                    .is_some_and(|found| found.starts_with(&path))
        });
        found.collect::<Vec<_>>()
    };
    let swaps = of("request", "swap");
    assert_eq!(swaps[0]["request"]["data"]["sha256"], build.sha256, "{swaps:?}");
    let answers = of("response", "guests/");
    assert_eq!(
        answers.last().unwrap()["response"]["data"]["version"],
        "0.2.0",
        "{answers:?}"
    );
    assert_eq!(
        of("response", "swap")[0]["response"]["data"]["running"]["sha256"],
        build.sha256
    );
    for piece in of("request", "pieces/") {
        assert!(
            piece["request"]["data"]["data"]
                .as_str()
                .unwrap()
                .starts_with("hmac-sha256:"),
            "{piece}"
        );
    }
}
