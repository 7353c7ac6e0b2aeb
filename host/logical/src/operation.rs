//! The operations that Vault asks an engine for.

#![cfg_attr(feature = "component", allow(unsafe_code))] // the derives implement wasmtime's `unsafe` traits

use std::fmt;

#[cfg(feature = "component")]
use wasmtime::component::{ComponentType, Lift, Lower};

/// Defines the operations with Vault's names for them, which the contract with guests uses too.
macro_rules! operations {
    ($($(#[$attribute:meta])* $operation:ident = $name:literal,)*) => {
        /// The operation that Vault asks for, like `logical.Operation` of Vault's SDK.
        ///
        /// ```
        /// use airlock_logical::Operation;
        ///
        /// assert_eq!(Operation::from("list".to_owned()), Operation::List);
        /// // A newer Vault's operation keeps its name.
        /// assert_eq!(Operation::from("seal".to_owned()).as_str(), "seal");
        /// ```
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "component", derive(ComponentType, Lift, Lower), component(variant))]
        #[non_exhaustive]
        pub enum Operation {
            $(
                $(#[$attribute])*
                #[cfg_attr(feature = "component", component(name = $name))]
                $operation,
            )*
            /// An operation that has no name here.
            #[cfg_attr(feature = "component", component(name = "other"))]
            Other(String),
        }

        impl Operation {
            /// Returns Vault's name for it, or `None` if it is an operation that this crate does not know.
            pub fn known(&self) -> Option<&'static str> {
                match self {
                    $(Self::$operation => Some($name),)*
                    Self::Other(_) => None,
                }
            }

            /// Returns Vault's name for it, such as `read`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$operation => $name,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl From<String> for Operation {
            fn from(name: String) -> Self {
                match name.as_str() {
                    $($name => Self::$operation,)*
                    _ => Self::Other(name),
                }
            }
        }
    };
}

operations! {
    /// Writes to a path for which the existence check answered "no".
    Create = "create",
    /// Reads: GET.
    #[default]
    Read = "read",
    /// Writes (POST, PUT) to a path for which the existence check answered "yes", or which has no such check.
    Update = "update",
    /// Writes by JSON merge patch: PATCH.
    Patch = "patch",
    /// Deletes: DELETE.
    Delete = "delete",
    /// Lists the names below a path, which ends in `/`: LIST.
    List = "list",
    /// Answers `vault path-help`. For the server's OpenAPI document the path is empty, and the server takes the document
    /// from the field `openapi` of the answer if it has one.
    Help = "help",
    /// Finds the alias that a login would have. Auth engines only.
    AliasLookahead = "alias-lookahead",
    /// Finds the role that a login would use. Auth engines only.
    ResolveRole = "resolve-role",
    /// Answers HEAD.
    Header = "header",
    /// Ends the lease in the request's secret.
    Revoke = "revoke",
    /// Extends the lease in the request's secret.
    Renew = "renew",
    /// Does what is due: Vault asks about once a minute, with an empty path.
    Rollback = "rollback",
    /// Runs a rotation job that is due.
    Rotate = "rotate",
    /// Restores a value from a snapshot.
    Recover = "recover",
    /// Lists recursively: OpenBao's SCAN.
    Scan = "scan",
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let named = Operation::from("alias-lookahead".to_owned());
        assert_eq!(
            (named.as_str(), &named),
            ("alias-lookahead", &Operation::AliasLookahead)
        );
        let unnamed = Operation::from("seal".to_owned());
        assert_eq!(
            (unnamed.as_str(), &unnamed),
            ("seal", &Operation::Other("seal".to_owned()))
        );
    }
}
