//! Names the operations that Vault asks an engine for.

use crate::verb::Verb;

/// Defines the operations with Vault's names for them.
macro_rules! operations {
    ($($(#[$attribute:meta])* $operation:ident = $name:literal,)*) => {
        /// The operation that Vault asks for.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$attribute])* $operation,)*
            /// An operation that this version of the SDK does not name.
            Other(String),
        }

        impl Operation {
            /// Returns Vault's name for it, such as `read`.
            #[cfg(not(target_arch = "wasm32"))]
            pub(crate) fn name(&self) -> &str {
                match self {
                    $(Operation::$operation => $name,)*
                    Operation::Other(name) => name,
                }
            }
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
    Create = "create",
    /// A read.
    #[default]
    Read = "read",
    /// A write to a path that exists, or that has no existence check.
    Update = "update",
    /// A JSON merge patch.
    Patch = "patch",
    /// A deletion.
    Delete = "delete",
    /// A list of the names below a path.
    List = "list",
    /// A request for the help text and the OpenAPI document of a path.
    Help = "help",
    /// An operation for authentication methods.
    AliasLookahead = "alias-lookahead",
    /// An operation for authentication methods.
    ResolveRole = "resolve-role",
    /// A HEAD request.
    Header = "header",
    /// A revocation, which ends a lease.
    Revoke = "revoke",
    /// A renewal, which extends a lease.
    Renew = "renew",
    /// Vault's tick, once a minute.
    Rollback = "rollback",
    /// A rotation job that is due.
    Rotate = "rotate",
    /// A recovery of a value from a snapshot.
    Recover = "recover",
    /// OpenBao's recursive list.
    Scan = "scan",
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
