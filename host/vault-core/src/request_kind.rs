//! Kinds of requests, between which Vault distinguishes when it answers.

/// The kind of a request, as far as Vault's answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A list, whose answer needs keys.
    List,
    /// Another request for something that may not exist.
    Read,
    /// A request for help, whose data is the whole body.
    Help,
    /// Any other request.
    Write,
}

impl RequestKind {
    /// Returns the kind of an operation, given Vault's name for it, such as `read`.
    pub fn of(operation: &str) -> Self {
        match operation {
            "list" => Self::List,
            "read" | "header" | "scan" => Self::Read,
            "help" => Self::Help,
            _ => Self::Write,
        }
    }

    /// Returns the HTTP status of a request for which the engine returned neither an answer nor an error.
    pub fn status_of_nothing(self) -> u16 {
        match self {
            Self::List | Self::Read => 404,
            Self::Help | Self::Write => 204,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_404_if_the_request_asks_for_something() {
        for (operation, status) in [
            ("read", 404),
            ("list", 404),
            ("scan", 404),
            ("header", 404),
            ("create", 204),
            ("update", 204),
            ("patch", 204),
            ("delete", 204),
            ("", 204),
        ] {
            assert_eq!(
                RequestKind::of(operation).status_of_nothing(),
                status,
                "{operation}"
            );
        }
    }
}
