//! The simple key/value engine: one value at each path.
//!
//! A write to path `p` stores the field `value` at the storage key `kv/p`. It stores a string unchanged, and any other
//! JSON as its JSON text. A read answers `{"value": …}` with that text.
//!
//! The engine commits by itself instead of leaving that to the host, so that it can word the errors of storage itself.

use airlock_sdk as _;
use serde_json::{Map, Value, json};

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
        let answer = match request.operation {
            Operation::Create => write(&request, "key created")?,
            Operation::Update => write(&request, "key updated")?,
            Operation::Read => read(&request)?,
            Operation::Delete => delete(&request)?,
            Operation::List => list(&request)?,
            // Vault builds one document from the help of all mounts, so this must not be an error.
            Operation::Help => json!({ "help": "Keeps one value at each path, in the field `value`." }),
            // Vault asks every minute and logs any error but this one.
            Operation::Rollback => return Err(Error::UnsupportedOperation),
            _ => return Err(Error::User("unsupported operation".into())),
        };
        Ok(Some(Response {
            data: Some(answer.to_string()),
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
        let entry = storage::get(&key(&request)).map_err(failed("failed to get data"))?;
        Ok(Some(entry.is_some()))
    }

    /// Does nothing, because the engine derives nothing from storage.
    fn invalidate(_key: String) {}
}

fn write(request: &Request, message: &str) -> Result<Value, Error> {
    if request.path.is_empty() {
        return Err(Error::User("missing path".into()));
    }
    let value = value_of(request.data.as_deref())?.into_bytes();
    storage::put(&storage::Entry {
        key: key(request),
        value,
        seal_wrap: false,
    })
    .and_then(|()| storage::commit())
    .map_err(failed("failed to put data"))?;
    Ok(json!({ "message": message }))
}

fn read(request: &Request) -> Result<Value, Error> {
    let entry = storage::get(&key(request)).map_err(failed("failed to get data"))?;
    let Some(entry) = entry else {
        return Err(Error::User("key not found".into()));
    };
    let text = String::from_utf8(entry.value)
        .map_err(|_| Error::Internal("failed to get data: what is stored is not text".into()))?;
    Ok(json!({ "value": text }))
}

fn delete(request: &Request) -> Result<Value, Error> {
    storage::delete(&key(request))
        .and_then(|()| storage::commit())
        .map_err(failed("failed to delete data"))?;
    Ok(json!({ "message": "key deleted" }))
}

fn list(request: &Request) -> Result<Value, Error> {
    let keys = storage::list(&folder(&request.path)).map_err(failed("failed to list keys"))?;
    Ok(json!({ "keys": keys }))
}

/// Returns the text to store for a request's data.
fn value_of(data: Option<&str>) -> Result<String, Error> {
    let mut fields: Map<String, Value> = match data {
        None => Map::new(),
        Some(json) => {
            serde_json::from_str(json).map_err(|_| Error::User("the data is not a JSON object".into()))?
        }
    };
    match fields.remove("value") {
        None => Err(Error::User("missing field: value".into())),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Ok(other.to_string()),
    }
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
