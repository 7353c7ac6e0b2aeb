//! The lock of the model-checked modules. `tests/model.rs` compiles the same modules over loom's.

pub(crate) use parking_lot::Mutex;
