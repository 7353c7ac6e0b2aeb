//! The checks of what a guest says, for the targets in `tests/fuzz`. Not a public interface: it changes without notice.

use crate::limits::{Limit, Limits};
use crate::load::contract;
use crate::load::description;
use crate::run::account::Account;
use crate::run::answer;
use crate::run::memory::ProcessMemory;
use crate::types::{self, Operation, Response};
use crate::{CallError, Description, LoadError, Result, SpecialPaths};

/// Checks an answer before its request commits.
pub async fn check_answer(response: &Response, operation: &Operation) -> Result<()> {
    answer::check(response, operation, &account()).await
}

/// Returns the error that a guest's refusal becomes.
pub fn refused(refusal: types::Error) -> CallError {
    answer::refused(refusal, &account())
}

/// Checks a guest's description, under the default limits.
pub fn check_description(description: &Description) -> Result<(), LoadError> {
    description::check(description, &Limits::default())
}

/// Checks the size of a guest's special paths.
pub fn check_paths(paths: &SpecialPaths) -> Result<(), String> {
    description::check_paths(paths)
}

/// Checks by its first bytes that a file is a component.
pub fn check_is_component(bytes: &[u8]) -> Result<(), LoadError> {
    contract::check_is_component(bytes)
}

fn account() -> Account {
    let memory = ProcessMemory::with_returns(1 << 30, 256).0;
    Account::open("fuzzed".into(), Limits::default(), Limit::Wall, &memory)
}
