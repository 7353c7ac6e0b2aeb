//! The simple key/value engine: one value at each path.
//!
//! A write to path `p` stores the field `value` at the storage key `kv/p`. It stores a string unchanged, and any other
//! JSON as its JSON text without white space. A read answers `{"value": …}` with that text.
//!
//! The engine leaves the commit to the host: once the guest has returned, nothing of it has to run after the commit, so a
//! write stays in the host's fast lane.

use airlock_sdk as _;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use bindings::airlock::engine::types::{CodedError, Error, Operation, Request, Response};
use bindings::airlock::engine::{log, storage};
use bindings::exports::airlock::engine::backend::{Description, Guest, Needs, Paths};

#[allow(unsafe_code, missing_docs)]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "engine" });
    use super::Kv;
    export!(Kv with_types_in self);
}

const FOLDER: &str = "kv/";

struct Kv;

impl Guest for Kv {
    fn describe() -> Description {
        Description {
            name: "kv".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            about: "Keeps one value at each path.".into(),
            storage_version: 1,
            storage: vec![FOLDER.into()],
            cacheable: vec![],
            redo_record: false,
            scratch_bytes: 0,
            needs: Needs {
                memory_bytes: None,
                cpu_milliseconds: None,
                wall_milliseconds: None,
                storage_operations: None,
            },
        }
    }

    fn special_paths(_config: Vec<(String, String)>) -> Paths {
        Paths {
            root: vec![],
            unauthenticated: vec![],
            local_storage: vec![],
            seal_wrap_storage: vec![],
            write_forwarded_storage: vec![],
            limited: vec![],
            allow_snapshot_read: vec![],
        }
    }

    fn initialize() -> Result<(), Error> {
        log::log(log::Level::Info, "kv engine is ready", &[]);
        Ok(())
    }

    fn handle_request(request: Request) -> Result<Option<Response>, Error> {
        let data = match request.operation {
            Operation::Create => write(&request, "key created")?,
            Operation::Update => write(&request, "key updated")?,
            Operation::Read => read(&request)?,
            Operation::Delete => delete(&request)?,
            Operation::List => list(&request)?,
            // Vault builds one document from the help of all mounts, so this must not be an error.
            Operation::Help => answer("help", "Keeps one value at each path, in the field `value`.")?,
            // Vault asks every minute and logs any error but this one.
            Operation::Rollback => return Err(Error::UnsupportedOperation),
            _ => return Err(Error::User("unsupported operation".into())),
        };
        Ok(Some(Response {
            data: Some(data),
            secret: None,
            redirect: None,
            warnings: vec![],
            headers: vec![],
            wrap_info: None,
        }))
    }

    fn check_existence(request: Request) -> Result<Option<bool>, Error> {
        if request.path.is_empty() {
            // The write itself says what is wrong.
            return Ok(None);
        }
        let exists = storage::exists(&key(&request)).map_err(failed("failed to get data"))?;
        Ok(Some(exists))
    }

    /// Does nothing, because the engine derives nothing from storage.
    fn invalidate(_key: String) {}
}

fn write(request: &Request, message: &str) -> Result<String, Error> {
    if request.path.is_empty() {
        return Err(Error::User("missing path".into()));
    }
    let value = value_of(request.data.as_deref())?.into_bytes();
    storage::put(&storage::Entry {
        key: key(request),
        value,
        seal_wrap: false,
    })
    .map_err(failed("failed to put data"))?;
    answer("message", message)
}

fn read(request: &Request) -> Result<String, Error> {
    let entry = storage::get(&key(request)).map_err(failed("failed to get data"))?;
    let Some(entry) = entry else {
        return Err(Error::User("key not found".into()));
    };
    let text = String::from_utf8(entry.value)
        .map_err(|_| Error::Internal("failed to get data: what is stored is not text".into()))?;
    answer("value", &text)
}

fn delete(request: &Request) -> Result<String, Error> {
    storage::delete(&key(request)).map_err(failed("failed to delete data"))?;
    answer("message", "key deleted")
}

fn list(request: &Request) -> Result<String, Error> {
    let keys = storage::list(&folder(&request.path)).map_err(failed("failed to list keys"))?;
    answer("keys", &keys)
}

/// Returns the data of an answer with one field.
fn answer(field: &str, content: impl Serialize) -> Result<String, Error> {
    serde_json::to_string(&BTreeMap::from([(field, content)]))
        .map_err(|error| Error::Internal(format!("the answer cannot be written: {error}")))
}

/// Returns the text to store for a request's data.
///
/// Only looks for the end of a value that it does not need, so that a value may be as deep as Vault allows although the
/// guest has a small stack.
fn value_of(data: Option<&str>) -> Result<String, Error> {
    let fields: BTreeMap<String, &RawValue> = match data {
        None => BTreeMap::new(),
        Some(json) => {
            serde_json::from_str(json).map_err(|_| Error::User("the data is not a JSON object".into()))?
        }
    };
    let value = fields
        .get("value")
        .ok_or_else(|| Error::User("missing field: value".into()))?;
    match serde_json::from_str(value.get()) {
        Ok(text) => Ok(text),
        Err(_) => compact(value.get()),
    }
}

/// Returns JSON without the white space between its parts, and with each text in its shortest form: servers differ in what
/// they escape.
fn compact(json: &str) -> Result<String, Error> {
    let mut compact = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('"') {
        let (between, text) = rest.split_at(at);
        compact.extend(between.chars().filter(|c| !c.is_ascii_whitespace()));
        let mut texts = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let Some(Ok(first)) = texts.next() else {
            return Err(Error::User(
                "the field `value` holds a text that is not valid Unicode".into(),
            ));
        };
        compact.push_str(&Value::from(first).to_string());
        rest = &text[texts.byte_offset()..];
    }
    compact.extend(rest.chars().filter(|c| !c.is_ascii_whitespace()));
    Ok(compact)
}

fn key(request: &Request) -> String {
    format!("{FOLDER}{}", request.path)
}

/// Returns the storage prefix of a listed path. Vault ends the path in `/`, unless it is the mount itself.
fn folder(path: &str) -> String {
    let slash = if path.is_empty() || path.ends_with('/') {
        ""
    } else {
        "/"
    };
    format!("{FOLDER}{path}{slash}")
}

/// Returns the function that makes the engine's error from an error of storage.
fn failed(what: &str) -> impl FnOnce(storage::Error) -> Error {
    move |error| match error {
        // The server forwards the request to a server that may write.
        storage::Error::ReadOnly => Error::ReadOnly,
        // A path that storage cannot hold is the caller's mistake.
        storage::Error::Invalid(cause) => Error::User(format!("{what}: {cause}")),
        storage::Error::Busy(cause) => Error::Coded(CodedError {
            status: 503,
            message: format!("{what}: {cause}"),
        }),
        storage::Error::Denied(cause) | storage::Error::Limit(cause) | storage::Error::Failed(cause) => {
            Error::Internal(format!("{what}: {cause}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(data: &str) -> String {
        value_of(Some(data)).unwrap()
    }

    fn refused(data: Option<&str>) -> String {
        match value_of(data) {
            Err(Error::User(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_is_stored_as_it_is() {
        assert_eq!(stored(r#"{"value":"a \"b\" ü\n"}"#), "a \"b\" ü\n");
        assert_eq!(stored(r#"{"value":""}"#), "");
    }

    #[test]
    fn other_json_is_stored_as_its_text_with_every_digit() {
        assert_eq!(
            stored(r#"{"value":12345678901234567890.10}"#),
            "12345678901234567890.10"
        );
        assert_eq!(
            stored(r#"{"value":{"z":[1, true],"a":null}}"#),
            r#"{"z":[1,true],"a":null}"#
        );
        assert_eq!(stored(r#"{"value":null}"#), "null");
        assert_eq!(
            stored(r#"{"value": [ " a \\\" b " , " " ] }"#),
            r#"[" a \\\" b "," "]"#
        );
        assert_eq!(
            stored(r#"{"value":{"\u00fc":["\u003c", "a\/b"]}}"#),
            r#"{"ü":["<","a/b"]}"#
        );
    }

    #[test]
    fn a_missing_value_is_named() {
        assert_eq!(refused(None), "missing field: value");
        assert_eq!(refused(Some("{}")), "missing field: value");
        assert_eq!(refused(Some(r#"{"other":1}"#)), "missing field: value");
        assert_eq!(refused(Some("[]")), "the data is not a JSON object");
    }

    #[test]
    fn a_listed_path_becomes_a_folder() {
        assert_eq!(folder(""), "kv/");
        assert_eq!(folder("a/b/"), "kv/a/b/");
        assert_eq!(folder("a/b"), "kv/a/b/");
    }

    #[test]
    fn storage_errors_keep_their_meaning() {
        let of = failed("failed to put data");
        assert!(matches!(of(storage::Error::ReadOnly), Error::ReadOnly));
        let of = failed("failed to put data");
        assert!(
            matches!(of(storage::Error::Failed("disk full".into())), Error::Internal(text) if text == "failed to put data: disk full")
        );
    }
}
