//! Tests that run on each kind of storage.

/// Makes a test of each of these functions for a server that keeps its data in memory, and one for a server that keeps it
/// in raft. The functions take the [`Storage`](crate::Storage).
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
