//! vault-plugin
