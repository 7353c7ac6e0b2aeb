//! Everything outside the engine: the imports of the contract, or what stands in for them natively.
//!
//! Both have the same methods. There is no trait between, so that a guest imports only what its engine uses.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::wasm::Host;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::Host;
