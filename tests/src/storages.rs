//! Tests that run on each kind of storage.

use std::sync::OnceLock;

use crate::{Server, Storage};

/// Makes a test of each of these functions for a server that keeps its data in memory, and one for a server that keeps it
/// in raft. The functions take the [`Storage`].
#[macro_export]
macro_rules! on_each_storage {
    ($($test:ident),+ $(,)?) => {
        mod in_memory {
            $(#[test] fn $test() { super::$test($crate::Storage::Memory) })+
        }

        mod in_raft {
            $(#[test] fn $test() { super::$test($crate::Storage::Disk) })+
        }
    };
}

/// A server for each kind of storage, which the tests of a file share: a test's mounts are its own. It is started for the
/// first test that asks for it.
pub struct Servers {
    start: fn(Storage) -> Server,
    in_memory: OnceLock<Server>,
    in_raft: OnceLock<Server>,
}

impl Servers {
    /// Servers that are started, and set up, by this function.
    pub const fn new(start: fn(Storage) -> Server) -> Self {
        Self {
            start,
            in_memory: OnceLock::new(),
            in_raft: OnceLock::new(),
        }
    }

    /// The server with this storage.
    pub fn on(&self, storage: Storage) -> &Server {
        let server = match storage {
            Storage::Memory => &self.in_memory,
            Storage::Disk => &self.in_raft,
        };
        server.get_or_init(|| (self.start)(storage))
    }
}
