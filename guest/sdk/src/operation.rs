//! Names the operations that Vault asks an engine for.

use crate::verb::Verb;

/// Defines the operations, which have the contract's names.
macro_rules! operations {
    ($($(#[$attribute:meta])* $operation:ident,)*) => {
        /// The operation that Vault asks for.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$attribute])* $operation,)*
            /// An operation that this version of the SDK does not name.
            Other(String),
        }

        #[cfg(target_arch = "wasm32")]
        impl From<crate::bindings::airlock::engine::types::Operation> for Operation {
            fn from(operation: crate::bindings::airlock::engine::types::Operation) -> Operation {
                use crate::bindings::airlock::engine::types::Operation as Contract;
                match operation {
                    $(Contract::$operation => Operation::$operation,)*
                    Contract::Other(name) => Operation::Other(name),
                }
            }
        }
    };
}

operations! {
    /// A write to a path that does not exist, according to the existence check.
    Create,
    /// A read.
    #[default]
    Read,
    /// A write to a path that exists, or that has no existence check.
    Update,
    /// A JSON merge patch.
    Patch,
    /// A deletion.
    Delete,
    /// A list of the names below a path.
    List,
    /// A request for the help text and the OpenAPI document of a path.
    Help,
    /// An operation for authentication methods.
    AliasLookahead,
    /// An operation for authentication methods.
    ResolveRole,
    /// A HEAD request.
    Header,
    /// A revocation, which ends a lease.
    Revoke,
    /// A renewal, which extends a lease.
    Renew,
    /// Vault's tick, once a minute.
    Rollback,
    /// A rotation job that is due.
    Rotate,
    /// A recovery of a value from a snapshot.
    Recover,
    /// OpenBao's recursive list.
    Scan,
}

impl Operation {
    /// Returns the verb under which routes declare the operation. Returns `None` for operations that the SDK answers
    /// itself.
    pub(crate) fn verb(&self) -> Option<Verb> {
        Some(match self {
            Operation::Create => Verb::Create,
            Operation::Read => Verb::Read,
            Operation::Update => Verb::Update,
            Operation::Patch => Verb::Patch,
            Operation::Delete => Verb::Delete,
            Operation::List => Verb::List,
            Operation::Scan => Verb::Scan,
            _ => return None,
        })
    }
}
