//! What a Rust guest is written with.
//!
//! Say `use airlock_sdk as _;` once in a guest and it has the allocator that suits it, see [`bump`]. On any other
//! target than WebAssembly the crate does nothing, so that engine code and its tests build natively too.

pub mod bump;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: bump::Bump = bump::Bump::new();
