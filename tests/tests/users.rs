//! Tests guest/users under a real Vault: how an engine that uses the SDK behaves towards the server and its callers.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use airlock_tests::{Mount, Plugin, Server, Servers, Storage, files, vault};
use serde_json::{Value, json};

airlock_tests::on_each_storage!(
    typed_fields_are_read_and_refused_in_vaults_words,
    a_merge_patch_changes_what_it_names_and_removes_what_is_null,
    a_list_comes_in_pages,
    path_help_tells_paths_and_fields,
    the_servers_openapi_document_has_the_engines_paths,
    a_session_is_leased_renewed_and_revoked_by_vault,
);

static SERVERS: Servers = Servers::new(|storage| {
    let server = Server::start("users", storage);
    Plugin::serving("airlock-users", &files::guest("users")).register(&server);
    server
});

/// Makes a mount with one user, ann.
fn with_ann(storage: Storage, path: &str) -> Mount {
    let users = SERVERS.on(storage).mount(path, "airlock-users");
    let ann = json!({ "email": "ann@example.com", "groups": "ops, dev", "ttl": "1h30m" });
    let written = users.write("users/ann", ann).expect_success("write");
    assert_eq!(written.status, 204);
    users
}

fn typed_fields_are_read_and_refused_in_vaults_words(storage: Storage) {
    let users = with_ann(storage, "fields");
    let ann =
        json!({ "email": "ann@example.com", "groups": ["ops", "dev"], "ttl": 5400, "status": "active" });
    assert_eq!(users.read("users/ann").data(), &ann);
    for (data, words) in [
        (json!({ "ttl": "soon" }), "time: invalid duration"),
        (json!({ "status": "away" }), "is not one of active, locked"),
    ] {
        let refused = users.write("users/ann", data);
        assert!(
            refused.status == 400 && refused.errors().contains(words),
            "{refused:?}"
        );
    }
    let warned = users.write("users/ann", json!({ "tll": 1 }));
    assert_eq!(warned.status, 204, "{warned:?}");
    assert_eq!(users.read("users/ann").data(), &ann);
}

fn a_merge_patch_changes_what_it_names_and_removes_what_is_null(storage: Storage) {
    let users = with_ann(storage, "patch");
    users
        .patch("users/ann", json!({ "ttl": 60, "groups": null }))
        .expect_success("patch");
    let ann = users.read("users/ann");
    assert_eq!(
        (&ann.data()["ttl"], &ann.data()["groups"]),
        (&json!(60), &json!([]))
    );
    assert_eq!(users.patch("users/bob", json!({ "ttl": 60 })).status, 404);
}

fn a_list_comes_in_pages(storage: Storage) {
    let users = with_ann(storage, "pages");
    for name in ["bob", "carl"] {
        users
            .write(&format!("users/{name}"), json!({ "email": "x@example.com" }))
            .expect_success("write");
    }
    assert_eq!(
        users.list("users").data(),
        &json!({ "keys": ["ann", "bob", "carl"] })
    );
    let page = users.list("users?after=ann&limit=1");
    assert_eq!(page.data(), &json!({ "keys": ["bob"] }));
}

fn path_help_tells_paths_and_fields(storage: Storage) {
    with_ann(storage, "help");
    let help = |path| {
        vault(SERVERS.on(storage).client(), ["path-help", path])
            .expect_success("path-help")
            .stdout
    };
    let engine = help("help");
    for words in ["Keeps users", "users/{username}", "List the users."] {
        assert!(engine.contains(words), "no {words:?} in:\n{engine}");
    }
    let user = help("help/users/ann");
    for words in [
        "Creates, reads, changes",
        "email",
        "Email address of the user",
        "1h30m",
    ] {
        assert!(user.contains(words), "no {words:?} in:\n{user}");
    }
}

fn the_servers_openapi_document_has_the_engines_paths(storage: Storage) {
    with_ann(storage, "openapi");
    let document = SERVERS
        .on(storage)
        .client()
        .read("sys/internal/specs/openapi")
        .expect_success("document")
        .body;
    let user = &document["paths"]["/openapi/users/{username}"];
    for method in ["get", "post", "delete"] {
        assert!(user[method].is_object(), "no {method} in {user}");
    }
    let listed = &document["paths"]["/openapi/users/"]["get"]["parameters"];
    assert!(listed.to_string().contains(r#""limit""#), "{listed}");
    let fields = &user["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"];
    assert_eq!(fields["status"]["enum"], json!(["active", "locked"]), "{fields}");
    assert_eq!(fields["email"]["description"], "Email address of the user.");
}

fn a_session_is_leased_renewed_and_revoked_by_vault(storage: Storage) {
    let users = with_ann(storage, "leases");
    let session = users.read("users/ann/session").expect_success("session").body;
    let (lease, id) = (&session["lease_id"], session["data"]["id"].as_str().unwrap());
    assert!(
        lease.as_str().unwrap().starts_with("leases/users/ann/session/"),
        "{session}"
    );
    assert_eq!(
        (&session["lease_duration"], &session["renewable"]),
        (&json!(5400), &json!(true))
    );
    let key = format!("session/{id}");
    let kept: Value = serde_json::from_str(&SERVERS.on(storage).stored("leases", &key).unwrap()).unwrap();
    assert_eq!(kept["token"], session["data"]["token"]);

    let client = SERVERS.on(storage).client();
    let renew = || client.write("sys/leases/renew", json!({ "lease_id": lease }));
    users
        .write("users/ann", json!({ "ttl": "10m" }))
        .expect_success("write");
    assert_eq!(renew().expect_success("renew").body["lease_duration"], 600);
    users
        .write("users/ann", json!({ "status": "locked" }))
        .expect_success("lock");
    let refused = renew();
    assert!(
        refused.status >= 400 && refused.errors().contains("the user is locked"),
        "{refused:?}"
    );

    client
        .write("sys/leases/revoke", json!({ "lease_id": lease, "sync": true }))
        .expect_success("revoke");
    assert_eq!(SERVERS.on(storage).stored("leases", &key), None);
}
