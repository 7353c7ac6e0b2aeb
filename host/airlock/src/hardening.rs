//! What the process gives up before it sees a secret.

/// Forbids core dumps, and lets no other process of the same user attach or read this one's memory.
///
/// Best effort: a system that refuses leaves the process as safe as any other.
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
