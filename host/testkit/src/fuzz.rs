//! The decoders of foreign bytes, for the targets in `tests/fuzz`. Not an interface: it changes without notice.

use airlock_logical::Operation;
use airlock_sandbox::types::Response;
use airlock_sandbox::{Result, Usage};
use airlock_storage::StorageEntry;

use crate::Answer;
use crate::answer::Asked;

/// Returns the answer that a caller gets for a guest's answer.
pub fn answer(operation: Operation, result: Result<Option<Response>>) -> Answer {
    let asked = Asked {
        operation,
        id: "id".into(),
        mount_type: "kv".into(),
    };
    let result = match result {
        Ok(response) => Ok(response.map(airlock_mount::fuzz::answer)),
        Err(error) => Err(airlock_mount::fuzz::refusal(error)),
    };
    Answer::new(&asked, result, Usage::default())
}

/// Reads an entry from the content of its file in a storage directory.
pub fn entry(bytes: &[u8]) -> std::result::Result<StorageEntry, String> {
    crate::folder::parse(bytes)
}
