use airlock_sdk::testing::Fault;

use super::*;

fn with_values(count: usize) -> Mount<VersionedKv> {
    let mount = version_1();
    for n in 0..count {
        assert_eq!(mount.write(&format!("team/{n}"), json!({ "n": n })).status(), 204);
    }
    mount
}

fn old_values(mount: &Mount<VersionedKv>) -> usize {
    mount.stored().keys().filter(|key| key.starts_with("v1/")).count()
}

#[test]
fn a_key_that_is_asked_for_is_upgraded_on_the_spot() {
    let mount = version_2_over(&with_values(3));
    assert_eq!(mount.read("data/team/1").data()["data"], json!({ "n": 1 }));
    assert_eq!(old_values(&mount), 2);
    let metadata = mount.read("metadata/team/1");
    assert_eq!(
        (
            &metadata.data()["current_version"],
            &metadata.data()["oldest_version"]
        ),
        (&json!(1), &json!(1))
    );
    let by = json!({ "actor": "kv_upgrade", "operation": "upgrade" });
    assert_eq!(metadata.data()["last_updated_by"], by);
    assert_eq!(put(&mount, "team/2", json!({ "n": "new" })), 2);
    assert_eq!(
        mount.read_with("data/team/2", json!({ "version": 1 })).data()["data"],
        json!({ "n": 2 })
    );
}

#[test]
fn what_is_not_upgraded_yet_is_listed_and_exists() {
    let mount = version_2_over(&with_values(2));
    assert_eq!(mount.read("data/team/0").status(), 200);
    put(&mount, "team/new", json!({}));
    assert_eq!(mount.list("metadata/team").keys(), ["0", "1", "new"]);
    let write = airlock_sdk::testing::request(airlock_sdk::Operation::Update, "data/team/1", None);
    assert_eq!(mount.exists(write).unwrap(), Some(true));
    assert_eq!(old_values(&mount), 1);
}

#[test]
fn the_tick_upgrades_the_rest_in_batches_and_then_stops_looking() {
    let mount = version_2_over(&with_values(1203));
    let mut left = Vec::new();
    for _ in 0..3 {
        assert_eq!(mount.tick().status(), 204);
        left.push(old_values(&mount));
    }
    assert_eq!(left, [703, 203, 0]);
    assert!(!mount.stored().contains_key("upgrade"));
    assert_eq!(mount.tick().status(), 204);
    assert!(mount.stored().contains_key("upgrade"));
    assert_eq!(mount.list("metadata/team").keys().len(), 1203);
    assert_eq!(mount.read("data/team/1202").data()["data"], json!({ "n": 1202 }));
}

#[test]
fn a_tick_commits_as_it_goes_so_that_nobody_waits_for_all_its_keys() {
    let mount = version_2_over(&with_values(203));
    mount.fail(Fault::Commits(2));
    assert_eq!(mount.tick().status(), 500);
    assert_eq!(old_values(&mount), 203 - 2 * 30);
    mount.fail(Fault::None);
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(old_values(&mount), 0);
}

#[test]
fn a_batch_of_large_values_is_smaller() {
    let old = version_1();
    for n in 0..8 {
        assert_eq!(
            old.write(&n.to_string(), json!({ "v": "x".repeat(1_000_000) }))
                .status(),
            204
        );
    }
    let mount = version_2_over(&old);
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(old_values(&mount), 3);
}

#[test]
fn a_crash_between_the_metadata_and_the_removal_of_the_old_value_does_no_harm() {
    let old = with_values(1);
    let mount = version_2_over(&old);
    assert_eq!(mount.read("data/team/0").status(), 200);
    assert_eq!(put(&mount, "team/0", json!({ "n": "new" })), 2);
    let crashed = version_2_over(&mount);
    for (key, value) in old.stored() {
        crashed.store_json(&key, &serde_json::from_slice::<Value>(&value).unwrap());
    }
    assert_eq!(old_values(&crashed), 1);
    assert_eq!(crashed.tick().status(), 204);
    assert_eq!(old_values(&crashed), 0);
    assert_eq!(crashed.read("data/team/0").data()["data"], json!({ "n": "new" }));
    assert_eq!(crashed.read("metadata/team/0").data()["current_version"], 2);
}

#[test]
fn what_is_deleted_does_not_come_back_from_an_old_value_that_a_crash_has_left() {
    let old = with_values(1);
    let mount = version_2_over(&old);
    assert_eq!(mount.read("data/team/0").status(), 200);
    for (key, value) in old.stored() {
        mount.store_json(&key, &serde_json::from_slice::<Value>(&value).unwrap());
    }
    assert_eq!(mount.delete("metadata/team/0").status(), 204);
    assert_eq!(mount.read("data/team/0").status(), 404);
    assert_eq!(old_values(&mount), 0);
}

#[test]
fn a_crash_before_the_metadata_loses_nothing() {
    let mount = version_2_over(&with_values(1));
    let before = version_2_over(&mount);
    assert_eq!(mount.read("data/team/0").status(), 200);
    for (key, value) in mount.stored() {
        if key.starts_with("versions/") {
            before.store_json(&key, &serde_json::from_slice::<Value>(&value).unwrap());
        }
    }
    assert_eq!(before.read("data/team/0").data()["data"], json!({ "n": 0 }));
    assert_eq!(old_values(&before), 0);
}

#[test]
fn a_new_mount_never_looks_for_version_1() {
    let mount = version_2();
    put(&mount, "a", json!({}));
    assert!(mount.stored().contains_key("upgrade"));
}

#[test]
fn a_mount_that_was_upgraded_takes_no_values_of_version_1() {
    let upgraded = version_2();
    put(&upgraded, "a", json!({}));
    let mount = version_1();
    for (key, value) in upgraded.stored() {
        mount.store_json(&key, &serde_json::from_slice::<Value>(&value).unwrap());
    }
    assert_eq!(mount.write("a", json!({ "x": 1 })).status(), 400);
}
