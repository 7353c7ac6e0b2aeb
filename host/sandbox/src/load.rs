//! Turns a file into a guest: compiles it outside of this process, keeps the compiled code, and checks what the guest is and
//! what it says of itself. [`Sandbox::load`](crate::Sandbox::load) does these steps in order.

pub(crate) mod cache;
pub(crate) mod code;
pub(crate) mod compiler;
pub(crate) mod contract;
pub(crate) mod description;
pub(crate) mod engine;
pub(crate) mod target;
