//! Confines the process before it sees a secret.

/// Forbids core dumps, and lets no other process of the same user attach or read this one's memory.
///
/// This is a best effort: if the system refuses, the process is as safe as any other.
pub fn seal_process() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let _ = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
