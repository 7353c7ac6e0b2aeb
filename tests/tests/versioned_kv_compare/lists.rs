//! Tests the lists that OpenBao's engine has and Vault's lacks: pages, and everything below a folder (`SCAN`).

use airlock_tests::twins::{Step, Twins};
use airlock_tests::{Brand, Mount, skipped_on};
use serde_json::json;

use super::{pair, twins};

const ONLY_ON_OPENBAO: &str = "its engine lists no pages and knows no SCAN";

const KEYS: [&str; 9] = ["a", "a/b", "a/b/c", "a/d", "b", "c/x/y/z", "c/x/y/zz", "d", "e/f"];

fn fill(mount: &Mount, below: &str) {
    for key in KEYS {
        mount
            .write(&format!("{below}{key}"), json!({"data": {"x": 1}}))
            .expect_success("write");
    }
}

#[test]
fn pages_of_a_list_are_cut_as_by_the_builtin_engine() {
    if skipped_on(Brand::Vault, ONLY_ON_OPENBAO) {
        return;
    }
    pair("pages").iter().for_each(|mount| fill(mount, "data/"));
    let mut steps = Vec::new();
    for folder in ["", "a/", "c/x/y/", "none/"] {
        for after in ["", "a", "a/", "aa", "b", "c/", "z", "zz"] {
            for limit in ["0", "1", "2", "3", "100", "-1"] {
                let path = format!("metadata/{folder}?after={after}&limit={limit}");
                steps.push(Step::new("LIST", &path));
            }
        }
    }
    twins("pages").expect_none(&steps);
    let page = pair("pages")[1].list("metadata/?after=a&limit=2");
    assert_eq!(page.data()["keys"], json!(["a/", "b"]));
}

/// Returns the keys that a scan finds, sorted. OpenBao's engine returns them in the order of its walk.
fn scanned(mount: &Mount, path: &str) -> Vec<String> {
    let answer = mount.client().request("SCAN", &mount.path(path), None);
    let keys = answer.data()["keys"].as_array().cloned().unwrap_or_default();
    let mut keys: Vec<String> = keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

#[test]
fn scan_finds_what_the_builtin_engine_finds() {
    if skipped_on(Brand::Vault, ONLY_ON_OPENBAO) {
        return;
    }
    for (name, data, names) in [("scan-1", "", ""), ("scan-2", "data/", "metadata/")] {
        let [builtin, guest] = pair(name);
        for mount in [&builtin, &guest] {
            fill(mount, data);
        }
        for folder in ["", "a/", "a", "c/", "c/x/y/", "none"] {
            let path = format!("{names}{folder}");
            assert_eq!(
                scanned(&guest, &path),
                scanned(&builtin, &path),
                "{name} {folder}"
            );
        }
        assert_eq!(scanned(&guest, names), KEYS);
    }
}

#[test]
fn scan_needs_the_capability_of_that_name() {
    if skipped_on(Brand::Vault, ONLY_ON_OPENBAO) {
        return;
    }
    let [builtin, guest] = pair("scan-acl");
    for mount in [&builtin, &guest] {
        fill(mount, "data/");
    }
    let twins = Twins::new(builtin, guest)
        .caller(
            "scanner",
            r#"path "MOUNT/metadata/*" { capabilities = ["scan"] }"#,
        )
        .caller("lister", r#"path "MOUNT/metadata/*" { capabilities = ["list"] }"#);
    for (script, status) in [
        ("as scanner: SCAN metadata/c/x/y/", 200),
        ("as scanner: LIST metadata/c/x/y/", 403),
        ("as lister: SCAN metadata/c/x/y/", 403),
        ("as lister: LIST metadata/c/x/y/", 200),
    ] {
        let step = Step::script(script).remove(0);
        for plain in twins.answers(&step) {
            assert_eq!(plain.status, status, "{script}: {plain}");
        }
    }
}
