//! Tests the tools of an engine's author: `airlock call`, `airlock test` and `airlock new`. They need no Vault.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use airlock_tests::{Log, Output, airlock, files, run};

fn kv() -> String {
    files::guest("kv").display().to_string()
}

#[test]
fn calls_share_what_a_directory_keeps() {
    let directory = tempfile::tempdir().unwrap();
    let storage = format!("--storage={}", directory.path().join("data").display());
    let write = airlock(["call", &kv(), "write", "a/b", "value=hello", &storage]).expect_success("write");
    assert!(
        write.stdout.contains("key created") && write.stderr.contains("status 200"),
        "{write:?}"
    );
    let read = airlock(["call", &kv(), "read", "a/b", &storage, "--usage"]).expect_success("read");
    let body: serde_json::Value = serde_json::from_str(&read.stdout).unwrap();
    assert_eq!(
        (&body["data"]["value"], &body["mount_type"]),
        (&"hello".into(), &"kv".into())
    );
    assert!(
        read.stderr.contains("storage calls") && read.stderr.contains("(1 gets"),
        "{read:?}"
    );
}

#[test]
fn usage_counts_no_existence_check_as_an_attempt() {
    let write = airlock(["call", &kv(), "write", "a", "value=1", "--usage"]).expect_success("write");
    assert!(write.stderr.contains("attempts         1\n"), "{write:?}");
}

#[test]
fn an_error_is_vaults_body_and_status_1() {
    let missing = airlock(["call", &kv(), "read", "a"]);
    assert_eq!(missing.status, 1, "{missing:?}");
    let body: serde_json::Value = serde_json::from_str(&missing.stdout).unwrap();
    assert_eq!(body, serde_json::json!({ "errors": ["key not found"] }));
}

#[test]
fn wrong_use_of_call_is_one_line_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter.txt"), "dear").unwrap();
    let foreign = format!("--storage={}", directory.path().display());
    let file = format!("--storage={}", directory.path().join("letter.txt").display());
    let newer = tempfile::tempdir().unwrap();
    fs::write(newer.path().join("airlock-storage"), "airlock storage 9\n").unwrap();
    let newer = format!("--storage={}", newer.path().display());
    let (kv, foreign) = (&*kv(), &*foreign);
    for (arguments, words) in [
        (vec!["nowhere.wasm", "read", "a"], "nowhere.wasm"),
        (vec![kv, "raed", "a"], "not an operation"),
        (vec![kv, "write", "a", "b"], "KEY=VALUE"),
        (vec![kv, "write", "a", "@nowhere"], "nowhere"),
        (vec![kv, "read", "a", foreign], "letter.txt"),
        (vec![kv, "read", "a", &file], "is not a directory"),
        (vec![kv, "read", "a", &newer], "format 9"),
        (vec![kv, "read", "a", "--as=colour=red"], "entity=ID"),
        (vec![kv, "read", "a", "--option=version"], "NAME=VALUE"),
    ] {
        let output = airlock([&["call"], &arguments[..]].concat());
        assert!(output.status == 1 && output.stderr.contains(words), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn the_mount_itself_needs_no_path() {
    let help = airlock(["call", &kv(), "help"]).expect_success("help");
    assert!(help.stdout.contains("Keeps one value at each path"), "{help:?}");
    assert_eq!(airlock(["call", &kv(), "list"]).status, 1); // 404: the list is empty
    let missing = airlock(["call", &kv(), "write", "", "value=1"]);
    assert!(missing.stdout.contains("missing path"), "{missing:?}");
}

#[test]
fn a_call_that_is_killed_leaves_an_old_value_or_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let storage = format!("--storage={}", directory.path().display());
    let (kv, value) = (kv(), format!("value={}", "x".repeat(100_000)));
    airlock(["call", &kv, "write", "a", "value=old", &storage]).expect_success("write");
    for moment in 1..=20 {
        let mut call = Command::new(files::airlock())
            .args(["call", &kv, "write", "a", &value, &storage])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The test cannot know when the call writes, so the kills are spread over the time that a call takes.
        thread::sleep(Duration::from_millis(4 * moment));
        call.kill().unwrap();
        call.wait().unwrap();
        let read = airlock(["call", &kv, "read", "a", &storage]).expect_success("read");
        let body: serde_json::Value = serde_json::from_str(&read.stdout).unwrap();
        let kept = body["data"]["value"].as_str().unwrap();
        assert!(kept == "old" || kept.len() == 100_000, "{} bytes", kept.len());
    }
    // The incomplete files of the killed calls have been removed.
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn scenarios_pass_and_fail_by_exit_status_and_in_junit() {
    let directory = tempfile::tempdir().unwrap();
    let (wrong, broken, junit) = (
        directory.path().join("wrong.toml"),
        directory.path().join("broken.toml"),
        directory.path().join("junit.xml"),
    );
    fs::write(&wrong, "[[step]]\nrequest = 'read a'\n").unwrap();
    fs::write(&broken, "[[step]]\nrequest = 'read a'\nexpct = 1\n").unwrap();
    let good = files::root().join("guest/kv/scenarios/values.toml");
    let test = |scenarios: &[&Path]| {
        let junit = format!("--junit={}", junit.display());
        let scenarios = scenarios.iter().map(|file| file.display().to_string());
        airlock(["test".into(), kv(), junit].into_iter().chain(scenarios))
    };
    test(&[&good]).expect_success("a scenario that passes");
    assert!(!fs::read_to_string(&junit).unwrap().contains("<failure"));
    let failed = test(&[&good, &wrong]);
    assert!(
        failed.status == 1 && failed.stdout.contains("wrong.toml:2: read a"),
        "{failed:?}"
    );
    assert!(fs::read_to_string(&junit).unwrap().contains("<failure"));
    let refused = test(&[&good, &broken]);
    assert!(
        refused.status == 1 && refused.stdout.contains("unknown field `expct`"),
        "{refused:?}"
    );
    assert!(fs::read_to_string(&junit).unwrap().contains("unknown field"));
}

#[test]
fn a_scenario_that_cannot_be_read_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let broken = directory.path().join("broken.toml").display().to_string();
    fs::write(&broken, "[[step]]\nrequest = 'read a'\nexpct = 1\n").unwrap();
    let missing = directory.path().join("missing.toml").display().to_string();
    let good = files::root()
        .join("guest/kv/scenarios/values.toml")
        .display()
        .to_string();
    let test = airlock(["test", &kv(), &broken, &missing, &good]);
    assert!(test.status == 1 && test.stderr.is_empty(), "{test:?}");
    for line in [
        "broken.toml:3: the scenario is wrong",
        "missing.toml:1: the scenario is wrong",
        "cannot be read",
        "values.toml: A value lives",
        "2 of 3 scenarios failed",
    ] {
        assert!(test.stdout.contains(line), "no {line:?}: {test:?}");
    }
}

/// A process that ends with the test, however that ends.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill(); // fails if it has already ended
        let _ = self.0.wait();
    }
}

#[test]
fn scenarios_run_again_when_one_changes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.toml");
    fs::write(&file, "[[step]]\nrequest = 'help'\n").unwrap();
    let test = Command::new(files::airlock())
        .args(["test", &kv(), &file.display().to_string(), "--watch"])
        .stdout(Stdio::piped())
        .spawn();
    let mut test = Watch(test.unwrap());
    let log = Log::read(test.0.stdout.take().unwrap());
    let wait_for = |text: &str| log.wait_for(text, |line| line.text.contains(text));
    wait_for("the scenario passed");
    fs::write(&file, "[[step]]\nrequest = 'read nothing'\n").unwrap();
    wait_for("1 of 1 scenarios failed");
}

#[test]
fn one_scenario_runs_alone_and_shows_its_steps() {
    let scenarios = ["values", "refusals"].map(|name| {
        let file = format!("guest/kv/scenarios/{name}.toml");
        files::root().join(file).display().to_string()
    });
    let test = |flags: &[&str]| {
        let arguments = ["test", &kv(), &scenarios[0], &scenarios[1]].map(str::to_owned);
        airlock(
            arguments
                .into_iter()
                .chain(flags.iter().map(|&flag| flag.to_owned())),
        )
    };
    let one = test(&["--only", "refus", "-v"]).expect_success("one scenario");
    assert!(one.stdout.contains("the scenario passed"), "{one:?}");
    assert!(
        one.stdout.contains("refusals.toml:") && one.stdout.contains(" (400, "),
        "{one:?}"
    );
    // Its `about` says so.
    test(&["--only", "A value lives"]).expect_success("one scenario");
    let none = test(&["--only", "nothing"]);
    assert!(
        none.status == 1 && none.stderr.contains("no scenario has \"nothing\""),
        "{none:?}"
    );
}

/// Runs `make` in a new project. The build is kept for the next run and the next project; only the project itself is new.
fn make(project: &Path) -> Output {
    run(Command::new("make")
        .arg("test")
        .current_dir(project)
        .env("AIRLOCK", files::airlock())
        .env("CARGO_TARGET_DIR", files::root().join("target/new-project"))
        .env_remove("MAKEFLAGS"))
}

#[test]
fn a_project_of_each_template_builds_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    for (template, requests) in [
        ("kv", ["write notes/a text=hello", "read notes/a"]),
        ("leases", ["write roles/web ttl=15m", "read creds/web"]),
        ("rotation", ["write passwords/db period=7d", "read passwords/db"]),
    ] {
        let project = directory.path().join(template);
        let path = format!("--path={}", project.display());
        let new = ["new", "my-engine", "--template", template, &path];
        airlock(new).expect_success("new");
        airlock(new).assert_refused(&["is there already"]);
        let made = make(&project).expect_success("make test");
        assert!(
            made.stdout.contains("test result: ok") && made.stdout.contains("the scenario passed"),
            "{made:?}"
        );
        assert!(made.stderr.contains("Running tests/guest.rs"), "{made:?}");
        // Only the first build compiles libraries, so only that one may say that it takes minutes.
        assert!(
            template == "kv" || !made.stderr.contains("takes 1 to 3 minutes"),
            "{made:?}"
        );
        let readme = fs::read_to_string(project.join("README.md")).unwrap();
        for request in requests {
            let command = format!("call target/my-engine.wasm {request} --storage data");
            assert!(readme.contains(&format!("    airlock {command}\n")), "{readme}");
            run(Command::new(files::airlock())
                .args(command.split(' '))
                .current_dir(&project))
            .expect_success(request);
        }
    }
}
