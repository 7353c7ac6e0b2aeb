//! The envelope that Vault puts around an engine's data.

use std::time::Duration;

use serde_json::{Value, json};

use crate::json::{sorted, to_text, to_text_in_order};

/// The fields of Vault's envelope. The default has the envelope of an answer without anything in it.
#[derive(Clone, Default)]
pub struct Envelope<'a> {
    /// The id of the request.
    pub request_id: &'a str,
    /// The id of the lease, or an empty text.
    pub lease_id: &'a str,
    /// True if the lease can be renewed.
    pub renewable: bool,
    /// The time of the lease. The envelope shows whole seconds.
    pub lease_duration: Duration,
    /// The data, or none.
    pub data: Option<&'a Value>,
    /// The object that describes the wrapped answer, with its fields in Vault's order; or none.
    pub wrap_info: Option<Value>,
    /// The warnings.
    pub warnings: &'a [String],
    /// The type of the mount, or an empty text.
    pub mount_type: &'a str,
}

impl Envelope<'_> {
    /// Returns the envelope with its fields in Vault's order, and with the fields of the data sorted. Numbers keep their
    /// digits; see [`as_floats`](crate::json::as_floats).
    pub fn to_value(&self) -> Value {
        let warnings = match self.warnings {
            [] => Value::Null,
            warnings => json!(warnings),
        };
        json!({
            "request_id": self.request_id,
            "lease_id": self.lease_id,
            "renewable": self.renewable,
            "lease_duration": self.lease_duration.as_secs(),
            "data": self.data.cloned().map(sorted),
            "wrap_info": self.wrap_info,
            "warnings": warnings,
            "auth": null, // only auth methods have it
            "mount_type": self.mount_type,
        })
    }

    /// Returns the text of the envelope, as Vault sends it but without the final newline.
    pub fn to_text(&self) -> String {
        to_text_in_order(&self.to_value())
    }

    /// Returns the text of the envelope, with the data's fields also at its top level, as older callers of `sys` expect.
    pub fn to_text_with_data_on_top(&self) -> String {
        let envelope = self.to_text();
        let data = self.data.map(to_text).unwrap_or_default();
        match data.strip_prefix('{').and_then(|data| data.strip_suffix('}')) {
            Some(fields) if !fields.is_empty() => envelope.replacen('{', &format!("{{{fields},"), 1),
            _ => envelope,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_vaults_fields_in_vaults_order() {
        let data = json!({"b": 1, "a": "<"});
        let envelope = Envelope {
            request_id: "id",
            data: Some(&data),
            mount_type: "kv",
            ..Envelope::default()
        };
        assert_eq!(
            envelope.to_text(),
            r#"{"request_id":"id","lease_id":"","renewable":false,"lease_duration":0,"data":{"a":"\u003c","b":1},"wrap_info":null,"warnings":null,"auth":null,"mount_type":"kv"}"#
        );
        assert!(
            envelope
                .to_text_with_data_on_top()
                .starts_with(r#"{"a":"\u003c","b":1,"request_id":"id""#)
        );
        assert!(
            Envelope::default()
                .to_text_with_data_on_top()
                .starts_with(r#"{"request_id":"""#)
        );
    }

    #[test]
    fn a_lease_warnings_and_a_wrapping_are_shown() {
        let envelope = Envelope {
            lease_id: "kv/a/1",
            renewable: true,
            lease_duration: Duration::from_millis(60_900),
            wrap_info: Some(json!({"token": "hvs.1", "accessor": "2"})),
            warnings: &["old".to_owned()],
            ..Envelope::default()
        };
        assert_eq!(
            envelope.to_text(),
            r#"{"request_id":"","lease_id":"kv/a/1","renewable":true,"lease_duration":60,"data":null,"wrap_info":{"token":"hvs.1","accessor":"2"},"warnings":["old"],"auth":null,"mount_type":""}"#
        );
    }

    #[test]
    fn numbers_keep_their_digits() {
        let data = serde_json::from_str(r#"{"n":12345678901234567890.10}"#).unwrap();
        let envelope = Envelope {
            data: Some(&data),
            ..Envelope::default()
        };
        assert!(envelope.to_text().contains(r#"{"n":12345678901234567890.10}"#));
    }
}
