//! Tests the TOTP guest: compares it with the engine that OpenBao has compiled in, and validates codes in parallel.
//!
//! The comparison sends each request to both engines, on one server. Some scripts are every parameter with many values,
//! and one is drawn at random from a seed: `AIRLOCK_SEED=… cargo test …` sends that script again.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answer;
mod scripts;

use std::sync::{Barrier, LazyLock};
use std::thread;

use airlock_tests::twins::{Step, Twins, drawn, plain};
use airlock_tests::{Brand, Mount, Plugin, Server, Storage, eventually, files, skipped_on};
use serde_json::json;

use answer::Alike;

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("totp", Storage::Memory);
    Plugin::serving("airlock-totp", &files::guest("totp")).register(&server);
    server
});

const BUILTIN: &str = "the Vault of the tests has no built-in TOTP engine";

/// A key that both engines get.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// Mounts the built-in engine and the guest.
fn pair(name: &str) -> [Mount; 2] {
    [("left", "totp"), ("right", "airlock-totp")]
        .map(|(side, plugin)| SERVER.mount(&format!("{name}-{side}"), plugin))
}

/// Sends the steps to both mounts, and panics with the differences.
#[track_caller]
fn expect_alike(mounts: [Mount; 2], steps: &[Step]) {
    let [left, right] = &mounts;
    let twins = Twins::new(left.clone(), right.clone());
    let differences: Vec<String> = steps
        .iter()
        .filter_map(|step| {
            let [left, right] = twins.answers(step).map(Alike::of);
            (left != right).then(|| format!("{step}\n   < {left}\n   > {right}\n"))
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {} requests were answered differently:\n{}",
        differences.len(),
        steps.len(),
        differences.concat()
    );
}

#[test]
fn every_parameter_is_answered_as_by_the_builtin_engine() {
    if skipped_on(Brand::Vault, BUILTIN) {
        return;
    }
    expect_alike(pair("parameters"), &scripts::parameters());
}

#[test]
fn every_url_is_answered_as_by_the_builtin_engine() {
    if skipped_on(Brand::Vault, BUILTIN) {
        return;
    }
    expect_alike(pair("urls"), &scripts::urls());
}

#[test]
fn every_path_is_answered_as_by_the_builtin_engine() {
    if skipped_on(Brand::Vault, BUILTIN) {
        return;
    }
    expect_alike(pair("paths"), &scripts::paths());
}

/// Each engine gets the codes that it makes itself: those of generated keys differ.
#[test]
fn it_stays_like_the_builtin_engine_through_any_requests() {
    if skipped_on(Brand::Vault, BUILTIN) {
        return;
    }
    let mounts = pair("drawn");
    let steps = scripts::drawn(600, drawn::seed());
    let mut accepted = 0;
    let differences: Vec<String> = steps
        .iter()
        .filter_map(|step| {
            let [left, right] = mounts.each_ref().map(|mount| {
                let step = with_code(step, mount);
                let (client, path) = (mount.client(), mount.path(&step.path));
                let sent = client.try_send(&step.method, &path, &step.headers, &step.body);
                Alike::of(plain(&sent.unwrap(), mount.name()))
            });
            accepted += usize::from(left.to_string().contains("\"valid\":true"));
            (left != right).then(|| format!("{step}\n   < {left}\n   > {right}\n"))
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.concat()
    );
    assert!(accepted >= 20, "only {accepted} codes were accepted");
}

/// Replaces `CODE` in the body by the present code of the mount's key, and `WRONG` by another code of its length.
fn with_code(step: &Step, mount: &Mount) -> Step {
    let mut step = step.clone();
    if step.body.contains("CODE") || step.body.contains("WRONG") {
        let read = mount.read(&step.path);
        let code = read.data()["code"].as_str().unwrap_or("123456").to_owned();
        let wrong: String = code
            .chars()
            .map(|digit| {
                if digit == '9' {
                    '0'
                } else {
                    char::from(digit as u8 + 1)
                }
            })
            .collect();
        step.body = step.body.replace("CODE", &code).replace("WRONG", &wrong);
    }
    step
}

#[test]
fn codes_are_those_of_the_builtin_engine() {
    if skipped_on(Brand::Vault, BUILTIN) {
        return;
    }
    let mounts = pair("codes");
    for (i, (algorithm, digits, period)) in ["SHA1", "SHA256", "SHA512"]
        .into_iter()
        .flat_map(|algorithm| {
            [
                (algorithm, 6, 30),
                (algorithm, 8, 30),
                (algorithm, 6, 45),
                (algorithm, 8, 3600),
            ]
        })
        .enumerate()
    {
        let path = format!("code/key{i}");
        for mount in &mounts {
            let key = json!({"key": SECRET, "algorithm": algorithm, "digits": digits, "period": period});
            mount.write(&format!("keys/key{i}"), key).expect_success("write");
        }
        let codes = || {
            mounts
                .each_ref()
                .map(|mount| mount.read(&path).data()["code"].clone())
        };
        // A period may end between the two reads, but not twice in a row.
        let alike = (0..3)
            .map(|_| codes())
            .any(|[left, right]| left.is_string() && left == right);
        assert!(alike, "{algorithm} {digits} {period}: {:?}", codes());
        let code = mounts[0].read(&path).data()["code"].clone();
        for mount in &mounts {
            assert_eq!(mount.write(&path, json!({"code": code})).data()["valid"], true);
            let again = mount.write(&path, json!({"code": code}));
            assert_eq!(
                again.errors(),
                "code already used; wait until the next time period"
            );
        }
    }
}

/// Returns the steps that the two engines answer differently.
fn told_apart(mounts: [Mount; 2], steps: &[Step]) -> Vec<String> {
    let [left, right] = mounts;
    let twins = Twins::new(left, right);
    let differ = |step: &&Step| {
        let [left, right] = twins.answers(step).map(Alike::of);
        left != right
    };
    steps.iter().filter(differ).map(Step::to_string).collect()
}

/// The differences from OpenBao's engine in docs/totp.md. It also shows that the comparison finds a difference.
#[test]
fn openbaos_engine_differs_where_the_documentation_says() {
    if skipped_on(Brand::Vault, BUILTIN) {
        return;
    }
    let steps = Step::script(
        r#"
        POST keys/a {"key": "ABCDEFGH", "period": 315360000}
        POST code/a {"code": "1234567"}
        POST code/a {"code": " 123456"}
        POST code/none {"code": ""}
        POST keys/b {"generate": true, "issuer": "a&b", "account_name": "c", "qr_size": 0}
        GET keys/a?period=x
        GET keys/a
        "#,
    );
    let apart = told_apart(pair("apart"), &steps);
    let expected: Vec<String> = steps[1..6].iter().map(Step::to_string).collect();
    assert_eq!(apart, expected);
}

#[test]
fn of_parallel_validations_of_a_code_one_is_accepted() {
    const CALLERS: usize = 16;
    let mount = SERVER.mount("parallel", "airlock-totp");
    for round in 0..10 {
        let path = format!("code/round{round}");
        mount
            .write(
                &format!("keys/round{round}"),
                json!({"key": SECRET, "period": "87600h"}),
            )
            .expect_success("write");
        let code = mount.read(&path).data()["code"].clone();
        let all_ready = Barrier::new(CALLERS);
        let answers: Vec<_> = thread::scope(|scope| {
            let validate = || {
                all_ready.wait();
                mount.write(&path, json!({"code": code}))
            };
            let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(validate)).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        let accepted = answers
            .iter()
            .filter(|answer| answer.data()["valid"] == true)
            .count();
        let used = "code already used; wait until the next time period";
        let refused = answers
            .iter()
            .filter(|answer| answer.status == 400 && answer.errors() == used)
            .count();
        assert_eq!((accepted, refused), (1, CALLERS - 1), "{answers:?}");
    }
}

#[test]
fn used_code_is_refused_after_the_host_was_killed() {
    let server = Server::start("totp-killed", Storage::Memory);
    Plugin::serving("airlock-totp", &files::guest("totp")).register(&server);
    let mount = server.mount("totp", "airlock-totp");
    mount
        .write("keys/a", json!({"key": SECRET, "period": "87600h"}))
        .expect_success("write");
    let code = mount.read("code/a").data()["code"].clone();
    assert_eq!(mount.write("code/a", json!({"code": code})).data()["valid"], true);
    server.kill_host();
    let again = eventually("the guest answers again", || {
        let again = mount.write("code/a", json!({"code": code}));
        assert_ne!(again.status, 200, "{again:?}");
        (again.status == 400).then_some(again)
    });
    assert_eq!(
        again.errors(),
        "code already used; wait until the next time period"
    );
}
