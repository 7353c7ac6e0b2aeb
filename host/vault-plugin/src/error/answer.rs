//! Answers of an engine that Vault could not read.

use airlock_logical::json::Flaw;

/// The part of an answer that Vault would refuse. It is public only for the traits that have it as their error; no
/// public function returns it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("data")]
    Data(#[source] Flaw),
    #[error("internal data of {owner}")]
    InternalData {
        /// `a secret` or `an auth`.
        owner: &'static str,
        source: Flaw,
    },
    #[error("{owner} with an issue time outside the years 1 to 9999")]
    IssueTime {
        /// `a secret` or `an auth`.
        owner: &'static str,
    },
    #[error("wrapping with a time outside the years 1 to 9999")]
    WrappingTime,
}
