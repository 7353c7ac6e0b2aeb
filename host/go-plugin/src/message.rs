//! One message on the wire, as gRPC frames it: a prefix and the encoded message.
//!
//! [`frame`] writes a message, [`Incoming`] collects one from the pieces that arrive. Both bound its size. The source is
//! gRPC's `PROTOCOL-HTTP2.md`, "Length-Prefixed-Message".

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use tonic::Status;

use crate::{MAX_MESSAGE_SIZE, WINDOW};

/// The length of the prefix of a message: a flag, set if the message is compressed, and the message's length.
const PREFIX: usize = 5;

/// Encodes a message with its prefix. `whose` is `request` or `answer`, for the error.
pub(crate) fn frame(message: &impl Message, whose: &str) -> Result<Bytes, Status> {
    let length = message.encoded_len();
    let prefixed = u32::try_from(length)
        .ok()
        .filter(|_| length <= MAX_MESSAGE_SIZE - PREFIX);
    let prefixed = prefixed.ok_or_else(|| too_large(whose, length))?;
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(prefixed);
    message
        .encode(&mut frame)
        .map_err(|error| Status::internal(format!("cannot encode the {whose}: {error}")))?;
    Ok(frame.freeze())
}

/// The one message of a request or an answer, as it arrives. It is copied out of the frames, because a part of it that is kept would
/// keep the connection's whole read buffer.
pub(crate) struct Incoming {
    /// `request` or `answer`, for errors.
    whose: &'static str,
    buffer: BytesMut,
    /// The length with the prefix, once it has arrived.
    length: Option<usize>,
}

impl Incoming {
    pub(crate) fn new(whose: &'static str) -> Self {
        Self {
            whose,
            buffer: BytesMut::new(),
            length: None,
        }
    }

    pub(crate) fn add(&mut self, chunk: &[u8]) -> Result<(), Status> {
        self.buffer.extend_from_slice(chunk);
        let length = match (self.length, self.buffer.first_chunk::<PREFIX>()) {
            (Some(length), _) => length,
            (None, None) => return Ok(()),
            (None, Some(&[compressed, length @ ..])) => {
                let length = read_prefix(self.whose, compressed, length)?;
                // More is reserved only once the peer has sent as much, because its word alone must not take memory.
                let likely = length.min(WINDOW as usize);
                self.buffer.reserve(likely.saturating_sub(self.buffer.len()));
                *self.length.insert(length)
            }
        };
        if self.buffer.len() > length {
            return Err(Status::internal(format!(
                "the {} has more than one message",
                self.whose
            )));
        }
        Ok(())
    }

    /// Returns the message, once all of it has arrived.
    pub(crate) fn finish(mut self) -> Result<Bytes, Status> {
        match self.length {
            Some(length) if self.buffer.len() == length => {
                self.buffer.advance(PREFIX);
                Ok(self.buffer.freeze())
            }
            None if self.buffer.is_empty() => {
                Err(Status::internal(format!("the {} has no message", self.whose)))
            }
            _ => Err(Status::internal(format!(
                "the {} ends within its message",
                self.whose
            ))),
        }
    }
}

/// Returns the length of a message with its prefix.
fn read_prefix(whose: &str, compressed: u8, length: [u8; 4]) -> Result<usize, Status> {
    if compressed != 0 {
        return Err(Status::internal(format!(
            "the {whose} is compressed, which was not agreed on"
        )));
    }
    match usize::try_from(u32::from_be_bytes(length)) {
        Ok(length) if length <= MAX_MESSAGE_SIZE => Ok(length + PREFIX),
        _ => Err(too_large(whose, u32::from_be_bytes(length))),
    }
}

/// Returns the status of a call with a message that gRPC's other side would refuse.
fn too_large(whose: &str, length: impl fmt::Display) -> Status {
    Status::out_of_range(format!(
        "the {whose} has {length} bytes and at most {MAX_MESSAGE_SIZE} are possible"
    ))
}
