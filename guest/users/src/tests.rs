use airlock_sdk::json;
use airlock_sdk::testing::{Fault, Mount};

use super::*;

fn mount_with_ann() -> Mount<Users> {
    let mount = Mount::new();
    let ann = json!({ "email": "ann@example.com", "groups": "ops, dev", "ttl": "1h30m" });
    assert_eq!(mount.write("users/ann", ann).status(), 204);
    mount
}

#[test]
fn a_user_is_read_as_it_was_written() {
    let mount = mount_with_ann();
    let ann =
        json!({ "email": "ann@example.com", "groups": ["ops", "dev"], "ttl": 5400, "status": "active" });
    assert_eq!(mount.read("users/ann").data(), &ann);
}

#[test]
fn an_update_changes_only_what_it_names() {
    let mount = mount_with_ann();
    assert_eq!(mount.write("users/ann", json!({ "ttl": 60 })).status(), 204);
    let ann = mount.read("users/ann");
    assert_eq!(
        (&ann.data()["ttl"], &ann.data()["email"]),
        (&json!(60), &json!("ann@example.com"))
    );
}

#[test]
fn a_patch_removes_what_is_null_and_refuses_to_remove_the_email() {
    let mount = mount_with_ann();
    assert_eq!(
        mount
            .patch("users/ann", json!({ "groups": null, "status": "locked" }))
            .status(),
        204
    );
    let ann = mount.read("users/ann");
    assert_eq!(
        (&ann.data()["groups"], &ann.data()["status"]),
        (&json!([]), &json!("locked"))
    );
    assert_eq!(mount.patch("users/ann", json!({ "email": null })).status(), 400);
    assert_eq!(mount.patch("users/bob", json!({ "ttl": 1 })).status(), 404);
}

#[test]
fn a_deleted_user_is_gone_from_reads_and_lists() {
    let mount = mount_with_ann();
    assert_eq!(mount.list("users").keys(), ["ann"]);
    assert_eq!(mount.delete("users/ann").status(), 204);
    assert_eq!(mount.read("users/ann").status(), 404);
    assert_eq!(mount.list("users").status(), 404);
}

#[test]
fn a_list_comes_in_pages() {
    let mount = mount_with_ann();
    for name in ["bob", "carl"] {
        assert_eq!(
            mount
                .write(&format!("users/{name}"), json!({ "email": "x@example.com" }))
                .status(),
            204
        );
    }
    let page = airlock_sdk::testing::request(
        Operation::List,
        "users/",
        Some(json!({ "after": "ann", "limit": "1" })),
    );
    assert_eq!(mount.send(page).keys(), ["bob"]);
}

#[test]
fn wrong_fields_are_refused_in_vaults_words() {
    let mount = mount_with_ann();
    let refused = |path, data| mount.write(path, data).error().to_string();
    assert_eq!(
        refused("users/ann", json!({ "ttl": "soon" })),
        "error converting input for field \"ttl\": time: invalid duration \"soon\""
    );
    assert_eq!(
        refused("users/ann", json!({ "status": "away" })),
        "error converting input for field \"status\": \"away\" is not one of active, locked"
    );
    assert_eq!(
        refused("users/bob", json!({})),
        "email must be an address, such as ann@example.com"
    );
    assert_eq!(mount.stored().len(), 1);
}

#[test]
fn a_failing_storage_is_a_500_and_changes_nothing() {
    let mount = mount_with_ann();
    let before = mount.stored();
    mount.fail(Fault::Puts(0));
    assert_eq!(mount.write("users/ann", json!({ "ttl": 60 })).status(), 500);
    assert_eq!(mount.stored(), before);
}

#[test]
fn a_session_is_leased_for_its_users_time_renewed_and_ended() {
    let mount = mount_with_ann();
    let session = mount.read("users/ann/session");
    let lease = session.lease();
    assert_eq!((lease.ttl.as_secs(), lease.renewable), (5400, true));
    let kept = |mount: &Mount<Users>| mount.stored().keys().any(|key| key.starts_with(SESSIONS));
    assert!(kept(&mount));

    assert_eq!(mount.write("users/ann", json!({ "ttl": 60 })).status(), 204);
    assert_eq!(mount.renew(lease, Duration::ZERO).lease().ttl.as_secs(), 60);
    assert_eq!(mount.revoke(lease).status(), 204);
    assert!(!kept(&mount));
    assert_eq!(mount.revoke(lease).status(), 204);
}

#[test]
fn who_is_locked_or_gone_gets_no_session_and_no_renewal() {
    let mount = mount_with_ann();
    let session = mount.read("users/ann/session");
    assert_eq!(
        mount.write("users/ann", json!({ "status": "locked" })).status(),
        204
    );
    assert_eq!(mount.read("users/ann/session").status(), 400);
    assert_eq!(mount.renew(session.lease(), Duration::ZERO).status(), 400);
    assert_eq!(mount.delete("users/ann").status(), 204);
    assert_eq!(mount.renew(session.lease(), Duration::ZERO).status(), 400);
    assert_eq!(mount.read("users/bob/session").status(), 404);
}

#[test]
fn the_help_names_every_field() {
    let help = mount_with_ann().help("users/ann");
    let text = help.data()["help"].as_str().unwrap();
    for word in ["users/{username}", "email", "groups", "1h30m", "active, locked"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
}
