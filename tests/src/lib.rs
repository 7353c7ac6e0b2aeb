//! airlock-tests
