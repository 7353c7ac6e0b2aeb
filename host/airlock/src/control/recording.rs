//! The control paths of a mount's recording, `<mount>/.airlock/record…`.

use serde_json::json;

use super::answers::Recording;
use super::error::ControlError;
use super::{Control, DELETE};
use crate::vault::retry::Repeat;

impl Control {
    /// Begins to record the mount's requests.
    pub fn begin_recording(
        &self,
        seconds: u64,
        requests: u64,
        bytes: u64,
    ) -> Result<Recording, ControlError> {
        let body = json!({ "seconds": seconds, "requests": requests, "bytes": bytes });
        let data = self.write("record", "record", &body, Repeat::IfNotDone)?;
        self.decode("the recording", data)
    }

    /// Returns how far the recording is.
    pub fn recording(&self) -> Result<Recording, ControlError> {
        let data = self.read("record", "record")?;
        self.decode("the recording", data)
    }

    /// Ends the recording, and keeps what it has.
    pub fn stop_recording(&self) -> Result<Recording, ControlError> {
        let data = self.write("record/stop", "record/stop", &json!({}), Repeat::Always)?;
        self.decode("the recording", data)
    }

    /// Fetches some lines of the recording.
    pub fn recorded(&self, piece: usize) -> Result<String, ControlError> {
        let data = self.read(&format!("record/pieces/{piece}"), "record/pieces/*")?;
        match data["lines"].as_str() {
            Some(lines) => Ok(lines.to_owned()),
            None => Err(ControlError::Malformed {
                mount: self.mount.clone(),
                what: "the recording",
                reason: "a piece has no lines".to_owned(),
            }),
        }
    }

    /// Makes the host forget the recording.
    pub fn forget_recording(&self) -> Result<(), ControlError> {
        let deleted = self.client.delete(&self.mount.control("record"));
        deleted
            .map(|_| ())
            .map_err(|failure| self.failed("record", DELETE, failure))
    }
}
