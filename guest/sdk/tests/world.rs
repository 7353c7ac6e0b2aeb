//! A handler meets the same behaviour in a test as in the host.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use airlock_sdk::system::Entity;
use airlock_sdk::testing::{Fault, Mount, request};
use airlock_sdk::{
    Context, Description, Engine, Error, Level, Operation, Options, Response, Result, Routes, SpecialPaths,
    Timestamp, fields, json, route,
};

fields! {
    struct Do {
        path: String,
        then: Option<String>,
    }
}

struct World;

impl Engine for World {
    const DESCRIPTION: Description = Description::new("world", "1.0.0", "Tries everything.")
        .storage(&["in/"])
        .scratch_bytes(216);

    const ROUTES: Routes = &[&route("{path...}").read(act).list(list)];

    fn special_paths(options: &Options) -> SpecialPaths {
        let mut paths = SpecialPaths::declared::<Self>();
        paths
            .unauthenticated
            .extend(options.get("open").map(String::from));
        paths
    }

    fn initialize(cx: &Context) -> Result<()> {
        let max_ttl = cx.system.max_lease_ttl()?.as_secs();
        let entity = cx.system.entity_info("1")?.is_some();
        let password = cx.system.generate_password("digits").unwrap_or_default();
        cx.log
            .field("max_ttl", max_ttl)
            .field("entity", entity)
            .field("password", password.len())
            .field("now", cx.clock.now())
            .info("ready");
        match cx.system.config().get("fail") {
            Some(_) => Err(Error::internal("told to")),
            None => Ok(()),
        }
    }

    fn rotate(cx: &Context) -> Result<()> {
        cx.storage.put("in/rotated", "")
    }

    fn invalidate(cx: &Context, key: &str) {
        cx.log.info("invalidated");
        cx.scratch.delete(key);
    }
}

fn act(cx: &Context, given: Do) -> Result<Response> {
    match given.path.as_str() {
        "event" => cx.events.send("world/spun", &json!({ "n": 1 }))?,
        "outside" => cx.storage.put("out/side", "")?,
        "outside-bare" => cx.storage.put("s.token", "")?,
        "outside-get" => drop(cx.storage.get("out/side")?),
        "outside-delete" => cx.storage.delete("out/side")?,
        "outside-list" => drop(cx.storage.list("out/")?),
        "list-no-folder" => drop(cx.storage.list("in/ann")?),
        "list-bare" => drop(cx.storage.list("s.token")?),
        "page-no-folder" => drop(cx.storage.list_page("in/ann", "", 1)?),
        "inside" => cx.storage.put("in/side", "")?,
        "invalid" => cx.storage.put("in/a/../b", "")?,
        "commit" => {
            cx.storage.put("in/kept", "")?;
            cx.storage.commit()?;
            cx.storage.put("in/lost", "")?;
        }
        "own" => {
            cx.storage.put("in/own", "1")?;
            assert_eq!(cx.storage.get("in/own")?, Some(b"1".to_vec()));
            assert_eq!(cx.storage.list("in/")?, ["own"]);
            cx.storage.delete("in/own")?;
            assert_eq!(cx.storage.get("in/own")?, None);
        }
        "scratch" => cx.scratch.put_json("k", &7)?,
        "scratch-full" => cx.scratch.put("k", &[0; 16])?,
        "scratch-long-get" => drop(cx.scratch.get(&"k".repeat(32_769))),
        "scratch-long-list" => drop(cx.scratch.list(&"k".repeat(32_769))),
        "scratch-long-delete" => cx.scratch.delete(&"k".repeat(32_769)),
        "log" => {
            for number in 0..1_001 {
                cx.log.field("number", number).info(&"x".repeat(20 << 10));
            }
        }
        "scratch-read" => {
            return Response::json(&json!({ "k": cx.scratch.get_json::<u32>("k") }));
        }
        "random" => {
            let (a, b): ([u8; 32], [u8; 32]) = (cx.random.array(), cx.random.array());
            assert_ne!(a, b);
            return Response::json(&json!({ "uuid": cx.random.uuid(), "now": cx.clock.now() }));
        }
        "count" => {
            let count: u32 = cx.storage.get_json("in/count")?.unwrap_or(0);
            cx.storage.put_json("in/count", &(count + 1))?;
            cx.events.send("world/counted", &json!({ "count": count + 1 }))?;
        }
        other => return Err(Error::user(format!("no such act: {other}"))),
    }
    match given.then {
        Some(error) => Err(Error::user(error)),
        None => Ok(Response::default()),
    }
}

fn list(cx: &Context, given: Do) -> Result<Response> {
    Ok(Response::list(cx.storage.list(&given.path)?))
}

#[test]
fn initialize_runs_at_mount_with_its_options() {
    let mount = Mount::<World>::with_options(&[("open", "door")]);
    assert_eq!(
        (mount.logs()[0].level, mount.logs()[0].message.as_str()),
        (Level::Info, "ready")
    );
    assert_eq!(mount.special_paths().unauthenticated, ["door"]);
}

#[test]
#[should_panic(expected = "initialize failed: told to")]
fn a_mount_that_fails_to_initialize_fails_the_test() {
    let _ = Mount::<World>::with_options(&[("fail", "")]);
}

#[test]
fn events_leave_only_with_success() {
    let mount = Mount::<World>::new();
    assert_eq!(mount.read_with("event", json!({ "then": "no" })).status(), 400);
    assert!(mount.events().is_empty());
    assert_eq!(mount.read("event").status(), 200);
    assert_eq!(mount.events(), [("world/spun".to_string(), json!({ "n": 1 }))]);
}

#[test]
fn refuses_storage_outside_the_declared_prefixes() {
    let mount = Mount::<World>::new();
    for outside in ["outside", "outside-get", "outside-delete", "outside-list"] {
        let refused = mount.read(outside);
        assert_eq!(refused.status(), 500, "{outside}");
        let expected = "the engine used storage at \"out/\", which is outside the prefixes [\"in/\"] that its `Description::storage` declares";
        assert_eq!(*refused.error(), Error::internal(expected), "{outside}");
    }
    assert_eq!(mount.read("inside").status(), 200);
}

#[test]
fn a_list_without_a_slash_is_the_engines_mistake() {
    let mount = Mount::<World>::new();
    for list in ["list-no-folder", "page-no-folder"] {
        let refused = mount.read(list);
        assert_eq!(refused.status(), 500, "{list}");
        let expected = "the engine listed storage at \"in/\" by a prefix without `/` at its end; a prefix is empty or ends in `/`";
        assert_eq!(*refused.error(), Error::internal(expected), "{list}");
    }
}

#[test]
fn a_key_without_a_folder_is_not_shown() {
    let mount = Mount::<World>::new();
    for wrong in ["outside-bare", "list-bare"] {
        let refused = mount.read(wrong);
        assert_eq!(refused.status(), 500, "{wrong}");
        let text = refused.error().to_string();
        assert!(
            text.contains("at a key without a folder") && !text.contains("s.token"),
            "{text}"
        );
    }
}

#[test]
fn a_request_sees_its_own_writes_and_a_commit_outlives_its_failure() {
    let mount = Mount::<World>::new();
    assert_eq!(mount.read("own").status(), 200);
    assert_eq!(mount.read_with("commit", json!({ "then": "fail" })).status(), 400);
    assert_eq!(mount.stored().keys().collect::<Vec<_>>(), ["in/kept"]);
}

#[test]
fn a_request_that_meets_a_conflict_runs_again_and_counts_once() {
    let mount = Mount::<World>::new();
    mount.conflict(true);
    assert_eq!(mount.read("count").status(), 200);
    assert_eq!(mount.stored_json("in/count"), Some(1));
    assert_eq!(mount.events().len(), 1);
    // After its own commit a request never runs again.
    assert_eq!(mount.read_with("commit", json!({ "then": "fail" })).status(), 400);
    assert_eq!(mount.commits(), 1);
}

#[test]
fn a_read_only_storage_is_an_error_that_the_server_forwards() {
    let mount = Mount::<World>::new();
    mount.fail(Fault::ReadOnly);
    assert_eq!(mount.read("inside").error(), &Error::ReadOnly);
}

#[test]
fn a_storage_that_is_busy_is_503_and_stores_nothing() {
    let mount = Mount::<World>::new();
    mount.fail(Fault::Busy);
    assert_eq!(mount.read("inside").status(), 503);
    assert_eq!(mount.read("commit").status(), 503);
    assert!(mount.stored().is_empty());
    // Scratch changes with the transaction, so it waits for the same lock.
    assert_eq!(mount.read("scratch").status(), 503);
    assert_eq!(mount.read("scratch-read").status(), 200);
}

#[test]
fn a_key_that_storage_cannot_hold_is_the_callers_mistake() {
    let mount = Mount::<World>::new();
    assert_eq!(mount.read("invalid").status(), 400);
}

#[test]
fn a_commit_that_fails_at_the_end_fails_the_request() {
    let mount = Mount::<World>::new();
    mount.fail(Fault::Commits(0));
    assert_eq!(mount.read("inside").status(), 500);
    assert!(mount.stored().is_empty());
}

#[test]
fn scratch_outlives_a_request_but_not_a_restart_and_has_a_size() {
    let mount = Mount::<World>::new();
    assert_eq!(mount.read("scratch").status(), 200);
    assert_eq!(mount.read("scratch-read").data()["k"], 7);
    assert_eq!(mount.read("scratch-full").status(), 500);
    assert_eq!(mount.read("scratch-read").data()["k"], 7);
    mount.invalidate("k");
    assert!(mount.read("scratch-read").data()["k"].is_null());
    assert_eq!(mount.read("scratch").status(), 200);
    mount.initialize().unwrap();
    assert!(mount.read("scratch-read").data()["k"].is_null());
}

#[test]
fn an_entry_of_scratch_takes_200_bytes_besides_its_text() {
    let mount = Mount::<World>::new();
    // 1 + 16 + 200 bytes are one too many; 1 + 1 + 200 are not.
    let full = "scratch: scratch is full: this mount may keep 216 bytes (`description.scratch-bytes`)";
    assert_eq!(mount.read("scratch-full").error(), &Error::internal(full));
    assert_eq!(mount.read("scratch").status(), 200);
}

#[test]
fn a_scratch_call_with_too_long_a_key_ends_the_request() {
    let mount = Mount::<World>::new();
    for call in ["get", "list", "delete"] {
        let ended = mount.read(&format!("scratch-long-{call}"));
        let why = "not a storage key: a key has at most 32,768 bytes";
        assert_eq!(ended.error(), &Error::coded(400, why), "{call}");
    }
    // An engine that cannot be told of a key may have derived something from it.
    assert_eq!(mount.read("scratch").status(), 200);
    mount.invalidate(&"k".repeat(32_769));
    assert!(mount.read("scratch-read").data()["k"].is_null());
}

#[test]
fn a_request_logs_so_many_lines_of_so_many_bytes() {
    let mount = Mount::<World>::new();
    for request in 1..=2 {
        let before = mount.logs().len();
        assert_eq!(mount.read("log").status(), 200);
        let logs = &mount.logs()[before..];
        assert_eq!(logs.len(), 1_001, "{request}");
        assert_eq!((logs[0].message.len(), logs[0].fields.len()), (16 << 10, 0));
        let last =
            "further log lines of this request are dropped: over the limit of 1000 log lines (--log-lines)";
        assert_eq!(
            (logs[1_000].level, logs[1_000].message.as_str()),
            (Level::Warn, last)
        );
    }
    mount.invalidate("a");
    assert_eq!(mount.logs().last().unwrap().message, "invalidated");
}

#[test]
fn a_mount_has_its_settings_before_it_is_initialized() {
    let entity = Entity {
        id: "1".into(),
        ..Entity::default()
    };
    let mount = Mount::<World>::builder()
        .entity(entity, vec![])
        .password_policy("digits", 12, "0123456789")
        .lease_times(Duration::from_secs(60), Duration::from_secs(120))
        .starts_at(Timestamp::from_seconds(0))
        .start();
    let told = mount.logs()[0].fields.clone();
    let told: Vec<&str> = told.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(told, ["120", "true", "12", "1970-01-01T00:00:00Z"]);
}

#[test]
fn randomness_and_time_are_the_same_in_every_run() {
    let (one, other) = (Mount::<World>::new(), Mount::<World>::new());
    let reply = one.read("random");
    assert_eq!(reply.data(), other.read("random").data());
    assert_eq!(reply.data()["now"], "2026-01-01T00:00:00Z");
    let uuid = reply.data()["uuid"].as_str().unwrap();
    assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
}

#[test]
fn a_rotation_is_done_where_the_engine_does_one() {
    let mount = Mount::<World>::new();
    assert_eq!(mount.send(request(Operation::Rotate, "", None)).status(), 200);
    assert!(mount.stored().contains_key("in/rotated"));
}

#[test]
fn folders_are_listed_with_a_slash() {
    let mount = Mount::<World>::new();
    mount.store_json("in/a/b", &1);
    mount.store_json("in/c", &1);
    assert_eq!(mount.list("in").keys(), ["a/", "c"]);
    assert_eq!(mount.list("in/nothing").status(), 404);
}
