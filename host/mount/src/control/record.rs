//! `.airlock/record`: starts, shows, stops and forgets a [recording](crate::recording), and hands out its lines.
//!
//! The registration has to allow it (`serve --allow-record`). A standby's server forwards these requests to the active node, whose
//! requests are recorded.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use vault_plugin::{Error, Operation, Request, Response, ServerError};

use crate::options::{MountOptions, Permission};
use crate::recording::{Bounds, MOST_BYTES, MOST_REQUESTS, MOST_SECONDS, Recording};
use crate::vault_mount::VaultMount;

/// The bounds of a recording for which none are given.
const SECONDS: u64 = 60;
const BYTES: usize = 4 << 20;
const REQUESTS: u32 = 1_000;

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    seconds: Option<u64>,
    #[serde(default)]
    bytes: Option<usize>,
    #[serde(default)]
    requests: Option<u32>,
}

impl Asked {
    fn bounds(&self) -> Result<Bounds, Error> {
        let seconds = self.seconds.unwrap_or(SECONDS);
        let bytes = self.bytes.unwrap_or(BYTES);
        let requests = self.requests.unwrap_or(REQUESTS);
        if !(1..=MOST_SECONDS).contains(&seconds)
            || !(1..=MOST_BYTES).contains(&bytes)
            || !(1..=MOST_REQUESTS).contains(&requests)
        {
            return Err(Error::User(format!(
                "a recording has 1 to {MOST_SECONDS} seconds, 1 to {MOST_BYTES} bytes and 1 to {MOST_REQUESTS} requests"
            )));
        }
        Ok(Bounds {
            time: Duration::from_secs(seconds),
            bytes,
            requests,
        })
    }
}

impl VaultMount {
    /// Answers a request for `.airlock/record` or, with the rest of its path, one below that.
    pub(super) async fn record(&self, rest: &str, request: &Request) -> Result<Option<Response>, Error> {
        if !self.finder.source.allows_record() {
            return Err(Error::User(
                "nothing is recorded here: the plugin is registered without -args=--allow-record".to_owned(),
            ));
        }
        MountOptions::permit(&self.finder.parts.config, Permission::Record)?;
        if self.finder.parts.is_standby {
            // The server forwards it to the active node.
            return Err(ServerError::ReadOnly.into());
        }
        let is_write = matches!(request.operation, Operation::Create | Operation::Update);
        match (rest, &request.operation) {
            ("", _) if is_write => self.begin_recording(request).await.map(Some),
            ("", Operation::Read) => Ok(Some(recorded(&*self.recording()?)?)),
            ("", Operation::Delete) => {
                self.forget_recording();
                Ok(None)
            }
            ("stop", _) if is_write => {
                let recording = self.recording()?;
                recording.stop().await;
                Ok(Some(recorded(&recording)?))
            }
            ("" | "stop", _) => Err(Error::UnsupportedOperation),
            (rest, operation) => match (rest.strip_prefix("pieces/"), operation) {
                (Some(number), Operation::Read) => {
                    let number = number.parse().map_err(|_| Error::UnsupportedPath)?;
                    let piece = self.recording()?.piece(number);
                    let lines = piece.ok_or_else(|| Error::Coded {
                        status: 404,
                        message: "there is no such piece, or the recording has not ended yet".to_owned(),
                    })?;
                    Response::json(&json!({ "lines": lines })).map(Some)
                }
                (Some(_), _) => Err(Error::UnsupportedOperation),
                (None, _) => Err(Error::UnsupportedPath),
            },
        }
    }

    /// Ends the recording, and keeps what it has.
    pub(crate) fn end_recording(&self, why: &str) {
        if let Some(recording) = &*self.recording.read() {
            recording.end(why);
        }
    }

    /// Ends the recording, and drops what it has.
    pub(crate) fn forget_recording(&self) {
        if let Some(recording) = self.recording.write().take() {
            recording.end("forgotten");
        }
    }

    async fn begin_recording(&self, request: &Request) -> Result<Response, Error> {
        let bounds = request.decode::<Asked>()?.bounds()?;
        // Neither does another recording begin meanwhile, nor another guest take over.
        let _one = self.moving.lock().await;
        if self.tried_guest().is_some() {
            return Err(Error::User(
                "a guest is being tried here: record when its trial has ended".to_owned(),
            ));
        }
        if self
            .recording
            .read()
            .as_ref()
            .is_some_and(|recording| recording.is_running())
        {
            return Err(Error::User(
                "a recording runs already: wait for its end, or stop it".to_owned(),
            ));
        }
        self.state().await?;
        let guest = self.current().ok_or_else(|| {
            Error::User("no guest runs on this mount, so there is nothing to record".to_owned())
        })?;
        let begun = Recording::begin(guest.guest().clone(), guest.options(), bounds).await;
        let recording = begun.map_err(|reason| Error::Internal(format!("nothing is recorded: {reason}")))?;
        tracing::warn!(
            guest = guest.name(),
            seconds = bounds.time.as_secs(),
            "a recording of this mount's requests has begun"
        );
        let answer = recorded(&recording);
        *self.recording.write() = Some(recording);
        answer
    }

    fn recording(&self) -> Result<std::sync::Arc<Recording>, Error> {
        let recording = self.recording.read().clone();
        recording.ok_or_else(|| Error::Coded {
            status: 404,
            message: "nothing was recorded: write to this path to begin".to_owned(),
        })
    }
}

fn recorded(recording: &Recording) -> Result<Response, Error> {
    Response::json(&recording.report())
}
