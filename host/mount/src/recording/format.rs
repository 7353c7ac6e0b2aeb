//! The file of a recording: lines of JSON.
//!
//! 1. The [`Header`]: the version of the format, the guest, and the mount's options.
//! 2. A [`Line`] for each request, and for each existence check: what was asked, what its run was told, and what the recorded
//!    guest answers and stores when it is told that.
//! 3. The [`End`]: why the recording ended, and what is not in it.
//!
//! Everything in it comes from a run that was given tokens only. `docs/recordings.md` describes the fields.

mod asked;
mod told;

use std::collections::BTreeMap;

use airlock_sandbox::types;
use airlock_storage::{StorageEntry, Written};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canary::First;
pub(super) use asked::Asked;
use asked::{Leased, headers, headers_of, json, value};
pub(super) use told::Told;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub airlock_recording: u32,
    pub name: String,
    pub version: String,
    pub sha256: String,
    pub options: Vec<(String, String)>,
}

/// The last line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// The reason why the recording ended.
    pub ended: String,
    /// Requests that were recorded.
    pub recorded: u32,
    /// Requests of which the guest took another course with tokens than it took live. They are among the recorded ones.
    pub other_course: u32,
    /// Requests that were not recorded, because others were being or because they were large.
    pub skipped: u32,
    /// Requests that cannot be told to another run, by operation.
    pub not_comparable: BTreeMap<String, u32>,
}

/// A request, or an existence check.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// True for the existence check of a write.
    #[serde(default, skip_serializing_if = "is_false")]
    pub check: bool,
    pub asked: Asked,
    pub told: Told,
    pub answer: Answer,
    /// The guest's writes: an entry by its key, or `None` for a key that it deleted.
    pub written: BTreeMap<String, Option<Stored>>,
    /// The guest's declared pattern of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// False if the live run had another status, another number of writes or of fields in its answer, or more lookups.
    pub same_course: bool,
}

/// The bytes of a value: text where it is that.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bytes {
    Text(String),
    Base64(String),
}

impl Bytes {
    fn of(bytes: &[u8]) -> Self {
        match str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    fn bytes(self) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Base64(text) => STANDARD.decode(text).map_err(|_| "bytes that are not base64"),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub value: Bytes,
    #[serde(default, skip_serializing_if = "is_false")]
    pub seal_wrap: bool,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Stored {
    fn of(entry: &StorageEntry) -> Self {
        Self {
            value: Bytes::of(&entry.value),
            seal_wrap: entry.seal_wrap,
        }
    }

    fn entry(self, key: String) -> Result<StorageEntry, &'static str> {
        Ok(StorageEntry {
            key,
            value: self.value.bytes()?.into(),
            seal_wrap: self.seal_wrap,
        })
    }
}

/// Returns what a run wrote, for a line.
pub(super) fn written(written: &Written) -> BTreeMap<String, Option<Stored>> {
    let written = written.iter();
    written
        .map(|(key, entry)| (key.clone(), entry.as_ref().map(Stored::of)))
        .collect()
}

/// Returns what a line says that a run wrote.
pub(super) fn written_of(written: BTreeMap<String, Option<Stored>>) -> Result<Written, &'static str> {
    let written = written.into_iter().map(|(key, stored)| {
        let entry = stored.map(|stored| stored.entry(key.clone())).transpose()?;
        Ok((key, entry))
    });
    written.collect()
}

/// The guest's answer.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// Nothing: 404 for a read or a list.
    None,
    Response(Box<Response>),
    /// The answer of an existence check: whether something is at the path, or `None` if the path has no such check.
    Exists(Option<bool>),
    /// The guest's refusal: its status, and its text.
    Refused(u16, String),
    UnsupportedOperation,
    UnsupportedPath,
    PermissionDenied,
    ReadOnly,
}

/// An answer. Fields that are empty are left out.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Response {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Leased>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, Vec<String>)>,
}

impl Answer {
    pub fn of(answer: &First) -> Self {
        match answer {
            First::Request(Ok(None)) => Self::None,
            First::Request(Ok(Some(response))) => Self::Response(Box::new(Response {
                data: value(&response.data),
                secret: response.secret.as_ref().map(Leased::of),
                redirect: response.redirect.clone(),
                warnings: response.warnings.clone(),
                headers: headers(&response.headers),
            })),
            First::Check(Ok(exists)) => Self::Exists(*exists),
            First::Request(Err(refusal)) | First::Check(Err(refusal)) => Self::refused(refusal),
        }
    }

    fn refused(refusal: &types::Error) -> Self {
        match refusal {
            types::Error::User(text) => Self::Refused(400, text.clone()),
            types::Error::Internal(text) => Self::Refused(500, text.clone()),
            types::Error::Coded(error) => Self::Refused(error.status, error.message.clone()),
            types::Error::UnsupportedOperation => Self::UnsupportedOperation,
            types::Error::UnsupportedPath => Self::UnsupportedPath,
            types::Error::PermissionDenied => Self::PermissionDenied,
            types::Error::ReadOnly => Self::ReadOnly,
        }
    }

    /// Returns the answer to a request, or to an existence check.
    ///
    /// # Errors
    /// It is an answer to the other one.
    pub fn first(self, is_check: bool) -> Result<First, &'static str> {
        let refusal = match (self, is_check) {
            (Self::Exists(exists), true) => return Ok(First::Check(Ok(exists))),
            (Self::None, false) => return Ok(First::Request(Ok(None))),
            (Self::Response(response), false) => {
                return Ok(First::Request(Ok(Some(Box::new(response.response())))));
            }
            (Self::Exists(_), false) => return Err("an answer of an existence check"),
            (Self::None | Self::Response(_), true) => return Err("an answer of a request"),
            (Self::Refused(400, text), _) => types::Error::User(text),
            (Self::Refused(500, text), _) => types::Error::Internal(text),
            (Self::Refused(status, message), _) => types::Error::Coded(types::CodedError { status, message }),
            (Self::UnsupportedOperation, _) => types::Error::UnsupportedOperation,
            (Self::UnsupportedPath, _) => types::Error::UnsupportedPath,
            (Self::PermissionDenied, _) => types::Error::PermissionDenied,
            (Self::ReadOnly, _) => types::Error::ReadOnly,
        };
        Ok(match is_check {
            true => First::Check(Err(refusal)),
            false => First::Request(Err(refusal)),
        })
    }
}

impl Response {
    fn response(self) -> types::Response {
        types::Response {
            data: json(self.data),
            secret: self.secret.map(Leased::secret),
            redirect: self.redirect,
            warnings: self.warnings,
            headers: headers_of(self.headers),
            wrap_info: None,
        }
    }
}
