//! Tests that run on each kind of storage.

use std::sync::OnceLock;

use crate::{Server, Storage};

/// Makes two tests of each of these functions: one for a server with its data in memory, and one for a server with its
/// data in raft. The functions take the [`Storage`].
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

/// One server for each kind of storage, shared by the tests of a file. Each test has its own mounts. A server is
/// started when the first test asks for it.
pub struct Servers {
    start: fn(Storage) -> Server,
    in_memory: OnceLock<Server>,
    in_raft: OnceLock<Server>,
}

impl Servers {
    /// Makes servers that this function starts and sets up.
    pub const fn new(start: fn(Storage) -> Server) -> Self {
        Self {
            start,
            in_memory: OnceLock::new(),
            in_raft: OnceLock::new(),
        }
    }

    /// Returns the server with this storage.
    pub fn on(&self, storage: Storage) -> &Server {
        let server = match storage {
            Storage::Memory => &self.in_memory,
            Storage::Disk => &self.in_raft,
        };
        server.get_or_init(|| (self.start)(storage))
    }
}
