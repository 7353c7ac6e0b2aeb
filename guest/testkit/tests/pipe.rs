//! Drives the guests `users` and `conformance` by the built `airlock`, as the tests of a project do. Build both first: `make build`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, UNIX_EPOCH};

use airlock_testkit_client::{Call, Entity, Fault, Mount, Request, Value, json};

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests/users.wasm");

const CONFORMANCE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/guests/conformance.wasm"
);

fn mount() -> Mount {
    let airlock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/airlock");
    let mut mount = Mount::builder(GUEST).airlock(airlock).start();
    let ann = json!({ "email": "ann@example.com", "ttl": "1h" });
    assert_eq!(mount.write("users/ann", ann).status(), 204);
    mount
}

#[test]
fn answers_are_those_of_vault() {
    let mut mount = mount();
    let read = mount.read("users/ann");
    assert_eq!((read.status(), &read.data()["ttl"]), (200, &json!(3600)));
    assert!(read.body().contains("request_id") && read.usage().storage_calls == 1);
    assert_eq!(mount.list("users").keys(), ["ann"]);
    let wrong = mount.write("users/bob", json!({ "ttl": "soon" }));
    assert!(wrong.status() == 400 && wrong.error().unwrap().contains("\"ttl\""));
    assert_eq!(mount.logs(), ["a user was created"]);
    assert_eq!(mount.events(), Vec::<String>::new());
    assert_eq!(mount.delete("users/ann").status(), 204);
    assert_eq!(mount.read("users/ann").status(), 404);
}

#[test]
fn leases_are_renewed_and_revoked_by_number() {
    let mut mount = mount();
    let (first, second) = (
        mount.read("users/ann/session").lease(),
        mount.read("users/ann/session").lease(),
    );
    assert_eq!((first.ttl, first.renewable), (Duration::from_secs(3600), true));
    mount.advance(Duration::from_secs(60));
    assert_eq!(mount.renew(&second, Duration::ZERO).status(), 200);
    assert_eq!(mount.revoke(&first).status(), 204);
    let left = mount
        .entries()
        .into_keys()
        .filter(|key| key.starts_with("session/"));
    assert_eq!(left.count(), 1);
}

#[test]
fn storage_fails_until_it_is_healed() {
    let mut mount = mount();
    mount.fail_nth(Call::Put, 2, Fault::Fail);
    let mut write = |ttl: u64| mount.write("users/ann", json!({ "ttl": ttl })).status();
    assert_eq!([write(1), write(2), write(3)], [204, 500, 204]);
    mount.fail(Call::Any, Fault::Fail);
    assert_eq!(mount.read("users/ann").status(), 500);
    mount.fail_nth(Call::List, 5, Fault::Fail);
    // The last one met no call.
    assert_eq!((mount.heal(), mount.heal()), (2, 0));
    assert_eq!(mount.stored_json("user/ann").unwrap()["ttl"], 3);
}

#[test]
fn what_is_stored_outlives_a_restart() {
    let mut mount = mount();
    mount.store_json("user/bob", &json!({ "email": "bob@example.com" }));
    mount.restart();
    assert_eq!(mount.list("users").keys(), ["ann", "bob"]);
}

/// Drives the guest `conformance`, which says what it sees of a request and of Vault.
#[test]
fn a_test_sets_entities_policies_times_and_headers() {
    let airlock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/airlock");
    let ann = Entity::new("1")
        .name("ann")
        .metadata("level", "3")
        .disabled()
        .alias("ann@example.com", "userpass", "userpass_1")
        .group("4", "admins");
    let mut mount = Mount::builder(CONFORMANCE)
        .airlock(airlock)
        .entity(&ann)
        .entity(&Entity::new("5"))
        .password_policy("digits", 12, "01")
        .lease_times(Duration::from_secs(60), Duration::from_secs(3600))
        .starts_at(UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .start();
    let mut act = |data: Value| mount.write("act", data).data()["answer"].clone();
    let alias = json!(["", "userpass", "userpass_1", "ann@example.com", {}]);
    assert_eq!(
        act(json!({ "what": "system-entity", "key": "1" })),
        json!(["1", "ann", { "level": "3" }, true, [alias]])
    );
    assert_eq!(act(json!({ "what": "system-entity", "key": "5" }))[0], "5");
    assert_eq!(
        act(json!({ "what": "system-groups", "key": "1" })),
        json!([["4", "admins", {}]])
    );
    assert_eq!(act(json!({ "what": "system-groups", "key": "5" })), json!([]));
    let password = act(json!({ "what": "system-password", "key": "digits" }));
    let password = password.as_str().unwrap();
    assert!(password.len() == 12 && password.chars().all(|digit| "01".contains(digit)));
    assert_eq!(act(json!({ "what": "system-times" })), json!([60, 3600]));
    assert_eq!(act(json!({ "what": "now" })), "2001-09-09T01:46:40Z");

    let request = Request::new("update", "act").data(json!({ "what": "request" }));
    let plain = mount.request(request.clone()).data()["answer"].clone();
    assert_eq!((&plain["entity_id"], &plain["headers"]), (&json!(""), &json!(0)));
    let request = request.entity("1").header("X-A", "1").header("X-B", "2");
    let told = mount.request(request).data()["answer"].clone();
    assert_eq!((&told["entity_id"], &told["headers"]), (&json!("1"), &json!(2)));
}

#[test]
#[should_panic(expected = "\"raed\" is not an operation")]
fn a_wrong_order_panics_with_the_reason() {
    let _ = mount().send("raed", "users/ann", json!({}));
}

#[test]
#[should_panic(expected = "`nth` counts from 1")]
fn a_call_before_the_first_cannot_fail() {
    mount().fail_nth(Call::Put, 0, Fault::Fail);
}

#[test]
#[should_panic(expected = "nowhere.wasm is missing: build it first")]
fn a_guest_that_was_not_built_is_named() {
    let _ = Mount::of("nowhere.wasm");
}
