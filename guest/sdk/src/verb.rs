//! Names the operations that a route can declare.

/// An operation of a route. `Exists` is the existence check.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Create,
    Read,
    Update,
    Patch,
    Delete,
    List,
    Scan,
    Exists,
}

/// Every verb of a route, except the existence check.
pub(crate) const VERBS: [Verb; 7] = [
    Verb::Create,
    Verb::Read,
    Verb::Update,
    Verb::Patch,
    Verb::Delete,
    Verb::List,
    Verb::Scan,
];

impl Verb {
    /// Returns the verb's bit in a set of verbs.
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Returns Vault's name of the operation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Read | Verb::Exists => "read",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::List => "list",
            Verb::Scan => "scan",
        }
    }
}
