//! The SDK for writing secrets engines for Airlock.
//!
//! An engine is a table of routes, and a function for each operation. A struct declares the fields of a request, so
//! that a function never sees a field that is missing, misspelt or of the wrong type. The SDK makes help texts and the
//! OpenAPI document from the same declarations. The following is a whole engine, with a test:
//!
//! ```
//! use airlock_sdk::{Context, Description, Engine, Name, Response, Result, Routes, fields, route};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! fields! {
//!     /// The path of a role.
//!     struct At {
//!         /// Name of the role.
//!         name: Name,
//!     }
//!
//!     /// The properties of a role that a caller writes.
//!     struct WriteRole {
//!         /// Name of the role.
//!         name: Name,
//!         /// Lifetime of its tokens: `1h30m`, or seconds.
//!         ttl: Duration = Duration::from_secs(3600),
//!         /// Groups that may use it: a list, or text with commas.
//!         groups: Option<Vec<String>>,
//!     }
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Role {
//!     ttl: u64,
//!     groups: Vec<String>,
//! }
//!
//! struct Roles;
//!
//! impl Engine for Roles {
//!     const DESCRIPTION: Description =
//!         Description::new("roles", env!("CARGO_PKG_VERSION"), "Keeps roles.").storage(&["role/"]);
//!
//!     const ROUTES: Routes = &[
//!         &route("roles/").synopsis("List the roles.").list(list_roles),
//!         &route("roles/{name}")
//!             .synopsis("Manage a role.")
//!             .read(read_role)
//!             .write(write_role)
//!             .delete(delete_role),
//!     ];
//! }
//!
//! fn list_roles(cx: &Context, _: ()) -> Result<Response> {
//!     Ok(Response::list(cx.storage.list("role/")?))
//! }
//!
//! fn read_role(cx: &Context, at: At) -> Result<Option<Response>> {
//!     let role: Option<Role> = cx.storage.get_json(&format!("role/{}", at.name))?;
//!     role.map(|role| Response::json(&role)).transpose() // none is a 404
//! }
//!
//! fn write_role(cx: &Context, role: WriteRole) -> Result<()> {
//!     let entry = Role { ttl: role.ttl.as_secs(), groups: role.groups.unwrap_or_default() };
//!     cx.storage.put_json(&format!("role/{}", role.name), &entry)
//! }
//!
//! fn delete_role(cx: &Context, at: At) -> Result<()> {
//!     cx.storage.delete(&format!("role/{}", at.name))
//! }
//!
//! airlock_sdk::export!(Roles);
//!
//! // In a test:
//! use airlock_sdk::testing::Mount;
//! use serde_json::json;
//!
//! let mount = Mount::<Roles>::new();
//! assert_eq!(mount.write("roles/web", json!({ "ttl": "1h30m", "groups": "a, b" })).status(), 204);
//! assert_eq!(mount.read("roles/web").data(), &json!({ "ttl": 5400, "groups": ["a", "b"] }));
//! assert_eq!(mount.list("roles").keys(), ["web"]);
//! assert_eq!(mount.write("roles/web", json!({ "ttl": "soon" })).status(), 400);
//! ```
//!
//! # Modules and types
//! - [`Engine`] is what an engine implements. [`route()`](route()) and the [`route`](mod@route) module declare its
//!   paths. [`fields!`] and the [`field`] module declare the fields of requests. [`Patch`] is a JSON merge patch.
//! - [`Context`] has the request and everything outside the engine: [`Storage`], [`Scratch`], [`System`], [`Events`],
//!   [`Log`], [`Clock`], [`Random`].
//! - [`Response`] and [`Error`] are the results of a handler. [`Secret`] and its module [`secret`] make leases.
//!   [`Wal`] and its module [`wal`] undo what a request did besides its transaction, if it does not finish. The
//!   [`rotation`] module changes secrets after their period.
//! - The feature `template` adds the module `template`: names by the templates of Vault's engines. Rustdoc shows it once
//!   `Cargo.toml` names the feature.
//! - [`testing`] mounts an engine in memory, for `cargo test`. [`Dependency`] lets a test replace what a handler needs.
//! - [`constant_time_eq`] compares secrets.
//!
//! # The crate of a guest
//! The crate of a guest is a `cdylib`, and also an `rlib` so that it can be tested. It calls [`export!`] once. Its
//! build script gives it a small stack and a heap that has its size from the start, so that a request needs no system
//! call in the host:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]
//! ```
//! ```no_run
//! // build.rs
//! if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
//!     println!("cargo::rustc-link-arg-cdylib=-zstack-size=65536");
//!     println!("cargo::rustc-link-arg-cdylib=--initial-heap=65536");
//! }
//! ```
//!
//! # Other crates
//! A guest can use any crate that needs no operating system. The features `rand_core` and `getrandom` let crates that
//! need randomness draw it from the host:
//!
//! ```toml
//! airlock-sdk = { path = "vendor/airlock/guest/sdk", features = ["rand_core", "getrandom"] }
//! ```
//!
//! The target has neither a clock nor a standard output. `SystemTime::now` and `Instant::now` panic, also within other
//! crates: take the time from [`Clock::now`]. `println!` and `dbg!` of the standard library write nowhere; those of
//! this crate, which [`print`](mod@print) describes, write to Vault's log.
//!
//! # What to watch
//! - Each request runs in a fresh instance. A `static` does not outlive it, and memory is never freed within it; see
//!   [`bump`].
//! - A panic ends the request with a 500, and Vault's log says where it happened. An error says more.
//! - A request is one transaction. The host may run it again from the start until it has committed; see [`Storage`].
//! - Numbers in requests and in storage keep every digit. Vault makes 64-bit floats of the numbers in answers.
//! - Callers see the texts of errors, and operators see the lines of the log: keep secrets out of both.

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
pub mod bump;
mod codec;
mod constant_time;
mod context;
#[cfg(target_arch = "wasm32")]
mod convert;
pub mod dependency;
mod dispatch;
mod engine;
mod error;
pub mod field;
mod help;
mod host;
mod openapi;
mod operation;
mod patch;
pub mod print;
mod random;
mod records;
mod refuse;
mod request;
mod response;
pub mod rotation;
pub mod route;
pub mod secret;
mod storage;
pub mod system;
#[cfg(feature = "template")]
pub mod template;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;
mod verb;
pub mod wal;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use constant_time::constant_time_eq;
pub use context::{Clock, Context, Events, Line, Log, Scratch};
pub use dependency::Dependency;
pub use engine::{Description, Engine, Needs, SpecialPaths};
pub use error::{Error, Result};
pub use field::{Field, FieldType, Fields, LowercaseString, Name, NameWithAt};
pub use operation::Operation;
pub use patch::{Patch, merge};
pub use random::Random;
#[cfg(feature = "rand_core")]
pub use random::Rng;
#[cfg(all(target_arch = "wasm32", feature = "getrandom"))]
pub use random::fill_from_host;
pub use records::{Entry, Level};
pub use request::{Connection, Header, LeasedSecret, Request, WrapRequest};
pub use response::{Lease, Response, WrapInfo};
pub use route::{Routes, route};
#[doc(inline)]
pub use secret::{AnySecret, LeaseTime, Leased, Secret, Secrets};
pub use storage::Storage;
pub use system::{Options, System};
pub use time::{NotATime, Timestamp};
#[doc(inline)]
pub use wal::{AnyWal, Wal, WalEntry, WalKinds};

#[doc(hidden)]
pub use serde;
#[doc(no_inline)]
pub use serde_json::{Value, json};

/// Parses a caller's JSON, which a field has kept as text.
///
/// # Errors
/// [`Error::User`] if it is not valid JSON, or if it is nested more deeply than 64 levels, for which a guest's stack
/// has no room.
pub fn value(json: &str) -> Result<Value> {
    codec::value(json).map_err(Error::User)
}

/// A JSON object.
pub type Map = serde_json::Map<String, Value>;

#[cfg(all(target_arch = "wasm32", feature = "bump-allocator"))]
#[global_allocator]
static ALLOCATOR: bump::Bump = bump::Bump::new();

/// Makes a guest of an engine: `airlock_sdk::export!(MyEngine);`, once in its crate. In a native build it only checks
/// the routes, see [`route::checked`], and that no two rotations have the same kind.
#[macro_export]
macro_rules! export {
    ($engine:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            type Guest = $crate::wasm::Component<$engine>;
    $crate::bindings::export_component!(Guest with_types_in $crate::bindings);
        };
        // Checks the routes even if nothing uses them: wrong routes do not compile.
        const _: $crate::Routes = $crate::route::checked(<$engine as $crate::Engine>::ROUTES);
        const _: $crate::rotation::Rotations =
            $crate::rotation::checked(<$engine as $crate::Engine>::ROTATIONS);
    };
}
