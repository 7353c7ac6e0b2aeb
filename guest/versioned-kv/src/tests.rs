//! Tests of the engine through its API. Each is named by the behaviour that it checks.

use airlock_sdk::testing::Mount;
use airlock_sdk::{Value, json};

use super::VersionedKv;

mod data;
mod extensions;
mod metadata;
mod mount;
mod upgrade;
mod version_1;

fn version_1() -> Mount<VersionedKv> {
    Mount::new()
}

fn version_2() -> Mount<VersionedKv> {
    Mount::with_options(&[("version", "2")])
}

/// Returns a mount of version 2 with the stored data of another mount.
fn version_2_over(other: &Mount<VersionedKv>) -> Mount<VersionedKv> {
    let mount = version_2();
    for (key, value) in other.stored() {
        mount.store_json(&key, &serde_json::from_slice::<Value>(&value).unwrap());
    }
    mount
}

/// Returns the body of an answer that has its own body.
fn body(data: &Value) -> Value {
    serde_json::from_str(data["http_raw_body"].as_str().unwrap()).unwrap()
}

fn put(mount: &Mount<VersionedKv>, path: &str, data: Value) -> u64 {
    let reply = mount.write(&format!("data/{path}"), json!({ "data": data }));
    assert_eq!(reply.status(), 200);
    reply.data()["version"].as_u64().unwrap()
}
