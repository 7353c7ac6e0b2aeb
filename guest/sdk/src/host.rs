//! The host: the imports of the contract, or their substitute in a native build.
//!
//! Both have the same methods. They share no trait, so that a guest imports only what its engine uses.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::wasm::Host;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::Host;
