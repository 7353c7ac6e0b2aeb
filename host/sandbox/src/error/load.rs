//! The reasons why a guest cannot be loaded.

use std::io;
use std::path::PathBuf;

use printable::Printable;
use rustix::process::{Resource, getrlimit};

use crate::error::CallError;
use crate::limits::Exceeded;

/// The reason why a guest could not be loaded.
///
/// Each variant is displayed on one line: what it quotes of a guest's file, such as the name of an import, is escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The runtime could not be set up on this machine.
    #[error("the WebAssembly runtime cannot start: {what}")]
    Runtime {
        /// The step that failed.
        what: &'static str,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The system refuses a thread or a process, because there are as many as it allows, or no room for another.
    #[error(
        "{what} cannot be started, because the limit on processes and threads is reached{}; raise it (`ulimit -u`, LimitNPROC= or \
         TasksMax= of the service, or the container's limit on pids{})",
        if *space_is_limited { ", or that on the address space" } else { "" },
        if *space_is_limited { "; `ulimit -v` or LimitAS=" } else { "" }
    )]
    Processes {
        /// The thread or program that was to be started.
        what: &'static str,
        /// True if the process also has a limit on its address space, which may be the cause.
        space_is_limited: bool,
        /// The cause.
        source: io::Error,
    },

    /// A thread or a process cannot be started.
    #[error("{what} cannot be started")]
    NotStarted {
        /// The thread or program that was to be started.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },

    /// The system denies something without which no guest runs.
    #[error(
        "the WebAssembly runtime cannot start: the system denies {call}, with which each instance gets its memory; allow it in the \
         seccomp filter or the SELinux or AppArmor policy of the service or container"
    )]
    Denied {
        /// The system call.
        call: &'static str,
        /// The cause.
        source: io::Error,
    },

    /// The process may use too little address space for even one request.
    #[error(
        "the WebAssembly runtime cannot start: the limit on the address space is {limit_kib} KiB, and one request at a time \
         needs {least_kib}; raise it (`ulimit -v`, or LimitAS= of the service) or remove it"
    )]
    AddressSpace {
        /// The limit.
        limit_kib: u64,
        /// The least limit with which a request can run.
        least_kib: u64,
    },

    /// The directory for compiled guests cannot be used.
    #[error("cache directory {}: {what}", directory.display())]
    Cache {
        /// The directory.
        directory: PathBuf,
        /// A text that says what is wrong, and what to do if anything can be done.
        what: String,
        /// The cause, if the system gave one.
        #[source]
        source: Option<io::Error>,
    },

    /// The file is not a component. The text says what it is instead, and what to do.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(&'static str),

    /// The guest was built for a contract that this host does not serve.
    #[error(
        "built for version {} of the airlock:engine contract, and this host serves {host}: {}",
        Printable(guest),
        if *newer { "use a newer airlock" } else { "rebuild the guest with this version's wit/" }
    )]
    ContractVersion {
        /// The version for which the guest was built.
        guest: String,
        /// The version that this host serves.
        host: &'static str,
        /// True if the guest's version is the newer one.
        newer: bool,
    },

    /// The file is a component, but not a secrets engine.
    #[error(
        "does not export airlock:engine/backend, so this is not a secrets engine; an engine of the SDK has to call \
         `airlock_sdk::export!`"
    )]
    NotAnEngine,

    /// The guest imports something that no guest gets.
    #[error(
        "imports {}, which is not granted: a guest gets the imports of the airlock:engine contract and no others",
        Printable(import)
    )]
    Ungranted {
        /// The name of the import.
        import: String,
    },

    /// The compiler refused the guest.
    #[error("cannot be compiled: {}", Printable(.0))]
    Compile(String),

    /// The compiler itself failed, or ran out of its own limits.
    #[error("the compiler {}", Printable(what))]
    Compiler {
        /// A text that continues "the compiler" and says what happened.
        what: String,
        /// The cause, if the system gave one.
        #[source]
        source: Option<io::Error>,
    },

    /// The guest's imports or exports have the right names but the wrong types, or the guest is too large for an
    /// instance.
    #[error("does not fit the contract or the pool of instances: {}", Printable(.0))]
    Link(String),

    /// `describe` returned an invalid description.
    #[error("its description is wrong: {}", Printable(.0))]
    Description(String),

    /// The guest needs more than the limits allow.
    #[error("it needs {needs}; {exceeded}")]
    Needs {
        /// The amount that the guest asks for.
        needs: String,
        /// The limit that is too low.
        exceeded: Exceeded,
    },

    /// The guest could not be asked for its description.
    #[error(transparent)]
    Describe(#[from] CallError),
}

impl LoadError {
    /// Returns the reason why `what`, a thread or a program, was not started.
    pub(crate) fn not_started(what: &'static str, source: io::Error) -> Self {
        // EAGAIN. The C library also gives it for a thread whose stack finds no room.
        if source.kind() == io::ErrorKind::WouldBlock {
            Self::Processes {
                what,
                space_is_limited: getrlimit(Resource::As).current.is_some(),
                source,
            }
        } else {
            Self::NotStarted { what, source }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_thread_names_each_limit_that_may_be_the_cause() {
        let told = |space_is_limited| {
            let (what, source) = ("a thread", io::ErrorKind::WouldBlock.into());
            LoadError::Processes {
                what,
                space_is_limited,
                source,
            }
            .to_string()
        };
        assert!(
            told(true).contains("TasksMax=") && told(true).contains("LimitAS="),
            "{}",
            told(true)
        );
        assert!(
            told(false).contains("TasksMax=") && !told(false).contains("LimitAS="),
            "{}",
            told(false)
        );
    }

    #[test]
    fn quotes_of_a_file_cannot_leave_their_line() {
        let hostile = "x\n[INFO]  core: sealed\u{1b}[2J";
        let errors = [
            LoadError::ContractVersion {
                guest: hostile.into(),
                host: "0.1.0",
                newer: false,
            },
            LoadError::Ungranted {
                import: hostile.into(),
            },
            LoadError::Compile(hostile.into()),
            LoadError::Link(hostile.into()),
            LoadError::Description(hostile.into()),
        ];
        for error in errors {
            let told = error.to_string();
            assert!(told.contains("x\\n[INFO]  core: sealed\\u{1b}[2J"), "{told}");
            assert!(!told.contains(char::is_control), "{told:?}");
        }
    }
}
