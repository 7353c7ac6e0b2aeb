//! An engine's own HTTP answer, which it gives with `http_status_code` and related fields in its data.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

/// An HTTP answer that the engine wrote itself. Vault sends it without its envelope.
pub struct OwnAnswer<'a> {
    /// The HTTP status, from 100 to 999.
    pub status: u16,
    /// The media type, or none.
    pub content_type: Option<&'a str>,
    /// The body, decoded from Base64 if that is possible. A 204 has no body.
    pub body: Vec<u8>,
    /// Other headers: their names in lower case, and their values.
    pub headers: Vec<(&'static str, &'a str)>,
}

impl<'a> OwnAnswer<'a> {
    /// Reads the answer from data that has `http_status_code`.
    ///
    /// # Errors
    /// Returns Vault's text if the answer is invalid. Vault then answers 500 without a body, and has the text in the
    /// header `X-Vault-Raw-Error`.
    pub fn read(data: &'a Map<String, Value>, has_secret: bool) -> Result<Self, &'static str> {
        if has_secret {
            return Err("raw responses cannot contain secrets or auth");
        }
        // Vault decodes a float and takes its integer part.
        let status = data
            .get("http_status_code")
            .and_then(Value::as_f64)
            .filter(|code| (100.0..1000.0).contains(code));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 100 and 1000
        let status = status
            .map(|status| status as u16)
            .ok_or("cannot decode status code")?;
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        let content_type = match (data.get("http_content_type"), text("http_content_type")) {
            (None, _) if status != 204 => return Err("no content type given"),
            (Some(_), None) => return Err("cannot decode content type"),
            (_, content_type) => content_type.filter(|content_type| !content_type.is_empty()),
        };
        let body = match (data.get("http_raw_body"), text("http_raw_body")) {
            _ if status == 204 => Vec::new(),
            (Some(_), None) => return Err("cannot decode body"),
            (_, body) => body.map(decoded).unwrap_or_default(),
        };
        let headers = [
            ("http_raw_cache_control", "cache-control"),
            ("http_raw_pragma", "pragma"),
            ("http_www_authenticate", "www-authenticate"),
        ];
        let headers = headers
            .into_iter()
            .filter_map(|(field, header)| Some((header, text(field)?)))
            .collect();
        Ok(Self {
            status,
            content_type,
            body,
            headers,
        })
    }
}

fn decoded(body: &str) -> Vec<u8> {
    BASE64.decode(body).unwrap_or_else(|_| body.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(data: Value, has_secret: bool) -> Option<&'static str> {
        OwnAnswer::read(data.as_object().unwrap(), has_secret).err()
    }

    #[test]
    fn a_body_is_decoded_from_base64_if_it_is_base64() {
        for (body, decoded) in [("Z29uZQ==", "gone"), ("not base64!", "not base64!"), ("", "")] {
            let data = json!({"http_status_code": 404, "http_content_type": "a/b", "http_raw_body": body});
            let own = OwnAnswer::read(data.as_object().unwrap(), false).ok().unwrap();
            assert_eq!((own.status, own.content_type), (404, Some("a/b")));
            assert_eq!(own.body, decoded.as_bytes());
        }
    }

    #[test]
    fn a_204_needs_no_media_type_and_has_no_body() {
        let data =
            json!({"http_status_code": 204, "http_raw_body": "Z29uZQ==", "http_raw_pragma": "no-cache"});
        let own = OwnAnswer::read(data.as_object().unwrap(), false).ok().unwrap();
        assert_eq!((own.status, own.content_type), (204, None));
        assert!(own.body.is_empty());
        assert_eq!(own.headers, [("pragma", "no-cache")]);
    }

    #[test]
    fn a_status_may_be_written_as_a_float() {
        let data: Value = serde_json::from_str(r#"{"http_status_code": 2.045e2}"#).unwrap();
        let own = OwnAnswer::read(data.as_object().unwrap(), false).ok().unwrap();
        assert_eq!(own.status, 204);
    }

    #[test]
    fn an_invalid_answer_is_refused_in_vaults_words() {
        for (data, why) in [
            (json!({"http_status_code": "200"}), "cannot decode status code"),
            (json!({"http_status_code": 99}), "cannot decode status code"),
            (json!({"http_status_code": 1000}), "cannot decode status code"),
            (json!({"http_status_code": 200}), "no content type given"),
            (
                json!({"http_status_code": 200, "http_content_type": 1}),
                "cannot decode content type",
            ),
            (
                json!({"http_status_code": 200, "http_content_type": "", "http_raw_body": []}),
                "cannot decode body",
            ),
        ] {
            assert_eq!(refusal(data.clone(), false), Some(why), "{data}");
        }
        assert_eq!(
            refusal(json!({"http_status_code": 204}), true),
            Some("raw responses cannot contain secrets or auth")
        );
    }
}
