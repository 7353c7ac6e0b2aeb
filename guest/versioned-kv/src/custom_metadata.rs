//! Checks and changes the caller's own metadata of a key.

use std::collections::BTreeMap;

use airlock_sdk::{Error, FieldType as _, Map, Result, Value};

use crate::go;

const MAX_KEYS: usize = 64;
const MAX_KEY_BYTES: usize = 128;
const MAX_VALUE_BYTES: usize = 512;
const FAILED: &str = "custom_metadata validation failed";

/// Returns the given metadata as text, if it is within the limits.
pub(crate) fn parse(given: Map) -> Result<BTreeMap<String, String>> {
    let custom = given
        .into_iter()
        .map(|(key, value)| Ok((key, text(value)?)))
        .collect::<Result<BTreeMap<_, _>, String>>()
        .map_err(|error| Error::User(format!("{FAILED}: {error}")))?;
    let wrong = check(&custom);
    if wrong.is_empty() {
        Ok(custom)
    } else {
        Err(Error::User(go::errors(&wrong)))
    }
}

fn text(value: Value) -> Result<String, String> {
    if matches!(value, Value::Array(_) | Value::Object(_)) {
        // The SDK's error would not contain the value, because in other fields it may be a secret. Vault's error does.
        let shown = go::value(&value);
        return String::from_json(value)
            .and(Ok(String::new()))
            .map_err(|error| format!("{error}, value: '{shown}'"));
    }
    Ok(String::from_json(value)?.unwrap_or_default())
}

/// Makes the changes of a patch, in which `null` removes an entry.
pub(crate) fn merge(custom: &mut BTreeMap<String, String>, mut changes: Map) -> Result<()> {
    changes.retain(|key, value| {
        let removes = value.is_null();
        if removes {
            custom.remove(key);
        }
        !removes
    });
    custom.extend(parse(changes)?);
    Ok(())
}

fn check(custom: &BTreeMap<String, String>) -> Vec<String> {
    let count = custom.len();
    if count > MAX_KEYS {
        return vec![format!(
            "{FAILED}: payload must contain at most {MAX_KEYS} keys, provided {count}"
        )];
    }
    let mut wrong = Vec::new();
    for (key, value) in custom {
        let quoted = go::quote(key);
        let (key_bytes, value_bytes) = (key.len(), value.len());
        if key_bytes == 0 || key_bytes > MAX_KEY_BYTES {
            wrong.push(format!(
                "{FAILED}: length of key {quoted} is {key_bytes} but must be 0 < len(key) <= {MAX_KEY_BYTES}"
            ));
        }
        if value_bytes == 0 || value_bytes > MAX_VALUE_BYTES {
            wrong.push(format!(
                "{FAILED}: length of value for key {quoted} is {value_bytes} but must be 0 < len(value) <= {MAX_VALUE_BYTES}"
            ));
        }
        if !key.chars().all(go::is_printable) {
            wrong.push(format!(
                "{FAILED}: key {quoted} ({key}) contains unprintable characters"
            ));
        }
        if !value.chars().all(go::is_printable) {
            wrong.push(format!(
                "{FAILED}: value for key {quoted} contains unprintable characters"
            ));
        }
    }
    wrong
}

/// Returns the metadata as answers show it.
pub(crate) fn shown(custom: Option<&BTreeMap<String, String>>) -> Value {
    custom.map_or(Value::Null, |custom| {
        custom
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use airlock_sdk::json;

    use super::*;

    fn given(value: Value) -> Map {
        value.as_object().unwrap().clone()
    }

    fn refusal(value: Value) -> String {
        parse(given(value)).unwrap_err().to_string()
    }

    #[test]
    fn numbers_and_truth_values_become_text() {
        let custom = parse(given(json!({ "a": 1.50, "b": true, "c": "x" }))).unwrap();
        assert_eq!(custom.into_values().collect::<Vec<_>>(), ["1.5", "1", "x"]);
    }

    #[test]
    fn what_is_no_text_is_repeated() {
        assert_eq!(
            refusal(json!({ "a": { "c": [1, null], "b": true } })),
            "custom_metadata validation failed: '' expected type 'string', got unconvertible type \
             'map[string]interface {}', value: 'map[b:true c:[1 <nil>]]'"
        );
    }

    #[test]
    fn each_limit_is_told_in_vaults_words() {
        let frame =
            |what: &str| format!("1 error occurred:\n\t* custom_metadata validation failed: {what}\n\n");
        let many: Map = (0..65).map(|i| (i.to_string(), json!("x"))).collect();
        assert_eq!(
            refusal(many.into()),
            frame("payload must contain at most 64 keys, provided 65")
        );
        assert_eq!(
            refusal(json!({ "": "x" })),
            frame("length of key \"\" is 0 but must be 0 < len(key) <= 128")
        );
        assert_eq!(
            refusal(json!({ "a": "x".repeat(513) })),
            frame("length of value for key \"a\" is 513 but must be 0 < len(value) <= 512")
        );
        assert_eq!(
            refusal(json!({ "a": null })),
            frame("length of value for key \"a\" is 0 but must be 0 < len(value) <= 512")
        );
        assert_eq!(
            refusal(json!({ "a\u{1}": "x" })),
            frame("key \"a\\x01\" (a\u{1}) contains unprintable characters")
        );
        assert_eq!(
            refusal(json!({ "a": "\t" })),
            frame("value for key \"a\" contains unprintable characters")
        );
    }

    #[test]
    fn what_is_just_within_the_limits_is_taken_and_one_byte_more_is_not() {
        let of = |key: usize, value: usize| given(json!({ "k".repeat(key): "v".repeat(value) }));
        assert!(parse(of(128, 512)).is_ok());
        assert!(parse(of(129, 1)).is_err());
        assert!(parse(of(1, 513)).is_err());
        assert!(parse((0..64).map(|i| (i.to_string(), json!("x"))).collect()).is_ok());
    }

    #[test]
    fn a_patch_replaces_adds_and_removes() {
        let mut custom = parse(given(json!({ "a": "1", "b": "2" }))).unwrap();
        merge(
            &mut custom,
            given(json!({ "a": null, "b": "3", "c": "4", "d": null })),
        )
        .unwrap();
        assert_eq!(shown(Some(&custom)), json!({ "b": "3", "c": "4" }));
    }
}
