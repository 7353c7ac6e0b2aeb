//! Tests of the engine through its API. Each is named by the behaviour that it checks.

use std::time::Duration;

use airlock_sdk::testing::{Fault, Mount};
use airlock_sdk::{Error, Value, json};

use super::Totp;

mod keys;
mod replay;

/// A key of 20 bytes.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn mount_with(parameters: Value) -> Mount<Totp> {
    let mount = Mount::new();
    let mut key = json!({ "key": SECRET });
    key.as_object_mut()
        .unwrap()
        .extend(parameters.as_object().unwrap().clone());
    assert_eq!(mount.write("keys/ann@example.com", key).status(), 204);
    mount
}

/// Returns the code of this moment.
fn code(mount: &Mount<Totp>) -> String {
    mount.read("code/ann@example.com").data()["code"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Validates a code.
fn is_valid(mount: &Mount<Totp>, code: &str) -> Result<bool, Error> {
    let reply = mount.write("code/ann@example.com", json!({ "code": code }));
    if reply.status() == 200 {
        return Ok(reply.data()["valid"].as_bool().unwrap());
    }
    Err(reply.error().clone())
}

fn used() -> Result<bool, Error> {
    Err(Error::user("code already used; wait until the next time period"))
}
