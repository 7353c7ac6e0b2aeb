//! go-plugin
