//! Selects the host: the imports of the contract, or their substitute in a native build.
//!
//! Both have the same methods. They share no trait, so that a guest imports only what its engine uses.

#[cfg(target_arch = "wasm32")]
mod imports;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod world;

#[cfg(target_arch = "wasm32")]
pub(crate) use imports::Host;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) type Host = std::rc::Rc<world::World>;
