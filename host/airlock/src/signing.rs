//! Keys that sign guests, in minisign's format, and the signatures that they make.
//!
//! `airlock_trust` verifies; only the commands `keygen` and `sign` use this.

mod password;
mod secret_key;

pub use password::PasswordArgs;
pub use secret_key::SecretKey;
