//! The code that wasmtime generates from the contract.
//!
//! The `tracing` option of `bindgen!` must stay off: it logs the arguments of calls, and these are secrets.

#![allow(missing_docs, unsafe_code, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "engine",
    // Functions that never wait are async too: a guest that calls an import again and again has to yield somewhere.
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "airlock:engine/types": crate::bindings::types },
    trappable_error_type: {
        "airlock:engine/storage.error" => crate::bindings::StorageFailure,
        "airlock:engine/system.error" => crate::bindings::SystemFailure,
    },
});

/// The failure of a call of `storage`.
pub(crate) type StorageFailure = crate::failure::Failure<airlock::engine::storage::Error>;

/// The failure of a call of `system`.
pub(crate) type SystemFailure = crate::failure::Failure<airlock::engine::system::Error>;

/// The interface `types`, which is written by hand, with the items that the generated code expects of any interface.
pub mod types {
    use wasmtime::component::{HasData, Linker};

    pub use crate::types::*;

    /// Empty, because the interface has no functions.
    pub trait Host {}
    impl<T: ?Sized> Host for T {}

    pub trait HostWithStore<T>: HasData {}
    impl<T, D: ?Sized + HasData> HostWithStore<T> for D {}

    pub fn add_to_linker<T, D: HasData>(
        linker: &mut Linker<T>,
        _host: fn(&mut T) -> D::Data<'_>,
    ) -> wasmtime::Result<()> {
        linker.instance("airlock:engine/types@0.1.0").map(|_| ())
    }
}
