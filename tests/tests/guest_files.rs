//! Guest files that are missing, wrong or exchanged while they are mounted. The mount answers 503 with the cause, never
//! 404, and serves again as soon as the file is right. Other mounts and unsealing are not affected.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use airlock_tests::{Answer, Mount, Plugin, Server, Storage, files, vault};
use serde_json::{Value, json};

/// Starts a server with a mount `fragile`, whose guest's file may be exchanged for any of `guests`, and a mount
/// `sound`.
fn server(name: &str, options: &Value, guests: &[&str]) -> (Server, PathBuf) {
    let server = Server::start(name, Storage::Memory);
    let guest = server.temporary_directory().join("guest.wasm");
    put(&files::guest("kv"), &guest);
    let mut plugin = Plugin::serving("fragile", &guest);
    for name in guests {
        plugin = plugin.arg(format!("--guest-sha256={}", files::sha256(&files::guest(name))));
    }
    plugin.register(&server);
    Plugin::kv().register(&server);
    server
        .try_mount_with("fragile", "fragile", options)
        .expect_success("mount");
    server.mount("sound", "airlock-kv");
    for mount in ["fragile", "sound"] {
        server
            .mounted(mount)
            .write("a", json!({"value": mount}))
            .expect_success("write");
    }
    (server, guest)
}

/// Replaces a guest's file in one step.
fn put(guest: &Path, at: &Path) {
    let beside = at.with_extension("new");
    fs::copy(guest, &beside).unwrap();
    fs::rename(beside, at).unwrap();
}

#[track_caller]
fn assert_unavailable(answer: &Answer, cause: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.errors().contains(cause), "no {cause:?}: {answer:?}");
}

#[track_caller]
fn assert_serves(mount: &Mount, value: &str) {
    assert_eq!(mount.read("a").expect_success("read").data()["value"], value);
    mount
        .write("b", json!({"value": "written"}))
        .expect_success("write");
}

/// Returns the mount for a token that may read all of it and does not have `sudo`.
fn reader(server: &Server, fragile: &Mount) -> Mount {
    let client = server.client();
    let policy = json!({"policy": "path \"fragile/*\" { capabilities = [\"read\"] }"});
    client
        .write("sys/policies/acl/reader", policy)
        .expect_success("policy");
    let token = client.write("auth/token/create", json!({"policies": ["reader"]}));
    fragile.with_token(token.body["auth"]["client_token"].as_str().unwrap())
}

#[test]
fn missing_at_unseal_is_503_and_heals_when_it_is_back() {
    let (server, guest) = server("guest-missing", &json!({}), &[]);
    let (fragile, sound) = (server.mounted("fragile"), server.mounted("sound"));
    server.seal();
    fs::remove_file(&guest).unwrap();
    server.unseal();
    assert_serves(&sound, "sound");
    let guest_name = guest.to_str().unwrap();
    assert_unavailable(&fragile.read("a"), guest_name);
    assert_unavailable(&fragile.list(""), guest_name);
    assert_unavailable(&fragile.write("a", json!({"value": "x"})), guest_name);
    assert_unavailable(&fragile.delete("a"), guest_name);

    put(&files::guest("kv"), &guest);
    assert_serves(&fragile, "fragile");
}

#[test]
fn paths_that_no_router_takes_do_not_keep_vault_sealed() {
    let options = json!({"without-token": "a/b+c"});
    let (server, guest) = server("guest-hostile", &options, &["adversary"]);
    let (fragile, sound) = (server.mounted("fragile"), server.mounted("sound"));
    server.seal();
    put(&files::guest("adversary"), &guest);
    server.unseal();
    assert_serves(&sound, "sound");
    assert_unavailable(&fragile.read("a"), "a/b+c");

    put(&files::guest("kv"), &guest);
    assert_serves(&fragile, "fragile");
}

#[test]
fn other_special_paths_than_vault_enforces_need_a_reload() {
    let (server, guest) = server("guest-exchanged", &json!({"root": "served"}), &["adversary"]);
    let fragile = server.mounted("fragile");
    let hosts = airlock_tests::process::hosts(server.pid());
    put(&files::guest("adversary"), &guest);
    // Vault starts the host again, but it does not ask for the special paths then.
    for host in hosts {
        airlock_tests::process::kill(host);
        while !airlock_tests::process::has_ended(host) {
            std::thread::yield_now();
        }
    }
    let mut answer = fragile.read("served");
    while answer.status == 500 {
        // Vault has not yet noticed that the process ended.
        answer = fragile.read("served");
    }
    assert_unavailable(&answer, "reload the plugin");

    // If the file is again the guest whose special paths Vault knows, the mount serves again by itself. With the other
    // guest it serves after a reload.
    put(&files::guest("kv"), &guest);
    assert_serves(&fragile, "fragile");
    put(&files::guest("adversary"), &guest);
    vault(server.client(), ["plugin", "reload", "-plugin=fragile"]).expect_success("reload");
    fragile.read("served").expect_success("read after the reload");
    let reader = reader(&server, &fragile);
    assert_eq!(reader.read("served").status, 403, "it needs sudo");
    reader.read("work").expect_success("it does not");
}

#[test]
fn the_hosts_own_paths_need_sudo_and_never_reach_the_guest() {
    let (server, _) = server("guest-control", &json!({}), &[]);
    let fragile = server.mounted("fragile");
    for path in [".airlock", ".airlock/status"] {
        let status = fragile.read(path).expect_success("status");
        assert_eq!(status.data()["running"]["source"], "file", "{path}");
        assert_eq!(fragile.write(path, json!({"value": "x"})).status, 405, "{path}");
    }
    assert_eq!(fragile.read(".airlock/other").status, 404);
    assert_eq!(fragile.write(".airlock/other", json!({"value": "x"})).status, 404);
    let reader = reader(&server, &fragile);
    reader.read("a").expect_success("read");
    assert_eq!(reader.read(".airlock/status").status, 403);
}
