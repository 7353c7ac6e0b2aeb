//! airlock-storage
