//! Tests the production `.wasm` file of a guest, from Rust and in milliseconds.
//!
//! A [`Mount`] is the guest in the sandbox of production, over an empty storage. It runs in a process of the installed `airlock`
//! command, so nothing of the sandbox has to be built.
//!
//! ```no_run
//! use airlock_testkit_client::{Call, Fault, Mount, json};
//!
//! let mut mount = Mount::of("target/my-engine.wasm");
//! assert_eq!(mount.write("notes/a", json!({ "text": "hello" })).status(), 204);
//! assert_eq!(mount.read("notes/a").data()["text"], "hello");
//!
//! mount.fail(Call::Put, Fault::Fail);
//! assert_eq!(mount.write("notes/a", json!({ "text": "bye" })).status(), 500);
//! ```
//!
//! - [`Mount::builder`] sets entities with their groups, password policies, lease times and the time of the start;
//!   [`Mount::request`] sends a request of an entity, or with headers.
//! - The clock stands still until [`Mount::advance`] moves it, and randomness is the same in every run.
//! - A refused request is printed with its error, which `cargo test` shows if the test fails.
//! - `AIRLOCK` names the command, if it is not on the `PATH`.
//!
//! Watch out: a test has to see the guest of this source, so build that first. Every function panics with the reason if it
//! cannot continue.

mod answer;
mod mount;
mod process;
mod vault;

pub use answer::{Answer, Lease, Usage};
pub use mount::{Call, Fault, Mount, MountBuilder};
#[doc(no_inline)]
pub use serde_json::{Value, json};
pub use vault::{Entity, Request};
