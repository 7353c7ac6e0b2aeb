//! Runs the scenarios of every guest here, and tests the errors of scenarios that are wrong. Build the guests first:
//! `guest/build.sh`.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use airlock_testkit::{Guest, Scenario};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn guest(name: &str) -> Guest {
    Guest::load(root().join(format!("target/guests/{name}.wasm"))).unwrap()
}

/// Returns the folders of guests that ship: those that link to a component and are not only for tests.
fn guests() -> Vec<PathBuf> {
    let folders = fs::read_dir(root().join("guest"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let ships = |folder: &PathBuf| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest.contains("\"cdylib\"") && !manifest.contains("test-only = true")
    };
    folders.filter(ships).collect()
}

#[test]
fn every_guest_has_scenarios_and_passes_them() {
    assert!(guests().len() >= 2);
    for folder in guests() {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let scenarios =
            fs::read_dir(folder.join("scenarios")).map(|entries| entries.map(|entry| entry.unwrap().path()));
        let scenarios: Vec<_> = scenarios.into_iter().flatten().collect();
        assert!(!scenarios.is_empty(), "guest/{name} has no scenarios/*.toml");
        for file in scenarios {
            let report = Scenario::read(&file).unwrap().run(&guest(name)).unwrap();
            assert!(report.has_passed(), "\n{report}");
        }
    }
}

/// Returns the error of a scenario that is wrong.
fn refused(text: &str) -> String {
    Scenario::parse("a.toml", text).err().unwrap().to_string()
}

/// Returns a scenario of one step with these lines.
fn step(lines: &str) -> String {
    format!("[[step]]\n{lines}\n")
}

#[test]
fn a_broken_scenario_is_one_line_with_its_place() {
    for (text, place, words) in [
        ("", "a.toml:1: ", "step"),
        ("step = []", "a.toml:1: ", "no step"),
        ("x = 1", "a.toml:1: ", "unknown field `x`"),
        (
            &step("request = 'read a'\nexpct = 1"),
            "a.toml:3: ",
            "unknown field `expct`",
        ),
        (
            &step("request = 'read a'\nexpect.stauts = 1"),
            "a.toml:3: ",
            "unknown field `stauts`",
        ),
        (
            &step("request = 'raed a'"),
            "a.toml:2: ",
            "\"raed a\" is not a valid request; write read, write",
        ),
        (&step("data = { }"), "a.toml:1: ", "missing field `request`"),
        (
            &step("request = 'renew x'"),
            "a.toml:2: ",
            "no step before this one keeps a lease",
        ),
        (
            &step("request = 'read a'\nwait = 'soon'"),
            "a.toml:3: ",
            "not a valid duration; write 90s",
        ),
        (
            &step("request = 'write a'\njson = '{'"),
            "a.toml:3: ",
            "not a JSON object",
        ),
        (
            &step("request = 'write a'\ndata = 1"),
            "a.toml:2: ",
            "must be a table",
        ),
        (
            &step("request = 'write a'\ndata = { a = nan }"),
            "a.toml:3: ",
            "finite",
        ),
        (
            &step("request = 'write a'\nfaults = [{ on = 'put' }]"),
            "a.toml:3: ",
            "either `do",
        ),
        (
            &step("request = 'write a'\nfaults = [{ on = 'pot', do = 'fail' }]"),
            "a.toml:3: ",
            "unknown variant `pot`",
        ),
        (
            &step("request = 'write a'\nfaults = [{ on = 'put', slow = '1s' }]"),
            "a.toml:3: ",
            "retry-storage",
        ),
        (
            &step("request = 'write a'\nfaults = [{ on = 'put', nth = 0, do = 'fail' }]"),
            "a.toml:3: ",
            "from 1",
        ),
        ("[[step]]\nrequest = 'read", "a.toml:2: ", "string"),
    ] {
        let said = refused(text);
        assert!(
            said.starts_with(place) && said.contains(words) && !said.contains('\n'),
            "{text}\n{said}"
        );
    }
}

#[test]
fn a_missing_scenario_is_named() {
    let said = Scenario::read(Path::new("nowhere.toml"))
        .err()
        .unwrap()
        .to_string();
    assert!(said.starts_with("nowhere.toml: cannot be read"), "{said}");
}

/// Returns the report of a scenario that fails against the KV guest.
fn told(text: &str) -> String {
    let report = Scenario::parse("a.toml", text)
        .unwrap()
        .run(&guest("kv"))
        .unwrap();
    assert!(!report.has_passed());
    report.to_string()
}

#[test]
fn an_absence_that_cannot_fail_is_refused() {
    let absent = |keys: &str| {
        format!("[[step]]\nrequest = 'write a'\ndata = {{ value = '1' }}\nexpect.storage-lacks = {keys}\n")
    };
    let told = told(&absent("['_wal/', 'k/', 'kv/b', 'kv/b/']"));
    for line in [
        "storage-lacks: \"_wal/\" is always absent, because the guest stores only below kv/\n",
        "storage-lacks: \"k/\" is always absent",
    ] {
        assert!(told.contains(line), "no {line}: {told}");
    }
    assert!(!told.contains("\"kv/b"), "{told}");
}

#[test]
fn what_a_scenario_stores_itself_can_be_absent_or_not() {
    let report = told(
        "\
storage = { 'other/a' = '1' }
[mount]
storage = { 'old/a' = '1' }
[[step]]
request = 'write a'
data = { value = '1' }
expect.storage-lacks = ['other/', 'old/a', 'old/b']
",
    );
    assert!(
        report.contains("storage \"other/a\": is there and was not expected\n"),
        "{report}"
    );
    let absent: Vec<_> = report
        .lines()
        .filter(|line| line.contains("always absent"))
        .collect();
    assert!(
        matches!(absent[..], [line] if line.contains("\"old/b\"")),
        "{report}"
    );
    let of_the_second = told(
        "\
storage = { 'other/a' = '1' }
[mounts.second]
[[step]]
request = 'write a'
mount = 'second'
data = { value = '1' }
expect.storage-lacks = ['other/a']
",
    );
    assert!(
        of_the_second.contains("\"other/a\" is always absent"),
        "{of_the_second}"
    );
}

#[test]
fn what_is_not_as_expected_is_told_with_its_line() {
    let wrong = "\
[[step]]
request = 'write a'
data = { value = '1' }
budget.storage-calls = 1
lease = 'x'
expect.status = 204
expect.data = { message = 'no' }
expect.lacks = ['message']
expect.warnings = ['w']
expect.storage = { 'kv/a' = '2' }
expect.storage-lacks = ['kv/']
expect.logs = ['l']
expect.events = ['e']

[[step]]
request = 'read a'
";
    let told = told(wrong);
    for line in [
        "a.toml:2: write a\n",
        "status: expected 204, got 200\n",
        "data.message: expected \"no\", got \"key created\"\n",
        "data.message: is there and was not expected\n",
        "warnings: expected [\"w\"], got []\n",
        "budget storage-calls: expected at most 1, used 2\n",
        "lease: the answer has none",
        "storage \"kv/a\": expected \"2\", got \"1\"\n",
        "storage \"kv/a\": is there and was not expected\n",
        "logs: no line has \"l\"\n",
        "events: none is \"e\"\n",
        "the step after it was not run\n",
    ] {
        assert!(told.contains(line), "no {line:?} in:\n{told}");
    }
}

#[test]
fn success_is_expected_unless_something_else_is() {
    assert!(told(&step("request = 'read a'")).contains("status: expected success, got 400 (key not found)"));
    let error = step("request = 'write a'\ndata = { value = '1' }\nexpect.error = 'no'");
    assert!(told(&error).contains("status: expected an error, got 200"));
}

#[test]
fn a_fault_is_over_with_its_step() {
    let text = "[[step]]\nrequest = 'list'\nfaults = [{ on = 'list', do = 'kill' }]\nexpect.status = 500\n\n\
                [[step]]\nrequest = 'write a'\ndata = { value = '1' }\n";
    let report = Scenario::parse("a.toml", text)
        .unwrap()
        .run(&guest("kv"))
        .unwrap();
    assert!(report.has_passed(), "{report}");
}
