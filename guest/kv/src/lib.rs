//! airlock-kv
