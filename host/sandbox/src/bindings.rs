//! What wasmtime generates from the contract.
//!
//! Its `tracing` option must stay off: it logs the arguments of calls, and these are secrets.

#![allow(missing_docs, unsafe_code, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "engine",
    // Async also where nothing is waited for: a guest that calls an import again and again has to yield somewhere.
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "airlock:engine/types": crate::bindings::types },
});

/// The interface `types`, which is written by hand, with what the generated code expects of any interface.
pub mod types {
    use wasmtime::component::{HasData, Linker};

    pub use crate::types::*;

    /// It has no functions.
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
