//! Tests `airlock record` on mounts of a real server, and `airlock test --replay` with what it recorded: that no secret is in it, and
//! that a replay tells a changed build from the same one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use airlock_tests::{
    Answer, Line, Mount, Output, Plugin, Server, Storage, airlock, airlock_for, eventually, files, process,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("recordings", Storage::Memory));

/// A text in every path, and so in storage keys.
const KEY: &str = "canary-of-a-key-93b2";
/// A text in every value.
const VALUE: &str = "canary-of-a-value-5f1c";
/// A text in names of fields.
const NAME: &str = "canary-of-a-name-c04d";
/// A text in a request header that the mount lets through.
const HEADER: &str = "canary-of-a-header-77de";
/// A text in an option of the mount.
const OPTION: &str = "canary-of-an-option-e1a6";
/// A number among the values.
const NUMBER: &str = "8273645190";

/// Registers a guest so that its mounts may be recorded, and mounts it.
fn mount(name: &str, guest: &str) -> Mount {
    Plugin::serving(name, &files::guest(guest))
        .arg("--allow-record")
        .register(&SERVER);
    let options = json!({ "of-the-guest": OPTION });
    SERVER
        .try_mount_with(name, name, &options)
        .expect_success("mount");
    let mount = SERVER.mounted(name);
    let tune = json!({"passthrough_request_headers": ["X-Canary", "tracestate"]});
    SERVER
        .client()
        .write(&format!("sys/mounts/{name}/tune"), tune)
        .expect_success("let a header through");
    mount
}

fn state(mount: &Mount) -> String {
    let answer = mount.read(".airlock/record");
    match answer.status {
        200 => answer.data()["state"].as_str().unwrap().to_owned(),
        status => format!("status {status}"),
    }
}

/// Records what `send` sends, until Ctrl-C. Returns the file and the output.
///
/// `send` calls its argument after each request with the number of lines so far: the request, and its existence check if it is a
/// write. That waits until they are done, so that the next request finds a permit however busy the machine is.
fn record(mount: &Mount, file: &str, send: impl FnOnce(&dyn Fn(u64))) -> (PathBuf, Output) {
    let file = SERVER.temporary_directory().join(file);
    let arguments = ["record", "--mount", mount.name(), "--seconds=600", "--out"];
    let mut command = airlock_for(SERVER.client(), arguments);
    let child = command
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("it records", || (state(mount) == "running").then_some(()));
    send(&|lines| eventually("they are recorded", || (done(mount) >= lines).then_some(())));
    process::interrupt(child.id());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let output = Output {
        status: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    (file, output)
}

/// Returns the number of requests and checks that are recorded, or never will be.
fn done(mount: &Mount) -> u64 {
    let report = mount.read(".airlock/record").expect_success("status");
    let not_comparable = report.data()["not_comparable"].as_object().unwrap().values();
    let not_comparable: u64 = not_comparable.filter_map(Value::as_u64).sum();
    counted(&report, "recorded") + counted(&report, "skipped") + not_comparable
}

fn replay(file: &Path, guest: &Path) -> Output {
    airlock([
        "test".as_ref(),
        "--replay".as_ref(),
        file.as_os_str(),
        guest.as_os_str(),
    ])
}

/// Sends a header that the mount lets through.
fn with_header(mount: &Mount, path: &str) -> u16 {
    let headers = [("tracestate".to_owned(), format!("a={HEADER}"))];
    let read = SERVER.client().try_send("GET", &mount.path(path), &headers, "");
    read.unwrap().status
}

/// Returns a text in the forms in which it could be in a file.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        secret.to_uppercase(),
        hex::encode(secret),
        hex::encode_upper(secret),
    ];
    // Within a longer text, base64 begins at any of three places; the first and last digits depend on what is around.
    for before in ["", "x", "xx"] {
        let encoded = STANDARD.encode(format!("{before}{secret}"));
        let inner = encoded.trim_end_matches('=');
        forms.push(inner[4..inner.len() - 2].to_owned());
    }
    forms
}

#[track_caller]
fn assert_tells_nothing(text: &str, of: &str) {
    for secret in [KEY, VALUE, NAME, HEADER, OPTION, NUMBER, SERVER.client().token()] {
        for form in forms(secret) {
            assert!(!text.contains(&form), "{of} has {secret} as {form}");
        }
    }
    assert!(!text.contains("canary-of"), "{of} has a part of a secret");
}

fn counted(answer: &Answer, field: &str) -> u64 {
    answer.data()[field].as_u64().unwrap()
}

#[test]
fn a_recording_has_no_secret_and_tells_a_changed_build() {
    let kv = mount("kv-recorded", "kv");
    let path = format!("{KEY}/{KEY}-2");
    let (file, output) = record(&kv, "kv.rec", |until| {
        kv.write(&path, json!({"value": VALUE})).expect_success("create");
        until(2);
        kv.write(
            &path,
            json!({"value": {NAME: [VALUE, 8_273_645_190_u64, true, null]}}),
        )
        .expect_success("update");
        until(4);
        kv.read(&path).expect_success("read");
        until(5);
        assert_eq!(with_header(&kv, &path), 200);
        until(6);
        kv.list(KEY).expect_success("list");
        until(7);
        assert_eq!(kv.read(&format!("{KEY}/missing")).status, 400);
        until(8);
        assert_eq!(kv.write(&path, json!({NAME: VALUE})).status, 400);
        until(10);
        kv.delete(&path).expect_success("delete");
        until(11);
    });
    output.expect_success("record");
    let text = fs::read_to_string(&file).unwrap();
    assert_tells_nothing(&text, "the recording");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let end = lines.last().unwrap();
    // What was asked is in it: eight requests and the existence checks of three writes, all on the course that they took.
    assert_eq!(end["recorded"], json!(11), "{end}");
    assert_eq!(
        (&end["other_course"], &end["skipped"]),
        (&json!(0), &json!(0)),
        "{end}"
    );
    let (checks, requests): (Vec<_>, Vec<_>) = lines[1..lines.len() - 1]
        .iter()
        .partition(|line| line["check"] == true);
    let answers: Vec<_> = checks.iter().map(|check| &check["answer"]["exists"]).collect();
    assert_eq!(answers, [false, true, true]);
    // Equal texts have equal tokens.
    let path = |line: &Value| line["asked"]["path"].as_str().unwrap().to_owned();
    let written = path(requests[0]);
    assert!(checks.iter().all(|check| path(check) == written));
    assert_eq!(path(requests[2]), written);
    let folder = path(requests[4]);
    assert!(written.starts_with(&folder), "{folder}");
    for reads in [requests[2], checks[0]] {
        assert_eq!(
            reads["told"]["storage"][0]["get"]["key"],
            json!(format!("kv/{written}"))
        );
    }

    replay(&file, &files::guest("kv")).expect_success("replay on the same build");
    let changed = SERVER.temporary_directory().join("changed.wasm");
    files::alter_guest(
        "kv",
        &changed,
        &[
            ("key created", "key CREATED"),
            ("missing field: value", "missing field: VALUE"),
        ],
    );
    let differs = replay(&file, &changed);
    assert_eq!(differs.status, 1, "{differs:?}");
    for line in [
        "different: 2 (",
        "create: field message: 1",
        "update: error text: 1",
        "not comparable: 0",
        "the guest answers or stores otherwise",
    ] {
        assert!(differs.stdout.contains(line), "no {line:?}: {differs:?}");
    }
    assert!(!differs.stdout.contains("CREATED"), "{differs:?}");
    // As if the recorded guest had answered a check otherwise.
    let told = SERVER.temporary_directory().join("check.rec");
    fs::write(&told, text.replace(r#"{"exists":false}"#, r#"{"exists":true}"#)).unwrap();
    let checked = replay(&told, &files::guest("kv"));
    assert_eq!(checked.status, 1, "{checked:?}");
    assert!(checked.stdout.contains("check: answer: 1"), "{checked:?}");
    // A guest that is another one asks for other keys.
    let strange = replay(&file, &files::guest("users"));
    assert_eq!(strange.status, 1, "{strange:?}");
    assert_tells_nothing(&format!("{differs:?}{strange:?}"), "the report");
}

#[test]
fn guests_of_the_sdk_read_their_data_with_tokens() {
    let users = mount("users-recorded", "users");
    let path = format!("users/{KEY}");
    let (file, output) = record(&users, "users.rec", |until| {
        let user = json!({"email": format!("{VALUE}@example.com"), "groups": [VALUE, "g"], "status": "locked", "ttl": 7200});
        users.write(&path, user).expect_success("create");
        until(2);
        users.read(&path).expect_success("read");
        until(3);
        users
            .write(&path, json!({"status": "active"}))
            .expect_success("update");
        until(5);
        users
            .read(&format!("{path}/session"))
            .expect_success("a leased session");
        until(6);
        users.list("users").expect_success("list");
        until(7);
        assert_eq!(users.read(&format!("users/{KEY}-2")).status, 404);
        until(8);
    });
    assert_recorded_eight(output);
    let text = fs::read_to_string(&file).unwrap();
    assert_tells_nothing(&text, "the recording");
    // The words that the guest declares are there, and so are those in its file.
    for word in ["locked", "email", "users/{username}/session"] {
        assert!(text.contains(word), "no {word}");
    }
    let same = replay(&file, &files::guest("users")).expect_success("replay");
    assert!(same.stdout.contains("read users/{username} 2"), "{same:?}");

    let changed = SERVER.temporary_directory().join("users-changed.wasm");
    files::alter_guest("users", &changed, &[("A new user needs", "A NEW user needs")]);
    replay(&file, &changed).expect_success("replay of a change that shows in no request");
}

/// Fails unless the command has recorded eight requests, each on the course that it took before.
fn assert_recorded_eight(output: Output) {
    let output = output.expect_success("record");
    assert!(output.stdout.contains("recorded 8 requests"), "{output:?}");
    assert!(
        output.stdout.contains("\n0 of them took another course"),
        "{output:?}"
    );
}

#[test]
fn a_guest_that_encrypts_its_keys_is_recorded_all_the_same() {
    Plugin::versioned_kv()
        .named("versioned-recorded")
        .arg("--allow-record")
        .register(&SERVER);
    let kv = SERVER.mount("versioned-recorded", "versioned-recorded");
    kv.tune_to_version_2();
    kv.wait_until_versioned();
    let path = format!("data/{KEY}/{KEY}-2");
    let (file, output) = record(&kv, "versioned.rec", |until| {
        for lines in [2, 4] {
            kv.write(&path, json!({"data": {NAME: VALUE, "user": VALUE}}))
                .expect_success("write");
            until(lines);
        }
        kv.read(&path).expect_success("read");
        until(5);
        kv.patch(&path, json!({"data": {NAME: NUMBER}}))
            .expect_success("patch");
        until(6);
        kv.read(&path.replace("data/", "metadata/"))
            .expect_success("read the metadata");
        until(7);
        kv.delete(&path).expect_success("delete");
        until(8);
    });
    assert_recorded_eight(output);
    assert_tells_nothing(&fs::read_to_string(&file).unwrap(), "the recording");
    let same = replay(&file, &files::guest("versioned-kv")).expect_success("replay");
    assert!(same.stdout.contains("read metadata/{path}"), "{same:?}");
}

#[test]
fn neither_the_control_path_nor_the_log_tells_a_secret() {
    let kv = mount("kv-told", "kv");
    kv.write(".airlock/record", json!({"seconds": 600}))
        .expect_success("begin");
    for number in 0..20 {
        let path = format!("{KEY}/{number}");
        kv.write(&path, json!({"value": VALUE, NAME: NUMBER}))
            .expect_success("write");
        kv.read(&path).expect_success("read");
    }
    let running = kv.read(".airlock/record").expect_success("status");
    assert_eq!(running.data()["state"], "running");
    assert_eq!(kv.read(".airlock/record/pieces/0").status, 404);
    let stopped = kv.write(".airlock/record/stop", json!({})).expect_success("stop");
    assert_eq!(stopped.data()["state"], "stopped");
    let recorded = counted(&stopped, "recorded");
    assert!(
        recorded > 0 && recorded + counted(&stopped, "skipped") == 60,
        "{stopped:?}"
    );
    let piece = kv.read(".airlock/record/pieces/0").expect_success("a piece");
    for answer in [&running, &stopped, &piece] {
        assert_tells_nothing(&answer.body.to_string(), "an answer");
    }
    // Nothing more is recorded.
    kv.read(&format!("{KEY}/1")).expect_success("read");
    let after = kv.read(".airlock/record").expect_success("status");
    assert_eq!(counted(&after, "recorded"), recorded);
    kv.delete(".airlock/record").expect_success("forget");
    assert_eq!(state(&kv), "status 404");
    assert_eq!(kv.read(".airlock/record/pieces/0").status, 404);

    let lines = SERVER.log().lines();
    let of_the_host: Vec<&Line> = lines.iter().filter(|line| line.is_hosts()).collect();
    assert!(
        of_the_host.iter().any(|line| line
            .text
            .contains("a recording of this mount's requests has begun")),
        "the log does not say that a recording began"
    );
    for line in of_the_host {
        assert_tells_nothing(&line.text, "the log");
    }
}
