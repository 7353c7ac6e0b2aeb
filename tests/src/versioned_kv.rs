//! The versioned KV guest and the engine that it replaces, mounted for a test.
//!
//! The guest is registered under the name that Vault's own web interface recognizes as KV. Registering it as `kv` would
//! have no effect, because Vault looks among its built-in engines first. Vault also refuses to enable any other type of
//! engine with a version, so the guest is mounted as version 1 and tuned to version 2.

use std::thread;

use serde_json::json;

use crate::files;
use crate::http::Mount;
use crate::plugin::Plugin;
use crate::server::Server;

/// The name in the catalog.
pub const VERSIONED_KV: &str = "vault-plugin-secrets-kv";

impl Plugin {
    /// Makes the entry of the versioned KV guest, pinned by its digest, as [`VERSIONED_KV`]. The compiled guest is
    /// cached, because Vault ends and starts the process for each mount that is tuned.
    pub fn versioned_kv() -> Self {
        let guest = files::guest("versioned-kv");
        Plugin::serving(VERSIONED_KV, &guest).arg(format!("--cache-dir={}", files::guest_cache().display()))
    }
}

impl Server {
    /// Mounts Vault's own KV engine in version 1 or 2, and waits until it serves.
    #[track_caller]
    pub fn mount_builtin_kv(&self, path: &str, version: u8) -> Mount {
        let options = json!({"type": "kv", "options": {"version": version.to_string()}});
        self.client()
            .write(&format!("sys/mounts/{path}"), options)
            .expect_success("mount the built-in engine");
        let mount = Mount::new(self.client().clone(), path);
        if version == 2 {
            mount.wait_until_versioned();
        }
        mount
    }

    /// Mounts the guest, which must be registered, in version 1 or 2, and waits until it serves.
    #[track_caller]
    pub fn mount_versioned_kv(&self, path: &str, version: u8) -> Mount {
        let mount = self.mount(path, VERSIONED_KV);
        if version == 2 {
            mount.tune_to_version_2();
            mount.wait_until_versioned();
        }
        mount
    }

    /// Sends a mount the tick that Vault sends each minute, twice. Vault sends one to a mount that is moved, so this
    /// moves the mount there and back.
    #[track_caller]
    pub fn tick(&self, mount: &Mount) {
        let moved = format!("{}-moved", mount.name());
        for (from, to) in [(mount.name(), &*moved), (&*moved, mount.name())] {
            let migration = self
                .client()
                .write("sys/remount", json!({"from": from, "to": to}));
            let migration = migration.expect_success("move");
            let id = migration.data()["migration_id"].clone();
            if let Some(id) = id.as_str().or(migration.body["migration_id"].as_str()) {
                let status = || self.client().read(&format!("sys/remount/status/{id}"));
                while status().data()["migration_info"]["status"] == "in-progress" {
                    thread::yield_now();
                }
                assert_eq!(status().data()["migration_info"]["status"], "success");
            }
        }
    }
}

impl Mount {
    /// Upgrades the mount as `vault kv enable-versioning` does. The mount may answer 400 for a moment while it is
    /// upgraded.
    #[track_caller]
    pub fn tune_to_version_2(&self) {
        let path = format!("sys/mounts/{}/tune", self.name());
        self.client()
            .write(&path, json!({"options": {"version": "2"}}))
            .expect_success("tune to version 2");
    }

    /// Repeats a request until the upgrade to version 2 is complete.
    #[track_caller]
    pub fn wait_until_versioned(&self) {
        for _ in 0..5_000 {
            let answer = self.read("config");
            if !answer.errors().contains("Upgrading from non-versioned") {
                answer.expect_success("the configuration of version 2");
                return;
            }
        }
        panic!("{} is still being upgraded", self.name());
    }

    /// Returns every key of version 2, as a path below the mount.
    #[track_caller]
    pub fn all_keys(&self) -> Vec<String> {
        self.keys_below("metadata/")
    }

    #[track_caller]
    fn keys_below(&self, folder: &str) -> Vec<String> {
        let listed = self.list(folder);
        let names = listed.data()["keys"].as_array().cloned().unwrap_or_default();
        let below = |name: &str| match name.ends_with('/') {
            true => self.keys_below(&format!("{folder}{}", encoded(name))),
            false => vec![format!("{}{}", &folder["metadata/".len()..], encoded(name))],
        };
        names
            .iter()
            .flat_map(|name| below(name.as_str().unwrap()))
            .collect()
    }
}

/// Returns a key's name in the form that a URL needs.
pub fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}
