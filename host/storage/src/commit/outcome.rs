//! The ways in which a flush ends, and the answer to the committing request.

use crate::{Error, Result};
use tokio::sync::oneshot;

/// The way in which a flush failed.
pub(crate) enum Failure {
    /// Nothing was stored.
    Nothing(Error),
    /// Some of the commit is stored and the rest never will be.
    Part(Error),
    /// Some of the commit may be stored.
    Unknown(Error),
}

/// The answer to the committing request, which is given once.
pub(crate) struct Answer(Option<oneshot::Sender<Result<()>>>);

impl Answer {
    pub(crate) fn new(to: oneshot::Sender<Result<()>>) -> Self {
        Self(Some(to))
    }

    pub(crate) fn give(&mut self, result: Result<()>) {
        if let Some(answer) = self.0.take() {
            // The caller may be gone, and the flush continues all the same.
            let _ = answer.send(result);
        }
    }
}
