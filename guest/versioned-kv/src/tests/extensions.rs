use std::time::Duration;

use airlock_sdk::testing::Fault;

use super::*;

fn with(option: &str) -> Mount<VersionedKv> {
    let mount = Mount::with_options(&[("version", "2"), (option, "true")]);
    for path in ["a", "a-b", "team/db", "team/web/tls", "zoo"] {
        put(&mount, path, json!({ "at": path }));
    }
    mount
}

#[test]
fn without_their_options_the_paths_are_invalid() {
    for mount in [
        with("none"),
        with("purge"),
        with("transfer"),
        with("recursive_list"),
    ] {
        assert_eq!(mount.list("detailed-metadata").status(), 404);
    }
    for mount in [with("none"), with("detailed_list")] {
        assert_eq!(mount.list("recursive-metadata").status(), 404);
        assert_eq!(mount.write("copy/a", json!({ "destination": "b" })).status(), 404);
        assert_eq!(mount.write("move/a", json!({ "destination": "b" })).status(), 404);
        assert_eq!(mount.read("data/b").status(), 404);
    }
}

#[test]
fn everything_below_a_folder_is_listed_in_order_and_in_pages() {
    let mount = with("recursive_list");
    let list = |path: &str, query: Value| -> Vec<String> {
        mount
            .list_with(path, query)
            .keys()
            .into_iter()
            .map(String::from)
            .collect()
    };
    assert_eq!(
        list("recursive-metadata", json!({})),
        ["a", "a-b", "team/db", "team/web/tls", "zoo"]
    );
    assert_eq!(list("recursive-metadata/team", json!({})), ["db", "web/tls"]);
    assert_eq!(
        list("recursive-metadata", json!({ "limit": 2, "after": "a" })),
        ["a-b", "team/db"]
    );
    assert_eq!(
        list("recursive-metadata", json!({ "after": "team/db" })),
        ["team/web/tls", "zoo"]
    );
    assert_eq!(mount.list("recursive-metadata/none").status(), 404);
}

#[test]
fn a_key_with_very_many_segments_is_found() {
    let mount = with("recursive_list");
    let deep = "x/".repeat(500) + "y";
    put(&mount, &deep, json!({}));
    assert_eq!(
        mount
            .list_with("recursive-metadata", json!({ "after": "web" }))
            .keys(),
        [deep.as_str(), "zoo"]
    );
}

#[test]
fn a_detailed_list_has_the_metadata_of_each_key() {
    let mount = with("detailed_list");
    let list = mount.list("detailed-metadata/team");
    assert_eq!(list.keys(), ["db", "web/"]);
    assert_eq!(
        list.data()["key_info"],
        json!({ "db": mount.read("metadata/team/db").data() })
    );
    assert_eq!(mount.list("detailed-metadata/none").status(), 404);
}

#[test]
fn a_copy_keeps_the_history_and_lives_by_itself() {
    let mount = with("transfer");
    put(&mount, "a", json!({ "at": "second" }));
    assert_eq!(mount.write("destroy/a", json!({ "versions": 1 })).status(), 204);
    assert_eq!(
        mount
            .write("copy/a", json!({ "destination": "team/copy" }))
            .status(),
        200
    );
    let (source, copy) = (mount.read("metadata/a"), mount.read("metadata/team/copy"));
    assert_eq!(source.data()["versions"], copy.data()["versions"]);
    assert_eq!(put(&mount, "team/copy", json!({})), 3);
    assert_eq!(mount.delete("metadata/team/copy").status(), 204);
    assert_eq!(mount.read("data/a").data()["data"], json!({ "at": "second" }));
}

#[test]
fn a_move_leaves_nothing_behind() {
    let mount = with("transfer");
    let before = mount.stored().len();
    assert_eq!(
        mount
            .write("move/team/db", json!({ "destination": "new" }))
            .status(),
        200
    );
    assert_eq!(mount.read("data/new").data()["data"], json!({ "at": "team/db" }));
    assert_eq!(mount.read("metadata/team/db").status(), 404);
    assert_eq!(mount.stored().len(), before);
}

#[test]
fn nothing_is_overwritten_by_a_copy_and_nothing_made_of_nothing() {
    let mount = with("transfer");
    for destination in ["zoo", "a", "", "folder/"] {
        assert_eq!(
            mount
                .write("move/a", json!({ "destination": destination }))
                .status(),
            400,
            "{destination}"
        );
    }
    assert_eq!(
        mount.write("copy/none", json!({ "destination": "b" })).status(),
        404
    );
    assert_eq!(mount.read("data/a").data()["data"], json!({ "at": "a" }));
}

#[test]
fn a_tick_purges_what_has_expired_and_not_what_was_deleted() {
    let mount = Mount::<VersionedKv>::with_options(&[("version", "2"), ("purge", "true")]);
    put(&mount, "kept", json!({ "v": "kept" }));
    assert_eq!(mount.delete("data/kept").status(), 204);
    assert_eq!(
        mount
            .write("metadata/short", json!({ "delete_version_after": "1m" }))
            .status(),
        204
    );
    put(&mount, "short", json!({ "v": "short" }));
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(versions(&mount), 2);
    mount.advance(Duration::from_secs(61));
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(versions(&mount), 1);
    assert_eq!(
        mount.read("metadata/short").data()["versions"]["1"]["destroyed"],
        true
    );
    assert_eq!(
        mount.write("undelete/kept", json!({ "versions": 1 })).status(),
        204
    );
    assert_eq!(mount.read("data/kept").data()["data"], json!({ "v": "kept" }));
}

#[test]
fn a_tick_purges_what_is_over_a_lowered_limit() {
    let mount = Mount::<VersionedKv>::with_options(&[("version", "2"), ("purge", "true")]);
    for _ in 0..5 {
        put(&mount, "a", json!({}));
    }
    assert_eq!(
        mount.write("metadata/a", json!({ "max_versions": 2 })).status(),
        204
    );
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(versions(&mount), 2);
    assert_eq!(mount.read("metadata/a").data()["oldest_version"], 4);
}

#[test]
fn a_purge_of_many_keys_goes_on_where_it_stopped() {
    let mount = Mount::<VersionedKv>::with_options(&[("version", "2"), ("purge", "true")]);
    assert_eq!(
        mount
            .write("config", json!({ "delete_version_after": "1s" }))
            .status(),
        204
    );
    for n in 0..1100 {
        put(&mount, &format!("{}/{n}", n % 7), json!({}));
    }
    mount.advance(Duration::from_secs(2));
    let mut left = Vec::new();
    for _ in 0..3 {
        assert_eq!(mount.tick().status(), 204);
        left.push(versions(&mount));
    }
    assert_eq!(left, [600, 100, 0]);
}

#[test]
fn a_purge_commits_as_it_goes_also_within_a_key_of_many_versions() {
    let mount = Mount::<VersionedKv>::with_options(&[("version", "2"), ("purge", "true")]);
    let limit = |versions: u32| json!({ "max_versions": versions });
    assert_eq!(mount.write("metadata/a", limit(300)).status(), 204);
    for _ in 0..250 {
        put(&mount, "a", json!({}));
    }
    assert_eq!(mount.write("metadata/a", limit(10)).status(), 204);
    mount.fail(Fault::Commits(2));
    assert_eq!(mount.tick().status(), 500);
    // Whenever the purge stops, the stored versions are those in the metadata.
    assert_eq!(versions(&mount), 50);
    assert_eq!(mount.read("metadata/a").data()["oldest_version"], 201);
    mount.fail(Fault::None);
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(versions(&mount), 10);
    assert_eq!(mount.read("metadata/a").data()["oldest_version"], 241);
}

#[test]
fn without_the_option_nothing_is_purged() {
    let mount = version_2();
    assert_eq!(
        mount
            .write("config", json!({ "delete_version_after": "1s" }))
            .status(),
        204
    );
    put(&mount, "a", json!({}));
    mount.advance(Duration::from_secs(2));
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(versions(&mount), 1);
}

fn versions(mount: &Mount<VersionedKv>) -> usize {
    mount
        .stored()
        .keys()
        .filter(|key| key.starts_with("versions/"))
        .count()
}
