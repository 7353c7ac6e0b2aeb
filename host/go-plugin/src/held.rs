//! Values that are kept for an answer until it is written to the connection.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::{Buf, Bytes};

/// A value that an answer needs for as long as this process keeps the answer, such as a permit for its memory. It is
/// dropped once the last byte is written to the connection, or the caller has gone away.
///
/// Put it into the extensions of the answer. Dropping the value must neither block nor panic, because the connection
/// drops it between two writes.
///
/// ```
/// use go_plugin::Held;
/// use std::sync::Arc;
/// use tokio::sync::Semaphore;
/// use tonic::{Response, Status};
///
/// /// Answers with at most as many large texts at a time as the semaphore has permits.
/// async fn answer(large: Arc<Semaphore>, text: String) -> Result<Response<String>, Status> {
///     let permit = large.acquire_owned().await;
///     let permit = permit.map_err(|_| Status::internal("the semaphore is closed"))?;
///     let mut answer = Response::new(text);
///     answer.extensions_mut().insert(Held::new(permit));
///     Ok(answer)
/// }
/// ```
#[derive(Clone)]
pub struct Held {
    _value: Arc<dyn Any + Send + Sync>,
}

impl Held {
    /// Keeps a value until the answer is sent.
    pub fn new(value: impl Any + Send + Sync) -> Self {
        Self {
            _value: Arc::new(value),
        }
    }
}

/// The value says nothing about the answer, so all are equal.
impl PartialEq for Held {
    fn eq(&self, _: &Held) -> bool {
        true
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// A piece of an answer's body, which keeps the answer's [`Held`]: HTTP/2 keeps pieces until they are written.
#[derive(Default)]
pub(crate) struct Piece {
    bytes: Bytes,
    _held: Option<Held>,
}

impl Piece {
    pub(crate) fn new(bytes: Bytes, held: Option<Held>) -> Self {
        Self { bytes, _held: held }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_goes_with_the_last_piece() {
        let value = Arc::new(());
        let held = Held::new(value.clone());
        let first = Piece::new(Bytes::from_static(b"ans"), Some(held.clone()));
        let mut rest = Piece::new(Bytes::from_static(b"wer"), Some(held));
        drop(first);
        rest.advance(1);
        assert_eq!(rest.chunk(), b"er");
        assert_eq!(Arc::strong_count(&value), 2);
        drop(rest);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
